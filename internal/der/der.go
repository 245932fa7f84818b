// Package der holds the few ASN.1 shapes that CRLs and certificates share
// (RFC 5280 §4.2.1.13): names of distribution points, and reason flags.
package der

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const maxNesting = 16 // deeper names do not exist; the bound keeps recursion flat

// Exact reports whether b is exactly one DER element whose nested elements
// have definite, minimal lengths that fill it exactly.
func Exact(b []byte) bool {
	in := cryptobyte.String(b)
	return element(&in, 0) && in.Empty()
}

// ExactList is Exact for any number of elements, one after another.
func ExactList(b []byte) bool {
	in := cryptobyte.String(b)
	return elements(in, 0)
}

func elements(in cryptobyte.String, depth int) bool {
	for !in.Empty() {
		if !element(&in, depth) {
			return false
		}
	}
	return true
}

func element(in *cryptobyte.String, depth int) bool {
	var contents cryptobyte.String
	var tag asn1.Tag
	if depth > maxNesting || !in.ReadAnyASN1(&contents, &tag) {
		return false
	}
	return tag&0x20 == 0 || elements(contents, depth+1)
}

// DistributionPointName reads the CHOICE of fullName [0], a list of
// GeneralNames each returned with its tag, and nameRelativeToCRLIssuer [1],
// returned as the contents of a RelativeDistinguishedName. The results are
// parts of in.
func DistributionPointName(in cryptobyte.String) (full [][]byte, relative []byte, ok bool) {
	var names cryptobyte.String
	var tag asn1.Tag
	if !in.ReadAnyASN1(&names, &tag) || !in.Empty() || names.Empty() {
		return nil, nil, false
	}
	switch tag {
	case asn1.Tag(0).ContextSpecific().Constructed():
		full, ok = GeneralNames(names)
		return full, nil, ok
	case asn1.Tag(1).ContextSpecific().Constructed():
		return nil, names, ExactList(names)
	}
	return nil, nil, false
}

// GeneralNames reads the contents of a GeneralNames: at least one GeneralName
// (RFC 5280 §4.2.1.6), each returned with its tag.
func GeneralNames(in cryptobyte.String) (names [][]byte, ok bool) {
	for !in.Empty() {
		var name cryptobyte.String
		var tag asn1.Tag
		if !in.ReadAnyASN1Element(&name, &tag) || tag&0xc0 != 0x80 || !Exact(name) {
			return nil, false
		}
		names = append(names, name)
	}
	return names, len(names) > 0
}

// AllReasons are the reasons that ReasonFlags can name, bits 1 to 8.
const AllReasons = 0x1fe

// ReasonFlags reads the contents of a ReasonFlags BIT STRING: bit i of the
// result is bit i of RFC 5280 §4.2.1.13. Bit 0, which means nothing, and bits
// that no reason has are dropped.
func ReasonFlags(b []byte) (flags uint16, ok bool) {
	if len(b) < 1 || b[0] > 7 || len(b) == 1 && b[0] != 0 || len(b) > 3 {
		return 0, false
	}
	if len(b) > 1 && b[len(b)-1]&(1<<b[0]-1) != 0 {
		return 0, false // unused bits are zero in DER (X.690 §11.2.1)
	}
	for i := range 8 * (len(b) - 1) {
		if b[1+i/8]&(0x80>>(i%8)) != 0 {
			flags |= 1 << i
		}
	}
	return flags & AllReasons, true
}
