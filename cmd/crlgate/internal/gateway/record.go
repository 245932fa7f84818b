package gateway

import (
	"crypto/tls"
	"time"
)

// Record is what the access log says of one request.
type Record struct {
	Time      time.Time // when the request's headers had been read
	RequestID string    // as in the event and in the response's header
	Method    string
	Path      string // percent-encoded, without the query
	Form      Form
	Status    int // of the response
	// Decision and Reason are the values of these keys in the authorizer's
	// context; empty where it gave none.
	Decision string
	Reason   string
	// Context is the authorizer's whole context. Do not modify it.
	Context map[string]any
	// CertificateSerial is the client certificate's serial number in lower-case
	// hexadecimal; empty without certificate.
	CertificateSerial string
	// Detail says why the gateway itself refused or failed, in words; empty where
	// it did not.
	Detail string
	// Latency runs until the response has been written; AuthorizerLatency is the
	// part of it that the authorizer took.
	Latency           time.Duration
	AuthorizerLatency time.Duration
	// Cached reports that the answer came from the authorizer cache.
	Cached bool
	// Resumed reports that the TLS session was resumed.
	Resumed bool
	// TLSVersion is crypto/tls's number of the protocol version.
	TLSVersion uint16
	// Protocol is HTTP/1.1 or HTTP/2.0.
	Protocol string
}

// TLSVersionName returns the protocol version in words, such as "TLS 1.3".
func (r Record) TLSVersionName() string { return tls.VersionName(r.TLSVersion) }
