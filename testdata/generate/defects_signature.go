package main

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"

	"github.com/crlgate/crlgate/internal/pki"
)

// signatureDefects are CRLs that no key of the CA has signed, or not in a way
// that is trusted.
func signatureDefects(a *authorities) []recipe {
	flip := func(o *pki.CRLOptions) {
		o.EditSignature = func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	}
	alg := func(alg pki.Algorithm) func(o *pki.CRLOptions) {
		return func(o *pki.CRLOptions) { o.SignatureAlgorithm = alg }
	}
	claims := func(inner, outer []byte) func(o *pki.CRLOptions) {
		return func(o *pki.CRLOptions) { o.InnerAlgorithm, o.OuterAlgorithm = inner, outer }
	}
	rsa := a.ca["rsa"].Key
	sha256 := must(pki.PKCS1v15(crypto.SHA256).AlgorithmIdentifier(rsa))
	sha512 := must(pki.PKCS1v15(crypto.SHA512).AlgorithmIdentifier(rsa))
	pssSalt20 := must(pki.PSS(crypto.SHA256, 20).AlgorithmIdentifier(rsa))
	accepted := ""
	dsa := algorithm(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 2})
	unknown := algorithm(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1})
	oid := func(arcs ...int) []byte { return must(asn1.Marshal(asn1.ObjectIdentifier(arcs))) }
	pss := oid(1, 2, 840, 113549, 1, 1, 10)
	pssBare := element(0x30, pss)
	pssTrailer := element(0x30, pss, element(0x30, element(0xa3, []byte{2, 1, 2})))
	pssOtherMask := element(0x30, pss, element(0x30, element(0xa1, element(0x30, oid(1, 3, 6, 1, 4, 1, 99999, 3)))))
	rsaOdd := element(0x30, oid(1, 2, 840, 113549, 1, 1, 11), []byte{2, 1, 0})
	edNull := element(0x30, oid(1, 3, 101, 112), null)
	return []recipe{
		{name: "signature_altered", code: "signature_invalid", what: "a bit of the signature is flipped (ECDSA)", edit: flip},
		{name: "signature_altered_rsa", code: "signature_invalid", what: "the same with RSA", issuer: "rsa", edit: flip},
		{name: "signature_altered_ed25519", code: "signature_invalid", what: "the same with Ed25519", issuer: "ed25519", edit: flip},
		{name: "signature_zero", code: "signature_invalid", what: "an ECDSA signature of r = s = 0", edit: func(o *pki.CRLOptions) {
			o.EditSignature = func([]byte) []byte { return []byte{0x30, 6, 2, 1, 0, 2, 1, 0} }
		}},
		{name: "signature_other_salt_length", code: "signature_invalid", what: "RSASSA-PSS that says a salt of 20 octets and has 32", issuer: "rsa", edit: func(o *pki.CRLOptions) {
			o.SignatureAlgorithm = pki.PSS(crypto.SHA256, 32)
			claims(pssSalt20, pssSalt20)(o)
		}},
		{name: "signature_other_hash", code: "signature_invalid", what: "says SHA-512 and is signed over SHA-256", issuer: "rsa", edit: claims(sha512, sha512)},
		{name: "entry_altered_after_signing", code: "signature_invalid", what: "a serial was changed after signing", edit: func(o *pki.CRLOptions) {
			o.EditDER = func(b []byte) []byte { return bytes.Replace(b, []byte{2, 2, 0x0a, 0x1b}, []byte{2, 2, 0x0a, 0x1c}, 1) }
		}},
		{name: "forged", code: "signature_invalid", what: "the CA's name and key identifier, signed with another key", edit: func(o *pki.CRLOptions) { o.SignWith = a.ca["other"].Key }},
		{name: "forged_other_key_id", code: "signer_unknown", what: "the CA's name, signed with a key that its issuers file lacks, as after a rollover or by another CA of the same name", edit: func(o *pki.CRLOptions) { signWith(o, a.ca["other"]) }},
		{name: "forged_without_key_id", code: "signer_unknown", what: "the same without authority key identifier", edit: func(o *pki.CRLOptions) {
			o.SignWith, o.NoAuthorityKeyID = a.ca["other"].Key, true
		}},
		{name: "algorithm_inner_and_outer_differ", code: "algorithm_mismatch", what: "tbsCertList says SHA-512, CertificateList SHA-256 (RFC 5280 §5.1.1.2)", issuer: "rsa", edit: claims(sha512, sha256)},
		{name: "algorithm_parameters_differ", code: "algorithm_mismatch", what: "the same algorithm with and without NULL parameters", issuer: "rsa", edit: claims(algorithm(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}), sha256)},
		{name: "algorithm_md5", code: "algorithm_unsupported", what: "RSA with MD5", issuer: "rsa", edit: alg(pki.PKCS1v15(crypto.MD5))},
		{name: "algorithm_sha224", code: "algorithm_unsupported", what: "ECDSA with SHA-224", edit: alg(pki.ECDSA(crypto.SHA224))},
		{name: "algorithm_dsa", code: "algorithm_unsupported", what: "says DSA with SHA-256", edit: claims(dsa, dsa)},
		{name: "algorithm_unknown", code: "algorithm_unsupported", what: "an algorithm that does not exist", edit: claims(unknown, unknown)},
		{name: "algorithm_pss_other_mask_hash", code: "algorithm_unsupported", what: "RSASSA-PSS with SHA-256 and a mask of SHA-1", issuer: "rsa", edit: claims(pssMaskSHA1(), pssMaskSHA1())},
		{name: "algorithm_pss_sha224", code: "algorithm_unsupported", what: "RSASSA-PSS with SHA-224", issuer: "rsa", edit: alg(pki.PSS(crypto.SHA224, 28))},
		{name: "algorithm_pss_other_mask", code: "algorithm_unsupported", what: "RSASSA-PSS with a mask generation function that does not exist", issuer: "rsa", edit: claims(pssOtherMask, pssOtherMask)},
		{name: "algorithm_pss_without_parameters", code: "malformed", what: "RSASSA-PSS without parameters, which a signature must have (RFC 4055 §3.1)", issuer: "rsa", edit: claims(pssBare, pssBare)},
		{name: "algorithm_pss_trailer_2", code: "malformed", what: "RSASSA-PSS with trailer field 2 (RFC 4055 §3.1)", issuer: "rsa", edit: claims(pssTrailer, pssTrailer)},
		{name: "algorithm_rsa_with_parameters", code: "malformed", what: "RSA with parameters that are an INTEGER (RFC 4055 §5)", issuer: "rsa", edit: claims(rsaOdd, rsaOdd)},
		{name: "algorithm_ed25519_with_null", code: "malformed", what: "Ed25519 with NULL parameters (RFC 8410 §3)", issuer: "ed25519", edit: claims(edNull, edNull)},
		{name: "sha1_rsa", code: "sha1_not_allowed", what: "RSA with SHA-1", issuer: "rsa", edit: alg(pki.PKCS1v15(crypto.SHA1)), and: &accepted},
		{name: "sha1_rsa_pss", code: "sha1_not_allowed", what: "RSASSA-PSS with SHA-1, every parameter a default", issuer: "rsa", edit: alg(pki.PSS(crypto.SHA1, 20)), and: &accepted},
		{name: "sha1_ecdsa", code: "sha1_not_allowed", what: "ECDSA with SHA-1", edit: alg(pki.ECDSA(crypto.SHA1)), and: &accepted},
		{name: "signer_without_crlsign", code: "signer_not_authorized", what: "the CA's keyUsage lacks cRLSign (RFC 5280 §6.3.3 f)", issuer: "no_crlsign"},
		{name: "signer_without_crlsign_beside_crl_signer", code: "signer_not_authorized", what: "signed with the CA's key, which lacks cRLSign, though a CRL-only certificate stands beside it", issuer: "crl_signer"},
		{name: "issuer_other_ca", code: "issuer_unknown", what: "a sound CRL of a CA that is not among the issuers", issuer: "other", checkWith: "ca"},
		{name: "issuer_name_other", code: "issuer_unknown", what: "the CA's key, but another issuer name", edit: func(o *pki.CRLOptions) { o.Issuer = a.ca["other"].Name() }},
		{name: "issuer_name_longer", code: "issuer_unknown", what: "the CA's key and name, with one more RDN", edit: func(o *pki.CRLOptions) {
			o.Issuer = rewrap(a.ca["ca"].Name(), func(c []byte) []byte {
				return append(c, must(pki.RawName([]pki.Attribute{{Type: pki.OIDOrganizationalUnit, Value: "more"}}))[2:]...)
			})
		}},
	}
}

// algorithm encodes an AlgorithmIdentifier without parameters.
func algorithm(oid asn1.ObjectIdentifier) []byte {
	return must(asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: oid}))
}

// pssMaskSHA1 encodes RSASSA-PSS with SHA-256 for the message and, by default,
// SHA-1 for the mask.
func pssMaskSHA1() []byte {
	sha256 := must(asn1.Marshal(pkix.AlgorithmIdentifier{
		Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, Parameters: asn1.NullRawValue,
	}))
	oid := must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}))
	return element(0x30, oid, element(0x30, element(0xa0, sha256), element(0xa2, []byte{2, 1, 32})))
}
