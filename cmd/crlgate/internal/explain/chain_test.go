package explain

import (
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/clientcert"
)

// TestWordsOnCACertificates: why the status of a CA's own certificate is not known is
// said of it.
func TestWordsOnCACertificates(t *testing.T) {
	root := pkitest.CA(t, pki.CAOptions{})
	// A distribution point for no reason at all, which crypto/x509 passes over.
	unreadable := pkitest.CA(t, pki.CAOptions{Parent: root, RawCDP: []byte{0x30, 6, 0x30, 4, 0x81, 2, 0, 0}})
	_, why := clientcert.Parse(unreadable.Certificate.Raw)
	if why == nil {
		t.Fatal("the certificate can be read")
	}
	for name, tt := range map[string]struct {
		ca    *pki.CA
		above bool // the root is in the catalog
		want  string
	}{
		"cannot be read":           {unreadable, true, why.Error() + ", so that its status is not known"},
		"no issuer":                {pkitest.CA(t, pki.CAOptions{Parent: root}), false, "its issuer is not in the catalog, so that its status is not known"},
		"its issuer without a CRL": {pkitest.CA(t, pki.CAOptions{Parent: root}), true, "CA root has no CRL"},
		"a root":                   {root, false, "a root: its own key signed it, and trust begins with it"},
	} {
		w := emptyWorld(t, 0)
		if tt.above {
			w.put("issuers/root.pem", root.PEM())
		}
		w.put("issuers/ca.pem", tt.ca.PEM())
		r := agree(t, name, w.cache, &Input{Certificate: pkitest.Leaf(t, tt.ca, pki.LeafOptions{}).DER, At: w.now})
		if len(r.Chain) != 1 || len(r.Chain[0].Certificates) != 1 || !strings.Contains(r.Chain[0].Certificates[0].Words, tt.want) {
			t.Errorf("%s: %+v, want %q", name, r.Chain, tt.want)
		}
	}
}
