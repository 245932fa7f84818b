package check_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// TestExpiredBaseWithCurrentDelta: a complete CRL out of date is accepted beside a
// current delta CRL to it, in whichever order they are given, and not beside
// another or alone.
func TestExpiredBaseWithCurrentDelta(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "CA"}})
	put := folder(t, t.TempDir())
	crl := func(name string, number, base int64, this, next time.Duration, entries ...pki.Entry) string {
		o := pki.CRLOptions{Number: big.NewInt(number), ThisUpdate: at.Add(this), NextUpdate: at.Add(next), Entries: entries}
		if base > 0 {
			o.BaseNumber = big.NewInt(base)
		}
		return put(name, pkitest.CRL(t, ca, o))
	}
	late := crl("base.crl", 4, 0, -48*time.Hour, -24*time.Hour, pki.Entry{Serial: big.NewInt(1), Reason: pki.KeyCompromise})
	current := crl("current.crl", 5, 4, -time.Hour, time.Hour, pki.Entry{Serial: big.NewInt(2), Reason: pki.KeyCompromise})
	expired := crl("expired.crl", 5, 4, -2*time.Hour, -time.Hour)
	newer := crl("newer.crl", 6, 5, -time.Hour, time.Hour)
	own := crl("own.crl", 4, 4, -time.Hour, time.Hour)
	issuers := []string{put("ca.pem", ca.PEM())}
	cert := func(serial int64) string {
		return put("leaf.pem", pkitest.Leaf(t, ca, pki.LeafOptions{Serial: big.NewInt(serial)}).PEM())
	}
	for _, c := range []struct {
		files  []string
		codes  string
		status []string // of the serial numbers 1, 2 and 3
	}{
		{[]string{late, current}, ",", []string{"revoked", "revoked", "good"}},
		{[]string{late}, "expired", []string{"unknown", "unknown", "unknown"}},
		{[]string{current}, "delta_base_missing", []string{"unknown", "unknown", "unknown"}},
		{[]string{late, expired}, "expired,delta_base_missing", []string{"unknown", "unknown", "unknown"}},
		{[]string{late, newer}, "expired,delta_base_missing", []string{"unknown", "unknown", "unknown"}},
		{[]string{late, own}, "expired,delta_base_missing", []string{"unknown", "unknown", "unknown"}},
		{[]string{late, current, newer}, ",,delta_base_missing", []string{"revoked", "revoked", "good"}},
	} {
		for range 2 {
			for i, want := range c.status {
				r, err := check.Run(t.Context(), check.Input{Issuers: issuers, CRLs: c.files, Cert: cert(int64(i + 1)), At: at})
				if err != nil {
					t.Fatal(err)
				}
				var codes []string
				for _, l := range r.CRLs {
					codes = append(codes, l.Code)
				}
				if got := strings.Join(codes, ","); got != c.codes || *r.Status != want {
					t.Errorf("%v, serial %d: codes %q, status %s; want %q, %s", c.files, i+1, got, *r.Status, c.codes, want)
				}
			}
			slices.Reverse(c.files)
			c.codes = strings.Join(reversed(strings.Split(c.codes, ",")), ",")
		}
	}
}

func reversed(s []string) []string {
	slices.Reverse(s)
	return s
}

// TestWarnings: what the CA should put right is said beside a CRL that is accepted.
func TestWarnings(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "CA"}})
	seven := pki.Entry{Serial: big.NewInt(1), ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 21}, Value: []byte{10, 1, 7}}}}
	put := folder(t, t.TempDir())
	issuer := put("ca.pem", ca.PEM())
	file := put("ca.crl", pkitest.CRL(t, ca, pki.CRLOptions{Number: big.NewInt(4), ThisUpdate: at, NextUpdate: at.Add(time.Hour), Entries: []pki.Entry{seven}}))
	r, err := check.Run(t.Context(), check.Input{Issuers: []string{issuer}, CRLs: []string{file}, At: at})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	if c := r.CRLs[0]; !c.Accepted || c.Code != "" || !strings.Contains(c.Detail, "the first with 7") || !strings.Contains(out.String(), "1 entries. Warning: "+c.Detail) {
		t.Errorf("%+v, printed as %s", c, out.String())
	}
}
