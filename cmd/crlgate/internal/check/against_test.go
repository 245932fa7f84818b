package check

import (
	"bytes"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// TestAgainst: a CRL is held against what is in force, and nothing is changed.
func TestAgainst(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	crl := func(number int64) []byte {
		data, err := ca.CRL(pki.CRLOptions{Number: big.NewInt(number), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	cert, err := issuer.ParseCertificate(ca.DER)
	if err != nil {
		t.Fatal(err)
	}
	c := catalog.New()
	against := func(data []byte) *Upload {
		t.Helper()
		before, _, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		u, err := Against(c, "x.crl", bytes.NewReader(data), false, now)
		if err != nil {
			t.Fatal(err)
		}
		if after, _, err := c.Encode(); err != nil || !bytes.Equal(before, after) {
			t.Errorf("the catalog was changed (%v)", err)
		}
		return u
	}
	if u := against(crl(1)); u.Accepted || !u.Pending || u.Code != "issuer_unknown" || u.Number != "1" {
		t.Errorf("of no CA: %+v", u)
	}
	c.SetIssuer(&issuer.CA{Name: "a", Subject: cert.Name, Certificates: []*issuer.Certificate{cert}}, catalog.Source{})
	if u := against(crl(5)); !u.Accepted || u.Replaces != nil || u.CA != "a" || u.InForce {
		t.Errorf("the first: %+v", u)
	}
	verified, err := (&Upload{}).verify(bytes.NewReader(crl(5)), []*issuer.CA{{Name: "a", Subject: cert.Name, Certificates: []*issuer.Certificate{cert}}}, false, now)
	if err != nil {
		t.Fatal(err)
	}
	c.Publish("a", verified.Record(catalog.Source{Key: "crls/a.crl"}, now))
	u := against(crl(5))
	if !u.Accepted || !u.InForce || u.Replaces != nil {
		t.Errorf("the same: %+v", u)
	}
	if u = against(crl(6)); !u.Accepted || u.InForce || u.Replaces == nil || u.Replaces.Number.String() != "5" {
		t.Errorf("a newer one: %+v", u)
	}
	if u = against(crl(4)); u.Accepted || u.Pending || u.Code != "number_too_low" || u.Replaces != nil {
		t.Errorf("an older one: %+v", u)
	}
	if u = against(crl(6)[:50]); u.Accepted || u.Code == "" || u.List != nil {
		t.Errorf("one cut short: %+v", u)
	}
	if _, err := Against(c, "x.crl", io.MultiReader(bytes.NewReader(crl(6)[:50]), failing{}), false, now); !errors.Is(err, errBroken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

var errBroken = errors.New("broken")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }
