package revocation_test

import (
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// rfcWorld is the write path and the read path over two buckets in memory, at
// a moment that the test sets.
type rfcWorld struct {
	t              testing.TB
	uploads, cache *objectstoretest.Bucket
	write          *preprocess.Preprocessor
	read           *revocation.Cache
	moment         atomic.Int64
}

func newRFCWorld(t testing.TB) *rfcWorld {
	w := &rfcWorld{t: t, uploads: objectstoretest.NewBucket(objectstoretest.Named("uploads")), cache: objectstoretest.NewBucket(objectstoretest.Named("cache"))}
	w.moment.Store(time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC).UnixNano())
	w.write = preprocess.New(w.uploads, w.cache, preprocess.Config{UploadBucket: "uploads", IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/"}}, slog.New(slog.DiscardHandler), nil)
	w.restart()
	return w
}

// newListing returns a world of one CA, a, with a CRL that lists serial numbers.
func newListing(t testing.TB, serials ...int64) (w *rfcWorld, ca *pki.CA) {
	w = newRFCWorld(t)
	ca = w.newCA("A", pki.CAOptions{})
	w.trust("a", ca)
	w.publish("a", ca, 1, pki.CRLOptions{Entries: listed(pki.KeyCompromise, serials...)})
	return w, ca
}

// newChain returns a world of two CAs, root, and below it below, without CRLs.
func newChain(t testing.TB) (w *rfcWorld, root, below *pki.CA) {
	w = newRFCWorld(t)
	root = w.newCA("root", pki.CAOptions{})
	below = w.newCA("below", pki.CAOptions{Parent: root})
	w.trust("root", root)
	w.trust("below", below)
	return w, root, below
}

func (w *rfcWorld) now() time.Time { return time.Unix(0, w.moment.Load()).UTC() }

// later lets time pass.
func (w *rfcWorld) later(d time.Duration) { w.moment.Add(int64(d)) }

// restart starts the read path anew, with nothing in memory.
func (w *rfcWorld) restart() {
	w.read = revocation.New(w.cache, revocation.Config{MaxUnvalidated: 15 * time.Minute, MemoryBudget: 64 << 20, ColdWait: 5 * time.Second}, w.now, slog.New(slog.DiscardHandler), nil)
}

// upload stores an object and has the preprocessor handle it; want is the
// report's outcome and code.
func (w *rfcWorld) upload(key string, data []byte, want string) {
	w.t.Helper()
	w.uploads.Store(key, data)
	if err := w.write.Changed(w.t.Context(), []string{key}, w.now()); err != nil {
		w.t.Fatal(err)
	}
	w.wantReport(key, want)
}

func (w *rfcWorld) wantReport(key, want string) {
	w.t.Helper()
	r, err := preprocess.ReadReport(w.t.Context(), w.cache, key)
	if err != nil || r == nil {
		w.t.Fatalf("no report on %s: %v", key, err)
	}
	if got := string(r.Outcome) + " " + string(r.Code); got != want {
		w.t.Fatalf("%s: %s, want %s: %s", key, got, want, r.Detail)
	}
}

// trust uploads the certificates of one CA.
func (w *rfcWorld) trust(name string, cas ...*pki.CA) {
	w.t.Helper()
	w.upload("issuers/"+name+".pem", pki.PEM(cas...), "accepted accepted")
}

func (w *rfcWorld) settings(name, json string) {
	w.t.Helper()
	w.upload("issuers/"+name+".json", []byte(json), "accepted accepted")
}

// sign makes a CRL: issued an hour ago for a day, unless o says otherwise.
func (w *rfcWorld) sign(ca *pki.CA, number int64, o pki.CRLOptions) []byte {
	w.t.Helper()
	o.Number = big.NewInt(number)
	if o.ThisUpdate.IsZero() {
		o.ThisUpdate = w.now().Add(-time.Hour)
	}
	if o.NextUpdate.IsZero() {
		o.NextUpdate = w.now().Add(24 * time.Hour)
	}
	return pkitest.CRL(w.t, ca, o)
}

// publish uploads a CRL, which must be accepted.
func (w *rfcWorld) publish(name string, ca *pki.CA, number int64, o pki.CRLOptions) {
	w.t.Helper()
	w.upload("crls/"+name+".crl", w.sign(ca, number, o), "accepted accepted")
}

// lose removes the sets that a CRL brought to the cache bucket, and returns
// what puts them back.
func (w *rfcWorld) lose(name string) (restore func()) {
	w.t.Helper()
	prefix := catalog.SetPrefix + catalog.CRLName("crls/"+name+".crl") + "/"
	lost := map[string][]byte{}
	for _, key := range w.cache.Keys() {
		if strings.HasPrefix(key, prefix) {
			lost[key], _, _ = w.cache.Load(key)
			w.cache.Remove(key)
		}
	}
	if len(lost) == 0 {
		w.t.Fatalf("%s brought no set", name)
	}
	return func() {
		for key, data := range lost {
			w.cache.Store(key, data)
		}
	}
}

// ask asks about a certificate.
func (w *rfcWorld) ask(leaf *pki.Leaf) revocation.Answer {
	w.t.Helper()
	cert, err := clientcert.Parse(leaf.DER)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.read.Ask(w.t.Context(), cert, w.now())
}

// state is what decides of an answer, in a word: the first row of the decision
// table that it names, with REQUIRE_CHAIN.
func state(a revocation.Answer) string {
	switch {
	case a.CA == "":
		return "unknown_issuer"
	case a.Status == revocation.Revoked:
		return "revoked"
	case a.IssuerRevoked:
		return "issuer_revoked"
	case a.Unavailable != nil:
		return "cache_unavailable"
	case a.Stale:
		return "cache_stale"
	case a.NoCRL:
		return "no_crl"
	case a.OutOfScope:
		return "out_of_scope"
	case a.Expired:
		return "crl_expired"
	case a.Status != revocation.Good:
		return "unknown for no reason"
	case a.ChainUnknown:
		return "chain_unknown"
	}
	return "good"
}

// want asks about a certificate and holds the answer to a word; "good" is a
// chain known to be good too.
func (w *rfcWorld) want(leaf *pki.Leaf, want string) {
	w.t.Helper()
	if a := w.ask(leaf); state(a) != want {
		w.t.Errorf("%s, want %s: %s", state(a), want, a.Detail)
	}
}

// newCA makes a CA; the first argument is its common name.
func (w *rfcWorld) newCA(cn string, o pki.CAOptions) *pki.CA {
	w.t.Helper()
	if o.RawSubject == nil {
		o.Name = pkix.Name{CommonName: cn, Organization: []string{"RFC 5280"}}
	}
	return pkitest.CA(w.t, o)
}

func (w *rfcWorld) leaf(ca *pki.CA, serial int64, o pki.LeafOptions) *pki.Leaf {
	w.t.Helper()
	o.Serial = big.NewInt(serial)
	return pkitest.Leaf(w.t, ca, o)
}

// listed makes entries of serial numbers, each for a reason.
func listed(reason pki.Reason, serials ...int64) []pki.Entry {
	var out []pki.Entry
	for _, s := range serials {
		out = append(out, pki.Entry{Serial: big.NewInt(s), Reason: reason})
	}
	return out
}

// certEntry makes an entry of a CA's own certificate.
func certEntry(ca *pki.CA, reason pki.Reason) []pki.Entry {
	return []pki.Entry{{Serial: ca.Certificate.SerialNumber, Reason: reason}}
}
