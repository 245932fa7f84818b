// Package events_test checks the sample events of this folder: that
// aws-lambda-go decodes them, that their certificates are real, and that the
// generator makes what is committed.
package events_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// at is a moment late in the validity of the certificates and of the CRL: the
// samples must stay usable for years.
var at = time.Date(2044, time.December, 1, 0, 0, 0, 0, time.UTC)

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode[T any](t *testing.T, name string) T {
	t.Helper()
	var event T
	if err := json.Unmarshal(read(t, name), &event); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return event
}

// request is what the three forms have in common.
type request struct {
	version, kind, arn, path, id, domain                    string
	pem, subject, issuer, serialNumber, notBefore, notAfter string
}

// forms decode an event of each form with aws-lambda-go's own type.
var forms = map[string]func(t *testing.T, name string) request{
	"rest": func(t *testing.T, name string) request {
		e := decode[events.APIGatewayCustomAuthorizerRequestTypeRequest](t, name)
		c := e.RequestContext.Identity.ClientCert
		return request{
			"", e.Type, e.MethodArn, e.Path, e.PathParameters["id"], e.MultiValueHeaders["Host"][0],
			c.ClientCertPem, c.SubjectDN, c.IssuerDN, c.SerialNumber, c.Validity.NotBefore, c.Validity.NotAfter,
		}
	},
	"http1": func(t *testing.T, name string) request {
		e := decode[events.APIGatewayV2CustomAuthorizerV1Request](t, name)
		c := e.RequestContext.Identity.ClientCert
		return request{
			e.Version, e.Type, e.MethodArn, e.Path, e.PathParameters["id"], e.Headers["Host"],
			c.ClientCertPem, c.SubjectDN, c.IssuerDN, c.SerialNumber, c.Validity.NotBefore, c.Validity.NotAfter,
		}
	},
	"http2": func(t *testing.T, name string) request {
		e := decode[events.APIGatewayV2CustomAuthorizerV2Request](t, name)
		c := e.RequestContext.Authentication.ClientCert
		return request{
			e.Version, e.Type, e.RouteArn, e.RawPath, e.PathParameters["id"], e.RequestContext.DomainName,
			c.ClientCertPem, c.SubjectDN, c.IssuerDN, c.SerialNumber, c.Validity.NotBefore, c.Validity.NotAfter,
		}
	},
}

func parse(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 {
		return nil, fmt.Errorf("%q is not one PEM certificate", text)
	}
	return x509.ParseCertificate(block.Bytes)
}

func samplePKI(t *testing.T) (*x509.Certificate, *x509.RevocationList) {
	t.Helper()
	ca, err := parse(string(read(t, "pki/issuers/partner-a.pem")))
	if err != nil {
		t.Fatal(err)
	}
	crl, err := x509.ParseRevocationList(read(t, "pki/crls/partner-a.crl"))
	if err != nil {
		t.Fatal(err)
	}
	return ca, crl
}

func TestCRLIsTheCAsAndStaysCurrent(t *testing.T) {
	ca, crl := samplePKI(t)
	if err := crl.CheckSignatureFrom(ca); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(crl.RawIssuer, ca.RawSubject) || crl.Number == nil || at.After(crl.NextUpdate) {
		t.Errorf("issuer %s, number %v, nextUpdate %v", crl.Issuer, crl.Number, crl.NextUpdate)
	}
}

func TestRequestEvents(t *testing.T) {
	ca, crl := samplePKI(t)
	for form, decode := range forms {
		version := map[string]string{"rest": "", "http1": "1.0", "http2": "2.0"}[form]
		for _, kind := range []string{"good", "revoked", "no-certificate", "malformed"} {
			t.Run(form+" "+kind, func(t *testing.T) {
				name := form + "-" + kind + ".json"
				r := decode(t, name)
				if r.version != version || r.kind != "REQUEST" || r.path != "/orders/17" || r.id != "17" ||
					!strings.HasPrefix(r.arn, "arn:aws:execute-api:eu-west-1:111122223333:") || !strings.HasSuffix(r.arn, "/GET/orders/17") {
					t.Errorf("not the request that every event tells of: %+v", r)
				}
				if direct := strings.Contains(r.domain, ".execute-api."); direct != (kind == "no-certificate") {
					t.Errorf("domain name %q", r.domain)
				}
				certificate, err := parse(r.pem)
				switch kind {
				case "no-certificate":
					if r.pem != "" || bytes.Contains(read(t, name), []byte("clientCert")) {
						t.Error("there is a certificate")
					}
				case "malformed":
					if err == nil || r.pem == "" || r.serialNumber == "" {
						t.Errorf("the certificate parses, or there is none: %v", err)
					}
				default:
					if err != nil {
						t.Fatal(err)
					}
					checkCertificate(t, ca, certificate, r)
					if text := string(read(t, "pki/clients/"+kind+".pem")); text != r.pem {
						t.Errorf("clientCertPem is not pki/clients/%s.pem", kind)
					}
					listed := slices.ContainsFunc(crl.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
						return e.SerialNumber.Cmp(certificate.SerialNumber) == 0
					})
					if listed != (kind == "revoked") {
						t.Errorf("listed in the CRL: %v", listed)
					}
				}
			})
		}
	}
}

// checkCertificate compares the certificate with the CA and with what the
// event says of it.
func checkCertificate(t *testing.T, ca, certificate *x509.Certificate, r request) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err := certificate.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		t.Error(err)
	}
	const layout = "Jan _2 15:04:05 2006 GMT"
	for what, pair := range map[string][2]string{
		"serialNumber": {r.serialNumber, strings.ReplaceAll(fmt.Sprintf("% x", certificate.SerialNumber.Bytes()), " ", ":")},
		"subjectDN":    {r.subject, dn(certificate.Subject.ToRDNSequence().String())},
		"issuerDN":     {r.issuer, dn(certificate.Issuer.ToRDNSequence().String())},
		"notBefore":    {r.notBefore, certificate.NotBefore.Format(layout)},
		"notAfter":     {r.notAfter, certificate.NotAfter.Format(layout)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, the certificate says %q", what, pair[0], pair[1])
		}
	}
}

// dn turns Go's order of a name, that of RFC 2253, into the certificate's.
func dn(text string) string {
	parts := regexp.MustCompile(`(?:\\.|[^,])+`).FindAllString(text, -1)
	slices.Reverse(parts)
	return strings.Join(parts, ",")
}

func TestS3Events(t *testing.T) {
	type object struct {
		event, key string
		size       int64
	}
	size := int64(len(read(t, "pki/crls/partner-a.crl")))
	for name, want := range map[string][]object{
		"s3-put.json":        {{"ObjectCreated:Put", "crls/partner-a.crl", size}},
		"s3-delete.json":     {{"ObjectRemoved:DeleteMarkerCreated", "crls/partner-a.crl", 0}},
		"s3-test-event.json": nil,
		"s3-two-records-encoded-key.json": {
			{"ObjectCreated:Put", "crls/Partner B (EU)+1.crl", size},
			{"ObjectCreated:Put", "issuers/café.pem", size},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []object
			var last string
			for _, r := range decode[events.S3Event](t, name).Records {
				o := r.S3.Object
				got = append(got, object{r.EventName, o.URLDecodedKey, o.Size})
				if r.EventSource != "aws:s3" || r.S3.Bucket.Name == "" || r.EventTime.IsZero() || o.ETag == "" || o.VersionID == "" || o.Sequencer <= last {
					t.Errorf("record lacks something: %+v", r)
				}
				last = o.Sequencer
			}
			if !slices.Equal(got, want) {
				t.Errorf("records %v, want %v", got, want)
			}
		})
	}
	test := decode[map[string]string](t, "s3-test-event.json")
	if test["Event"] != "s3:TestEvent" || test["Service"] != "Amazon S3" || test["Bucket"] == "" {
		t.Errorf("test event %v", test)
	}
}

// TestCommittedEventsAreWhatTheGeneratorMakes compares everything but keys and
// what depends on them.
func TestCommittedEventsAreWhatTheGeneratorMakes(t *testing.T) {
	out := t.TempDir()
	generate := exec.Command("go", "run", "./events/generate", "-o", out)
	generate.Dir = ".."
	if msg, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("go run ./events/generate: %v\n%s", err, msg)
	}
	keys := regexp.MustCompile(`"(clientCertPem|eTag)": "[^"]*"`)
	made, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range made {
		if f.IsDir() {
			continue
		}
		names = append(names, f.Name())
		want := keys.ReplaceAll(read(t, filepath.Join(out, f.Name())), nil)
		if !bytes.Equal(keys.ReplaceAll(read(t, f.Name()), nil), want) {
			t.Errorf("%s is not what the generator makes; run go run ./events/generate", f.Name())
		}
	}
	kept, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, kept) {
		t.Errorf("the generator makes %q, committed are %q", names, kept)
	}
}

func TestNoPrivateKeyIsKept(t *testing.T) {
	files, err := filepath.Glob("pki/*/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no file below pki: %v", err)
	}
	for _, name := range files {
		if bytes.Contains(read(t, name), []byte("PRIVATE KEY")) {
			t.Errorf("%s holds a private key", name)
		}
	}
}
