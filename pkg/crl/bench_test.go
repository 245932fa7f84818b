package crl

import (
	"bytes"
	"crypto/x509"
	"math/big"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// randomEntries are n entries as public CAs have them: random serials of 16
// octets, a reason code on a random half.
func randomEntries(n int) []pki.Entry {
	r := rand.New(rand.NewPCG(1, 2))
	entries := make([]pki.Entry, n)
	for i := range entries {
		serial := make([]byte, 16)
		for k := range serial {
			serial[k] = byte(r.Uint32())
		}
		serial[0] = serial[0]&0x7f | 1
		entries[i] = pki.Entry{Serial: new(big.Int).SetBytes(serial), Date: testTime.Add(-time.Duration(r.IntN(1e7)) * time.Second)}
		if r.IntN(2) == 0 {
			entries[i].Reason = pki.KeyCompromise
		}
	}
	return entries
}

func BenchmarkRead(b *testing.B) {
	const n = 100_000
	der := pkitest.CRL(b, testCA(b), testOptions(randomEntries(n)...))
	text := pki.CRLPEM(der)
	for _, c := range []struct {
		name string
		file []byte
		read func([]byte) (int, error)
	}{
		{"crlgate", der, readEntries},
		{"crlgate-pem", text, readEntries},
		{"x509", der, func(file []byte) (int, error) {
			list, err := x509.ParseRevocationList(file)
			if err != nil {
				return 0, err
			}
			return len(list.RevokedCertificateEntries), nil
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.file)))
			for b.Loop() {
				if got, err := c.read(c.file); err != nil || got != n {
					b.Fatalf("%d entries, %v", got, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
		})
	}
}

func readEntries(file []byte) (int, error) {
	n := 0
	_, err := Read(bytes.NewReader(file), Options{}, func(b *Batch) error {
		n += b.Len()
		return nil
	})
	return n, err
}

// TestNoAllocationPerEntry reads twice as many entries and expects no more
// allocations.
func TestNoAllocationPerEntry(t *testing.T) {
	ca := testCA(t)
	shapes := map[string]func(*pki.Entry){
		"plain":                        func(*pki.Entry) {},
		"reasonCode":                   func(e *pki.Entry) { e.Reason = pki.Superseded },
		"reasonCode of unspecified":    func(e *pki.Entry) { e.Reason = pki.Unspecified },
		"invalidityDate":               func(e *pki.Entry) { e.InvalidityDate = testTime },
		"reasonCode and invalidity":    func(e *pki.Entry) { e.Reason, e.InvalidityDate = pki.KeyCompromise, testTime },
		"certificateIssuer throughout": func(e *pki.Entry) { e.CertificateIssuer = ca.Name() },
	}
	for name, shape := range shapes {
		allocations := func(n int) uint64 {
			entries := randomEntries(n)
			for i := range entries {
				entries[i].Reason = pki.NoReason
				shape(&entries[i])
			}
			o := testOptions(entries...)
			o.IDP = &pki.IDP{Indirect: entries[0].CertificateIssuer != nil, FullNames: []string{"http://crl.example.com/1"}}
			der := pkitest.CRL(t, ca, o)
			if len(der) < 2*chunkSize {
				t.Fatalf("%d octets do not reach the steady state", len(der))
			}
			least := ^uint64(0) // what other goroutines allocate meanwhile is not ours
			for range 3 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				if got, err := readEntries(der); err != nil || got != n {
					t.Fatalf("%s: %d entries, %v", name, got, err)
				}
				runtime.ReadMemStats(&after)
				least = min(least, after.Mallocs-before.Mallocs)
			}
			return least
		}
		few, many := allocations(20_000), allocations(40_000)
		if many > few+50 {
			t.Errorf("%s: %d allocations for 20,000 entries, %d for 40,000", name, few, many)
		}
		if few > 300 {
			t.Errorf("%s: %d allocations for 20,000 entries", name, few)
		}
	}
}
