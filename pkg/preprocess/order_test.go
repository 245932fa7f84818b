package preprocess_test

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
)

// canonical is a catalog without what depends on when and how often it was
// written.
func canonical(t testing.TB, c *catalog.Catalog) string {
	t.Helper()
	c.Generation, c.Updated, c.Waiting = 0, time.Time{}, nil
	for _, ca := range c.CAs {
		for _, l := range ca.CRLs {
			l.Accepted = time.Time{}
		}
	}
	data, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for at := range n {
			out = append(out, slices.Insert(slices.Clone(p), at, n-1))
		}
	}
	return out
}

// TestOrder: whatever the order of uploads, and whether their events come
// twice, late, in another order or, up to the timer, never, the same catalog
// comes of it.
func TestOrder(t *testing.T) {
	ca := newCA(t, "a")
	uploads := []struct {
		key  string
		data []byte
	}{
		{pem, ca.PEM()},
		{settings, []byte(`{"grace":"1h","domains":["api.example.com"]}`)},
		{"crls/1.crl", crlOf(t, ca, 1, 10)},
		{"crls/2.crl", crlOf(t, ca, 2, 10, 20)},
		{"crls/delta.crl", crlWith(t, ca, pki.CRLOptions{Number: big.NewInt(3), BaseNumber: big.NewInt(2), Entries: entries(30)})},
	}
	want := ""
	check := func(how string, order []int, w *world) {
		t.Helper()
		w.check()
		got := canonical(t, w.catalog())
		if want == "" {
			want = got
			w.wantInForce("a #2 crls/2.crl", "a #3 crls/delta.crl")
			if !w.catalog().CAs["a"].Settings.ServesDomain("api.example.com") {
				t.Error("the settings are not in force")
			}
		}
		if got != want {
			t.Errorf("%s, order %v: in force %q\n%s\nwant\n%s", how, order, w.inForce(), got, want)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i, order := range permutations(len(uploads)) {
		if raced && i%8 != 0 {
			continue
		}
		w := newWorld(t)
		for _, i := range order {
			w.upload(uploads[i].key, uploads[i].data)
		}
		check("one by one", order, w)

		// All uploads first; then every event twice, shuffled, some of them together.
		w = newWorld(t)
		var events []string
		for _, i := range order {
			w.uploads.Store(uploads[i].key, uploads[i].data)
			events = append(events, uploads[i].key, uploads[i].key)
		}
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for len(events) > 0 {
			n := 1 + random.IntN(min(3, len(events)))
			w.handle(events[:n]...)
			events = events[n:]
		}
		check("doubled and reordered", order, w)

		// Half of the events are lost; then the timer comes.
		w = newWorld(t)
		for _, i := range order {
			w.uploads.Store(uploads[i].key, uploads[i].data)
			if random.IntN(2) == 0 {
				w.handle(uploads[i].key)
			}
		}
		w.reconcile()
		check("lost", order, w)
	}
}

// TestOverwrittenOrder: uploads under one key, whose events come in any order
// and too late, leave the newest CRL in force.
func TestOverwrittenOrder(t *testing.T) {
	ca := newCA(t, "a")
	w := newWorld(t)
	w.upload(pem, ca.PEM())
	for n := range int64(20) {
		w.uploads.Store(key, crlOf(t, ca, n+1, n))
		if n%3 == 0 {
			w.handle(key)
			w.handle(key)
		}
	}
	w.handle(key)
	w.wantInForce("a #20 " + key)
	w.wantOutcome(key, "accepted accepted")
}
