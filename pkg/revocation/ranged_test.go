package revocation_test

import (
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"strings"
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
	"github.com/crlgate/crlgate/pkg/serialset"
)

// large is a CA with one large CRL, and readers of it with small memories.
type large struct {
	*partitioned
	set catalog.Set
}

// largeSerial is the i-th serial number of the CRL; one more is not in it.
func largeSerial(i int) *big.Int {
	n := new(big.Int).Mul(big.NewInt(int64(i)+1), big.NewInt(0x1000000007))
	return n.Lsh(n, 40)
}

func newLarge(t testing.TB) *large {
	return &large{partitioned: newPartitioned(t)}
}

// publishAll uploads a CRL of n entries.
func (l *large) publishAll(n int, number int64) {
	l.t.Helper()
	o := pki.CRLOptions{Number: big.NewInt(number), ThisUpdate: l.now(), NextUpdate: l.now().AddDate(0, 0, 7)}
	o.Entries = make([]pki.Entry, n)
	for i := range o.Entries {
		o.Entries[i] = pki.Entry{Serial: largeSerial(i), Date: l.now()}
	}
	l.uploads.Store("crls/large.crl", pkitest.CRL(l.t, l.ca, o))
	l.changed("crls/large.crl")
	c, err := preprocess.LoadCatalog(l.t.Context(), l.cache)
	if err != nil {
		l.t.Fatal(err)
	}
	l.set = c.CAs["ca"].CRLs[0].Set
	l.cache.ResetCalls()
}

func (l *large) clientOf(serial *big.Int) *clientcert.Certificate {
	l.t.Helper()
	leaf := pkitest.Leaf(l.t, l.ca, pki.LeafOptions{Serial: serial, Subject: pkix.Name{CommonName: "client"}})
	cert, err := clientcert.Parse(leaf.DER)
	if err != nil {
		l.t.Fatal(err)
	}
	return cert
}

func (l *large) readerOf(budget int64) *revocation.Cache {
	return revocation.New(l.cache, revocation.Config{RevalidateAfter: time.Second, MaxUnvalidated: time.Minute, MemoryBudget: budget},
		l.now, slog.New(slog.DiscardHandler), nil)
}

// fetched returns the requests and octets that were read since the last call.
func (l *large) fetched() (requests int, octets int64) {
	for _, c := range l.cache.Calls() {
		if c.Op != objectstore.OpGet || c.Err != nil {
			continue
		}
		requests++
		if c.Range.Length > 0 {
			octets += c.Range.Length
		} else {
			body, _, _ := l.cache.Load(c.Key)
			octets += int64(len(body))
		}
	}
	l.cache.ResetCalls()
	return requests, octets
}

// TestLargerThanMemory asks sets that have no room: the first answer takes
// little, a further one a block at most, and one in the same block nothing.
func TestLargerThanMemory(t *testing.T) {
	for _, n := range []int{10_000, 300_000} {
		if raced {
			n /= 6
		}
		l := newLarge(t)
		l.publishAll(n, 1)
		cache := l.readerOf(64 << 10)
		l.ask(cache, l.clientOf(largeSerial(n/2)), revocation.Revoked)
		requests, octets := l.fetched()
		t.Logf("%d entries, a set of %d bytes: the first answer took %d GETs and %d bytes", n, l.set.Size, requests, octets)
		if requests > 4 || octets > 160<<10 {
			t.Errorf("%d entries: the first answer took %d GETs and %d bytes", n, requests, octets)
		}
		miss := largeSerial(n / 2)
		l.ask(cache, l.clientOf(miss.Add(miss, big.NewInt(1))), revocation.Good)
		if requests, _ := l.fetched(); requests != 0 {
			t.Errorf("%d entries: an answer from the same block took %d GETs", n, requests)
		}
		l.ask(cache, l.clientOf(largeSerial(n-1)), revocation.Revoked)
		if requests, octets := l.fetched(); requests > 2 || octets > 40<<10 {
			t.Errorf("%d entries: an answer from another block took %d GETs and %d bytes", n, requests, octets)
		}
		for i := range 40 { // however often it is asked, it is not fetched whole
			l.ask(cache, l.clientOf(largeSerial(i*n/40)), revocation.Revoked)
		}
		for _, c := range l.cache.Calls() {
			if c.Op == objectstore.OpGet && c.Key == l.set.Key && c.Range.Length == 0 {
				t.Errorf("%d entries: the set was fetched whole, with no room for it", n)
			}
		}
	}
}

// TestFetchedWholeWhenItPays: a set that fits is searched where it lies at
// first, and in memory once it was asked a few times.
func TestFetchedWholeWhenItPays(t *testing.T) {
	l := newLarge(t)
	l.publishAll(100_000, 1)
	cache := l.readerOf(64 << 20)
	l.ask(cache, l.clientOf(largeSerial(1)), revocation.Revoked)
	if _, octets := l.fetched(); octets > 160<<10 {
		t.Errorf("the first answer took %d bytes", octets)
	}
	eventually(t, func() bool {
		for i := range 20 {
			l.ask(cache, l.clientOf(largeSerial(i*4999)), revocation.Revoked)
		}
		requests, _ := l.fetched()
		return requests == 0 // all of them from memory
	})
	// Replaced: the next one is in memory before it is in force.
	l.publishAll(100_001, 2)
	l.pass(2 * time.Second)
	eventually(t, func() bool {
		a := cache.Ask(t.Context(), l.clientOf(largeSerial(100_000)), l.now())
		return a.Status == revocation.Revoked
	})
	l.fetched()
	l.ask(cache, l.clientOf(largeSerial(5)), revocation.Revoked)
	if requests, _ := l.fetched(); requests != 0 {
		t.Errorf("%d GETs after the replacement", requests)
	}
}

// TestReplacedWithoutRoomForTwo: old and new together do not fit, so the new one
// is searched where it lies while the old one leaves, and then fetched.
func TestReplacedWithoutRoomForTwo(t *testing.T) {
	l := newLarge(t)
	l.publishAll(100_000, 1)
	cache := l.readerOf(serialset.MaxMemory(l.set.Size) * 3 / 2)
	eventually(t, func() bool {
		for i := range 20 {
			l.ask(cache, l.clientOf(largeSerial(i*4999)), revocation.Revoked)
		}
		requests, _ := l.fetched()
		return requests == 0
	})
	l.publishAll(100_001, 2)
	l.pass(2 * time.Second)
	eventually(t, func() bool {
		return cache.Ask(t.Context(), l.clientOf(largeSerial(100_000)), l.now()).Status == revocation.Revoked
	})
	l.pass(10 * time.Second)
	eventually(t, func() bool {
		for i := range 20 {
			l.ask(cache, l.clientOf(largeSerial(i*4999+1)), revocation.Revoked)
		}
		requests, _ := l.fetched()
		return requests == 0 // it is in memory again
	})
}

// TestEveryRangeIsVerified damages a set that is searched where it lies: no
// answer comes from a damaged page or block.
func TestEveryRangeIsVerified(t *testing.T) {
	l := newLarge(t)
	l.publishAll(100_000, 1)
	whole, _, _ := l.cache.Load(l.set.Key)
	whole = append([]byte(nil), whole...)
	for at := int64(3); at < l.set.Size; at += l.set.Size / 50 {
		if raced && at%5 != 0 {
			continue
		}
		l.cache.Store(l.set.Key, whole)
		l.cache.Corrupt(l.set.Key, func(b []byte) []byte { b[at] ^= 1; return b })
		cache := l.readerOf(64 << 10)
		denied := 0
		for i := range 100 {
			a := cache.Ask(t.Context(), l.clientOf(largeSerial(i*1000)), l.now())
			switch {
			case a.Status == revocation.Revoked:
			case a.Unavailable != nil && a.Status == revocation.Unknown && strings.Contains(a.Unavailable.Error(), l.set.Key):
				denied++
			default:
				t.Fatalf("byte %d flipped, serial %d: %+v", at, i*1000, a)
			}
		}
		if at < l.set.Head && denied != 100 {
			t.Errorf("byte %d of the head flipped: %d of 100 denied", at, denied)
		}
	}
}

// TestRangeFails: S3 fails for one block; that request is denied, and the next
// one is answered.
func TestRangeFails(t *testing.T) {
	l := newLarge(t)
	l.publishAll(50_000, 1)
	cache := l.readerOf(64 << 10)
	l.ask(cache, l.clientOf(largeSerial(1)), revocation.Revoked)
	l.cache.Before(func(op objectstore.Op, key string) error {
		if key == l.set.Key {
			return objectstoretest.Answer(503, "SlowDown")
		}
		return nil
	})
	if a := cache.Ask(t.Context(), l.clientOf(largeSerial(40_000)), l.now()); a.Unavailable == nil || a.Status != revocation.Unknown {
		t.Fatalf("S3 fails: %+v", a)
	}
	l.ask(cache, l.clientOf(largeSerial(1)), revocation.Revoked) // at hand
	l.cache.Before(nil)
	l.ask(cache, l.clientOf(largeSerial(40_000)), revocation.Revoked)
}

// eventually waits for what happens in the background.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about in 20 s")
		}
	}
}
