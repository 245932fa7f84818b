// Package differential asks crlgate, openssl and nginx the same questions over
// a generated set of public key infrastructures and CRLs, and holds every
// difference between their answers against a table of explanations, each of
// which names the section of RFC 5280 it rests on.
//
// It holds tests only. A run is made from a seed; with
//
//	go test ./cmd/crlgate/differential -seed 7 -cases 2000
//
// another set is made, and with -case 123 one case of it alone is described
// and kept quiet about nothing. Keys and signatures are new in every run; what
// is asked, and so every answer, depends on the seed alone.
package differential
