// Package explain says why a certificate is let in or denied, step by step and
// in words: how it was read, which CA it is of, what was made of each CRL, what
// is known of the CA's own chain, which row of the decision table decided, and
// what an operator can do about it.
//
// [Run] reads a cache bucket and decides by the code that the authorizer runs
// (authorize.Explain); all that this package adds is words. A [Report] is what
// "crlgate explain --json" prints.
package explain

import (
	"time"

	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// Report is a decision and how it came about.
type Report struct {
	At      time.Time `json:"at"` // the time for which it holds
	Verdict Verdict   `json:"verdict"`
	// Certificate is null where it could not be read.
	Certificate *Certificate `json:"certificate"`
	Catalog     *Catalog     `json:"catalog"` // null: there is none
	Origin      Origin       `json:"origin"`
	// CRLs are those that were held against the certificate, in scope or not.
	CRLs     []CRL     `json:"crls"`
	Coverage *Coverage `json:"coverage"` // null: no CRL was looked at
	// Chain are the keys that may have issued the certificate.
	Chain    []Key     `json:"chain"`
	Settings []Setting `json:"settings"`
	Rows     []Row     `json:"rows"` // of the decision table, all of them
	// Steps are the same in words, in the order in which they happened.
	Steps []Step `json:"steps"`
	// Assumed are what had to be assumed, in words.
	Assumed []string `json:"assumed"`
}

// Verdict is the decision.
type Verdict struct {
	Decision string           `json:"decision"` // "allow" or "deny"
	Reason   authorize.Reason `json:"reason"`
	Status   string           `json:"status"` // "good", "revoked" or "unknown"
	Row      int              `json:"row"`    // of the decision table
	// WouldDeny: the row denies, and Relaxed names the setting that lets it through.
	WouldDeny bool   `json:"would_deny"`
	Relaxed   string `json:"relaxed,omitempty"`
	// Words say what holds, of this certificate; Remedy, what can be done.
	Words  string   `json:"words"`
	Remedy []string `json:"remedy"`
	// Undetermined says why the answer depends on what only a certificate says,
	// where none was given; the rest then holds for one without distribution points.
	Undetermined string `json:"undetermined,omitempty"`
}

// Allow reports whether the certificate is let in.
func (v *Verdict) Allow() bool { return v.Decision == "allow" }

// Certificate is a certificate as it was read.
type Certificate struct {
	Subject        string    `json:"subject"`
	Issuer         string    `json:"issuer"`
	Serial         string    `json:"serial"`
	Fingerprint    string    `json:"fingerprint"`
	AuthorityKeyID string    `json:"authority_key_id"` // hex; "": none
	IsCA           bool      `json:"is_ca"`
	NotBefore      time.Time `json:"not_before,omitzero"` // zero: crypto/x509 does not read it
	NotAfter       time.Time `json:"not_after,omitzero"`
	Points         []Point   `json:"distribution_points"`
}

// Point is one CRL distribution point of a certificate.
type Point struct {
	Names      []string `json:"names"`
	Reasons    []string `json:"reasons,omitempty"`     // none: all
	CRLIssuers []string `json:"crl_issuers,omitempty"` // none: the certificate's issuer
}

// Catalog is the catalog that answered.
type Catalog struct {
	Generation uint64    `json:"generation"`
	Updated    time.Time `json:"updated"`
	ETag       string    `json:"etag"`
	Age        int64     `json:"age_seconds"` // since it was last known to be current
}

// Origin is how the CA was found.
type Origin struct {
	CA         string      `json:"ca"` // "": not found
	By         string      `json:"by"` // "key identifier", "signature" or ""
	Why        string      `json:"why,omitempty"`
	Candidates []Candidate `json:"candidates"`
}

// Candidate is a CA that bears the issuer's name.
type Candidate struct {
	CA       string `json:"ca"`
	KeyID    bool   `json:"key_id_fits"`
	Verified bool   `json:"signature_checked"`
	Signed   bool   `json:"signature_verifies"`
}

// CRL is what was made of one CRL.
type CRL struct {
	CA         string    `json:"ca"`  // whose CRL it is
	Key        string    `json:"crl"` // its upload key
	Kind       string    `json:"kind"`
	Number     string    `json:"crl_number"`
	Base       string    `json:"base_crl_number,omitempty"` // of a delta
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Left       int64     `json:"left_seconds"` // until nextUpdate; negative: past
	Entries    int       `json:"entries"`
	Scope      string    `json:"scope"`
	Points     []string  `json:"points,omitempty"` // names of its distribution point
	// InScope: it speaks of the certificate, for Reasons; else Why says why not.
	InScope bool     `json:"in_scope"`
	Reasons []string `json:"reasons,omitempty"` // none: all
	Why     string   `json:"why,omitempty"`
	OwnKey  bool     `json:"own_key"` // signed by the key that issued the certificate
	// Vouches: its signer is not revoked, so that it can make something good.
	Vouches bool `json:"vouches"`
	// Asked: the serial number was looked up; Unavailable says why that failed.
	Asked       bool   `json:"asked"`
	Unavailable string `json:"unavailable,omitempty"`
	// AnsweredBy is the number of an older CRL that answered in its place.
	AnsweredBy string    `json:"answered_by,omitempty"`
	Listed     bool      `json:"listed"`
	Date       time.Time `json:"revocation_date,omitzero"`
	Reason     string    `json:"revocation_reason,omitempty"`
	Current    bool      `json:"current"`
	OutOfDate  string    `json:"out_of_date,omitempty"` // why it is not current
	Deltas     []CRL     `json:"deltas,omitempty"`
}

// Coverage is what the CRLs cover together.
type Coverage struct {
	Covered string `json:"covered"` // "all", "none" or names of reasons
	Current string `json:"current"` // the same, of those that are current
	// OwnKey: only CRLs of the key that issued the certificate were counted.
	OwnKey bool `json:"own_key"`
	// Parts and PartsRead: a CA with many CRLs keeps them in parts, and only
	// those are read that the certificate's distribution points choose.
	Parts     int `json:"parts,omitempty"`
	PartsRead int `json:"parts_read,omitempty"`
}

// Key is what is known of a CA's key.
type Key struct {
	CA           string          `json:"ca"`
	Key          string          `json:"key"` // SHA-256 of the SubjectPublicKeyInfo, hex
	Revoked      bool            `json:"revoked"`
	Known        bool            `json:"known"` // the chain up to a root is known to be good
	Words        string          `json:"words"`
	Certificates []CACertificate `json:"certificates"`
}

// CACertificate is what was found out of a CA's own certificate.
type CACertificate struct {
	CA      string `json:"ca"`
	Subject string `json:"subject"`
	Serial  string `json:"serial"`
	Root    bool   `json:"root"`
	Status  string `json:"status"`
	Words   string `json:"words"`
	CRLs    []CRL  `json:"crls"`  // of its issuer
	Chain   []Key  `json:"chain"` // of its issuer
}

// Setting is a setting that bears on the decision.
type Setting struct {
	Name  string `json:"name"`
	Of    string `json:"of"` // "authorizer", or the name of the CA
	Value string `json:"value"`
	Words string `json:"words"` // what it does here
	// Decided: without it the decision would be another.
	Decided bool `json:"decided"`
}

// Row is one row of the decision table.
type Row struct {
	Row    int              `json:"row"`
	Reason authorize.Reason `json:"reason"`
	What   string           `json:"what"` // what holds, where it does
	// Reached: it was looked at. A row behind the one that decided was not, and
	// Holds says whether it would decide if none before it did.
	Reached bool   `json:"reached"`
	Holds   bool   `json:"holds"`
	Decided bool   `json:"decided"`
	Why     string `json:"why"`
}

// Step is one step of the decision, in words.
type Step struct {
	Title string `json:"title"`
	Lines []Line `json:"lines"`
}

// State is how a line bears on the decision.
type State string

// The states of a line; "" is neither.
const (
	Good State = "good"
	Note State = "note" // worth knowing
	Bad  State = "bad"  // stands in the way
)

// Line is one line of a step.
type Line struct {
	State State  `json:"state,omitempty"`
	Text  string `json:"text"`
	Depth int    `json:"depth,omitempty"` // how far it is indented
}

// serial is a serial number in hex.
func serial(contents []byte) string { return issuer.Serial(contents).String() }
