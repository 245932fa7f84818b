package fetch

import (
	"bytes"
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestRedirects(t *testing.T) {
	crl := makeCRL(t, 1)
	var base string
	mux := http.NewServeMux()
	mux.HandleFunc("/ca.crl", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" {
			t.Errorf("asked with %v", r.Header)
		}
		write(t, w, crl)
	})
	mux.HandleFunc("/once", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ca.crl", http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/loop", http.StatusMovedPermanently)
	})
	mux.HandleFunc("/nowhere", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) })
	mux.HandleFunc("/to/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("url"))
		w.WriteHeader(http.StatusFound)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	base = s.URL
	if got, _, err := get(t, newClient(t), base+"/once", Validators{}); err != nil || !bytes.Equal(got, crl) {
		t.Errorf("one redirect: %v", err)
	}
	for url, want := range map[string]struct {
		code  Code
		words string
	}{
		"/loop":    {TooManyRedirects, "more than 5 redirects"},
		"/nowhere": {StatusRefused, "302"},
		"/to/?url=http://169.254.169.254/latest/meta-data/":          {AddressRefused, "no setting allows it"},
		"/to/?url=http://[::ffff:169.254.169.254]/latest/meta-data/": {AddressRefused, "169.254.169.254 hands out credentials"},
		"/to/?url=http://localhost:1/":                               {AddressRefused, "ALLOW_HOSTS name localhost"},
		"/to/?url=http://2130706433/":                                {NameNotResolved, ""},
		"/to/?url=file:///etc/passwd":                                {RedirectRefused, "file"},
		"/to/?url=ftp://127.0.0.1/ca.crl":                            {RedirectRefused, "ftp"},
		"/to/?url=http://user:secret@127.0.0.1/":                     {RedirectRefused, "credentials"},
		"/to/?url=http:///ca.crl":                                    {RedirectRefused, "host"},
	} {
		_, _, err := get(t, newClient(t, func(c *ClientConfig) { c.Resolver = &names{"localhost": {{127, 0, 0, 1}}} }), base+url, Validators{})
		refused(t, err, want.code, want.words)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the credentials are in %v", url, err)
		}
	}
}

func TestURLsThatAreNotAsked(t *testing.T) {
	for url, code := range map[string]Code{
		"ldap://127.0.0.1/cn=A?certificateRevocationList": SchemeUnsupported, "file:///etc/passwd": SchemeUnsupported, "gopher://127.0.0.1/": SchemeUnsupported,
		"http://user@127.0.0.1/": URLInvalid, "http://": URLInvalid, "http:opaque": URLInvalid, "http://127.0.0.1/#x": URLInvalid, "http://127.0.0.1:99999x/": URLInvalid,
		"/ca.crl": SchemeUnsupported, "http://127.0.0.1/" + strings.Repeat("x", 3000): URLInvalid,
	} {
		_, _, err := get(t, newClient(t), url, Validators{})
		refused(t, err, code, "")
	}
}

// names resolves; a name with several answers gives one after the other.
type names map[string][][4]byte

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	answers := (*n)[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(answers) > 1 {
		(*n)[host] = answers[1:]
	}
	return []netip.Addr{netip.AddrFrom4(answers[0])}, nil
}

// TestRebinding: a name is public when it is looked up first, and loopback the
// second time. The public address is played by the server at loopback, behind the
// same check of the socket's address that a real connection has.
func TestRebinding(t *testing.T) {
	crl := makeCRL(t, 1)
	url, requests := serve(t, func(w http.ResponseWriter, _ *http.Request) { write(t, w, crl) })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	public := [4]byte{93, 184, 215, 14}
	c := newClient(t, func(c *ClientConfig) {
		c.Resolver = &names{"crl.example.com": {public, {127, 0, 0, 1}}}
	})
	c.dialer.connect = func(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
		if err := d.ControlContext(ctx, network, address, nil); err != nil {
			return nil, err
		}
		if strings.HasPrefix(address, "93.184.215.14:") {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		}
		return d.DialContext(ctx, network, address)
	}
	target := "http://crl.example.com:" + port + "/ca.crl"
	if _, _, err := get(t, c, target, Validators{}); err != nil {
		t.Fatalf("while it is public: %v", err)
	}
	_, _, err = get(t, c, target, Validators{})
	refused(t, err, AddressRefused, "127.0.0.1 is not public")
	if requests.Load() != 1 {
		t.Errorf("the server got %d requests", requests.Load())
	}
}

func TestConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, _, err = get(t, newClient(t), "http://"+l.Addr().String()+"/", Validators{})
	refused(t, err, ConnectFailed, "refused")
	_, _, err = get(t, newClient(t, func(c *ClientConfig) { c.Resolver = &names{} }), "http://nowhere.example/", Validators{})
	refused(t, err, NameNotResolved, "nowhere.example")
}

func TestTLS(t *testing.T) {
	crl := makeCRL(t, 1)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { write(t, w, crl) }))
	t.Cleanup(s.Close)
	_, _, err := get(t, newClient(t), s.URL, Validators{})
	refused(t, err, TLSFailed, "does not verify")
	trusted := func(c *ClientConfig) {
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AddCert(s.Certificate())
	}
	if _, _, err := get(t, newClient(t, trusted), s.URL, Validators{}); err != nil {
		t.Errorf("with its CA: %v", err)
	}
	// The right CA, another name.
	other := newClient(t, trusted, func(c *ClientConfig) {
		c.Resolver, c.AllowHosts = &names{"other.test": {{127, 0, 0, 1}}}, []string{"other.test"}
	})
	_, _, err = get(t, other, strings.Replace(s.URL, "127.0.0.1", "other.test", 1), Validators{})
	refused(t, err, TLSFailed, "other.test")
	// No TLS behind https.
	plain, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { write(t, w, crl) })
	_, _, err = get(t, newClient(t, trusted), strings.Replace(plain, "http:", "https:", 1), Validators{})
	refused(t, err, TLSFailed, "")
}

// TestProxyIsIgnored: a proxy from the environment would connect where nobody
// checks the address.
func TestProxyIsIgnored(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	c := newClient(t)
	if c.http.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would be asked")
	}
}

func TestTheCallersEndIsNoFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := newClient(t).Get(ctx, url, Validators{})
	if f, ok := err.(*Failure); ok || err == nil {
		t.Errorf("got %v", f)
	}
}
