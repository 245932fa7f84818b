package truststore_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/truststore"
)

// made makes a CA of that name, issued by parent if there is one.
func made(t *testing.T, name string, parent *pki.CA, change ...func(*pki.CAOptions)) *pki.CA {
	t.Helper()
	o := pki.CAOptions{Name: pkix.Name{CommonName: name}, Parent: parent}
	for _, f := range change {
		f(&o)
	}
	return pkitest.CA(t, o)
}

// file is an issuers file of these certificates, whatever their subjects.
func file(t *testing.T, name string, cas ...*pki.CA) *issuer.CA {
	t.Helper()
	ca := &issuer.CA{Name: name}
	for _, c := range cas {
		parsed, err := issuer.ParseCertificate(c.DER)
		if err != nil {
			t.Fatal(err)
		}
		ca.Certificates = append(ca.Certificates, parsed)
	}
	return ca
}

// subjects are the common names of certificates, sorted.
func subjects(certificates []truststore.Certificate) string {
	var out []string
	for _, c := range certificates {
		out = append(out, strings.TrimPrefix(c.Subject, "CN="))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestMake(t *testing.T) {
	root := made(t, "root", nil)
	middle := made(t, "middle", root)
	low := made(t, "low", middle)
	lowest := made(t, "lowest", low)
	tooLow := made(t, "too-low", lowest)
	rsa := made(t, "rsa", nil, func(o *pki.CAOptions) { o.Key = pki.RSA2048 })
	p384 := made(t, "p384", nil, func(o *pki.CAOptions) { o.Key = pki.P384 })
	p521 := made(t, "p521", nil, func(o *pki.CAOptions) { o.Key = pki.P521 })
	ed := made(t, "ed", nil, func(o *pki.CAOptions) { o.Key = pki.Ed25519 })
	sha1 := made(t, "sha1", rsa, func(o *pki.CAOptions) { o.SignatureAlgorithm = pki.PKCS1v15(crypto.SHA1) })
	underEd := made(t, "under-ed", ed)
	signer := made(t, "signer", nil, func(o *pki.CAOptions) { o.NotCA, o.KeyUsage = true, x509.KeyUsageCRLSign })
	forged := made(t, "forged", made(t, "root", nil)) // names root, and another key of that name signed it
	for name, test := range map[string]struct {
		cas      []*pki.CA
		in, left string // subjects
		why      string // of what is left out, or of the refusal
		code     truststore.Code
	}{
		"a root":                        {[]*pki.CA{root}, "root", "", "", ""},
		"keys of every kind":            {[]*pki.CA{root, rsa, p384}, "p384 root rsa", "", "", ""},
		"four deep":                     {[]*pki.CA{lowest, low, middle, root}, "low lowest middle root", "", "", ""},
		"five deep":                     {[]*pki.CA{tooLow, lowest, low, middle, root}, "low lowest middle root", "too-low", "has 5 certificates", ""},
		"a CRL signer is no issuer":     {[]*pki.CA{root, signer}, "root", "", "", ""},
		"P-521":                         {[]*pki.CA{root, p521}, "root", "p521", "P-521", ""},
		"Ed25519 and what is under it":  {[]*pki.CA{root, ed, underEd}, "root", "ed under-ed", "neither RSA nor ECDSA", ""},
		"SHA-1":                         {[]*pki.CA{rsa, sha1}, "rsa", "sha1", "SHA-1", ""},
		"the same twice":                {[]*pki.CA{root, root}, "root", "", "", ""},
		"no root":                       {[]*pki.CA{middle}, "", "", "chain of CN=middle", truststore.Incomplete},
		"a gap, and another CA's root":  {[]*pki.CA{low, root}, "", "", "chain of CN=low", truststore.Incomplete},
		"a root of that name only":      {[]*pki.CA{forged, root}, "", "", "chain of CN=forged", truststore.Incomplete},
		"nothing":                       {nil, "", "", "let nobody connect", truststore.Empty},
		"nothing that can be used":      {[]*pki.CA{ed}, "", "", "CN=ed", truststore.Empty},
		"a CRL signer alone is nothing": {[]*pki.CA{signer}, "", "", "let nobody connect", truststore.Empty},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := truststore.Make([]*issuer.CA{file(t, "a", test.cas...)}, nil)
			if test.code != "" {
				var refusal *truststore.Refusal
				if !errors.As(err, &refusal) || refusal.Code != test.code || !strings.Contains(refusal.Detail, test.why) {
					t.Errorf("%v, want %s that says %q", err, test.code, test.why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var left []truststore.Certificate
			for _, l := range s.LeftOut {
				left = append(left, l.Certificate)
			}
			if got := subjects(s.Certificates); got != test.in || subjects(left) != test.left || !strings.Contains(s.Detail(), test.why) {
				t.Errorf("in: %s, left out: %s; want %s and %s\n%s", got, subjects(left), test.in, test.left, s.Detail())
			}
			again, err := truststore.Parse(s.PEM)
			if err != nil || subjects(again) != test.in {
				t.Errorf("read back: %s, %v", subjects(again), err)
			}
		})
	}
}

// TestSameBytes: the order in which CAs and their certificates come makes no difference.
func TestSameBytes(t *testing.T) {
	a, b, c := made(t, "a", nil), made(t, "b", nil), made(t, "c", nil)
	one, err := truststore.Make([]*issuer.CA{file(t, "x", a, b), file(t, "y", c)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := truststore.Make([]*issuer.CA{file(t, "y", c), file(t, "x", b, a)}, nil)
	if err != nil || !bytes.Equal(one.PEM, other.PEM) {
		t.Errorf("the bytes differ, %v", err)
	}
}

func TestPins(t *testing.T) {
	a, b := file(t, "a", made(t, "a", nil)), file(t, "b", made(t, "b", nil))
	pins := []issuer.Fingerprint{a.Certificates[0].Fingerprint}
	if _, err := truststore.Make([]*issuer.CA{a}, pins); err != nil {
		t.Error(err)
	}
	var refusal *truststore.Refusal
	if _, err := truststore.Make([]*issuer.CA{a, b}, pins); !errors.As(err, &refusal) || refusal.Code != truststore.NotPinned || !strings.Contains(refusal.Detail, "CN=b of CA b") {
		t.Errorf("%v", err)
	}
}

func TestCompare(t *testing.T) {
	root := made(t, "root", nil)
	middle := made(t, "middle", root)
	low := made(t, "low", middle)
	other := made(t, "other", nil)
	ed := made(t, "ed", nil, func(o *pki.CAOptions) { o.Key = pki.Ed25519 })
	for name, test := range map[string]struct {
		have, issuers  []*pki.CA
		missing, extra string
	}{
		"the same":                   {[]*pki.CA{root, other}, []*pki.CA{other, root}, "", ""},
		"one lacks":                  {[]*pki.CA{root}, []*pki.CA{root, other}, "other", ""},
		"one too many":               {[]*pki.CA{root, other}, []*pki.CA{root}, "", "other"},
		"both":                       {[]*pki.CA{other}, []*pki.CA{root}, "root", "other"},
		"what is above is no excess": {[]*pki.CA{root, middle, low}, []*pki.CA{low}, "", ""},
		"what is below is":           {[]*pki.CA{root, middle}, []*pki.CA{root}, "", "middle"},
		"a chain that is not whole":  {[]*pki.CA{low}, []*pki.CA{low}, "", ""},
		"what cannot be used":        {[]*pki.CA{root}, []*pki.CA{root, ed}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			have, err := truststore.Parse(pki.PEM(test.have...))
			if err != nil {
				t.Fatal(err)
			}
			d := truststore.Compare(have, truststore.Wanted([]*issuer.CA{file(t, "a", test.issuers...)}))
			if subjects(d.Missing) != test.missing || subjects(d.Extra) != test.extra || d.None() != (test.missing+test.extra == "") {
				t.Errorf("missing %q, extra %q; want %q and %q", subjects(d.Missing), subjects(d.Extra), test.missing, test.extra)
			}
			for _, name := range []string{test.missing, test.extra} {
				if !strings.Contains(d.String(), name) {
					t.Errorf("%q does not name %s", d, name)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	ca := made(t, "a", nil)
	key := []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	good, other := ca.PEM(), made(t, "b", nil).PEM()
	beside := func(what string) []byte { return append(slices.Clone(good), what...) }
	without := func(line string) []byte {
		return append(slices.Clone(good), bytes.Replace(other, []byte(line+"\n"), nil, 1)...)
	}
	const begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
	for name, data := range map[string][]byte{
		"a block without its end":                                without(end),
		"a block without its end, before":                        append(bytes.Replace(other, []byte(end), nil, 1), good...),
		"a block without its beginning":                          without(begin),
		"a block without its beginning, first":                   append(bytes.Replace(other, []byte(begin), nil, 1), good...),
		"a block cut short":                                      beside(string(other[:len(other)/2])),
		"a line that is no base64":                               bytes.Replace(append(slices.Clone(good), other...), []byte(begin+"\nM"), []byte(begin+"\n*"), 1),
		"a byte order mark, behind which a block is passed over": append([]byte("\xef\xbb\xbf"), good...),
		"an indented block":                                      append(slices.Clone(good), bytes.ReplaceAll(other, []byte("-----BEGIN"), []byte(" -----BEGIN"))...),
		"DER behind":                                             beside(string(ca.DER)),
		"DER before":                                             append(append(slices.Clone(ca.DER), '\n'), good...),
		"a NUL behind":                                           beside("\x00"),
		"a NUL between":                                          append(beside("# next\x00\n"), other...),
		"an empty block":                                         beside(begin + "\n" + end + "\n"),
		"lines begun anew":                                       append([]byte(begin+"\n"), good...),
		"only a cut block":                                       good[:len(good)/2],
		"nothing":                                                nil, "no PEM": ca.DER, "a key beside": append(ca.PEM(), key...),
		"no certificate": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
	} {
		if got, err := truststore.Parse(data); err == nil {
			t.Errorf("%s: read as %s", name, subjects(got))
		}
	}
	if got, err := truststore.Parse(append(ca.PEM(), ca.PEM()...)); err != nil || len(got) != 1 {
		t.Errorf("the same twice: %d, %v", len(got), err)
	}
	for name, data := range map[string][]byte{
		"white space":      append([]byte("\r\n \t\n"), beside("\n \t\r\n\f\v")...),
		"words":            append([]byte("# Partner A\nsubject=CN = a\n"), append(beside("# Müller, until 2030\n"), other...)...),
		"Latin-1":          beside("# M\xfcller\n"),
		"CRLF":             bytes.ReplaceAll(beside(string(other)), []byte("\n"), []byte("\r\n")),
		"no final newline": bytes.TrimRight(beside(string(other)), "\n"),
	} {
		if got, err := truststore.Parse(data); err != nil || len(got) == 0 || strings.Contains(string(data), string(other[30:60])) && len(got) != 2 {
			t.Errorf("%s: %d, %v", name, len(got), err)
		}
	}
}
