package gateway

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

func TestNameText(t *testing.T) {
	oid := func(arcs ...int) asn1.ObjectIdentifier { return arcs }
	one := func(id asn1.ObjectIdentifier, value any) pkix.RelativeDistinguishedNameSET {
		return pkix.RelativeDistinguishedNameSET{{Type: id, Value: value}}
	}
	for want, name := range map[string]pkix.RDNSequence{
		"":                          {},
		"C=US,ST=WA,CN=x":           {one(oid(2, 5, 4, 6), "US"), one(oid(2, 5, 4, 8), "WA"), one(oid(2, 5, 4, 3), "x")},
		"DC=example,DC=com":         {one(oid(0, 9, 2342, 19200300, 100, 1, 25), "example"), one(oid(0, 9, 2342, 19200300, 100, 1, 25), "com")},
		`CN=\ a\,b\+c\"d\\e\<f\>\;`: {one(oid(2, 5, 4, 3), ` a,b+c"d\e<f>;`)},
		`CN=\#1\ `:                  {one(oid(2, 5, 4, 3), "#1 ")},
		`CN=a\00b`:                  {one(oid(2, 5, 4, 3), "a\x00b")},
		"1.2.3=x":                   {one(oid(1, 2, 3), "x")},
		"1.2.3=#020105":             {one(oid(1, 2, 3), 5)},
		"CN=a+OU=b":                 {{{Type: oid(2, 5, 4, 3), Value: "a"}, {Type: oid(2, 5, 4, 11), Value: "b"}}},
	} {
		der, err := asn1.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := nameText(der); got != want {
			t.Errorf("name is %q, want %q", got, want)
		}
	}
	if got := nameText([]byte{0x30, 0x01}); got != "#3001" {
		t.Errorf("an undecodable name is %q, want its hex", got)
	}
}
