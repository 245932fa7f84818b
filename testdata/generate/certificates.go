package main

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// certificateCase is one line of certificates.json: what becomes of a client
// certificate when the CRL, and those in With, are the only ones. Status is good, revoked
// or unknown, or null where the certificate cannot be read; Reason is empty
// where the decision is allow; Serial is lower-case hex, null where the
// certificate cannot be read.
type certificateCase struct {
	Certificate string    `json:"certificate"`
	Issuers     []string  `json:"issuers"`
	CRL         string    `json:"crl"`
	With        []string  `json:"with,omitempty"`
	At          time.Time `json:"at"`
	Decision    string    `json:"decision"`
	Status      *string   `json:"status"`
	Reason      string    `json:"reason"`
	What        string    `json:"what"`
}

func (c certificateCase) expected() string {
	if c.Reason == "" {
		return c.Decision
	}
	return c.Decision + " `" + c.Reason + "`"
}

// request is one client certificate of the corpus.
type request struct {
	name, what string
	crl        string   // below sound, without extension; "der" if empty
	issuer     string   // issuers file of the CA that issues; "ca" if empty
	checkWith  string   // issuers file that is given to the checker; issuer if empty
	alsoWith   string   // another issuers file that is given to the checker
	with       []string // other CRLs in hand
	reason     string   // of the denial; empty: allowed
	options    pki.LeafOptions
	file       func(pem []byte) []byte // turns the PEM into the file
}

func writeCertificates(w *writer, a *authorities) ([]certificateCase, error) {
	var cases []certificateCase
	for _, r := range slices.Concat(certificates(), kindCertificates(a), malformedCertificates()) {
		if r.crl == "" {
			r.crl = "der"
		}
		if r.issuer == "" {
			r.issuer = "ca"
		}
		if r.checkWith == "" {
			r.checkWith = r.issuer
		}
		r.options.Subject = pkix.Name{CommonName: "Client " + r.name}
		leaf, err := a.ca[r.issuer].Issue(r.options)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		content := leaf.PEM()
		if r.file != nil {
			content = r.file(content)
		}
		name := "certificates/" + r.name + ".pem"
		if err := w.write(name, content); err != nil {
			return nil, err
		}
		cases = append(cases, r.expect(name))
	}
	return cases, nil
}

func (r request) expect(name string) certificateCase {
	c := certificateCase{
		Certificate: name, Issuers: []string{"issuers/" + r.checkWith + ".pem"}, CRL: "sound/" + r.crl + ".crl", With: r.with, At: at,
		Decision: "deny", Reason: r.reason, What: r.what,
	}
	if r.alsoWith != "" {
		c.Issuers = append(c.Issuers, "issuers/"+r.alsoWith+".pem")
	}
	status := "unknown"
	switch r.reason {
	case "":
		status, c.Decision = "good", "allow"
	case "issuer_revoked":
		status = "good" // the certificate's own
	case "revoked":
		status = "revoked"
	}
	if r.reason != "malformed_certificate" {
		c.Status = &status
	}
	return c
}

func certificates() []request {
	serial := func(n int64) pki.LeafOptions { return pki.LeafOptions{Serial: big.NewInt(n)} }
	point := func(uris ...string) pki.LeafOptions {
		return pki.LeafOptions{Serial: big.NewInt(7), CRLDistributionPoints: uris}
	}
	const uri, elsewhere = "http://crl.example.com/ca.crl", "http://crl.example.com/other.crl"
	twoNames := must(pki.CDP(pki.DistributionPoint{FullNames: []string{elsewhere, uri}}))
	return []request{
		{name: "good", what: "a serial that the CRL does not list", options: serial(7)},
		{name: "revoked", what: "a serial that it lists", reason: "revoked", options: serial(0x0a1b)},
		{name: "revoked_for_reason_7", what: "a serial that is listed for a reason that is not assigned", crl: "reason_7", reason: "revoked", options: serial(0x0a1b)},
		{name: "good_beside_reason_7", what: "a serial that is not listed, beside an entry with a reason that is not assigned", crl: "reason_7", options: serial(7)},
		{name: "revoked_serial_255", what: "serial 255, listed; its first octet is 00", reason: "revoked", options: serial(255)},
		{name: "revoked_serial_20_octets", what: "a listed serial of 20 octets", crl: "serials_odd", reason: "revoked", options: pki.LeafOptions{Serial: power(159, -1)}},
		{name: "revoked_serial_minus_one", what: "serial −1, listed; crypto/x509 refuses such certificates", crl: "serial_minus_one", reason: "revoked", options: pki.LeafOptions{RawSerial: []byte{0xff}}},
		{name: "good_serial_255_beside_minus_one", what: "serial 255 where −1 is listed", crl: "serial_minus_one", options: serial(255)},
		{name: "good_without_aki", what: "no authority key identifier", options: pki.LeafOptions{Serial: big.NewInt(7), NoAuthorityKeyID: true}},
		{name: "good_other_case_of_issuer", what: "a CRL whose issuer name has other case and spaces", issuer: "printable_ca", crl: "issuer_name_other_case_and_spaces", options: serial(7)},
		{name: "good_in_scope", what: "the CDP is the CRL's IDP", crl: "idp_full_name", options: point(uri)},
		{name: "good_in_scope_second_point", what: "the second of two CDPs is the CRL's IDP", crl: "idp_full_name", options: point(elsewhere, uri)},
		{name: "good_in_scope_second_name", what: "the second name of one CDP is the CRL's IDP", crl: "idp_full_name", options: pki.LeafOptions{Serial: big.NewInt(7), RawCDP: twoNames}},
		{name: "good_user_certificate", what: "a CRL for user certificates", crl: "idp_only_user", options: serial(7)},
		{name: "cdp_elsewhere", what: "the CDP is not the CRL's IDP", crl: "idp_full_name", reason: "out_of_scope", options: point(elsewhere)},
		{name: "cdp_other_case", what: "the CDP is the CRL's IDP but for the case of a letter", crl: "idp_full_name", reason: "out_of_scope", options: point("http://crl.example.com/CA.crl")},
		{name: "cdp_missing", what: "no CDP, and the CRL's IDP names one", crl: "idp_full_name", reason: "out_of_scope", options: serial(7)},
		{name: "user_certificate_ca_crl", what: "a CRL for CA certificates", crl: "idp_only_ca", reason: "out_of_scope", options: serial(7)},
		{name: "ca_certificate_user_crl", what: "a CA certificate, and a CRL for user certificates", crl: "idp_only_user", reason: "out_of_scope", options: pki.LeafOptions{Serial: big.NewInt(7), IsCA: true}},
		{name: "unknown_issuer", what: "issued by a CA that is not among the issuers", issuer: "other", checkWith: "ca", reason: "unknown_issuer", options: serial(7)},
		{name: "good_with_text", what: "text before the PEM, as openssl x509 -text writes it", options: serial(7), file: func(pem []byte) []byte {
			return append([]byte("Certificate:\n    Data:\n"), pem...)
		}},
	}
}

// malformedCertificates are files that hold no certificate that can be read.
func malformedCertificates() []request {
	der := func(f func([]byte) []byte) func([]byte) []byte {
		return func(text []byte) []byte { return labelled("CERTIFICATE")(f(decode(text))) }
	}
	out := []request{
		{name: "empty", what: "nothing at all", file: func([]byte) []byte { return nil }},
		{name: "not_pem", what: "a sentence", file: func([]byte) []byte { return []byte("This is not a certificate.\n") }},
		{name: "wrong_label", what: "PEM labelled PUBLIC KEY", file: func(text []byte) []byte { return labelled("PUBLIC KEY")(decode(text)) }},
		{name: "no_contents", what: "PEM of no bytes", file: func([]byte) []byte { return labelled("CERTIFICATE")(nil) }},
		{name: "truncated", what: "the last ten bytes are missing", file: der(func(b []byte) []byte { return b[:len(b)-10] })},
		{name: "trailing_byte", what: "a byte after the certificate", file: der(func(b []byte) []byte { return append(b, 0) })},
		{name: "length_indefinite", what: "the outermost length is indefinite (BER)", file: der(func(b []byte) []byte {
			head, _ := header(b)
			return append(append([]byte{0x30, 0x80}, b[head:]...), 0, 0)
		})},
		{name: "wrong_tag", what: "the certificate is a SET", file: der(func(b []byte) []byte { b[0] = 0x31; return b })},
		{name: "serial_not_minimal", what: "serial 1 as 00 01", options: pki.LeafOptions{RawSerial: []byte{0, 1}}},
		{name: "serial_empty", what: "a serial without contents", options: pki.LeafOptions{RawSerial: []byte{}}},
		{name: "cdp_malformed", what: "CRL distribution points that are NULL", options: pki.LeafOptions{RawCDP: null}},
	}
	for i := range out {
		out[i].reason = "malformed_certificate"
		out[i].name = "malformed_" + out[i].name
		if out[i].options.RawSerial == nil {
			out[i].options.Serial = big.NewInt(7)
		}
	}
	return out
}

// decode returns the DER of one PEM block that this program has written.
func decode(text []byte) []byte {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		panic("not one PEM block")
	}
	return block.Bytes
}
