package crl

import "fmt"

// Code names the reason why a CRL is refused. Codes are part of crlgate's
// published vocabulary: they appear in reports, metrics and the output of
// "crlgate check", and docs/codes.md lists every one of them.
type Code string

// The codes with which this package refuses a CRL. Every one is a fault of
// the bytes themselves, which no issuer, base CRL or passing of time can cure.
const (
	Malformed                Code = "malformed"                           // not exact DER, or not a CertificateList (RFC 5280 §5.1)
	TrailingData             Code = "trailing_data"                       // bytes after the CRL
	TooLarge                 Code = "too_large"                           // longer than a limit allows
	VersionUnsupported       Code = "version_unsupported"                 // version other than v1 and v2, or v1 with extensions
	AlgorithmMismatch        Code = "algorithm_mismatch"                  // tbsCertList.signature ≠ signatureAlgorithm (RFC 5280 §5.1.1.2)
	AlgorithmUnsupported     Code = "algorithm_unsupported"               // a signature algorithm outside crlgate's list
	SHA1NotAllowed           Code = "sha1_not_allowed"                    // SHA-1 without ALLOW_SHA1
	CriticalExtensionUnknown Code = "critical_extension_unknown"          // RFC 5280 §5.2
	EntryCriticalUnknown     Code = "entry_critical_extension_unknown"    // RFC 5280 §5.3
	ExtensionDuplicate       Code = "extension_duplicate"                 // the same extension twice
	ExtensionMalformed       Code = "extension_malformed"                 // the CRL extensions, or the value of one, are not what their type asks for (RFC 5280 §5.2)
	EntryExtensionMalformed  Code = "entry_extension_malformed"           // an entry's extensions, or the value of one, are not what their type asks for (RFC 5280 §5.3)
	NumberMissing            Code = "number_missing"                      // no CRL number (RFC 5280 §5.2.3)
	NumberTooLong            Code = "number_too_long"                     // CRL number over 20 octets (RFC 5280 §5.2.3)
	NumberInvalid            Code = "number_invalid"                      // CRL number negative
	SerialTooLong            Code = "serial_too_long"                     // a serial number over MaxSerial octets
	IDPMalformed             Code = "idp_malformed"                       // not an IssuingDistributionPoint (RFC 5280 §5.2.5)
	IDPEmpty                 Code = "idp_empty"                           // IDP that says nothing (RFC 5280 §5.2.5)
	IDPConflict              Code = "idp_conflict"                        // more than one onlyContains flag
	ReasonsEmpty             Code = "reasons_empty"                       // onlySomeReasons without a reason
	CertificateIssuerStray   Code = "certificate_issuer_without_indirect" // certificateIssuer entry in a CRL that is not indirect
)

// Error is a refusal: which rule was broken, where, and how.
type Error struct {
	Code   Code
	Detail string // words for the operator
	Offset int64  // offset in the DER encoding, in bytes; -1 where none applies
}

// Error says the fault in words, then its code.
func (e *Error) Error() string {
	if e.Offset >= 0 {
		return fmt.Sprintf("%s (%s, at byte %d)", e.Detail, e.Code, e.Offset)
	}
	return fmt.Sprintf("%s (%s)", e.Detail, e.Code)
}

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...), Offset: -1}
}

func refuseAt(code Code, offset int64, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...), Offset: offset}
}
