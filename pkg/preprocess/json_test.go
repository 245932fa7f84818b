package preprocess_test

import (
	"context"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

var jsonKey = catalog.JSONKey(catalog.CRLName(key))

func (w *world) asJSON() (number string, serials []string) {
	w.t.Helper()
	data, _, ok := w.cache.Load(jsonKey)
	if !ok {
		w.t.Fatal("no JSON")
	}
	var form struct {
		Number  string `json:"crl_number"`
		Serials []string
	}
	if err := json.Unmarshal(data, &form); err != nil {
		w.t.Fatal(err)
	}
	return form.Number, form.Serials
}

// TestJSON is the form for readers in other languages, octet by octet.
func TestJSON(t *testing.T) {
	w, ca := newWorld(t), newCA(t, "a")
	w.config.CacheJSON = true
	w.upload(pem, ca.PEM())
	w.upload(key, crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(5), Entries: entries(255, 1, 127, -1, 0x0a1b)}))
	data, _, _ := w.cache.Load(jsonKey)
	want := `{"crl":"crls/a.crl","issuer":"CN=a,O=Partner","crl_number":"5","this_update":"2026-11-15T11:00:00Z","next_update":"2026-11-16T11:00:00Z","serials":["01","7f","ff","0a1b","-01"]}` + "\n"
	if string(data) != want {
		t.Errorf("%s\nwant %s", data, want)
	}
	w.upload(key, crlOf(t, ca, 6))
	if number, serials := w.asJSON(); number != "6" || len(serials) != 0 || serials == nil {
		t.Errorf("%s %q", number, serials)
	}
	w.upload("crls/copy.crl", crlOf(t, ca, 6)) // not the upload that is in force
	w.upload(key, crlOf(t, ca, 4))             // refused
	if number, _ := w.asJSON(); number != "6" {
		t.Error(number)
	}
	if n := len(slices.DeleteFunc(w.cache.Keys(), func(k string) bool { return !strings.HasSuffix(k, ".cache.json") })); n != 1 {
		t.Errorf("%d JSON objects: %q", n, w.cache.Keys())
	}
}

// TestJSONRetry: the catalog was written and the JSON was not; the next try
// writes it.
func TestJSONRetry(t *testing.T) {
	w, ca := newWorld(t), newCA(t, "a")
	w.config.CacheJSON = true
	w.upload(pem, ca.PEM())
	w.uploads.Store(key, crlOf(t, ca, 5, 1))
	w.cache.Before(func(op objectstore.Op, k string) error {
		if op == objectstore.OpPut && k == jsonKey {
			return objectstoretest.Answer(503, "SlowDown")
		}
		return nil
	})
	if err := w.tryHandle(key); err == nil {
		t.Fatal("no error")
	}
	w.calm()
	w.handle(key)
	if number, serials := w.asJSON(); number != "5" || !slices.Equal(serials, []string{"01"}) {
		t.Errorf("%s %q", number, serials)
	}
	w.wantOutcome(key, "accepted unchanged")
}

// TestJSONHeldUp: a preprocessor that was held up does not put an older list back.
func TestJSONHeldUp(t *testing.T) {
	for _, first := range []bool{true, false} { // whether there was a list before
		w, ca := newWorld(t), newCA(t, "a")
		w.config.CacheJSON = true
		w.upload(pem, ca.PEM())
		if first {
			w.upload(key, crlOf(t, ca, 4))
		}
		w.uploads.Store(key, crlOf(t, ca, 5, 1))
		done := false
		w.cache.Before(func(op objectstore.Op, k string) error {
			if op == objectstore.OpPut && k == jsonKey && !done {
				done = true
				w.uploads.Store(key, crlOf(t, ca, 6, 1, 2))
				if err := w.preprocessor().Handle(context.Background(), event(key), w.now); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		w.handle(key)
		w.calm()
		if number, serials := w.asJSON(); number != "6" || !slices.Equal(serials, []string{"01", "02"}) {
			t.Errorf("%s %q", number, serials)
		}
	}
}
