package crl

import (
	"bytes"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// seedCRLs returns the CRLs of testdata, and some of several kilobytes, which
// span chunks where chunks are small.
func seedCRLs(tb testing.TB) [][]byte {
	tb.Helper()
	var seeds [][]byte
	for _, dir := range []string{"sound", "defects"} {
		names, err := filepath.Glob(filepath.Join("../../testdata", dir, "*.crl"))
		if err != nil || len(names) < 50 {
			tb.Fatalf("%d CRLs in testdata/%s, error %v: the fuzzers would start from nothing", len(names), dir, err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				tb.Fatal(err)
			}
			seeds = append(seeds, b)
		}
	}
	ca := testCA(tb)
	o := testOptions(mixedEntries(60)...)
	seeds = append(seeds, pkitest.CRL(tb, ca, o))
	o.IDP = &pki.IDP{Indirect: true, FullNames: []string{"http://crl.example.com/1"}}
	o.Entries[10].CertificateIssuer, o.Entries[40].CertificateIssuer = ca.Name(), ca.Name()
	return append(seeds, pkitest.CRL(tb, ca, o))
}

var seedTimes = []string{
	"", "Z", "261101000000Z", "491231235959Z", "500101000000Z", "991231235959Z", "260230000000Z", "261301000000Z",
	"26110100000aZ", "261101000000", "20261101000000Z", "20500101000000Z", "99991231235959Z", "00000101000000Z",
	"00000229000000Z", "00010101000000Z", "19000229000000Z", "20000229000000Z", "21000229000000Z", "20261101000000.5Z", "20261101000060Z", "+00101000000Z",
}

// TestFuzzSeeds fails where a fuzzer would start from an empty corpus, or from
// one that only exercises refusals.
func TestFuzzSeeds(t *testing.T) {
	accepted, asPEM, times := 0, 0, 0
	for _, seed := range seedCRLs(t) {
		o := readAll(bytes.NewReader(seed), Options{AllowSHA1: true}, chunkSize)
		if o.err == nil {
			accepted++
			if o.list.PEM {
				asPEM++
			}
		}
	}
	for _, s := range seedTimes {
		for _, tag := range []byte{tagUTCTime, tagGeneralizedTime} {
			if _, ok := parseTime(tag, []byte(s)); ok {
				times++
			}
		}
	}
	if accepted < 60 || asPEM < 4 || times < 8 {
		t.Errorf("of the seeds only %d CRLs are accepted, %d of them PEM, and %d times", accepted, asPEM, times)
	}
}

// FuzzRead: whatever the bytes, reading does not panic; how they arrive does
// not show; what is accepted says what an independent reading finds in it, and
// the same as crypto/x509 where that accepts it too.
func FuzzRead(f *testing.F) {
	for i, seed := range seedCRLs(f) {
		f.Add(seed, uint64(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		opts := Options{AllowSHA1: true, AllowNoNumber: seed&1 != 0}
		if seed&6 == 6 {
			opts.MaxBytes = int64(seed >> 3 % 3000)
		}
		whole := readAll(bytes.NewReader(data), opts, chunkSize)
		if whole.err != nil && whole.code() == "" {
			t.Fatalf("not a refusal: %v", whole.err)
		}
		if d := differ(whole, readAll(newCutReader(data, seed), opts, minChunk+int(seed%200))); d != "" {
			t.Fatalf("whole and in pieces: %s", d)
		}
		if whole.err != nil {
			return
		}
		der := data
		if whole.list.PEM {
			block, _ := pem.Decode(data)
			if block == nil {
				t.Fatal("encoding/pem finds no block")
			}
			der = block.Bytes
		}
		checkFacts(t, der, whole)
		if list, err := x509.ParseRevocationList(der); err == nil {
			checkAgainstX509(t, list, whole)
		}
	})
}

// checkFacts walks an accepted CRL with cryptobyte and compares.
func checkFacts(t *testing.T, der []byte, o outcome) {
	t.Helper()
	in, list := cryptobyte.String(der), o.list
	var outer, tbs, tbsBody, alg, sig cryptobyte.String
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() || int64(len(der)) != list.Size ||
		!outer.ReadASN1Element(&tbs, cbasn1.SEQUENCE) || !outer.ReadASN1Element(&alg, cbasn1.SEQUENCE) ||
		!outer.ReadASN1(&sig, cbasn1.BIT_STRING) || !outer.Empty() {
		t.Fatalf("accepted, but not a CertificateList of %d octets", list.Size)
	}
	h := list.Algorithm.Hash.New()
	h.Write(tbs)
	if !bytes.Equal(h.Sum(nil), list.Digest) || !bytes.Equal(sig[1:], list.signature) {
		t.Fatal("digest or signature is not that of the bytes")
	}
	if list.Algorithm.kind == kindEd25519 && (!bytes.Equal(tbs, list.tbs) || list.Algorithm.Hash.Size() != sha512.Size) {
		t.Fatal("the message kept for Ed25519 is not tbsCertList")
	}
	var inner, issuer cryptobyte.String
	if !tbs.ReadASN1(&tbsBody, cbasn1.SEQUENCE) {
		t.Fatal("tbsCertList")
	}
	version := 0
	if tbsBody.PeekASN1Tag(cbasn1.INTEGER) && !tbsBody.ReadASN1Integer(&version) || version+1 != list.Version {
		t.Fatalf("version %d, read as %d", version, list.Version)
	}
	if !tbsBody.ReadASN1Element(&inner, cbasn1.SEQUENCE) || !bytes.Equal(inner, alg) ||
		!tbsBody.ReadASN1Element(&issuer, cbasn1.SEQUENCE) || !bytes.Equal(issuer, list.Issuer) {
		t.Fatal("algorithm or issuer")
	}
	dates := 0
	for tbsBody.PeekASN1Tag(cbasn1.UTCTime) || tbsBody.PeekASN1Tag(cbasn1.GeneralizedTime) {
		tbsBody.ReadAnyASN1(new(cryptobyte.String), new(cbasn1.Tag))
		dates++
	}
	if want := 2; list.NextUpdate.IsZero() && dates != 1 || !list.NextUpdate.IsZero() && dates != want {
		t.Fatalf("%d dates, nextUpdate %v", dates, list.NextUpdate)
	}
	var revoked, entry cryptobyte.String
	if tbsBody.PeekASN1Tag(cbasn1.SEQUENCE) && !tbsBody.ReadASN1(&revoked, cbasn1.SEQUENCE) {
		t.Fatal("revokedCertificates")
	}
	n := 0
	for ; !revoked.Empty(); n++ {
		var serial big.Int
		if !revoked.ReadASN1(&entry, cbasn1.SEQUENCE) || !entry.ReadASN1Integer(&serial) {
			t.Fatalf("entry %d", n)
		}
		if n >= len(o.entries) || twosComplement(o.entries[n].serial).Cmp(&serial) != 0 {
			t.Fatalf("serial %d is %v", n, &serial)
		}
	}
	if n != list.Entries || n != len(o.entries) {
		t.Fatalf("%d entries, read as %d, and %d in batches", n, list.Entries, len(o.entries))
	}
}

func twosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

func checkAgainstX509(t *testing.T, want *x509.RevocationList, o outcome) {
	t.Helper()
	list := o.list
	if (list.Number == nil) != (want.Number == nil) || want.Number != nil && list.Number.Cmp(want.Number) != 0 {
		t.Fatalf("number %v, crypto/x509 says %v", list.Number, want.Number)
	}
	if !list.ThisUpdate.Equal(want.ThisUpdate) || !list.NextUpdate.Equal(want.NextUpdate) {
		t.Fatalf("dates %v and %v, crypto/x509 says %v and %v", list.ThisUpdate, list.NextUpdate, want.ThisUpdate, want.NextUpdate)
	}
	if !bytes.Equal(list.Issuer, want.RawIssuer) || !bytes.Equal(list.AuthorityKeyID, want.AuthorityKeyId) || !bytes.Equal(list.signature, want.Signature) {
		t.Fatal("issuer, key identifier or signature differ from crypto/x509's")
	}
	if len(want.RevokedCertificateEntries) != len(o.entries) {
		t.Fatalf("%d entries, crypto/x509 finds %d", len(o.entries), len(want.RevokedCertificateEntries))
	}
	unknown, first := 0, 0
	for i, e := range want.RevokedCertificateEntries {
		reason := e.ReasonCode
		if reason == 7 || reason > 10 { // none of RFC 5280 §5.3.1
			if unknown++; unknown == 1 {
				first = reason
			}
			reason = 0
		}
		date := uint32(min(max(e.RevocationTime.Unix(), 0), math.MaxUint32))
		if got := o.entries[i]; twosComplement(got.serial).Cmp(e.SerialNumber) != 0 || got.date != date || int(got.reason) != reason {
			t.Fatalf("entry %d is %+v, crypto/x509 says %v, %d, %d", i, got, e.SerialNumber, date, e.ReasonCode)
		}
	}
	if list.UnknownReasons != unknown || list.UnknownReason != first {
		t.Fatalf("%d unknown reasons, the first %d; crypto/x509 finds %d and %d", list.UnknownReasons, list.UnknownReason, unknown, first)
	}
}

// FuzzPEM: what is accepted as PEM is what encoding/pem finds, and nothing
// but it; and whatever is encoded as PEM is read back.
func FuzzPEM(f *testing.F) {
	for i, seed := range seedCRLs(f) {
		f.Add(seed, uint64(i))
		f.Add(pki.CRLPEM(seed[:min(len(seed), 100)]), uint64(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		got, isPEM, err := decodeAll(bytes.NewReader(data))
		got2, isPEM2, err2 := decodeAll(newCutReader(data, seed))
		if isPEM != isPEM2 || (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(got, got2) {
			t.Fatalf("whole %v, in pieces %v", err, err2)
		}
		if err == nil && isPEM {
			block, rest := pem.Decode(data)
			if block == nil || block.Type != "X509 CRL" || len(block.Headers) != 0 || !bytes.Equal(block.Bytes, got) {
				t.Fatalf("encoding/pem reads it as %+v, we as %x", block, got)
			}
			if len(bytes.Trim(rest, " \t\r\n")) != 0 {
				t.Fatalf("%q follows and was accepted", rest)
			}
		}
		back, isPEM, err := decodeAll(newCutReader(pemVariant(data, seed), seed))
		if err != nil || !isPEM || !bytes.Equal(back, data) {
			t.Fatalf("read back: %v", err)
		}
	})
}

// pemVariant encodes data in one of the ways PEM is written.
func pemVariant(data []byte, seed uint64) []byte {
	text := string(pki.CRLPEM(data))
	if seed&1 != 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if seed&2 != 0 {
		text = "Issuer: CN=Test CA\n\n" + text
	}
	if seed&4 != 0 {
		text = strings.TrimRight(text, "\r\n")
	}
	if seed&8 != 0 {
		text = strings.ReplaceAll(text, "\n", "\t\n")
	}
	if seed&16 != 0 {
		text += " \r\n\t\n"
	}
	return []byte(text)
}

// FuzzTime: parseTime takes what time.Parse takes in the same two forms.
func FuzzTime(f *testing.F) {
	for _, s := range seedTimes {
		f.Add(true, []byte(s))
		f.Add(false, []byte(s))
	}
	f.Fuzz(func(t *testing.T, utc bool, b []byte) {
		tag, layout := byte(tagGeneralizedTime), "20060102150405Z"
		if utc {
			tag, layout = tagUTCTime, "060102150405Z"
		}
		want, err := time.Parse(layout, string(b))
		// time.Parse also takes fractions, and a sign in front of the year.
		valid := err == nil && want.Format(layout) == string(b)
		if valid && utc && want.Year() >= 2050 {
			want = want.AddDate(-100, 0, 0) // RFC 5280 §4.1.2.5.1 turns at 50, Go at 69
		}
		got, ok := parseTime(tag, b)
		if ok != valid || ok && got != want.Unix() {
			t.Fatalf("%q: %d %v, want %d %v", b, got, ok, want.Unix(), valid)
		}
	})
}
