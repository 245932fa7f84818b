package e2e

import (
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestPanicInTheAuthorizer has a rule panic, and what answers for certificates.
// Each is a deny of that request and of no other; observe changes nothing.
func TestPanicInTheAuthorizer(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"enforce", "observe"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := start(t, stack.Config{
				Binaries: panickingDir, Forms: allForms, AuthorizerConcurrency: 16, MaxAuthorizers: 1, Authorizer: map[string]string{"MODE": mode},
			})
			alpha := newCA(t, "alpha")
			good, bad := alpha.issue("good"), alpha.issue("panic-in-asker")
			w.trust(alpha)
			w.publish(alpha)
			w.expect(good, http.StatusOK, "good")
			pid := onlyPID(t, w.pids())
			for _, form := range allForms {
				if a := w.getVia(form, good, "/panic-in-rule"); !a.is(http.StatusForbidden, "internal_error") {
					t.Errorf("a rule that panics (%v): %v, want 403 internal_error", form, a)
				}
				if a := w.getVia(form, bad, "/"); !a.is(http.StatusForbidden, "internal_error") {
					t.Errorf("an asker that panics (%v): %v, want 403 internal_error", form, a)
				}
				if a := w.getVia(form, good, "/deny-by-rule"); !a.is(http.StatusForbidden, "denied_by_rule") {
					t.Errorf("a rule that denies (%v): %v, want 403 denied_by_rule", form, a)
				}
				w.expectVia(form, good, http.StatusOK, "good")
			}
			w.awaitLog("a rule that panics", `"level":"ERROR"`)
			w.awaitLog("index out of range", `"level":"ERROR"`)
			w.awaitLog("a rule that denies")
			if got := onlyPID(t, w.pids()); got != pid {
				t.Errorf("process %d was replaced by %d: a panic ended it", pid, got)
			}
		})
	}
}

// TestAuthorizerKilled kills the authorizer's processes while requests are under
// way. Those may fail; the next one is answered, and nobody who is revoked is
// ever let in.
func TestAuthorizerKilled(t *testing.T) {
	t.Parallel()
	const clients, kills = 4, 5
	w := prepare(t, stack.Config{MaxAuthorizers: 20})
	var stop atomic.Bool
	var answered, failed atomic.Int32
	var wg sync.WaitGroup
	for i := range clients {
		leaf, status, reason := w.good, http.StatusOK, "good"
		if i%2 == 1 {
			leaf, status, reason = w.revoked, http.StatusForbidden, "revoked"
		}
		client := w.client(leaf)
		wg.Go(func() {
			for !stop.Load() {
				switch a := w.do(client, w.URL(gateway.REST)+"/"); {
				case a.is(status, reason):
					answered.Add(1)
				case a.err == nil && a.status == http.StatusInternalServerError:
					failed.Add(1) // it was with a process that died
				default:
					t.Errorf("%s: %v, want %d %s", leaf.Certificate.Subject, a, status, reason)
					return
				}
			}
		})
	}
	for kill := range kills {
		seen := answered.Load()
		eventually(t, "requests to be answered", func() bool { return answered.Load() > seen+20 })
		pids := w.pids()
		if len(pids) == 0 {
			t.Fatal("requests are answered by no process")
		}
		for _, pid := range pids {
			if err := w.Authorizer.Kill(pid); err != nil {
				t.Logf("kill %d of process %d: %v", kill, pid, err) // it may have been gone
			}
		}
	}
	seen := answered.Load()
	eventually(t, "requests to be answered", func() bool { return answered.Load() > seen+20 })
	stop.Store(true)
	wg.Wait()
	t.Logf("%d requests answered, %d were with a process that was killed", answered.Load(), failed.Load())
	if failed.Load() > clients*kills {
		t.Errorf("%d requests failed, with %d under way at each of %d kills", failed.Load(), clients, kills)
	}
	w.expect(w.good, http.StatusOK, "good")
	w.expect(w.revoked, http.StatusForbidden, "revoked")
}

// TestPreprocessorKilled kills the preprocessor while it reads a CRL. Lambda
// invokes it again, and the CRL counts.
func TestPreprocessorKilled(t *testing.T) {
	t.Parallel()
	w := startWarm(t, stack.Config{})
	const entries = 400_000
	crl := w.ca.crl(func(o *pki.CRLOptions) {
		o.EntrySeq = func(yield func(pki.Entry) bool) {
			for n := range int64(entries) {
				if !yield(pki.Entry{Serial: big.NewInt(1<<40 + n)}) {
					return
				}
			}
		}
		o.Entries = append(o.Entries, pki.Entry{Serial: w.good.Certificate.SerialNumber})
	})
	readings := func() int { return len(w.logLines("reading CRL", "crls/alpha.crl")) }
	before := readings()
	version := w.put("crls/alpha.crl", crl)
	eventually(t, "the preprocessor to read the CRL", func() bool { return readings() > before })
	killed := 0
	for _, e := range w.Preprocessor.Environments() {
		if e.InFlight > 0 && w.Preprocessor.Kill(e.PID) == nil {
			killed++
		}
	}
	if killed == 0 {
		t.Fatal("the preprocessor was done before it could be killed: the CRL of this test is too small")
	}
	// It was killed before it published: the CRL of before serves.
	w.expect(w.good, http.StatusOK, "good")
	if r := w.awaitReport("crls/alpha.crl", version); r.Outcome != preprocess.OutcomeAccepted || r.Entries == nil || *r.Entries != entries+2 {
		t.Errorf("after the retry: %+v", r)
	}
	if readings() < before+2 {
		t.Error("the CRL was read once: the kill came too late")
	}
	// The set of before answers until the new one is there.
	w.await(w.good, http.StatusForbidden, "revoked", "200 good")
	w.drain()
	if f := w.Failures(); len(f) > 0 {
		t.Errorf("the failure queue holds %s", f[0])
	}
}

// TestLargeCRL takes a CRL of a million entries through an authorizer of the
// smallest size that Lambda has.
func TestLargeCRL(t *testing.T) {
	t.Parallel()
	const entries = 1_000_000
	w := start(t, stack.Config{AuthorizerMemoryMB: 128, PreprocessorMemoryMB: 1024, Authorizer: map[string]string{"REVALIDATE_AFTER": "10s"}})
	large := newCAWith(t, "large", pki.CAOptions{Name: pkix.Name{CommonName: "Large"}})
	serial := func(n int64) *big.Int { // 16 octets, in no order
		high := new(big.Int).SetUint64(uint64(n) * 0x9e3779b97f4a7c15 >> 1)
		return new(big.Int).Or(high.Lsh(high, 64), big.NewInt(n+1))
	}
	first, middle, last := int64(0), int64(entries/2), int64(entries-1)
	issue := func(n int64) *pki.Leaf { return large.issueWith("leaf", pki.LeafOptions{Serial: serial(n)}) }
	w.trust(large)
	r := w.upload("crls/large.crl", large.crl(func(o *pki.CRLOptions) {
		o.EntrySeq = func(yield func(pki.Entry) bool) {
			for n := range int64(entries) {
				if !yield(pki.Entry{Serial: serial(n), Reason: pki.Superseded}) {
					return
				}
			}
		}
	}), preprocess.OutcomeAccepted)
	if r.Entries == nil || *r.Entries != entries {
		t.Errorf("the report counts %v entries, want %d", r.Entries, entries)
	}
	for _, n := range []int64{first, middle, last} {
		w.expect(issue(n), http.StatusForbidden, "revoked")
	}
	w.expect(issue(entries), http.StatusOK, "good")
	w.expect(large.issue("random"), http.StatusOK, "good")
	// A second one replaces the first, both in memory for a while.
	leaf := large.issue("revoked later")
	w.upload("crls/large.crl", large.crl(func(o *pki.CRLOptions) {
		o.Entries = []pki.Entry{{Serial: leaf.Certificate.SerialNumber}}
		o.EntrySeq = func(yield func(pki.Entry) bool) {
			for n := range int64(entries) {
				if !yield(pki.Entry{Serial: serial(n), Reason: pki.Superseded}) {
					return
				}
			}
		}
	}), preprocess.OutcomeAccepted)
	w.await(leaf, http.StatusForbidden, "revoked", "200 good")
	w.expect(issue(middle), http.StatusForbidden, "revoked")
	for _, pid := range w.pids() {
		peak := peakMemory(t, pid)
		t.Logf("authorizer process %d: at most %d MiB resident", pid, peak>>20)
		if peak > 128<<20 && !raceDetector {
			t.Errorf("authorizer process %d took %d MiB of the 128 MB that Lambda gives it", pid, peak>>20)
		}
	}
}
