package crl

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// decodeAll reads what decoded hands out, to its end.
func decodeAll(r io.Reader) (out []byte, isPEM bool, err error) {
	d, isPEM, err := decoded(r)
	if err != nil {
		return nil, false, err
	}
	out, err = io.ReadAll(d)
	return out, isPEM, err
}

// TestPEMLinesOfEveryLength: characters are decoded together, wherever lines end;
// no read says that there is nothing, and no end.
func TestPEMLinesOfEveryLength(t *testing.T) {
	data := make([]byte, 2*pemReadSize)
	for i := range data {
		data[i] = byte(i * 7)
	}
	body := base64.StdEncoding.EncodeToString(data)
	for _, n := range []int{3, 63, 65, 76, 77, 1001, pemLineMax - 1} {
		lines := slices.Collect(slices.Chunk([]byte(body), n))
		file := slices.Concat([]byte(pemBegin+"\n"), bytes.Join(lines, []byte{'\n'}), []byte("\n"+pemEnd))
		d, isPEM, err := decoded(bytes.NewReader(file))
		if err != nil || !isPEM {
			t.Fatal(isPEM, err)
		}
		var out []byte
		for err == nil {
			p := make([]byte, 1000)
			var got int
			if got, err = d.Read(p); got == 0 && err == nil {
				t.Fatalf("lines of %d: a read of nothing after %d octets", n, len(out))
			}
			out = append(out, p[:got]...)
		}
		if err != io.EOF || !bytes.Equal(out, data) {
			t.Errorf("lines of %d: %d octets, %v", n, len(out), err)
		}
	}
}

// TestNoSource: a source that fails at once is neither DER nor PEM.
func TestNoSource(t *testing.T) {
	torn := errors.New("connection reset")
	if d, isPEM, err := decoded(iotest.ErrReader(torn)); d != nil || isPEM || !errors.Is(err, torn) {
		t.Errorf("PEM %v, %v", isPEM, err)
	}
	if d, isPEM, err := decoded(io.MultiReader(strings.NewReader("text\n"), iotest.ErrReader(torn))); d != nil || isPEM || !errors.Is(err, torn) {
		t.Errorf("text, then a failure: PEM %v, %v", isPEM, err)
	}
}

func TestPEM(t *testing.T) {
	der := pkitest.CRL(t, testCA(t), testOptions(mixedEntries(3)...))
	sound := string(pki.CRLPEM(der))
	lines := strings.SplitAfter(sound, "\n")
	body := strings.Join(lines[1:len(lines)-2], "")
	oneLine := strings.ReplaceAll(body, "\n", "")
	certificate := string(pki.PEM(testCA(t)))
	cases := []struct {
		name, file string
		want       Code // empty: accepted
	}{
		{"as it is", sound, ""},
		{"CRLF", strings.ReplaceAll(sound, "\n", "\r\n"), ""},
		{"mixed line ends", strings.Replace(sound, "\n", "\r\n", 2), ""},
		{"no final newline", strings.TrimSuffix(sound, "\n"), ""},
		{"spaces at line ends", strings.ReplaceAll(sound, "\n", " \t \n"), ""},
		{"blank lines in the body", pemBegin + "\n\n" + strings.ReplaceAll(body, "\n", "\n\n\r\n") + pemEnd + "\n", ""},
		{"white space after", sound + "\n\t \r\n", ""},
		{"body on one line", pemBegin + "\n" + oneLine + "\n" + pemEnd, ""},
		{"body in lines of one", pemBegin + "\n" + strings.Join(strings.Split(oneLine, ""), "\n") + "\n" + pemEnd, ""},
		{"text before", "Issuer: CN=Test CA\nsee -----BEGIN below\n\n" + sound, ""},
		{"64 KiB of text before", strings.Repeat("text\n", pemTextMax/5-10) + sound, ""},
		{"more text before", strings.Repeat("text\n", pemTextMax/5+10) + sound, Malformed},
		{"text after", sound + "the end\n", TrailingData},
		{"NUL after", sound + "\x00", TrailingData},
		{"two blocks", sound + sound, TrailingData},
		{"a certificate after", sound + certificate, TrailingData},
		{"a certificate before", certificate + sound, Malformed},
		{"a certificate alone", certificate, Malformed},
		{"two BEGIN lines", pemBegin + "\n" + sound, Malformed},
		{"missing END", pemBegin + "\n" + body, Malformed},
		{"missing END and newline", pemBegin + "\n" + strings.TrimSuffix(body, "\n"), Malformed},
		{"END of another label", strings.Replace(sound, pemEnd, "-----END CRL-----", 1), Malformed},
		{"END cut", strings.TrimSuffix(sound, "--\n"), Malformed},
		{"END on the last line of the body", strings.Replace(sound, "\n"+pemEnd, pemEnd, 1), Malformed},
		{"BEGIN only", pemBegin, Malformed},
		{"BEGIN and END only", pemBegin + "\n" + pemEnd + "\n", Malformed},
		{"BEGIN on the first line of the body", strings.Replace(sound, pemBegin+"\n", pemBegin, 1), Malformed},
		{"BEGIN indented", " " + sound, Malformed},
		{"label CRL", strings.ReplaceAll(sound, "X509 CRL", "CRL"), Malformed},
		{"headers", pemBegin + "\nProc-Type: 4,CRL\n\n" + body + pemEnd, Malformed},
		{"bad character", strings.Replace(sound, body[:1], "!", 1), Malformed},
		{"space inside a line", pemBegin + "\n" + body[:4] + " " + body[4:] + pemEnd, Malformed},
		{"carriage return inside a line", pemBegin + "\n" + body[:4] + "\r" + body[4:] + pemEnd, Malformed},
		{"four of them, which base64 would pass over", pemBegin + "\n" + body[:4] + "\r\r\r\r" + body[4:] + pemEnd, Malformed},
		{"carriage returns alone", strings.ReplaceAll(sound, "\n", "\r"), Malformed},
		{"one character missing", pemBegin + "\n" + body[1:] + pemEnd, Malformed},
		{"padding in the middle", pemBegin + "\nMIIB\nMA==\n" + body + pemEnd, Malformed},
		{"bits behind the last octet", pemBegin + "\nMB==\n" + pemEnd, Malformed},
		{"line of 20,000 characters", pemBegin + "\n" + strings.Repeat("A", 20000) + "\n" + pemEnd, Malformed},
		{"byte order mark", "\xef\xbb\xbf" + sound, Malformed},
		{"byte order mark on a line of its own", "\xef\xbb\xbf\n" + sound, ""},
		{"nothing", "", Malformed},
		{"newline", "\n", Malformed},
	}
	for _, c := range cases {
		got := readAll(strings.NewReader(c.file), Options{}, chunkSize)
		if got.code() != c.want || (got.err == nil) != (c.want == "") {
			t.Errorf("%s: %v, want %q", c.name, got.err, c.want)
		}
		if got.err == nil && (!got.list.PEM || got.list.Size != int64(len(der)) || got.list.Entries != 3) {
			t.Errorf("%s: PEM %v, %d octets, %d entries", c.name, got.list.PEM, got.list.Size, got.list.Entries)
		}
		if d, isPEM, err := decoded(strings.NewReader(c.file)); err != nil && (d != nil || isPEM) {
			t.Errorf("%s: PEM %v beside %v", c.name, isPEM, err)
		}
		if out, _, err := decodeAll(strings.NewReader(c.file)); err != nil && len(out) > 0 {
			t.Errorf("%s: %d octets beside %v", c.name, len(out), err)
		}
		for seed := range uint64(20) {
			if d := differ(got, readAll(newCutReader([]byte(c.file), seed), Options{}, minChunk+int(seed))); d != "" {
				t.Errorf("%s, in pieces: %s", c.name, d)
			}
		}
	}
}

// TestPEMOfEveryLength decodes bodies around the sizes at which the decoder
// hands over, with every padding.
func TestPEMOfEveryLength(t *testing.T) {
	var lengths []int
	for n := range 200 {
		lengths = append(lengths, n)
	}
	for _, middle := range []int{3 * pemReadSize / 4, 3 * pemReadSize / 2, 5 * pemReadSize} {
		for n := middle - 20; n < middle+20; n++ {
			lengths = append(lengths, n)
		}
	}
	data := make([]byte, 6*pemReadSize)
	for i := range data {
		data[i] = byte(i * 7)
	}
	for _, n := range lengths {
		got, isPEM, err := decodeAll(bytes.NewReader(pemVariant(data[:n], uint64(n))))
		if err != nil || !isPEM || !bytes.Equal(got, data[:n]) {
			t.Fatalf("%d octets: %d came back, error %v", n, len(got), err)
		}
	}
}
