package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/crlgate/crlgate/internal/pki"
)

// authorities are the CAs of the corpus, by the name of their issuers file.
type authorities struct {
	ca map[string]*pki.CA
	// with holds CAs whose certificates stand in a file after the first one's.
	with map[string][]*pki.CA
}

func newAuthorities() (*authorities, error) {
	a := &authorities{ca: make(map[string]*pki.CA), with: make(map[string][]*pki.CA)}
	for name, o := range map[string]pki.CAOptions{
		"ca":            {},
		"p384":          {Key: pki.P384},
		"p521":          {Key: pki.P521},
		"rsa":           {Key: pki.RSA2048},
		"ed25519":       {Key: pki.Ed25519},
		"other":         {},
		"no_crlsign":    {KeyUsage: x509.KeyUsageCertSign},
		"no_key_usage":  {NoKeyUsage: true},
		"no_key_id":     {NoSubjectKeyID: true},
		"two_keys":      {},
		"crl_signer":    {KeyUsage: x509.KeyUsageCertSign},
		"printable_ca":  {RawSubject: mustName(asn1.TagPrintableString, "Crlgate Test CA printable")},
		"multivalue_ca": {RawSubject: mustMultiName()},
	} {
		if o.RawSubject == nil {
			o.Name = testName("Test CA " + name)
		}
		if err := a.add(name, o); err != nil {
			return nil, err
		}
	}
	// A second key under the same name, as after a rollover, and a certificate
	// that may sign CRLs and nothing else.
	for name, o := range map[string]pki.CAOptions{
		"two_keys":   {},
		"crl_signer": {NotCA: true, KeyUsage: x509.KeyUsageCRLSign},
	} {
		o.RawSubject = a.ca[name].Name()
		o.SerialNumber = big.NewInt(2)
		second, err := pki.NewCA(o)
		if err != nil {
			return nil, err
		}
		a.with[name] = append(a.with[name], second)
	}
	return a, a.addChain()
}

func testName(cn string) pkix.Name {
	return pkix.Name{Organization: []string{"Crlgate Test"}, CommonName: cn}
}

func (a *authorities) add(name string, o pki.CAOptions) error {
	o.SerialNumber = big.NewInt(1)
	ca, err := pki.NewCA(o)
	if err != nil {
		return fmt.Errorf("issuer %s: %w", name, err)
	}
	a.ca[name] = ca
	return nil
}

// files returns the contents of the issuers files.
func (a *authorities) files() map[string][]byte {
	m := make(map[string][]byte)
	for name, ca := range a.ca {
		m[name] = pki.PEM(append([]*pki.CA{ca}, a.with[name]...)...)
	}
	return m
}

// mustName returns a name of one common name in the given string type.
func mustName(tag int, commonName string) []byte {
	return must(pki.RawName([]pki.Attribute{{Type: pki.OIDCommonName, Tag: tag, Value: commonName}}))
}

// mustMultiName returns a name with an RDN of two attributes, in DER's order
// for a SET OF.
func mustMultiName() []byte {
	return must(pki.RawName(
		[]pki.Attribute{{Type: pki.OIDOrganization, Value: "Crlgate Test"}},
		[]pki.Attribute{
			{Type: pki.OIDCommonName, Value: "Multi"},
			{Type: pki.OIDOrganizationalUnit, Value: "Unit"},
		}))
}

// must is for encodings of constants, which cannot fail.
func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
