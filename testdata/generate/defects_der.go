package main

import (
	"bytes"
	"encoding/asn1"
	"slices"

	"github.com/crlgate/crlgate/internal/pki"
)

// Elements of tbsCertList in the CRL of soundOptions.
const (
	tbsVersion = iota
	tbsAlgorithm
	tbsIssuer
	tbsThisUpdate
	tbsNextUpdate
	tbsRevoked
	tbsExtensions
)

// derDefects are files that are not the exact DER of one CRL. Where the defect
// lies inside tbsCertList the signature covers it, so that it is the only one.
func derDefects(a *authorities) []recipe {
	tbs := func(f func([]byte) []byte) func(o *pki.CRLOptions) {
		return func(o *pki.CRLOptions) { o.EditTBS = f }
	}
	field := func(n int, f func([]byte) []byte) func(o *pki.CRLOptions) { return tbs(editField(n, f)) }
	entry := func(raw []byte) func(o *pki.CRLOptions) {
		return func(o *pki.CRLOptions) { o.Entries = append(o.Entries, pki.Entry{Raw: raw}) }
	}
	list := func(f func([]byte) []byte) func(o *pki.CRLOptions) {
		return func(o *pki.CRLOptions) { o.EditDER = f }
	}
	time := func(tag byte, s string) func(o *pki.CRLOptions) {
		return func(o *pki.CRLOptions) { o.RawThisUpdate = element(tag, []byte(s)) }
	}
	date := element(tagUTCTime, []byte("261101000000Z"))
	out := []recipe{
		{name: "empty_file", what: "nothing at all", raw: []byte{}},
		{name: "not_a_crl", what: "a sentence", raw: []byte("This is not a CRL.\n")},
		{name: "truncated_by_one_byte", what: "the last byte is missing", edit: list(func(b []byte) []byte { return b[:len(b)-1] })},
		{name: "truncated_in_entries", what: "ends in the middle of the entries", edit: list(func(b []byte) []byte { return b[:len(b)/2] })},
		{name: "truncated_in_header", what: "ends in the first length", edit: list(func(b []byte) []byte { return b[:2] })},
		{name: "wrong_tag_outermost", what: "CertificateList is a SET", edit: list(func(b []byte) []byte { b[0] = 0x31; return b })},
		{name: "wrong_tag_entry", what: "an entry is a SET", edit: entry(element(0x31, []byte{2, 1, 9}, date))},
		{name: "wrong_tag_serial", what: "a serial is an OCTET STRING", edit: entry(element(0x30, []byte{4, 1, 9}, date))},
		{name: "wrong_tag_this_update", what: "thisUpdate is an OCTET STRING", edit: time(4, "261101000000Z")},
		{name: "wrong_tag_issuer", what: "issuer is a SET", edit: field(tbsIssuer, func(b []byte) []byte { b[0] = 0x31; return b })},
		{name: "length_not_minimal", what: "the outermost length has a leading zero octet", edit: list(func(b []byte) []byte {
			head, length := header(b)
			return append([]byte{0x30, 0x83, 0, byte(length >> 8), byte(length)}, b[head:]...)
		})},
		{name: "length_not_minimal_entry", what: "an entry's length is in the long form without need", edit: entry(append([]byte{0x30, 0x81, 18}, slices.Concat([]byte{2, 1, 9}, date)...))},
		{name: "length_indefinite", what: "the outermost length is indefinite (BER)", edit: list(func(b []byte) []byte {
			head, _ := header(b)
			return slices.Concat([]byte{0x30, 0x80}, b[head:], []byte{0, 0})
		})},
		{name: "length_indefinite_entries", what: "revokedCertificates has an indefinite length (BER)", edit: field(tbsRevoked, func(b []byte) []byte {
			head, _ := header(b)
			return slices.Concat([]byte{0x30, 0x80}, b[head:], []byte{0, 0})
		})},
		{name: "length_over_parent", what: "an entry claims to be longer than revokedCertificates", edit: entry(slices.Concat([]byte{0x30, 30, 2, 1, 9}, date))},
		{name: "integer_not_minimal", what: "serial 1 as 00 01", edit: func(o *pki.CRLOptions) { o.Entries[0].RawSerial = []byte{0, 1} }},
		{name: "integer_not_minimal_negative", what: "serial −1 as FF FF", edit: func(o *pki.CRLOptions) { o.Entries[0].RawSerial = []byte{0xff, 0xff} }},
		{name: "integer_empty", what: "a serial without contents", edit: func(o *pki.CRLOptions) { o.Entries[0].RawSerial = []byte{} }},
		{name: "version_not_minimal", what: "version 1 as 00 01", edit: field(tbsVersion, func([]byte) []byte { return []byte{2, 2, 0, 1} })},
		{name: "length_not_minimal_serial", what: "a serial's length in the long form without need", edit: entry(element(0x30, []byte{2, 0x81, 1, 9}, date))},
		{name: "length_over_parent_serial", what: "a serial that claims 200 octets and is longer than its entry", edit: entry(element(0x30, []byte{2, 0x81, 200, 9}, date))},
		{name: "length_indefinite_entry", what: "an entry with an indefinite length (BER)", edit: entry(slices.Concat([]byte{0x30, 0x80, 2, 1, 9}, date, []byte{0, 0}))},
		{name: "issuer_length_not_minimal", what: "a length inside the issuer in the long form without need", edit: func(o *pki.CRLOptions) {
			o.Issuer = element(0x30, append([]byte{0x31, 0x81}, mustName(asn1.TagUTF8String, "Test CA ca")[3:]...))
		}},
		{name: "issuer_rdn_empty", what: "an issuer with an RDN of no attributes (RFC 5280 §4.1.2.4)", edit: func(o *pki.CRLOptions) {
			o.Issuer = element(0x30, element(0x31))
		}},
		{name: "issuer_nested_deep", what: "an issuer of SETs in SETs, 200 deep", edit: func(o *pki.CRLOptions) {
			name := []byte{}
			for range 200 {
				name = element(0x31, name)
			}
			o.Issuer = element(0x30, name)
		}},
		{name: "entry_date_wrong_tag", what: "a revocation date that is an OCTET STRING", edit: entry(element(0x30, []byte{2, 1, 9}, element(4, []byte("261101000000Z"))))},
		{name: "entry_date_of_30_february", what: "a revocation date on 30 February", edit: entry(element(0x30, []byte{2, 1, 9}, element(tagUTCTime, []byte("260230000000Z"))))},
		{name: "entry_without_date", what: "an entry of a serial alone", edit: entry(element(0x30, []byte{2, 1, 9}))},
		{name: "entry_with_a_fourth_field", what: "an entry with an element after its extensions", edit: entry(element(0x30, []byte{2, 1, 9}, date, reasonExtensions(10, 1, 1), null))},
		{name: "junk_after_extensions", what: "an element after the extensions in tbsCertList", edit: tbs(func(b []byte) []byte {
			return rewrap(b, func(c []byte) []byte { return append(c, null...) })
		})},
		{name: "junk_between_fields", what: "an element between nextUpdate and revokedCertificates", edit: field(tbsNextUpdate, func(b []byte) []byte { return append(b, null...) })},
		{name: "junk_after_signature", what: "an element after the signature, inside CertificateList", edit: list(func(b []byte) []byte {
			return rewrap(b, func(c []byte) []byte { return append(c, null...) })
		})},
		{name: "issuer_empty", what: "issuer is an empty name (RFC 5280 §5.1.2.3)", edit: func(o *pki.CRLOptions) { o.Issuer = []byte{0x30, 0} }},
		{name: "signature_empty", what: "a signature of no octets", edit: list(editField(2, func([]byte) []byte { return []byte{3, 1, 0} }))},
		{name: "signature_with_unused_bits", what: "signature of a number of bits that is no multiple of 8", edit: list(editField(2, func(b []byte) []byte {
			return rewrap(b, func(c []byte) []byte { c[0] = 4; c[len(c)-1] &= 0xf0; return c })
		}))},
		{name: "time_without_seconds", what: "thisUpdate as YYMMDDHHMMZ", edit: time(tagUTCTime, "2611010000Z")},
		{name: "time_with_offset", what: "thisUpdate with +0000 instead of Z", edit: time(tagUTCTime, "261101000000+0000")},
		{name: "time_with_fraction", what: "thisUpdate with a fraction of a second", edit: time(tagGeneralizedTime, "20261101000000.5Z")},
		{name: "time_of_month_13", what: "thisUpdate in month 13", edit: time(tagUTCTime, "261301000000Z")},
		{name: "time_of_30_february", what: "thisUpdate on 30 February", edit: time(tagUTCTime, "260230000000Z")},
		{name: "time_of_day_24", what: "thisUpdate at 24 o'clock", edit: time(tagUTCTime, "261101240000Z")},
		{name: "time_with_leap_second", what: "thisUpdate in second 60", edit: time(tagUTCTime, "261231235960Z")},
		{name: "time_of_29_february_2100", what: "thisUpdate on 29 February 2100, which is no leap year", edit: time(tagGeneralizedTime, "21000229000000Z")},
		{name: "time_of_40_octets", what: "thisUpdate of 40 octets", edit: time(tagGeneralizedTime, "2026110100000000000000000000000000000000")},
		{name: "next_update_year_1", what: "nextUpdate in the first second of year 1", edit: func(o *pki.CRLOptions) {
			o.RawNextUpdate = element(tagGeneralizedTime, []byte("00010101000000Z"))
		}},
		{name: "time_not_digits", what: "thisUpdate with a letter", edit: time(tagUTCTime, "26110100000aZ")},
		{name: "pem_without_end", what: "PEM without its END line", file: func(der []byte) []byte {
			return bytes.Split(crlPEM(der), []byte("-----END"))[0]
		}},
		{name: "pem_wrong_label", what: "PEM labelled CERTIFICATE", file: labelled("CERTIFICATE")},
		{name: "pem_not_base64", what: "PEM with a character outside base64", file: func(der []byte) []byte {
			b := crlPEM(der)
			b[60] = '!'
			return b
		}},
		{name: "pem_with_headers", what: "PEM with encapsulated headers (RFC 1421), which RFC 7468 has not", file: func(der []byte) []byte {
			return bytes.Replace(crlPEM(der), []byte("CRL-----\n"), []byte("CRL-----\nProc-Type: 4,CRL\n\n"), 1)
		}},
		{name: "pem_certificate_before", what: "PEM with a certificate before the CRL", file: func(der []byte) []byte {
			return slices.Concat(pki.PEM(a.ca["ca"]), crlPEM(der))
		}},
		{name: "pem_carriage_returns", what: "PEM with carriage returns for line ends", file: func(der []byte) []byte {
			return bytes.ReplaceAll(crlPEM(der), []byte("\n"), []byte("\r"))
		}},
		{name: "pem_padding_inside", what: "PEM of two base64 texts, each with its padding", file: func(der []byte) []byte {
			cut := 10 + len(der)%3%2 // so that neither length is a multiple of 3
			b := crlPEM(der[:cut])
			b = b[:bytes.Index(b, []byte("-----END"))]
			return append(b, bytes.SplitN(crlPEM(der[cut:]), []byte("\n"), 2)[1]...)
		}},
		{name: "certificate_instead", what: "a certificate in DER", raw: a.ca["ca"].DER},
	}
	for i := range out {
		out[i].code = "malformed"
	}
	return append(out,
		recipe{name: "trailing_byte", code: "trailing_data", what: "a zero byte after the CRL", edit: func(o *pki.CRLOptions) { o.Trailing = []byte{0} }},
		recipe{name: "trailing_newline", code: "trailing_data", what: "a line end after the DER", edit: func(o *pki.CRLOptions) { o.Trailing = []byte{'\n'} }},
		recipe{name: "trailing_crl", code: "trailing_data", what: "two CRLs in one file", file: func(der []byte) []byte { return slices.Concat(der, der) }},
		recipe{name: "trailing_crl_pem", code: "trailing_data", what: "two CRLs in one PEM file", file: func(der []byte) []byte { return slices.Concat(crlPEM(der), crlPEM(der)) }},
		recipe{name: "trailing_text_pem", code: "trailing_data", what: "text after the END line", file: func(der []byte) []byte { return append(crlPEM(der), "the end\n"...) }},
		recipe{name: "trailing_byte_in_pem", code: "trailing_data", what: "a zero byte after the CRL, within the PEM", file: func(der []byte) []byte { return crlPEM(append(der, 0)) }},
		recipe{name: "length_of_a_terabyte", code: "too_large", what: "the first length claims 2^40 bytes, more than MAX_CRL_BYTES' default", edit: list(func(b []byte) []byte {
			return append([]byte{0x30, 0x86, 1, 0, 0, 0, 0, 0}, b[4:]...)
		})},
	)
}

const (
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
)

var null = []byte{5, 0}
