package der

import (
	"bytes"
	"testing"
)

func TestExact(t *testing.T) {
	deep := []byte{0x05, 0x00}
	for range 2 * maxNesting {
		deep = append([]byte{0x30, byte(len(deep))}, deep...)
	}
	for _, c := range []struct {
		name  string
		der   []byte
		exact bool
	}{
		{"null", []byte{0x05, 0x00}, true},
		{"sequence", []byte{0x30, 0x03, 0x02, 0x01, 0x07}, true},
		{"empty", nil, false},
		{"trailing", []byte{0x05, 0x00, 0x00}, false},
		{"cut short", []byte{0x30, 0x03, 0x02, 0x01}, false},
		{"inner longer than outer", []byte{0x30, 0x03, 0x02, 0x02, 0x07}, false},
		{"length not minimal", []byte{0x04, 0x81, 0x01, 0x07}, false},
		{"indefinite length", []byte{0x30, 0x80, 0x00, 0x00}, false},
		{"nested too deep", deep, false},
	} {
		if got := Exact(c.der); got != c.exact {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if !ExactList([]byte{0x05, 0x00, 0x05, 0x00}) || ExactList([]byte{0x05, 0x00, 0x05}) {
		t.Error("a list of elements")
	}
}

func TestReasonFlags(t *testing.T) {
	for bit := 1; bit <= 8; bit++ {
		bits := make([]byte, 2+bit/8)
		bits[0], bits[1+bit/8] = byte(7-bit%8), 0x80>>(bit%8)
		if flags, ok := ReasonFlags(bits); !ok || flags != 1<<bit {
			t.Errorf("%x: %b %v", bits, flags, ok)
		}
	}
	for _, c := range []struct {
		bits  []byte // contents of the BIT STRING
		flags uint16
		ok    bool
	}{
		{[]byte{0x06, 0x40}, 1 << 1, true},                   // keyCompromise
		{[]byte{0x07, 0x60, 0x80}, 1<<1 | 1<<2 | 1<<8, true}, // and cACompromise and aACompromise
		{[]byte{0x00}, 0, true},                              // none
		{[]byte{0x07, 0x80}, 0, true},                        // bit 0 means nothing
		{[]byte{0x05, 0x41}, 0, false},                       // an unused bit is set
		{[]byte{0x08, 0x40}, 0, false},
		{[]byte{0x01}, 0, false},
		{[]byte{0x07}, 0, false},
		{[]byte{0x09, 0x00}, 0, false},
		{[]byte{0x01, 0x41}, 0, false},
		{[]byte{0x01, 0x42}, 1<<1 | 1<<6, true},
		{[]byte{0x00, 0x81}, 1 << 7, true},
		{[]byte{0x07, 0x40, 0xc0}, 0, false},
		{[]byte{0x06, 0x40, 0xc0}, 1<<1 | 1<<8, true}, // bit 9 means nothing
		{[]byte{0x00, 0xff, 0xff}, AllReasons, true},
		{[]byte{0x00, 0x40, 0x80, 0x00}, 0, false}, // longer than there are reasons
		{nil, 0, false},
		{[]byte{0, 1, 2, 3}, 0, false},
	} {
		if flags, ok := ReasonFlags(c.bits); ok != c.ok || ok && flags != c.flags {
			t.Errorf("%x: %b %v, want %b %v", c.bits, flags, ok, c.flags, c.ok)
		}
	}
}

func TestDistributionPointName(t *testing.T) {
	uri := []byte{0x86, 0x03, 'a', ':', 'b'}
	name := []byte{0x84 | 0x20, 0x02, 0x30, 0x00}
	full, relative, ok := DistributionPointName(append([]byte{0xa0, byte(len(uri) + len(name))}, append(bytes.Clone(uri), name...)...))
	if !ok || relative != nil || len(full) != 2 || !bytes.Equal(full[0], uri) || !bytes.Equal(full[1], name) {
		t.Errorf("fullName: %x %x %v", full, relative, ok)
	}
	rdn := []byte{0x30, 0x02, 0x05, 0x00}
	if full, relative, ok = DistributionPointName(append([]byte{0xa1, byte(len(rdn))}, rdn...)); !ok || full != nil || !bytes.Equal(relative, rdn) {
		t.Errorf("nameRelativeToCRLIssuer: %x %x %v", full, relative, ok)
	}
	for _, bad := range [][]byte{nil, {0xa0, 0x00}, {0xa2, 0x02, 0x05, 0x00}, {0xa0, 0x02, 0x05, 0x00}, {0xa0, 0x03, 0x86, 0x02, 'a'}, {0xa1, 0x03, 0x30, 0x02, 0x05}} {
		if _, _, ok := DistributionPointName(bad); ok {
			t.Errorf("%x was read", bad)
		}
	}
}
