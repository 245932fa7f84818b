package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/template"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// TestFromTemplate takes the whole path on a stack that runs by the templates
// that the CDK app and construct synthesize, and holds every S3 call that the
// functions made against the policies in the template: each is allowed, and each
// grant on S3 is used.
func TestFromTemplate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path         string
		issuers, crl string // prefixes
		forms        []gateway.Form
		authorizer   map[string]string
		observes     bool
		memory       [2]int // MB of the authorizer and the preprocessor
	}{
		"example":       {"infra/testdata/example.template.json", "issuers/", "crls/", []gateway.Form{gateway.REST, gateway.HTTP2}, nil, false, [2]int{512, 1769}},
		"gate alone":    {"infra/testdata/gate.template.json", "issuers/", "crls/", allForms, nil, false, [2]int{512, 1769}},
		"everything on": {"infra/gate/testdata/full.template.json", "cas/", "lists/", allForms, nil, true, [2]int{1024, 3008}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate, err := template.Read("../../../" + test.path)
			if err != nil {
				t.Fatal(err)
			}
			ca := newCA(t, "alpha")
			c := stack.Config{Template: gate, Authorizer: test.authorizer, ProxyCache: true, ProxyPreprocessor: true, ProxyTruststore: true, ProxyFetcher: gate.Fetcher != nil, Preprocessor: map[string]string{}, Truststore: map[string]string{}}
			if gate.Preprocessor.Environment["PINNED_ISSUERS"] != "" {
				pin := sha256.Sum256(ca.Certificate.Raw)
				c.Preprocessor["PINNED_ISSUERS"] = hex.EncodeToString(pin[:])
				c.Truststore["PINNED_ISSUERS"] = c.Preprocessor["PINNED_ISSUERS"]
			}
			p := templatePath{start(t, c), ca, test.issuers, test.crl, test.observes}
			if got := slices.Sorted(maps.Keys(p.Gateways)); !slices.Equal(got, slices.Sorted(slices.Values(test.forms))) {
				t.Errorf("gateways of the forms %v, want %v", got, test.forms)
			}
			p.fetch() // before there is a catalog
			p.run()
			p.fetches()
			for i, function := range []string{"authorizer", "preprocessor"} {
				p.awaitLog(fmt.Sprintf("Memory Size: %d MB", test.memory[i]))
				p.awaitLog(`"function":"crlgate-` + function + `"`) // metrics bear Lambda's name for it
			}
			holdToPolicy(t, "the authorizer", gate.Authorizer.Policy, p.Proxy.Requests())
			holdToPolicy(t, "the preprocessor", gate.Preprocessor.Policy, p.PreprocessorProxy.Requests())
			if gate.Fetcher != nil {
				holdToPolicy(t, "the fetcher", gate.Fetcher.Policy, p.FetcherProxy.Requests())
			} else if name == "everything on" {
				t.Error("nobody fetches")
			}
			if gate.Truststore != nil {
				p.awaitLog("Memory Size: 256 MB")
				holdToPolicy(t, "the truststore's function", gate.Truststore.Policy, p.TruststoreProxy.Requests())
				holdDomainToPolicy(t, gate.Truststore.Policy, p.DomainAPI.Requests())
			} else if name != "gate alone" {
				t.Error("nobody looks after the truststore")
			}
		})
	}
}

// templatePath is the whole path on a template's stack.
type templatePath struct {
	*world
	ca           *authority
	issuers, crl string
	observes     bool // MODE=observe: what revocation would deny is let in
}

// expectAll asks every gateway until the answer is the wanted one: REVALIDATE_AFTER is
// the template's.
func (p templatePath) expectAll(leaf *pki.Leaf, reason string) {
	p.t.Helper()
	status := http.StatusForbidden
	if reason == "good" || p.observes {
		status = http.StatusOK
	}
	for form := range p.Gateways {
		var a answer
		eventually(p.t, fmt.Sprintf("%s to get %d %s (%v)", leaf.Certificate.Subject, status, reason, form), func() bool {
			a = p.getVia(form, leaf, "/payments")
			return a.is(status, reason)
		})
		if would := fmt.Sprint(a.record.Context["would_deny"]); p.observes && reason != "good" && would != "true" {
			p.t.Errorf("would_deny is %s", would)
		}
	}
}

func (p templatePath) run() {
	p.t.Helper()
	name := p.issuers + "alpha"
	// An authorizer that starts before there is a catalog, and a timer that finds nothing.
	if _, err := p.Authorizer.Invoke(p.t.Context(), []byte(`{"requestContext":{}}`)); err != nil {
		p.t.Fatal(err)
	}
	p.Deliver([]byte(preprocess.ReconcileRequest))
	p.drain()
	p.checkTruststore(true)

	// Settings and a CRL without their CA; the CA; what is no CRL; what nobody is told of.
	good, revoked, later := p.ca.issue("good"), p.ca.issue("revoked"), p.ca.issue("revoked later")
	p.ca.revoke(revoked)
	p.put("elsewhere/object", []byte("of no concern"))
	p.upload(p.crl+"alpha.crl", p.ca.crl(nil), preprocess.OutcomePending)
	p.upload(name+".pem", p.ca.PEM(), preprocess.OutcomeAccepted)
	p.awaitTruststore(p.ca)
	p.upload(name+".json", []byte(`{"grace":"1h"}`), preprocess.OutcomeAccepted)
	p.upload(p.crl+"page.crl", []byte("<html>no CRL</html>"), preprocess.OutcomeRefused)
	p.drain()
	p.checkTruststore(false)
	p.expectAll(good, "good")
	p.expectAll(revoked, "revoked")

	// A successor, in which one serial number is new and one is gone.
	p.ca.entries = nil
	p.ca.revoke(later)
	p.upload(p.crl+"alpha.crl", p.ca.crl(nil), preprocess.OutcomeAccepted)
	p.expectAll(later, "revoked")
	p.expectAll(revoked, "good")
	p.awaitLog("compared with the CRL before", `"added":1`, `"vanished":1`)

	p.partitions()

	// A CRL that goes, lost events, and an issuer that goes.
	if err := p.Uploads.Delete(p.t.Context(), p.crl+"alpha.crl", objectstore.DeleteOptions{}); err != nil {
		p.t.Fatal(err)
	}
	p.awaitLog("deleted", p.crl+"alpha.crl")
	young := p.PreprocessorProxy.Inject(s3proc.Any, s3proc.Aged(time.Now(), 30*24*time.Hour))
	p.Deliver([]byte(preprocess.ReconcileRequest))
	p.drain()
	young()
	p.checkTruststore(false)
	p.awaitLog("object swept", "sets/")
	p.awaitLog("object swept", "catalog/generations/")
	if l := p.logged("elsewhere/object"); l != "" {
		p.t.Errorf("the preprocessor was told of an object outside the prefixes: %s", l)
	}
	if f := p.Failures(); len(f) > 0 {
		p.t.Errorf("the failure queue holds %s", f[0])
	}
}

// partitions uploads so many partitions that the catalog is kept in parts.
func (p templatePath) partitions() {
	p.t.Helper()
	point := func(i int) string { return fmt.Sprintf("http://crl.example.com/partition-%d.crl", i) }
	const partitions = 34
	issue := func(name string, i int) *pki.Leaf {
		return p.ca.issueWith(name, pki.LeafOptions{CRLDistributionPoints: []string{point(i)}})
	}
	leaf, gone := issue("of a partition", 7), issue("revoked in a partition", 7)
	for i := range partitions {
		prefix := []string{p.crl, "crl/"}[i%2] // AWS Private CA writes under crl/
		p.upload(fmt.Sprintf("%spartition-%d.crl", prefix, i), p.ca.crl(func(o *pki.CRLOptions) {
			o.IDP = &pki.IDP{FullNames: []string{point(i)}}
			o.Entries = nil
			if i == 7 {
				o.Entries = []pki.Entry{{Serial: gone.Certificate.SerialNumber, Reason: pki.Superseded}}
			}
		}), preprocess.OutcomeAccepted)
	}
	p.expectAll(gone, "revoked")
	p.expectAll(leaf, "good")
}

// holdToPolicy holds calls against a policy: each is allowed, and each grant is
// used by one.
func holdToPolicy(t *testing.T, who string, policy template.Policy, requests []s3proc.Request) {
	t.Helper()
	used := map[template.Grant]bool{}
	said := map[string]bool{}
	for _, r := range requests {
		calls, err := callsOf(r)
		if err != nil {
			t.Errorf("%s: %v", who, err)
		}
		for _, c := range calls {
			by, err := policy.Evaluate(c)
			if err != nil {
				t.Fatal(err)
			}
			if what := c.Action + " on " + c.Resource; len(by) == 0 && !said[what] {
				said[what] = true
				t.Errorf("%s made a call that its policy does not allow: %s, prefix %q", who, what, c.Context["s3:prefix"])
			}
			for _, grant := range by {
				used[grant] = true
			}
		}
	}
	if len(requests) < 5 {
		t.Errorf("%s made %d calls: this says little", who, len(requests))
	}
	grants := policy.Grants("s3")
	if len(grants) < 4 {
		t.Errorf("%s has %d grants on S3: this says little", who, len(grants))
	}
	for _, grant := range grants {
		if !used[grant] {
			t.Errorf("%s is granted what no call used: %+v", who, grant)
		}
	}
}

// callsOf maps a request to the actions that IAM asks for (Amazon S3 User Guide,
// "Required permissions for Amazon S3 API operations").
func callsOf(r s3proc.Request) ([]template.Call, error) {
	bucket := "arn:aws:s3:::" + r.Bucket
	call := func(action, resource string) template.Call {
		return template.Call{Action: action, Resource: resource, Context: map[string]string{
			"aws:ResourceAccount": template.Account, "aws:SecureTransport": "true", "s3:TlsVersion": "1.3",
		}}
	}
	object := bucket + "/" + r.Key
	var calls []template.Call
	switch {
	case r.Key == "" && r.Method == http.MethodGet && r.Query.Get("list-type") == "2":
		list := call("s3:ListBucket", bucket)
		if r.Query.Has("prefix") {
			list.Context["s3:prefix"] = r.Query.Get("prefix")
		}
		return append(calls, list), nil
	case r.Key != "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) && len(subresources(r)) == 0:
		action := "s3:GetObject"
		if r.Query.Has("versionId") {
			action = "s3:GetObjectVersion"
		}
		calls = append(calls, call(action, object))
		if r.Status == http.StatusNotFound {
			calls = append(calls, call("s3:ListBucket", bucket)) // without it S3 says 403
		}
		return calls, nil
	case r.Key != "" && r.Method == http.MethodDelete && len(subresources(r)) == 0:
		return append(calls, call("s3:DeleteObject", object)), nil
	case r.Key != "" && r.Method == http.MethodPut && len(subresources(r)) == 0:
		calls = append(calls, call("s3:PutObject", object))
		if r.IfMatch != "" {
			calls = append(calls, call("s3:GetObject", object))
		}
		return calls, nil
	}
	return nil, fmt.Errorf("%s /%s/%s?%s: nobody has said which actions this takes", r.Method, r.Bucket, r.Key, r.Query.Encode())
}

// subresources are the parameters of a request that make it about something
// else than the object.
func subresources(r s3proc.Request) (out []string) {
	for name := range r.Query {
		if name != "x-id" && name != "versionId" && !strings.HasPrefix(name, "response-") {
			out = append(out, name)
		}
	}
	return out
}
