package gateway

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
)

// attributeNames are the short names of attribute types in API Gateway's DN texts.
var attributeNames = map[string]string{
	"2.5.4.3":                    "CN",
	"2.5.4.4":                    "SN",
	"2.5.4.5":                    "SERIALNUMBER",
	"2.5.4.6":                    "C",
	"2.5.4.7":                    "L",
	"2.5.4.8":                    "ST",
	"2.5.4.9":                    "STREET",
	"2.5.4.10":                   "O",
	"2.5.4.11":                   "OU",
	"2.5.4.12":                   "T",
	"2.5.4.17":                   "POSTALCODE",
	"2.5.4.42":                   "GIVENNAME",
	"0.9.2342.19200300.100.1.1":  "UID",
	"0.9.2342.19200300.100.1.25": "DC",
	"1.2.840.113549.1.9.1":       "EMAILADDRESS",
}

// nameText renders a DER name as API Gateway does: in the order of the encoding
// (C first, as AWS's examples have it; RFC 4514 would reverse it), joined by commas,
// with RFC 4514's escapes.
func nameText(der []byte) string {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &sequence); err != nil || len(rest) != 0 {
		return "#" + hex.EncodeToString(der)
	}
	relative := make([]string, 0, len(sequence))
	for _, set := range sequence {
		attributes := make([]string, 0, len(set))
		for _, attribute := range set {
			attributes = append(attributes, attributeText(attribute))
		}
		relative = append(relative, strings.Join(attributes, "+"))
	}
	return strings.Join(relative, ",")
}

func attributeText(attribute pkix.AttributeTypeAndValue) string {
	oid := attribute.Type.String()
	name, known := attributeNames[oid]
	if !known {
		name = oid
	}
	if text, ok := attribute.Value.(string); ok {
		return name + "=" + escapeAttribute(text)
	}
	der, err := asn1.Marshal(attribute.Value)
	if err != nil {
		return fmt.Sprintf("%s=%v", name, attribute.Value)
	}
	return name + "=#" + hex.EncodeToString(der)
}

// escapeAttribute applies RFC 4514, section 2.4.
func escapeAttribute(text string) string {
	var out strings.Builder
	for i := range len(text) {
		c := text[i]
		edge := i == 0 && (c == '#' || c == ' ') || i == len(text)-1 && c == ' '
		switch {
		case c == 0:
			out.WriteString(`\00`)
		case edge || strings.IndexByte(`,+"\<>;`, c) >= 0:
			out.WriteByte('\\')
			out.WriteByte(c)
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
