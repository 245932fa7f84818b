package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:80", "example.com:80", "127.0.0.1", "[fe80::1%lo]:0", "localhost.example.com:0", "127.0.0.1.nip.io:0", "2130706433:0"} {
		if l, err := listen(address); err == nil {
			l.Close()
			t.Errorf("%s is listened on", address)
		} else if !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v, want the address and what to give instead", address, err)
		}
	}
	for _, address := range []string{"", "127.0.0.1:0", "localhost:0", "127.0.0.2:0"} {
		l, err := listen(address)
		if err != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		if !strings.HasPrefix(l.Addr().String(), "127.") {
			t.Errorf("%q listens on %v", address, l.Addr())
		}
		l.Close()
	}
}

// Strangers: other sites' pages, other names for this address, other users.
func TestStrangersAreTurnedAway(t *testing.T) {
	w := newWorld(t)
	header := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == "Host" {
					r.Host = pairs[i+1]
				} else {
					r.Header.Set(pairs[i], pairs[i+1])
				}
			}
		}
	}
	for name, c := range map[string]struct {
		method, path string
		change       func(*http.Request)
		want         int
	}{
		"the page itself":                    {"GET", "/", header("Sec-Fetch-Site", "same-origin"), 200},
		"from the address bar":               {"GET", "/", header("Sec-Fetch-Site", "none"), 200},
		"by another loopback name":           {"GET", "/", header("Host", "localhost:8900"), 200},
		"by a rebound name":                  {"GET", "/", header("Host", "attacker.example:8900"), 403},
		"by a name that begins like ours":    {"GET", "/", header("Host", "127.0.0.1.attacker.example:8900"), 403},
		"without a name":                     {"GET", "/", header("Host", ""), 403},
		"a link elsewhere is followed":       {"GET", "/", header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 200},
		"a frame elsewhere":                  {"GET", "/", header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"), 403},
		"a script elsewhere":                 {"GET", "/console.js", header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"), 403},
		"another port of this machine":       {"GET", "/events", header("Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"), 403},
		"a form elsewhere, by its origin":    {"POST", "/answer", header("Origin", "http://attacker.example"), 403},
		"a form elsewhere, by its null":      {"POST", "/answer", header("Origin", "null"), 403},
		"a form of another port":             {"POST", "/answer", header("Origin", "http://127.0.0.1:8901"), 403},
		"a form elsewhere, by fetch headers": {"POST", "/answer", header("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"), 403},
		"a form of the page, without files":  {"POST", "/answer", header("Origin", "http://127.0.0.1:8900", "Sec-Fetch-Site", "same-origin"), 400},
		"another user":                       {"GET", "/", func(r *http.Request) { r.Header.Del("Cookie") }, 401},
		"another user, guessing":             {"GET", "/open/AAAAAAAAAAAAAAAAAAAAAAAAAA", func(r *http.Request) { r.Header.Del("Cookie") }, 401},
		"another console's cookie":           {"GET", "/", header("Host", "127.0.0.1:8901"), 401},
		"another method":                     {"DELETE", "/", nil, 405},
		"another path":                       {"GET", "/debug/pprof/", nil, 404},
		"out of the folder":                  {"GET", "/..%2fserver.go", nil, 404},
	} {
		out := w.do(c.method, c.path, nil, c.change)
		if out.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", name, out.Code, c.want, out.Body)
		}
		secured(t, name, out)
	}
}

// secured wants the headers on every answer, refusals too.
func secured(t *testing.T, name string, out *httptest.ResponseRecorder) {
	t.Helper()
	h := out.Header()
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("%s: the policy %q lacks %s", name, csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || strings.Contains(csp, "http") {
		t.Errorf("%s: the policy %q allows too much", name, csp)
	}
	for key, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "",
	} {
		if got := h.Get(key); got != want {
			t.Errorf("%s: %s is %q, want %q", name, key, got, want)
		}
	}
}

func TestKeysOpenThePage(t *testing.T) {
	w := newWorld(t)
	open := func(key string) *httptest.ResponseRecorder {
		return w.do("GET", openPath+key, nil, func(r *http.Request) { r.Header.Del("Cookie") })
	}
	for range 2 { // the printed one counts again
		out := open(w.server.keys.printed)
		if out.Code != http.StatusSeeOther || out.Header().Get("Location") != "/" {
			t.Fatalf("the printed key: %d %v", out.Code, out.Header())
		}
		c := out.Result().Cookies()
		if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Value == w.server.keys.printed {
			t.Fatalf("cookies %+v", c)
		}
		if got := w.do("GET", "/", nil, func(r *http.Request) { r.Header.Del("Cookie"); r.AddCookie(c[0]) }); got.Code != http.StatusOK {
			t.Errorf("with the cookie: %d", got.Code)
		}
	}
	once := w.server.keys.once()
	if got := open(once); got.Code != http.StatusSeeOther {
		t.Errorf("the key for a browser: %d", got.Code)
	}
	if got := open(once); got.Code != http.StatusUnauthorized {
		t.Errorf("the key for a browser, again: %d", got.Code)
	}
	late := w.server.keys.once()
	w.server.keys.until = w.server.keys.until.Add(-2 * onceFor)
	if got := open(late); got.Code != http.StatusUnauthorized {
		t.Errorf("the key for a browser, late: %d", got.Code)
	}
}
