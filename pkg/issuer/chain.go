package issuer

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/pkg/crl"
)

// SignedBy reports whether parent issued this certificate: the names agree (RFC
// 5280 §7.1), parent may issue, and the signature verifies under its key. A
// self-signed certificate is signed by itself.
func (c *Certificate) SignedBy(parent *Certificate) bool {
	if c.Issuer != parent.Name || !parent.MayIssue {
		return false
	}
	algorithm, err := c.rawAlgorithm()
	return err == nil && parent.Signed(algorithm, c.x509.RawTBSCertificate, c.x509.Signature)
}

// SignatureAlgorithm is the algorithm that the certificate is signed with.
func (c *Certificate) SignatureAlgorithm() (crl.Algorithm, error) {
	alg, err := c.rawAlgorithm()
	if err != nil {
		return crl.Algorithm{}, err
	}
	return crl.ParseAlgorithm(alg)
}

// rawAlgorithm is the outer AlgorithmIdentifier, in DER. crypto/x509 has no name
// for RSA-PSS whose salt is not as long as the hash.
func (c *Certificate) rawAlgorithm() ([]byte, error) {
	in := cryptobyte.String(c.DER)
	var cert, alg cryptobyte.String
	if !in.ReadASN1(&cert, cbasn1.SEQUENCE) || !cert.SkipASN1(cbasn1.SEQUENCE) || !cert.ReadASN1Element(&alg, cbasn1.SEQUENCE) {
		return nil, errors.New("it names no algorithm")
	}
	return alg, nil
}
