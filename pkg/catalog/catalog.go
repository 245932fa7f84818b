// Package catalog is the one small object that says which sets answer for
// which CA, and the rules by which one CRL succeeds another.
//
// [Parse] and [Catalog.Encode] are its JSON; [Catalog.Admit] decides whether a
// verified CRL may enter, and [Catalog.Publish] enters it. All of it is pure:
// reading and writing the object, with If-Match, is for the caller.
package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// Format is the version of the catalog's JSON that this package writes, and
// the only one it reads.
const Format = 1

// MaxSize bounds the catalog object, in octets.
const MaxSize = 64 << 20

// ErrCorrupt says that a part is not the one that the catalog names.
var ErrCorrupt = errors.New("catalog is corrupt")

// ErrFormat says that a catalog is of a format that this reader does not know.
var ErrFormat = errors.New("catalog has an unknown format version")

// Catalog says which sets answer for which CA.
type Catalog struct {
	Format int `json:"format"`
	// Generation rises by one with every change, and never falls.
	Generation uint64    `json:"generation"`
	Updated    time.Time `json:"updated"`
	// CAs by name.
	CAs map[string]*CA `json:"cas"`
	// Floors by line: how far each line of CRLs has come. They outlive CAs
	// and sets, so that nothing old can be put back.
	Floors map[string]*Floor `json:"floors,omitempty"`
	// FloorParts holds the floors instead, once they are many.
	FloorParts *Parts `json:"floor_parts,omitempty"`
	// Waiting are upload keys of CRLs that wait for a CRL of the line named
	// beside each: deltas for their base, expired ones for what they replace.
	Waiting map[string]string `json:"waiting,omitempty"`
}

// Source names the object in the upload bucket that something was read from.
type Source struct {
	Key  string `json:"key"`
	ETag string `json:"etag"`
	// VersionID is the object's version, where the bucket keeps versions.
	VersionID string `json:"version_id,omitempty"`
}

// CA is one CA: its certificates, its settings, its CRLs.
type CA struct {
	Source         Source          `json:"source"`
	Subject        string          `json:"subject"`
	Certificates   []Certificate   `json:"certificates"`
	SettingsSource *Source         `json:"settings_source,omitempty"`
	Settings       issuer.Settings `json:"settings"`
	CRLs           []*CRL          `json:"crls"`
	// Parts holds the CRLs that have a distribution point, once they are many.
	Parts *Parts `json:"parts,omitempty"`
}

// Certificate is one certificate of a CA.
type Certificate struct {
	Fingerprint string    `json:"fingerprint"` // SHA-256, hex
	Key         string    `json:"key"`         // SHA-256 of the SubjectPublicKeyInfo, hex
	Issues      bool      `json:"issues"`
	SignsCRLs   bool      `json:"signs_crls"`
	NotAfter    time.Time `json:"not_after"`
	DER         []byte    `json:"der"`
}

// Kinds of CRL.
const (
	Complete = "complete"
	Delta    = "delta"
)

// CRL is one CRL in force.
type CRL struct {
	Name       string    `json:"name"`
	Source     Source    `json:"source"`
	Line       string    `json:"line"`    // what it succeeds, and is succeeded in
	Key        string    `json:"key"`     // SHA-256 of the signing key's SubjectPublicKeyInfo, hex
	Kind       string    `json:"kind"`    // Complete or Delta
	Number     *Number   `json:"number"`  // CRL number
	Content    string    `json:"content"` // hash name and hash of tbsCertList
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Scope      Scope     `json:"scope"`
	Entries    int       `json:"entries"` // of the set
	Set        Set       `json:"set"`
	// Base says what a delta CRL is a delta to; nil: a complete CRL.
	Base *Base `json:"base,omitempty"`
	// Others are the sets of an indirect CRL's other certificate issuers.
	Others   []IssuerSet `json:"others,omitempty"`
	Accepted time.Time   `json:"accepted"`
}

// Base is what a delta CRL is a delta to (RFC 5280 §5.2.4).
type Base struct {
	Line   string  `json:"line"`   // that of the complete CRL
	Number *Number `json:"number"` // BaseCRLNumber: the complete CRL's number is at least that
}

// OfItsOwnNumber reports whether this is a delta CRL to the complete CRL of its own
// number, as CAs issue them along with a complete CRL. By RFC 5280 §5.2.3 it says
// what that says, and by §5.2.4 it is combined with none.
func (l *CRL) OfItsOwnNumber() bool {
	return l.Base != nil && l.Base.Number.Int().Cmp(l.Number.Int()) == 0
}

// Empty reports whether the CRL has no entries, of whatever certificate issuer.
func (l *CRL) Empty() bool {
	return l.Entries == 0 && !slices.ContainsFunc(l.Others, func(o IssuerSet) bool { return o.Entries > 0 })
}

// IssuerSet is the entries of an indirect CRL for one certificate issuer
// (RFC 5280 §5.3.3).
type IssuerSet struct {
	Name    []byte `json:"name"`    // the certificate issuer, an issuer.Name
	Subject string `json:"subject"` // the same, for people
	Entries int    `json:"entries"`
	Set     Set    `json:"set"`
}

// AllSets returns every set of the CRL, its issuer's own first.
func (l *CRL) AllSets() []*Set {
	sets := []*Set{&l.Set}
	for i := range l.Others {
		sets = append(sets, &l.Others[i].Set)
	}
	return sets
}

// Set names a set object.
type Set struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`   // octets
	Head   int64  `json:"head"`   // octets of header and root of the index
	SHA256 string `json:"sha256"` // of the head, hex; through the index it covers every octet
}

// check refuses a set that does not lie where sets lie, or cannot be one.
func (s *Set) check() error {
	if _, err := s.Digest(); err != nil {
		return err
	}
	if !strings.HasPrefix(s.Key, SetPrefix) || len(s.Key) == len(SetPrefix) {
		return fmt.Errorf("it points outside %s: %q", SetPrefix, s.Key)
	}
	if s.Head < 0 || s.Head > s.Size {
		return fmt.Errorf("its set has %d bytes with a head of %d", s.Size, s.Head)
	}
	return nil
}

// Digest returns the set's digest.
func (s *Set) Digest() (serialset.Digest, error) { return serialset.ParseDigest(s.SHA256) }

// Floor is how far a line has come.
type Floor struct {
	CA         string    `json:"ca"` // for people; the line itself does not depend on it
	Number     *Number   `json:"number"`
	ThisUpdate time.Time `json:"this_update"`
	Content    string    `json:"content"`
}

// Number is a CRL number, written in decimal.
type Number big.Int

// NewNumber returns n as a Number.
func NewNumber(n *big.Int) *Number { return (*Number)(new(big.Int).Set(n)) }

// Int returns the number.
func (n *Number) Int() *big.Int { return (*big.Int)(n) }

// String returns it in decimal.
func (n *Number) String() string {
	if n == nil {
		return ""
	}
	return n.Int().String()
}

// MarshalText writes decimal.
func (n *Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads decimal.
func (n *Number) UnmarshalText(b []byte) error {
	v, ok := new(big.Int).SetString(string(b), 10)
	if !ok || v.Sign() < 0 || v.BitLen() > 160 {
		return fmt.Errorf("%q is not a CRL number", b)
	}
	*n = Number(*v)
	return nil
}

// New returns an empty catalog, of generation 0.
func New() *Catalog {
	return &Catalog{Format: Format, CAs: map[string]*CA{}, Floors: map[string]*Floor{}}
}

// Parse reads a catalog. The error wraps [ErrFormat] where a newer crlgate
// wrote it.
func Parse(data []byte) (*Catalog, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("the catalog is not JSON: %w", err)
	}
	if head.Format != Format {
		return nil, fmt.Errorf("%w: %d, and this reader knows %d: deploy a newer crlgate", ErrFormat, head.Format, Format)
	}
	c := New()
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("the catalog is not what format %d says: %w", Format, err)
	}
	if c.CAs == nil { // null
		c.CAs = map[string]*CA{}
	}
	if c.Floors == nil {
		c.Floors = map[string]*Floor{}
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("the catalog contradicts itself: %w", err)
	}
	return c, nil
}

// check refuses what the writer would not write and a reader would stumble on.
func (c *Catalog) check() error {
	for name, ca := range c.CAs {
		if ca == nil || len(ca.Certificates) == 0 {
			return fmt.Errorf("CA %q has no certificate", name)
		}
		for _, cert := range ca.Certificates {
			if sum := sha256.Sum256(cert.DER); hex.EncodeToString(sum[:]) != cert.Fingerprint {
				return fmt.Errorf("CA %q has a certificate that is not the one of its fingerprint %q", name, cert.Fingerprint)
			}
		}
		if err := checkCRLs(ca.CRLs); err != nil {
			return fmt.Errorf("CA %q: %w", name, err)
		}
		if err := ca.Parts.check(); err != nil {
			return fmt.Errorf("CA %q: %w", name, err)
		}
	}
	if err := c.FloorParts.check(); err != nil {
		return fmt.Errorf("floors: %w", err)
	}
	for line, f := range c.Floors {
		if f == nil || f.Number == nil {
			return fmt.Errorf("line %s has a floor without a number", line)
		}
	}
	return nil
}

// checkCRLs refuses CRLs of one list that the writer would not write.
func checkCRLs(list []*CRL) error {
	lines := map[string]bool{}
	for _, l := range list {
		if err := l.check(); err != nil {
			return err
		}
		if lines[l.Line] {
			return fmt.Errorf("CRL %s is the second of line %s", l.Name, l.Line)
		}
		lines[l.Line] = true
	}
	return nil
}

// check refuses a CRL that the writer would not write.
func (l *CRL) check() error {
	if l == nil || l.Number == nil || l.Kind != Complete && l.Kind != Delta {
		return errors.New("a CRL without number or kind")
	}
	if l.Line == "" {
		return fmt.Errorf("CRL %s is of no line", l.Name)
	}
	if (l.Kind == Delta) != (l.Base != nil) || l.Base != nil && l.Base.Number == nil {
		return fmt.Errorf("CRL %s is a delta without a base, or has a base and is none", l.Name)
	}
	for _, set := range l.AllSets() {
		if err := set.check(); err != nil {
			return fmt.Errorf("CRL %s: %w", l.Name, err)
		}
	}
	return nil
}

// Encode writes the catalog as people can read it, and those of its parts that
// have changed, by key. The parts must be stored before the catalog is. It
// fails rather than write what [Parse] would refuse: a catalog that cannot be
// read denies every client, and could not be changed any more.
func (c *Catalog) Encode() (data []byte, parts map[string][]byte, err error) {
	return c.encode(MaxSize)
}

func (c *Catalog) encode(maxSize int) (data []byte, parts map[string][]byte, err error) {
	parts = map[string][]byte{}
	for p := range c.tables() {
		if err := p.encode(parts); err != nil {
			return nil, nil, err
		}
	}
	b, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return nil, nil, err
	}
	b = append(b, '\n')
	if len(b) > maxSize {
		return nil, nil, fmt.Errorf("the catalog would have %d bytes, more than the %d that are read: it holds too many CRLs", len(b), maxSize)
	}
	if _, err := Parse(b); err != nil {
		return nil, nil, fmt.Errorf("the catalog that would be written: %w", err)
	}
	return b, parts, nil
}

// Stamp marks the catalog as changed at now: a generation further.
func (c *Catalog) Stamp(now time.Time) {
	c.Generation++
	c.Updated = now.UTC()
}
