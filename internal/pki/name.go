package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Attribute types for [RawName].
var (
	OIDCommonName         = asn1.ObjectIdentifier{2, 5, 4, 3}
	OIDCountry            = asn1.ObjectIdentifier{2, 5, 4, 6}
	OIDOrganization       = asn1.ObjectIdentifier{2, 5, 4, 10}
	OIDOrganizationalUnit = asn1.ObjectIdentifier{2, 5, 4, 11}
	OIDDomainComponent    = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
)

// Attribute is one AttributeTypeAndValue of a name.
type Attribute struct {
	Type asn1.ObjectIdentifier
	// Tag is the string type: asn1.TagUTF8String if zero; TagPrintableString,
	// TagIA5String, TagT61String, TagBMPString (Value is then encoded as UTF-16).
	Tag   int
	Value string
}

// RawName encodes a Name of one RDN for each argument, with the string types
// asked for, in the order given (no sorting within a multi-valued RDN).
func RawName(rdns ...[]Attribute) ([]byte, error) {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, rdn := range rdns {
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addAttributes(b, rdn) })
			}
		})
	})
}

// RelativeName encodes the contents of one RDN, without the SET, as
// [IDP.Relative] and [DistributionPoint.Relative] take it.
func RelativeName(rdn []Attribute) ([]byte, error) {
	return build(func(b *cryptobyte.Builder) { addAttributes(b, rdn) })
}

func addAttributes(b *cryptobyte.Builder, rdn []Attribute) {
	for _, a := range rdn {
		tag := a.Tag
		if tag == 0 {
			tag = asn1.TagUTF8String
		}
		value := []byte(a.Value)
		if tag == asn1.TagBMPString {
			value = nil
			for _, r := range a.Value {
				value = append(value, byte(r>>8), byte(r))
			}
		}
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(a.Type)
			b.AddASN1(cbasn1.Tag(tag), func(b *cryptobyte.Builder) { b.AddBytes(value) })
		})
	}
}

// nameDER returns raw if there is one, else the encoding of name.
func nameDER(raw []byte, name pkix.Name) ([]byte, error) {
	if raw != nil {
		return raw, nil
	}
	der, err := asn1.Marshal(name.ToRDNSequence())
	if err != nil {
		return nil, fmt.Errorf("encoding the name %s: %w", name, err)
	}
	return der, nil
}

// DirectoryName encodes a directoryName GeneralName for a DER Name, as
// RawNames of [IDP] and [DistributionPoint] take it.
func DirectoryName(name []byte) []byte {
	return appendTLV(nil, byte(explicitTag(4)), name)
}

// addGeneralNames writes the contents of GeneralNames: URIs, then raw ones.
func addGeneralNames(b *cryptobyte.Builder, uris []string, raw [][]byte) {
	for _, uri := range uris {
		b.AddASN1(implicitTag(6), func(b *cryptobyte.Builder) { b.AddBytes([]byte(uri)) })
	}
	for _, name := range raw {
		b.AddBytes(name)
	}
}
