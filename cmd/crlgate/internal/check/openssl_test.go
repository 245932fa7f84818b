package check_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/internal/pki/openssltest"
)

// opensslCA is a CA that openssl keeps in a folder.
type opensslCA struct {
	openssltest.Folder
	t    *testing.T
	name string
}

// newOpenSSLCA makes a CA in a folder of its own. leaf are extensions of its
// client certificates.
func newOpenSSLCA(t *testing.T, name string) *opensslCA {
	t.Helper()
	a := &opensslCA{openssltest.New(t), t, name}
	a.Write("index.txt", nil)
	a.Write("index.txt.attr", []byte("unique_subject = no\n"))
	a.Write("serial", []byte("1000\n"))
	a.config("", "")
	a.Run("req", "-config", "ca.cnf", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "3650", "-subj", "/O=openssl/CN="+name, "-extensions", "root")
	return a
}

// config writes the configuration, with extensions of certificates and of CRLs.
func (a *opensslCA) config(leaf, crl string) {
	a.t.Helper()
	a.Write("ca.cnf", []byte(`[ca]
default_ca = this
[this]
dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
unique_subject = no
x509_extensions = leaf
[any]
organizationName = optional
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
authorityKeyIdentifier = keyid
`+leaf+`
[crl]
authorityKeyIdentifier = keyid
`+crl+"\n"))
}

// issue issues a client certificate.
func (a *opensslCA) issue(name string) string {
	a.t.Helper()
	a.Run("req", "-config", "ca.cnf", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name+".key", "-out", name+".csr", "-subj", "/CN="+name)
	a.Run("ca", "-config", "ca.cnf", "-batch", "-notext", "-in", name+".csr", "-out", name+".pem")
	return a.Path(name + ".pem")
}

// crl has openssl make a CRL of a number (hex) from the index, which then
// begins anew: what it lists was revoked since the CRL before.
func (a *opensslCA) crl(name, number string) string {
	a.t.Helper()
	a.Write("crlnumber", []byte(number+"\n"))
	a.Run("ca", "-config", "ca.cnf", "-gencrl", "-crlexts", "crl", "-out", name+".crl")
	return a.Path(name + ".crl")
}

func (a *opensslCA) revoke(name, reason string) {
	a.t.Helper()
	a.Run("ca", "-config", "ca.cnf", "-revoke", name+".pem", "-crl_reason", reason)
}

// forget takes everything out of the index, so that the next CRL is empty.
func (a *opensslCA) forget() { a.Write("index.txt", nil) }

// agreed asks check about a certificate, and openssl too, unless it cannot
// tell; want is the status.
func (a *opensslCA) agreed(cert string, crls []string, want, says string) {
	a.t.Helper()
	r, err := check.Run(a.t.Context(), check.Input{Issuers: []string{a.Path("ca.pem")}, CRLs: crls, Cert: cert, At: time.Now()})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, c := range r.CRLs {
		if !c.Accepted {
			a.t.Errorf("%s: %s %s", filepath.Base(c.File), c.Code, c.Detail)
		}
	}
	if *r.Status != want {
		a.t.Errorf("%s: %s, want %s: %s", filepath.Base(cert), *r.Status, want, r.Detail)
	}
	args := []string{"verify", "-CAfile", "ca.pem", "-crl_check", "-extended_crl", "-use_deltas"}
	for _, c := range crls {
		args = append(args, "-CRLfile", c)
	}
	out, _ := a.Try(append(args, cert)...)
	if !strings.Contains(out, says) {
		a.t.Errorf("%s: openssl says %q, want %q", filepath.Base(cert), out, says)
	}
}

const (
	saysGood    = "OK"
	saysRevoked = "certificate revoked"
	saysNoCRL   = "unable to get certificate CRL"
	saysScope   = "different CRL scope"
)

// TestOpenSSLDelta: a delta CRL of openssl, which it makes of an extension in
// DER, revokes and un-revokes.
func TestOpenSSLDelta(t *testing.T) {
	a := newOpenSSLCA(t, "Delta")
	// openssl looks at deltas of certificates and CRLs with a freshestCRL only.
	const freshest = "freshestCRL = URI:http://crl.example.com/delta.crl"
	a.config(freshest, freshest)
	held, fresh, other := a.issue("held"), a.issue("fresh"), a.issue("other")
	a.revoke("held", "certificateHold")
	base := a.crl("base", "04")
	a.agreed(held, []string{base}, "revoked", saysRevoked)
	a.agreed(fresh, []string{base}, "good", saysGood)
	a.config(freshest, "2.5.29.27 = critical,DER:020104")
	a.forget()
	a.revoke("fresh", "keyCompromise")
	delta := a.crl("delta", "05")
	a.agreed(fresh, []string{base, delta}, "revoked", saysRevoked)
	a.agreed(held, []string{base, delta}, "revoked", saysRevoked)
	a.agreed(other, []string{base, delta}, "good", saysGood)
	a.forget()
	a.revoke("held", "removeFromCRL")
	remove := a.crl("remove", "06")
	a.agreed(held, []string{base, remove}, "good", saysGood)
	a.agreed(fresh, []string{base, remove}, "good", saysGood)
}

// TestOpenSSLReasons: CRLs of openssl for some reasons each.
func TestOpenSSLReasons(t *testing.T) {
	a := newOpenSSLCA(t, "Reasons")
	good, bad := a.issue("good"), a.issue("bad")
	a.config("", "issuingDistributionPoint = critical,@idp\n[idp]\nonlysomereasons = keyCompromise,CACompromise")
	a.revoke("bad", "keyCompromise")
	keys := a.crl("keys", "01")
	a.config("", "issuingDistributionPoint = critical,@idp\n[idp]\nonlysomereasons = affiliationChanged,superseded,cessationOfOperation,certificateHold,privilegeWithdrawn,AACompromise")
	a.forget()
	rest := a.crl("rest", "01")
	a.agreed(good, []string{keys}, "unknown", saysNoCRL)
	a.agreed(good, []string{keys, rest}, "good", saysGood)
	a.agreed(bad, []string{keys, rest}, "revoked", saysRevoked)
	a.agreed(bad, []string{keys}, "revoked", saysRevoked)
}

// TestOpenSSLPoints: CRLs of openssl for a distribution point each, named by
// URI and relative to the issuer.
func TestOpenSSLPoints(t *testing.T) {
	for what, names := range map[string][2]string{
		"full name":     {"fullname = URI:http://crl.example.com/1.crl", "fullname = URI:http://crl.example.com/2.crl"},
		"relative name": {"relativename = one", "relativename = two"},
	} {
		t.Run(what, func(t *testing.T) {
			a := newOpenSSLCA(t, "Points")
			const rdns = "\n[one]\nCN = part 1\n[two]\nCN = part 2"
			a.config("crlDistributionPoints = point\n[point]\n"+names[0]+rdns, "")
			good, bad := a.issue("good"), a.issue("bad")
			a.config("", "issuingDistributionPoint = critical,@idp\n[idp]\n"+names[0]+rdns)
			a.revoke("bad", "superseded")
			first := a.crl("first", "01")
			a.config("", "issuingDistributionPoint = critical,@idp\n[idp]\n"+names[1]+rdns)
			a.forget()
			second := a.crl("second", "01")
			a.agreed(good, []string{first, second}, "good", saysGood)
			a.agreed(bad, []string{first, second}, "revoked", saysRevoked)
			a.agreed(bad, []string{second}, "unknown", saysScope)
		})
	}
}

// TestOpenSSLIndirect: an indirect CRL of openssl for the certificates of
// another CA. openssl verify finds no path to its signer here, so only check is
// asked.
func TestOpenSSLIndirect(t *testing.T) {
	a, lists := newOpenSSLCA(t, "Certificates"), newOpenSSLCA(t, "Lists")
	a.config("crlDistributionPoints = point\n[point]\nCRLissuer = dirName:lists\n[lists]\nO = openssl\nCN = Lists", "")
	cert := a.issue("good")
	lists.config("", "issuingDistributionPoint = critical,@idp\n[idp]\nindirectCRL = TRUE")
	crl := lists.crl("indirect", "01")
	lists.config("", "")
	direct := lists.crl("direct", "01")
	for file, want := range map[string]string{crl: "good", direct: "unknown"} {
		in := check.Input{Issuers: []string{a.Path("ca.pem"), lists.Path("ca.pem")}, CRLs: []string{file}, Cert: cert, At: time.Now()}
		r, err := check.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if !r.CRLs[0].Accepted || *r.Status != want {
			t.Errorf("%s: accepted %v (%s), status %s, want %s: %s", filepath.Base(file), r.CRLs[0].Accepted, r.CRLs[0].Detail, *r.Status, want, r.Detail)
		}
	}
}
