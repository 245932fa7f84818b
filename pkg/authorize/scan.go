package authorize

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks one JSON text (RFC 8259) without building anything of it. It
// exists so that an event's fields are found by their path and a name that
// comes twice is refused: header names are the caller's to choose, and
// encoding/json takes names in any case and keeps the last of two.
type scanner struct {
	b []byte
	i int
}

var errJSON = errors.New("not JSON")

func (s *scanner) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", errJSON, what, s.i)
}

const maxDepth = 100

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
func (s *scanner) peek() byte {
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
// scanner before the member's value; field consumes the value.
func (s *scanner) object(field func(name []byte) error) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.i++
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
		if err := field(name.text()); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.i++
		case '}':
			s.i++
			return nil
		default:
			return s.fail("expected , or }")
		}
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
	return []byte(unescape(t.raw))
}

// String returns the string unescaped.
func (t token) String() string {
	if !t.escaped {
		return string(t.raw)
	}
	return unescape(t.raw)
}

// string consumes the string that comes next.
func (s *scanner) string() (token, error) {
	if err := s.expect('"'); err != nil {
		return token{}, err
	}
	start, escaped := s.i, false
	for {
		s.ordinary()
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

// ordinary passes over what needs no look within a string: whatever is not a
// quote, a backslash or a control character. It takes eight octets at once.
func (s *scanner) ordinary() {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	zero := func(w uint64) uint64 { return (w - ones) & ^w & highs } // the lowest bit marks the first zero octet
	for s.i+8 <= len(s.b) {
		w := binary.LittleEndian.Uint64(s.b[s.i:])
		special := zero(w^'"'*ones) | zero(w^'\\'*ones) | (w-0x20*ones) & ^w & highs
		if special != 0 {
			s.i += bits.TrailingZeros64(special) / 8
			return
		}
		s.i += 8
	}
	for s.i < len(s.b) && s.b[s.i] >= 0x20 && s.b[s.i] != '"' && s.b[s.i] != '\\' {
		s.i++
	}
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

// unescape undoes escapes, which are sound. A surrogate without its other half
// becomes U+FFFD.
func unescape(raw []byte) string {
	var out strings.Builder
	out.Grow(len(raw))
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			out.Write(raw)
			return out.String()
		}
		out.Write(raw[:i])
		c := raw[i+1]
		raw = raw[i+2:]
		switch c {
		case 'b':
			out.WriteByte('\b')
		case 'f':
			out.WriteByte('\f')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 't':
			out.WriteByte('\t')
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
			out.WriteRune(r)
		default: // a quote, a backslash or a slash
			out.WriteByte(c)
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

// skip consumes the value that comes next; depth is how deep it lies.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return s.fail("nested too deep")
	}
	switch c := s.peek(); {
	case c == '{':
		return s.object(func([]byte) error { return s.skip(depth + 1) })
	case c == '[':
		return s.array(depth)
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

func (s *scanner) array(depth int) error {
	s.i++
	if s.peek() == ']' {
		s.i++
		return nil
	}
	for {
		if err := s.skip(depth + 1); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			s.i++
			return nil
		default:
			return s.fail("expected , or ]")
		}
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
