package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCertificatesAreExplained(t *testing.T) {
	w := newWorld(t)
	ca := w.ca("a")
	alice, bob := w.issue(ca, "alice"), w.issue(ca, "bob")
	w.put("crls/a.crl", w.crl(ca, 7, time.Hour, alice))
	got := w.drop(file{"alice.pem", alice.PEM()}).Body.String()
	has(t, got, "Denied: revoked", "certificate alice.pem", "CN=alice", "crls/a.crl", "What can be done", "Row 6 of the decision table decided.", "8 rows behind it were not looked at", `aria-hidden="true"`)
	if strings.Contains(got, "<html") {
		t.Error("the script gets the whole page")
	}
	has(t, w.drop(file{"bob.der", bob.DER}).Body.String(), "Let in: good", "Row 14")
	has(t, w.drop(file{"bob.pem", append(ca.PEM(), bob.PEM()...)}).Body.String(), "Let in: good", "CN=bob") // the leaf, not its CA

	stranger := w.issue(w.unknownCA("elsewhere"), "x")
	has(t, w.drop(file{"x.pem", stranger.PEM()}).Body.String(), "Denied: unknown_issuer")

	w.put("issuers/a.json", []byte(`{"mode":"observe"}`))
	has(t, w.drop(file{"alice.pem", alice.PEM()}).Body.String(), "Let in, though revoked")
}

func TestWithoutScriptTheAnswerIsAPage(t *testing.T) {
	w := newWorld(t)
	ca := w.ca("a")
	w.look()
	body, kind := form(t, file{"alice.pem", w.issue(ca, "alice").PEM()})
	out := w.do("POST", "/answer", body, func(r *http.Request) { r.Header.Set("Content-Type", kind) })
	has(t, out.Body.String(), "<!doctype html>", "Denied: no_crl", "CAs and CRLs")
}

func TestCRLsAreCheckedAgainstWhatServes(t *testing.T) {
	w := newWorld(t)
	ca, other := w.ca("a"), w.ca("b")
	alice := w.issue(ca, "alice")
	w.put("crls/a.crl", w.crl(ca, 7, time.Hour))
	forged := w.crl(ca, 9, time.Hour)
	forged[len(forged)-1] ^= 1
	for name, c := range map[string]struct {
		data  []byte
		wants []string
	}{
		"newer":    {w.crl(ca, 8, time.Hour, alice), []string{"It would be accepted", "take the place of CRL number 7, which has 0 entries", "in 1h"}},
		"in force": {w.crl(ca, 7, time.Hour), []string{"It is in force already"}},
		"first":    {w.crl(other, 1, time.Hour), []string{"It would be accepted", "this would be the first"}},
		"older":    {w.crl(ca, 6, time.Hour), []string{"It would be refused", "number_too_low"}},
		"forged":   {forged, []string{"It would be refused", "signature_invalid"}},
		"damaged":  {w.crl(ca, 8, time.Hour)[:100], []string{"It would be refused"}},
		"unknown":  {w.crl(w.unknownCA("elsewhere"), 1, time.Hour), []string{"It would be pending", "issuer_unknown"}},
		"expired":  {w.crl(other, 2, -time.Minute), []string{"It would be refused", "dates_conflict"}},
	} {
		got := w.drop(file{name + ".crl", c.data}).Body.String()
		has(t, got, append(c.wants, "CRL "+name+".crl")...)
	}
	before := w.cache.Keys()
	w.drop(file{"newer.crl", w.crl(ca, 8, time.Hour)})
	if after := w.cache.Keys(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the cache bucket had %v and has %v: the console wrote", before, after)
	}
}

func TestWithACACertificateTheFilesStandAlone(t *testing.T) {
	w := newWorld(t) // which knows no CA
	ca := w.unknownCA("elsewhere")
	alice, bob := w.issue(ca, "alice"), w.issue(ca, "bob")
	got := w.drop(file{"ca.pem", ca.PEM()}, file{"a.crl", w.crl(ca, 1, time.Hour, alice)}, file{"alice.pem", alice.PEM()}, file{"bob.pem", bob.PEM()}).Body.String()
	has(t, got, "It would be denied", "<code>revoked</code>", "It would be let in", "It is sound", "From the dropped files alone")
	got = w.drop(file{"ca.pem", ca.PEM()}, file{"ca.pem", w.crl(ca, 1, time.Hour)[:90]}).Body.String()
	has(t, got, "It is refused", "CRL ca.pem (2)")
}

func TestWhatCannotBeAnswered(t *testing.T) {
	w := newWorld(t)
	has(t, w.drop(file{"notes.txt", []byte("hello")}).Body.String(), "neither a certificate nor a CRL")
	key, err := w.issue(w.ca("a"), "x").KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	got := w.drop(file{"x.key", key}).Body.String()
	has(t, got, "holds a private key")
	if strings.Contains(got, strings.Split(string(key), "\n")[1]) {
		t.Error("the answer repeats the key")
	}
}

func TestDropsAreBounded(t *testing.T) {
	w := newWorld(t)
	many := make([]file, maxDropFiles+1)
	for i := range many {
		many[i] = file{fmt.Sprint(i), []byte("x")}
	}
	if out := w.drop(many...); out.Code != http.StatusBadRequest || !strings.Contains(out.Body.String(), "more than 16 files") {
		t.Errorf("too many files: %d %s", out.Code, out.Body)
	}
	if out := w.drop(file{"large", bytes.Repeat([]byte("x"), maxDrop+1)}); out.Code != http.StatusRequestEntityTooLarge || !strings.Contains(out.Body.String(), "crlgate check") {
		t.Errorf("too large: %d %s", out.Code, out.Body)
	}
	if out := w.drop(file{"empty", nil}); out.Code != http.StatusBadRequest || !strings.Contains(out.Body.String(), "nothing to ask about") {
		t.Errorf("nothing: %d %s", out.Code, out.Body)
	}
	if out := w.do("POST", "/answer", strings.NewReader("text=x"), func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }); out.Code != http.StatusBadRequest {
		t.Errorf("no multipart: %d %s", out.Code, out.Body)
	}
	// Not more than a few at a time.
	for range maxAnswers {
		w.server.answers <- struct{}{}
	}
	if out := w.drop(file{"x", []byte("x")}); out.Code != http.StatusServiceUnavailable {
		t.Errorf("one too many at a time: %d", out.Code)
	}
}

// A body that breaks off is no answer.
func TestBrokenDrop(t *testing.T) {
	w := newWorld(t)
	body, kind := form(t, file{"x.pem", bytes.Repeat([]byte("x"), 5000)})
	out := w.do("POST", "/answer", io.MultiReader(io.LimitReader(body, 2000), broken{}), func(r *http.Request) { r.Header.Set("Content-Type", kind) })
	if out.Code != http.StatusBadRequest {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the connection broke") }
