package crl

import (
	"bytes"
	"encoding/asn1"
	"io"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// text is an error's, or nothing.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAuthorityKeyID(t *testing.T) {
	id, issuer, serial := []byte{0x80, 2, 1, 2}, []byte{0xa1, 4, 0x82, 2, 'c', 'a'}, []byte{0x82, 1, 9}
	for _, c := range []struct {
		name string
		in   []byte
		want []byte
		ok   bool
	}{
		{"empty", tlv(0x30), nil, true},
		{"identifier", tlv(0x30, id), []byte{1, 2}, true},
		{"identifier of no octets", tlv(0x30, []byte{0x80, 0}), []byte{}, true},
		{"all three", tlv(0x30, id, issuer, serial), []byte{1, 2}, true},
		{"issuer and serial", tlv(0x30, issuer, serial), nil, true},
		{"identifier and serial", tlv(0x30, id, serial), []byte{1, 2}, true},
		{"out of order", tlv(0x30, serial, issuer), nil, false},
		{"identifier last", tlv(0x30, issuer, serial, id), nil, false},
		{"identifier twice", tlv(0x30, id, id), nil, false},
		{"serial twice", tlv(0x30, id, serial, serial), nil, false},
		{"an unknown field", tlv(0x30, id, []byte{0x83, 0}), nil, false},
		{"not a SEQUENCE", tlv(0x31, id), nil, false},
		{"something behind", append(tlv(0x30, id), 5, 0), nil, false},
		{"issuer not exact inside", tlv(0x30, id, []byte{0xa1, 2, 0x82, 1}), nil, false},
		{"serial cut", []byte{0x30, 6, 0x80, 2, 1, 2, 0x82, 1}, nil, false},
		{"nothing", nil, nil, false},
	} {
		got, ok := authorityKeyID(c.in)
		if ok != c.ok || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %x, %v", c.name, got, ok)
		}
	}
}

// TestNumbers: up to 20 octets, not negative, and how many octets a longer one
// is said to have.
func TestNumbers(t *testing.T) {
	one := big.NewInt(1)
	power := func(n uint) *big.Int { return new(big.Int).Lsh(one, n) }
	below := func(n uint) *big.Int { return new(big.Int).Sub(power(n), one) }
	for _, c := range []struct {
		n    *big.Int
		want string
	}{
		{new(big.Int), ""},
		{one, ""},
		{below(159), ""},
		{below(160), ""},
		{power(160), "number has 21 octets, more than 20 (RFC 5280 §5.2.3) (number_too_long)"},
		{below(168), "number has 21 octets, more than 20 (RFC 5280 §5.2.3) (number_too_long)"},
		{power(168), "number has 22 octets, more than 20 (RFC 5280 §5.2.3) (number_too_long)"},
		{big.NewInt(-1), "number -1 is negative (RFC 5280 §5.2.3) (number_invalid)"},
		{new(big.Int).Neg(power(200)), "number -" + power(200).String() + " is negative (RFC 5280 §5.2.3) (number_invalid)"},
	} {
		value := must(asn1.Marshal(c.n))
		n, err := crlNumber(extension{value: value}, "number")
		if text(err) != c.want || err == nil && n.Cmp(c.n) != 0 {
			t.Errorf("%v: %v, %v", c.n, n, err)
		}
		for _, bad := range [][]byte{append(bytes.Clone(value), 0), value[:len(value)-1], nil} {
			if _, err := crlNumber(extension{value: bad}, "number"); text(err) != "number is not a DER INTEGER (extension_malformed)" {
				t.Errorf("%x: %v", bad, err)
			}
		}
	}
}

func TestParseIDP(t *testing.T) {
	const (
		bad  = "issuing distribution point is not an IssuingDistributionPoint (RFC 5280 §5.2.5) (idp_malformed)"
		name = "distribution point of the issuing distribution point is not a DistributionPointName with at least one name (RFC 5280 §4.2.1.13) (idp_malformed)"
		flag = "onlySomeReasons is not a ReasonFlags bit string (idp_malformed)"
		none = "onlySomeReasons names no reason: the CRL would cover nothing (reasons_empty)"
		says = "issuing distribution point says nothing: every flag is FALSE and no other field is there (RFC 5280 §5.2.5) (idp_empty)"
		many = "more than one of onlyContainsUserCerts, onlyContainsCACerts and onlyContainsAttributeCerts is set (RFC 5280 §5.2.5) (idp_conflict)"
	)
	type idp = IssuingDistributionPoint
	uri := []byte{0x86, 1, 'x'}
	rdn := tlv(0x30, []byte{6, 3, 0x55, 4, 3}, []byte{0x0c, 1, 'x'})
	full := tlv(0xa0, tlv(0xa0, uri))
	relative := tlv(0xa0, tlv(0xa1, rdn))
	yes := func(tag byte) []byte { return []byte{0x80 | tag, 1, 0xff} }
	no := func(tag byte) []byte { return []byte{0x80 | tag, 1, 0} }
	reasons := []byte{0x83, 2, 1, 0x40}
	for _, c := range []struct {
		what string
		in   []byte
		want idp
		err  string
	}{
		{"a name", tlv(0x30, full), idp{FullName: [][]byte{uri}}, ""},
		{"two names", tlv(0x30, tlv(0xa0, tlv(0xa0, uri, []byte{0x82, 1, 'y'}))), idp{FullName: [][]byte{uri, {0x82, 1, 'y'}}}, ""},
		{"relative name", tlv(0x30, relative), idp{RelativeName: rdn}, ""},
		{"user", tlv(0x30, yes(1)), idp{OnlyUserCerts: true}, ""},
		{"CA", tlv(0x30, yes(2)), idp{OnlyCACerts: true}, ""},
		{"indirect", tlv(0x30, yes(4)), idp{Indirect: true}, ""},
		{"attribute", tlv(0x30, yes(5)), idp{OnlyAttributeCerts: true}, ""},
		{"reasons", tlv(0x30, reasons), idp{OnlySomeReasons: 2}, ""},
		{"all at once", tlv(0x30, full, no(1), yes(2), reasons, yes(4), no(5)), idp{FullName: [][]byte{uri}, OnlyCACerts: true, OnlySomeReasons: 2, Indirect: true}, ""},
		{"FALSE beside a name", tlv(0x30, full, no(1), no(2), no(4), no(5)), idp{FullName: [][]byte{uri}}, ""},
		{"FALSE beside a relative name", tlv(0x30, relative, no(1)), idp{RelativeName: rdn}, ""},
		{"FALSE beside reasons", tlv(0x30, no(1), reasons), idp{OnlySomeReasons: 2}, ""},
		{"FALSE beside the first reason", tlv(0x30, no(1), []byte{0x83, 2, 6, 0x40}), idp{OnlySomeReasons: 2}, ""},

		{"not a SEQUENCE", tlv(0x31, full), idp{}, bad},
		{"something behind", append(tlv(0x30, full), 5, 0), idp{}, bad},
		{"empty", tlv(0x30), idp{}, "issuing distribution point is an empty SEQUENCE (RFC 5280 §5.2.5) (idp_empty)"},
		{"a name cut", []byte{0x30, 2, 0xa0, 1}, idp{}, bad},
		{"user cut", []byte{0x30, 2, 0x81, 1}, idp{}, bad},
		{"CA cut", []byte{0x30, 2, 0x82, 1}, idp{}, bad},
		{"reasons cut", []byte{0x30, 2, 0x83, 2}, idp{}, bad},
		{"indirect cut", []byte{0x30, 2, 0x84, 1}, idp{}, bad},
		{"attribute cut", []byte{0x30, 2, 0x85, 1}, idp{}, bad},
		{"an unknown field", tlv(0x30, full, []byte{0x86, 0}), idp{}, bad},
		{"fields out of order", tlv(0x30, yes(2), no(1)), idp{}, bad},
		{"user twice", tlv(0x30, yes(1), yes(1)), idp{}, bad},
		{"user of no octets", tlv(0x30, []byte{0x81, 0}), idp{}, bad},
		{"CA of two octets", tlv(0x30, []byte{0x82, 2, 0xff, 0xff}), idp{}, bad},
		{"indirect 1", tlv(0x30, []byte{0x84, 1, 1}), idp{}, bad},
		{"attribute 0xfe", tlv(0x30, []byte{0x85, 1, 0xfe}), idp{}, bad},

		{"a name that is none", tlv(0x30, tlv(0xa0, tlv(0xa0, []byte{5, 0}))), idp{}, name},
		{"a second name that is none", tlv(0x30, tlv(0xa0, tlv(0xa0, uri, []byte{5, 0}))), idp{}, name},
		{"a name within that is cut", tlv(0x30, tlv(0xa0, tlv(0xa0, []byte{0x86, 1}))), idp{}, name},
		{"no name", tlv(0x30, tlv(0xa0, tlv(0xa0))), idp{}, name},
		{"no choice of a name", tlv(0x30, tlv(0xa0)), idp{}, name},
		{"two choices of a name", tlv(0x30, tlv(0xa0, tlv(0xa0, uri), tlv(0xa0, uri))), idp{}, name},
		{"a third choice of a name", tlv(0x30, tlv(0xa0, tlv(0xa2, uri))), idp{}, name},
		{"a relative name of none", tlv(0x30, tlv(0xa0, tlv(0xa1))), idp{}, name},
		{"a relative name that is none", tlv(0x30, tlv(0xa0, tlv(0xa1, uri))), idp{}, name},

		{"reasons of no octets", tlv(0x30, []byte{0x83, 0}), idp{}, flag},
		{"reasons that leave eight bits", tlv(0x30, []byte{0x83, 2, 8, 0x40}), idp{}, flag},
		{"no reason", tlv(0x30, []byte{0x83, 1, 0}), idp{}, none},
		{"the reason that is not used", tlv(0x30, []byte{0x83, 2, 7, 0x80}), idp{}, none},

		{"all FALSE", tlv(0x30, no(1), no(2), no(4), no(5)), idp{}, says},
		{"user and CA", tlv(0x30, yes(1), yes(2)), idp{}, many},
		{"user and attribute", tlv(0x30, yes(1), yes(5)), idp{}, many},
		{"CA and attribute", tlv(0x30, yes(2), yes(5)), idp{}, many},
		{"all three", tlv(0x30, yes(1), yes(2), yes(5)), idp{}, many},
	} {
		got, err := parseIDP(c.in)
		if text(err) != c.err || err == nil && !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v, %v", c.what, got, err)
		}
	}
	for i, c := range []idp{{}, {OnlyUserCerts: true}, {RelativeName: rdn}, {FullName: [][]byte{uri}}, {FullName: [][]byte{uri, uri}}} {
		if c.HasDistributionPoint() != (i > 1) {
			t.Errorf("%+v names a distribution point: %v", c, i <= 1)
		}
	}
}

// TestCRLExtensions: every form in which the extensions of a CRL are refused,
// in full; @ is where they stand.
func TestCRLExtensions(t *testing.T) {
	id := func(last byte) []byte { return []byte{6, 3, 0x55, 0x1d, last} }
	ext := func(id, value []byte) []byte { return tlv(0x30, id, tlv(4, value)) }
	wrap := func(extensions ...[]byte) []byte { return tlv(0xa0, tlv(0x30, extensions...)) }
	others := func(n int) [][]byte { return manyExtensions(n) }
	longID := func(n int) []byte {
		return tlv(0x30, tlv(6, bytes.Repeat([]byte{0x2a}, n)), []byte{1, 1, 0xff}, tlv(4, nil))
	}
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"a number", wrap(numberExtension), ""},
		{"an unknown one", wrap(ext(id(0x7f), nil), numberExtension), ""},
		{"an unknown one, not critical in so many words", wrap(tlv(0x30, id(0x7f), []byte{1, 1, 0}, tlv(4, nil)), numberExtension), ""},
		{"as many as may be", wrap(append(others(maxExtensions-1), numberExtension)...), ""},
		{"one more", wrap(append(others(maxExtensions), numberExtension)...), "CRL extensions are more than 100 (too_large, at byte @)"},
		{"as long as may be", wrap(numberExtension, ext(id(0x7f), make([]byte, MaxExtensions-29))), ""},
		{"one octet longer", wrap(numberExtension, ext(id(0x7f), make([]byte, MaxExtensions-28))), "crlExtensions has 61441 octets, more than the 61440 that are read (too_large, at byte @)"},

		{"none", nil, "no CRL number: without one, an older CRL could not be told from a newer one (RFC 5280 §5.2.3) (number_missing)"},
		{"of tag [1]", tlv(0xa1, tlv(0x30, numberExtension)), "crlExtensions has tag 0xa1, expected 0xa0 (malformed, at byte @)"},
		{"primitive", tlv(0x80, tlv(0x30, numberExtension)), "crlExtensions has tag 0x80, expected 0xa0 (malformed, at byte @)"},
		{"something behind", append(wrap(numberExtension), 5, 0, 0), "3 bytes inside tbsCertList behind the extensions (malformed, at byte @+16)"},
		{"empty", tlv(0xa0), "CRL extensions are not a SEQUENCE of at least one extension (extension_malformed, at byte @)"},
		{"an empty SEQUENCE", wrap(), "CRL extensions are not a SEQUENCE of at least one extension (extension_malformed, at byte @)"},
		{"a SET", tlv(0xa0, tlv(0x31, numberExtension)), "CRL extensions are not a SEQUENCE of at least one extension (extension_malformed, at byte @)"},
		{"two SEQUENCEs", tlv(0xa0, tlv(0x30, numberExtension), tlv(0x30, numberExtension)), "CRL extensions are not a SEQUENCE of at least one extension (extension_malformed, at byte @)"},
		{"an extension that is a SET", wrap(numberExtension, tlv(0x31, id(0x7f), tlv(4, nil))), "CRL extensions hold something that is not an Extension (extension_malformed, at byte @)"},
		{"an extension without identifier", wrap(tlv(0x30, tlv(4, nil))), "CRL extensions hold an extension without an identifier (extension_malformed, at byte @)"},
		{"an identifier that is not minimal", wrap(ext([]byte{6, 3, 0x55, 0x80, 1}, nil)), "CRL extensions hold an extension without an identifier (extension_malformed, at byte @)"},
		{"a critical flag that is not DER", wrap(tlv(0x30, id(0x7f), []byte{1, 1, 1}, tlv(4, nil))), "CRL extensions: extension 2.5.29.127 has a critical flag that is not DER (extension_malformed, at byte @)"},
		{"an extension without value", wrap(tlv(0x30, id(0x7f))), "CRL extensions: extension 2.5.29.127 has no value, or more than one (extension_malformed, at byte @)"},
		{"a value that is a BIT STRING", wrap(tlv(0x30, id(0x7f), tlv(3, []byte{0}))), "CRL extensions: extension 2.5.29.127 has no value, or more than one (extension_malformed, at byte @)"},
		{"two values", wrap(tlv(0x30, id(0x7f), tlv(4, nil), tlv(4, nil))), "CRL extensions: extension 2.5.29.127 has no value, or more than one (extension_malformed, at byte @)"},
		{"the critical flag behind the value", wrap(tlv(0x30, id(0x7f), tlv(4, nil), []byte{1, 1, 0xff})), "CRL extensions: extension 2.5.29.127 has no value, or more than one (extension_malformed, at byte @)"},
		{"one twice, others between", wrap(ext(id(0x7e), nil), ext(id(0x7f), nil), numberExtension, ext(id(0x7f), nil)), "CRL extensions hold extension 2.5.29.127 twice (RFC 5280 §4.2) (extension_duplicate, at byte @)"},
		{"the first twice", wrap(ext(id(0x7e), nil), ext(id(0x7e), nil)), "CRL extensions hold extension 2.5.29.126 twice (RFC 5280 §4.2) (extension_duplicate, at byte @)"},
		{"an unknown critical one", wrap(tlv(0x30, id(0x7f), []byte{1, 1, 0xff}, tlv(4, nil))), "critical extension 2.5.29.127 is unknown: what the CRL means cannot be told (RFC 5280 §5.2) (critical_extension_unknown)"},
		{"an unknown critical one behind the others", wrap(numberExtension, tlv(0x30, id(0x7f), []byte{1, 1, 0xff}, tlv(4, nil))), "critical extension 2.5.29.127 is unknown: what the CRL means cannot be told (RFC 5280 §5.2) (critical_extension_unknown)"},
		{"one with an arc beyond 31 bits", wrap(tlv(0x30, []byte{6, 6, 0x90, 0x80, 0x80, 0x80, 0x80, 0}, []byte{1, 1, 0xff}, tlv(4, nil))), "critical extension 908080808000 is unknown: what the CRL means cannot be told (RFC 5280 §5.2) (critical_extension_unknown)"},
		{"one of 32 octets", wrap(longID(32)), "critical extension 1.2" + strings.Repeat(".42", 31) + " is unknown: what the CRL means cannot be told (RFC 5280 §5.2) (critical_extension_unknown)"},
		{"one of 33 octets", wrap(longID(33)), "critical extension " + strings.Repeat("2a", 32) + "… (33 octets) is unknown: what the CRL means cannot be told (RFC 5280 §5.2) (critical_extension_unknown)"},
		{"an alternative name of nothing", wrap(numberExtension, ext(id(0x12), []byte{0x30, 0})), "extension 2.5.29.18 is not a SEQUENCE of at least one element (RFC 5280 §5.2.2, §5.2.7) (extension_malformed)"},
		{"a freshestCRL of nothing", wrap(numberExtension, ext(id(0x2e), []byte{0x30, 0})), "freshestCRL is not CRLDistributionPoints (RFC 5280 §5.2.6) (extension_malformed)"},
		{"a key identifier that is none", wrap(numberExtension, ext(id(0x23), []byte{0x31, 0})), "authority key identifier is not an AuthorityKeyIdentifier (RFC 5280 §5.2.1) (extension_malformed)"},
		{"an IDP that is none", wrap(numberExtension, idpExtension([]byte{0x31, 0})), "issuing distribution point is not an IssuingDistributionPoint (RFC 5280 §5.2.5) (idp_malformed)"},
		{"a base number that is none", wrap(numberExtension, ext(id(0x1b), []byte{5, 0})), "BaseCRLNumber is not a DER INTEGER (extension_malformed)"},
	} {
		der := must(io.ReadAll(soundParts().crl(nil, bytes.NewReader(nil), 0, c.in)))
		at := bytes.LastIndex(der, c.in)
		want := strings.NewReplacer("@+16", strconv.Itoa(at+16), "@", strconv.Itoa(at)).Replace(c.want)
		got := readAll(bytes.NewReader(der), Options{}, chunkSize)
		if text(got.err) != want || got.err == nil && got.list.Number.Int64() != 7 {
			t.Errorf("%s: %v, want %s", c.name, got.err, want)
		}
	}
}
