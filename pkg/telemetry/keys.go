package telemetry

import "slices"

// Log keys. Whatever is logged is logged under one of these, so that a query
// finds it in every function.
const (
	KeyRequestID      = "request_id"
	KeyFunction       = "function"
	KeyVersion        = "version"
	KeyDecision       = "decision"
	KeyReason         = "reason"
	KeyWouldDeny      = "would_deny"
	KeyMode           = "mode"
	KeyCA             = "ca"
	KeySerial         = "serial"
	KeySubject        = "subject"
	KeyFingerprint    = "fingerprint"
	KeyDomainName     = "domain_name"
	KeyCRL            = "crl"
	KeyCRLNumber      = "crl_number"
	KeyThisUpdate     = "this_update"
	KeyNextUpdate     = "next_update"
	KeyRevocationDate = "revocation_date"
	KeyEntries        = "entries"
	KeyCode           = "code"
	KeyDetail         = "detail"
	KeyObject         = "object"
	KeyETag           = "etag"
	KeyVersionID      = "version_id"
	KeyGeneration     = "generation"
	KeyEvent          = "event"
	KeyRecords        = "records"
	KeyBytes          = "bytes"
	KeyDurationMS     = "duration_ms"
	KeyAddress        = "address"
	KeySettings       = "settings"
	KeyErr            = "err"
)

// Key is a log key and what stands under it.
type Key struct{ Name, Meaning string }

var keys = []Key{
	{KeyRequestID, "Lambda's id of the invocation"},
	{KeyFunction, "the function's name"},
	{KeyVersion, "version of crlgate"},
	{KeyDecision, "allow or deny"},
	{KeyReason, "reason code of the decision"},
	{KeyWouldDeny, "reason code for which observe mode did not deny"},
	{KeyMode, "enforce or observe"},
	{KeyCA, "the CA's name: its issuers file"},
	{KeySerial, "the certificate's serial number, lower-case hexadecimal"},
	{KeySubject, "the certificate's subject, as text"},
	{KeyFingerprint, "SHA-256 of the certificate, hexadecimal"},
	{KeyDomainName, "domain name that the client asked for"},
	{KeyCRL, "the CRL's name: its upload key, escaped"},
	{KeyCRLNumber, "the CRL number, decimal"},
	{KeyThisUpdate, "the CRL's thisUpdate, RFC 3339"},
	{KeyNextUpdate, "the CRL's nextUpdate, RFC 3339"},
	{KeyRevocationDate, "the entry's revocation date, RFC 3339"},
	{KeyEntries, "number of CRL entries"},
	{KeyCode, "code of a report"},
	{KeyDetail, "words of a report"},
	{KeyObject, "an S3 object, s3://bucket/key"},
	{KeyETag, "an object's ETag"},
	{KeyVersionID, "an object's version id"},
	{KeyGeneration, "the catalog's generation"},
	{KeyEvent, "kind of event: s3, timer, request"},
	{KeyRecords, "number of records in an S3 event"},
	{KeyBytes, "a size in bytes"},
	{KeyDurationMS, "a duration in milliseconds"},
	{KeyAddress, "a network address"},
	{KeySettings, "the settings in force"},
	{KeyErr, "an error's text"},
}

// Keys lists every log key.
func Keys() []Key { return slices.Clone(keys) }
