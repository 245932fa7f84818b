package main

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// signatureRecipes are sound CRLs, one for each signature algorithm.
func signatureRecipes() []recipe {
	var out []recipe
	sign := func(name, what, issuer string, alg pki.Algorithm) {
		out = append(out, recipe{
			name: "signature_" + name, what: "signed with " + what, issuer: issuer,
			edit: func(o *pki.CRLOptions) { o.SignatureAlgorithm = alg },
		})
	}
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		bits := strings.TrimPrefix(h.String(), "SHA-")
		sign("rsa_sha"+bits, "RSA PKCS #1 v1.5, SHA-"+bits, "rsa", pki.PKCS1v15(h))
		for _, salt := range []int{h.Size(), 0, 17, 20, 100} {
			sign(fmt.Sprintf("rsa_pss_sha%s_salt%d", bits, salt),
				fmt.Sprintf("RSASSA-PSS, SHA-%s, salt of %d octets", bits, salt), "rsa", pki.PSS(h, salt))
		}
		for issuer, curve := range map[string]string{"ca": "p256", "p384": "p384", "p521": "p521"} {
			sign("ecdsa_"+curve+"_sha"+bits, "ECDSA on "+strings.Replace(curve, "p", "P-", 1)+", SHA-"+bits, issuer, pki.ECDSA(h))
		}
	}
	sign("ed25519", "Ed25519", "ed25519", pki.Algorithm{})
	sortRecipes(out)
	return out
}

// soundRecipes are CRLs that must be accepted, each for one property.
func soundRecipes(a *authorities) []recipe {
	idp := func(p pki.IDP) func(o *pki.CRLOptions) { return func(o *pki.CRLOptions) { o.IDP = &p } }
	uri := []string{"http://crl.example.com/ca.crl"}
	out := []recipe{
		{name: "der", what: "DER; three entries, two with a reason"},
		{name: "pem", what: "the same in PEM", file: crlPEM},
		{name: "pem_with_text", what: "PEM with explanatory text before it (RFC 7468 §5.2)", file: func(der []byte) []byte {
			return append([]byte("Certificate revocation list of a test CA\n\n"), crlPEM(der)...)
		}},
		{name: "pem_crlf", what: "PEM with CRLF line ends", file: func(der []byte) []byte {
			return bytes.ReplaceAll(crlPEM(der), []byte("\n"), []byte("\r\n"))
		}},
		{name: "pem_without_final_newline", what: "PEM whose END line is not ended", file: func(der []byte) []byte { return bytes.TrimSuffix(crlPEM(der), []byte("\n")) }},
		{name: "pem_with_spaces", what: "PEM with spaces at the ends of its lines, and white space behind it", file: func(der []byte) []byte {
			return append(bytes.ReplaceAll(crlPEM(der), []byte("\n"), []byte(" \t\n")), "\r\n \n"...)
		}},
		{name: "no_entries", what: "no entry: revokedCertificates is absent", edit: func(o *pki.CRLOptions) { o.Entries = nil }},
		{name: "no_entries_empty_sequence", what: "no entry: revokedCertificates is an empty SEQUENCE, against RFC 5280 §5.1.2.6; nothing is in doubt", edit: func(o *pki.CRLOptions) {
			o.Entries, o.EmptyRevoked = nil, true
		}},
		{name: "every_reason", what: "an entry for each reason code that a complete CRL may have", edit: func(o *pki.CRLOptions) { o.Entries = everyReason() }},
		{name: "reason_critical", what: "a critical reason code, against RFC 5280 §5.3.1; it is understood all the same", edit: func(o *pki.CRLOptions) {
			o.Entries[0].ExtraExtensions = []pkix.Extension{{Id: oidReason, Critical: true, Value: []byte{10, 1, 1}}}
		}},
		{name: "reason_7", what: "reason code 7, which is not assigned (RFC 5280 §5.3.1); listed is revoked", edit: func(o *pki.CRLOptions) {
			o.Entries[0].Reason, o.Entries[0].ExtraExtensions = pki.NoReason, []pkix.Extension{{Id: oidReason, Value: []byte{10, 1, 7}}}
		}},
		{name: "reason_11", what: "reason code 11, which does not exist, on one entry and 2^62 on another; listed is revoked", edit: func(o *pki.CRLOptions) {
			o.Entries[0].Reason, o.Entries[0].ExtraExtensions = pki.NoReason, []pkix.Extension{{Id: oidReason, Value: []byte{10, 1, 11}}}
			o.Entries[1].Reason, o.Entries[1].ExtraExtensions = pki.NoReason, []pkix.Extension{{Id: oidReason, Value: []byte{10, 8, 0x40, 0, 0, 0, 0, 0, 0, 0}}}
		}},
		{name: "reason_remove_from_crl", what: "removeFromCRL in a complete CRL, where RFC 5280 §5.3.1 does not allow it; listed is revoked", edit: func(o *pki.CRLOptions) {
			o.Entries[0].Reason = pki.RemoveFromCRL
		}},
		{name: "hold_instruction", what: "an entry on hold with an instruction code (RFC 3280 §5.3.2)", edit: func(o *pki.CRLOptions) {
			o.Entries[0].Reason = pki.CertificateHold
			o.Entries[0].ExtraExtensions = []pkix.Extension{{Id: oidHoldInstruction, Value: must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10040, 2, 3}))}}
		}},
		{name: "invalidity_date", what: "an entry with an invalidity date", edit: func(o *pki.CRLOptions) { o.Entries[0].InvalidityDate = thisUpdate }},
		{name: "entry_extension_unknown", what: "an entry with an unknown extension that is not critical", edit: func(o *pki.CRLOptions) {
			o.Entries[0].ExtraExtensions = unknownExtension(false)
		}},
		{name: "extension_unknown", what: "an unknown CRL extension that is not critical", edit: func(o *pki.CRLOptions) { o.ExtraExtensions = unknownExtension(false) }},
		{name: "extension_critical_false", what: "an extension that writes out critical FALSE, against DER; it changes nothing", edit: func(o *pki.CRLOptions) {
			o.EditTBS = appendExtension(element(0x30, must(asn1.Marshal(oidUnknown)), []byte{1, 1, 0}, element(4, null)))
		}},
		{name: "freshest_crl", what: "freshestCRL: where a delta CRL may be found (RFC 5280 §5.2.6)", edit: extra(oidFreshestCRL, distributionPoint("http://crl.example.com/delta.crl"))},
		{name: "authority_information_access", what: "authority information access (RFC 5280 §5.2.7)", edit: extra(oidAuthorityInfo, accessDescription("http://ca.example.com/ca.cer"))},
		{name: "issuer_alternative_name", what: "issuer alternative name (RFC 5280 §5.2.2)", edit: extra(oidIssuerAltName, element(0x30, element(0x82, []byte("ca.example.com"))))},
		{name: "idp_relative_name", what: "IDP with a name relative to the issuer", edit: idp(pki.IDP{Relative: must(pki.RelativeName([]pki.Attribute{{Type: pki.OIDCommonName, Value: "part 1"}}))})},
		{name: "idp_directory_name", what: "IDP with a directory name", edit: idp(pki.IDP{RawNames: [][]byte{pki.DirectoryName(a.ca["ca"].Name())}})},
		{name: "idp_some_reasons", what: "IDP with onlySomeReasons of keyCompromise and cACompromise", edit: idp(pki.IDP{Reasons: pki.FlagKeyCompromise | pki.FlagCACompromise})},
		{name: "idp_reasons_trailing_zeros", what: "IDP with onlySomeReasons with zero bits at the end, against DER (X.690 §11.2.2); the reasons are not in doubt", edit: idp(pki.IDP{RawReasons: []byte{0, 0x40, 0}})},
		{name: "idp_flag_false", what: "IDP that writes out onlyContainsCACerts FALSE beside onlyContainsUserCerts, against DER; it changes nothing", edit: idp(pki.IDP{Raw: []byte{0x30, 6, 0x81, 1, 0xff, 0x82, 1, 0}})},
		{name: "idp_full_name", what: "IDP with a full name", edit: idp(pki.IDP{FullNames: uri})},
		{name: "idp_two_names", what: "IDP with two full names", edit: idp(pki.IDP{FullNames: append(uri, "ldap://ldap.example.com/cn=ca")})},
		{name: "idp_only_user", what: "IDP with onlyContainsUserCerts", edit: idp(pki.IDP{OnlyUser: true})},
		{name: "idp_only_ca", what: "IDP with onlyContainsCACerts", edit: idp(pki.IDP{OnlyCA: true})},
		{name: "idp_full_name_only_user", what: "IDP with a full name and onlyContainsUserCerts, as Amazon's are", edit: idp(pki.IDP{FullNames: uri, OnlyUser: true})},
		{name: "idp_not_critical", what: "IDP that is not critical, against RFC 5280 §5.2.5; it is obeyed all the same", edit: idp(pki.IDP{OnlyUser: true, NotCritical: true})},
		{name: "number_zero", what: "CRL number 0", edit: func(o *pki.CRLOptions) { o.Number = new(big.Int) }},
		{name: "number_20_octets", what: "CRL number of 20 octets", edit: func(o *pki.CRLOptions) { o.Number = power(159, -1) }},
		{name: "number_20_octets_high_bit", what: "CRL number 2^160−1: 20 octets, to which DER adds one for the sign", edit: func(o *pki.CRLOptions) { o.Number = power(160, -1) }},
		{name: "number_critical", what: "critical CRL number, against RFC 5280 §5.2.3; it is understood all the same", edit: func(o *pki.CRLOptions) { o.NumberCritical = true }},
		{name: "next_update_2050", what: "nextUpdate in 2050, so GeneralizedTime", edit: func(o *pki.CRLOptions) {
			o.NextUpdate = time.Date(2050, time.January, 1, 0, 0, 0, 0, time.UTC)
		}},
		{name: "next_update_9999", what: "nextUpdate at the end of the year 9999 (RFC 5280 §4.1.2.5)", edit: func(o *pki.CRLOptions) {
			o.NextUpdate = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
		}},
		{name: "generalized_time_2026", what: "GeneralizedTime for dates before 2050, against RFC 5280 §5.1.2.4; the moment is not in doubt", edit: func(o *pki.CRLOptions) {
			o.TimeForm = pki.TimeGeneralized
		}},
		{name: "this_update_within_skew", what: "thisUpdate four minutes in the future, within the skew of five", edit: func(o *pki.CRLOptions) {
			o.ThisUpdate = at.Add(4 * time.Minute)
		}},
		{name: "revocation_date_1999", what: "revocation date in year 99, that is 1999", edit: func(o *pki.CRLOptions) {
			o.Entries[0].Date = time.Date(1999, time.December, 31, 23, 59, 59, 0, time.UTC)
		}},
		{name: "revocation_date_in_the_future", what: "revocation date after thisUpdate", edit: func(o *pki.CRLOptions) { o.Entries[0].Date = nextUpdate }},
		{name: "serials_odd", what: "serials 0, −1, 127, 128, 255, −128, −129 and one of 20 octets", edit: func(o *pki.CRLOptions) {
			o.Entries = nil
			for _, n := range []int64{0, -1, 127, 128, 255, -128, -129} {
				o.Entries = append(o.Entries, pki.Entry{Serial: big.NewInt(n)})
			}
			o.Entries = append(o.Entries, pki.Entry{Serial: power(159, -1)})
		}},
		{name: "serial_21_octets", what: "a serial of 21 octets, against RFC 5280 §4.1.2.2; such are in use", edit: func(o *pki.CRLOptions) {
			o.Entries[1].RawSerial = bytes.Repeat([]byte{0x7f}, 21)
		}},
		{name: "serial_64_octets", what: "a serial of 64 octets, the longest that is read", edit: func(o *pki.CRLOptions) {
			o.Entries[1].RawSerial = bytes.Repeat([]byte{0x7f}, 64)
		}},
		{name: "serial_minus_one", what: "serial −1, and not 255", edit: func(o *pki.CRLOptions) { o.Entries = []pki.Entry{{Serial: big.NewInt(-1)}} }},
		{name: "entry_repeated", what: "the same entry twice", edit: func(o *pki.CRLOptions) { o.Entries = append(o.Entries, o.Entries[1]) }},
		{name: "entry_repeated_other_date", what: "the same serial twice, with another date and reason: revoked either way", edit: func(o *pki.CRLOptions) {
			o.Entries = append(o.Entries, pki.Entry{Serial: big.NewInt(255), Reason: pki.Superseded})
		}},
		{name: "entries_unsorted", what: "entries in falling order of serial", edit: func(o *pki.CRLOptions) {
			o.Entries[0], o.Entries[2] = o.Entries[2], o.Entries[0]
		}},
		{name: "aki_missing", what: "no authority key identifier, against RFC 5280 §5.2.1; the signature tells the key", edit: func(o *pki.CRLOptions) { o.NoAuthorityKeyID = true }},
		{name: "aki_issuer_and_serial", what: "authority key identifier with issuer and serial number instead of a key identifier", edit: func(o *pki.CRLOptions) {
			o.NoAuthorityKeyID = true
			value := element(0x30, element(0xa1, pki.DirectoryName(a.ca["ca"].Name())), element(0x82, []byte{1}))
			o.ExtraExtensions = []pkix.Extension{{Id: oidAuthorityKeyID, Value: value}}
		}},
		{name: "issuer_without_key_id", what: "issuer certificate without subject key identifier", issuer: "no_key_id"},
		{name: "issuer_without_key_usage", what: "issuer certificate without keyUsage: nothing limits it (RFC 5280 §6.3.3 f)", issuer: "no_key_usage"},
		{name: "issuer_old_key", what: "CA with two keys, signed with the first", issuer: "two_keys"},
		{name: "issuer_new_key", what: "CA with two keys, signed with the second", issuer: "two_keys", edit: func(o *pki.CRLOptions) {
			signWith(o, a.with["two_keys"][0])
		}},
		{name: "issuer_crl_only_certificate", what: "signed by a CRL-only certificate of the CA's name, while the CA's own key lacks cRLSign", issuer: "crl_signer", edit: func(o *pki.CRLOptions) {
			signWith(o, a.with["crl_signer"][0])
		}},
		{name: "issuer_among_others", what: "two issuers files, signed by the CA of the second", issuer: "other", checkWith: "ca", alsoWith: "other"},
		{name: "issuer_name_other_string_type", what: "issuer name as UTF8String, in the certificate PrintableString (RFC 5280 §7.1)", issuer: "printable_ca", edit: func(o *pki.CRLOptions) {
			o.Issuer = mustName(asn1.TagUTF8String, "Crlgate Test CA printable")
		}},
		{name: "issuer_name_other_case_and_spaces", what: "issuer name in other case and with other spaces (RFC 5280 §7.1)", issuer: "printable_ca", edit: func(o *pki.CRLOptions) {
			o.Issuer = mustName(asn1.TagPrintableString, "  crlgate TEST   ca Printable ")
		}},
		{name: "issuer_name_multivalued", what: "issuer name with an RDN of two attributes", issuer: "multivalue_ca"},
	}
	return out
}

// extra returns an edit that adds an extension, not critical.
func extra(oid asn1.ObjectIdentifier, value []byte) func(o *pki.CRLOptions) {
	return func(o *pki.CRLOptions) {
		o.ExtraExtensions = append(o.ExtraExtensions, pkix.Extension{Id: oid, Value: value})
	}
}

// distributionPoint encodes CRLDistributionPoints of one full name.
func distributionPoint(uri string) []byte {
	return element(0x30, element(0x30, element(0xa0, element(0xa0, element(0x86, []byte(uri))))))
}

// accessDescription encodes AuthorityInfoAccessSyntax with one caIssuers.
func accessDescription(uri string) []byte {
	caIssuers := must(asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}))
	return element(0x30, element(0x30, caIssuers, element(0x86, []byte(uri))))
}

func signWith(o *pki.CRLOptions, ca *pki.CA) {
	o.SignWith = ca.Key
	o.AuthorityKeyID = ca.SubjectKeyID
}

func everyReason() []pki.Entry {
	var out []pki.Entry
	for i, r := range []pki.Reason{
		pki.Unspecified, pki.KeyCompromise, pki.CACompromise, pki.AffiliationChanged, pki.Superseded,
		pki.CessationOfOperation, pki.CertificateHold, pki.PrivilegeWithdrawn, pki.AACompromise,
	} {
		out = append(out, pki.Entry{Serial: big.NewInt(int64(1000 + i)), Reason: r})
	}
	return out
}

// power returns 2^n + d.
func power(n uint, d int64) *big.Int {
	p := new(big.Int).Lsh(big.NewInt(1), n)
	return p.Add(p, big.NewInt(d))
}

func sortRecipes(r []recipe) {
	slices.SortFunc(r, func(a, b recipe) int { return cmp.Compare(a.name, b.name) })
}
