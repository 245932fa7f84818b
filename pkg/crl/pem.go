package crl

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
)

const (
	pemBegin    = "-----BEGIN X509 CRL-----"
	pemEnd      = "-----END X509 CRL-----"
	pemBoundary = "-----BEGIN "
	pemTextMax  = 64 << 10 // explanatory text allowed before the BEGIN line (RFC 7468 §5.2)
	pemSpaceMax = 64 << 10 // white space allowed behind the END line, and in the body beyond twice its characters
	pemLineMax  = 16 << 10
	pemReadSize = 64 << 10
)

const _ = uint(pemReadSize - pemLineMax - 1) // a line that may be read fits into the buffer

// decoded returns a reader of the DER bytes of a CRL that may be PEM, decoding
// in passing, and whether it was PEM. DER is told by its first byte, the tag
// of a SEQUENCE.
func decoded(r io.Reader) (io.Reader, bool, error) {
	br := bufio.NewReaderSize(r, pemReadSize)
	first, err := br.Peek(1)
	if err != nil {
		if err == io.EOF {
			return nil, false, refuseAt(Malformed, 0, "the object is empty: upload a CRL in DER or PEM")
		}
		return nil, false, err
	}
	if first[0] == 0x30 {
		return br, false, nil
	}
	text := 0
	for {
		line, err := br.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return nil, false, err
		}
		text += len(line)
		trimmed := bytes.TrimRight(line, " \t\r\n")
		switch {
		case string(trimmed) == pemBegin && err != bufio.ErrBufferFull:
			return &pemReader{br: br}, true, nil
		case bytes.HasPrefix(trimmed, []byte(pemBoundary)):
			return nil, false, refuseAt(Malformed, 0, "PEM begins with %q, not with %q: one object holds one CRL and nothing else", clip(trimmed), pemBegin)
		case err == io.EOF || text > pemTextMax || err == bufio.ErrBufferFull:
			return nil, false, refuseAt(Malformed, 0, "neither DER nor PEM: the first byte is 0x%02x and no line reads %q", first[0], pemBegin)
		}
	}
}

// pemReader decodes the base64 body behind a BEGIN line, up to the END line,
// behind which only white space may stand.
type pemReader struct {
	br    *bufio.Reader
	b64   []byte // base64 characters not yet decoded
	out   []byte // decoded bytes not yet handed out
	buf   []byte
	text  int64 // base64 characters so far
	space int64 // white space so far
	pad   bool  // padding was seen: nothing but the END line may follow
	done  bool
}

func (p *pemReader) Read(dst []byte) (int, error) {
	for len(p.out) == 0 {
		if p.done {
			return 0, io.EOF
		}
		if err := p.decodeMore(); err != nil {
			return 0, err
		}
	}
	n := copy(dst, p.out)
	p.out = p.out[n:]
	return n, nil
}

func (p *pemReader) decodeMore() error {
	for len(p.b64) < pemReadSize {
		line, err := p.br.ReadSlice('\n')
		if len(line) > pemLineMax { // so is a line that fills the buffer
			return refuse(Malformed, "PEM line longer than %d characters", pemLineMax)
		}
		if err != nil && err != io.EOF {
			return err
		}
		raw := len(line)
		line = bytes.TrimRight(line, " \t\r\n")
		p.text += int64(len(line))
		if p.space += int64(raw - len(line)); p.space > pemSpaceMax+2*p.text {
			return refuse(Malformed, "PEM body of little but white space: %d characters of it", p.space)
		}
		if len(line) > 0 && line[0] == '-' {
			if string(line) != pemEnd {
				return refuse(Malformed, "PEM body ends in %q, not in %q", clip(line), pemEnd)
			}
			p.done = true
			if err := p.onlySpaceFollows(); err != nil {
				return err
			}
			break
		}
		if err == io.EOF {
			return refuse(Malformed, "PEM body without its line %q: the upload is cut short", pemEnd)
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			// The decoder would pass over it, and the characters be counted wrong.
			return refuse(Malformed, "PEM body with a carriage return inside a line")
		}
		p.b64 = append(p.b64, line...)
	}
	whole := len(p.b64) &^ 3
	if p.done && whole != len(p.b64) {
		return refuse(Malformed, "PEM body is not whole base64: %d characters are left over", len(p.b64)-whole)
	}
	if whole == 0 {
		return nil
	}
	if p.pad {
		return refuse(Malformed, "PEM body goes on behind its base64 padding")
	}
	p.pad = p.b64[whole-1] == '='
	if p.buf == nil {
		p.buf = make([]byte, base64.StdEncoding.DecodedLen(pemReadSize+pemLineMax+4))
	}
	n, err := base64.StdEncoding.Strict().Decode(p.buf, p.b64[:whole])
	if err != nil {
		return refuse(Malformed, "PEM body is not base64: %v", err)
	}
	p.out = p.buf[:n]
	p.b64 = append(p.b64[:0], p.b64[whole:]...)
	return nil
}

func (p *pemReader) onlySpaceFollows() error {
	for n := 0; ; n++ {
		b, err := p.br.ReadByte()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return refuse(TrailingData, "something follows the line %q: one object holds one CRL", pemEnd)
		}
		if n >= pemSpaceMax {
			return refuse(TrailingData, "more than %d characters of white space follow the line %q", pemSpaceMax, pemEnd)
		}
	}
}

func clip(b []byte) string {
	if len(b) > 40 {
		b = b[:40]
	}
	return string(b)
}
