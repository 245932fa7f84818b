package crl_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"testing"
	"testing/iotest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/crl"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func sound(entries ...pki.Entry) pki.CRLOptions {
	return pki.CRLOptions{Number: big.NewInt(7), ThisUpdate: now, NextUpdate: now.AddDate(0, 0, 7), Entries: entries}
}

func many(n int) []pki.Entry {
	entries := make([]pki.Entry, n)
	for i := range entries {
		entries[i] = pki.Entry{Serial: new(big.Int).Mul(big.NewInt(int64(i+1)), big.NewInt(0x1000000007)), Date: now}
		if i%2 == 1 {
			entries[i].Reason = pki.KeyCompromise
		}
	}
	return entries
}

// TestReadAgreesWithCryptoX509 reads CRLs of many sizes, whole, byte by byte,
// in halves and as PEM, and compares with the standard library's parser.
func TestReadAgreesWithCryptoX509(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Test CA"}})
	for _, n := range []int{0, 1, 2, 2047, 2048, 2049, 6000, 40000} {
		der := pkitest.CRL(t, ca, sound(many(n)...))
		want, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		readers := map[string]io.Reader{
			"whole": bytes.NewReader(der), "pem": bytes.NewReader(pki.CRLPEM(der)), "halves": iotest.HalfReader(bytes.NewReader(der)),
			"pem halves": iotest.HalfReader(bytes.NewReader(pki.CRLPEM(der))), "data+EOF": iotest.DataErrReader(bytes.NewReader(der)),
		}
		if n < 5000 {
			readers["bytes"] = iotest.OneByteReader(bytes.NewReader(der))
		}
		for how, r := range readers {
			i := 0
			list, err := crl.Read(r, crl.Options{}, func(b *crl.Batch) error {
				for k := range b.Len() {
					e := want.RevokedCertificateEntries[i]
					if got := signed(b.Serials[k*b.Width : (k+1)*b.Width]); got.Cmp(e.SerialNumber) != 0 {
						t.Fatalf("%d %s: serial %d is %v, want %v", n, how, i, got, e.SerialNumber)
					}
					if int64(b.Dates[k]) != e.RevocationTime.Unix() || int(b.Reasons[k]) != e.ReasonCode {
						t.Fatalf("%d %s: entry %d has date %d reason %v", n, how, i, b.Dates[k], b.Reasons[k])
					}
					i++
				}
				return nil
			})
			if err != nil {
				t.Fatalf("%d entries, %s: %v", n, how, err)
			}
			if i != n || list.Entries != n || list.Number.Cmp(want.Number) != 0 || !list.ThisUpdate.Equal(want.ThisUpdate) ||
				!list.NextUpdate.Equal(want.NextUpdate) || !bytes.Equal(list.Issuer, want.RawIssuer) || list.Size != int64(len(der)) {
				t.Fatalf("%d %s: got %d entries and %+v", n, how, i, list)
			}
			if err := list.CheckSignature(ca.Key.Public()); err != nil {
				t.Fatalf("%d %s: %v", n, how, err)
			}
			other := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Test CA"}})
			if err := list.CheckSignature(other.Key.Public()); !errors.Is(err, crl.ErrSignature) {
				t.Fatalf("%d %s: verifies under another key", n, how)
			}
		}
	}
}

// TestEveryTruncationIsRefused cuts a CRL at every byte; each prefix must be
// refused, and never as anything but malformed.
func TestEveryTruncationIsRefused(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Test CA"}})
	der := pkitest.CRL(t, ca, sound(many(3)...))
	for n := range der {
		_, err := crl.Read(bytes.NewReader(der[:n]), crl.Options{}, nil)
		var e *crl.Error
		if !errors.As(err, &e) || e.Code != crl.Malformed {
			t.Fatalf("cut at %d of %d: %v", n, len(der), err)
		}
	}
}

// TestSourceErrorsPassThrough: what goes wrong while reading says nothing
// about the CRL and must not be taken for a fault of it.
func TestSourceErrorsPassThrough(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Test CA"}})
	der := pkitest.CRL(t, ca, sound(many(9000)...))
	torn := errors.New("connection reset")
	for _, at := range []int{0, 1, 100, 300 << 10, len(der) - 1, len(der)} {
		_, err := crl.Read(io.MultiReader(bytes.NewReader(der[:min(at, len(der))]), iotest.ErrReader(torn)), crl.Options{}, nil)
		if !errors.Is(err, torn) {
			t.Errorf("cut at %d: %v", at, err)
		}
	}
	stop := errors.New("enough")
	if _, err := crl.Read(bytes.NewReader(der), crl.Options{}, func(*crl.Batch) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("sink's error: %v", err)
	}
}
