package crl

import (
	"crypto"
	"errors"
	"io"

	"golang.org/x/crypto/cryptobyte"
)

// ASN.1 tags of this format.
const (
	tagInteger    = 0x02
	tagBitString  = 0x03
	tagOctets     = 0x04
	tagOID        = 0x06
	tagEnumerated = 0x0a
	tagSequence   = 0x30
	tagExtensions = 0xa0 // [0] EXPLICIT crlExtensions
)

// Read reads one CRL, DER or PEM, from r to its end. It calls sink with the
// entries in the order of the CRL, in batches; an error of sink ends the
// reading and is returned as it is.
//
// A CRL that breaks a rule gives an *[Error]. Entries may have been handed
// over before the fault was found, and the signature is not yet checked, so
// nothing of them may be used before Read and [List.CheckSignature] succeed.
func Read(r io.Reader, opts Options, sink func(*Batch) error) (*List, error) {
	return read(r, opts, sink, chunkSize)
}

// read is Read with chunks of the given size; tests make them small.
func read(r io.Reader, opts Options, sink func(*Batch) error, chunkSize int) (*List, error) {
	if opts.MaxBytes > 0 {
		r = &limitReader{r: r, left: opts.MaxBytes, limit: opts.MaxBytes}
	}
	der, isPEM, err := decoded(r)
	if err != nil {
		return nil, err
	}
	s := newStream(der, chunkSize)
	defer s.close()
	p := &parser{s: s, opts: opts, list: &List{PEM: isPEM}, sink: sink}
	if err := p.certificateList(); err != nil {
		return nil, err
	}
	return p.list, nil
}

type limitReader struct {
	r           io.Reader
	left, limit int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, l.tooLarge()
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1] // one more than allowed tells "exactly full" from "too large"
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		// What lies within the limit is handed over, so that a fault in it is
		// found however the source cuts its reads.
		return n - 1, l.tooLarge()
	}
	return n, err
}

func (l *limitReader) tooLarge() error {
	return refuse(TooLarge, "longer than the %d bytes allowed (MAX_CRL_BYTES)", l.limit)
}

// parser walks a CertificateList. Every method consumes exactly the element it
// is named for.
type parser struct {
	s    *stream
	opts Options
	list *List
	sink func(*Batch) error

	algorithm []byte // tbsCertList.signature, DER
	entries   entryReader
	// onlyGeneral leaves plainEntries out: tests compare.
	onlyGeneral bool
	headerOnly  bool                // see ReadHeader
	seen        []cryptobyte.String // identifiers of the extensions at hand; kept for its room
}

// fault turns an error of the stream into the caller's view of it: a source
// that ends too early is a malformed CRL, every other failure is the source's, and
// none is none.
func (p *parser) fault(err error, what string) error {
	if err == io.EOF { // and not errors.Is: a failure that wraps io.EOF is no end
		return refuseAt(Malformed, p.s.end, "ends in the middle of %s: the upload is cut short, or its lengths are wrong", what)
	}
	return err
}

// header is the tag and the length of an element, and how many octets say them.
type header struct {
	tag    byte
	size   int
	length int64
}

// header reads tag and length of the next element without consuming them.
func (p *parser) header(what string) (header, error) {
	if err := p.s.need(2); err != nil {
		return header{}, p.fault(err, what)
	}
	tag := p.s.window[0]
	if tag&0x1f == 0x1f {
		return header{}, refuseAt(Malformed, p.s.off, "%s has a multi-byte tag", what)
	}
	if l := p.s.window[1]; l > 0x80 && l <= 0x80+maxHeader-2 {
		if err := p.s.need(2 + int(l&0x7f)); err != nil {
			return header{}, p.fault(err, what)
		}
	}
	size, length, fault := elementLength(p.s.window)
	if fault != "" {
		return header{}, refuseAt(Malformed, p.s.off, "%s %s", what, fault)
	}
	return header{tag, size, length}, nil
}

// expect is header for an element that must have this tag and must end at or
// before limit.
func (p *parser) expect(tag byte, limit int64, what string) (header, error) {
	h, err := p.header(what)
	switch {
	case err != nil:
		return h, err
	case h.tag != tag:
		return h, refuseAt(Malformed, p.s.off, "%s has tag 0x%02x, expected 0x%02x", what, h.tag, tag)
	case p.s.off+int64(h.size)+h.length > limit:
		return h, refuseAt(Malformed, p.s.off, "%s is longer than what contains it", what)
	}
	return h, nil
}

// open enters an element, which expect describes, and returns the offset of its
// end.
func (p *parser) open(tag byte, limit int64, what string) (end int64, err error) {
	h, err := p.expect(tag, limit, what)
	if err == nil {
		p.s.skip(h.size)
	}
	return p.s.off + h.length, err
}

// element reads one whole element, which expect describes, header included. The
// bytes are valid until the next call.
func (p *parser) element(tag byte, maxLen int, limit int64, what string) (whole, contents []byte, err error) {
	h, err := p.expect(tag, limit, what)
	if err != nil {
		return nil, nil, err
	}
	if h.length > int64(maxLen) {
		return nil, nil, refuseAt(TooLarge, p.s.off, "%s has %d octets, more than the %d that are read", what, h.length, maxLen)
	}
	n := h.size + int(h.length)
	if err := p.s.need(n); err != nil {
		return nil, nil, p.fault(err, what)
	}
	whole = p.s.window[:n:n]
	p.s.skip(n)
	return whole, whole[h.size:], nil
}

// maxTime is how many octets of a time are read: enough to show a wrong one.
const maxTime = 32

const noLimit = int64(1) << 62

// certificateList reads CertificateList and everything up to the end of the
// source (RFC 5280 §5.1).
func (p *parser) certificateList() error {
	end, err := p.open(tagSequence, noLimit, "CertificateList")
	if err != nil {
		return err
	}
	if p.opts.MaxBytes > 0 && end > p.opts.MaxBytes {
		return refuseAt(TooLarge, 0, "CertificateList claims %d bytes, more than the %d allowed (MAX_CRL_BYTES)", end, p.opts.MaxBytes)
	}
	p.list.Size = end
	if err := p.tbsCertList(end); err != nil {
		return err
	}
	outer, _, err := p.element(tagSequence, maxAlgorithm, end, "signatureAlgorithm")
	if err != nil {
		return err
	}
	if string(outer) != string(p.algorithm) {
		return refuseAt(AlgorithmMismatch, p.s.off-int64(len(outer)), "signatureAlgorithm differs from the algorithm inside tbsCertList (RFC 5280 §5.1.1.2)")
	}
	_, sig, err := p.element(tagBitString, MaxSignature, end, "signatureValue")
	if err != nil {
		return err
	}
	if len(sig) < 2 || sig[0] != 0 {
		return refuseAt(Malformed, p.s.off-int64(len(sig)), "signatureValue is not a BIT STRING of whole octets")
	}
	p.list.signature = append([]byte(nil), sig[1:]...)
	if p.s.off != end {
		return refuseAt(Malformed, p.s.off, "%d bytes inside CertificateList behind the signature", end-p.s.off)
	}
	switch err := p.s.need(1); {
	case err == nil:
		return refuseAt(TrailingData, end, "bytes follow the CRL: one object holds one CRL")
	case err != io.EOF:
		return err
	}
	if p.headerOnly {
		return nil
	}
	p.s.tapWait()
	p.list.seal(p.s.tap)
	return nil
}

// tbsCertList reads the signed part.
func (p *parser) tbsCertList(limit int64) error {
	start := p.s.off
	end, err := p.open(tagSequence, limit, "tbsCertList")
	if err != nil {
		return err
	}
	p.list.Version = 1
	if h, err := p.header("version or signature"); err != nil {
		return err
	} else if h.tag == tagInteger {
		_, v, err := p.element(tagInteger, 8, end, "version")
		if err != nil {
			return err
		}
		if !minimalInteger(v) {
			return refuseAt(Malformed, p.s.off-int64(len(v)), "version is not a DER INTEGER")
		}
		if len(v) != 1 || v[0] != 1 {
			return refuseAt(VersionUnsupported, p.s.off-int64(len(v)), "version field %x: only v2 (1) and v1 (absent) exist (RFC 5280 §5.1.2.1)", v)
		}
		p.list.Version = 2
	}
	if err := p.signatureAlgorithm(start, end); err != nil {
		return err
	}
	issuer, _, err := p.element(tagSequence, MaxIssuer, end, "issuer")
	if err != nil {
		return err
	}
	if err := checkDER(issuer, p.s.off-int64(len(issuer))); err != nil {
		return err
	}
	if !exactName(issuer) {
		return refuseAt(Malformed, p.s.off-int64(len(issuer)), "issuer is not a Name (RFC 5280 §5.1.2.3)")
	}
	if len(issuer) == 2 {
		return refuseAt(Malformed, p.s.off-int64(len(issuer)), "issuer is an empty name (RFC 5280 §5.1.2.3)")
	}
	p.list.Issuer = append([]byte(nil), issuer...)
	if err := p.dates(end); err != nil {
		return err
	}
	if err := p.revokedCertificates(end); err != nil {
		return err
	}
	return p.crlExtensions(end)
}

// signatureAlgorithm reads tbsCertList.signature and, now that the hash is
// known, starts hashing tbsCertList from its first byte on.
func (p *parser) signatureAlgorithm(tbsStart, tbsEnd int64) error {
	alg, _, err := p.element(tagSequence, maxAlgorithm, tbsEnd, "signature algorithm")
	if err != nil {
		return err
	}
	p.algorithm = append([]byte(nil), alg...)
	if err := checkDER(p.algorithm, p.s.off-int64(len(alg))); err != nil {
		return err
	}
	if p.list.Algorithm, err = parseAlgorithm(p.algorithm); err != nil {
		if e := (*Error)(nil); !errors.As(err, &e) || e.Code != AlgorithmUnsupported {
			return err
		}
		// The rest is read all the same, so that whoever only wants to know
		// what the CRL says can; CheckSignature answers with this error.
		p.list.unsupported = err
		p.list.Algorithm = Algorithm{Hash: crypto.SHA256}
	}
	if p.headerOnly {
		return nil
	}
	if p.list.Algorithm.SHA1() && !p.opts.AllowSHA1 {
		return refuse(SHA1NotAllowed, "signed with %s: SHA-1 can be forged; have the CA sign with SHA-256, or set ALLOW_SHA1=true to accept the risk", p.list.Algorithm)
	}
	if p.list.Algorithm.kind == kindEd25519 && tbsEnd-tbsStart > MaxEd25519 {
		return refuse(TooLarge, "signed with Ed25519 and %d bytes long: such CRLs are held in memory and may have %d bytes at most", tbsEnd-tbsStart, MaxEd25519)
	}
	p.s.tapRange(tbsStart, tbsEnd, p.list.Algorithm.newTap(tbsEnd-tbsStart))
	return nil
}

func (p *parser) dates(limit int64) error {
	this, err := p.time(limit, "thisUpdate")
	if err != nil {
		return err
	}
	p.list.ThisUpdate = unixTime(this)
	if p.s.off == limit {
		return nil
	}
	h, err := p.header("nextUpdate")
	if err != nil {
		return err
	}
	if h.tag != tagUTCTime && h.tag != tagGeneralizedTime {
		return nil
	}
	at := p.s.off
	next, err := p.time(limit, "nextUpdate")
	if err != nil {
		return err
	}
	if p.list.NextUpdate = unixTime(next); p.list.NextUpdate.IsZero() {
		return refuseAt(Malformed, at, "nextUpdate is the first second of the year 1, which no CA means")
	}
	return nil
}

func (p *parser) time(limit int64, what string) (int64, error) {
	h, err := p.header(what)
	if err != nil {
		return 0, err
	}
	if h.length > maxTime {
		return 0, refuseAt(Malformed, p.s.off, "%s has %d octets, and a time has 15 at most (RFC 5280 §5.1.2.4)", what, h.length)
	}
	if h.tag != tagUTCTime && h.tag != tagGeneralizedTime {
		return 0, refuseAt(Malformed, p.s.off, "%s has tag 0x%02x, expected UTCTime or GeneralizedTime", what, h.tag)
	}
	_, b, err := p.element(h.tag, maxTime, limit, what)
	if err != nil {
		return 0, err
	}
	sec, ok := parseTime(h.tag, b)
	if !ok {
		return 0, refuseAt(Malformed, p.s.off-int64(len(b)), "%s %q is not a time in the form of RFC 5280 §5.1.2.4", what, b)
	}
	return sec, nil
}
