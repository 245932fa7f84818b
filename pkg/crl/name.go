package crl

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// exactName reports whether der is exactly one Name (RFC 5280 §4.1.2.4) in
// exact DER. What the attributes say, and what they equal, is for package
// issuer.
func exactName(der []byte) bool {
	in, rdns := cryptobyte.String(der), cryptobyte.String(nil)
	if !exactDER(der) || !in.ReadASN1(&rdns, cbasn1.SEQUENCE) {
		return false
	}
	for !rdns.Empty() {
		var rdn cryptobyte.String
		if !rdns.ReadASN1(&rdn, cbasn1.SET) || !exactRDN(rdn) {
			return false
		}
	}
	return true
}

// exactRDN reports whether contents are those of a RelativeDistinguishedName:
// SET SIZE (1..MAX) OF AttributeTypeAndValue.
func exactRDN(contents cryptobyte.String) bool {
	if contents.Empty() {
		return false
	}
	for !contents.Empty() {
		var pair, id cryptobyte.String // what is left of pair behind the identifier is the value
		if !contents.ReadASN1(&pair, cbasn1.SEQUENCE) || !pair.ReadASN1(&id, cbasn1.OBJECT_IDENTIFIER) || !exactID(id) || !exactDER(pair) {
			return false
		}
	}
	return true
}

// generalName reports whether der is exactly one element with a tag of the CHOICE
// GeneralName (RFC 5280 §4.2.1.6), in exact DER.
func generalName(der []byte) bool {
	if !exactDER(der) {
		return false
	}
	switch der[0] {
	case 0xa4: // directoryName [4], EXPLICIT since Name is a CHOICE
		in, name := cryptobyte.String(der), cryptobyte.String(nil)
		return in.ReadASN1(&name, cbasn1.Tag(4).ContextSpecific().Constructed()) && exactName(name)
	case 0xa0, 0xa3, 0xa5, // otherName, x400Address, ediPartyName
		0x81, 0x82, 0x86, 0x87, 0x88: // rfc822Name, dNSName, URI, iPAddress, registeredID
		return true
	}
	return false
}
