package revocation_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// sets returns how often each CRL's sets were asked for since the last call, and how
// many octets of them, by the CRL's name.
func (w *rfcWorld) sets() (requests map[string]int, octets int64) {
	requests = map[string]int{}
	for _, c := range w.cache.Calls() {
		if name, ok := strings.CutPrefix(c.Key, catalog.SetPrefix+"crls_2f"); ok && c.Op == objectstore.OpGet {
			requests[name[:strings.Index(name, ".crl")]]++
			octets += c.Range.Length
		}
	}
	w.cache.ResetCalls()
	return requests, octets
}

// TestSetsInUseAreFetchedFirst: before a new catalog comes into force, the sets are
// fetched that requests have asked for, in this catalog or one before, and no others.
func TestSetsInUseAreFetchedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		next := l.now().Add(30 * 24 * time.Hour)
		cas := map[string]*pki.CA{"live": l.ca, "seldom": l.newCA("Seldom", pki.CAOptions{}), "never": l.newCA("Never", pki.CAOptions{})}
		for _, name := range []string{"seldom", "never"} {
			l.trust(name, cas[name])
		}
		publish := func(number int64) {
			t.Helper()
			for i, name := range []string{"live", "seldom", "never"} {
				l.publish(name, cas[name], number, pki.CRLOptions{NextUpdate: next, Entries: listed(pki.KeyCompromise, 666, 10*number+int64(i))})
			}
			l.sets()
		}
		publish(2)
		c := l.reader(nil)
		l.expect(c, "good", "revoked")
		if a := c.Ask(t.Context(), parse(t, l.leaf(cas["seldom"], 666, pki.LeafOptions{})), l.clock()); state(a) != "revoked" {
			t.Errorf("%s: %s", state(a), a.Detail)
		}
		for number := int64(3); number < 6; number++ {
			publish(number)
			time.Sleep(revocation.DefaultRevalidateAfter * 2 / 3)
			l.timed(c) // begins a refresh in the background
			time.Sleep(time.Second)
			if got, _ := l.sets(); len(got) != 2 || got["live"] != 1 || got["seldom"] != 1 {
				t.Errorf("number %d: GETs of sets: %v", number, got)
			}
			if a, took := l.timed(c); took != 0 || a.CRL.Number != string(rune('0'+number)) {
				t.Errorf("number %d: answered by %s after %v", number, a.CRL.Number, took)
			}
			if got, _ := l.sets(); len(got) != 0 {
				t.Errorf("number %d: GETs of sets by a request: %v", number, got)
			}
		}
		// What stays as it is is not fetched again.
		l.publish("live", l.ca, 6, pki.CRLOptions{NextUpdate: next, Entries: listed(pki.KeyCompromise, 666)})
		l.sets()
		time.Sleep(revocation.DefaultRevalidateAfter * 2 / 3)
		l.timed(c)
		time.Sleep(time.Second)
		if got, _ := l.sets(); len(got) != 1 || got["live"] != 1 {
			t.Errorf("GETs of sets: %v", got)
		}
	})
}

// TestPartsInUseAreFetchedFirst: the same of a part of the catalog, and the sets that it
// names.
func TestPartsInUseAreFetchedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPartitions(t, 60)
		c, cert := p.revokedSince()
		p.pass(600 * time.Millisecond)
		p.ask(c, cert, revocation.Good) // begins a refresh in the background
		synctest.Wait()
		p.cache.ResetCalls()
		p.ask(c, cert, revocation.Revoked)
		if n, _, read := p.read(); n != 0 {
			t.Errorf("%d GETs by a request: %q", n, read)
		}
	})
}

// TestSetThatComesBack: a set that is the same as one which was replaced is kept once
// it has been fetched before its catalog comes into force.
func TestSetThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newWarm(t)
		for number := int64(2); number < 10; number++ {
			entries := listed(pki.KeyCompromise, 666, 1000)[:1+(number+1)%2]
			l.list(number, entries...)
			l.sets()
			time.Sleep(revocation.DefaultRevalidateAfter * 2 / 3)
			l.timed(c) // begins a refresh in the background
			synctest.Wait()
			if a, took := l.timed(c); took != 0 || a.CRL.Number != string(rune('0'+number)) {
				t.Errorf("number %d: answered by %s after %v", number, a.CRL.Number, took)
			}
			synctest.Wait()
			if got, _ := l.sets(); got["live"] != 1 {
				t.Errorf("number %d: %d GETs of its set", number, got["live"])
			}
		}
	})
}

// TestHeadsInUseAreFetchedFirst: of a set that was searched where it lay the head is
// fetched before the new catalog comes into force, and no more than that.
func TestHeadsInUseAreFetchedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		serials := make([]int64, 40_000)
		publish := func(number int64) *catalog.Set {
			for i := range serials {
				serials[i] = 1000 + 3*int64(i) + number
			}
			l.list(number, listed(pki.NoReason, append(serials, 666)...)...)
			data, _, _ := l.cache.Load(catalog.Key)
			cat, err := catalog.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			l.sets()
			return &cat.CAs["live"].CRLs[0].Set
		}
		publish(2)
		c := l.reader(nil)
		l.expect(c, "good", "revoked")
		synctest.Wait()
		if l.loaded != 0 {
			t.Errorf("fetched whole for two look-ups")
		}
		set := publish(3)
		time.Sleep(revocation.DefaultRevalidateAfter * 2 / 3)
		l.timed(c) // begins a refresh in the background
		time.Sleep(time.Second)
		if got, octets := l.sets(); got["live"] != 1 || octets != set.Head {
			t.Errorf("%d GETs of %d bytes, of a head of %d and a set of %d", got["live"], octets, set.Head, set.Size)
		}
		if a, _ := l.timed(c); state(a) != "good" || a.CRL.Number != "3" {
			t.Errorf("%s by %+v", state(a), a.CRL)
		}
		if got, _ := l.sets(); got["live"] > 1 {
			t.Errorf("%d GETs by a request", got["live"])
		}
		for range 8 {
			l.expect(c, "good", "revoked")
		}
		synctest.Wait()
		if l.loaded != 1 {
			t.Errorf("not fetched whole for as many look-ups as pay")
		}
	})
}

// TestPredecessorOutlivesCatalogs: while a set is not there, what it replaces goes on
// revoking, however many catalogs come that leave it as it is.
func TestPredecessorOutlivesCatalogs(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("A", pki.CAOptions{})
	gone := w.leaf(ca, 7, pki.LeafOptions{})
	w.trust("a", ca)
	w.publish("a", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7)})
	w.want(gone, "revoked")
	w.publish("a", ca, 2, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7, 8)})
	w.lose("a")
	for range 100 {
		w.rewrite(func(*catalog.Catalog) {})
		w.want(gone, "revoked")
	}
	// Nor does another that does not come either.
	w.publish("a", ca, 3, pki.CRLOptions{Entries: listed(pki.KeyCompromise, 7, 8, 9)})
	w.lose("a")
	w.want(gone, "revoked")
	w.want(w.leaf(ca, 8, pki.LeafOptions{}), "good")
	w.later(time.Hour)
	w.want(gone, "revoked")
}

// TestSetMadeAnew: where the catalog names another set for the same CRL, as a later
// version may make it, the one before answers as long as that is not there.
func TestSetMadeAnew(t *testing.T) {
	w, ca := newListing(t, 7)
	good, gone := w.leaf(ca, 1, pki.LeafOptions{}), w.leaf(ca, 7, pki.LeafOptions{})
	w.want(good, "good")
	w.rewrite(func(c *catalog.Catalog) {
		set := &c.CAs["a"].CRLs[0].Set
		digest, err := serialset.ParseDigest(strings.Repeat("7", len(set.SHA256)))
		if err != nil {
			t.Fatal(err)
		}
		set.SHA256, set.Key = strings.Repeat("7", len(set.SHA256)), catalog.SetKey(c.CAs["a"].CRLs[0].Name, digest)
	})
	for after, want := range map[time.Duration]string{0: "good", time.Hour: "cache_unavailable"} {
		w.later(after)
		w.want(good, want)
		w.want(gone, "revoked")
		w.later(-after)
	}
}

// TestDeltaWithoutItsBase: a delta in the catalog whose complete CRL is not there speaks
// of nothing.
func TestDeltaWithoutItsBase(t *testing.T) {
	w := newRFCWorld(t)
	ca := w.newCA("A", pki.CAOptions{})
	w.trust("a", ca)
	w.publish("base", ca, 1, pki.CRLOptions{})
	w.publish("delta", ca, 2, delta(1, listed(pki.KeyCompromise, 7)...))
	w.want(w.leaf(ca, 7, pki.LeafOptions{}), "revoked")
	w.rewrite(func(c *catalog.Catalog) {
		crls := c.CAs["a"].CRLs
		if crls[0].Kind == catalog.Delta {
			c.CAs["a"].CRLs = crls[:1]
		} else {
			c.CAs["a"].CRLs = crls[1:]
		}
	})
	w.want(w.leaf(ca, 7, pki.LeafOptions{}), "no_crl")
}

// TestCatalogWithAnUnreadableCertificate: a catalog with something in a certificate's
// place is refused whole, and counted as malformed; what served goes on serving.
func TestCatalogWithAnUnreadableCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newWarm(t)
		l.rewrite(func(c *catalog.Catalog) {
			cert := &c.CAs["live"].Certificates[0]
			cert.DER = []byte("no certificate")
			sum := sha256.Sum256(cert.DER)
			cert.Fingerprint = hex.EncodeToString(sum[:])
		})
		time.Sleep(time.Minute)
		l.expect(c, "good", "revoked")
		synctest.Wait()
		if len(l.refused) == 0 || l.refused[0] != "malformed" {
			t.Errorf("metrics say %q", l.refused)
		}
	})
}
