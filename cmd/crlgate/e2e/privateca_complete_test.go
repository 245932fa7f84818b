package e2e

import (
	"net/http"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/template"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestAWSPrivateCAComplete uploads what AWS Private CA writes with complete CRLs,
// and then after the CA was changed to partitioned ones, on a stack that runs by
// the template of the example: the complete CRL lies under crl/<CA-ID>.crl, the
// partitions under keys of their own, each a GUID.
func TestAWSPrivateCAComplete(t *testing.T) {
	t.Parallel()
	gate, err := template.Read("../../../infra/testdata/example.template.json")
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, stack.Config{Template: gate, Authorizer: map[string]string{"REVALIDATE_AFTER": "0"}})
	ca := newCA(t, "private-ca")
	const (
		complete  = "crl/b6d2fc2b-0f5c-4a5c-8f3b-6f3a2c6a7e10.crl"
		partition = "crl/4f1d6a0e-7c1f-4a1e-9d53-0a8f1c2b3d4e.crl"
		host      = "http://my-crl-bucket.s3.us-east-1.amazonaws.com/"
	)
	issue := func(name, key string) *pki.Leaf {
		return ca.issueWith(name, pki.LeafOptions{CRLDistributionPoints: []string{host + key}})
	}
	w.put("acm-pca-permission-test-key", []byte("This is a test"))
	w.trust(ca)
	good, revoked, later := issue("good", complete), issue("revoked", complete), issue("revoked later", complete)
	plain := ca.issue("without CDP") // a CA may leave the extension out
	ca.revoke(revoked)
	w.upload(complete, ca.crl(nil), preprocess.OutcomeAccepted)
	w.expect(good, http.StatusOK, "good")
	w.expect(plain, http.StatusOK, "good")
	w.expect(revoked, http.StatusForbidden, "revoked")
	ca.revoke(later)
	w.upload(complete, ca.crl(nil), preprocess.OutcomeAccepted)
	w.expect(later, http.StatusForbidden, "revoked")

	// Certificates that name a partition: the complete CRL speaks of them too,
	// and either may revoke them.
	young, dropped := issue("of a partition", partition), issue("revoked in a partition", partition)
	w.expect(young, http.StatusOK, "good")
	entries := ca.entries
	ca.entries = nil
	ca.revoke(dropped)
	w.upload(partition, ca.crl(func(o *pki.CRLOptions) { o.IDP = &pki.IDP{FullNames: []string{host + partition}} }), preprocess.OutcomeAccepted)
	w.expect(dropped, http.StatusForbidden, "revoked")
	w.expect(young, http.StatusOK, "good")
	w.expect(revoked, http.StatusForbidden, "revoked")
	ca.entries = entries
	w.upload(complete, ca.crl(nil), preprocess.OutcomeAccepted)
	w.expect(dropped, http.StatusForbidden, "revoked")

	w.drain()
	if l := w.logged("acm-pca-permission-test-key"); l != "" {
		t.Errorf("the preprocessor was told of the permission test: %s", l)
	}
	if f := w.Failures(); len(f) > 0 {
		t.Errorf("the failure queue holds %s", f[0])
	}
}
