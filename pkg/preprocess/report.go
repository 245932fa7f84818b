package preprocess

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Outcome is what became of an upload.
type Outcome string

// The outcomes.
const (
	OutcomeAccepted Outcome = "accepted"
	OutcomePending  Outcome = "pending" // not now; looked at again when what it waits for comes
	OutcomeRefused  Outcome = "refused" // for good: these bytes will not be read again
	OutcomeDeleted  Outcome = "deleted"
)

// Kinds of upload.
const (
	KindCRL      = "crl"
	KindIssuer   = "issuer"
	KindSettings = "settings"
	KindUnknown  = "unknown" // where issuers lie, and none by its name
)

// KindTruststore is the kind of the report on the truststore object, which is no
// upload: its key is that of the object.
const KindTruststore = "truststore"

// Report says what became of the last upload under a key, and why. It lies in
// the cache bucket, under catalog.ReportKey.
type Report struct {
	Key       string    `json:"key"`
	ETag      string    `json:"etag,omitempty"`
	VersionID string    `json:"version_id,omitempty"`
	Kind      string    `json:"kind"`
	Outcome   Outcome   `json:"outcome"`
	Code      Code      `json:"code"`
	Detail    string    `json:"detail"`
	At        time.Time `json:"at"`
	CA        string    `json:"ca,omitempty"`

	// Of a CRL.
	Number     string     `json:"crl_number,omitempty"`
	ThisUpdate *time.Time `json:"this_update,omitempty"`
	NextUpdate *time.Time `json:"next_update,omitempty"`
	Entries    *int       `json:"entries,omitempty"`
	Line       string     `json:"line,omitempty"`
	Content    string     `json:"content,omitempty"` // hash name and hash of tbsCertList
	// Scope is the certificates that the CRL speaks of.
	Scope *catalog.Scope `json:"scope,omitempty"`
	// Base is what a delta CRL waits for.
	Base *catalog.Base `json:"base,omitempty"`
	// Issuers is the state of all issuers at the time, so that a CRL that one
	// may cure is read again only when that has changed.
	Issuers string `json:"issuers,omitempty"`
	// Rules is what the CRL was judged by, so that one that was not accepted
	// is read again when a new version, or other settings, may accept it.
	Rules string `json:"rules,omitempty"`

	// Warnings say in words what the CA should put right, though the CRL is
	// accepted. Detail has them too.
	Warnings []string `json:"warnings,omitempty"`

	// WasAccepted says of an upload that is gone that it was accepted before.
	WasAccepted bool `json:"was_accepted,omitempty"`

	// Of an issuers file.
	Certificates []CertificateReport `json:"certificates,omitempty"`
}

// CertificateReport says what became of one certificate of an issuers file.
type CertificateReport struct {
	Subject     string     `json:"subject,omitempty"`
	Fingerprint string     `json:"fingerprint,omitempty"`
	NotAfter    *time.Time `json:"not_after,omitempty"`
	Issues      bool       `json:"issues,omitempty"`
	SignsCRLs   bool       `json:"signs_crls,omitempty"`
	Accepted    bool       `json:"accepted"`
	Code        Code       `json:"code,omitempty"`
	Detail      string     `json:"detail,omitempty"`
}

const maxReport = 4 << 20

// ReadReport reads the report on an upload key; nil where there is none.
func ReadReport(ctx context.Context, cache Reads, uploadKey string) (*Report, error) {
	data, _, err := cache.ReadAll(ctx, catalog.ReportKey(uploadKey), maxReport, objectstore.GetOptions{})
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, nil
	}
	if large := (*objectstore.TooLargeError)(nil); errors.As(err, &large) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, nil // a report that cannot be read is none: it is written anew
	}
	if r.Key != uploadKey {
		return nil, nil // that of another key
	}
	return &r, nil
}

// Floor returns the floor of a line that a report tells of: the CRL that it is on
// was accepted once. nil: it tells of none.
func (r *Report) Floor() (line string, f *catalog.Floor) {
	if r == nil || r.Kind != KindCRL || r.Line == "" || r.ThisUpdate == nil || r.Content == "" || numberOf(r) == nil {
		return "", nil
	}
	if r.Outcome != OutcomeAccepted && r.Outcome != OutcomeDeleted || r.Outcome == OutcomeDeleted && !r.WasAccepted {
		return "", nil
	}
	return r.Line, &catalog.Floor{CA: r.CA, Number: numberOf(r), ThisUpdate: *r.ThisUpdate, Content: r.Content}
}

// report writes a report. It is advice and not state, so that of two writers
// the last one winning does no harm: a report whose ETag is not the upload's
// is not believed.
func (p *Preprocessor) report(ctx context.Context, r *Report) error {
	r.At = r.At.UTC().Truncate(time.Second)
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	_, err = p.cache.Put(ctx, catalog.ReportKey(r.Key), bytes.NewReader(append(data, '\n')), objectstore.PutOptions{ContentType: "application/json"})
	if err != nil {
		return fmt.Errorf("reporting on %s: %w", r.Key, err)
	}
	return nil
}

// refuse fills in why an upload was not accepted.
func (r *Report) refuse(why *Refusal) {
	r.Code, r.Detail, r.Outcome = why.Code, why.Detail, OutcomeRefused
	if why.Pending {
		r.Outcome = OutcomePending
	}
}

func (r *Report) accept(code Code, detail string) {
	for _, w := range r.Warnings {
		detail += ". Warning: " + w
	}
	r.Code, r.Detail, r.Outcome = code, detail, OutcomeAccepted
}
