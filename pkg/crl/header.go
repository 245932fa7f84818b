package crl

import (
	"errors"
	"io"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/internal/der"
)

// ReadHeader reads one CRL, DER or PEM, from r to its end, and passes over its
// entries: it says whether what was handed over is a whole CertificateList, and
// what its header and extensions say, at the cost of reading it. It neither hashes
// nor judges: the [List] has no Digest and no Entries and its signature cannot be
// checked. SHA-1 and a missing CRL number are accepted, and an extension that
// [Read] would refuse the CRL for is passed over.
//
// What is no CRL, or not all of one, is an *[Error] with the code [Malformed],
// [TrailingData] or [TooLarge]. With another code it is one that Read refuses
// for what stands in front of the entries. Any other error comes from the source.
func ReadHeader(r io.Reader, maxBytes int64) (*List, error) {
	opts := Options{MaxBytes: maxBytes, AllowNoNumber: true}
	if maxBytes > 0 {
		r = &limitReader{r: r, left: maxBytes, limit: maxBytes}
	}
	source, isPEM, err := decoded(r)
	if err != nil {
		return nil, err
	}
	s := newStream(source, chunkSize)
	defer s.close()
	p := &parser{s: s, opts: opts, list: &List{PEM: isPEM}, headerOnly: true}
	if err := p.certificateList(); err != nil {
		return nil, err
	}
	return p.list, nil
}

// pass consumes what lies before an offset, without looking at it.
func (p *parser) pass(end int64, what string) error {
	for p.s.off < end {
		if err := p.s.need(1); err != nil {
			return p.fault(err, what)
		}
		p.s.skip(int(min(int64(len(p.s.window)), end-p.s.off)))
	}
	return nil
}

// bearable reports whether a fault says nothing about where the CRL ends: what
// [ReadHeader] leaves to Read.
func bearable(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code != Malformed && e.Code != TooLarge && e.Code != TrailingData
}

// freshestURIs returns the URIs of a freshestCRL extension, those of one
// distribution point together: they are names of one and the same CRL (RFC 5280
// §4.2.1.13, §5.2.6). What cannot be read is left out: it is a hint.
func freshestURIs(v cryptobyte.String) [][]string {
	var seq cryptobyte.String
	var out [][]string
	if !v.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return nil
	}
	for !seq.Empty() {
		var point, field cryptobyte.String
		if !seq.ReadASN1(&point, cbasn1.SEQUENCE) || !point.ReadOptionalASN1(&field, nil, cbasn1.Tag(0).ContextSpecific().Constructed()) {
			return out
		}
		full, _, _ := der.DistributionPointName(field) // no names where it has none
		if uris := URIs(full); len(uris) > 0 {
			out = append(out, uris)
		}
	}
	return out
}

// URIs returns the uniformResourceIdentifiers among GeneralNames, each DER with
// its tag (RFC 5280 §4.2.1.6).
func URIs(generalNames [][]byte) []string {
	var out []string
	for _, g := range generalNames {
		in, text := cryptobyte.String(g), cryptobyte.String(nil)
		if in.ReadASN1(&text, cbasn1.Tag(6).ContextSpecific()) && in.Empty() && len(text) > 0 {
			out = append(out, string(text))
		}
	}
	return out
}
