package e2e

import (
	"net/http"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestAWSPrivateCA uploads what AWS Private CA writes: partitioned CRLs under
// crl/<id>.crl, each with a critical IDP that is the CDP of the certificates it
// speaks of, and the object with which the service tries its permission
// (https://docs.aws.amazon.com/privateca/latest/userguide/crl-planning.html).
func TestAWSPrivateCA(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Config{})
	ca := newCA(t, "private-ca")
	const host = "http://my-crl-bucket.s3.us-east-1.amazonaws.com/"
	keys := []string{"crl/b6d2fc2b-0f5c-4a5c-8f3b-6f3a2c6a7e10.crl", "crl/4f1d6a0e-7c1f-4a1e-9d53-0a8f1c2b3d4e.crl"}
	issue := func(name, uri string) *pki.Leaf {
		return ca.issueWith(name, pki.LeafOptions{CRLDistributionPoints: []string{uri}})
	}
	w.put("crl/acm-pca-permission-test-key", []byte("This is a test"))
	w.trust(ca)
	var good, revoked []*pki.Leaf
	for _, key := range keys {
		good = append(good, issue("good", host+key))
		revoked = append(revoked, issue("revoked", host+key))
	}
	elsewhere, nowhere := issue("of a partition without CRL", host+"crl/other.crl"), ca.issue("without CDP")
	for i, key := range keys {
		w.expect(good[i], http.StatusForbidden, map[int]string{0: "no_crl", 1: "out_of_scope"}[i])
		w.upload(key, ca.crl(func(o *pki.CRLOptions) {
			o.IDP = &pki.IDP{FullNames: []string{host + key}}
			o.Entries = []pki.Entry{{Serial: revoked[i].Certificate.SerialNumber, Reason: pki.Superseded}}
		}), preprocess.OutcomeAccepted)
		w.expect(good[i], http.StatusOK, "good")
		w.expect(revoked[i], http.StatusForbidden, "revoked")
	}
	w.expect(elsewhere, http.StatusForbidden, "out_of_scope")
	w.expect(nowhere, http.StatusForbidden, "out_of_scope")
	w.expect(issue("of both", host+keys[0]), http.StatusOK, "good")

	w.awaitLog("ignored", "crl/acm-pca-permission-test-key")
	w.drain()
	if r, err := preprocess.ReadReport(t.Context(), w.Cache, "crl/acm-pca-permission-test-key"); err != nil || r != nil {
		t.Errorf("a report on the permission test: %+v, %v", r, err)
	}
	if f := w.Failures(); len(f) > 0 {
		t.Errorf("the failure queue holds %s", f[0])
	}
}
