package catalog_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// settings with a grace of so many hours.
func settings(t *testing.T, hours int) issuer.Settings {
	t.Helper()
	s, err := issuer.ParseSettings(fmt.Appendf(nil, `{"grace":"%dh"}`, hours), now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSetSettings: settings are replaced, with where they came from, and stay
// when the CA's certificates are.
func TestSetSettings(t *testing.T) {
	one, keys := file(t, "a")
	_, more := file(t, "a")
	both, _ := file(t, "a", keys[0], more[0])
	c := catalog.New()
	c.SetIssuer(one, catalog.Source{})
	before := c.CAs["a"]
	source := &catalog.Source{Key: "issuers/a.json", ETag: "1"}
	if !c.SetSettings("a", settings(t, 1), source) {
		t.Error("new settings are no change")
	}
	if c.SetSettings("a", settings(t, 1), source) {
		t.Error("the same settings are a change")
	}
	if before.Settings.Grace != 0 || before.SettingsSource != nil {
		t.Error("the record of before was changed in place")
	}
	c.SetIssuer(both, catalog.Source{})
	if ca := c.CAs["a"]; time.Duration(ca.Settings.Grace) != time.Hour || ca.SettingsSource == nil || *ca.SettingsSource != *source {
		t.Errorf("%+v from %+v", ca.Settings, ca.SettingsSource)
	}
	if !c.SetSettings("a", settings(t, 1), nil) || c.CAs["a"].SettingsSource != nil {
		t.Error("another source is no change")
	}
	// What JSON cannot say is equal to nothing.
	broken := issuer.Settings{AllowUntil: now.AddDate(10_000, 0, 0)}
	for range 2 {
		if !c.SetSettings("a", broken, nil) {
			t.Error("settings that cannot be written are no change")
		}
	}
}

// TestSetIssuerRecords: what is noted of a CA, and of its certificates.
func TestSetIssuerRecords(t *testing.T) {
	ca, _ := file(t, "a")
	c := catalog.New()
	c.SetIssuer(ca, catalog.Source{Key: "issuers/a.pem"})
	have, cert := c.CAs["a"], ca.Certificates[0]
	if have.Subject != cert.Subject || have.Source.Key != "issuers/a.pem" || len(have.Certificates) != 1 {
		t.Errorf("%+v", have)
	}
	if got := have.Certificates[0]; got.Key != cert.Key.String() || got.Fingerprint != cert.Fingerprint.String() ||
		!got.Issues || !got.SignsCRLs || !got.NotAfter.Equal(cert.NotAfter) || string(got.DER) != string(cert.DER) {
		t.Errorf("%+v", got)
	}
	if !c.RemoveIssuer("a") || c.CAs["a"] != nil || c.RemoveIssuer("a") {
		t.Error("the CA was not withdrawn")
	}
}

// TestSetIssuerKeeps: a CRL stays where a certificate with its key may sign
// CRLs, whatever the order of certificates and of CRLs.
func TestSetIssuerKeeps(t *testing.T) {
	one, oneKey := file(t, "a")
	_, twoKey := file(t, "a")
	both, _ := file(t, "a", oneKey[0], twoKey[0])
	twin := *one.Certificates[0] // of the same key; may not sign CRLs
	twin.Fingerprint[0]++
	twin.MaySignCRLs = false
	with := func(certs ...*issuer.Certificate) *issuer.CA {
		return &issuer.CA{Name: "a", Subject: one.Subject, Certificates: certs}
	}
	for _, tt := range []struct {
		what  string
		next  *issuer.CA
		kept  string
		order [2]int // of the keys that sign lines 0 and 1
	}{
		{"both keys", both, "01", [2]int{0, 1}},
		{"the first key", one, "0", [2]int{0, 1}},
		{"the first key, and its CRL is the second", one, "1", [2]int{1, 0}},
		{"a twin that may not sign", with(&twin), "", [2]int{0, 1}},
		{"a twin behind", with(one.Certificates[0], &twin), "0", [2]int{0, 1}},
		{"a twin in front", with(&twin, one.Certificates[0]), "0", [2]int{0, 1}},
	} {
		c := catalog.New()
		c.SetIssuer(both, catalog.Source{ETag: "before"})
		for i, key := range tt.order {
			l := list(fmt.Sprint(i), 1, now, fmt.Sprint(i))
			l.Key = both.Certificates[key].Key.String()
			c.Publish("a", l)
		}
		c.SetIssuer(tt.next, catalog.Source{})
		kept := ""
		for _, l := range c.CAs["a"].CRLs {
			kept += l.Line
		}
		if kept != tt.kept || c.CAs["a"].Parts != nil {
			t.Errorf("%s: lines %q stay, want %q (parts: %v)", tt.what, kept, tt.kept, c.CAs["a"].Parts)
		}
	}
}

// TestUnreadableCertificate: a certificate in the catalog that cannot be parsed
// is of no name: no CRL is taken over from it, and it holds no other's key.
func TestUnreadableCertificate(t *testing.T) {
	ca, _ := file(t, "a")
	key := ca.Certificates[0].Key.String()
	c := catalog.New()
	c.SetIssuer(ca, catalog.Source{})
	l := list("0", 1, now, "x")
	l.Key = key
	c.Publish("a", l)
	sum := sha256.Sum256([]byte{1})
	c.CAs["a"].Certificates = []catalog.Certificate{{DER: []byte{1}, Fingerprint: hex.EncodeToString(sum[:]), Key: key}}
	c, err := catalog.Parse(encode(t, c))
	if err != nil {
		t.Fatal(err)
	}
	if holder := c.HolderOf(ca.Certificates[0], ""); holder != "" {
		t.Errorf("held by %q", holder)
	}
	if !c.SetIssuer(ca, catalog.Source{}) || len(c.CAs["a"].CRLs) != 0 {
		t.Errorf("%+v", c.CAs["a"].CRLs)
	}
}

// TestHolderOf: it takes the subject and the key, and the first by name is told.
func TestHolderOf(t *testing.T) {
	one, keys := file(t, "a")
	other, _ := file(t, "b")
	again, _ := file(t, "a", keys[0])
	again.Name = "c"
	c := catalog.New()
	c.SetIssuer(again, catalog.Source{})
	c.SetIssuer(one, catalog.Source{})
	c.SetIssuer(other, catalog.Source{})
	cert := one.Certificates[0]
	namesake := *cert // of another key
	namesake.Key[0]++
	renamed := *cert // of another subject
	renamed.Name = other.Subject
	for _, tt := range []struct {
		what   string
		cert   *issuer.Certificate
		except string
		want   string
	}{
		{"two have it", cert, "", "a"},
		{"but not itself", cert, "a", "c"},
		{"but not another", cert, "c", "a"},
		{"another key", &namesake, "", ""},
		{"another subject", &renamed, "", ""},
	} {
		if got := c.HolderOf(tt.cert, tt.except); got != tt.want {
			t.Errorf("%s: held by %q, want %q", tt.what, got, tt.want)
		}
	}
}

// TestSplitOnKeyChange: what stays of a CA whose CRLs were in parts goes back into
// the catalog, or into as many parts as it needs.
func TestSplitOnKeyChange(t *testing.T) {
	one, keys := file(t, "a")
	_, more := file(t, "a")
	both, _ := file(t, "a", keys[0], more[0])
	for stay, bits := range map[int]int{0: -1, 20: -1, 32: -1, 33: 1, 48: 1, 49: 2} {
		c := catalog.New()
		c.SetIssuer(both, catalog.Source{})
		for i := range 100 {
			l := list(fmt.Sprintf("%032x", i), 1, now, fmt.Sprint(i))
			l.Scope.Points = [][]byte{fmt.Append(nil, i)}
			l.Key = both.Certificates[1].Key.String()
			if i < stay {
				l.Key = both.Certificates[0].Key.String()
			}
			c.Publish("a", l)
		}
		c.CAs["a"].Split()
		c.SetIssuer(one, catalog.Source{})
		ca, n := c.CAs["a"], 0
		for l := range ca.Lists() {
			n++
			if c.Serving("a", &l.Scope, l.Line) != l {
				t.Errorf("%d stay: line %s is lost", stay, l.Line)
			}
		}
		got := -1
		if ca.Parts != nil {
			got = ca.Parts.Bits
		}
		if n != stay || got != bits {
			t.Errorf("%d CRLs in parts of %d bits, want %d in %d", n, got, stay, bits)
		}
	}
}
