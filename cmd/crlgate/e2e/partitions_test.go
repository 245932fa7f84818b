package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// partitions is how many partitions a CA of AWS Private CA or Let's Encrypt can
// have in this test; the race detector makes do with fewer.
func partitions() int {
	if raceDetector {
		return 512
	}
	return 4096
}

// TestPartitions publishes a CRL in 4,096 partitions through the real functions
// and asks a cold authorizer: it reads the catalog, one part of it and one set.
// Then one partition is replaced.
func TestPartitions(t *testing.T) {
	t.Parallel()
	n := partitions()
	var lose atomic.Bool
	w := start(t, stack.Config{ProxyCache: true, MaxAuthorizers: 1, EventFilter: func(e []byte) [][]byte {
		if lose.Load() {
			return nil
		}
		return [][]byte{e}
	}})
	ca := newCA(t, "partitioned")
	w.trust(ca)
	uri := func(i int) string { return fmt.Sprintf("http://crl.example.com/%d.crl", i) }
	key := func(i int) string { return fmt.Sprintf("crls/%04d.crl", i) }
	leaf := func(i int, name string) *pki.Leaf {
		return ca.issueWith(name, pki.LeafOptions{CRLDistributionPoints: []string{uri(i)}})
	}
	partition := func(i int, revoked ...*pki.Leaf) []byte {
		return ca.crl(func(o *pki.CRLOptions) {
			o.IDP, o.Entries = &pki.IDP{FullNames: []string{uri(i)}}, nil
			for _, l := range revoked {
				o.Entries = append(o.Entries, pki.Entry{Serial: l.Certificate.SerialNumber})
			}
		})
	}
	const here = 77
	revoked, good := leaf(here, "revoked"), leaf(here, "good")

	// The uploads' events are lost, so that one run of the timer takes them all.
	lose.Store(true)
	for i := range n {
		if i == here {
			w.put(key(i), partition(i, revoked))
		} else {
			w.put(key(i), partition(i))
		}
	}
	lose.Store(false)
	began := time.Now()
	w.Deliver([]byte(preprocess.ReconcileRequest))
	for deadline := time.Now().Add(8 * time.Minute); inForce(t, w) < n; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d partitions are in force", inForce(t, w), n)
		}
	}
	t.Logf("%d partitions in %v", n, time.Since(began).Round(time.Second))

	w.Authorizer.KillAll()
	w.Proxy.Forget()
	w.expect(revoked, http.StatusForbidden, "revoked")
	gets := w.Proxy.Matching(func(r s3proc.Request) bool { return r.Method == http.MethodGet })
	if len(gets) > 4 {
		t.Errorf("a cold answer took %d GETs: %+v", len(gets), gets)
	}
	w.expect(good, http.StatusOK, "good")
	w.expect(leaf(here+1, "elsewhere"), http.StatusOK, "good")
	w.expect(leaf(n+5, "of no partition"), http.StatusForbidden, "out_of_scope")

	w.upload(key(here), partition(here, revoked, good), preprocess.OutcomeAccepted)
	w.await(good, http.StatusForbidden, "revoked", "good")
	w.expect(leaf(here+1, "elsewhere still"), http.StatusOK, "good")
	if f := w.Failures(); len(f) > 0 {
		t.Errorf("the failure queue holds %s", f[0])
	}
	if lines := w.logLines("ERROR"); len(lines) > 0 {
		t.Errorf("an error in the log: %v", first(lines))
	}
}

func first(lines []lambdaruntime.LogLine) string { return strings.TrimSpace(lines[0].Text) }

// inForce counts the CRLs in force, those of the catalog's parts included.
func inForce(t *testing.T, w *world) (n int) {
	c, err := preprocess.LoadCatalog(t.Context(), w.Cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, ca := range c.CAs {
		for range ca.Lists() {
			n++
		}
	}
	return n
}
