// Package status says how a deployment stands, from its cache bucket alone: the
// catalog and the reports. It judges nothing that the authorizer would judge
// otherwise.
package status

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// Cache is the cache bucket.
type Cache interface {
	preprocess.Reads
	List(ctx context.Context, prefix string) iter.Seq2[objectstore.Object, error]
}

// States of a CRL in force.
const (
	Current = "current"
	InGrace = "in_grace" // past nextUpdate, within the CA's grace
	Expired = "expired"  // past nextUpdate and grace, or older than max_crl_age: its CA's clients are denied
)

// Status is how a deployment stands, in the form of "crlgate status --json".
type Status struct {
	At time.Time `json:"at"`
	// OK: nothing is expired, and no upload is refused or pending.
	OK         bool   `json:"ok"`
	Generation uint64 `json:"generation"` // of the catalog; 0: there is none yet
	CAs        []CA   `json:"cas"`
	// Bound is set by whoever knows the authorizer's settings; nil: nobody does.
	Bound *Bound `json:"bound,omitempty"`
	// NotAccepted are the last uploads that are refused or pending.
	NotAccepted []*preprocess.Report `json:"not_accepted"`
	// Fetched are the URLs that CRLs are fetched from; see AddFetched.
	Fetched []Fetch `json:"fetched,omitempty"`
}

// CA is one CA.
type CA struct {
	Name         string          `json:"ca"`
	Subject      string          `json:"subject"`
	Certificates []Certificate   `json:"certificates"`
	Settings     issuer.Settings `json:"settings"`
	// Relaxed and Narrowed say in words what the settings change.
	Relaxed  []string `json:"relaxed"`
	Narrowed []string `json:"narrowed"`
	CRLs     []CRL    `json:"crls"`
}

// Certificate is one certificate of a CA.
type Certificate struct {
	Fingerprint string    `json:"fingerprint"`
	NotAfter    time.Time `json:"not_after"`
	Issues      bool      `json:"issues"`
	SignsCRLs   bool      `json:"signs_crls"`
}

// CRL is one CRL in force.
type CRL struct {
	Key        string    `json:"crl"` // its upload key
	Kind       string    `json:"kind"`
	Number     string    `json:"crl_number"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Age        int64     `json:"age_seconds"`  // since thisUpdate
	Left       int64     `json:"left_seconds"` // until nextUpdate; negative: past
	State      string    `json:"state"`
	Entries    int       `json:"entries"`
	Published  time.Time `json:"published"`
	Scope      string    `json:"scope"`
	// Report is the last report on the upload key, which may be on a later
	// upload that was refused; null where there is none.
	Report *Report `json:"report"`
}

// Report is the gist of a report.
type Report struct {
	Outcome preprocess.Outcome `json:"outcome"`
	Code    preprocess.Code    `json:"code"`
	Detail  string             `json:"detail"`
	At      time.Time          `json:"at"`
}

// Gather reads the catalog and every report. A bucket without a catalog is no
// error: nothing was accepted yet.
func Gather(ctx context.Context, cache Cache, now time.Time) (*Status, error) {
	c, err := preprocess.LoadCatalog(ctx, cache)
	if err != nil {
		return nil, fmt.Errorf("reading the catalog: %w", err)
	}
	reports, err := ReadReports(ctx, cache)
	if err != nil {
		return nil, fmt.Errorf("reading the reports: %w", err)
	}
	return Of(c, reports, now), nil
}

// parallel is how many reports are read at a time.
const parallel = 16

// ReadReports reads every report, by upload key.
func ReadReports(ctx context.Context, cache Cache) (map[string]*preprocess.Report, error) {
	var mu sync.Mutex
	reports := map[string]*preprocess.Report{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	var listing error
	for object, err := range cache.List(ctx, catalog.ReportPrefix) {
		if err != nil {
			listing = err
			break
		}
		key, ok := UploadKey(object.Key)
		if !ok {
			continue
		}
		g.Go(func() error {
			r, err := preprocess.ReadReport(ctx, cache, key)
			if err != nil || r == nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			reports[r.Key] = r
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return reports, listing
}

// UploadKey is catalog.UploadKey.
func UploadKey(reportKey string) (string, bool) { return catalog.UploadKey(reportKey) }

// Of says how a catalog and the reports, by upload key, stand at now.
func Of(c *catalog.Catalog, reports map[string]*preprocess.Report, now time.Time) *Status {
	s := &Status{At: now.UTC().Truncate(time.Second), OK: true, Generation: c.Generation, CAs: []CA{}, NotAccepted: []*preprocess.Report{}}
	for _, name := range slices.Sorted(maps.Keys(c.CAs)) {
		ca := describe(name, c.CAs[name], reports, now)
		for _, l := range ca.CRLs {
			s.OK = s.OK && l.State != Expired
		}
		s.CAs = append(s.CAs, ca)
	}
	for _, key := range slices.Sorted(maps.Keys(reports)) {
		if r := reports[key]; r.Outcome == preprocess.OutcomeRefused || r.Outcome == preprocess.OutcomePending {
			s.NotAccepted = append(s.NotAccepted, r)
			s.OK = false
		}
	}
	return s
}

func describe(name string, in *catalog.CA, reports map[string]*preprocess.Report, now time.Time) CA {
	ca := CA{Name: name, Subject: in.Subject, Settings: in.Settings, Certificates: []Certificate{}, CRLs: []CRL{}}
	for _, cert := range in.Certificates {
		ca.Certificates = append(ca.Certificates, Certificate{cert.Fingerprint, cert.NotAfter, cert.Issues, cert.SignsCRLs})
	}
	ca.Relaxed, ca.Narrowed = relaxed(&in.Settings, now), narrowed(&in.Settings)
	for l := range in.Lists() {
		crl := CRL{
			Key: l.Source.Key, Kind: l.Kind, Number: l.Number.String(), ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate,
			Age: int64(now.Sub(l.ThisUpdate) / time.Second), Left: int64(l.NextUpdate.Sub(now) / time.Second),
			State: state(l, &in.Settings, now), Entries: l.Entries, Published: l.Accepted, Scope: ScopeWords(&l.Scope),
		}
		if r := reports[l.Source.Key]; r != nil {
			crl.Report = &Report{r.Outcome, r.Code, r.Detail, r.At}
		}
		ca.CRLs = append(ca.CRLs, crl)
	}
	return ca
}

// state is row 12 of the decision table.
func state(l *catalog.CRL, s *issuer.Settings, now time.Time) string {
	switch maxAge := time.Duration(s.MaxCRLAge); {
	case now.After(l.NextUpdate.Add(time.Duration(s.Grace))), maxAge > 0 && now.Sub(l.ThisUpdate) > maxAge:
		return Expired
	case now.After(l.NextUpdate):
		return InGrace
	}
	return Current
}

// relaxed says which settings let in what would be denied.
func relaxed(s *issuer.Settings, now time.Time) []string {
	words := []string{}
	if s.Observe() {
		words = append(words, "observe: nothing is denied, only reported")
	}
	if s.BreakGlass(now) {
		words = append(words, fmt.Sprintf("allow_until %s (%s left): only revoked certificates are denied", s.AllowUntil.UTC().Format(time.RFC3339), terminal.Span(s.AllowUntil.Sub(now))))
	}
	if s.CRLOptional() {
		words = append(words, "crl optional: clients are let in while there is no CRL")
	}
	if s.Grace > 0 {
		words = append(words, "grace "+time.Duration(s.Grace).String()+" past nextUpdate")
	}
	return words
}

// narrowed says which settings deny what would be let in.
func narrowed(s *issuer.Settings) []string {
	words := []string{}
	if n := len(s.Deny); n > 0 {
		words = append(words, "deny list: "+terminal.Plural(n, "serial number", "serial numbers"))
	}
	if len(s.Domains) > 0 {
		words = append(words, "domains: "+strings.Join(s.Domains, ", "))
	}
	if s.MaxCRLAge > 0 {
		words = append(words, "max_crl_age "+time.Duration(s.MaxCRLAge).String())
	}
	return words
}

// ScopeWords says which certificates a CRL speaks of.
func ScopeWords(s *catalog.Scope) string {
	var words []string
	for _, f := range []struct {
		set  bool
		word string
	}{
		{s.OnlyUserCerts, "user certificates"},
		{s.OnlyCACerts, "CA certificates"},
		{s.OnlyAttributeCerts, "attribute certificates"},
		{s.OnlySomeReasons != 0, "some reasons"},
		{s.Indirect, "indirect"},
		{len(s.Points) > 0, terminal.Plural(len(s.Points), "distribution point name", "distribution point names")},
	} {
		if f.set {
			words = append(words, f.word)
		}
	}
	if len(words) == 0 {
		return "all"
	}
	return strings.Join(words, ", ")
}
