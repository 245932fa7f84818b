// Package pki makes throwaway public key infrastructures: CAs, client and
// server certificates, and CRLs, sound or with any defect that a test asks for.
//
// It is for the demo, the local stack, tests and the generators of testdata
// and events; nothing that is deployed imports it. Start with [NewCA]; the CA
// issues certificates with [CA.Issue] and CRLs with [CA.CRL]. Package pkitest
// has the same calls for tests, which fail the test instead of returning an
// error.
//
// Everything is encoded here, field by field, with cryptobyte and not with
// crypto/x509, since crypto/x509 refuses to write most of the defects, and
// since a checker should not be tested only against the encoder of its own
// library.
//
// The package reads no clock. Certificates are valid from [DefaultNotBefore]
// to [DefaultNotAfter] unless the options say otherwise; a CRL's thisUpdate is
// required.
package pki
