package fetch

import (
	"bytes"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/issuer"
)

var seedState = `{"ca":"a","kind":"settings","urls":["http://h/x.crl"],"key":"crls/fetched/a/x.crl","tried":"2026-06-01T12:00:00Z","outcome":"fetched",
"code":"fetched","detail":"d","next":"2026-06-01T13:00:00Z","first":"2026-06-01T12:00:00Z","success":"2026-06-01T12:00:00Z","url":"http://h/x.crl","etag":"\"1\"",
"sha256":"` + strings.Repeat("0a", 32) + `","size":3,"upload_etag":"\"2\"","crl_number":"7","this_update":"2026-06-01T00:00:00Z",
"next_update":"2026-06-08T00:00:00Z","freshest":[["http://h/d.crl"]],"intervals":[86400],"habit_seconds":86400}`

// FuzzState: what is read as a state is written as it was read, gives keys that
// stay under their prefixes, and a time for the next look within the bounds.
func FuzzState(f *testing.F) {
	for _, seed := range []string{
		seedState, strings.ReplaceAll(seedState, "2026", "9999"), strings.ReplaceAll(seedState, `"habit_seconds":86400`, `"habit_seconds":9223372036854775807`),
		strings.ReplaceAll(seedState, `"intervals":[86400]`, `"intervals":[0]`), strings.ReplaceAll(seedState, "fetched", "failed"), `{}`, `null`, `{"urls":[""]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseState(data)
		if err != nil {
			return
		}
		written, err := s.Encode()
		if err != nil {
			return // a year past 9999, which JSON does not write
		}
		back, err := ParseState(written)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", data, written, err)
		}
		if again, err := back.Encode(); err != nil || !bytes.Equal(again, written) {
			t.Errorf("%s reads as %s (%v)", written, again, err)
		}
		source := s.source()
		if key := source.CRLKey(DefaultCRLPrefix); strings.Count(key, "/") != 3 || !strings.HasPrefix(key, DefaultCRLPrefix) || strings.Contains(key, "/../") {
			t.Errorf("key %q", key)
		}
		if pause := usual.Next(s, 0, start, 0.5).Sub(start); pause < usual.MinInterval*9/10 || pause > usual.MaxInterval {
			t.Errorf("the next look is in %v: %s", pause, written)
		}
		s.wantsFull(start)
		s.learn(start, start.Add(time.Hour))
	})
}

// FuzzURL: what is asked for is http or https, with a host and nothing to hide;
// an address in it is refused unless it is public, and so is a redirect.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"http://crl.example.com/ca.crl", "https://[2606:4700::1111]:8443/x?y", "HTTP://EXAMPLE.COM./", "http://169.254.169.254/", "http://[::ffff:7f00:1]/",
		"http://user:secret@h/", "http://h\\@x/", "http:///x", "http://h:99999/", "file:///etc/passwd", "ldap://h/cn=a", "//h/x", "http://[fe80::1%25eth0]/", "http://h/#f",
		"HTTP://..", "http://h../", "http://h\xb8/", "http://xn--hst-sna/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := issuer.ParseCRLURL(text)
		if err != nil {
			if strings.Contains(err.Error(), "secret@") {
				t.Errorf("%q: the credentials are in %v", text, err)
			}
			return
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Host != strings.ToLower(u.Host) {
			t.Errorf("%q is asked for as %v", text, u)
		}
		again, err := issuer.ParseCRLURL(u.String())
		if err != nil || again.Host != u.Host || again.Scheme != u.Scheme {
			t.Errorf("%q is written as %v, which reads as %v (%v)", text, u, again, err)
		}
		req, err := http.NewRequest(http.MethodGet, u.String(), nil)
		if err != nil {
			return
		}
		if err := checkRedirect(req, nil); err != nil {
			t.Errorf("%q may be asked for and not be redirected to: %v", text, err)
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && (addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast()) && checkAddress(addr, false) == nil {
			t.Errorf("%q leads to %v", text, addr)
		}
	})
}
