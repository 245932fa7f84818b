// Package check answers, from files alone: are these CRLs sound, and would this
// certificate be let in? It runs the same packages as the functions do, over a
// cache in memory.
package check

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
	"github.com/crlgate/crlgate/pkg/revocation"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// Input is what to check.
type Input struct {
	Issuers   []string // files of CA certificates, PEM or DER
	CRLs      []string // files of CRLs, PEM or DER
	Cert      string   // file of a client certificate, PEM or DER; "": none
	At        time.Time
	AllowSHA1 bool
	// Open opens the files; nil: os.Open.
	Open func(name string) (io.ReadCloser, error)
}

func (in *Input) open(name string) (io.ReadCloser, error) {
	if in.Open == nil {
		return os.Open(name)
	}
	return in.Open(name)
}

func (in *Input) read(name string) ([]byte, error) {
	f, err := in.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Result is the answer, in the form of "crlgate check --json".
type Result struct {
	CRLs []CRL `json:"crls"` // in the order given
	// The rest is null where no certificate was given.
	Status   *string `json:"status"`
	Reason   *string `json:"reason"`
	Decision *string `json:"decision"`
	CA       *string `json:"ca"`
	Serial   *string `json:"serial"`

	Detail   string   `json:"-"` // words on the decision
	Warnings []string `json:"-"` // certificates that could not be used
}

// CRL is what became of one CRL.
type CRL struct {
	File     string `json:"file"`
	Accepted bool   `json:"accepted"`
	Code     string `json:"code"`
	Detail   string `json:"detail"`
	CA       string `json:"ca"`
	Number   string `json:"number"`
	Entries  int    `json:"entries"`
}

// Allowed reports whether the certificate would be let in; without one,
// whether every CRL was accepted.
func (r *Result) Allowed() bool {
	if r.Decision != nil {
		return *r.Decision == "allow"
	}
	return !slices.ContainsFunc(r.CRLs, func(c CRL) bool { return !c.Accepted })
}

// Run checks. An error means that a file could not be read, or holds no CA.
func Run(ctx context.Context, in Input) (*Result, error) {
	r, cache, err := Build(in)
	if err != nil || in.Cert == "" {
		return r, err
	}
	return r, r.decide(ctx, in, cache)
}

// Build makes a cache bucket in memory of issuers and CRLs, as the preprocessor
// would fill it, and says what became of each CRL.
func Build(in Input) (*Result, Bucket, error) {
	r := &Result{CRLs: make([]CRL, len(in.CRLs))}
	cas, warnings, err := readIssuers(in)
	if err != nil {
		return nil, nil, err
	}
	r.Warnings = warnings
	cat, bucket := catalog.New(), Bucket{}
	for _, ca := range cas {
		cat.SetIssuer(ca, catalog.Source{Key: ca.Name})
	}
	if err := acceptAll(in, cas, cat, bucket, r); err != nil {
		return nil, nil, err
	}
	cat.Stamp(in.At)
	data, parts, err := cat.Encode()
	for key, part := range parts {
		bucket[key] = part
	}
	bucket[catalog.Key] = data
	return r, bucket, err
}

// readIssuers groups the certificates of all files by subject into CAs, each
// named for the first file that holds a certificate of it.
func readIssuers(in Input) (cas []*issuer.CA, warnings []string, err error) {
	bySubject := map[issuer.Name]*issuer.CA{}
	names := map[string]int{}
	policy := issuer.Policy{AllowSHA1: in.AllowSHA1}
	for _, file := range in.Issuers {
		data, err := in.read(file)
		if err != nil {
			return nil, nil, err
		}
		certs, err := issuer.ParseCertificates(data)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, v := range certs {
			if v.Refusal == nil {
				errors.As(policy.Check(v.Certificate), &v.Refusal)
			}
			if v.Refusal != nil {
				warnings = append(warnings, fmt.Sprintf("%s: %v", file, v.Refusal))
				continue
			}
			ca := bySubject[v.Certificate.Name]
			if ca == nil {
				ca = &issuer.CA{Name: uniqueName(names, file), Subject: v.Certificate.Name}
				bySubject[ca.Subject] = ca
				cas = append(cas, ca)
			}
			if !slices.ContainsFunc(ca.Certificates, func(c *issuer.Certificate) bool { return c.Fingerprint == v.Certificate.Fingerprint }) {
				ca.Certificates = append(ca.Certificates, v.Certificate)
			}
		}
	}
	return cas, warnings, nil
}

func uniqueName(taken map[string]int, file string) string {
	base := filepath.Base(file)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	taken[base]++
	if n := taken[base]; n > 1 {
		return fmt.Sprintf("%s#%d", base, n)
	}
	return base
}

// candidate is a CRL that was read, and where its result goes.
type candidate struct {
	*preprocess.Candidate
	file   string
	result *CRL
	record *catalog.CRL // once verified
}

// acceptAll enters the CRLs into the catalog in the order that lets most in:
// by CRL number, and again those that waited for another.
func acceptAll(in Input, cas []*issuer.CA, cat *catalog.Catalog, sets Bucket, r *Result) error {
	var waiting []candidate
	for i, file := range in.CRLs {
		r.CRLs[i].File = file
		c, err := readCRL(file, in)
		if err != nil {
			if !r.CRLs[i].refuse(err) {
				return err
			}
			continue
		}
		r.CRLs[i].describe(c)
		waiting = append(waiting, candidate{Candidate: c, file: file, result: &r.CRLs[i]})
	}
	slices.SortStableFunc(waiting, func(a, b candidate) int {
		// Of two with one number (RFC 5280 §5.2.3 forbids it) the newer counts.
		return cmp.Or(a.List.Number.Cmp(b.List.Number), b.List.ThisUpdate.Compare(a.List.ThisUpdate))
	})
	for progress := true; progress; {
		progress = false
		var still []candidate
		for _, c := range waiting {
			pending, err := c.enter(cas, cat, sets, in.At)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", c.file, err)
			case pending:
				still = append(still, c)
			default:
				progress = true
			}
		}
		waiting = still
		for i := 0; i < len(waiting) && !progress; i++ {
			c := &waiting[i]
			if !c.revived(cat, waiting, in.At) {
				continue
			}
			if err := c.publish(cat, sets); err != nil {
				return fmt.Errorf("%s: %w", c.file, err)
			}
			waiting, progress = slices.Delete(waiting, i, i+1), true
		}
	}
	return nil
}

// revived reports whether one of the CRLs that wait is a delta CRL which makes up
// for it that this one is out of date.
func (c *candidate) revived(cat *catalog.Catalog, waiting []candidate, now time.Time) bool {
	return c.record != nil && slices.ContainsFunc(waiting, func(d candidate) bool {
		return d.record != nil && d.result.CA == c.result.CA && cat.Revives(c.result.CA, c.record, d.record, now)
	})
}

func readCRL(file string, in Input) (*preprocess.Candidate, error) {
	f, err := in.open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return preprocess.ReadCRL(f, crl.Options{AllowSHA1: in.AllowSHA1})
}

func (c *CRL) describe(read *preprocess.Candidate) {
	c.Entries, c.Number = read.Entries(), read.List.Number.String()
}

// refuse notes why a CRL is refused; false where err is no refusal.
func (c *CRL) refuse(err error) bool {
	var refusal *preprocess.Refusal
	if !errors.As(err, &refusal) {
		return false
	}
	c.Accepted, c.Code, c.Detail = false, string(refusal.Code), refusal.Detail
	return true
}

// enter admits a CRL to the catalog, or says why not.
func (c *candidate) enter(cas []*issuer.CA, cat *catalog.Catalog, sets Bucket, now time.Time) (pending bool, err error) {
	v, err := c.Verify(cas, now)
	var refusal *preprocess.Refusal
	if errors.As(err, &refusal) {
		c.result.refuse(err)
		return refusal.Pending, nil
	}
	if err != nil {
		return false, err
	}
	c.result.CA = v.CA.Name
	c.record = v.Record(catalog.Source{Key: c.file}, now)
	code, why := cat.Admit(v.CA.Name, c.record, now)
	switch code {
	case catalog.Succeeds:
		return false, c.publish(cat, sets)
	case catalog.Same:
		c.accept()
		return false, nil
	}
	c.result.Accepted, c.result.Code, c.result.Detail = false, string(code), why
	return code == catalog.Expired || code == catalog.BaseMissing, nil
}

// publish enters a CRL that the catalog admits.
func (c *candidate) publish(cat *catalog.Catalog, sets Bucket) error {
	if err := sets.put(c.record, c.Candidate); err != nil {
		return err
	}
	cat.Publish(c.result.CA, c.record)
	if ca := cat.CAs[c.result.CA]; ca.Crowded() {
		ca.Split()
	}
	c.accept()
	return nil
}

func (c *candidate) accept() {
	c.result.Accepted, c.result.Code, c.result.Detail = true, "", strings.Join(c.Warnings(), "; ")
}

// Bucket is a cache bucket in memory.
type Bucket map[string][]byte

// put writes the sets of a CRL.
func (b Bucket) put(record *catalog.CRL, c *preprocess.Candidate) error {
	images := []*serialset.Image{c.Image}
	for _, o := range c.Others {
		images = append(images, o.Image)
	}
	for i, set := range record.AllSets() {
		var buf bytes.Buffer
		if _, err := images[i].WriteTo(&buf); err != nil {
			return err
		}
		b[set.Key] = buf.Bytes()
	}
	return nil
}

// ReadAll returns an object.
func (b Bucket) ReadAll(_ context.Context, key string, maxBytes int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	data, ok := b[key]
	if !ok {
		return nil, objectstore.Object{}, objectstore.ErrNotFound
	}
	whole := int64(len(data))
	if r := opts.Range; r != (objectstore.Range{}) {
		if r.Offset >= whole {
			return nil, objectstore.Object{}, objectstore.ErrRange
		}
		data = data[r.Offset:]
		if r.Length > 0 && r.Length < int64(len(data)) {
			data = data[:r.Length]
		}
	}
	if int64(len(data)) > maxBytes {
		return nil, objectstore.Object{}, &objectstore.TooLargeError{Op: objectstore.OpGet, Key: key, Limit: maxBytes, Size: int64(len(data))}
	}
	return data, objectstore.Object{Key: key, Size: whole, Version: "1"}, nil
}

// decide asks for the certificate and decides as the authorizer would.
func (r *Result) decide(ctx context.Context, in Input, cache Bucket) error {
	data, err := in.read(in.Cert)
	if err != nil {
		return err
	}
	f, serial := &authorize.Facts{}, ""
	cert, err := parseCert(data)
	if err != nil {
		f.Malformed = err
	} else {
		f.Answer = Warm(cache, in.At).Ask(ctx, cert, in.At)
		serial = issuer.Serial(cert.Serial).String()
	}
	d := authorize.Decide(f, authorize.Settings{}, in.At)
	status, reason, decision := f.Answer.Status.String(), string(d.Reason), "deny"
	if d.Allow {
		reason, decision = "", "allow"
	}
	r.Status, r.Reason, r.Decision, r.CA, r.Serial = &status, &reason, &decision, &f.Answer.CA, &serial
	r.Detail = f.Answer.Detail
	if f.Malformed != nil {
		r.Detail = f.Malformed.Error()
	}
	return nil
}

// Warm returns the authorizer's read path over a cache bucket that does not
// change, at one moment, without bounds of time or memory.
func Warm(store revocation.Store, now time.Time) *revocation.Cache {
	return revocation.New(store, revocation.Config{RevalidateAfter: time.Hour, MaxUnvalidated: 2 * time.Hour, MemoryBudget: 1 << 40, WarmWait: 10 * time.Minute, ColdWait: 10 * time.Minute},
		func() time.Time { return now }, slog.New(slog.DiscardHandler), nil)
}

func parseCert(data []byte) (*clientcert.Certificate, error) {
	if i := bytes.Index(data, []byte("-----BEGIN CERTIFICATE-----")); i >= 0 {
		return clientcert.ParsePEM(string(data[i:]))
	}
	return clientcert.Parse(data)
}
