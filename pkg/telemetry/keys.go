package telemetry

import "slices"

// Log keys. Whatever is logged is logged under one of these, so that a query
// finds it in every function. Beside them each line has slog's own: time, level
// and msg.
const (
	KeyRequestID      = "request_id"
	KeyAPIRequestID   = "api_request_id"
	KeyFunction       = "function"
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
	KeyRevocationDate = "revocation_date"
	KeyEntries        = "entries"
	KeyAdded          = "added"
	KeyVanished       = "vanished"
	KeyOutcome        = "outcome"
	KeyCode           = "code"
	KeyDetail         = "detail"
	KeyChanged        = "changed"
	KeyObject         = "object"
	KeyETag           = "etag"
	KeyVersionID      = "version_id"
	KeyGeneration     = "generation"
	KeyBytes          = "bytes"
	KeyDurationMS     = "duration_ms"
	KeyURL            = "url"
	KeyNewest         = "newest"
	KeyObjects        = "objects"
	KeyAgeSeconds     = "age_seconds"
	KeyFloor          = "floor"
	KeyDryRun         = "dry_run"
	KeyDone           = "done"
	KeyBy             = "by"
	KeyErr            = "err"
)

// Key is a log key: the JSON type of what stands under it, which functions log
// it, and what it is.
type Key struct {
	Name, Type string
	By         []string
	Meaning    string
}

// The functions, as the tables name them.
const (
	authorizer   = "authorizer"
	preprocessor = "preprocessor"
	truststore   = "truststore"
	fetcher      = "fetcher"
)

var (
	both = []string{authorizer, preprocessor}
	auth = []string{authorizer}
	prep = []string{preprocessor}
	trus = []string{truststore}
	fet  = []string{fetcher}
	all  = []string{authorizer, preprocessor, truststore, fetcher}

	bothAndFetcher = []string{authorizer, preprocessor, fetcher}
	prepAndFetcher = []string{preprocessor, fetcher}
)

var keys = []Key{
	{KeyRequestID, "string", all, "Lambda's id of the invocation"},
	{KeyAPIRequestID, "string", auth, "API Gateway's id of the request, `$context.requestId` in its access log"},
	{KeyFunction, "string", all, "the function's name in Lambda"},
	{KeyDecision, "string", auth, "allow or deny"},
	{KeyReason, "string", both, "reason code of the decision; in the preprocessor's lines, why an operator had something forgotten"},
	{KeyWouldDeny, "bool", auth, "true where what would be denied was let in"},
	{KeyMode, "string", auth, "what let it in: observe, allow_until or crl: optional"},
	{KeyCA, "string", bothAndFetcher, "the CA's name: that of its issuers file"},
	{KeySerial, "string", auth, "the certificate's serial number, lower-case hexadecimal"},
	{KeySubject, "string", auth, "the certificate's subject, as text"},
	{KeyFingerprint, "string", auth, "SHA-256 of the certificate, hexadecimal"},
	{KeyDomainName, "string", []string{authorizer, truststore}, "domain name that the client asked for, or whose truststore is kept"},
	{KeyCRL, "string", both, "the CRL: its upload key; in the authorizer's lines its name, which is that key escaped"},
	{KeyCRLNumber, "string", bothAndFetcher, "the CRL number, decimal"},
	{KeyRevocationDate, "string", auth, "the entry's revocation date, RFC 3339"},
	{KeyEntries, "number", both, "number of CRL entries"},
	{KeyAdded, "number", prep, "serials that the CRL before does not have"},
	{KeyVanished, "number", prep, "serials of the CRL before that this one does not have"},
	{KeyOutcome, "string", prep, "what became of an upload: accepted, pending, refused or deleted"},
	{KeyCode, "string", prepAndFetcher, "code of a report"},
	{KeyDetail, "string", all, "words of a report, or what stood in the way of a good status"},
	{KeyChanged, "bool", prep, "whether the CA's certificates in the catalog changed"},
	{KeyObject, "string", all, "an object: its key in its bucket, or s3://bucket/key"},
	{KeyETag, "string", both, "an object's ETag"},
	{KeyVersionID, "string", trus, "an object's version id"},
	{KeyGeneration, "number", both, "the catalog's generation"},
	{KeyBytes, "number", bothAndFetcher, "a size in bytes"},
	{KeyDurationMS, "number", prepAndFetcher, "a duration in milliseconds"},
	{KeyURL, "string", fet, "a URL that a CRL is fetched from"},
	{KeyNewest, "number", prep, "generation of the newest copy of the catalog"},
	{KeyObjects, "number", prep, "number of objects"},
	{KeyAgeSeconds, "number", prep, "how long ago an object was last written, in seconds"},
	{KeyFloor, "bool", prep, "true where a floor is to be lowered, not a CRL or CA to be forgotten"},
	{KeyDryRun, "bool", prep, "true where an operator only looked at what would be forgotten"},
	{KeyDone, "bool", prep, "true where it was forgotten"},
	{KeyBy, "string", prep, "who asked for it, as far as is known"},
	{KeyErr, "string", all, "an error's text"},
}

// Keys lists every log key.
func Keys() []Key { return slices.Clone(keys) }
