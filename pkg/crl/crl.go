// Package crl reads a certificate revocation list (RFC 5280 §5, X.509 CRL) as
// a stream: once, front to back, never held whole in memory.
//
// [Read] checks every byte of the encoding (exact DER, known critical
// extensions, agreeing algorithms) and hands the entries to its caller in
// batches of fixed-width columns. It hashes the signed part as it passes, so
// that [List.CheckSignature] afterwards costs one public-key operation.
// Whether the CRL is current, and whose keys may sign it, is for the caller.
//
// Every refusal is an [*Error] with a documented [Code]; any other error comes
// from the source and says nothing about the CRL.
package crl

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"time"
)

// Limits on what is read whole. A CRL beyond one is refused as [TooLarge].
const (
	MaxIssuer     = 32 << 10 // octets of the issuer name
	MaxExtensions = 60 << 10 // octets of all CRL extensions together
	MaxEntry      = 32 << 10 // octets of one entry
	MaxNumber     = 20       // octets of a CRL number (RFC 5280 §5.2.3)
	MaxSignature  = 8 << 10  // octets of the signature value

	// MaxSerial is how many contents octets a serial number may have. RFC 5280
	// §4.1.2.2 asks CAs for at most 20 octets. Longer ones exist, comparing
	// them exactly is safe, and refusing the CRL would deny every client of
	// the CA; only beyond this bound is the CRL refused.
	MaxSerial = 64

	// MaxEd25519 bounds a CRL signed with Ed25519, in octets of tbsCertList.
	// Ed25519 signs the message and not a hash of it (RFC 8410), so the signed
	// part is held in memory.
	MaxEd25519 = 64 << 20
)

// List is what a CRL says, its entries apart.
type List struct {
	Version    int       // 1 or 2
	Algorithm  Algorithm // signature algorithm, the same inside and outside
	Issuer     []byte    // issuer Name, DER
	ThisUpdate time.Time
	NextUpdate time.Time // zero: absent

	Number         *big.Int                  // CRL number
	BaseNumber     *big.Int                  // BaseCRLNumber of a delta CRL; nil: a complete CRL
	IDP            *IssuingDistributionPoint // nil: absent
	AuthorityKeyID []byte                    // keyIdentifier of the authority key identifier; nil: absent
	FreshestCRL    bool                      // a freshestCRL extension was present
	// FreshestURIs are the URIs that it names, those of one distribution point
	// together.
	FreshestURIs [][]string

	Entries  int  // number of entries
	Indirect bool // some entry carries a certificateIssuer extension
	// UnknownReasons is how many entries have a reason code that RFC 5280 §5.3.1
	// does not have, and UnknownReason the first of those codes. They read as
	// Unspecified.
	UnknownReasons int
	UnknownReason  int
	Size           int64 // octets of the DER encoding
	PEM            bool  // the source was PEM

	// Digest identifies the content: the hash of tbsCertList under the
	// signature's own hash (Ed25519: SHA-512).
	Digest []byte

	tbs       []byte // tbsCertList itself, Ed25519 only
	signature []byte

	unsupported error // why the signature algorithm is not one that can be verified
}

// Delta reports whether the CRL is a delta CRL (RFC 5280 §5.2.4).
func (l *List) Delta() bool { return l.BaseNumber != nil }

// ContentID names the content of the CRL: hash name, a colon, the hash in hex.
func (l *List) ContentID() string {
	return l.Algorithm.Hash.String() + ":" + hex.EncodeToString(l.Digest)
}

// CurrentAt reports whether now lies between thisUpdate and nextUpdate.
func (l *List) CurrentAt(now time.Time) bool {
	return !now.Before(l.ThisUpdate) && !l.NextUpdate.IsZero() && !now.After(l.NextUpdate)
}

// Reason is a CRLReason (RFC 5280 §5.3.1).
type Reason uint8

// The reasons of RFC 5280 §5.3.1; an entry without a reason code reads as
// Unspecified, which is what the RFC says its absence means.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	RemoveFromCRL        Reason = 8
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

var reasonNames = [...]string{
	"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
	"cessationOfOperation", "certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
}

// String returns the name RFC 5280 gives the reason.
func (r Reason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Batch is a run of entries in columns. It is valid only during the call that
// hands it over.
type Batch struct {
	// CertificateIssuer is the GeneralNames value (DER, the whole SEQUENCE)
	// that these entries' certificates were issued by, where the entries or
	// ones before them carry the certificateIssuer extension (RFC 5280
	// §5.3.3); nil: the CRL's issuer.
	CertificateIssuer []byte

	Width   int      // octets of each serial number in Serials
	Serials []byte   // DER INTEGER contents, sign-extended to Width, one after another
	Dates   []uint32 // revocation dates, seconds since 1970, clamped to 32 bits
	Reasons []Reason

	// Claimed is how many entries of this width, without extensions, have room in
	// the length that the CRL gives its list of entries. It is a hint: those
	// that come may be fewer or, where they are shorter, more.
	Claimed int
}

// Len returns the number of entries.
func (b *Batch) Len() int { return len(b.Dates) }

// Options bound and allow.
type Options struct {
	MaxBytes  int64 // most octets taken from the source; 0: no bound
	AllowSHA1 bool  // accept signatures with SHA-1
	// AllowNoNumber accepts a CRL without a CRL number.
	AllowNoNumber bool
}
