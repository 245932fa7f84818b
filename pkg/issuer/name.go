package issuer

import (
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Name is a distinguished name in canonical form: two names are the same under
// RFC 5280 §7.1 exactly when their canonical forms are equal. It is opaque
// bytes, fit for a map key and not for people; [Display] is for people.
type Name string

// ASN.1 string types that RFC 5280 §4.1.2.4 and X.520 know for attribute values.
const (
	tagUTF8String      = 0x0c
	tagNumericString   = 0x12
	tagPrintableString = 0x13
	tagTeletexString   = 0x14
	tagIA5String       = 0x16
	tagVisibleString   = 0x1a
	tagUniversalString = 0x1c
	tagBMPString       = 0x1e
)

// ParseName returns the canonical form of a Name (DER). Attribute values that
// are strings are compared whatever their string type, without regard to
// case, and with leading, trailing and repeated spaces ignored (RFC 5280 §7.1,
// RFC 4518); values of other types octet by octet. The order of attributes
// within one multi-valued RDN does not matter, the order of RDNs does.
func ParseName(der []byte) (Name, error) {
	in, rdns := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&rdns, cbasn1.SEQUENCE) || !in.Empty() {
		return "", fmt.Errorf("a name is not a SEQUENCE of relative distinguished names")
	}
	var out []byte
	for !rdns.Empty() {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, cbasn1.SET) || set.Empty() {
			return "", fmt.Errorf("a relative distinguished name is not a SET of attributes")
		}
		rdn, err := canonicalRDN(set)
		if err != nil {
			return "", err
		}
		out = appendPart(out, rdn)
	}
	return Name(out), nil
}

// Relative returns the name that is n with one more RDN behind it: what
// nameRelativeToCRLIssuer stands for (RFC 5280 §4.2.1.13). attributes are the
// contents of the RDN's SET (DER).
func (n Name) Relative(attributes []byte) (Name, error) {
	rdn, err := canonicalRDN(attributes)
	if err != nil {
		return "", err
	}
	return Name(appendPart([]byte(n), rdn)), nil
}

func canonicalRDN(set cryptobyte.String) ([]byte, error) {
	var attributes [][]byte
	for !set.Empty() {
		var attribute, id, value cryptobyte.String
		var tag cbasn1.Tag
		if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1(&id, cbasn1.OBJECT_IDENTIFIER) ||
			!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
			return nil, fmt.Errorf("an attribute of a name is not a type and a value")
		}
		a := appendPart(nil, id)
		if s, ok := decodeString(byte(tag), value); ok {
			a = append(a, 's')
			a = appendPart(a, []byte(fold(s)))
		} else {
			a = append(a, 'b', byte(tag))
			a = appendPart(a, value)
		}
		attributes = append(attributes, a)
	}
	slices.SortFunc(attributes, func(a, b []byte) int { return strings.Compare(string(a), string(b)) })
	var out []byte
	for _, a := range attributes {
		out = appendPart(out, a)
	}
	return out, nil
}

// appendPart appends b behind its length, so that no two lists of parts read alike.
func appendPart(out, b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(out, uint32(len(b))), b...)
}

// decodeString returns the Unicode text of a string value; false where the
// value is not a string, or not one of its type.
func decodeString(tag byte, b []byte) (string, bool) {
	switch tag {
	case tagUTF8String:
		return string(b), utf8.Valid(b)
	case tagPrintableString, tagNumericString, tagIA5String, tagVisibleString:
		for _, c := range b {
			if c >= 0x80 {
				return "", false
			}
		}
		return string(b), true
	case tagTeletexString:
		// T.61 in theory, Latin-1 in practice.
		runes := make([]rune, len(b))
		for i, c := range b {
			runes[i] = rune(c)
		}
		return string(runes), true
	case tagBMPString:
		if len(b)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(b[2*i:])
		}
		if !utf16Valid(units) {
			return "", false
		}
		return string(utf16.Decode(units)), true
	case tagUniversalString:
		if len(b)%4 != 0 {
			return "", false
		}
		runes := make([]rune, len(b)/4)
		for i := range runes {
			r := binary.BigEndian.Uint32(b[4*i:])
			if r > utf8.MaxRune || !utf8.ValidRune(rune(r)) {
				return "", false
			}
			runes[i] = rune(r)
		}
		return string(runes), true
	}
	return "", false
}

// utf16Valid reports whether every surrogate is one of a pair. Decoding would
// replace the others, and so make one name of several.
func utf16Valid(units []uint16) bool {
	for i := 0; i < len(units); i++ {
		if r := rune(units[i]); !utf16.IsSurrogate(r) {
			continue
		}
		if i+1 == len(units) || utf16.DecodeRune(rune(units[i]), rune(units[i+1])) == utf8.RuneError {
			return false
		}
		i++
	}
	return true
}

// fold prepares a string as RFC 4518 §2 does for case-insensitive matching:
// compatibility composition, case folding, insignificant spaces.
func fold(s string) string {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < 0x80
	}
	if ascii {
		s = strings.ToLower(s)
	} else {
		s = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
	}
	return strings.Join(strings.Fields(s), " ")
}

var shortNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.9": "STREET",
	"2.5.4.5": "serialNumber", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID", "1.2.840.113549.1.9.1": "emailAddress",
}

// Display returns a Name (DER) as people write it, the most specific part
// first: "CN=client,O=Partner A". It is meant for reading, never for
// comparing. Whatever does not print, or changes how the rest reads, comes out
// escaped.
func Display(der []byte) string {
	in, rdns := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&rdns, cbasn1.SEQUENCE) {
		return fmt.Sprintf("%x", der)
	}
	var parts []string
	for !rdns.Empty() {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, cbasn1.SET) {
			return fmt.Sprintf("%x", der)
		}
		var attributes []string
		for !set.Empty() {
			var attribute, value cryptobyte.String
			var id asn1.ObjectIdentifier
			var tag cbasn1.Tag
			if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&id) || !attribute.ReadAnyASN1(&value, &tag) {
				return fmt.Sprintf("%x", der)
			}
			key := id.String()
			if short, ok := shortNames[key]; ok {
				key = short
			}
			if text, ok := decodeString(byte(tag), value); ok {
				attributes = append(attributes, key+"="+escape(text))
			} else {
				attributes = append(attributes, fmt.Sprintf("%s=#%x", key, []byte(value)))
			}
		}
		parts = append(parts, strings.Join(attributes, "+"))
	}
	slices.Reverse(parts)
	return strings.Join(parts, ",")
}

// escape follows RFC 4514 §2.4; what does not print is written as the octets of
// its UTF-8 in hex.
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case strings.ContainsRune(`,+"\<>;=`, r), r == '#' && i == 0, r == ' ' && (i == 0 || i == len(s)-1):
			b.WriteByte('\\')
			b.WriteRune(r)
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, `\%02X`, c)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
