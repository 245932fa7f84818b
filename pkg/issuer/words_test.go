package issuer_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/crlgate/crlgate/pkg/issuer"
)

func TestWordsOfACanonicalName(t *testing.T) {
	der := func(n pkix.Name) []byte {
		b, err := asn1.Marshal(n.ToRDNSequence())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		name []byte
		want string
	}{
		{der(pkix.Name{CommonName: "Issuing  CA", Organization: []string{"Partner, A"}}), `CN=issuing ca,O=partner\, a`},
		{cn(asn1.TagUTF8String, "É\n"), `CN=é`},
		{cn(asn1.TagOctetString, "\xff"), `CN=#ff`},
		{der(pkix.Name{}), ""},
	} {
		n, err := issuer.ParseName(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Words(); got != c.want {
			t.Errorf("%s: %q, want %q", issuer.Display(c.name), got, c.want)
		}
	}
	for _, broken := range []issuer.Name{"x", "\xff\xff\xff\xff", "\x00\x00\x00\x01", "\x00\x00\x00\x02ab"} {
		_ = broken.Words() // it comes to an end
	}
}
