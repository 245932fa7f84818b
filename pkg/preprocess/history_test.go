package preprocess_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// history is a random sequence of what people and machines do. What should hold
// after it is kept apart from the code under test: a model of what was uploaded
// and of what a CA's line of CRLs has come to.
type history struct {
	*world
	rng  *rand.Rand
	cas  map[string]*pki.CA
	crls map[string]map[int64][]byte // of each CA, by number

	files   map[string]string // what is uploaded: key → "ca", or "ca number"
	pending []string          // keys whose events are on their way
	did     []string
}

// oracle says what is in force once everything was looked at. served is what was
// before the timer came.
//
// A CA is there if its file is. Of its CRLs the one with the highest number that
// was ever in force serves, as long as the CA was not withdrawn since; an uploaded
// one replaces it that is not lower than the highest number ever accepted.
func (h *history) oracle(served map[string]int64, floors map[string]int64) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(h.cas)) {
		if h.files["issuers/"+name+".pem"] == "" {
			continue
		}
		best := served[name]
		for _, what := range h.files {
			var ca string
			var n int64
			if _, err := fmt.Sscanf(what, "%s %d", &ca, &n); err == nil && ca == name && n >= floors[name] && n > best {
				best = n
			}
		}
		if best > 0 {
			out = append(out, fmt.Sprintf("%s #%d", name, best))
		}
	}
	return out
}

// state is what is in force by the catalog, and the floors, by CA.
func (h *history) state() (list []string, served, floors map[string]int64) {
	c := h.catalog()
	served, floors = map[string]int64{}, map[string]int64{}
	for name, ca := range c.CAs {
		for _, l := range ca.CRLs {
			served[name] = l.Number.Int().Int64()
			list = append(list, fmt.Sprintf("%s #%s", name, l.Number))
		}
	}
	for _, f := range c.Floors {
		floors[f.CA] = f.Number.Int().Int64()
	}
	slices.Sort(list)
	return list, served, floors
}

// step does one thing.
func (h *history) step() {
	names := slices.Sorted(maps.Keys(h.cas))
	ca := names[h.rng.IntN(len(names))]
	changed := ""
	switch h.rng.IntN(10) {
	case 0, 1, 2, 3:
		n := int64(h.rng.IntN(6) + 1)
		changed = fmt.Sprintf("crls/%s-%d.crl", ca, h.rng.IntN(2))
		h.uploads.Store(changed, h.crls[ca][n])
		h.files[changed] = fmt.Sprintf("%s %d", ca, n)
	case 4:
		changed = "issuers/" + ca + ".pem"
		h.uploads.Store(changed, h.cas[ca].PEM())
		h.files[changed] = ca
	case 5:
		// One CA at a time, with another left: more would be an accident.
		if others := h.files["issuers/always.pem"]; others != "" && ca != "always" {
			changed = "issuers/" + ca + ".pem"
			h.uploads.Remove(changed)
			delete(h.files, changed)
		}
	case 6:
		changed = fmt.Sprintf("crls/%s-%d.crl", ca, h.rng.IntN(2))
		h.uploads.Remove(changed)
		delete(h.files, changed)
	case 7, 8: // an event comes, perhaps twice, perhaps into a crash
		h.deliver()
		return
	default:
		h.crash(func() error { return h.tryHandle() })
		return
	}
	h.did = append(h.did, changed+" "+h.files[changed])
	switch h.rng.IntN(4) {
	case 0: // lost
	case 1:
		h.pending = append(h.pending, changed, changed)
	default:
		h.pending = append(h.pending, changed)
	}
}

// deliver has one of the events come that are on their way.
func (h *history) deliver() {
	if len(h.pending) == 0 {
		return
	}
	i := h.rng.IntN(len(h.pending))
	key := h.pending[i]
	h.pending = slices.Delete(h.pending, i, i+1)
	h.did = append(h.did, "event of "+key)
	h.crash(func() error { return h.tryHandle(key) })
}

// crash does something that, one time in three, ends in the middle.
func (h *history) crash(do func() error) {
	if h.rng.IntN(3) == 0 {
		left := h.rng.IntN(12)
		before := func(objectstore.Op, string) error {
			if left--; left < 0 {
				return errCrash
			}
			return nil
		}
		h.uploads.Before(before)
		h.cache.Before(before)
		h.did = append(h.did, fmt.Sprintf("a crash after %d calls", left))
	}
	_ = do() // Lambda would try again; here nobody does
	h.calm()
	h.check()
}

// TestHistories: whatever events were lost, doubled or reordered, and whatever
// crashed, after the next timer the catalog is what the buckets say.
func TestHistories(t *testing.T) { synctest.Test(t, testHistories) }

func testHistories(t *testing.T) {
	cas, crls := map[string]*pki.CA{}, map[string]map[int64][]byte{}
	for _, name := range []string{"a", "b", "always"} {
		cas[name], crls[name] = newCA(t, name), map[int64][]byte{}
		for n := int64(1); n <= 6; n++ {
			crls[name][n] = crlOf(t, cas[name], n, n)
		}
	}
	others := [2]*pki.CA{newCA(t, "c"), newCA(t, "d")}
	histories, steps, served := 150, 40, 0
	if raced || testing.Short() {
		histories = 20
	}
	for seed := range uint64(histories) {
		h := &history{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 6)), cas: cas, crls: crls, files: map[string]string{}}
		h.uploads.Store("issuers/always.pem", cas["always"].PEM())
		h.files["issuers/always.pem"] = "always"
		// So many more CAs that two which go are no accident.
		h.uploads.Store("issuers/c.pem", others[0].PEM())
		h.uploads.Store("issuers/d.pem", others[1].PEM())
		h.reconcile()
		for range steps {
			h.step()
		}
		_, before, floors := h.state()
		withdrawn := map[string]int64{}
		for name, n := range before {
			if h.files["issuers/"+name+".pem"] != "" {
				withdrawn[name] = n
			}
		}
		h.reconcile()
		want := h.oracle(withdrawn, floors)
		got, _, after := h.state()
		if !slices.Equal(got, want) {
			t.Fatalf("history %d: in force %q, want %q (before: %v, floors %v)\n%s", seed, got, want, before, floors, strings.Join(h.did, "\n"))
		}
		for name, n := range floors {
			if after[name] < n {
				t.Fatalf("history %d: the floor of %s fell from %d to %d", seed, name, n, after[name])
			}
		}
		h.check()
		version := h.catalogVersion()
		h.reconcile()
		if h.catalogVersion() != version {
			t.Fatalf("history %d: a second timer changes the catalog", seed)
		}
		served += len(got)
	}
	if served < histories {
		t.Errorf("only %d CRLs in force after %d histories: this says little", served, histories)
	}
}
