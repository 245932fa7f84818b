package pki

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/pem"
	"iter"
	"math/big"
	"time"
)

// Reason is a CRLReason (RFC 5280 §5.3.1). The zero value is no reason at all:
// the extension is left out.
type Reason int

// The reasons. They have RFC 5280's numbers, but for unspecified, whose number
// there is 0.
const (
	NoReason             Reason = 0
	Unspecified          Reason = -1
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

// Reasons is a set of ReasonFlags (RFC 5280 §4.2.1.13): bit 1<<n for flag n.
type Reasons uint32

// The flags. Flag 0 is unused; the numbers part from those of [Reason] at
// privilegeWithdrawn.
const (
	FlagKeyCompromise        Reasons = 1 << 1
	FlagCACompromise         Reasons = 1 << 2
	FlagAffiliationChanged   Reasons = 1 << 3
	FlagSuperseded           Reasons = 1 << 4
	FlagCessationOfOperation Reasons = 1 << 5
	FlagCertificateHold      Reasons = 1 << 6
	FlagPrivilegeWithdrawn   Reasons = 1 << 7
	FlagAACompromise         Reasons = 1 << 8
)

// Entry is one revoked certificate.
type Entry struct {
	// Serial, or RawSerial, the INTEGER's contents as they are, if not nil.
	Serial    *big.Int
	RawSerial []byte

	// Date is the revocation date. Zero: the CRL's thisUpdate.
	Date time.Time

	Reason Reason
	// InvalidityDate is left out if zero.
	InvalidityDate time.Time
	// CertificateIssuer is the DER Name of the entry's certificate issuer, in
	// an indirect CRL; nil: the extension is left out.
	CertificateIssuer []byte

	ExtraExtensions []pkix.Extension
	// EmptyExtensions writes an empty SEQUENCE where there is no extension.
	EmptyExtensions bool

	// Raw is the whole entry in DER, instead of all the above.
	Raw []byte
}

// IDP is an issuing distribution point (RFC 5280 §5.2.5). A zero IDP makes the
// empty SEQUENCE that the RFC forbids.
type IDP struct {
	FullNames []string // URIs
	RawNames  [][]byte // more full names, each a DER GeneralName
	Relative  []byte   // nameRelativeToCRLIssuer: see RelativeName

	OnlyUser, OnlyCA, OnlyAttribute, Indirect bool

	// Reasons is onlySomeReasons, left out if zero; RawReasons is the BIT
	// STRING's contents as they are, if not nil.
	Reasons    Reasons
	RawReasons []byte

	// NotCritical leaves out the criticality that the RFC demands.
	NotCritical bool
	// Raw is the extension's value, instead of all the above but NotCritical.
	Raw []byte
}

// CRLOptions describes a CRL. With ThisUpdate, NextUpdate and Number it is
// sound; every other field is an addition or a defect.
type CRLOptions struct {
	// Number is the CRL number, left out if nil; NumberRaw is the INTEGER's
	// contents as they are, if not nil.
	Number         *big.Int
	NumberRaw      []byte
	NumberCritical bool

	// ThisUpdate is required; NextUpdate is left out if zero. The raw forms
	// are whole DER elements and take their places.
	ThisUpdate, NextUpdate       time.Time
	RawThisUpdate, RawNextUpdate []byte
	// TimeForm is that of thisUpdate, nextUpdate and revocation dates.
	TimeForm TimeForm

	// Entries come first, then those of EntrySeq, which need not all be in
	// memory at once.
	Entries  []Entry
	EntrySeq iter.Seq[Entry]
	// EmptyRevoked writes an empty revokedCertificates where there is no
	// entry, which RFC 5280 §5.1.2.6 forbids.
	EmptyRevoked bool

	IDP *IDP
	// BaseNumber makes a delta CRL: the BaseCRLNumber of the delta indicator.
	BaseNumber *big.Int

	// AuthorityKeyID overrides the CA's subject key identifier;
	// NoAuthorityKeyID leaves the extension out.
	AuthorityKeyID   []byte
	NoAuthorityKeyID bool

	ExtraExtensions []pkix.Extension

	// Issuer overrides the issuer's DER Name.
	Issuer []byte

	SignatureAlgorithm Algorithm
	// SignWith overrides the signing key: a forgery, or a CRL-signing key.
	SignWith crypto.Signer

	// Version 0 is v2, 1 leaves the field out, any other n is written as n-1.
	Version int

	// InnerAlgorithm and OuterAlgorithm override the AlgorithmIdentifier of
	// tbsCertList and of CertificateList with DER.
	InnerAlgorithm, OuterAlgorithm []byte

	// EditTBS changes the tbsCertList before it is signed, EditSignature the
	// signature before it is written, EditDER the whole CRL.
	EditTBS, EditSignature, EditDER func([]byte) []byte
	// Trailing follows the CRL.
	Trailing []byte
}

// CRLPEM returns a CRL in PEM.
func CRLPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}
