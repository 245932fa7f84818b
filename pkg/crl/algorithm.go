package crl

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // for CRLs whose operator allows SHA-1
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"hash"
	"io"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const maxAlgorithm = 512 // octets of an AlgorithmIdentifier that are read

type kind uint8

const (
	kindUnknown kind = iota
	kindRSA          // PKCS #1 v1.5 (RFC 8017 §8.2)
	kindRSAPSS       // RFC 4055 §3.1, RFC 8017 §8.1
	kindECDSA        // RFC 5758 §3.2
	kindEd25519      // RFC 8410
)

// Algorithm is a signature algorithm with its parameters. The zero value is no
// algorithm.
type Algorithm struct {
	Hash       crypto.Hash // hash of the signed bytes; for Ed25519 the one that names the content
	SaltLength int         // RSA-PSS only, in octets
	kind       kind
}

// String returns a name such as SHA256-RSA, SHA384-RSAPSS or ECDSA-SHA256.
func (a Algorithm) String() string {
	name := map[crypto.Hash]string{crypto.SHA1: "SHA1", crypto.SHA256: "SHA256", crypto.SHA384: "SHA384", crypto.SHA512: "SHA512"}[a.Hash]
	switch a.kind {
	case kindRSA:
		return name + "-RSA"
	case kindRSAPSS:
		return name + "-RSAPSS"
	case kindECDSA:
		return "ECDSA-" + name
	case kindEd25519:
		return "Ed25519"
	}
	return "unknown"
}

// SHA1 reports whether the signature rests on SHA-1.
func (a Algorithm) SHA1() bool { return a.Hash == crypto.SHA1 }

var (
	oidRSAPSS  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}
)

var plainAlgorithms = []struct {
	oid asn1.ObjectIdentifier
	alg Algorithm
}{
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, Algorithm{kind: kindRSA, Hash: crypto.SHA1}},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Algorithm{kind: kindRSA, Hash: crypto.SHA256}},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, Algorithm{kind: kindRSA, Hash: crypto.SHA384}},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, Algorithm{kind: kindRSA, Hash: crypto.SHA512}},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, Algorithm{kind: kindECDSA, Hash: crypto.SHA1}},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, Algorithm{kind: kindECDSA, Hash: crypto.SHA256}},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, Algorithm{kind: kindECDSA, Hash: crypto.SHA384}},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, Algorithm{kind: kindECDSA, Hash: crypto.SHA512}},
}

// hashOIDs are the hashes that RSA-PSS parameters may name.
var hashOIDs = []struct {
	oid  asn1.ObjectIdentifier
	hash crypto.Hash
}{
	{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, crypto.SHA1},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512},
}

// ParseAlgorithm reads a signature AlgorithmIdentifier (DER). It refuses what
// crlgate does not verify as [AlgorithmUnsupported]: MD5, DSA, SHA-224, RSA-PSS
// whose mask uses another hash than the message.
func ParseAlgorithm(der []byte) (Algorithm, error) { return parseAlgorithm(der) }

func parseAlgorithm(der []byte) (Algorithm, error) {
	var oid asn1.ObjectIdentifier
	in, alg := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&alg, cbasn1.SEQUENCE) || !in.Empty() || !alg.ReadASN1ObjectIdentifier(&oid) {
		return Algorithm{}, refuse(Malformed, "signature algorithm is not an AlgorithmIdentifier")
	}
	params := []byte(alg)
	switch {
	case oid.Equal(oidRSAPSS):
		return parsePSS(params)
	case oid.Equal(oidEd25519):
		if len(params) != 0 {
			return Algorithm{}, refuse(Malformed, "Ed25519 with algorithm parameters (RFC 8410 §3)")
		}
		return Algorithm{kind: kindEd25519, Hash: crypto.SHA512}, nil
	}
	for _, known := range plainAlgorithms {
		if !oid.Equal(known.oid) {
			continue
		}
		// RFC 4055 §5 wants NULL with RSA, RFC 5758 §3.2 nothing with ECDSA.
		// Both are seen with either; neither says anything.
		if len(params) != 0 && !bytes.Equal(params, []byte{0x05, 0x00}) {
			return Algorithm{}, refuse(Malformed, "%s with algorithm parameters", known.alg)
		}
		return known.alg, nil
	}
	return Algorithm{}, refuse(AlgorithmUnsupported, "signature algorithm %v is not one of RSA PKCS#1 v1.5, RSA-PSS, ECDSA with SHA-256, SHA-384 or SHA-512 (SHA-1 where allowed), or Ed25519", oid)
}

// parsePSS reads RSASSA-PSS-params (RFC 4055 §3.1); every field has a default.
func parsePSS(der []byte) (Algorithm, error) {
	bad := refuse(Malformed, "RSA-PSS parameters are not RSASSA-PSS-params (RFC 4055 §3.1)")
	a := Algorithm{kind: kindRSAPSS, Hash: crypto.SHA1, SaltLength: 20}
	mask := crypto.SHA1
	var seq, field cryptobyte.String
	var has bool
	in := cryptobyte.String(der)
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() {
		return Algorithm{}, bad
	}
	context := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	if !seq.ReadOptionalASN1(&field, &has, context(0)) {
		return Algorithm{}, bad
	}
	if has {
		h, err := parseHash(&field)
		if err != nil {
			return Algorithm{}, err
		}
		a.Hash = h
	}
	if !seq.ReadOptionalASN1(&field, &has, context(1)) {
		return Algorithm{}, bad
	}
	if has {
		var mgf cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !field.ReadASN1(&mgf, cbasn1.SEQUENCE) || !field.Empty() || !mgf.ReadASN1ObjectIdentifier(&oid) {
			return Algorithm{}, bad
		}
		if !oid.Equal(oidMGF1) {
			return Algorithm{}, refuse(AlgorithmUnsupported, "RSA-PSS with mask generation function %v; only MGF1 is supported", oid)
		}
		h, err := parseHash(&mgf)
		if err != nil {
			return Algorithm{}, err
		}
		mask = h
	}
	if !seq.ReadOptionalASN1(&field, &has, context(2)) || has && (!field.ReadASN1Integer(&a.SaltLength) || !field.Empty()) || a.SaltLength < 0 || a.SaltLength > 1024 {
		return Algorithm{}, bad
	}
	trailer := 1
	if !seq.ReadOptionalASN1(&field, &has, context(3)) || has && (!field.ReadASN1Integer(&trailer) || !field.Empty()) || trailer != 1 || !seq.Empty() {
		return Algorithm{}, bad
	}
	if mask != a.Hash {
		return Algorithm{}, refuse(AlgorithmUnsupported, "RSA-PSS with %v for the message and %v for the mask; both must be the same", a.Hash, mask)
	}
	return a, nil
}

func parseHash(in *cryptobyte.String) (crypto.Hash, error) {
	var alg cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&alg, cbasn1.SEQUENCE) || !in.Empty() || !alg.ReadASN1ObjectIdentifier(&oid) {
		return 0, refuse(Malformed, "RSA-PSS parameters name no hash")
	}
	if len(alg) != 0 && !bytes.Equal(alg, []byte{0x05, 0x00}) {
		return 0, refuse(Malformed, "RSA-PSS hash with parameters")
	}
	for _, h := range hashOIDs {
		if oid.Equal(h.oid) {
			return h.hash, nil
		}
	}
	return 0, refuse(AlgorithmUnsupported, "RSA-PSS with hash %v", oid)
}

// newTap returns the writer that tbsCertList, of size octets, passes through.
func (a Algorithm) newTap(size int64) io.Writer {
	if a.kind == kindEd25519 {
		return &message{size: int(size)}
	}
	return a.Hash.New()
}

// message gathers the signed bytes. It grows by doubling, never beyond the
// size that was claimed, and never to it before the bytes are there.
type message struct {
	b    []byte
	size int
}

func (m *message) Write(p []byte) (int, error) {
	if n := len(m.b) + len(p); n > cap(m.b) {
		grown := make([]byte, len(m.b), max(n, min(2*n, m.size)))
		copy(grown, m.b)
		m.b = grown
	}
	m.b = append(m.b, p...)
	return len(p), nil
}

// seal takes over what the tap gathered.
func (l *List) seal(tap io.Writer) {
	if m, ok := tap.(*message); ok {
		l.tbs = m.b
		tap = l.Algorithm.Hash.New()
		_, _ = tap.Write(l.tbs)
	}
	l.Digest = tap.(hash.Hash).Sum(nil)
}
