//go:build browser

package browser

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

var pictures = flag.String("pictures", "", "write the pictures of docs/console.md into this `DIR`")

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+/open/\S+`)

// TestConsole has console.mjs drive the console of a local stack in headless
// Chromium. What the world is to do meanwhile it asks for over HTTP.
func TestConsole(t *testing.T) {
	w := newWorld(t)
	revoked, good, kiosk := w.issue("partners", "retired-gateway"), w.issue("partners", "order-service"), w.issue("kiosks", "kiosk-0042")
	sensor := w.issue("sensors", "probe-17")
	for i, n := range []int{1180, 1187, 1193, 1204} {
		w.publish("partners", edition{number: int64(4708 + i), age: 2*day + hour - time.Duration(i)*time.Minute, left: 5 * day, entries: n, also: revoked})
	}
	w.publish("fleet", edition{number: 88, age: 12 * day, left: 18 * day, entries: 18532}, edition{number: 89, age: 11 * day, left: 19 * day, entries: 18540})
	w.publish("payments", edition{number: 2026112107, age: 19 * hour, left: 5 * hour, entries: 311})
	w.publish("edge", edition{number: 731, age: 23 * hour, left: hour + 20*time.Minute, entries: 48})

	forged, err := pki.NewCA(pki.CAOptions{RawSubject: w.cas["fleet"].Name(), SubjectKeyID: w.cas["fleet"].Certificate.SubjectKeyId})
	if err != nil {
		t.Fatal(err)
	}
	bad := w.crl(forged, edition{number: 90, left: 30 * day})
	w.write("crls/fleet-copy.crl", bad)
	files := map[string][]byte{
		"retired-gateway.pem": revoked.PEM(), "order-service.pem": good.PEM(), "forged.crl": bad,
		"newer.crl":       w.crl(w.cas["payments"], edition{number: 2026112108, left: day, entries: 312}),
		"partners-ca.pem": w.cas["partners"].PEM(), "partners.crl": w.crl(w.cas["partners"], edition{number: 5000, left: day, also: revoked}),
		"junk.txt": []byte("hello\n"),
	}
	drops := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(drops, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.answers("rest", good, "/orders/7", http.StatusOK)
	for i := range 6 {
		w.answers([]string{"rest", "http-1.0", "http-2.0"}[i%3], revoked, "/orders/"+strconv.Itoa(i), http.StatusForbidden)
	}
	w.answers("http-2.0", kiosk, "/menu", http.StatusOK)
	w.answers("http-2.0", sensor, "/readings", http.StatusForbidden)

	console := run(t, "console", "--local", w.dir, "--interval", "500ms")
	until(t, "the console prints its address", func() bool { return address.MatchString(console.Output.String()) })
	next := int64(0)
	control := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		answer := map[string]any{}
		switch r.URL.Path {
		case "/sensors": // a CRL that lives for so many seconds
			seconds, _ := strconv.Atoi(r.FormValue("seconds"))
			next++
			w.write("crls/sensors.crl", w.crl(w.cas["sensors"], edition{number: next, left: time.Duration(seconds) * time.Second, entries: 20 + int(next)}))
		case "/request":
			status, err := w.request("http-2.0", revoked, r.FormValue("path"))
			answer["status"], answer["error"] = status, fmt.Sprint(err)
		default:
			http.NotFound(rw, r)
			return
		}
		_ = json.NewEncoder(rw).Encode(answer)
	}))
	defer control.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	profile := t.TempDir() // of the browser
	driver := exec.CommandContext(ctx, "node", "console.mjs")
	driver.Env = append(os.Environ(),
		"CONSOLE="+address.FindString(console.Output.String()), "CONTROL="+control.URL, "DROPS="+drops, "PROFILE="+profile, "PICTURES="+*pictures,
		"HOME="+profile, "TMPDIR="+profile)
	driver.WaitDelay = 10 * time.Second
	driver.Cancel = func() error { return driver.Process.Signal(os.Interrupt) } // it closes the browser
	out, err := driver.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("the browser's part failed: %v", err)
	}
	stop(t, console)
	stop(t, w.stack)
	if left := strings.TrimSpace(leftovers(profile)); left != "" {
		t.Errorf("processes of the browser are left:\n%s", left)
	}
}

// leftovers lists processes that the browser left behind: all name its profile.
func leftovers(profile string) string {
	var out strings.Builder
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out.Reset()
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range files {
			if line, err := os.ReadFile(f); err == nil && strings.Contains(string(line), profile) {
				fmt.Fprintln(&out, strings.ReplaceAll(string(line), "\x00", " "))
			}
		}
		if out.Len() == 0 || time.Now().After(deadline) {
			return out.String()
		}
	}
}
