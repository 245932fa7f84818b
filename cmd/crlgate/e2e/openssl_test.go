package e2e

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/openssltest"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// opensslCA is a CA that openssl keeps, in a folder of its own.
type opensslCA struct {
	openssltest.Folder
	t    *testing.T
	name string
	sign []string // options for signing CRLs
	cdp  string   // URI of the CRL distribution point; "": none
}

const opensslConfig = `
[ca]
default_ca = this
[this]
dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = default
default_days = 365
default_crl_days = 30
policy = any
unique_subject = no
x509_extensions = leaf
crl_extensions = crl
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid:always
%s
[crl]
authorityKeyIdentifier = keyid:always
%s
[point]
fullname = URI:%[3]s
`

func newOpenSSLCA(t *testing.T, name, cdp string, key, sign []string) *opensslCA {
	t.Helper()
	ca := &opensslCA{Folder: openssltest.New(t), t: t, name: name, sign: sign, cdp: cdp}
	leaf, crl, uri := "", "", "http://unused.example/"
	if cdp != "" {
		leaf, crl, uri = "crlDistributionPoints = URI:"+cdp, "issuingDistributionPoint = critical,@point", cdp
	}
	ca.Write("ca.cnf", fmt.Appendf(nil, opensslConfig, leaf, crl, uri))
	ca.Write("index.txt", nil)
	ca.Write("serial", []byte("1000\n"))
	ca.Write("crlnumber", []byte("01\n"))
	ca.Run(append([]string{"genpkey", "-out", "ca.key"}, key...)...)
	ca.Run("req", "-x509", "-new", "-config", "ca.cnf", "-extensions", "root", "-key", "ca.key", "-days", "3650", "-subj", "/O=crlgate e2e/CN=openssl "+name, "-out", "ca.pem")
	return ca
}

func (ca *opensslCA) read(name string) []byte {
	ca.t.Helper()
	return must[[]byte](ca.t, "reading what openssl wrote")(os.ReadFile(ca.Path(name)))
}

func (ca *opensslCA) der(name string) []byte {
	ca.t.Helper()
	block, _ := pem.Decode(ca.read(name))
	if block == nil {
		ca.t.Fatalf("%s is not PEM", name)
	}
	return block.Bytes
}

func (ca *opensslCA) signer(name string) crypto.Signer {
	ca.t.Helper()
	key := must[any](ca.t, "reading a key")(x509.ParsePKCS8PrivateKey(ca.der(name)))
	return key.(crypto.Signer)
}

// authority returns the CA in the form that the other helpers know.
func (ca *opensslCA) authority() *authority {
	ca.t.Helper()
	der := ca.der("ca.pem")
	cert := must[*x509.Certificate](ca.t, "reading a certificate")(x509.ParseCertificate(der))
	return &authority{t: ca.t, name: ca.name, CA: &pki.CA{DER: der, Certificate: cert, Key: ca.signer("ca.key"), SubjectKeyID: cert.SubjectKeyId}}
}

// issue has openssl issue a client certificate, which lies in name.pem.
func (ca *opensslCA) issue(name string) *pki.Leaf {
	ca.t.Helper()
	ca.Run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name+".key")
	ca.Run("req", "-new", "-config", "ca.cnf", "-key", name+".key", "-subj", "/CN="+name, "-out", name+".csr")
	ca.Run("ca", "-batch", "-notext", "-config", "ca.cnf", "-in", name+".csr", "-out", name+".pem")
	der := ca.der(name + ".pem")
	cert := must[*x509.Certificate](ca.t, "reading a certificate")(x509.ParseCertificate(der))
	return &pki.Leaf{DER: der, Certificate: cert, Key: ca.signer(name + ".key"), Issuer: &pki.CA{}}
}

func (ca *opensslCA) revoke(name string) {
	ca.t.Helper()
	ca.Run("ca", "-config", "ca.cnf", "-revoke", name+".pem", "-crl_reason", "keyCompromise")
}

// crl has openssl make the next CRL, as name.crl in PEM and name.der.
func (ca *opensslCA) crl(name string) {
	ca.t.Helper()
	ca.Run(append([]string{"ca", "-config", "ca.cnf", "-gencrl", "-out", name + ".crl"}, ca.sign...)...)
	ca.Run("crl", "-in", name+".crl", "-outform", "DER", "-out", name+".der")
}

// verify asks openssl for the status of a certificate.
func (ca *opensslCA) verify(crl, cert string, at time.Time) string {
	ca.t.Helper()
	out, err := ca.Try("verify", "-attime", fmt.Sprint(at.Unix()), "-crl_check", "-CAfile", "ca.pem", "-CRLfile", crl, cert)
	switch {
	case err == nil:
		return "good"
	case strings.Contains(out, "error 23 "): // X509_V_ERR_CERT_REVOKED
		return "revoked"
	}
	return "unknown"
}

// agree holds that openssl verify and crlgate check say the same, and what.
func (ca *opensslCA) agree(want, crl, cert string, at time.Time) {
	ca.t.Helper()
	if got := ca.verify(crl, cert, at); got != want {
		ca.t.Errorf("openssl verify of %s with %s at %v: %s, want %s", cert, crl, at, got, want)
	}
	got := check(ca.t, "--issuer", ca.Path("ca.pem"), "--crl", ca.Path(crl), "--at", at.UTC().Format(time.RFC3339), ca.Path(cert))
	if text(got.Status) != want {
		ca.t.Errorf("crlgate check of %s with %s at %v: %s (%s; CRL %+v), want %s, as openssl says", cert, crl, at, text(got.Status), text(got.Reason), got.CRLs, want)
	}
}

// TestOpenSSL has openssl be the CA: its CRLs are accepted and enforced by the
// whole stack, and crlgate check answers as openssl verify does.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	rsa := []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}
	curve := func(name string) []string {
		return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + name}
	}
	for _, k := range []struct {
		name, cdp string
		key, sign []string
	}{
		{"rsa", "", rsa, nil},
		{"rsa-sha512", "", rsa, []string{"-md", "sha512"}},
		{"rsa-pss", "", rsa, []string{"-md", "sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"}},
		{"p256", "", curve("P-256"), nil},
		{"p384", "", curve("P-384"), []string{"-md", "sha384"}},
		{"p521", "", curve("P-521"), []string{"-md", "sha512"}},
		{"ed25519", "", []string{"-algorithm", "ED25519"}, nil},
		{"idp", "http://crl.example/idp.crl", curve("P-256"), nil},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			ca := newOpenSSLCA(t, k.name, k.cdp, k.key, k.sign)
			w := start(t, stack.Config{})
			good, first, second := ca.issue("good"), ca.issue("first"), ca.issue("second")
			alpha := ca.authority()
			ca.revoke("first")
			ca.crl("one")
			ca.revoke("second")
			ca.crl("two")

			w.trust(alpha)
			w.upload("crls/openssl.crl", ca.read("one.crl"), preprocess.OutcomeAccepted) // PEM
			w.expect(good, http.StatusOK, "good")
			w.expect(first, http.StatusForbidden, "revoked")
			w.expect(second, http.StatusOK, "good")
			w.upload("crls/openssl.crl", ca.read("two.der"), preprocess.OutcomeAccepted) // DER
			w.expect(good, http.StatusOK, "good")
			w.expect(first, http.StatusForbidden, "revoked")
			w.expect(second, http.StatusForbidden, "revoked")

			now := time.Now()
			for _, crl := range []string{"two.crl", "two.der"} {
				ca.agree("good", crl, "good.pem", now)
				ca.agree("revoked", crl, "first.pem", now)
				ca.agree("revoked", crl, "second.pem", now)
			}
			ca.agree("good", "one.crl", "second.pem", now)
			ca.agree("unknown", "two.crl", "good.pem", now.Add(60*24*time.Hour)) // past nextUpdate
		})
	}
}

// TestOpenSSLForgery has openssl make a CA of the same name and a CRL of it:
// neither openssl nor crlgate takes that for the CA's own.
func TestOpenSSLForgery(t *testing.T) {
	t.Parallel()
	curve := []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}
	ca, forger := newOpenSSLCA(t, "same", "", curve, nil), newOpenSSLCA(t, "same", "", curve, nil)
	ca.issue("good")
	forger.crl("forged")
	ca.Write("forged.crl", forger.read("forged.crl"))
	ca.agree("unknown", "forged.crl", "good.pem", time.Now())
}
