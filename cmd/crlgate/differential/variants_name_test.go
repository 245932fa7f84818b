package differential

import (
	"encoding/asn1"

	"github.com/crlgate/crlgate/internal/pki"
)

// name encodes a name in one string type.
func (m *maker) name(tag int, cn string) []byte {
	n, err := pki.RawName([]pki.Attribute{{Type: pki.OIDCountry, Tag: asn1.TagPrintableString, Value: "NL"}},
		[]pki.Attribute{{Type: pki.OIDOrganization, Tag: tag, Value: "Differential"}},
		[]pki.Attribute{{Type: pki.OIDCommonName, Tag: tag, Value: cn}})
	if err != nil {
		m.tb.Fatal(err)
	}
	return n
}

// Names written in two ways.
var nameVariants = []variant{
	{"names: string types", 0, func(m *maker) { m.names(asn1.TagPrintableString, "Names CA", asn1.TagUTF8String, "Names CA") }},
	{"names: BMPString", 0, func(m *maker) { m.names(asn1.TagUTF8String, "Names CA", asn1.TagBMPString, "Names CA") }},
	{"names: case", 0, func(m *maker) { m.names(asn1.TagPrintableString, "Names CA", asn1.TagPrintableString, "NAMES ca") }},
	{"names: spaces", 0, func(m *maker) { m.names(asn1.TagUTF8String, "Names CA", asn1.TagPrintableString, " Names   CA ") }},
	{"names: case beyond ASCII", 0, func(m *maker) { m.names(asn1.TagUTF8String, "Ümlaut CA", asn1.TagUTF8String, "ümlaut CA") }},
	{"names: another name", 0, func(m *maker) { m.names(asn1.TagUTF8String, "Names CA", asn1.TagUTF8String, "Names CB") }},
}

// names has the CA's certificate bear its name in one way, and the CRL, the
// certificate, or both in another.
func (m *maker) names(tag int, cn string, otherTag int, other string) {
	own := m.replaceOwn(pki.CAOptions{RawSubject: m.name(tag, cn)})
	written := m.name(otherTag, other)
	l := m.complete(own, m.either())
	switch m.r.IntN(3) {
	case 0:
		l.opts.Issuer = written
	case 1:
		m.c.issuer = written
	default:
		l.opts.Issuer, m.c.issuer = written, written
	}
}
