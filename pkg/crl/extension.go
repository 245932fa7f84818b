package crl

import (
	"encoding/asn1"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Extensions that this reader understands: contents octets of their object
// identifiers.
const (
	idIssuerAltName     = "\x55\x1d\x12"                     // 2.5.29.18
	idNumber            = "\x55\x1d\x14"                     // 2.5.29.20
	idReasonCode        = "\x55\x1d\x15"                     // 2.5.29.21
	idHoldInstruction   = "\x55\x1d\x17"                     // 2.5.29.23
	idInvalidityDate    = "\x55\x1d\x18"                     // 2.5.29.24
	idDeltaIndicator    = "\x55\x1d\x1b"                     // 2.5.29.27
	idIDP               = "\x55\x1d\x1c"                     // 2.5.29.28
	idCertificateIssuer = "\x55\x1d\x1d"                     // 2.5.29.29
	idAuthorityKeyID    = "\x55\x1d\x23"                     // 2.5.29.35
	idFreshestCRL       = "\x55\x1d\x2e"                     // 2.5.29.46
	idAuthorityInfo     = "\x2b\x06\x01\x05\x05\x07\x01\x01" // 1.3.6.1.5.5.7.1.1
)

// maxExtensions is how many extensions one CRL or entry may have: ten times
// what RFC 5280 defines, and few enough to look for duplicates one by one.
const maxExtensions = 100

type extension struct {
	id       cryptobyte.String // contents octets of extnID
	critical bool
	value    cryptobyte.String // contents of extnValue
}

const maxShownID = 32 // octets of an identifier that an error message shows

// exactID reports whether id is the contents of a DER OBJECT IDENTIFIER: whole
// subidentifiers, each in the fewest octets (X.690 §8.19.2). Otherwise one
// extension could be written in two ways, and stand twice.
func exactID(id []byte) bool {
	first := true
	for _, b := range id {
		if first && b == 0x80 {
			return false
		}
		first = b < 0x80
	}
	return len(id) > 0 && first
}

// dotted returns the identifier as people write it.
func (e extension) dotted() string {
	if len(e.id) > maxShownID {
		return fmt.Sprintf("%x… (%d octets)", []byte(e.id[:maxShownID]), len(e.id))
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(e.id) })
	var oid asn1.ObjectIdentifier
	if der := cryptobyte.String(b.BytesOrPanic()); !der.ReadASN1ObjectIdentifier(&oid) {
		return fmt.Sprintf("%x", []byte(e.id))
	}
	return oid.String()
}

// readExtensions reads an Extensions value: SEQUENCE SIZE (1..MAX) OF
// Extension, each extension at most once (RFC 5280 §4.2), and calls see.
func (p *parser) readExtensions(der []byte, off int64, malformed Code, where string, see func(extension) error) error {
	in, seq := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() || seq.Empty() {
		return refuseAt(malformed, off, "%s are not a SEQUENCE of at least one extension", where)
	}
	p.seen = p.seen[:0]
	for !seq.Empty() {
		var ext cryptobyte.String
		var e extension
		if !seq.ReadASN1(&ext, cbasn1.SEQUENCE) {
			return refuseAt(malformed, off, "%s hold something that is not an Extension", where)
		}
		if !ext.ReadASN1(&e.id, cbasn1.OBJECT_IDENTIFIER) || !exactID(e.id) {
			return refuseAt(malformed, off, "%s hold an extension without an identifier", where)
		}
		if ext.PeekASN1Tag(cbasn1.BOOLEAN) {
			// DER: TRUE is 0xff (cryptobyte checks that), and FALSE, the
			// default, is left out (X.690 §11.5). An explicit FALSE is read:
			// it changes nothing, and CAs write it.
			if !ext.ReadASN1Boolean(&e.critical) {
				return refuseAt(malformed, off, "%s: extension %v has a critical flag that is not DER", where, e.dotted())
			}
		}
		if !ext.ReadASN1(&e.value, cbasn1.OCTET_STRING) || !ext.Empty() {
			return refuseAt(malformed, off, "%s: extension %v has no value, or more than one", where, e.dotted())
		}
		for _, id := range p.seen {
			if string(id) == string(e.id) {
				return refuseAt(ExtensionDuplicate, off, "%s hold extension %v twice (RFC 5280 §4.2)", where, e.dotted())
			}
		}
		if p.seen = append(p.seen, e.id); len(p.seen) > maxExtensions {
			return refuseAt(TooLarge, off, "%s are more than %d", where, maxExtensions)
		}
		if err := see(e); err != nil {
			return err
		}
	}
	return nil
}

// crlExtensions reads the rest of tbsCertList: the extensions, if any.
func (p *parser) crlExtensions(limit int64) error {
	l := p.list
	if p.s.off < limit {
		if err := p.readCRLExtensions(limit); err != nil && !(p.headerOnly && bearable(err)) {
			return err
		}
	}
	if l.Number == nil && !p.opts.AllowNoNumber {
		return refuse(NumberMissing, "no CRL number: without one, an older CRL could not be told from a newer one (RFC 5280 §5.2.3)")
	}
	if l.Indirect && (l.IDP == nil || !l.IDP.Indirect) {
		return refuse(CertificateIssuerStray, "an entry names a certificate issuer, but the issuing distribution point does not say indirectCRL (RFC 5280 §5.3.3)")
	}
	return nil
}

func (p *parser) readCRLExtensions(limit int64) error {
	off := p.s.off
	_, body, err := p.element(tagExtensions, MaxExtensions, limit, "crlExtensions")
	if err != nil {
		return err
	}
	if p.s.off != limit {
		return refuseAt(Malformed, p.s.off, "%d bytes inside tbsCertList behind the extensions", limit-p.s.off)
	}
	if p.list.Version == 1 {
		return refuseAt(VersionUnsupported, off, "a v1 CRL has no extensions: the version field is missing (RFC 5280 §5.1.2.1)")
	}
	return p.readExtensions(body, off, ExtensionMalformed, "CRL extensions", p.crlExtension)
}

func (p *parser) crlExtension(e extension) error {
	l := p.list
	switch string(e.id) {
	case idNumber:
		n, err := crlNumber(e, "CRL number")
		l.Number = n
		return err
	case idDeltaIndicator:
		n, err := crlNumber(e, "BaseCRLNumber")
		l.BaseNumber = n
		return err
	case idAuthorityKeyID:
		id, ok := authorityKeyID(e.value)
		if !ok {
			return refuse(ExtensionMalformed, "authority key identifier is not an AuthorityKeyIdentifier (RFC 5280 §5.2.1)")
		}
		l.AuthorityKeyID = id
	case idIDP:
		idp, err := parseIDP(e.value)
		l.IDP = idp
		return err
	case idFreshestCRL:
		// Where a delta may be found; nothing in this CRL depends on it.
		if !sequenceOf(e.value) {
			return refuse(ExtensionMalformed, "freshestCRL is not CRLDistributionPoints (RFC 5280 §5.2.6)")
		}
		l.FreshestCRL, l.FreshestURIs = true, freshestURIs(e.value)
	case idIssuerAltName, idAuthorityInfo:
		// Other names of the issuer, and where to find its certificate:
		// nothing that changes what the CRL says.
		if !sequenceOf(e.value) {
			return refuse(ExtensionMalformed, "extension %v is not a SEQUENCE of at least one element (RFC 5280 §5.2.2, §5.2.7)", e.dotted())
		}
	default:
		if e.critical {
			return refuse(CriticalExtensionUnknown, "critical extension %v is unknown: what the CRL means cannot be told (RFC 5280 §5.2)", e.dotted())
		}
	}
	return nil
}

// wholeSequence reports whether b is exactly one SEQUENCE, whatever is in it.
func wholeSequence(b []byte) bool {
	if len(b) < 2 || b[0] != tagSequence {
		return false
	}
	head, length, _ := elementLength(b) // where there is none, both are 0
	return length == int64(len(b)-head)
}

// sequenceOf reports whether v is exactly one SEQUENCE of at least one element.
func sequenceOf(v cryptobyte.String) bool {
	return len(v) > 2 && v[0] == tagSequence && exactDER(v)
}

// crlNumber reads CRLNumber and BaseCRLNumber: INTEGER (0..MAX) of at most 20 octets.
func crlNumber(e extension, what string) (*big.Int, error) {
	var n big.Int
	v := e.value
	if !v.ReadASN1Integer(&n) || !v.Empty() {
		return nil, refuse(ExtensionMalformed, "%s is not a DER INTEGER", what)
	}
	if n.Sign() < 0 {
		return nil, refuse(NumberInvalid, "%s %v is negative (RFC 5280 §5.2.3)", what, &n)
	}
	if n.BitLen() > 8*MaxNumber {
		return nil, refuse(NumberTooLong, "%s has %d octets, more than %d (RFC 5280 §5.2.3)", what, (n.BitLen()+7)/8, MaxNumber)
	}
	return &n, nil
}

// authorityKeyID returns the keyIdentifier of an AuthorityKeyIdentifier; nil
// where it has none. The issuer and serial forms are not used: RFC 5280
// §5.2.1 asks for the key identifier.
func authorityKeyID(v cryptobyte.String) ([]byte, bool) {
	var seq, id cryptobyte.String
	var has bool
	if !exactDER(v) || !v.ReadASN1(&seq, cbasn1.SEQUENCE) ||
		!seq.ReadOptionalASN1(&id, &has, cbasn1.Tag(0).ContextSpecific()) ||
		!seq.SkipOptionalASN1(cbasn1.Tag(1).ContextSpecific().Constructed()) ||
		!seq.SkipOptionalASN1(cbasn1.Tag(2).ContextSpecific()) || !seq.Empty() {
		return nil, false
	}
	if !has {
		return nil, true
	}
	return append([]byte{}, id...), true
}

// entryExtensions reads crlEntryExtensions, c, and returns the reason.
func (p *parser) entryExtensions(c []byte, off int64) (Reason, error) {
	reason := Unspecified
	if !wholeSequence(c) {
		return reason, p.entryFault(Malformed, off, ": what follows the revocation date is not exactly one SEQUENCE of extensions (RFC 5280 §5.1.2.6)")
	}
	bad := func(what string) error {
		return p.entryFault(EntryExtensionMalformed, off, ": %s", what)
	}
	err := p.readExtensions(c, off, EntryExtensionMalformed, "entry extensions", func(e extension) error {
		v := e.value
		switch string(e.id) {
		case idReasonCode:
			var code int
			if !v.ReadASN1Enum(&code) || !v.Empty() || code < 0 {
				return bad("reasonCode is not an ENUMERATED from 0 up (RFC 5280 §5.3.1)")
			}
			if reasonKnown(code) {
				reason = Reason(code)
				break
			}
			if e.critical {
				return bad(fmt.Sprintf("critical reasonCode %d is none of RFC 5280 §5.3.1, so the CRL must not be used (§5.3)", code))
			}
			// Listed is revoked, whatever for; only removeFromCRL says otherwise.
			if p.list.UnknownReasons++; p.list.UnknownReasons == 1 {
				p.list.UnknownReason = code
			}
		case idInvalidityDate:
			var date cryptobyte.String
			if !v.ReadASN1(&date, cbasn1.GeneralizedTime) || !v.Empty() {
				return bad("invalidityDate is not a GeneralizedTime (RFC 5280 §5.3.2)")
			}
			if _, ok := parseTime(tagGeneralizedTime, date); !ok {
				return bad("invalidityDate is not a time (RFC 5280 §5.3.2)")
			}
		case idHoldInstruction:
			var oid asn1.ObjectIdentifier
			if !v.ReadASN1ObjectIdentifier(&oid) || !v.Empty() {
				return bad("holdInstructionCode is not an OBJECT IDENTIFIER")
			}
		case idCertificateIssuer:
			return p.certificateIssuer(v, bad)
		default:
			if e.critical {
				return p.entryFault(EntryCriticalUnknown, off, ": critical extension %v is unknown, so the CRL must not be used (RFC 5280 §5.3)", e.dotted())
			}
		}
		return nil
	})
	return reason, err
}

// certificateIssuer puts a new issuer in force, from this entry on (RFC 5280
// §5.3.3). The batch before ends here.
func (p *parser) certificateIssuer(v cryptobyte.String, bad func(string) error) error {
	p.list.Indirect = true
	if p.entries.issuer != nil && string(v) == string(p.entries.issuer) {
		return nil // named again: CAs do so on every entry
	}
	var names cryptobyte.String
	whole := v
	if !v.ReadASN1(&names, cbasn1.SEQUENCE) || !v.Empty() || names.Empty() {
		return bad("certificateIssuer is not GeneralNames (RFC 5280 §5.3.3)")
	}
	for !names.Empty() {
		var name cryptobyte.String
		if !names.ReadAnyASN1Element(&name, nil) || !generalName(name) {
			return bad("certificateIssuer holds something that is not a GeneralName (RFC 5280 §4.2.1.6)")
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	p.entries.issuer = append(p.entries.issuer[:0], whole...) // the batch that showed the old one is gone
	return nil
}
