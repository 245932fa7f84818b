package revocation_test

import (
	"context"
	"crypto/x509/pkix"
	"fmt"
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
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// partitioned is a CA that publishes its CRL in partitions, as AWS Private CA
// and Let's Encrypt do: each certificate names the one it would stand in.
type partitioned struct {
	t              testing.TB
	ca             *pki.CA
	uploads, cache *objectstoretest.Bucket
	write          *preprocess.Preprocessor
	passed         atomic.Int64 // nanoseconds since newPartitioned, which readers' goroutines see too
}

func newPartitioned(t testing.TB) *partitioned {
	p := &partitioned{
		t: t, ca: pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Partitioned"}}),
		uploads: objectstoretest.NewBucket(objectstoretest.Named("uploads")), cache: objectstoretest.NewBucket(objectstoretest.Named("cache")),
	}
	p.write = preprocess.New(p.uploads, p.cache, preprocess.Config{UploadBucket: "uploads", IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/"}}, slog.New(slog.DiscardHandler), nil)
	p.uploads.Store("issuers/ca.pem", p.ca.PEM())
	p.changed("issuers/ca.pem")
	return p
}

// newPartitions has n of them; partition i lists the serial number 10i+1.
func newPartitions(t testing.TB, n int) *partitioned {
	p := newPartitioned(t)
	var keys []string
	for i := range n {
		keys = append(keys, p.publish(i, 1, int64(10*i+1)))
	}
	p.changed(keys...)
	return p
}

// revokedSince returns a reader that has let a client of partition 7 in, who was
// revoked since.
func (p *partitioned) revokedSince() (*revocation.Cache, *clientcert.Certificate) {
	p.t.Helper()
	c, cert := p.reader(), p.client(7, 72)
	p.ask(c, cert, revocation.Good)
	p.changed(p.publish(7, 2, 71, 72))
	return c, cert
}

// now is the time at writers and readers.
func (p *partitioned) now() time.Time {
	return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(p.passed.Load()))
}

// pass lets time go by.
func (p *partitioned) pass(d time.Duration) { p.passed.Add(int64(d)) }

func uri(i int) string { return fmt.Sprintf("http://crl.example.com/%04d.crl", i) }
func key(i int) string { return fmt.Sprintf("crls/%04d.crl", i) }

// publish uploads partition i, with these serial numbers.
func (p *partitioned) publish(i int, number int64, serials ...int64) string {
	o := pki.CRLOptions{Number: big.NewInt(number), ThisUpdate: p.now(), NextUpdate: p.now().AddDate(0, 0, 7), IDP: &pki.IDP{FullNames: []string{uri(i)}}}
	for _, s := range serials {
		o.Entries = append(o.Entries, pki.Entry{Serial: big.NewInt(s), Date: p.now()})
	}
	p.uploads.Store(key(i), pkitest.CRL(p.t, p.ca, o))
	return key(i)
}

func (p *partitioned) changed(keys ...string) {
	p.t.Helper()
	if err := p.write.Changed(p.t.Context(), keys, p.now()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *partitioned) client(i int, serial int64) *clientcert.Certificate {
	p.t.Helper()
	leaf := pkitest.Leaf(p.t, p.ca, pki.LeafOptions{Serial: big.NewInt(serial), CRLDistributionPoints: []string{uri(i)}})
	cert, err := clientcert.Parse(leaf.DER)
	if err != nil {
		p.t.Fatal(err)
	}
	return cert
}

func (p *partitioned) reader() *revocation.Cache {
	return revocation.New(p.cache, revocation.Config{RevalidateAfter: time.Second, MaxUnvalidated: time.Minute, MemoryBudget: 1 << 20},
		p.now, slog.New(slog.DiscardHandler), nil)
}

func (p *partitioned) ask(c *revocation.Cache, cert *clientcert.Certificate, want revocation.Status) {
	p.t.Helper()
	if a := c.Ask(context.Background(), cert, p.now()); a.Status != want {
		p.t.Fatalf("status %v, want %v: %+v", a.Status, want, a)
	}
}

// read returns what was fetched from the cache bucket since the last call:
// requests, and octets of whole objects.
func (p *partitioned) read() (requests, octets int, keys []string) {
	for _, c := range p.cache.Calls() {
		if c.Op == objectstore.OpGet && c.Err == nil {
			body, _, _ := p.cache.Load(c.Key)
			requests, octets, keys = requests+1, octets+len(body), append(keys, c.Key)
		}
	}
	p.cache.ResetCalls()
	return requests, octets, keys
}

// TestPartitions publishes 4,096 partitions: a request reads the catalog, one
// part of it and one set; a replaced partition rewrites one part of each table.
func TestPartitions(t *testing.T) {
	n := 4096
	if raced {
		n = 1300 // partitions 77 and 1234 are among them
	}
	p := newPartitions(t, n)
	p.cache.ResetCalls()

	cache := p.reader()
	p.ask(cache, p.client(1234, 12341), revocation.Revoked)
	requests, octets, read := p.read()
	t.Logf("a cold answer among %d partitions: %d GETs, %d bytes: %q", n, requests, octets, read)
	if requests != 3 || octets > 160<<10 {
		t.Errorf("a cold answer took %d GETs and %d bytes", requests, octets)
	}
	p.ask(cache, p.client(1234, 12342), revocation.Good)
	p.ask(cache, p.client(77, 12341), revocation.Good) // listed in another partition only
	if requests, _, read = p.read(); requests > 2 {
		t.Errorf("one more partition took %d GETs: %q", requests, read)
	}

	// One partition is replaced.
	catalogSize := func() int { b, _, _ := p.cache.Load(catalog.Key); return len(b) }
	p.cache.ResetCalls()
	p.changed(p.publish(1234, 2, 12341, 12342))
	puts, written := 0, 0
	for _, c := range p.cache.Calls() {
		if c.Op == objectstore.OpPut && !strings.HasPrefix(c.Key, catalog.ReportPrefix) && !strings.HasPrefix(c.Key, catalog.SetPrefix) {
			body, _, _ := p.cache.Load(c.Key)
			puts, written = puts+1, written+len(body)
		}
	}
	// The part of CRLs, the part of floors, the copy of the catalog, and the catalog.
	t.Logf("a replaced partition writes %d objects, %d bytes, of them %d the catalog itself", puts, written, catalogSize())
	if puts != 4 || written > 128<<10 {
		t.Errorf("a replaced partition wrote %d objects and %d bytes", puts, written)
	}
	p.cache.ResetCalls()
	p.pass(2 * time.Second)
	p.ask(cache, p.client(1234, 12342), revocation.Revoked)
	if requests, octets, read = p.read(); requests != 3 {
		t.Errorf("the replaced partition took %d GETs, %d bytes: %q", requests, octets, read)
	}

	// An older partition does not come back, and its floor lies in a part too.
	p.changed(p.publish(1234, 1, 12341))
	p.pass(2 * time.Second)
	p.ask(cache, p.client(1234, 12342), revocation.Revoked)

	// A part that fails its hash denies; the rest goes on.
	for _, k := range p.cache.Keys() {
		if strings.HasPrefix(k, "catalog/") {
			p.cache.Corrupt(k, func(b []byte) []byte { return append(b, ' ') })
		}
	}
	cold := p.reader()
	if a := cold.Ask(t.Context(), p.client(5, 51), p.now()); a.Unavailable == nil || a.Status == revocation.Good {
		t.Errorf("a corrupt part: %+v", a)
	}
	p.ask(cache, p.client(1234, 12342), revocation.Revoked)
}

// TestPartsGrow adds partitions one by one across every split: each is found,
// before and after.
func TestPartsGrow(t *testing.T) {
	p := newPartitioned(t)
	warm := p.reader()
	n := 400
	if raced {
		n = 90
	}
	for i := range n {
		p.changed(p.publish(i, 1, int64(10*i+1)))
		p.pass(2 * time.Second)
		for _, k := range []int{i, i / 2, 0} {
			p.ask(warm, p.client(k, int64(10*k+1)), revocation.Revoked)
			p.ask(warm, p.client(k, int64(10*k+2)), revocation.Good)
		}
	}
	p.ask(p.reader(), p.client(n/2, int64(10*(n/2)+1)), revocation.Revoked)
	p.ask(p.reader(), p.client(n+1, 1), revocation.Unknown)
}
