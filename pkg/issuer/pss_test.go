package issuer_test

import (
	"crypto"
	"crypto/x509/pkix"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// TestPSSSalt: a CA certificate signed with RSA-PSS is as good whatever the
// length of the salt, which crypto/x509 knows one of.
func TestPSSSalt(t *testing.T) {
	root := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Root"}, Key: pki.RSA2048})
	for _, salt := range []int{0, 20, 32, 48} {
		ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "CA"}, Parent: root, SignatureAlgorithm: pki.PSS(crypto.SHA256, salt)})
		if _, verdicts, err := issuer.ParseFile("ca", ca.PEM(), issuer.Policy{}); err != nil {
			t.Errorf("salt of %d octets: %v %+v", salt, err, verdicts[0].Refusal)
		}
	}
}
