package issuer

import (
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
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

// shortNames are the attribute types that have a short name in RFC 4514 §3 or in
// common use, by the DER contents of their identifiers.
var shortNames = map[string]string{
	"\x55\x04\x03": "CN", "\x55\x04\x05": "serialNumber", "\x55\x04\x06": "C", "\x55\x04\x07": "L", "\x55\x04\x08": "ST",
	"\x55\x04\x09": "STREET", "\x55\x04\x0a": "O", "\x55\x04\x0b": "OU",
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19": "DC",           // 0.9.2342.19200300.100.1.25
	"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01": "UID",          // 0.9.2342.19200300.100.1.1
	"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01":     "emailAddress", // 1.2.840.113549.1.9.1
}

// Display returns a Name (DER) as people write it, the most specific part
// first: "CN=client,O=Partner A". It is meant for reading, never for
// comparing. Whatever does not print, or changes how the rest reads, comes out
// escaped.
func Display(der []byte) string { return string(AppendDisplay(make([]byte, 0, 2*len(der)), der)) }

// AppendDisplay appends what [Display] returns.
func AppendDisplay(out, der []byte) []byte {
	whole := len(out)
	in, rdns := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&rdns, cbasn1.SEQUENCE) {
		return hex.AppendEncode(out, der)
	}
	sets := make([]cryptobyte.String, 0, 8)
	for !rdns.Empty() {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, cbasn1.SET) {
			return hex.AppendEncode(out, der)
		}
		sets = append(sets, set)
	}
	for i, set := range slices.Backward(sets) {
		if i < len(sets)-1 {
			out = append(out, ',')
		}
		for first := true; !set.Empty(); first = false {
			var attribute, id, value cryptobyte.String
			var tag cbasn1.Tag
			if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1(&id, cbasn1.OBJECT_IDENTIFIER) || !attribute.ReadAnyASN1(&value, &tag) {
				return hex.AppendEncode(out[:whole], der)
			}
			if !first {
				out = append(out, '+')
			}
			out = append(appendType(out, id), '=')
			out = appendValue(out, byte(tag), value)
		}
	}
	return out
}

// Words returns the name as people may read it, as [Display] writes names, with
// its strings folded for comparing.
func (n Name) Words() string {
	var rdns []string
	for rest := string(n); rest != ""; {
		var rdn string
		rdn, rest = cutPart(rest)
		var attributes []string
		for rdn != "" {
			var a string
			a, rdn = cutPart(rdn)
			id, a := cutPart(a)
			tag := byte(tagUTF8String)
			switch {
			case strings.HasPrefix(a, "b") && len(a) > 1:
				tag, a = a[1], a[2:]
			case a != "":
				a = a[1:]
			}
			value, _ := cutPart(a)
			attributes = append(attributes, string(appendValue(append(appendType(nil, []byte(id)), '='), tag, []byte(value))))
		}
		rdns = append(rdns, strings.Join(attributes, "+"))
	}
	slices.Reverse(rdns)
	return strings.Join(rdns, ",")
}

// cutPart undoes appendPart; of what it did not write it returns nothing.
func cutPart(s string) (part, rest string) {
	if len(s) < 4 {
		return "", ""
	}
	n := binary.BigEndian.Uint32([]byte(s[:4]))
	if uint64(n) > uint64(len(s)-4) {
		return "", ""
	}
	return s[4 : 4+n], s[4+n:]
}

// appendType appends an attribute type, by its short name where it has one.
func appendType(out, id []byte) []byte {
	if short, ok := shortNames[string(id)]; ok {
		return append(out, short...)
	}
	var oid x509.OID
	if oid.UnmarshalBinary(id) != nil {
		return fmt.Appendf(out, "#%x", id)
	}
	return append(out, oid.String()...)
}

// alwaysPlain are the characters that no place in a value has escaped.
var alwaysPlain = func() (plain [utf8.RuneSelf]bool) {
	for c := byte('!'); c <= '~'; c++ {
		plain[c] = strings.IndexByte(`#,+"\<>;=`, c) < 0
	}
	return plain
}()

// appendValue appends an attribute value as RFC 4514 §2.4 has it. What does not
// print is written as the octets of its UTF-8 in hex; octets that are no string
// of their type, in hex all together.
func appendValue(out []byte, tag byte, value []byte) []byte {
	text := value
	switch tag {
	case tagUTF8String, tagPrintableString, tagNumericString, tagIA5String, tagVisibleString:
		if !utf8.Valid(value) {
			return fmt.Appendf(out, "#%x", value)
		}
	default:
		s, ok := decodeString(tag, value)
		if !ok {
			return fmt.Appendf(out, "#%x", value)
		}
		text = []byte(s)
	}
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf && alwaysPlain[c] {
			out = append(out, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == '#' && i == 0, r == ' ' && (i == 0 || i == len(text)-1), r < utf8.RuneSelf && strings.IndexByte(`,+"\<>;=`, byte(r)) >= 0:
			out = append(out, '\\', byte(r))
		case r == utf8.RuneError || !unicode.IsPrint(r):
			for _, c := range text[i : i+n] {
				out = fmt.Appendf(out, `\%02X`, c)
			}
		default:
			out = append(out, text[i:i+n]...)
		}
		i += n
	}
	return out
}
