package crl

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// fields are the elements of a CRL, each with its header.
type fields struct {
	version, alg, issuer, this, next, entries, extensions []byte
	outer, signature, behind                              []byte // behind: inside CertificateList
}

func soundFields() fields {
	p := soundParts()
	return fields{
		version: []byte{2, 1, 1}, alg: p.alg, issuer: p.issuer, this: p.dates[:15], next: p.dates[15:],
		extensions: tlv(0xa0, tlv(0x30, numberExtension)), outer: p.alg, signature: []byte{3, 3, 0, 1, 2},
	}
}

func (f fields) der() []byte {
	tbs := tlv(0x30, f.version, f.alg, f.issuer, f.this, f.next, f.entries, f.extensions)
	return tlv(0x30, tbs, f.outer, f.signature, f.behind)
}

// at is where a field begins, by the octets in front of it in tbsCertList.
func (f fields) at(front ...[]byte) int {
	der := f.der()
	_, length, _ := elementLength(der)
	head := len(der) - int(length)
	size, _, _ := elementLength(der[head:])
	return head + size + len(slices.Concat(front...))
}

// TestFields: every form in which a field of a CRL is refused, in full, and
// what is just not refused. @ is where the field begins, +n so many octets on.
func TestFields(t *testing.T) {
	s := soundFields()
	time := func(tag byte, text string) []byte { return tlv(tag, []byte(text)) }
	oid := []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}
	name := func(n int) []byte { // an issuer of n octets of contents, 129 at least
		value := make([]byte, n)
		rdn := func() []byte { return tlv(0x31, tlv(0x30, []byte{6, 3, 0x55, 4, 3}, tlv(4, value))) }
		for len(rdn()) > n {
			value = value[1:]
		}
		return tlv(0x30, rdn())
	}
	const (
		form = " is not a time in the form of RFC 5280 §5.1.2.4 (malformed, at byte @+2)"
		bits = "signatureValue is not a BIT STRING of whole octets (malformed, at byte @+2)"
		only = ": only v2 (1) and v1 (absent) exist (RFC 5280 §5.1.2.1) (version_unsupported, at byte @+2)"
	)
	for _, c := range []struct {
		name  string
		field *[]byte // of s
		to    []byte
		want  string
	}{
		{"sound", &s.version, s.version, ""},
		{"v1 written out", &s.version, []byte{2, 1, 0}, "version field 00" + only},
		{"v3", &s.version, []byte{2, 1, 2}, "version field 02" + only},
		{"v257", &s.version, []byte{2, 2, 1, 1}, "version field 0101" + only},
		{"v of 8 octets", &s.version, tlv(2, bytes.Repeat([]byte{1}, 8)), "version field 0101010101010101" + only},
		{"v of 9 octets", &s.version, tlv(2, bytes.Repeat([]byte{1}, 9)), "version has 9 octets, more than the 8 that are read (too_large, at byte @)"},
		{"v2 not minimal", &s.version, []byte{2, 2, 0, 1}, "version is not a DER INTEGER (malformed, at byte @+2)"},
		{"version of no octets", &s.version, []byte{2, 0}, "version is not a DER INTEGER (malformed, at byte @+2)"},
		{"v1 with extensions", &s.version, nil, "a v1 CRL has no extensions: the version field is missing (RFC 5280 §5.1.2.1) (version_unsupported, at byte @ext)"},
		{"version a BOOLEAN", &s.version, []byte{1, 1, 0xff}, "signature algorithm has tag 0x01, expected 0x30 (malformed, at byte @)"},
		{"version of a multi-byte tag", &s.version, []byte{0x1f, 1, 1}, "version or signature has a multi-byte tag (malformed, at byte @)"},

		{"algorithm a SET", &s.alg, tlv(0x31, oid), "signature algorithm has tag 0x31, expected 0x30 (malformed, at byte @)"},
		{"algorithm empty", &s.alg, tlv(0x30), "signature algorithm is not an AlgorithmIdentifier (malformed)"},
		{"algorithm not exact inside", &s.alg, tlv(0x30, oid, []byte{0x30, 1, 5}), "not a DER element (malformed, at byte @+14)"},
		{"algorithm of 512 octets", &s.alg, tlv(0x30, oid, tlv(4, make([]byte, maxAlgorithm-14))), "ECDSA-SHA256 with algorithm parameters (malformed)"},
		{"algorithm of 513 octets", &s.alg, tlv(0x30, oid, tlv(4, make([]byte, maxAlgorithm-13))), "signature algorithm has 513 octets, more than the 512 that are read (too_large, at byte @)"},

		{"issuer a SET", &s.issuer, tlv(0x31, s.issuer[2:]), "issuer has tag 0x31, expected 0x30 (malformed, at byte @)"},
		{"issuer empty", &s.issuer, tlv(0x30), "issuer is an empty name (RFC 5280 §5.1.2.3) (malformed, at byte @)"},
		{"issuer no Name", &s.issuer, tlv(0x30, []byte{5, 0}), "issuer is not a Name (RFC 5280 §5.1.2.3) (malformed, at byte @)"},
		{"issuer not exact inside", &s.issuer, tlv(0x30, []byte{0x31, 1, 5}), "not a DER element (malformed, at byte @+4)"},
		{"issuer as long as may be", &s.issuer, name(MaxIssuer), ""},
		{"issuer longer by one", &s.issuer, name(MaxIssuer + 1), "issuer has 32769 octets, more than the 32768 that are read (too_large, at byte @)"},

		{"thisUpdate a GeneralizedTime", &s.this, time(0x18, "20261101000000Z"), ""},
		{"thisUpdate an OCTET STRING", &s.this, time(4, "261101000000Z"), "thisUpdate has tag 0x04, expected UTCTime or GeneralizedTime (malformed, at byte @)"},
		{"thisUpdate of tag 0x16", &s.this, time(0x16, "261101000000Z"), "thisUpdate has tag 0x16, expected UTCTime or GeneralizedTime (malformed, at byte @)"},
		{"thisUpdate of a multi-byte tag", &s.this, []byte{0x1f, 1, 1}, "thisUpdate has a multi-byte tag (malformed, at byte @)"},
		{"thisUpdate of 32 octets", &s.this, time(0x17, strings.Repeat("0", 32)), `thisUpdate "` + strings.Repeat("0", 32) + `"` + form},
		{"thisUpdate of 33 octets", &s.this, time(0x17, strings.Repeat("0", 33)), "thisUpdate has 33 octets, and a time has 15 at most (RFC 5280 §5.1.2.4) (malformed, at byte @)"},
		{"thisUpdate of a 13th month", &s.this, time(0x17, "261301000000Z"), `thisUpdate "261301000000Z"` + form},
		{"nextUpdate of a 13th month", &s.next, time(0x17, "261301000000Z"), `nextUpdate "261301000000Z"` + form},
		{"nextUpdate of 33 octets", &s.next, time(0x17, strings.Repeat("0", 33)), "nextUpdate has 33 octets, and a time has 15 at most (RFC 5280 §5.1.2.4) (malformed, at byte @)"},
		{"nextUpdate a GeneralizedTime", &s.next, time(0x18, "20271101000000Z"), ""},
		{"nextUpdate of the year 1", &s.next, time(0x18, "00010101000000Z"), "nextUpdate is the first second of the year 1, which no CA means (malformed, at byte @)"},
		{"nextUpdate of a multi-byte tag", &s.next, []byte{0x1f, 1, 1}, "nextUpdate has a multi-byte tag (malformed, at byte @)"},
		{"no nextUpdate", &s.next, nil, ""},
		{"a third date", &s.entries, time(0x17, "261101000000Z"), "crlExtensions has tag 0x17, expected 0xa0 (malformed, at byte @)"},
		{"entries of a multi-byte tag", &s.entries, []byte{0x3f, 1, 1}, "revokedCertificates has a multi-byte tag (malformed, at byte @)"},
		{"entries longer than tbsCertList", &s.entries, []byte{0x30, 0x82, 0x7f, 0xff}, "revokedCertificates is longer than what contains it (malformed, at byte @)"},
		{"entries empty", &s.entries, tlv(0x30), ""},
		{"entries that are one octet", &s.entries, tlv(0x30, []byte{0x30}), "entry 1 is longer than revokedCertificates (malformed, at byte @+2)"},
		{"an entry longer than they are", &s.entries, tlv(0x30, []byte{0x30, 1}), "entry 1 is longer than revokedCertificates (malformed, at byte @+2)"},
		{"extensions longer than tbsCertList", &s.extensions, []byte{0xa0, 1}, "crlExtensions is longer than what contains it (malformed, at byte @)"},

		{"outer algorithm another", &s.outer, tlv(0x30, []byte{6, 3, 0x2b, 0x65, 0x70}), "signatureAlgorithm differs from the algorithm inside tbsCertList (RFC 5280 §5.1.1.2) (algorithm_mismatch, at byte @)"},
		{"outer algorithm a SET", &s.outer, tlv(0x31, oid), "signatureAlgorithm has tag 0x31, expected 0x30 (malformed, at byte @)"},
		{"outer algorithm of 512 octets", &s.outer, tlv(0x30, make([]byte, 512)), "signatureAlgorithm differs from the algorithm inside tbsCertList (RFC 5280 §5.1.1.2) (algorithm_mismatch, at byte @)"},
		{"outer algorithm of 513 octets", &s.outer, tlv(0x30, make([]byte, 513)), "signatureAlgorithm has 513 octets, more than the 512 that are read (too_large, at byte @)"},
		{"signature an OCTET STRING", &s.signature, []byte{4, 3, 0, 1, 2}, "signatureValue has tag 0x04, expected 0x03 (malformed, at byte @)"},
		{"signature of nothing", &s.signature, []byte{3, 0}, bits},
		{"signature of no octet", &s.signature, []byte{3, 1, 0}, bits},
		{"signature of one octet", &s.signature, []byte{3, 2, 0, 1}, ""},
		{"signature with an unused bit", &s.signature, []byte{3, 3, 1, 2, 2}, bits},
		{"signature as long as may be", &s.signature, tlv(3, make([]byte, MaxSignature)), ""},
		{"signature longer by one", &s.signature, tlv(3, make([]byte, MaxSignature+1)), "signatureValue has 8193 octets, more than the 8192 that are read (too_large, at byte @)"},
		{"signature longer than CertificateList", &s.signature, []byte{3, 1}, "signatureValue is longer than what contains it (malformed, at byte @)"},
		{"something behind the signature", &s.behind, []byte{5, 0, 0}, "3 bytes inside CertificateList behind the signature (malformed, at byte @)"},
	} {
		sound := *c.field
		*c.field = c.to
		der := s.der()
		all := [][]byte{s.version, s.alg, s.issuer, s.this, s.next, s.entries, s.extensions, s.outer, s.signature, s.behind}
		which := slices.Index([]*[]byte{&s.version, &s.alg, &s.issuer, &s.this, &s.next, &s.entries, &s.extensions, &s.outer, &s.signature, &s.behind}, c.field)
		at, ext := s.at(all[:which]...), s.at(all[:6]...)
		*c.field = sound
		want := strings.NewReplacer("@ext", strconv.Itoa(ext), "@+14", strconv.Itoa(at+14), "@+2", strconv.Itoa(at+2), "@+4", strconv.Itoa(at+4), "@", strconv.Itoa(at)).Replace(c.want)
		for _, size := range []int{minChunk, chunkSize} {
			if got := readAll(bytes.NewReader(der), Options{}, size); text(got.err) != want {
				t.Errorf("%s: %v, want %s", c.name, got.err, want)
			}
		}
		if c.want == "" {
			if _, err := ReadHeader(bytes.NewReader(der), 0); err != nil {
				t.Errorf("%s: ReadHeader says %v", c.name, err)
			}
		}
	}
}

// TestShortestObjects: of a few octets, what is missing or wrong is said.
func TestShortestObjects(t *testing.T) {
	const (
		list = "ends in the middle of CertificateList: the upload is cut short, or its lengths are wrong (malformed, at byte @)"
		tbs  = "ends in the middle of tbsCertList: the upload is cut short, or its lengths are wrong (malformed, at byte @)"
	)
	for _, c := range []struct{ in, want string }{
		{"\x30", list},
		{"\x30\x00", tbs},
		{"\x30\x05", tbs},
		{"\x30\x05\x30\x03", "ends in the middle of version or signature: the upload is cut short, or its lengths are wrong (malformed, at byte @)"},
		{"\x30\x05\x31\x03", "tbsCertList has tag 0x31, expected 0x30 (malformed, at byte 2)"},
		{"\x30\x05\x30\x04", "tbsCertList is longer than what contains it (malformed, at byte 2)"},
		{"\x30\x80", "CertificateList has an indefinite length, which DER forbids (malformed, at byte 0)"},
		{"\x30\x81", list},
		{"\x30\x81\x7f", "CertificateList has a length that is not minimally encoded, which DER forbids (malformed, at byte 0)"},
		{"\x30\x81\x80", tbs},
		{"\x30\x82\x01", list},
		{"\x30\x82\x01\x00", tbs},
		{"\x30\x86\x01\x02\x03\x04\x05", list},
		{"\x30\x86\x01\x02\x03\x04\x05\x06", tbs},
		{"\x30\x87", "CertificateList has a length of more than six octets (malformed, at byte 0)"},
	} {
		want := strings.Replace(c.want, "@", strconv.Itoa(len(c.in)), 1)
		if _, err := Read(strings.NewReader(c.in), Options{}, nil); text(err) != want {
			t.Errorf("%x: %v, want %s", c.in, err, want)
		}
	}
}

// TestClaimsOverLimits: a length is held against a limit as soon as it is read,
// at the limit and one octet beyond.
func TestClaimsOverLimits(t *testing.T) {
	p := soundParts()
	signed := func(alg []byte, tbs int64) []byte { // of so many octets, cut short behind the issuer
		return slices.Concat(tlvHeader(0x30, tbs+100), tlvHeader(0x30, tbs-6), []byte{2, 1, 1}, alg, p.issuer)
	}
	ed25519 := tlv(0x30, []byte{6, 3, 0x2b, 0x65, 0x70})
	for _, c := range []struct {
		name string
		in   []byte
		opts Options
		want string
	}{
		{"100 octets of 100", []byte{0x30, 98}, Options{MaxBytes: 100}, "ends in the middle of tbsCertList: the upload is cut short, or its lengths are wrong (malformed, at byte 2)"},
		{"101 octets of 100", []byte{0x30, 99}, Options{MaxBytes: 100}, "CertificateList claims 101 bytes, more than the 100 allowed (MAX_CRL_BYTES) (too_large, at byte 0)"},
		{"2 octets, of which 1 is allowed", []byte{0x30, 0}, Options{MaxBytes: 1}, "longer than the 1 bytes allowed (MAX_CRL_BYTES) (too_large)"},
		{"Ed25519 as much as may be", signed(ed25519, MaxEd25519), Options{}, "ends in the middle of thisUpdate: the upload is cut short, or its lengths are wrong (malformed, at byte @)"},
		{"ECDSA and one more", signed(p.alg, MaxEd25519+1), Options{}, "ends in the middle of thisUpdate: the upload is cut short, or its lengths are wrong (malformed, at byte @)"},
		{"Ed25519 and one more", signed(ed25519, MaxEd25519+1), Options{}, "signed with Ed25519 and 67108865 bytes long: such CRLs are held in memory and may have 67108864 bytes at most (too_large)"},
	} {
		want := strings.Replace(c.want, "@", strconv.Itoa(len(c.in)), 1)
		if _, err := Read(bytes.NewReader(c.in), c.opts, nil); text(err) != want {
			t.Errorf("%s: %v, want %s", c.name, err, want)
		}
		if _, err := ReadHeader(bytes.NewReader(c.in), c.opts.MaxBytes); c.opts.MaxBytes > 0 && text(err) != want {
			t.Errorf("%s: ReadHeader says %v, want %s", c.name, err, want)
		}
	}
}

// TestNoFieldIsTakenFromBehind: where tbsCertList ends, what follows it is not
// taken for a field of it that is absent.
func TestNoFieldIsTakenFromBehind(t *testing.T) {
	f := soundFields()
	f.version, f.next, f.extensions = nil, nil, nil
	for tag, is := range map[byte]string{0x17: "0x17", 0x18: "0x18", 0xa0: "0xa0"} {
		f.outer = tlv(tag, []byte("261101000000Z"))
		want := "signatureAlgorithm has tag " + is + ", expected 0x30 (malformed, at byte " + strconv.Itoa(f.at(f.alg, f.issuer, f.this)) + ")"
		if got := readAll(bytes.NewReader(f.der()), Options{AllowNoNumber: true}, chunkSize); text(got.err) != want {
			t.Errorf("%v, want %s", got.err, want)
		}
	}
}

// TestEntryLongerThanTheListAtTheEnd: where the source ends behind the header of
// an entry, the entry is still said to be longer than the list.
func TestEntryLongerThanTheListAtTheEnd(t *testing.T) {
	f := soundFields()
	f.entries = tlv(0x30, plainEntry, []byte{0x30, 9}, make([]byte, 8))
	at := f.at(f.version, f.alg, f.issuer, f.this, f.next) + 2 + len(plainEntry)
	want := "entry 2 is longer than revokedCertificates (malformed, at byte " + strconv.Itoa(at) + ")"
	for n := 2; n < 9; n++ {
		if got := readAll(bytes.NewReader(f.der()[:at+n]), Options{}, chunkSize); text(got.err) != want {
			t.Errorf("%d octets of it: %v, want %s", n, got.err, want)
		}
	}
}

// TestCutAnywhere: what is cut short is said to end where it ends.
func TestCutAnywhere(t *testing.T) {
	der := everything(t)
	for n := 1; n < len(der); n++ {
		for _, read := range []func() error{
			func() error { return readAll(bytes.NewReader(der[:n]), Options{}, minChunk).err },
			func() error { _, err := ReadHeader(bytes.NewReader(der[:n]), 0); return err },
		} {
			err := read()
			if e, ok := err.(*Error); !ok || e.Code != Malformed || e.Offset != int64(n) || !strings.HasPrefix(e.Detail, "ends in the middle of ") {
				t.Fatalf("cut after %d of %d octets: %v", n, len(der), err)
			}
		}
	}
	for _, more := range []string{"\x00", "\n", string(der)} {
		_, err := ReadHeader(bytes.NewReader(append(bytes.Clone(der), more...)), 0)
		if want := "bytes follow the CRL: one object holds one CRL (trailing_data, at byte " + strconv.Itoa(len(der)) + ")"; text(err) != want {
			t.Errorf("%d octets behind: %v", len(more), err)
		}
	}
}
