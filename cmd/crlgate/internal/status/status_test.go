package status

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// deployment is two buckets, filled by the real preprocessor.
type deployment struct {
	t              *testing.T
	uploads, cache *objectstoretest.Bucket
	now            time.Time
}

func (d *deployment) put(key string, body []byte) {
	d.t.Helper()
	d.uploads.Store(key, body)
	p := preprocess.New(d.uploads, d.cache, preprocess.Config{IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/"}}, slog.New(slog.DiscardHandler), nil)
	if err := p.Changed(d.t.Context(), []string{key}, d.now); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deployment) status() *Status {
	d.t.Helper()
	s, err := Gather(d.t.Context(), d.cache, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *deployment) ca(name string) *pki.CA {
	d.t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: name}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.put("issuers/"+name+".pem", ca.PEM())
	return ca
}

func (d *deployment) crl(ca *pki.CA, number int64, life time.Duration) []byte {
	d.t.Helper()
	b, err := ca.CRL(pki.CRLOptions{
		Number: big.NewInt(number), ThisUpdate: d.now, NextUpdate: d.now.Add(life),
		Entries: []pki.Entry{{Serial: big.NewInt(5), Date: d.now}},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func newDeployment(t *testing.T) *deployment {
	return &deployment{t, objectstoretest.NewBucket(), objectstoretest.NewBucket(), time.Now().UTC().Truncate(time.Second)}
}

func TestNothingYet(t *testing.T) {
	s := newDeployment(t).status()
	if !s.OK || s.Generation != 0 {
		t.Errorf("got %+v", s)
	}
	data, err := json.Marshal(s)
	if err != nil || !strings.Contains(string(data), `"cas":[],"not_accepted":[]`) {
		t.Errorf("%s, %v: want empty lists, not null", data, err)
	}
	if got := printed(t, s); !strings.Contains(got, "No CA yet") {
		t.Errorf("printed %s", got)
	}
}

func TestACRLGrowsOld(t *testing.T) {
	d := newDeployment(t)
	ca := d.ca("a")
	d.put("crls/a.crl", d.crl(ca, 7, 10*time.Hour))
	began := d.now
	for _, c := range []struct {
		settings    string
		later       time.Duration
		state, left string
		ok          bool
	}{
		{`{}`, time.Hour, Current, "9h", true},
		{`{}`, 9 * time.Hour, Current, "1h", true},
		{`{}`, 11 * time.Hour, Expired, "expired 1h ago", false},
		{`{"grace":"2h"}`, 11 * time.Hour, InGrace, "in grace, past by 1h", true},
		{`{"grace":"2h"}`, 13 * time.Hour, Expired, "expired 3h ago", false},
		{`{"max_crl_age":"1h"}`, 2 * time.Hour, Expired, "too old (max_crl_age)", false},
	} {
		d.now = began
		d.put("issuers/a.json", []byte(c.settings))
		d.now = began.Add(c.later)
		s := d.status()
		l := s.CAs[0].CRLs[0]
		if l.State != c.state || s.OK != c.ok || l.left().Text != c.left || l.Number != "7" || l.Entries != 1 || l.Key != "crls/a.crl" || l.Age != int64(c.later/time.Second) {
			t.Errorf("%s after %v: ok %v, %+v, time left %q", c.settings, c.later, s.OK, l, l.left().Text)
		}
	}
}

func TestUploadsThatAreNotAccepted(t *testing.T) {
	d := newDeployment(t)
	ca := d.ca("a")
	d.ca("without")
	d.put("crls/a.crl", d.crl(ca, 7, time.Hour))
	if s := d.status(); !s.OK {
		t.Fatalf("a sound deployment: %+v", s)
	}
	d.put("crls/a.crl", d.crl(ca, 6, time.Hour)) // refused, the old one serves
	stranger, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "stranger"}})
	if err != nil {
		t.Fatal(err)
	}
	d.put("crls/stranger.crl", d.crl(stranger, 1, time.Hour))
	d.put("issuers/a.json", []byte(`{"mode":"loud"}`))
	s := d.status()
	var got []string
	for _, r := range s.NotAccepted {
		got = append(got, r.Key+" "+string(r.Outcome))
	}
	if want := []string{"crls/a.crl refused", "crls/stranger.crl pending", "issuers/a.json refused"}; s.OK || !slices.Equal(got, want) {
		t.Errorf("ok %v, %q, want %q", s.OK, got, want)
	}
	if l := s.CAs[0].CRLs[0]; l.Number != "7" || l.Report.Code != "number_too_low" {
		t.Errorf("the CRL in force is %+v", l)
	}
	text := printed(t, s)
	for _, want := range []string{"without  none: its clients are denied", "refused number_too_low", "pending   crls/stranger.crl  issuer_unknown: ", "1 CA without CRL: 2 refused, 1 pending."} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestSettingsInWords(t *testing.T) {
	d := newDeployment(t)
	d.ca("a")
	d.put("issuers/a.json", []byte(`{"mode":"observe","crl":"optional","grace":"2h","deny":["0a","0b"],"domains":["api.example.com"],"allow_until":"`+d.now.Add(90*time.Minute).Format(time.RFC3339)+`"}`))
	text := printed(t, d.status())
	for _, want := range []string{
		"a  observe: nothing is denied", "(1h 30m left): only revoked", "crl optional", "grace 2h0m0s past nextUpdate",
		"deny list: 2 serial numbers", "domains: api.example.com", "none: its clients are let in (crl optional)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	d.now = d.now.Add(2 * time.Hour)
	if got := d.status().CAs[0].Relaxed; slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "allow_until") }) {
		t.Errorf("allow_until is past and still said: %q", got)
	}
}

func TestGatherSaysWhatItCannotRead(t *testing.T) {
	d := newDeployment(t)
	d.ca("a")
	d.cache.Corrupt(catalog.Key, func([]byte) []byte { return []byte(`{"format":99}`) })
	if _, err := Gather(t.Context(), d.cache, d.now); !errors.Is(err, catalog.ErrFormat) {
		t.Errorf("a newer catalog: %v", err)
	}
}

func TestUploadKeyReversesReportKey(t *testing.T) {
	for _, key := range []string{"crls/a.crl", "issuers/a.json", "crls/b/é +.crl"} {
		if got, ok := UploadKey(catalog.ReportKey(key)); !ok || got != key {
			t.Errorf("%q becomes %q", key, got)
		}
	}
	long := catalog.ReportKey(strings.Repeat("é", 600))
	if got, ok := UploadKey(long); !ok || catalog.ReportKey(got) != long {
		t.Errorf("a key that was cut leads to %q, another report", got)
	}
	if _, ok := UploadKey("sets/x.json"); ok {
		t.Error("a set is taken for a report")
	}
}

func printed(t *testing.T, s *Status) string {
	t.Helper()
	var plain, coloured bytes.Buffer
	if err := s.Print(&plain, "target", false); err != nil {
		t.Fatal(err)
	}
	if err := s.Print(&coloured, "target", true); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(coloured.String(), "\x1b") {
		t.Error("colour where there should be none, or none where there should be")
	}
	return plain.String()
}

var _ Cache = (*objectstore.Bucket)(nil)
