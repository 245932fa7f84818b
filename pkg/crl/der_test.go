package crl

import (
	"bytes"
	"slices"
	"testing"
)

// TestElementLength: every form that a length has, at its limits.
func TestElementLength(t *testing.T) {
	const (
		indefinite = "has an indefinite length, which DER forbids"
		long       = "has a length of more than six octets"
		wasteful   = "has a length that is not minimally encoded, which DER forbids"
	)
	for _, c := range []struct {
		in     []byte
		head   int
		length int64
		fault  string
	}{
		{[]byte{0x30, 0}, 2, 0, ""},
		{[]byte{0x80, 1}, 2, 1, ""},
		{[]byte{0x30, 0x7f}, 2, 127, ""},
		{[]byte{0x30, 0x80}, 0, 0, indefinite},
		{[]byte{0x30, 0x80, 0, 0}, 0, 0, indefinite},
		{[]byte{0x30, 0x81}, 0, 0, ""},
		{[]byte{0x30, 0x81, 0}, 0, 0, wasteful},
		{[]byte{0x30, 0x81, 0x7f}, 0, 0, wasteful},
		{[]byte{0x30, 0x81, 0x80}, 3, 128, ""},
		{[]byte{0x30, 0x81, 0xff, 1}, 3, 255, ""},
		{[]byte{0x30, 0x82, 1}, 0, 0, ""},
		{[]byte{0x30, 0x82, 0, 0xff}, 0, 0, wasteful},
		{[]byte{0x30, 0x82, 1, 0}, 4, 256, ""},
		{[]byte{0x30, 0x82, 0x12, 0x34, 0x56}, 4, 0x1234, ""},
		{[]byte{0x30, 0x83, 0, 0xff, 0xff}, 0, 0, wasteful},
		{[]byte{0x30, 0x83, 1, 0, 0}, 5, 1 << 16, ""},
		{[]byte{0x30, 0x86, 1, 2, 3, 4, 5}, 0, 0, ""},
		{[]byte{0x30, 0x86, 0, 2, 3, 4, 5, 6}, 0, 0, wasteful},
		{[]byte{0x30, 0x86, 1, 2, 3, 4, 5, 6}, 8, 0x010203040506, ""},
		{[]byte{0x30, 0x86, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, 8, 1<<48 - 1, ""},
		{[]byte{0x30, 0x87}, 0, 0, long},
		{[]byte{0x30, 0x87, 1, 2, 3, 4, 5, 6, 7}, 0, 0, long},
		{[]byte{0x30, 0xff}, 0, 0, long},
	} {
		if head, length, fault := elementLength(c.in); head != c.head || length != c.length || fault != c.fault {
			t.Errorf("%x: header of %d octets, length %d, fault %q; want %d, %d, %q", c.in, head, length, fault, c.head, c.length, c.fault)
		}
	}
}

func TestMinimalInteger(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		want bool
	}{
		{nil, false},
		{[]byte{0}, true},
		{[]byte{0x7f}, true},
		{[]byte{0xff}, true},
		{[]byte{0, 0}, false},
		{[]byte{0, 0x7f}, false},
		{[]byte{0, 0x80}, true},
		{[]byte{0, 0x81, 0}, true},
		{[]byte{0, 1, 0x80}, false},
		{[]byte{0, 0x80, 1}, true},
		{[]byte{1, 0}, true},
		{[]byte{0xff, 0x7f}, true},
		{[]byte{0xff, 0x80}, false},
		{[]byte{0xff, 0xff}, false},
		{[]byte{0xff, 0x7f, 0xff}, true},
		{[]byte{0xff, 0x80, 0}, false},
		{[]byte{0xfe, 0xff}, true},
	} {
		if got := minimalInteger(c.in); got != c.want {
			t.Errorf("%x: %v", c.in, got)
		}
	}
}

// TestCheckDER: what is exactly one element passes; where one is not, the
// offset is that of the element at fault.
func TestCheckDER(t *testing.T) {
	two := []byte{0x30, 6, 2, 1, 1, 2, 1, 1}
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"empty", nil, "not a DER element (malformed, at byte 100)"},
		{"a tag alone", []byte{2}, "not a DER element (malformed, at byte 100)"},
		{"shortest", []byte{5, 0}, ""},
		{"tag 30", []byte{0x1e, 0}, ""},
		{"tag of more octets", []byte{0x1f, 0}, "not a DER element (malformed, at byte 100)"},
		{"constructed tag of more octets", []byte{0xbf, 0}, "not a DER element (malformed, at byte 100)"},
		{"primitive, with anything in it", []byte{4, 2, 0xff, 0xff}, ""},
		{"constructed, with anything in it", []byte{0x24, 2, 0xff, 0xff}, "not a DER element (malformed, at byte 102)"},
		{"two elements in one", two, ""},
		{"the first of two longer", []byte{0x30, 6, 2, 5, 1, 2, 1, 1}, "an element is longer than what contains it (malformed, at byte 102)"},
		{"the second of two longer by one", []byte{0x30, 6, 2, 1, 1, 2, 2, 1}, "an element is longer than what contains it (malformed, at byte 105)"},
		{"the second of two cut in its length", []byte{0x30, 5, 2, 1, 1, 2, 0x81}, "an element is longer than what contains it (malformed, at byte 105)"},
		{"the second of two cut in its tag", []byte{0x30, 4, 2, 1, 1, 2}, "not a DER element (malformed, at byte 105)"},
		{"the second of two indefinite", []byte{0x30, 7, 2, 1, 1, 0x30, 0x80, 0, 0}, "an element has an indefinite length, which DER forbids (malformed, at byte 105)"},
		{"of indefinite length", []byte{0x30, 0x80, 0, 0}, "an element has an indefinite length, which DER forbids (malformed, at byte 100)"},
		{"something behind", slices.Concat(two, []byte{0}), "bytes follow an element (malformed, at byte 108)"},
		{"longer than there is", []byte{0x30, 1}, "an element is longer than what contains it (malformed, at byte 100)"},
		{"fault two deep", []byte{0x30, 7, 2, 1, 1, 0x31, 2, 2, 1}, "an element is longer than what contains it (malformed, at byte 107)"},
		{"17 deep", nested(0x30, maxNesting+1), ""},
		{"18 deep", nested(0x30, maxNesting+2), "elements nest more than 16 deep (malformed, at byte 134)"},
		{"128 octets", tlv(4, make([]byte, 128)), ""},
		{"128 octets, one missing", tlv(4, make([]byte, 128))[:130], "an element is longer than what contains it (malformed, at byte 100)"},
	} {
		got := ""
		if err := checkDER(c.in, 100); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if n, err := checkElement(c.in, 100, 0); err != nil && n != 0 {
			t.Errorf("%s: length %d beside %v", c.name, n, err)
		}
		if n, err := checkElement(c.in, 100, maxNesting+1); err == nil || n != 0 {
			t.Errorf("%s, too deep: length %d, %v", c.name, n, err)
		}
		if exactDER(c.in) != (c.want == "") {
			t.Errorf("%s: exactDER says %v", c.name, c.want != "")
		}
	}
}

// TestExactID: subidentifiers are whole, and without leading zeros.
func TestExactID(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		want bool
	}{
		{nil, false},
		{[]byte{0}, true},
		{[]byte{0x7f}, true},
		{[]byte{0x55, 0x1d, 0x14}, true},
		{[]byte{0x80}, false},
		{[]byte{0x80, 1}, false},
		{[]byte{0x81}, false},
		{[]byte{0x81, 0}, true},
		{[]byte{0x81, 0x80, 0}, true},
		{[]byte{0x81, 0x80}, false},
		{[]byte{0x55, 0x80, 1}, false},
		{[]byte{0x55, 0x81, 1}, true},
		{[]byte{0x55, 0x7f, 0x80, 1}, false},
		{[]byte{0x55, 0x1d, 0xff}, false},
	} {
		if got := exactID(c.in); got != c.want {
			t.Errorf("%x: %v", c.in, got)
		}
	}
}

// TestGeneralName: the nine choices of RFC 5280 §4.2.1.6, and what is none.
func TestGeneralName(t *testing.T) {
	sound := map[byte][]byte{
		0xa0: {6, 1, 0x2a, 0xa0, 2, 5, 0}, 0x81: []byte("a@b"), 0x82: []byte("b"), 0xa3: {0x30, 0}, 0xa5: {0xa1, 2, 0x0c, 0},
		0xa4: {0x30, 0x0c, 0x31, 0x0a, 0x30, 8, 6, 3, 0x55, 4, 3, 0x0c, 1, 'x'}, 0x86: []byte("x:"), 0x87: {127, 0, 0, 1}, 0x88: {0x2a},
	}
	for tag := range 256 {
		contents, want := sound[byte(tag)]
		if !want {
			contents = []byte{5, 0}
		}
		name := tlv(byte(tag), contents)
		if got := generalName(name); got != want {
			t.Errorf("%x: %v", name, got)
		}
		if generalName(append(bytes.Clone(name), 0)) || generalName(name[:len(name)-1]) || generalName(name[:1]) {
			t.Errorf("%x, longer or cut, is taken", name)
		}
	}
	if generalName(nil) {
		t.Error("nothing is taken")
	}
	for _, bad := range [][]byte{{5, 0}, {0x30, 2, 0x31, 0}, {0x30, 0, 5, 0}, {0x31, 0}, {0x30, 2, 5, 0}, {}} {
		if generalName(tlv(0xa4, bad)) {
			t.Errorf("directoryName of %x is taken", bad)
		}
	}
}

// TestExactName: RDNs are SETs of one AttributeTypeAndValue or more, and each
// is an identifier and one value.
func TestExactName(t *testing.T) {
	cn := []byte{6, 3, 0x55, 4, 3}
	pair := func(contents ...[]byte) []byte { return tlv(0x30, contents...) }
	sound := pair(cn, []byte{0x0c, 1, 'x'})
	name := func(rdns ...[]byte) []byte { return tlv(0x30, rdns...) }
	for _, c := range []struct {
		what string
		in   []byte
		want bool
	}{
		{"no RDN", name(), true}, // for the caller to judge
		{"one", name(tlv(0x31, sound)), true},
		{"two", name(tlv(0x31, sound), tlv(0x31, sound)), true},
		{"two in one RDN", name(tlv(0x31, sound, sound)), true},
		{"a SET", tlv(0x31, tlv(0x31, sound)), false},
		{"something behind", append(name(tlv(0x31, sound)), 5, 0), false},
		{"RDN a SEQUENCE", name(tlv(0x30, sound)), false},
		{"second RDN a SEQUENCE", name(tlv(0x31, sound), tlv(0x30, sound)), false},
		{"RDN empty", name(tlv(0x31)), false},
		{"second RDN empty", name(tlv(0x31, sound), tlv(0x31)), false},
		{"pair a SET", name(tlv(0x31, tlv(0x31, cn, []byte{5, 0}))), false},
		{"second of a pair no pair", name(tlv(0x31, sound, []byte{5, 0})), false},
		{"no identifier", name(tlv(0x31, pair([]byte{0x0c, 1, 'x'}, []byte{0x0c, 1, 'x'}))), false},
		{"identifier not minimal", name(tlv(0x31, pair([]byte{6, 3, 0x55, 0x80, 3}, []byte{5, 0}))), false},
		{"no value", name(tlv(0x31, pair(cn))), false},
		{"two values", name(tlv(0x31, pair(cn, []byte{5, 0}, []byte{5, 0}))), false},
		{"value not exact inside", name(tlv(0x31, pair(cn, []byte{0x30, 1, 5}))), false},
	} {
		if got := exactName(c.in); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
		if rdn, ok := onlyRDN(c.in); ok && exactRDN(rdn) != c.want {
			t.Errorf("%s: exactRDN says %v", c.what, !c.want)
		}
	}
}

// onlyRDN returns the contents of the RDN of a name that has just one.
func onlyRDN(name []byte) ([]byte, bool) {
	head, length, _ := elementLength(name)
	if name[0] != 0x30 || length == 0 || head+int(length) != len(name) || name[head] != 0x31 {
		return nil, false
	}
	rdn := name[head:]
	head, length, _ = elementLength(rdn)
	return rdn[head:], head+int(length) == len(rdn)
}

// TestSequenceOf: exactly one SEQUENCE, and something in it.
func TestSequenceOf(t *testing.T) {
	for _, c := range []struct {
		in              []byte
		whole, sequence bool
	}{
		{nil, false, false},
		{[]byte{0x30}, false, false},
		{[]byte{0x30, 0}, true, false},
		{[]byte{0x31, 0}, false, false},
		{[]byte{0x30, 0, 0}, false, false},
		{[]byte{0x30, 1, 0}, true, false},
		{[]byte{0x30, 1}, false, false},
		{[]byte{0x30, 2, 5}, false, false},
		{[]byte{0x30, 2, 5, 0}, true, true},
		{[]byte{0x31, 2, 5, 0}, false, false},
		{[]byte{0x30, 3, 5, 0}, false, false},
		{[]byte{0x30, 2, 5, 0, 5, 0}, false, false},
		{[]byte{0x30, 0x80}, false, false},
		{[]byte{0x30, 0x80, 0, 0}, false, false},
		{[]byte{0x30, 0x81, 1, 5}, false, false},
		{[]byte{0x30, 0x81}, false, false},
		{[]byte{0x30, 0x82, 1}, false, false},
		{tlv(0x30, tlv(4, make([]byte, 200))), true, true},
	} {
		if got := wholeSequence(c.in); got != c.whole {
			t.Errorf("%x is a whole SEQUENCE: %v", c.in, got)
		}
		if got := sequenceOf(c.in); got != c.sequence {
			t.Errorf("%x is a SEQUENCE of elements: %v", c.in, got)
		}
	}
}
