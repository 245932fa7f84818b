package revocation_test

import (
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// TestKeyAskedAboutAtTheLastMoment: what is found out of a key in the last moment of
// a CRL does not outlive that.
func TestKeyAskedAboutAtTheLastMoment(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, at(pki.CRLOptions{}, w.now().Add(-time.Hour), w.now().Add(10*time.Minute)))
	w.later(10 * time.Minute)
	w.want(w.client, "good")
	w.later(1)
	w.want(w.client, "chain_unknown")
}

// TestKeyAskedAboutAgain: what could not be found out of a key is asked again once a
// second has passed, and not later.
func TestKeyAskedAboutAgain(t *testing.T) {
	w := newChained(t)
	w.publish("root", w.root, 1, pki.CRLOptions{Entries: certEntry(w.sub, pki.KeyCompromise)})
	restore := w.lose("root")
	if a := w.ask(w.client); state(a) != "cache_unavailable" || !a.ChainUnknown || a.Detail != a.Unavailable.Error() {
		t.Errorf("%s, %+v", state(a), a)
	}
	restore()
	w.later(time.Second + 1)
	w.want(w.client, "issuer_revoked")
}

// TestKeyByAPartThatIsNotThereYet: the part of the catalog that revokes a CA counts a
// second after it is there, though one without a CRL for it stood in until then.
func TestKeyByAPartThatIsNotThereYet(t *testing.T) {
	for range 4 { // what is done behind a request's back may come before it or after
		synctest.Test(t, keyByAPartThatIsNotThereYet)
	}
}

func keyByAPartThatIsNotThereYet(t *testing.T) {
	p := newPartitioned(t)
	below := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Below"}, Parent: p.ca, SerialNumber: big.NewInt(4711), CRLDistributionPoints: []string{uri(900)}})
	p.uploads.Store("issuers/below.pem", below.PEM())
	p.uploads.Store("crls/below.crl", pkitest.CRL(t, below, pki.CRLOptions{Number: big.NewInt(1), ThisUpdate: p.now(), NextUpdate: p.now().AddDate(0, 0, 7)}))
	keys := []string{"issuers/below.pem", "crls/below.crl"}
	for i := range 60 {
		keys = append(keys, p.publish(i, 1, int64(10*i+1)))
	}
	p.changed(keys...)
	c, cert := p.reader(), parse(t, pkitest.Leaf(t, below, pki.LeafOptions{Serial: big.NewInt(1)}))
	want := func(want string) {
		t.Helper()
		if a := c.Ask(t.Context(), cert, p.now()); state(a) != want {
			t.Errorf("%s, want %s: %s", state(a), want, a.Detail)
		}
		synctest.Wait() // for what is fetched behind its back
	}
	want("chain_unknown")
	p.changed(p.publish(900, 1, 4711))
	p.cache.Before(func(_ objectstore.Op, key string) error {
		if strings.HasPrefix(key, "catalog/") {
			return objectstoretest.Answer(503, "SlowDown")
		}
		return nil
	})
	p.pass(600 * time.Millisecond)
	want("chain_unknown") // begins the refresh
	want("chain_unknown")
	p.cache.Before(nil)
	p.pass(time.Second + 1)
	want("chain_unknown") // by what is there, while the part is fetched
	p.pass(time.Second + 1)
	want("issuer_revoked")
}

// thawed is a moment as a process reads it that was frozen since another for so long:
// the wall clock has gone on, and the monotonic one has stood still.
func thawed(t *testing.T, since time.Time, frozen time.Duration) time.Time {
	t.Helper()
	now := since.Add(frozen)
	*(*int64)(unsafe.Add(unsafe.Pointer(&now), unsafe.Sizeof(uint64(0)))) -= int64(frozen) // time.Time's second field: the monotonic reading
	if now.Sub(since) != 0 || now.Round(0).Sub(since.Round(0)) != frozen {
		t.Fatalf("%v is not %v after %v", now, frozen, since)
	}
	return now
}

// TestFrozenAfterAFailure: a failure is over after a freeze, in which no time has
// passed by the monotonic clock.
func TestFrozenAfterAFailure(t *testing.T) {
	type question func(*revocation.Cache, *clientcert.Certificate, time.Time) string
	ask := func(c *revocation.Cache, cert *clientcert.Certificate, now time.Time) string {
		return state(c.Ask(t.Context(), cert, now))
	}
	explain := func(c *revocation.Cache, cert *clientcert.Certificate, now time.Time) string {
		a, trace := c.Explain(t.Context(), cert, now)
		if l := trace.Considered.Lists[0].Lookups[0]; l.Age != 0 || (l.Err != nil) != (a.Unavailable != nil) {
			t.Errorf("%+v", l)
		}
		return state(a)
	}
	serial := func(c *revocation.Cache, cert *clientcert.Certificate, now time.Time) string {
		s, err := c.ExplainSerial(t.Context(), "ca", cert.Serial, now)
		if err != nil {
			t.Fatal(err)
		}
		return state(s.Answers[0].Answer)
	}
	for name, q := range map[string]question{"Ask": ask, "Explain": explain, "ExplainSerial": serial} {
		w := newRFCWorld(t)
		began := time.Now()
		w.moment.Store(began.UnixNano())
		ca := w.newCA("CA", pki.CAOptions{})
		w.trust("ca", ca)
		w.publish("ca", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7)})
		restore := w.lose("ca")
		// No room for a set, so that it is searched where it lies.
		c := revocation.New(w.cache, revocation.Config{MaxUnvalidated: time.Hour, MemoryBudget: 1}, w.now, slog.New(slog.DiscardHandler), nil)
		cert := parse(t, w.leaf(ca, 7, pki.LeafOptions{}))
		if got := q(c, cert, began); got != "cache_unavailable" {
			t.Errorf("%s: %s", name, got)
		}
		restore()
		w.later(time.Minute)
		if got := q(c, cert, thawed(t, began, time.Minute)); got != "revoked" {
			t.Errorf("%s: after a freeze: %s", name, got)
		}
	}
	w := newChained(t)
	began := time.Now()
	w.moment.Store(began.UnixNano())
	w.publish("root", w.root, 1, pki.CRLOptions{Entries: certEntry(w.sub, pki.KeyCompromise)})
	w.publish("sub", w.sub, 2, pki.CRLOptions{})
	restore := w.lose("root")
	cert := parse(t, w.client)
	if got := ask(w.read, cert, began); got != "cache_unavailable" {
		t.Error(got)
	}
	restore()
	w.later(time.Minute)
	if got := ask(w.read, cert, thawed(t, began, time.Minute)); got != "issuer_revoked" {
		t.Errorf("after a freeze: %s", got)
	}
}

// TestCutShort: what was found of a key while another was asked about, which it led
// back to, says nothing of it once it is asked about itself.
func TestCutShort(t *testing.T) {
	w := newRFCWorld(t)
	a, b, stranger := w.newCA("A", pki.CAOptions{}), w.newCA("B", pki.CAOptions{}), w.newCA("Stranger", pki.CAOptions{})
	aByB := w.newCA("A", pki.CAOptions{Parent: b, Signer: a.Key})
	bByA, bByAAgain := w.newCA("B", pki.CAOptions{Parent: a, Signer: b.Key}), w.newCA("B", pki.CAOptions{Parent: a, Signer: b.Key})
	bByStranger := w.newCA("B", pki.CAOptions{Parent: stranger, Signer: b.Key})
	w.trust("a", a, aByB)
	w.trust("b", bByA)
	w.publish("a", a, 1, pki.CRLOptions{})
	w.publish("b", b, 1, pki.CRLOptions{})
	ofA, ofB := w.leaf(a, 1, pki.LeafOptions{}), w.leaf(b, 1, pki.LeafOptions{})
	for i, certs := range [][]*pki.CA{{bByA}, {bByA, bByAAgain}, {bByA, bByStranger}, {bByStranger, bByA}, {bByA, bByStranger, bByAAgain}} {
		w.trust("b", certs...)
		w.restart()
		for _, leaf := range []*pki.Leaf{ofA, ofB, ofA} {
			if got := w.ask(leaf); state(got) != "good" {
				t.Errorf("certificates %d: %s: %s", i, state(got), got.Detail)
			}
		}
	}
}

// TestLongestChain: eight CAs may stand above one another, and no more.
func TestLongestChain(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("CA 1", pki.CAOptions{})
	for n := 1; n <= 9; n++ {
		if n > 1 {
			ca = w.newCA(fmt.Sprint("CA ", n), pki.CAOptions{Parent: ca})
		}
		name := fmt.Sprintf("ca%d", n)
		w.trust(name, ca)
		w.publish(name, ca, 1, pki.CRLOptions{})
		w.restart()
		want := "good"
		if n > 8 {
			want = "chain_unknown"
		}
		w.want(w.leaf(ca, 1, pki.LeafOptions{}), want)
	}
}

// TestKeysAreRemembered: what is known of the CAs above is found out once, so that a
// request takes no more for a CA far below its root than for one right below it, as long
// as no date passes.
func TestKeysAreRemembered(t *testing.T) {
	work := func(depth int) float64 {
		w := newRFCWorld(t)
		ca := w.newCA("CA 0", pki.CAOptions{})
		for n := range depth {
			name := fmt.Sprintf("ca%d", n)
			if n > 0 {
				ca = w.newCA(fmt.Sprint("CA ", n), pki.CAOptions{Parent: ca})
			}
			w.trust(name, ca)
			w.publish(name, ca, 1, pki.CRLOptions{})
		}
		return w.allocations(w.leaf(ca, 1, pki.LeafOptions{}), 1<<20, "good")
	}
	if near, far := work(2), work(7); far > near+2 {
		t.Errorf("%v allocations far below the root, and %v right below it", far, near)
	}
}

// allocations is how many a request of this client makes, with a memory budget, in a
// catalog that is known, two seconds after the one before it.
func (w *rfcWorld) allocations(leaf *pki.Leaf, budget int64, want string) float64 {
	c := revocation.New(w.cache, revocation.Config{RevalidateAfter: 24 * time.Hour, MaxUnvalidated: 24 * time.Hour, MemoryBudget: budget}, w.now, slog.New(slog.DiscardHandler), nil)
	cert := parse(w.t, leaf)
	return testing.AllocsPerRun(100, func() {
		w.later(2 * time.Second)
		if a := c.Ask(w.t.Context(), cert, w.now()); state(a) != want {
			w.t.Fatalf("%s: %s", state(a), a.Detail)
		}
	})
}

// TestSignaturesOfCAsAreRemembered: where a key is asked about again each second, since an
// object is missing, the signatures on CAs' certificates are not verified again: a request
// takes no more where several CAs bear the issuer's name.
func TestSignaturesOfCAsAreRemembered(t *testing.T) {
	work := func(namesakes int) float64 {
		w := newChained(t)
		for n := range namesakes {
			w.trust(fmt.Sprint("namesake", n), w.newCA("Root", pki.CAOptions{}))
		}
		w.publish("root", w.root, 1, pki.CRLOptions{Entries: listed(pki.Superseded, 7)})
		w.lose("root")
		return w.allocations(w.client, 1, "cache_unavailable")
	}
	if one, many := work(0), work(6); many > one+10 {
		t.Errorf("%v allocations where one CA bears the name, and %v where seven do", one, many)
	}
}
