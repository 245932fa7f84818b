package console

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// listen listens on a loopback address, and on no other: what is shown is for
// whoever sits at this machine.
func listen(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--listen %q is not of the form 127.0.0.1:PORT: %w", address, err)
	}
	if host == "localhost" {
		host = "127.0.0.1" // not what a resolver makes of it
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() || ip.Zone() != "" {
		return nil, fmt.Errorf("--listen %q is not a loopback address: the console shows CAs and clients to whoever reaches it, so it is served on 127.0.0.1 or [::1] only; from another machine, use ssh -L PORT:127.0.0.1:PORT", address)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	return l, nil
}

// loopbackHost reports whether a Host header names loopback by a name that no
// stranger's DNS can claim. The port is not looked at: behind ssh -L it is another.
func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// policy allows what the page's own files need, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer a form would come with the origin null
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// stranger says why a request may be another site's doing; "" where it is not.
func stranger(r *http.Request) string {
	if !loopbackHost(r.Host) {
		return "The Host header names no loopback address: another site's name leads here (DNS rebinding)."
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return "The request comes from a page of another origin."
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "none", "same-origin":
		// Browsers send one of both with every POST; programs that send neither are
		// no browser, and cannot be made to come by a web page.
		return ""
	}
	// A link to the page from elsewhere may be followed: it only shows it.
	if r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
		return ""
	}
	return "The request comes from a page of another site."
}

// openPath leads, with a key behind it, to the page.
const openPath = "/open/"

// onceFor is how long the key that is handed to a browser's command line counts:
// other users of the machine can see it there.
const onceFor = time.Minute

// keys are what opens the page.
type keys struct {
	printed string // in the address that is printed; counts as long as the console runs
	cookie  string // the cookie's value, which it is exchanged for

	mu     sync.Mutex
	single string // counts once
	until  time.Time
}

func newKeys() *keys { return &keys{printed: rand.Text(), cookie: rand.Text()} }

// once returns a key that counts once, and for a minute.
func (k *keys) once() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.single, k.until = rand.Text(), time.Now().Add(onceFor)
	return k.single
}

// opens reports whether a key opens the page.
func (k *keys) opens(key string) bool {
	if same(key, k.printed) {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.single == "" || !same(key, k.single) {
		return false
	}
	k.single = ""
	return time.Now().Before(k.until)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// cookieName differs by port: cookies of 127.0.0.1 are shared by all its ports.
func cookieName(r *http.Request) string {
	_, port, _ := net.SplitHostPort(r.Host)
	return "crlgate-console-" + port
}

func (k *keys) known(r *http.Request) bool {
	c, err := r.Cookie(cookieName(r))
	return err == nil && same(c.Value, k.cookie)
}

// enter exchanges a key for the cookie.
func (k *keys) enter(w http.ResponseWriter, r *http.Request) bool {
	if !k.opens(strings.TrimPrefix(r.URL.Path, openPath)) {
		return false
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Value: k.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return true
}
