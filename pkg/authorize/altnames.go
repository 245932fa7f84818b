package authorize

import (
	"encoding/asn1"
	"encoding/hex"
	"net/netip"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// altNames returns a certificate's subject alternative names as they may stand
// in a header: kind and value of each, with commas between them. Commas,
// backslashes and what is not printable ASCII are escaped in values, so that no
// name can pass for two (CVE-2021-44532 was that). What has no text stands as #
// and its DER in hex, as RFC 4514 §2.4 writes values; a list that cannot be
// read stands so as a whole. Past 1 KiB whole names are left out, and "..." says so.
func altNames(cert *clientcert.Certificate) string {
	names, ok := cert.AltNames()
	var b bounded
	if !ok {
		b.add("#" + hex.EncodeToString(cert.SubjectAltName[:min(len(cert.SubjectAltName), maxText)]))
		return b.String()
	}
	for i, name := range names {
		text := altName(name)
		if i > 0 {
			text = "," + text
		}
		b.add(text)
	}
	return b.String()
}

// altName is one GeneralName (RFC 5280 §4.2.1.6).
func altName(name []byte) string {
	in := cryptobyte.String(name)
	var value cryptobyte.String
	var tag cbasn1.Tag
	if !in.ReadAnyASN1(&value, &tag) {
		return "#" + hex.EncodeToString(name)
	}
	context := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }
	switch tag {
	case context(1):
		return "email:" + oneName(string(value))
	case context(2):
		return "DNS:" + oneName(string(value))
	case context(4).Constructed():
		return "dirName:" + oneName(issuer.Display(value))
	case context(6):
		return "URI:" + oneName(string(value))
	case context(7):
		if ip, ok := netip.AddrFromSlice(value); ok {
			return "IP:" + ip.String()
		}
	case context(8):
		var id asn1.ObjectIdentifier
		der := append([]byte{byte(cbasn1.OBJECT_IDENTIFIER)}, name[1:]...)
		if rest, err := asn1.Unmarshal(der, &id); err == nil && len(rest) == 0 {
			return "RID:" + id.String()
		}
	}
	return "other:#" + hex.EncodeToString(name)
}

// oneName escapes what would not be part of one name.
func oneName(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > 0x20 && c < 0x7f && c != ',' && c != '\\' && c != '"' {
			b.WriteByte(c)
		} else {
			b.WriteString(escaped(c))
		}
	}
	return b.String()
}
