package issuer_test

import (
	"encoding/asn1"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// cn is a name of one common name, written as the string type tag from these octets.
func cn(tag int, octets string) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addAttribute(b, pki.OIDCommonName, tag, octets) })
	})
	return b.BytesOrPanic()
}

func addAttribute(b *cryptobyte.Builder, id asn1.ObjectIdentifier, tag int, octets string) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		b.AddASN1(cbasn1.Tag(tag), func(b *cryptobyte.Builder) { b.AddBytes([]byte(octets)) })
	})
}

func wide(s string, octets int) string {
	var b strings.Builder
	if octets == 2 {
		for _, u := range utf16.Encode([]rune(s)) {
			b.Write([]byte{byte(u >> 8), byte(u)})
		}
		return b.String()
	}
	for _, r := range s {
		b.Write([]byte{byte(r >> 24), byte(r >> 16), byte(r >> 8), byte(r)})
	}
	return b.String()
}

const (
	utf8String, printable, teletex, ia5, visible, numeric, universal, bmp = 0x0c, 0x13, 0x14, 0x16, 0x1a, 0x12, 0x1c, 0x1e
	octetString                                                           = 0x04
)

// TestNameComparison is RFC 5280 §7.1 on one attribute value.
func TestNameComparison(t *testing.T) {
	for _, tt := range []struct {
		what string
		a, b []byte
		same bool
	}{
		{"string types", cn(printable, "Partner A"), cn(utf8String, "Partner A"), true},
		{"BMPString", cn(bmp, wide("Partner Ä", 2)), cn(utf8String, "Partner Ä"), true},
		{"BMPString beyond the plane", cn(bmp, wide("A 𝒳", 2)), cn(utf8String, "A 𝒳"), true},
		{"UniversalString", cn(universal, wide("Partner Ä", 4)), cn(utf8String, "Partner Ä"), true},
		{"TeletexString as Latin-1", cn(teletex, "Partner \xc4"), cn(utf8String, "Partner Ä"), true},
		{"IA5String and VisibleString", cn(ia5, "partner"), cn(visible, "PARTNER"), true},
		{"NumericString", cn(numeric, "12 34"), cn(printable, "12 34"), true},
		{"case", cn(utf8String, "PARTNER a"), cn(utf8String, "partner A"), true},
		{"case beyond ASCII", cn(utf8String, "ÄÖÜ ΣΑΣ"), cn(utf8String, "äöü σας"), true},
		{"folding sharp s", cn(utf8String, "Straße"), cn(utf8String, "STRASSE"), true},
		{"inner spaces", cn(utf8String, "Partner   A"), cn(utf8String, "Partner A"), true},
		{"leading and trailing spaces", cn(utf8String, "  Partner A "), cn(utf8String, "Partner A"), true},
		{"a no-break space", cn(utf8String, "Partner\u00a0A"), cn(utf8String, "Partner A"), true},
		{"composed and decomposed", cn(utf8String, "A\u0308"), cn(utf8String, "\u00c4"), true},
		{"compatibility forms", cn(utf8String, "\uff21\uff22 \ufb01"), cn(utf8String, "ab fi"), true},

		{"other text", cn(utf8String, "Partner A"), cn(utf8String, "Partner B"), false},
		{"space against none", cn(utf8String, "Partner A"), cn(utf8String, "PartnerA"), false},
		{"accent against none", cn(utf8String, "Ä"), cn(utf8String, "A"), false},
		{"a prefix", cn(utf8String, "Partner"), cn(utf8String, "Partner A"), false},
		{"a zero octet", cn(utf8String, "Partner\x00"), cn(utf8String, "Partner"), false},
		{"octets, equal", cn(octetString, "Partner"), cn(octetString, "Partner"), true},
		{"octets of other case", cn(octetString, "Partner"), cn(octetString, "partner"), false},
		{"octets against a string", cn(octetString, "Partner"), cn(utf8String, "Partner"), false},
		{"broken UTF-8 against the replacement character", cn(utf8String, "A\xff"), cn(utf8String, "A\ufffd"), false},
		{"two kinds of broken UTF-8", cn(utf8String, "A\xff"), cn(utf8String, "A\xfe"), false},
		{"PrintableString with high octets", cn(printable, "\xc4"), cn(teletex, "\xc4"), false},
		{"BMPString of odd length", cn(bmp, "\x00A\x00"), cn(bmp, "\x00A"), false},
		{"two unpaired surrogates", cn(bmp, "\xd8\x00"), cn(bmp, "\xdc\x00"), false},
		{"an unpaired surrogate against the replacement character", cn(bmp, "\xd8\x00"), cn(utf8String, "\ufffd"), false},
		{"a surrogate before a letter", cn(bmp, "\xd8\x00\x00A"), cn(bmp, "\xd8\x01\x00A"), false},
		{"surrogates in a UniversalString", cn(universal, "\x00\x00\xd8\x00"), cn(universal, "\x00\x00\xd8\x01"), false},
		{"a UniversalString beyond Unicode", cn(universal, "\x00\x11\x00\x00"), cn(universal, "\x00\x11\x00\x01"), false},
		{"a UniversalString cut short", cn(universal, "\x00\x00\x00"), cn(universal, ""), false},
	} {
		a, errA := issuer.ParseName(tt.a)
		b, errB := issuer.ParseName(tt.b)
		if errA != nil || errB != nil {
			t.Errorf("%s: %v, %v", tt.what, errA, errB)
		} else if (a == b) != tt.same {
			t.Errorf("%s: same is %v", tt.what, a == b)
		}
	}
}

// TestNameStructure: which parts count, and in which order.
func TestNameStructure(t *testing.T) {
	c := pki.Attribute{Type: pki.OIDCommonName, Value: "a"}
	o := pki.Attribute{Type: pki.OIDOrganization, Value: "b"}
	raw := func(rdns ...[]pki.Attribute) issuer.Name {
		der, err := pki.RawName(rdns...)
		if err != nil {
			t.Fatal(err)
		}
		n, err := issuer.ParseName(der)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	type rdn = []pki.Attribute
	if raw(rdn{c, o}) != raw(rdn{o, c}) {
		t.Error("the order within an RDN matters")
	}
	names := []issuer.Name{
		raw(), raw(rdn{c}), raw(rdn{o}), raw(rdn{c}, rdn{o}), raw(rdn{o}, rdn{c}), raw(rdn{c, o}), raw(rdn{c}, rdn{c}), raw(rdn{c, c}),
		raw(rdn{{Type: pki.OIDOrganization, Value: "a"}}), raw(rdn{c, o}, rdn{c}),
	}
	seen := map[issuer.Name]int{}
	for i, n := range names {
		if j, ok := seen[n]; ok {
			t.Errorf("names %d and %d are the same", j, i)
		}
		seen[n] = i
	}
	relative, err := pki.RelativeName(rdn{o})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := raw(rdn{c}).Relative(relative); err != nil || n != raw(rdn{c}, rdn{o}) {
		t.Errorf("relative name: %v", err)
	}
	if _, err := raw(rdn{c}).Relative([]byte{0x05, 0x00}); err == nil {
		t.Error("NULL is a relative name")
	}
}

func TestNameMalformed(t *testing.T) {
	good := cn(utf8String, "a")
	for what, der := range map[string][]byte{
		"nothing": nil, "NULL": {5, 0}, "cut short": good[:len(good)-1], "a byte behind": append(append([]byte{}, good...), 0),
		"no SET": {0x30, 2, 0x30, 0}, "an empty RDN": {0x30, 2, 0x31, 0}, "no attribute": {0x30, 4, 0x31, 2, 5, 0},
		"attribute without value": {0x30, 9, 0x31, 7, 0x30, 5, 6, 3, 0x55, 4, 3},
		"attribute of three":      {0x30, 13, 0x31, 11, 0x30, 9, 6, 3, 0x55, 4, 3, 5, 0, 5, 0},
	} {
		if n, err := issuer.ParseName(der); err == nil {
			t.Errorf("%s parses to %x", what, string(n))
		}
	}
}

// TestDisplay: names are for people to read, and must not mislead them.
func TestDisplay(t *testing.T) {
	full, err := pki.RawName(
		[]pki.Attribute{{Type: pki.OIDCountry, Tag: printable, Value: "DE"}},
		[]pki.Attribute{{Type: pki.OIDOrganization, Value: "Müller, Sohn"}, {Type: pki.OIDOrganizationalUnit, Value: "IT"}},
		[]pki.Attribute{{Type: asn1.ObjectIdentifier{1, 2, 3}, Value: "x"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	for want, der := range map[string][]byte{
		`1.2.3=x,O=Müller\, Sohn+OU=IT,C=DE`: full,
		`CN=a\0Ab\0D\00`:                     cn(utf8String, "a\nb\r\x00"),
		`CN=\E2\80\AEevil\C2\A0\E2\80\8B`:    cn(utf8String, "\u202eevil\u00a0\u200b"),
		`CN=\C2\85\E2\80\A8`:                 cn(utf8String, "\u0085\u2028"),
		`CN=\#a\=\"b\"\\\ `:                  cn(utf8String, `#a="b"\ `),
		`CN=#ff`:                             cn(utf8String, "\xff"),
		`CN=#0102`:                           cn(octetString, "\x01\x02"),
		`3003020101`:                         {0x30, 3, 2, 1, 1},
		`0500`:                               {5, 0},
		`300431020500`:                       {0x30, 4, 0x31, 2, 5, 0},
		``:                                   {0x30, 0},
	} {
		if got := issuer.Display(der); got != want {
			t.Errorf("%x reads %s, want %s", der, got, want)
		}
	}
}

// FuzzName holds what comparison and display promise, whatever the octets.
func FuzzName(f *testing.F) {
	seeds := [][]byte{
		cn(utf8String, "Partner A"), cn(bmp, "\xd8\x00\x00A"), cn(universal, "\x00\x00\xd8\x00"), cn(octetString, "\x01"),
		cn(utf8String, "\u202e,\n"),
		{0x30, 0},
		{0x30, 2, 0x31, 0},
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, r := range issuer.Display(der) {
			if !unicode.IsPrint(r) {
				t.Errorf("%x displays %U", der, r)
			}
		}
		a, err := issuer.ParseName(der)
		if err != nil {
			return
		}
		if b, err := issuer.ParseName(der); err != nil || a != b {
			t.Errorf("%x is not itself", der)
		}
	})
}
