package emergency

import (
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/issuer"
)

func TestParseSerial(t *testing.T) {
	for _, c := range []struct {
		text    string
		decimal bool
		want    string // "": refused
	}{
		{"0a1b", false, "0a1b"},
		{"0A:1B", false, "0a1b"},
		{"0x0a1b", false, "0a1b"},
		{"0xA1B", false, "0a1b"},
		{" 0a1b\n", false, "0a1b"},
		{"dec:2587", false, "0a1b"},
		{"DEC:2587", false, "0a1b"},
		{"2587", true, "0a1b"},
		{"dec:2587", true, "0a1b"},
		{"2587", false, ""}, // hex or decimal?
		{"-12", false, ""},
		{"0x2587", false, "2587"},
		{"25:87", false, "2587"},
		{"7", false, "07"}, // the same in both
		{"07", false, "07"},
		{"-1", false, "-01"},
		{"dec:-1", false, "-01"},
		{"-0x80", false, "-80"},
		{"dec:255", false, "ff"},
		{"0a1b", true, ""},
		{"dec:", false, ""},
		{"dec:0x10", false, ""},
		{"dec:1_000", false, ""},
		{"dec:+1", false, ""},
		{"", false, ""},
		{"0x", false, ""},
		{"partner-a", false, ""},
		{"dec:" + strings.Repeat("9", 200), false, ""},
		{strings.Repeat("ab", 65), false, ""},
	} {
		got, err := ParseSerial(c.text, c.decimal)
		if got.String() != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q, decimal %v: %q, %v; want %q", c.text, c.decimal, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"2587": "write 0x2587 for hex, or dec:2587 for decimal",
		"-12":  "write -- -0x12 for hex, or dec:-12 for decimal",
	} {
		if _, err := ParseSerial(text, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("an ambiguous number: %v", err)
		}
	}
}

// TestOperand: what is to be typed is read as the same serial number, and is none
// that could be taken for another or for a flag.
func TestOperand(t *testing.T) {
	for contents, want := range map[string]string{
		"\x12": "0x12", "\x0a\x1b": "0x0a1b", "\x00\xff": "0xff", "\xff": "-- -0x01", "\xee": "-- -0x12", "\x80": "-- -0x80", "\xff\x01": "-- -0xff", "\x00": "0x00",
	} {
		s := issuer.Serial(contents)
		got := Operand(s)
		back, err := ParseSerial(strings.TrimPrefix(got, "-- "), false)
		if got != want || err != nil || string(back) != contents {
			t.Errorf("%x: %q, read as %x, %v; want %q", contents, got, back, err, want)
		}
	}
}

func TestSerialOfACertificate(t *testing.T) {
	ca := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "a"}})
	other := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "b"}})
	of, _, err := issuer.ParseFile("a", ca.PEM(), issuer.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	leaf := pkitest.Leaf(t, ca, pki.LeafOptions{Serial: big.NewInt(0xa1b)})
	for name, data := range map[string][]byte{"PEM": leaf.PEM(), "DER": leaf.DER, "PEM behind text": append([]byte("Subject: x\n"), leaf.PEM()...)} {
		if got, err := SerialOf(data, of); err != nil || got.String() != "0a1b" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := SerialOf(pkitest.Leaf(t, other, pki.LeafOptions{}).PEM(), of); err == nil || !strings.Contains(err.Error(), "its issuer is CN=b, and CA a is CN=a") {
		t.Errorf("of another CA: %v", err)
	}
	if _, err := SerialOf([]byte("nothing"), of); err == nil {
		t.Error("what is no certificate has a serial number")
	}
}
