package main

import (
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"

	"github.com/crlgate/crlgate/internal/pki"
)

// The CRL has the validity of the certificates, twenty years, so that the
// events stay usable; a CA's CRL usually lasts days.
var thisUpdate, nextUpdate = pki.DefaultNotBefore, pki.DefaultNotAfter

// Serials of the two client certificates. The revoked one begins with an octet
// of 0x80 or more, so that its encoding has a leading zero.
const (
	goodSerial    = "4f3c1d08a97be6524d10c83f5a2e9b71"
	revokedSerial = "d2a1906b7c34ef5518b40f9a3dce6672"
)

const (
	caDN      = "C=US,O=Partner A\\, Inc.,CN=Partner A Issuing CA"
	goodDN    = "C=US,O=Partner A\\, Inc.,OU=Orders,CN=client-1.partner-a.example"
	revokedDN = "C=US,O=Partner A\\, Inc.,OU=Orders,CN=client-2.partner-a.example"
)

type samplePKI struct {
	ca            *pki.CA
	good, revoked client
	crl           []byte
}

// client is a client certificate as events tell of it.
type client struct {
	leaf *pki.Leaf
	cert clientCert
}

func newPKI() (*samplePKI, error) {
	subject, err := name(caDN)
	if err != nil {
		return nil, err
	}
	ca, err := pki.NewCA(pki.CAOptions{RawSubject: subject, Key: pki.RSA2048})
	if err != nil {
		return nil, err
	}
	p := &samplePKI{ca: ca}
	if p.good, err = newClient(ca, goodDN, goodSerial); err != nil {
		return nil, err
	}
	if p.revoked, err = newClient(ca, revokedDN, revokedSerial); err != nil {
		return nil, err
	}
	p.crl, err = ca.CRL(pki.CRLOptions{
		Number: big.NewInt(1042), ThisUpdate: thisUpdate, NextUpdate: nextUpdate,
		Entries: []pki.Entry{
			{Serial: serial("0a1b2c3d4e5f60718293a4b5c6d7e8f9"), Reason: pki.Superseded},
			{Serial: serial(revokedSerial), Reason: pki.KeyCompromise},
			{Serial: serial("71000000000000000000000000000001")},
		},
	})
	return p, err
}

func newClient(ca *pki.CA, dn, serialNumber string) (client, error) {
	subject, err := name(dn)
	if err != nil {
		return client{}, err
	}
	leaf, err := ca.Issue(pki.LeafOptions{RawSubject: subject, Serial: serial(serialNumber), Key: pki.RSA2048})
	if err != nil {
		return client{}, err
	}
	var pairs []string
	for i := 0; i < len(serialNumber); i += 2 {
		pairs = append(pairs, serialNumber[i:i+2])
	}
	const layout = "Jan _2 15:04:05 2006 GMT"
	return client{leaf: leaf, cert: clientCert{
		ClientCertPem: string(leaf.PEM()),
		SubjectDN:     dn,
		IssuerDN:      caDN,
		SerialNumber:  strings.Join(pairs, ":"),
		Validity: validity{
			NotBefore: leaf.Certificate.NotBefore.Format(layout),
			NotAfter:  leaf.Certificate.NotAfter.Format(layout),
		},
	}}, nil
}

// name encodes a DN that is written as events have it: RDNs in the order of
// the certificate, commas within a value behind a backslash.
func name(dn string) ([]byte, error) {
	types := map[string]asn1.ObjectIdentifier{
		"C": pki.OIDCountry, "O": pki.OIDOrganization, "OU": pki.OIDOrganizationalUnit, "CN": pki.OIDCommonName,
	}
	const comma = "\x00"
	var rdns [][]pki.Attribute
	for rdn := range strings.SplitSeq(strings.ReplaceAll(dn, `\,`, comma), ",") {
		key, value, _ := strings.Cut(rdn, "=")
		oid, ok := types[key]
		if !ok {
			return nil, fmt.Errorf("name %q: attribute type %q is not known here", dn, key)
		}
		a := pki.Attribute{Type: oid, Value: strings.ReplaceAll(value, comma, ",")}
		if key == "C" {
			a.Tag = asn1.TagPrintableString // RFC 5280 appendix A: countryName is a PrintableString
		}
		rdns = append(rdns, []pki.Attribute{a})
	}
	return pki.RawName(rdns...)
}

func serial(hex string) *big.Int {
	n, ok := new(big.Int).SetString(hex, 16)
	if !ok {
		panic("serial " + hex + " is not hexadecimal")
	}
	return n
}

func (p *samplePKI) files() map[string][]byte {
	return map[string][]byte{
		"pki/issuers/partner-a.pem": p.ca.PEM(),
		"pki/crls/partner-a.crl":    p.crl,
		"pki/clients/good.pem":      p.good.leaf.PEM(),
		"pki/clients/revoked.pem":   p.revoked.leaf.PEM(),
	}
}
