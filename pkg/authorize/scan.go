package authorize

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks one JSON text (RFC 8259) without building anything of it. It
// exists so that an event's fields are found by their path and a name that
// comes twice is refused: header names are the caller's to choose, and
// encoding/json takes names in any case and keeps the last of two.
type scanner struct {
	b     []byte
	i     int
	depth int // how many objects and arrays are open
}

var errJSON = errors.New("not JSON")

func (s *scanner) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", errJSON, what, s.i)
}

// maxDepth is how many objects and arrays may be open at once.
const maxDepth = 100

// open consumes the bracket that opens an object or array.
func (s *scanner) open(bracket byte) error {
	if err := s.expect(bracket); err != nil {
		return err
	}
	if s.depth++; s.depth > maxDepth {
		return s.fail("nested too deep")
	}
	return nil
}

// close consumes a bracket that closes what is open, if it comes next.
func (s *scanner) close(bracket byte) bool {
	if s.peek() != bracket {
		return false
	}
	s.i++
	s.depth--
	return true
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// peek returns the first byte of the next token; 0, which begins none, at the end.
// API Gateway writes no white space, so that this is mostly all there is to do.
func (s *scanner) peek() byte {
	if s.i < len(s.b) && s.b[s.i] > ' ' {
		return s.b[s.i]
	}
	return s.peekBehindSpace()
}

func (s *scanner) peekBehindSpace() byte {
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// end reports whether nothing follows.
func (s *scanner) end() bool {
	s.space()
	return s.i == len(s.b)
}

func (s *scanner) expect(c byte) error {
	if s.peek() != c {
		return s.fail("expected " + string(rune(c)))
	}
	s.i++
	return nil
}

// object calls field for each member of the object that comes next, with the
// scanner before the member's value; field consumes the value. Without field the
// object is passed over.
func (s *scanner) object(field func(name []byte) error) error {
	if err := s.open('{'); err != nil {
		return err
	}
	if s.close('}') {
		return nil
	}
	for {
		name, err := s.string()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if field == nil {
			err = s.skip()
		} else {
			err = field(name.text())
		}
		if err != nil || s.close('}') {
			return err
		}
		if s.peek() != ',' {
			return s.fail("expected , or }")
		}
		s.i++
	}
}

// word consumes a literal name, if it comes next.
func (s *scanner) word(w string) bool {
	s.space()
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

// token is what stands between the quotes of a string. Its escapes are sound.
type token struct {
	raw     []byte // part of the text
	escaped bool   // there are escapes in it
}

// text returns the string unescaped; it is a part of the text where nothing was
// escaped.
func (t token) text() []byte {
	if !t.escaped {
		return t.raw
	}
	return appendUnescaped(nil, t.raw)
}

// appendTo appends the string unescaped.
func (t token) appendTo(b []byte) []byte {
	if !t.escaped {
		return append(b, t.raw...)
	}
	return appendUnescaped(b, t.raw)
}

// String returns the string unescaped.
func (t token) String() string {
	if !t.escaped {
		return string(t.raw)
	}
	return string(appendUnescaped(make([]byte, 0, len(t.raw)), t.raw))
}

// string consumes the string that comes next.
func (s *scanner) string() (token, error) {
	if s.peek() != '"' {
		return token{}, s.expect('"')
	}
	s.i++
	start, escaped := s.i, false
	for {
		s.i = ordinary(s.b, s.i, 0)
		if s.i >= len(s.b) {
			return token{}, s.fail("string without end")
		}
		switch s.b[s.i] {
		case '"':
			s.i++
			return token{s.b[start : s.i-1], escaped}, nil
		case '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return token{}, err
			}
		default:
			return token{}, s.fail("control character in a string")
		}
	}
}

// notASCII has ordinary stop at octets that are not ASCII, too.
const notASCII = 0x8080808080808080

// ordinary returns where in b, from i on, the first octet is that needs a look
// within a string: a quote, a backslash, a control character, or one of those
// that also names; the end of b where none is. It takes eight octets at once.
func ordinary(b []byte, i int, also uint64) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		// The lowest bit marks the first such octet. With the bit 0x02 turned
		// over, a quote and the control characters are those below 0x21.
		special := (((w ^ 0x02*ones) - 0x21*ones) | ((w ^ '\\'*ones) - ones)) & ^w & highs
		if special |= w & also; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(b) && b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' && (b[i] < utf8.RuneSelf || also == 0) {
		i++
	}
	return i
}

// escape consumes one escape.
func (s *scanner) escape() error {
	if s.i+1 < len(s.b) {
		switch s.b[s.i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			s.i += 2
			return nil
		case 'u':
			if _, ok := hex4(s.b[s.i+2:]); ok {
				s.i += 6
				return nil
			}
		}
	}
	return s.fail("escape that JSON does not have")
}

// appendUnescaped appends raw with its escapes, which are sound, undone. A
// surrogate without its other half becomes U+FFFD.
func appendUnescaped(out, raw []byte) []byte {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(out, raw...)
		}
		out = append(out, raw[:i]...)
		c := raw[i+1]
		raw = raw[i+2:]
		switch c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(raw)
			raw = raw[4:]
			if utf16.IsSurrogate(r) {
				var low rune
				if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
					low, _ = hex4(raw[2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					raw = raw[6:]
				}
			}
			out = utf8.AppendRune(out, r)
		default: // a quote, a backslash or a slash
			out = append(out, c)
		}
	}
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// skip consumes the value that comes next.
func (s *scanner) skip() error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(nil)
	case c == '[':
		return s.array()
	case c == '"':
		_, err := s.string()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case s.word("null"), s.word("true"), s.word("false"):
		return nil
	}
	return s.fail("expected a value")
}

func (s *scanner) array() error {
	if err := s.open('['); err != nil {
		return err
	}
	if s.close(']') {
		return nil
	}
	for {
		if err := s.skip(); err != nil || s.close(']') {
			return err
		}
		if s.peek() != ',' {
			return s.fail("expected , or ]")
		}
		s.i++
	}
}

// number consumes a number (RFC 8259 §6).
func (s *scanner) number() error {
	s.one("-")
	switch {
	case s.one("0"):
	case s.digits() == 0:
		return s.fail("expected a digit")
	}
	if s.one(".") && s.digits() == 0 {
		return s.fail("expected a digit behind the point")
	}
	if s.one("eE") {
		s.one("+-")
		if s.digits() == 0 {
			return s.fail("expected a digit of the exponent")
		}
	}
	return nil
}

// one consumes one octet, if it is among those of set.
func (s *scanner) one(set string) bool {
	for i := range len(set) {
		if s.i < len(s.b) && s.b[s.i] == set[i] {
			s.i++
			return true
		}
	}
	return false
}

func (s *scanner) digits() (n int) {
	for ; s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9'; n++ {
		s.i++
	}
	return n
}
