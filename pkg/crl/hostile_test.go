package crl

import (
	"bytes"
	"encoding/asn1"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

const (
	mib = 1 << 20

	// readAhead is how many octets may be taken from the source beyond those
	// that were needed: the chunks in flight and the buffer in front of them.
	readAhead = (chunks+1)*chunkSize + pemReadSize
)

// countReader counts what is taken from it.
type countReader struct {
	r io.Reader
	n int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// endless repeats a pattern for ever.
type endless struct {
	pattern string
	pos     int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.pattern[e.pos:])
	n += copy(p[n:], e.pattern[:e.pos])
	for n < len(p) {
		n += copy(p[n:], p[:n]) // n is a multiple of the pattern's length
	}
	e.pos = (e.pos + len(p)) % len(e.pattern)
	return len(p), nil
}

func repeated(pattern string, times int64) io.Reader {
	return io.LimitReader(&endless{pattern: pattern}, int64(len(pattern))*times)
}

// hostile is one input that is meant to cost the reader more than its sender.
type hostile struct {
	name    string
	source  io.Reader
	opts    Options
	want    Code  // empty: accepted
	maxRead int64 // octets that may be taken from the source
	sink    func(*Batch) error
}

// cost reads h and fails where it costs too much: octets taken from the
// source, and octets allocated in all, freed or not.
func (h hostile) check(t *testing.T) {
	t.Helper()
	source := &countReader{r: h.source}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Read(source, h.opts, h.sink)
	runtime.ReadMemStats(&after)
	if got := (outcome{err: err}).code(); got != h.want || (err == nil) != (h.want == "") {
		t.Errorf("%v, want %q", err, h.want)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 16*mib {
		t.Errorf("allocated %d MiB", allocated/mib)
	}
	if source.n > h.maxRead {
		t.Errorf("read %d octets of the source, more than %d", source.n, h.maxRead)
	}
	if e, ok := err.(*Error); ok && len(e.Detail) > 1000 {
		t.Errorf("the detail has %d characters", len(e.Detail))
	}
}

// parts are the pieces that a CRL is put together from.
type parts struct {
	alg, issuer, dates []byte
}

func soundParts() parts {
	return parts{
		alg:    tlv(0x30, must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}))),
		issuer: must(pki.RawName([]pki.Attribute{{Type: pki.OIDCommonName, Value: "Test CA"}})),
		dates:  []byte("\x17\x0d261101000000Z\x17\x0d261201000000Z"),
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

var numberExtension = tlv(0x30, []byte{6, 3, 0x55, 0x1d, 0x14}, tlv(4, []byte{2, 1, 7}))

// crl streams a CRL whose field behind the dates is given as header and
// contents; rest stands behind it in tbsCertList.
func (p parts) crl(header []byte, contents io.Reader, n int64, rest []byte) io.Reader {
	head := slices.Concat([]byte{2, 1, 1}, p.alg, p.issuer, p.dates, header)
	tbs := int64(len(head)) + n + int64(len(rest))
	tail := slices.Concat(rest, p.alg, []byte{3, 9, 0, 0x30, 6, 2, 1, 1, 2, 1, 1})
	tbsHeader := tlvHeader(0x30, tbs)
	outer := tlvHeader(0x30, int64(len(tbsHeader))+tbs+int64(len(tail)-len(rest)))
	return io.MultiReader(bytes.NewReader(slices.Concat(outer, tbsHeader, head)), contents, bytes.NewReader(tail))
}

// list is a CRL with this pattern for an entry, so many times.
func (p parts) list(entry []byte, times int64, extensions ...[]byte) io.Reader {
	n := int64(len(entry)) * times
	rest := tlv(0xa0, tlv(0x30, extensions...))
	return p.crl(tlvHeader(0x30, n), repeated(string(entry), times), n, rest)
}

// nested encodes an element in an element, so many deep.
func nested(tag byte, depth int) []byte {
	// Built from the inside, backwards, since prepending copies.
	var out []byte
	for range depth {
		h := tlvHeader(tag, int64(len(out)))
		slices.Reverse(h)
		out = append(out, h...)
	}
	slices.Reverse(out)
	return out
}

var (
	plainDate   = []byte("\x17\x0d261101000000Z")
	plainEntry  = tlv(0x30, []byte{2, 1, 9}, plainDate)
	unknownID   = []byte{6, 3, 0x55, 0x1d, 0x7f}
	indirectIDP = tlv(0x30, []byte{6, 3, 0x55, 0x1d, 0x1c}, []byte{1, 1, 0xff}, tlv(4, []byte{0x30, 3, 0x84, 1, 0xff}))
)

func issuerEntry(names []byte) []byte {
	return tlv(0x30, []byte{2, 1, 9}, plainDate, tlv(0x30, tlv(0x30, []byte{6, 3, 0x55, 0x1d, 0x1d}, []byte{1, 1, 0xff}, tlv(4, names))))
}

func idpExtension(value []byte) []byte {
	return tlv(0x30, []byte{6, 3, 0x55, 0x1d, 0x1c}, []byte{1, 1, 0xff}, tlv(4, value))
}

func hostileExtensions() []hostile {
	p := soundParts()
	big := int64(100 << 20)
	extension := func(value []byte) io.Reader { return p.list(plainEntry, 1, numberExtension, idpExtension(value)) }
	return []hostile{
		{name: "extension of 100 MB", source: p.crl(tlvHeader(0xa0, big), repeated("\x00", big), big, nil), want: TooLarge},
		{name: "a million unknown extensions", source: func() io.Reader {
			e := tlv(0x30, unknownID, tlv(4, []byte{5, 0}))
			n := int64(len(e)) * 1e6
			head := slices.Concat(tlvHeader(0xa0, n+5), tlvHeader(0x30, n))
			return p.crl(head, repeated(string(e), 1e6), n, nil)
		}(), want: TooLarge},
		{name: "as many extensions as fit", source: func() io.Reader {
			var e [][]byte
			for i := range 4000 {
				e = append(e, tlv(0x30, []byte{6, 3, 0x55, byte(i>>7) & 0x7f, byte(i) & 0x7f}, tlv(4, nil)))
			}
			return p.list(plainEntry, 1, e...)
		}(), want: TooLarge},
		{name: "extension identifier of 50,000 octets", source: p.list(plainEntry, 1, tlv(0x30, tlv(6, bytes.Repeat([]byte{1}, 50000)), []byte{1, 1, 0xff}, tlv(4, nil))), want: CriticalExtensionUnknown},
		{name: "CRL number of 50,000 octets", source: p.list(plainEntry, 1, tlv(0x30, []byte{6, 3, 0x55, 0x1d, 0x14}, tlv(4, tlv(2, bytes.Repeat([]byte{1}, 50000))))), want: NumberTooLong},
		{name: "IDP of 20,000 names", source: extension(tlv(0x30, tlv(0xa0, tlv(0xa0, bytes.Repeat([]byte{0x86, 1, 'x'}, 19000))))), want: ""},
		{name: "GeneralNames nested deep in the IDP", source: extension(tlv(0x30, tlv(0xa0, tlv(0xa0, nested(0xa4, 12000))))), want: IDPMalformed},
		{name: "relative name nested deep in the IDP", source: extension(tlv(0x30, tlv(0xa0, tlv(0xa1, nested(0x30, 12000))))), want: IDPMalformed},
		{name: "freshestCRL nested deep", source: p.list(plainEntry, 1, numberExtension, tlv(0x30, []byte{6, 3, 0x55, 0x1d, 0x2e}, tlv(4, nested(0x30, 12000)))), want: ExtensionMalformed},
		{name: "issuer nested deep", source: parts{p.alg, tlv(0x30, nested(0x31, 8000)), p.dates}.list(plainEntry, 1, numberExtension), want: Malformed},
		{name: "issuer of 100 MB", source: parts{p.alg, slices.Concat(tlvHeader(0x30, big), make([]byte, 100)), p.dates}.crl(nil, repeated("\x00", big), big, nil), want: TooLarge},
	}
}

func hostileEntries() []hostile {
	p := soundParts()
	ten := tlv(0x30, unknownID, tlv(4, nil))
	wide := func(times int) []byte {
		return tlv(0x30, []byte{2, 1, 9}, plainDate, tlv(0x30, bytes.Repeat(ten, times)))
	}
	a, b := issuerEntry(tlv(0x30, []byte{0x82, 1, 'a'})), issuerEntry(tlv(0x30, []byte{0x82, 1, 'b'}))
	const all = 1 << 40
	return []hostile{
		{name: "entry with 100,000 extensions", source: p.list(wide(1e5), 1, numberExtension), want: TooLarge},
		{name: "entry with as many extensions as fit", source: p.list(tlv(0x30, []byte{2, 1, 9}, plainDate, tlv(0x30, manyExtensions(101)...)), 1, numberExtension), want: TooLarge},
		{name: "5,000 entries with the most extensions an entry may have", source: p.list(tlv(0x30, []byte{2, 1, 9}, plainDate, tlv(0x30, manyExtensions(100)...)), 5e3, numberExtension), maxRead: all},
		{name: "a million changes of the certificate issuer", source: p.list(slices.Concat(a, b), 5e5, numberExtension, indirectIDP), maxRead: all},
		{name: "a million namings of one certificate issuer", source: p.list(a, 1e6, numberExtension, indirectIDP), maxRead: all},
		{name: "certificate issuers of 30,000 octets", source: p.list(issuerEntry(tlv(0x30, bytes.Repeat([]byte{0x82, 1, 'a'}, 1e4))), 1e3, numberExtension, indirectIDP), maxRead: all},
		{name: "certificate issuer nested deep", source: p.list(issuerEntry(tlv(0x30, nested(0xa4, 8000))), 1, numberExtension, indirectIDP), want: EntryExtensionMalformed},
		{name: "24 MB of plain entries", source: p.list(plainEntry, 24*mib/int64(len(plainEntry)), numberExtension), maxRead: all},
		{name: "24 MB of entries in wrong order of width", source: p.list(slices.Concat(plainEntry, tlv(0x30, tlv(2, bytes.Repeat([]byte{1}, 64)), plainDate)), 24*mib/100, numberExtension), maxRead: all},
	}
}

func manyExtensions(n int) [][]byte {
	var e [][]byte
	for i := range n {
		e = append(e, tlv(0x30, []byte{6, 3, 0x55, 0x7f, byte(i)}, tlv(4, nil)))
	}
	return e
}

func hostileLengths() []hostile {
	p := soundParts()
	const claim = int64(1) << 40
	tail := make([]byte, 50)
	start := slices.Concat(tlvHeader(0x30, claim), tlvHeader(0x30, claim-100), []byte{2, 1, 1})
	behind := func(parts ...[]byte) io.Reader { return bytes.NewReader(append(slices.Concat(parts...), tail...)) }
	return []hostile{
		{name: "CertificateList claims 2^40", source: behind(tlvHeader(0x30, claim)), want: Malformed},
		{name: "CertificateList claims 2^40 over the limit", source: behind(tlvHeader(0x30, claim)), opts: Options{MaxBytes: 8 << 30}, want: TooLarge},
		{name: "CertificateList claims 2^63", source: behind([]byte{0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), want: Malformed},
		{name: "CertificateList claims 2^64-1", source: behind([]byte{0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), want: Malformed},
		{name: "CertificateList claims 2^1000", source: behind(append([]byte{0x30, 0xfe}, bytes.Repeat([]byte{0xff}, 126)...)), want: Malformed},
		{name: "tbsCertList claims 2^40", source: behind(tlvHeader(0x30, claim), tlvHeader(0x30, claim-100)), want: Malformed},
		{name: "version claims 2^40", source: behind(start[:len(start)-3], tlvHeader(2, claim-1000)), want: TooLarge},
		{name: "algorithm claims 2^40", source: behind(start, tlvHeader(0x30, claim-1000)), want: TooLarge},
		{name: "issuer claims 2^40", source: behind(start, p.alg, tlvHeader(0x30, claim-1000)), want: TooLarge},
		{name: "thisUpdate claims 2^40", source: behind(start, p.alg, p.issuer, tlvHeader(0x17, claim-1000)), want: Malformed},
		{name: "nextUpdate claims 2^40", source: behind(start, p.alg, p.issuer, plainDate, tlvHeader(0x18, claim-1000)), want: Malformed},
		{name: "revokedCertificates claims 2^40", source: behind(start, p.alg, p.issuer, p.dates, tlvHeader(0x30, claim-1000), plainEntry), want: Malformed},
		{name: "an entry claims 2^40", source: behind(start, p.alg, p.issuer, p.dates, tlvHeader(0x30, claim-1000), tlvHeader(0x30, claim-2000)), want: TooLarge},
		{name: "extensions claim 2^40", source: behind(start, p.alg, p.issuer, p.dates, tlvHeader(0xa0, claim-1000)), want: TooLarge},
		{name: "Ed25519 claims 2^40", source: behind(start, tlv(0x30, []byte{6, 3, 0x2b, 0x65, 0x70}), p.issuer, p.dates), want: TooLarge},
		{name: "Ed25519 claims as much as it may", source: behind(tlvHeader(0x30, MaxEd25519+100), tlvHeader(0x30, MaxEd25519-10), []byte{2, 1, 1}, tlv(0x30, []byte{6, 3, 0x2b, 0x65, 0x70}), p.issuer, p.dates), want: Malformed},
		{name: "signature claims 2^40", source: func() io.Reader {
			tbs := tlv(0x30, []byte{2, 1, 1}, p.alg, p.issuer, p.dates, tlv(0xa0, tlv(0x30, numberExtension)))
			return behind(tlvHeader(0x30, claim), tbs, p.alg, tlvHeader(3, claim-1000))
		}(), want: TooLarge},
	}
}

func hostileStreams(t *testing.T) []hostile {
	der := pkitest.CRL(t, testCA(t), testOptions(mixedEntries(3)...))
	text := string(pki.CRLPEM(der))
	then := func(s, pattern string) io.Reader {
		return io.MultiReader(strings.NewReader(s), &endless{pattern: pattern})
	}
	return []hostile{
		{name: "zeros without end", source: then("", "\x00"), want: Malformed},
		{name: "a CRL, then zeros without end", source: then(string(der), "\x00"), want: TrailingData},
		{name: "CRLs without end", source: then("", string(der)), want: TrailingData},
		{name: "gzip that unpacks without end", source: then("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "\xec\xc1\x01\x01\x00\x00\x00"), want: Malformed}, // nothing unpacks it
		{name: "text without end", source: then("", "some text\n"), want: Malformed},
		{name: "a line without end", source: then("", "a"), want: Malformed},
		{name: "blank lines without end", source: then("", "\n"), want: Malformed},
		{name: "PEM line without end", source: then(pemBegin+"\n", "A"), want: Malformed},
		{name: "PEM blank lines without end", source: then(pemBegin+"\n", "\n"), want: Malformed},
		{name: "PEM blank lines without end, inside the body", source: then(text[:100]+"\n", " \r\n"), want: Malformed},
		{name: "PEM body without end", source: then(pemBegin+"\n", "MIIB\n"), want: Malformed},
		{name: "PEM blank lines between characters", source: then(pemBegin+"\n", "M\n"+strings.Repeat("\n", 60000)), want: Malformed},
		{name: "PEM, then white space without end", source: then(text, " \n"), want: TrailingData},
		{name: "PEM, then PEM without end", source: then("", text), want: TrailingData},
		{name: "a line without end under a limit", source: then("", "a"), opts: Options{MaxBytes: 1000}, want: TooLarge},
	}
}

// TestHostileInputIsCheap gives the reader what is meant to make it read or
// hold much: every input is refused, or accepted, at a small cost.
func TestHostileInputIsCheap(t *testing.T) {
	for _, h := range slices.Concat(hostileLengths(), hostileExtensions(), hostileEntries(), hostileStreams(t)) {
		t.Run(strings.ReplaceAll(h.name, " ", "_"), func(t *testing.T) {
			if h.maxRead == 0 {
				h.maxRead = readAhead
			}
			h.check(t)
		})
	}
}
