package crl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// TestLimitReader: what lies within the limit is handed over, whatever the size
// of the reads; then the limit is named, and again at every further read.
func TestLimitReader(t *testing.T) {
	const data = "0123456789"
	for limit := int64(1); limit < 15; limit++ {
		for size := 1; size < 15; size++ {
			for name, source := range map[string]io.Reader{"": strings.NewReader(data), "data and EOF": iotest.DataErrReader(strings.NewReader(data))} {
				l := &limitReader{r: source, left: limit, limit: limit}
				var got []byte
				var err error
				for err == nil {
					p := make([]byte, size)
					n := 0
					n, err = l.Read(p)
					got = append(got, p[:n]...)
				}
				want := data[:min(limit, int64(len(data)))]
				if string(got) != want {
					t.Fatalf("limit %d, reads of %d %s: %q", limit, size, name, got)
				}
				if limit >= int64(len(data)) {
					if err != io.EOF {
						t.Fatalf("limit %d, reads of %d %s: %v", limit, size, name, err)
					}
					continue
				}
				for range 3 {
					if n, again := l.Read(make([]byte, size)); n != 0 || text(again) != text(err) || !strings.HasPrefix(text(err), "longer than the ") || err.(*Error).Code != TooLarge {
						t.Fatalf("limit %d, reads of %d %s: %v, then %d, %v", limit, size, name, err, n, again)
					}
				}
			}
		}
	}
}

// TestReadHeaderLimit: of as many octets as are allowed, none is too many; no
// limit is none.
func TestReadHeaderLimit(t *testing.T) {
	der := pkitest.CRL(t, testCA(t), testOptions(mixedEntries(3)...))
	for _, file := range [][]byte{der, pki.CRLPEM(der)} {
		for limit, want := range map[int64]Code{0: "", 1: TooLarge, int64(len(file)) - 1: TooLarge, int64(len(file)): "", int64(len(file)) + 1: ""} {
			_, err := ReadHeader(bytes.NewReader(file), limit)
			var e *Error
			if (err == nil) != (want == "") || errors.As(err, &e) && e.Code != want {
				t.Errorf("%d octets and a limit of %d: %v", len(file), limit, err)
			}
			list, err := Read(bytes.NewReader(file), Options{MaxBytes: limit}, nil)
			if (err == nil) != (want == "") || errors.As(err, &e) && e.Code != want || err == nil && list.Size != int64(len(der)) {
				t.Errorf("%d octets and a limit of %d: Read says %v", len(file), limit, err)
			}
		}
	}
}

// TestURIs: only what is a URI, whole and not empty.
func TestURIs(t *testing.T) {
	uri := func(s string) []byte { return tlv(0x86, []byte(s)) }
	for _, c := range []struct {
		in   [][]byte
		want []string
	}{
		{nil, nil},
		{[][]byte{uri("a")}, []string{"a"}},
		{[][]byte{uri("http://a"), uri(""), tlv(0x82, []byte("b")), uri("ldap://c")}, []string{"http://a", "ldap://c"}},
		{[][]byte{append(uri("a"), 0), uri("b")[:2], nil, {0xa6, 0}}, nil},
	} {
		if got := URIs(c.in); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%x: %q, want %q", c.in, got, c.want)
		}
	}
}

// TestFreshestURIsOfPoints: those of each distribution point together, in
// order; from what cannot be read on, none.
func TestFreshestURIsOfPoints(t *testing.T) {
	uri := func(s string) []byte { return tlv(0x86, []byte(s)) }
	point := func(names ...[]byte) []byte { return tlv(0x30, tlv(0xa0, tlv(0xa0, names...))) }
	relative := tlv(0x30, tlv(0xa0, tlv(0xa1, tlv(0x30, []byte{6, 1, 0x2a, 5, 0}))))
	for _, c := range []struct {
		name string
		in   []byte
		want [][]string
	}{
		{"one", tlv(0x30, point(uri("a"))), [][]string{{"a"}}},
		{"two", tlv(0x30, point(uri("a"), uri("b")), point(uri("c"))), [][]string{{"a", "b"}, {"c"}}},
		{"none in the first", tlv(0x30, point(tlv(0x82, []byte("x"))), point(uri("c"))), [][]string{{"c"}}},
		{"a point without a name between", tlv(0x30, point(uri("a")), tlv(0x30, []byte{0x81, 1, 0}), point(uri("c"))), [][]string{{"a"}, {"c"}}},
		{"a relative name between", tlv(0x30, point(uri("a")), relative, point(uri("c"))), [][]string{{"a"}, {"c"}}},
		{"a point that is a SET between", tlv(0x30, point(uri("a")), tlv(0x31), point(uri("c"))), [][]string{{"a"}}},
		{"a point with a name that is cut", tlv(0x30, point(uri("a")), []byte{0x30, 2, 0xa0, 9}, point(uri("c"))), [][]string{{"a"}}},
		{"a SET of points", tlv(0x31, point(uri("a"))), nil},
	} {
		if got := freshestURIs(c.in); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestPEMLimits: text in front, lines, and white space, at exactly as much as
// may be and one beyond; and what the refusals show of a line.
func TestPEMLimits(t *testing.T) {
	der := pkitest.CRL(t, testCA(t), testOptions(mixedEntries(3)...))
	sound := string(pki.CRLPEM(der))
	lines := strings.SplitAfter(sound, "\n")
	body := strings.Join(lines[1:len(lines)-2], "")
	small := strings.ReplaceAll(body, "\n", "")
	const (
		noBegin = `neither DER nor PEM: the first byte is 0x74 and no line reads "-----BEGIN X509 CRL-----" (malformed, at byte 0)`
		tail    = `more than 65536 characters of white space follow the line "-----END X509 CRL-----" (trailing_data)`
		long    = "PEM line longer than 16384 characters (malformed)"
	)
	front := func(n int) string {
		return strings.Repeat("t", 99) + "\n" + strings.Repeat("text\n", (n-100)/5) + strings.Repeat("t", (n-100)%5)
	}
	spaces := pemSpaceMax + 2*len(small)
	between := func(n int) string { // n characters of white space in the body and behind it
		lines := strings.Count(body, "\n")
		return pemBegin + "\n" + body + strings.Repeat("\n", n-lines) + pemEnd
	}
	for _, c := range []struct {
		name, file, want string
	}{
		{"text of 64 KiB", front(pemTextMax-1) + "\n" + sound, ""},
		{"text of 64 KiB and one", front(pemTextMax) + "\n" + sound, noBegin},
		{"a line of text as long as is read", "t" + strings.Repeat("x", pemReadSize-2) + "\n" + sound, ""},
		{"a longer line of text", "t" + strings.Repeat("x", pemReadSize-1) + "\n" + sound, noBegin},
		{"BEGIN and white space as long as is read", pemBegin + strings.Repeat(" ", pemReadSize-len(pemBegin)-1) + "\n" + sound[len(pemBegin)+1:], ""},
		{"BEGIN and more white space", pemBegin + strings.Repeat(" ", pemReadSize-len(pemBegin)) + "\n" + sound[len(pemBegin)+1:], `PEM begins with "-----BEGIN X509 CRL-----", not with "-----BEGIN X509 CRL-----": one object holds one CRL and nothing else (malformed, at byte 0)`},
		{"white space as much as may follow", sound + strings.Repeat(" ", pemSpaceMax), ""},
		{"one more", sound + strings.Repeat(" ", pemSpaceMax+1), tail},
		{"white space as much as may be inside", between(spaces), ""},
		{"one more inside", between(spaces + 1), fmt.Sprintf("PEM body of little but white space: %d characters of it (malformed)", spaces+1)},
		{"a label of 40", "-----BEGIN " + strings.Repeat("L", 29) + "\n", `PEM begins with "-----BEGIN ` + strings.Repeat("L", 29) + `", not with "-----BEGIN X509 CRL-----": one object holds one CRL and nothing else (malformed, at byte 0)`},
		{"a label of 41", "-----BEGIN " + strings.Repeat("L", 30) + "\n", `PEM begins with "-----BEGIN ` + strings.Repeat("L", 29) + `", not with "-----BEGIN X509 CRL-----": one object holds one CRL and nothing else (malformed, at byte 0)`},
		{"another END", pemBegin + "\n" + body + "-----END", `PEM body ends in "-----END", not in "-----END X509 CRL-----" (malformed)`},
		{"a dash for END", pemBegin + "\n" + body + "-", `PEM body ends in "-", not in "-----END X509 CRL-----" (malformed)`},
		{"one character left over", pemBegin + "\n" + small + "A\n" + pemEnd, "PEM body is not whole base64: 1 characters are left over (malformed)"},
		{"three left over", pemBegin + "\nAAA\n" + pemEnd, "PEM body is not whole base64: 3 characters are left over (malformed)"},
		{"no END", pemBegin + "\n" + body, `PEM body without its line "-----END X509 CRL-----": the upload is cut short (malformed)`},
		{"a carriage return inside", pemBegin + "\n" + body[:4] + "\r" + body[4:] + pemEnd, "PEM body with a carriage return inside a line (malformed)"},
		{"a carriage return before a line", pemBegin + "\n\r" + body + pemEnd, "PEM body with a carriage return inside a line (malformed)"},
		{"something behind", sound + "x", `something follows the line "-----END X509 CRL-----": one object holds one CRL (trailing_data)`},
	} {
		got := readAll(strings.NewReader(c.file), Options{}, chunkSize)
		if text(got.err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, got.err, c.want)
		}
	}
	for extra, want := range []string{"", long} {
		file := pemBegin + "\n" + strings.Repeat("A", pemLineMax-4) + strings.Repeat(" ", 3+extra) + "\n" + pemEnd
		if out, _, err := decodeAll(strings.NewReader(file)); text(err) != want || err == nil && len(out) != (pemLineMax-4)/4*3 {
			t.Errorf("a line of %d: %d octets, %v", pemLineMax+extra, len(out), err)
		}
	}
}

// TestPEMGoesOnBehindPadding: also where the padding ends a piece of the body
// that is decoded at once.
func TestPEMGoesOnBehindPadding(t *testing.T) {
	full := strings.Repeat("A", 64) + "\n"
	for n, padding := range []string{"", "=", "=="} {
		padded := strings.Repeat("A", 64-n) + padding + "\n"
		pieces := strings.Repeat(full, pemReadSize/64-1) + padded
		if out, _, err := decodeAll(strings.NewReader(pemBegin + "\n" + pieces + pemEnd)); err != nil || len(out) != pemReadSize/4*3-n {
			t.Errorf("padding at the end: %d octets, %v", len(out), err)
		}
		for _, more := range []string{full, "AAAA\n", padded} {
			_, _, err := decodeAll(strings.NewReader(pemBegin + "\n" + pieces + more + pemEnd))
			if n > 0 && text(err) != "PEM body goes on behind its base64 padding (malformed)" {
				t.Errorf("%s and %d characters more: %v", padding, len(more), err)
			}
		}
	}
}

// TestSourceFailsBehindPEM: a source that fails where white space may follow
// has failed, and says nothing of the CRL.
func TestSourceFailsBehindPEM(t *testing.T) {
	torn := errors.New("connection reset")
	file := pki.CRLPEM(pkitest.CRL(t, testCA(t), testOptions(mixedEntries(3)...)))
	for _, behind := range []string{"", "\n \n"} {
		source := io.MultiReader(bytes.NewReader(file), strings.NewReader(behind), iotest.ErrReader(torn))
		if _, err := Read(source, Options{}, nil); !errors.Is(err, torn) {
			t.Errorf("%q, then a failure: %v", behind, err)
		}
	}
}

// TestSinkFailsAtAnotherIssuer: the batch that a new certificate issuer ends is
// handed over then, and what the sink answers ends the reading.
func TestSinkFailsAtAnotherIssuer(t *testing.T) {
	stop := errors.New("enough")
	list := append(bytes.Clone(plainEntry), issuerEntry(tlv(0x30, []byte{0x82, 1, 'a'}))...)
	source := func() io.Reader { return soundParts().list(list, 3, numberExtension, indirectIDP) }
	var issuers []string
	if _, err := Read(source(), Options{}, func(b *Batch) error {
		for range b.Len() {
			issuers = append(issuers, string(b.CertificateIssuer))
		}
		return nil
	}); err != nil || len(issuers) != 6 || issuers[0] != "" || issuers[1] != "\x30\x03\x82\x01a" || issuers[5] != issuers[1] {
		t.Errorf("issuers %q, %v", issuers, err)
	}
	batches := 0
	if _, err := Read(source(), Options{}, func(*Batch) error { batches++; return stop }); !errors.Is(err, stop) || batches != 1 {
		t.Errorf("%v after %d batches", err, batches)
	}
}

// TestSinkFailsAtAnyBatch: also at the last, behind which there are no entries.
func TestSinkFailsAtAnyBatch(t *testing.T) {
	stop := errors.New("enough")
	for last := 1; last <= 3; last++ {
		batches := 0
		_, err := Read(soundParts().list(plainEntry, 2*batchEntries+1, numberExtension), Options{}, func(*Batch) error {
			if batches++; batches == last {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) || batches != last {
			t.Errorf("%v after %d batches, want the sink's of batch %d", err, batches, last)
		}
	}
}

// TestIssuerNamedAgain: entries that name the issuer in force once more, as CAs
// have every entry do, are handed over together.
func TestIssuerNamedAgain(t *testing.T) {
	a, b := issuerEntry(tlv(0x30, []byte{0x82, 1, 'a'})), issuerEntry(tlv(0x30, []byte{0x82, 1, 'b'}))
	for _, c := range []struct {
		entries [][]byte
		want    []int
	}{
		{[][]byte{a, a, a, plainEntry, a}, []int{5}},
		{[][]byte{plainEntry, a, a, b, b, b, a}, []int{1, 2, 3, 1}},
	} {
		if got := readAll(soundParts().list(slices.Concat(c.entries...), 1, numberExtension, indirectIDP), Options{}, chunkSize); got.err != nil || !slices.Equal(got.batches, c.want) {
			t.Errorf("batches of %d, want %d; %v", got.batches, c.want, got.err)
		}
	}
}

// TestShortestCRL: a v1 CRL without nextUpdate, entries and extensions.
func TestShortestCRL(t *testing.T) {
	f := soundFields()
	f.version, f.next, f.extensions = nil, nil, nil
	got := readAll(bytes.NewReader(f.der()), Options{AllowNoNumber: true}, chunkSize)
	if got.err != nil || got.list.Version != 1 || !got.list.NextUpdate.IsZero() || got.list.Number != nil || got.list.Entries != 0 {
		t.Errorf("%+v, %v", got.list, got.err)
	}
}
