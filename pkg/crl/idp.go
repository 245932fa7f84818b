package crl

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/internal/der"
)

// IssuingDistributionPoint is the scope of a CRL (RFC 5280 §5.2.5).
type IssuingDistributionPoint struct {
	// FullName holds the GeneralNames of distributionPoint, each a DER
	// GeneralName with its context tag. Empty: the field is absent, or names
	// the point relative to the issuer.
	FullName [][]byte
	// RelativeName is nameRelativeToCRLIssuer: the contents of a
	// RelativeDistinguishedName (DER AttributeTypeAndValues). Nil: absent.
	RelativeName []byte

	OnlyUserCerts      bool
	OnlyCACerts        bool
	OnlyAttributeCerts bool
	Indirect           bool

	// OnlySomeReasons has bit i set for the ReasonFlags bit i (RFC 5280
	// §4.2.1.13); 0: absent, the CRL covers all reasons.
	OnlySomeReasons ReasonFlags
}

// ReasonFlags is a set of revocation reasons: bit i stands for bit i of
// ReasonFlags in RFC 5280 §4.2.1.13 (1 keyCompromise to 8 aACompromise).
type ReasonFlags uint16

// AllReasons are the reasons a scope can name, bits 1 to 8.
const AllReasons ReasonFlags = der.AllReasons

// HasDistributionPoint reports whether the scope names a distribution point.
func (d *IssuingDistributionPoint) HasDistributionPoint() bool {
	return len(d.FullName) > 0 || d.RelativeName != nil
}

func parseIDP(v cryptobyte.String) (*IssuingDistributionPoint, error) {
	bad := refuse(IDPMalformed, "issuing distribution point is not an IssuingDistributionPoint (RFC 5280 §5.2.5)")
	var seq, field cryptobyte.String
	var has bool
	if !v.ReadASN1(&seq, cbasn1.SEQUENCE) || !v.Empty() {
		return nil, bad
	}
	if seq.Empty() {
		return nil, refuse(IDPEmpty, "issuing distribution point is an empty SEQUENCE (RFC 5280 §5.2.5)")
	}
	d := &IssuingDistributionPoint{}
	if !seq.ReadOptionalASN1(&field, &has, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return nil, bad
	}
	if has {
		var ok bool
		if d.FullName, d.RelativeName, ok = parseDistributionPointName(field); !ok {
			return nil, refuse(IDPMalformed, "distribution point of the issuing distribution point is not a DistributionPointName with at least one name (RFC 5280 §4.2.1.13)")
		}
	}
	if !readFlag(&seq, 1, &d.OnlyUserCerts) || !readFlag(&seq, 2, &d.OnlyCACerts) {
		return nil, bad
	}
	if !seq.ReadOptionalASN1(&field, &has, cbasn1.Tag(3).ContextSpecific()) {
		return nil, bad
	}
	if has {
		flags, ok := der.ReasonFlags(field)
		if !ok {
			return nil, refuse(IDPMalformed, "onlySomeReasons is not a ReasonFlags bit string")
		}
		d.OnlySomeReasons = ReasonFlags(flags)
		if d.OnlySomeReasons == 0 {
			return nil, refuse(ReasonsEmpty, "onlySomeReasons names no reason: the CRL would cover nothing")
		}
	}
	if !readFlag(&seq, 4, &d.Indirect) || !readFlag(&seq, 5, &d.OnlyAttributeCerts) || !seq.Empty() {
		return nil, bad
	}
	only := 0
	for _, set := range []bool{d.OnlyUserCerts, d.OnlyCACerts, d.OnlyAttributeCerts} {
		if set {
			only++
		}
	}
	if only == 0 && !d.Indirect && d.OnlySomeReasons == 0 && !d.HasDistributionPoint() {
		return nil, refuse(IDPEmpty, "issuing distribution point says nothing: every flag is FALSE and no other field is there (RFC 5280 §5.2.5)")
	}
	if only > 1 {
		return nil, refuse(IDPConflict, "more than one of onlyContainsUserCerts, onlyContainsCACerts and onlyContainsAttributeCerts is set (RFC 5280 §5.2.5)")
	}
	return d, nil
}

// readFlag reads an IMPLICIT BOOLEAN DEFAULT FALSE.
func readFlag(seq *cryptobyte.String, tag uint8, out *bool) bool {
	var field cryptobyte.String
	var has bool
	if !seq.ReadOptionalASN1(&field, &has, cbasn1.Tag(tag).ContextSpecific()) {
		return false
	}
	if !has {
		return true
	}
	if len(field) != 1 || field[0] != 0 && field[0] != 0xff {
		return false
	}
	*out = field[0] == 0xff
	return true
}

// parseDistributionPointName reads the CHOICE of fullName [0] and
// nameRelativeToCRLIssuer [1]. It asks more of the names than package der does for
// certificates: that their kinds are known, and directory names exact.
func parseDistributionPointName(in cryptobyte.String) (full [][]byte, relative []byte, ok bool) {
	var names cryptobyte.String
	var tag cbasn1.Tag
	if !in.ReadAnyASN1(&names, &tag) || !in.Empty() || names.Empty() {
		return nil, nil, false
	}
	switch tag {
	case cbasn1.Tag(0).ContextSpecific().Constructed():
		for !names.Empty() {
			var name cryptobyte.String
			if !names.ReadAnyASN1Element(&name, nil) || !generalName(name) {
				return nil, nil, false
			}
			full = append(full, append([]byte(nil), name...))
		}
		return full, nil, true
	case cbasn1.Tag(1).ContextSpecific().Constructed():
		relative = append([]byte(nil), names...)
		return nil, relative, exactRDN(names)
	}
	return nil, nil, false
}
