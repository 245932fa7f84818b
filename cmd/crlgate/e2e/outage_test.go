package e2e

import (
	"bytes"
	"math/big"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// warm is a stack with one CA and a CRL, whose one authorizer process has
// answered for a good and a revoked client.
type warm struct {
	*world
	ca            *authority
	good, revoked *pki.Leaf
}

func startWarm(t *testing.T, c stack.Config) *warm {
	t.Helper()
	w := prepare(t, c)
	w.expect(w.good, http.StatusOK, "good")
	w.expect(w.revoked, http.StatusForbidden, "revoked")
	return w
}

// prepare is startWarm without a request: there is no authorizer process yet.
func prepare(t *testing.T, c stack.Config) *warm {
	t.Helper()
	if !c.Freeze && c.MaxAuthorizers == 0 {
		// One process, however many requests: what is warm is in one place.
		c.AuthorizerConcurrency, c.MaxAuthorizers = 64, 1
	}
	w := &warm{world: start(t, c), ca: newCA(t, "alpha")}
	w.good, w.revoked = w.ca.issue("good"), w.ca.issue("revoked")
	w.ca.revoke(w.revoked)
	w.trust(w.ca)
	w.publish(w.ca)
	if pids := w.pids(); len(pids) > 0 {
		t.Fatalf("authorizer processes %v before the first request", pids)
	}
	return w
}

// servesThenStale sends requests until the good client is denied as
// cache_stale. Until then it must be let in; the revoked one is denied as
// revoked throughout. It returns how often and how long the good one was let
// in.
func (w *warm) servesThenStale() (served int, lasted time.Duration) {
	w.t.Helper()
	began := time.Now()
	for time.Since(began) < patience {
		if a := w.get(w.revoked); !a.is(http.StatusForbidden, "revoked") {
			w.t.Fatalf("the revoked client: %v, want 403 revoked", a)
		}
		a := w.get(w.good)
		switch {
		case a.is(http.StatusOK, "good"):
			served++
			lasted = time.Since(began)
		case a.is(http.StatusForbidden, "cache_stale"):
			return served, lasted
		default:
			w.t.Fatalf("the good client: %v, want 200 good or, later, 403 cache_stale", a)
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Fatalf("the good client is still let in %v after the last validation", patience)
	return 0, 0
}

const maxUnvalidated = 5 * time.Second

// shortLived are settings under which staleness comes soon.
var shortLived = map[string]string{"REVALIDATE_AFTER": "1s", "MAX_UNVALIDATED": maxUnvalidated.String()}

// TestS3StoppedWhileWarm kills the S3 server under a warm authorizer, and
// starts it again.
func TestS3StoppedWhileWarm(t *testing.T) {
	t.Parallel()
	w := startWarm(t, stack.Config{Authorizer: shortLived})
	if err := w.S3.Kill(); err != nil {
		t.Fatal(err)
	}
	served, lasted := w.servesThenStale()
	// The last validation was at most REVALIDATE_AFTER before the kill.
	if served == 0 || lasted < (maxUnvalidated-time.Second)/2 {
		t.Errorf("let in %d times over %v, with MAX_UNVALIDATED=%v", served, lasted, maxUnvalidated)
	}
	for range 5 { // and stays so, for as long as S3 is away
		w.expect(w.good, http.StatusForbidden, "cache_stale")
		w.expect(w.revoked, http.StatusForbidden, "revoked")
	}
	w.awaitLog("catalog not revalidated")
	w.restartS3()
	w.await(w.good, http.StatusOK, "good", "403 cache_stale")
	w.expect(w.revoked, http.StatusForbidden, "revoked")
	// What is revoked from now on is denied too.
	w.ca.revoke(w.good)
	w.publish(w.ca)
	w.await(w.good, http.StatusForbidden, "revoked", "200 good")
	onlyPID(t, w.pids())
}

// TestS3HangingWhileWarm stops the S3 server in its tracks: connections are
// taken and nothing is answered. Requests must not hang with it.
func TestS3HangingWhileWarm(t *testing.T) {
	t.Parallel()
	w := startWarm(t, stack.Config{Authorizer: map[string]string{"REVALIDATE_AFTER": "2s", "MAX_UNVALIDATED": "1h"}})
	client := w.client(w.good)
	if a := w.do(client, w.URL(1)+"/"); !a.is(http.StatusOK, "good") {
		t.Fatal(a)
	}
	if err := w.S3.Pause(); err != nil {
		t.Fatal(err)
	}
	// Long enough for a refresh to be begun, given up, and begun again.
	var took []time.Duration
	for began := time.Now(); time.Since(began) < 12*time.Second; time.Sleep(10 * time.Millisecond) {
		a := w.do(client, w.URL(1)+"/")
		if !a.is(http.StatusOK, "good") {
			t.Fatalf("while S3 hangs: %v, want 200 good", a)
		}
		took = append(took, a.record.AuthorizerLatency)
	}
	slices.Sort(took)
	t.Logf("%d answers while S3 hung: median %v, longest %v", len(took), took[len(took)/2], took[len(took)-1])
	// A request waits no more than a second for S3, and most do not wait; the
	// rest is for a busy machine.
	if longest := took[len(took)-1]; longest > 8*time.Second {
		t.Errorf("a request took %v while S3 hung", longest)
	}
	if median := took[len(took)/2]; median > time.Second || len(took) < 50 {
		t.Errorf("%d answers in 12s while S3 hung, half of them later than %v", len(took), median)
	}
	if err := w.S3.Resume(); err != nil {
		t.Fatal(err)
	}
	w.ca.revoke(w.good)
	w.publish(w.ca)
	w.await(w.good, http.StatusForbidden, "revoked", "200 good")
}

// TestS3StoppedWhenCold has the first request come while S3 is away.
func TestS3StoppedWhenCold(t *testing.T) {
	t.Parallel()
	w := prepare(t, stack.Config{})
	if err := w.S3.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.expect(w.good, http.StatusForbidden, "cache_unavailable")
		w.expect(w.revoked, http.StatusForbidden, "cache_unavailable")
	}
	w.awaitLog("catalog.json", `"level":"ERROR"`)
	w.restartS3()
	w.await(w.good, http.StatusOK, "good", "403 cache_unavailable")
	w.expect(w.revoked, http.StatusForbidden, "revoked")
}

// TestNoCatalog has the first request come before there is a catalog.
func TestNoCatalog(t *testing.T) {
	t.Parallel()
	lose := func([]byte) [][]byte { return nil }
	w := start(t, stack.Config{EventFilter: lose})
	alpha := newCA(t, "alpha")
	w.put("issuers/alpha.pem", alpha.PEM())
	w.awaitTruststore(alpha)
	w.expect(alpha.issue("leaf"), http.StatusForbidden, "cache_unavailable")
}

// TestCorruptedSet overwrites a set before the authorizer has read it. The
// damage must neither revoke nor let in anybody, and the log must name the
// object.
func TestCorruptedSet(t *testing.T) {
	t.Parallel()
	w := prepare(t, stack.Config{})
	key := w.catalog().CAs["alpha"].CRLs[0].Set.Key
	set := w.object(key)
	flipped := func(at int) []byte {
		b := bytes.Clone(set)
		b[at] ^= 0x01
		return b
	}
	for what, data := range map[string][]byte{
		"first octet": flipped(0), "an octet in the middle": flipped(len(set) / 2), "last octet": flipped(len(set) - 1),
		"cut": set[:len(set)-1], "empty": {}, "another object": bytes.Repeat([]byte("CRLGSET\x01"), len(set)/8+1)[:len(set)],
	} {
		w.overwrite(key, data)
		before := len(w.logLines(key, `"level":"ERROR"`))
		// A set that failed to load is not asked for again within a second.
		time.Sleep(1100 * time.Millisecond)
		for _, leaf := range []*pki.Leaf{w.good, w.revoked} {
			if a := w.get(leaf); !a.is(http.StatusForbidden, "cache_unavailable") {
				t.Errorf("set with %s changed: %s: %v, want 403 cache_unavailable", what, leaf.Certificate.Subject, a)
			}
		}
		eventually(t, "a line of the log that names "+key+" ("+what+")", func() bool { return len(w.logLines(key, `"level":"ERROR"`)) > before })
	}
	if err := w.Cache.Delete(t.Context(), key, objectstore.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	w.expect(w.good, http.StatusForbidden, "cache_unavailable")
	w.expect(w.revoked, http.StatusForbidden, "cache_unavailable")
	w.overwrite(key, set)
	w.await(w.good, http.StatusOK, "good", "403 cache_unavailable")
	w.expect(w.revoked, http.StatusForbidden, "revoked")
}

// TestCorruptedLargeSet damages the end of a set that is large enough to be
// searched where it lies. Whoever needs the damaged part is denied, and never
// for a wrong reason; the rest goes on.
func TestCorruptedLargeSet(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{AuthorizerConcurrency: 16, MaxAuthorizers: 1})
	ca := newCA(t, "large")
	const entries = 200_000
	serial := func(n int64) *big.Int { return new(big.Int).Lsh(big.NewInt(2*n+1), 64) }
	issue := func(name string, n int64) *pki.Leaf {
		return ca.issueWith(name, pki.LeafOptions{Serial: serial(n)})
	}
	w.trust(ca)
	w.upload("crls/large.crl", ca.crl(func(o *pki.CRLOptions) {
		o.EntrySeq = func(yield func(pki.Entry) bool) {
			for n := int64(1); n <= entries && yield(pki.Entry{Serial: serial(n)}); n++ {
			}
		}
	}), preprocess.OutcomeAccepted)
	key := w.catalog().CAs["large"].CRLs[0].Set.Key
	set := w.object(key)
	if len(set) < 1<<20 {
		t.Fatalf("the set has %d octets: too few for this test", len(set))
	}
	damaged := bytes.Clone(set)
	damaged[len(set)-1] ^= 0x01
	w.overwrite(key, damaged)
	first, last, above := issue("first", 1), issue("last", entries), issue("above", entries+1)
	for range 10 {
		for leaf, want := range map[*pki.Leaf]string{first: "revoked", last: "", above: ""} {
			a := w.get(leaf)
			if !a.is(http.StatusForbidden, "cache_unavailable") && !(want != "" && a.is(http.StatusForbidden, want)) {
				t.Errorf("%s: %v, want 403 cache_unavailable or %q", leaf.Certificate.Subject, a, want)
			}
		}
	}
	w.awaitLog(key, `"level":"ERROR"`)
	w.overwrite(key, set)
	w.await(above, http.StatusOK, "good", "403 cache_unavailable")
	w.await(last, http.StatusForbidden, "revoked", "403 cache_unavailable")
	w.await(first, http.StatusForbidden, "revoked", "403 cache_unavailable")
}

// newerFormat is a catalog as a later release may write it.
var newerFormat = []byte(`{"format": 2, "generation": 1000000, "authorities": []}`)

// TestCatalogOfANewerFormatCold has the authorizer find a catalog that it does
// not understand.
func TestCatalogOfANewerFormatCold(t *testing.T) {
	t.Parallel()
	w := prepare(t, stack.Config{})
	sound := w.object(catalog.Key)
	w.overwrite(catalog.Key, newerFormat)
	w.expect(w.good, http.StatusForbidden, "cache_unavailable")
	w.expect(w.revoked, http.StatusForbidden, "cache_unavailable")
	w.awaitLog("catalog.json", "format")
	w.overwrite(catalog.Key, sound)
	w.await(w.good, http.StatusOK, "good", "403 cache_unavailable")
}

// TestCatalogOfANewerFormatWarm replaces the catalog under a warm authorizer,
// which goes on with the one it has until that is too old.
func TestCatalogOfANewerFormatWarm(t *testing.T) {
	t.Parallel()
	w := startWarm(t, stack.Config{Authorizer: shortLived})
	sound := w.object(catalog.Key)
	w.overwrite(catalog.Key, newerFormat)
	if served, _ := w.servesThenStale(); served == 0 {
		t.Error("the good client was never let in with the catalog that is warm")
	}
	w.awaitLog("catalog.json", "format")
	w.overwrite(catalog.Key, sound)
	w.await(w.good, http.StatusOK, "good", "403 cache_stale")
}

// TestCatalogOfALowerGeneration puts back a genuine catalog of before a
// revocation. A warm authorizer refuses it.
func TestCatalogOfALowerGeneration(t *testing.T) {
	t.Parallel()
	w := startWarm(t, stack.Config{Authorizer: shortLived})
	other := w.ca.issue("other")
	old := w.object(catalog.Key)
	w.ca.revoke(w.good)
	w.publish(w.ca)
	w.await(w.good, http.StatusForbidden, "revoked", "200 good")
	newer := w.object(catalog.Key)
	w.overwrite(catalog.Key, old)
	w.good, w.revoked = other, w.good
	if served, _ := w.servesThenStale(); served == 0 {
		t.Error("the good client was never let in with the catalog that is warm")
	}
	w.awaitLog("catalog.json", "generation", `"level":"ERROR"`)
	w.overwrite(catalog.Key, newer)
	w.await(other, http.StatusOK, "good", "403 cache_stale")
	w.expect(w.revoked, http.StatusForbidden, "revoked")
}

// TestCRLPassesNextUpdate has a CRL run out under a warm authorizer: of a CA
// with no grace, of one with much, and of one with little.
func TestCRLPassesNextUpdate(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	none, little, much := newCA(t, "none"), newCA(t, "little"), newCA(t, "much")
	w.trust(none, little, much)
	w.settings(little, map[string]any{"grace": "4s"})
	w.settings(much, map[string]any{"grace": "1h"})
	good, revoked := map[*authority]*pki.Leaf{}, map[*authority]*pki.Leaf{}
	next := time.Now().Add(15 * time.Second).Truncate(time.Second)
	for _, ca := range []*authority{none, little, much} {
		good[ca], revoked[ca] = ca.issue("good"), ca.issue("revoked")
		ca.revoke(revoked[ca])
		w.upload("crls/"+ca.name+".crl", ca.crl(func(o *pki.CRLOptions) { o.NextUpdate = next }), "accepted")
		w.expect(good[ca], http.StatusOK, "good")
	}
	w.await(good[none], http.StatusForbidden, "crl_expired", "200 good")
	if now := time.Now(); !now.After(next) {
		t.Errorf("denied at %v, before nextUpdate %v", now, next)
	}
	w.await(good[little], http.StatusForbidden, "crl_expired", "200 good")
	if now := time.Now(); !now.After(next.Add(4 * time.Second)) {
		t.Errorf("denied at %v, before nextUpdate %v plus grace", now, next)
	}
	w.expect(good[much], http.StatusOK, "good")
	for _, leaf := range revoked { // a verified hit never expires
		w.expect(leaf, http.StatusForbidden, "revoked")
	}
	w.publish(none)
	w.await(good[none], http.StatusOK, "good", "403 crl_expired")
}
