package main

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// contentDefects are sound encodings of CRLs that cannot be used: dates,
// versions, numbers, serials, kinds.
func contentDefects(a *authorities) []recipe {
	return []recipe{
		{name: "this_update_in_the_future", code: "not_yet_valid", what: "thisUpdate an hour in the future", edit: func(o *pki.CRLOptions) { o.ThisUpdate = at.Add(time.Hour) }},
		{name: "next_update_in_the_past", code: "expired", what: "nextUpdate a minute in the past", edit: func(o *pki.CRLOptions) { o.NextUpdate = at.Add(-time.Minute) }},
		{name: "next_update_1999", code: "expired", what: "nextUpdate in year 99, that is 1999", edit: func(o *pki.CRLOptions) {
			o.ThisUpdate = time.Date(1999, time.December, 1, 0, 0, 0, 0, time.UTC)
			o.NextUpdate = time.Date(1999, time.December, 31, 23, 59, 59, 0, time.UTC)
		}},
		{name: "next_update_1950", code: "expired", what: "nextUpdate in year 50, that is 1950", edit: func(o *pki.CRLOptions) {
			o.ThisUpdate = time.Date(1950, time.January, 1, 0, 0, 0, 0, time.UTC)
			o.NextUpdate = time.Date(1950, time.January, 2, 0, 0, 0, 0, time.UTC)
		}},
		{name: "next_update_before_this_update", code: "dates_conflict", what: "nextUpdate before thisUpdate, both within the skew, so that each alone is in order", edit: func(o *pki.CRLOptions) {
			o.ThisUpdate, o.NextUpdate = at.Add(4*time.Minute), at.Add(2*time.Minute)
		}},
		{name: "next_update_missing", code: "next_update_missing", what: "no nextUpdate (RFC 5280 §5.1.2.5)", edit: func(o *pki.CRLOptions) { o.NextUpdate = time.Time{} }},
		{name: "version_1_with_extensions", code: "version_unsupported", what: "no version, so v1, with CRL extensions", edit: func(o *pki.CRLOptions) {
			o.Version = 1
			o.Entries = o.Entries[:1]
		}},
		{name: "version_1_with_entry_extensions", code: "version_unsupported", what: "no version, so v1, with a reason code on an entry", edit: func(o *pki.CRLOptions) {
			o.Version, o.Number, o.Entries = 1, nil, o.Entries[1:2]
		}},
		{name: "version_3", code: "version_unsupported", what: "version v3", edit: func(o *pki.CRLOptions) { o.Version = 3 }},
		{name: "version_1_written_out", code: "version_unsupported", what: "version 0, which stands for v1 and cannot be written", edit: func(o *pki.CRLOptions) {
			o.EditTBS = editField(tbsVersion, func([]byte) []byte { return []byte{2, 1, 0} })
		}},
		{name: "version_1", code: "number_missing", what: "a sound v1 CRL: it has no extensions and so no CRL number", edit: func(o *pki.CRLOptions) {
			o.Version, o.Number, o.Entries = 1, nil, o.Entries[:1]
		}},
		{name: "number_missing", code: "number_missing", what: "no CRL number (RFC 5280 §5.2.3)", edit: func(o *pki.CRLOptions) { o.Number = nil }},
		{name: "number_21_octets", code: "number_too_long", what: "CRL number 2^160", edit: func(o *pki.CRLOptions) { o.Number = power(160, 0) }},
		{name: "number_negative", code: "number_invalid", what: "CRL number −1", edit: func(o *pki.CRLOptions) { o.Number = big.NewInt(-1) }},
		{name: "serial_65_octets", code: "serial_too_long", what: "a serial of 65 octets, one more than is read", edit: func(o *pki.CRLOptions) {
			o.Entries[1].RawSerial = bytes.Repeat([]byte{0x7f}, 65)
		}},
		{name: "base_number_21_octets", code: "number_too_long", what: "a delta CRL with BaseCRLNumber 2^160", edit: func(o *pki.CRLOptions) { o.BaseNumber = power(160, 0) }},
		{name: "base_number_negative", code: "number_invalid", what: "a delta CRL with BaseCRLNumber −1", edit: func(o *pki.CRLOptions) { o.BaseNumber = big.NewInt(-1) }},
		{name: "serial_200_octets", code: "serial_too_long", what: "a serial of 200 octets", edit: func(o *pki.CRLOptions) {
			o.Entries[1].RawSerial = bytes.Repeat([]byte{0x7f}, 200)
		}},
		{name: "certificate_issuer_without_indirect", code: "certificate_issuer_without_indirect", what: "an entry names another CA, but the CRL is not indirect (RFC 5280 §5.3.3)", edit: func(o *pki.CRLOptions) {
			o.Entries[2].CertificateIssuer = a.ca["other"].Name()
		}},
		{name: "idp_only_attribute", code: "attribute_certs_only", what: "IDP with onlyContainsAttributeCerts: it says nothing of client certificates", edit: func(o *pki.CRLOptions) {
			o.IDP = &pki.IDP{OnlyAttribute: true}
		}},
	}
}

// extensionDefects are CRLs with an extension that is unknown, repeated or not
// what its type asks for.
func extensionDefects() []recipe {
	extension := func(oid asn1.ObjectIdentifier, value ...byte) func(o *pki.CRLOptions) {
		return func(o *pki.CRLOptions) {
			o.ExtraExtensions = append(o.ExtraExtensions, pkix.Extension{Id: oid, Value: value})
		}
	}
	entry := func(n int, e ...pkix.Extension) func(o *pki.CRLOptions) {
		return func(o *pki.CRLOptions) { o.Entries[n].ExtraExtensions = e }
	}
	reason := func(value ...byte) pkix.Extension { return pkix.Extension{Id: oidReason, Value: value} }
	idp := func(raw ...byte) func(o *pki.CRLOptions) {
		return func(o *pki.CRLOptions) { o.IDP = &pki.IDP{Raw: raw} }
	}
	typed := func(p pki.IDP) func(o *pki.CRLOptions) { return func(o *pki.CRLOptions) { o.IDP = &p } }
	without := func(o *pki.CRLOptions) *pki.CRLOptions { o.NoAuthorityKeyID = true; return o }
	return []recipe{
		{name: "critical_extension_unknown", code: "critical_extension_unknown", what: "an unknown critical CRL extension (RFC 5280 §5.2)", edit: func(o *pki.CRLOptions) { o.ExtraExtensions = unknownExtension(true) }},
		{name: "entry_critical_extension_unknown", code: "entry_critical_extension_unknown", what: "an unknown critical extension of the first entry (RFC 5280 §5.3)", edit: entry(0, unknownExtension(true)...)},
		{name: "entry_critical_extension_unknown_last", code: "entry_critical_extension_unknown", what: "the same on the last entry", edit: entry(2, unknownExtension(true)...)},
		{name: "extension_twice", code: "extension_duplicate", what: "the CRL number twice (RFC 5280 §4.2)", edit: extension(oidNumber, 2, 1, 42)},
		{name: "extension_twice_unknown", code: "extension_duplicate", what: "an unknown extension twice", edit: func(o *pki.CRLOptions) {
			o.ExtraExtensions = append(unknownExtension(false), unknownExtension(false)...)
		}},
		{name: "entry_extension_twice", code: "extension_duplicate", what: "two reason codes in one entry", edit: entry(1, reason(10, 1, 1))},
		{name: "number_not_integer", code: "extension_malformed", what: "CRL number that is an OCTET STRING", edit: func(o *pki.CRLOptions) {
			o.Number = nil
			extension(oidNumber, 4, 1, 42)(o)
		}},
		{name: "number_not_minimal", code: "extension_malformed", what: "CRL number 42 as 00 2A", edit: func(o *pki.CRLOptions) { o.NumberRaw = []byte{0, 42} }},
		{name: "number_with_trailing_byte", code: "extension_malformed", what: "CRL number with a byte after it", edit: func(o *pki.CRLOptions) {
			o.Number = nil
			extension(oidNumber, 2, 1, 42, 0)(o)
		}},
		{name: "aki_not_sequence", code: "extension_malformed", what: "authority key identifier that is an OCTET STRING", edit: func(o *pki.CRLOptions) {
			extension(oidAuthorityKeyID, 4, 2, 1, 2)(without(o))
		}},
		{name: "aki_with_trailing_byte", code: "extension_malformed", what: "authority key identifier with a byte after it", edit: func(o *pki.CRLOptions) {
			extension(oidAuthorityKeyID, 0x30, 3, 0x80, 1, 1, 0)(without(o))
		}},
		{name: "base_number_not_integer", code: "extension_malformed", what: "delta CRL indicator that is an OCTET STRING", edit: extension(oidDeltaIndicator, 4, 1, 42)},
		{name: "freshest_crl_empty", code: "extension_malformed", what: "freshestCRL that is an empty SEQUENCE", edit: extension(oidFreshestCRL, 0x30, 0)},
		{name: "authority_information_access_junk", code: "extension_malformed", what: "authority information access whose elements do not fill it", edit: extension(oidAuthorityInfo, 0x30, 2, 0x30, 1)},
		{name: "issuer_alternative_name_not_sequence", code: "extension_malformed", what: "issuer alternative name that is an IA5String", edit: extension(oidIssuerAltName, 0x16, 2, 'c', 'a')},
		{name: "extensions_empty", code: "extension_malformed", what: "crlExtensions that are an empty SEQUENCE (RFC 5280 §5.1.2.7)", edit: func(o *pki.CRLOptions) {
			o.EditTBS = editField(tbsExtensions, func([]byte) []byte { return []byte{0xa0, 2, 0x30, 0} })
		}},
		{name: "extension_without_id", code: "extension_malformed", what: "an extension whose identifier is empty", edit: func(o *pki.CRLOptions) {
			o.EditTBS = appendExtension(element(0x30, []byte{6, 0}, element(4, null)))
		}},
		{name: "extension_id_not_minimal", code: "extension_malformed", what: "a second CRL number whose identifier hides behind a superfluous octet (X.690 §8.19.2)", edit: func(o *pki.CRLOptions) {
			o.EditTBS = appendExtension(element(0x30, []byte{6, 4, 0x55, 0x1d, 0x80, 0x14}, element(4, []byte{2, 1, 99})))
		}},
		{name: "extension_critical_not_der", code: "extension_malformed", what: "critical flag of 01, where DER's TRUE is FF", edit: func(o *pki.CRLOptions) {
			o.EditTBS = appendExtension(element(0x30, must(asn1.Marshal(oidUnknown)), []byte{1, 1, 1}, element(4, null)))
		}},
		{name: "extension_with_a_fourth_field", code: "extension_malformed", what: "an extension with an element after its value", edit: func(o *pki.CRLOptions) {
			o.EditTBS = appendExtension(element(0x30, must(asn1.Marshal(oidUnknown)), element(4, null), null))
		}},
		{name: "reason_7_critical", code: "entry_extension_malformed", what: "a critical reason code 7, which is not assigned: what is critical must be understood (RFC 5280 §5.3)", edit: entry(0, pkix.Extension{Id: oidReason, Critical: true, Value: []byte{10, 1, 7}})},
		{name: "reason_negative", code: "entry_extension_malformed", what: "reason code −1", edit: entry(0, reason(10, 1, 0xff))},
		{name: "reason_9_octets", code: "entry_extension_malformed", what: "a reason code of 9 octets", edit: entry(0, reason(10, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0))},
		{name: "reason_empty", code: "entry_extension_malformed", what: "a reason code of no octets", edit: entry(0, reason(10, 0))},
		{name: "reason_not_enumerated", code: "entry_extension_malformed", what: "reason code that is an INTEGER", edit: entry(0, reason(2, 1, 1))},
		{name: "reason_not_minimal", code: "entry_extension_malformed", what: "reason code 1 as 00 01", edit: entry(0, reason(10, 2, 0, 1))},
		{name: "reason_with_trailing_byte", code: "entry_extension_malformed", what: "reason code with a byte after it", edit: entry(0, reason(10, 1, 1, 0))},
		{name: "invalidity_date_utctime", code: "entry_extension_malformed", what: "invalidity date that is a UTCTime (RFC 5280 §5.3.2)", edit: entry(0, pkix.Extension{
			Id: asn1.ObjectIdentifier{2, 5, 29, 24}, Value: element(tagUTCTime, []byte("261101000000Z")),
		})},
		{name: "hold_instruction_not_oid", code: "entry_extension_malformed", what: "hold instruction code that is NULL", edit: entry(0, pkix.Extension{Id: oidHoldInstruction, Value: null})},
		{name: "certificate_issuer_empty", code: "entry_extension_malformed", what: "certificate issuer of no names (RFC 5280 §5.3.3)", edit: func(o *pki.CRLOptions) {
			o.IDP = &pki.IDP{Indirect: true}
			entry(0, pkix.Extension{Id: oidCertificateIssuer, Critical: true, Value: []byte{0x30, 0}})(o)
		}},
		{name: "certificate_issuer_not_general_name", code: "entry_extension_malformed", what: "certificate issuer that is a Name outside GeneralNames", edit: func(o *pki.CRLOptions) {
			o.IDP = &pki.IDP{Indirect: true}
			entry(0, pkix.Extension{Id: oidCertificateIssuer, Critical: true, Value: mustName(asn1.TagUTF8String, "Other CA")})(o)
		}},
		{name: "entry_extensions_empty", code: "entry_extension_malformed", what: "an entry with an empty SEQUENCE of extensions", edit: func(o *pki.CRLOptions) { o.Entries[0].EmptyExtensions = true }},
		{name: "idp_empty", code: "idp_empty", what: "IDP that is an empty SEQUENCE (RFC 5280 §5.2.5)", edit: idp(0x30, 0)},
		{name: "idp_flags_false", code: "idp_empty", what: "IDP that says onlyContainsUserCerts FALSE and nothing else", edit: idp(0x30, 3, 0x81, 1, 0)},
		{name: "idp_name_not_general", code: "idp_malformed", what: "IDP with a full name of tag [9], which GeneralName has not", edit: idp(0x30, 7, 0xa0, 5, 0xa0, 3, 0x89, 1, 'x')},
		{name: "idp_relative_not_rdn", code: "idp_malformed", what: "IDP with a relative name that is no attribute", edit: idp(0x30, 7, 0xa0, 5, 0xa1, 3, 2, 1, 1)},
		{name: "idp_reasons_no_bit_string", code: "idp_malformed", what: "IDP with onlySomeReasons of no octets", edit: idp(0x30, 2, 0x83, 0)},
		{name: "idp_not_sequence", code: "idp_malformed", what: "IDP that is NULL", edit: idp(5, 0)},
		{name: "idp_name_empty", code: "idp_malformed", what: "IDP with a full name of no names", edit: idp(0x30, 4, 0xa0, 2, 0xa0, 0)},
		{name: "idp_flag_not_der", code: "idp_malformed", what: "IDP with onlyContainsUserCerts of 01, where DER's TRUE is FF", edit: idp(0x30, 3, 0x81, 1, 1)},
		{name: "idp_fields_out_of_order", code: "idp_malformed", what: "IDP with onlyContainsCACerts before onlyContainsUserCerts", edit: idp(0x30, 6, 0x82, 1, 0, 0x81, 1, 0xff)},
		{name: "idp_unknown_field", code: "idp_malformed", what: "IDP with a field [6]", edit: idp(0x30, 6, 0x81, 1, 0xff, 0x86, 1, 0xff)},
		{name: "idp_with_trailing_byte", code: "idp_malformed", what: "IDP with a byte after it", edit: idp(0x30, 3, 0x81, 1, 0xff, 0)},
		{name: "idp_user_and_ca", code: "idp_conflict", what: "IDP with onlyContainsUserCerts and onlyContainsCACerts", edit: typed(pki.IDP{OnlyUser: true, OnlyCA: true})},
		{name: "idp_user_and_attribute", code: "idp_conflict", what: "IDP with onlyContainsUserCerts and onlyContainsAttributeCerts", edit: typed(pki.IDP{OnlyUser: true, OnlyAttribute: true})},
		{name: "idp_reasons_empty", code: "reasons_empty", what: "IDP with onlySomeReasons of no bits", edit: typed(pki.IDP{RawReasons: []byte{0}})},
		{name: "idp_reasons_unused_bit", code: "reasons_empty", what: "IDP with onlySomeReasons of bit 0 alone, which stands for nothing", edit: typed(pki.IDP{RawReasons: []byte{7, 0x80}})},
	}
}

var (
	oidNumber         = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReason         = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidAuthorityKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}

	oidIssuerAltName     = asn1.ObjectIdentifier{2, 5, 29, 18}
	oidHoldInstruction   = asn1.ObjectIdentifier{2, 5, 29, 23}
	oidDeltaIndicator    = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidCertificateIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
	oidFreshestCRL       = asn1.ObjectIdentifier{2, 5, 29, 46}
	oidAuthorityInfo     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidUnknown           = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 2} // below the arc for private enterprises
)

func unknownExtension(critical bool) []pkix.Extension {
	return []pkix.Extension{{Id: oidUnknown, Critical: critical, Value: null}}
}

// appendExtension returns an edit of tbsCertList that adds one encoded
// Extension.
func appendExtension(extension []byte) func([]byte) []byte {
	return editField(tbsExtensions, func(b []byte) []byte {
		return rewrap(b, func(list []byte) []byte {
			return rewrap(list, func(c []byte) []byte { return append(c, extension...) })
		})
	})
}

// reasonExtensions encodes the extensions of an entry that has a reason alone.
func reasonExtensions(value ...byte) []byte {
	oid := must(asn1.Marshal(oidReason))
	return element(0x30, element(0x30, oid, element(4, value)))
}
