package crl

import (
	"crypto"
	"encoding/asn1"
	"testing"
)

// TestParseAlgorithmForms: every form in which an AlgorithmIdentifier is taken
// or refused, in full.
func TestParseAlgorithmForms(t *testing.T) {
	oid := func(arcs ...int) []byte { return must(asn1.Marshal(asn1.ObjectIdentifier(arcs))) }
	null := []byte{5, 0}
	rsa, ecdsa := oid(1, 2, 840, 113549, 1, 1, 11), oid(1, 2, 840, 10045, 4, 3, 2)
	ed25519, pss, mgf1 := oid(1, 3, 101, 112), oid(1, 2, 840, 113549, 1, 1, 10), oid(1, 2, 840, 113549, 1, 1, 8)
	sha1, sha256, sha512 := oid(1, 3, 14, 3, 2, 26), oid(2, 16, 840, 1, 101, 3, 4, 2, 1), oid(2, 16, 840, 1, 101, 3, 4, 2, 3)
	params := func(fields ...[]byte) []byte { return tlv(0x30, pss, tlv(0x30, fields...)) }
	hash := func(h ...[]byte) []byte { return tlv(0xa0, tlv(0x30, h...)) }
	mask := func(h ...[]byte) []byte { return tlv(0xa1, tlv(0x30, mgf1, tlv(0x30, h...))) }
	number := func(tag byte, contents ...byte) []byte { return tlv(tag, tlv(2, contents)) }
	const (
		none   = "signature algorithm is not an AlgorithmIdentifier (malformed)"
		bad    = "RSA-PSS parameters are not RSASSA-PSS-params (RFC 4055 §3.1) (malformed)"
		noHash = "RSA-PSS parameters name no hash (malformed)"
		more   = "RSA-PSS hash with parameters (malformed)"
	)
	type alg = Algorithm
	for _, c := range []struct {
		name string
		in   []byte
		want Algorithm
		err  string
	}{
		{"RSA", tlv(0x30, rsa, null), alg{Hash: crypto.SHA256, kind: kindRSA}, ""},
		{"RSA without parameters", tlv(0x30, rsa), alg{Hash: crypto.SHA256, kind: kindRSA}, ""},
		{"RSA with SHA-1", tlv(0x30, oid(1, 2, 840, 113549, 1, 1, 5), null), alg{Hash: crypto.SHA1, kind: kindRSA}, ""},
		{"RSA with SHA-384", tlv(0x30, oid(1, 2, 840, 113549, 1, 1, 12), null), alg{Hash: crypto.SHA384, kind: kindRSA}, ""},
		{"RSA with SHA-512", tlv(0x30, oid(1, 2, 840, 113549, 1, 1, 13), null), alg{Hash: crypto.SHA512, kind: kindRSA}, ""},
		{"ECDSA with SHA-1", tlv(0x30, oid(1, 2, 840, 10045, 4, 1)), alg{Hash: crypto.SHA1, kind: kindECDSA}, ""},
		{"ECDSA with SHA-384", tlv(0x30, oid(1, 2, 840, 10045, 4, 3, 3)), alg{Hash: crypto.SHA384, kind: kindECDSA}, ""},
		{"ECDSA with SHA-512", tlv(0x30, oid(1, 2, 840, 10045, 4, 3, 4)), alg{Hash: crypto.SHA512, kind: kindECDSA}, ""},
		{"RSA with others", tlv(0x30, rsa, []byte{4, 0}), alg{}, "SHA256-RSA with algorithm parameters (malformed)"},
		{"RSA with a NULL of one octet", tlv(0x30, rsa, []byte{5, 1, 0}), alg{}, "SHA256-RSA with algorithm parameters (malformed)"},
		{"RSA with a parameter of one octet", tlv(0x30, rsa, []byte{5}), alg{}, "SHA256-RSA with algorithm parameters (malformed)"},
		{"ECDSA", tlv(0x30, ecdsa), alg{Hash: crypto.SHA256, kind: kindECDSA}, ""},
		{"ECDSA with two NULLs", tlv(0x30, ecdsa, null, null), alg{}, "ECDSA-SHA256 with algorithm parameters (malformed)"},
		{"Ed25519", tlv(0x30, ed25519), alg{Hash: crypto.SHA512, kind: kindEd25519}, ""},
		{"Ed25519 with NULL", tlv(0x30, ed25519, null), alg{}, "Ed25519 with algorithm parameters (RFC 8410 §3) (malformed)"},
		{"Ed25519 with an octet", tlv(0x30, ed25519, []byte{5}), alg{}, "Ed25519 with algorithm parameters (RFC 8410 §3) (malformed)"},
		{"empty", tlv(0x30), alg{}, none},
		{"a SET", tlv(0x31, rsa), alg{}, none},
		{"something behind", append(tlv(0x30, rsa), 5, 0), alg{}, none},
		{"no identifier", tlv(0x30, null), alg{}, none},

		{"PSS, all by default", params(), alg{Hash: crypto.SHA1, SaltLength: 20, kind: kindRSAPSS}, ""},
		{"PSS, all said", params(hash(sha256, null), mask(sha256, null), number(0xa2, 32), number(0xa3, 1)), alg{Hash: crypto.SHA256, SaltLength: 32, kind: kindRSAPSS}, ""},
		{"PSS with SHA-384", params(hash(oid(2, 16, 840, 1, 101, 3, 4, 2, 2)), mask(oid(2, 16, 840, 1, 101, 3, 4, 2, 2)), number(0xa2, 48)), alg{Hash: crypto.SHA384, SaltLength: 48, kind: kindRSAPSS}, ""},
		{"PSS, without NULL", params(hash(sha512), mask(sha512), number(0xa2, 64)), alg{Hash: crypto.SHA512, SaltLength: 64, kind: kindRSAPSS}, ""},
		{"PSS, defaults said", params(hash(sha1), mask(sha1), number(0xa2, 20)), alg{Hash: crypto.SHA1, SaltLength: 20, kind: kindRSAPSS}, ""},
		{"PSS, salt by default", params(hash(sha256), mask(sha256)), alg{Hash: crypto.SHA256, SaltLength: 20, kind: kindRSAPSS}, ""},
		{"PSS, no salt", params(number(0xa2, 0)), alg{Hash: crypto.SHA1, kind: kindRSAPSS}, ""},
		{"PSS, salt of 1024", params(number(0xa2, 4, 0)), alg{Hash: crypto.SHA1, SaltLength: 1024, kind: kindRSAPSS}, ""},
		{"PSS, salt of 1025", params(number(0xa2, 4, 1)), alg{}, bad},
		{"PSS, salt of -1", params(number(0xa2, 0xff)), alg{}, bad},
		{"PSS, salt no INTEGER", params(tlv(0xa2, null)), alg{}, bad},
		{"PSS, salt and more", params(tlv(0xa2, []byte{2, 1, 20}, null)), alg{}, bad},
		{"PSS, salt longer than what contains it", tlv(0x30, pss, []byte{0x30, 2, 0xa2, 1}), alg{}, bad},
		{"PSS, trailer 2", params(number(0xa3, 2)), alg{}, bad},
		{"PSS, trailer 0", params(number(0xa3, 0)), alg{}, bad},
		{"PSS, trailer no INTEGER", params(tlv(0xa3, null)), alg{}, bad},
		{"PSS, trailer and more", params(tlv(0xa3, []byte{2, 1, 1}, null)), alg{}, bad},
		{"PSS, trailer longer than what contains it", tlv(0x30, pss, []byte{0x30, 2, 0xa3, 1}), alg{}, bad},
		{"PSS, a fifth field", params(number(0xa3, 1), number(0xa4, 1)), alg{}, bad},
		{"PSS, out of order", params(number(0xa2, 20), hash(sha256)), alg{}, bad},
		{"PSS without parameters", tlv(0x30, pss), alg{}, bad},
		{"PSS with NULL", tlv(0x30, pss, null), alg{}, bad},
		{"PSS with two parameters", tlv(0x30, pss, tlv(0x30), null), alg{}, bad},
		{"PSS, hash longer than what contains it", tlv(0x30, pss, []byte{0x30, 2, 0xa0, 1}), alg{}, bad},
		{"PSS, hash of nothing", params(tlv(0xa0)), alg{}, noHash},
		{"PSS, hash and more", params(tlv(0xa0, tlv(0x30, sha256), null)), alg{}, noHash},
		{"PSS, hash without identifier", params(hash(null)), alg{}, noHash},
		{"PSS, hash with parameters", params(hash(sha256, []byte{4, 0})), alg{}, more},
		{"PSS, hash with a parameter of one octet", params(hash(sha256, []byte{5})), alg{}, more},
		{"PSS, hash unknown", params(hash(oid(1, 2, 3))), alg{}, "RSA-PSS with hash 1.2.3 (algorithm_unsupported)"},
		{"PSS, mask longer than what contains it", tlv(0x30, pss, []byte{0x30, 2, 0xa1, 1}), alg{}, bad},
		{"PSS, mask of nothing", params(tlv(0xa1)), alg{}, bad},
		{"PSS, mask and more", params(tlv(0xa1, tlv(0x30, mgf1, tlv(0x30, sha1)), null)), alg{}, bad},
		{"PSS, mask without identifier", params(tlv(0xa1, tlv(0x30, null))), alg{}, bad},
		{"PSS, mask without hash", params(tlv(0xa1, tlv(0x30, mgf1))), alg{}, noHash},
		{"PSS, mask of another kind", params(tlv(0xa1, tlv(0x30, oid(1, 2, 3), tlv(0x30, sha1)))), alg{}, "RSA-PSS with mask generation function 1.2.3; only MGF1 is supported (algorithm_unsupported)"},
		{"PSS, mask of another hash", params(hash(sha256), mask(sha512)), alg{}, "RSA-PSS with SHA-256 for the message and SHA-512 for the mask; both must be the same (algorithm_unsupported)"},
		{"PSS, mask by default", params(hash(sha256)), alg{}, "RSA-PSS with SHA-256 for the message and SHA-1 for the mask; both must be the same (algorithm_unsupported)"},
	} {
		got, err := ParseAlgorithm(c.in)
		if got != c.want || text(err) != c.err {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		if got.SHA1() != (c.want.Hash == crypto.SHA1) {
			t.Errorf("%s: rests on SHA-1: %v", c.name, got.SHA1())
		}
	}
}
