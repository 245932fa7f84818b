package emergency

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"github.com/crlgate/crlgate/pkg/issuer"
)

// digits is a serial number of which nothing tells whether it is hex or decimal.
var digits = regexp.MustCompile(`^-?[0-9]+$`)

// decimalPrefix marks a serial number in decimal.
const decimalPrefix = "dec:"

// ParseSerial reads a serial number: in hex, with or without colons, spaces or a
// leading 0x, or in decimal behind "dec:" or where decimal says so. Digits that
// are one number in hex and another in decimal are refused: nothing tells which is
// meant, and denying another certificate is worse than asking.
func ParseSerial(text string, decimal bool) (issuer.Serial, error) {
	text = strings.TrimSpace(text)
	if number, marked := strings.CutPrefix(strings.ToLower(text), decimalPrefix); marked || decimal {
		return parseDecimal(text, number)
	}
	serial, err := issuer.ParseSerial(text)
	if err != nil {
		return nil, err
	}
	if !digits.MatchString(text) {
		return serial, nil
	}
	if other, err := parseDecimal(text, text); err == nil && other.String() != serial.String() {
		return nil, fmt.Errorf("%s is one serial number in hex and another in decimal: write %s for hex, or %s%s for decimal", text, Operand(serial), decimalPrefix, text)
	}
	return serial, nil
}

// Operand returns a serial number as it is to be given on a command line, behind
// all flags: in hex that is not taken for decimal, and where it is below 0 behind a
// "--", so that its sign is not taken for a flag.
func Operand(s issuer.Serial) string {
	if text, negative := strings.CutPrefix(s.String(), "-"); negative {
		return "-- -0x" + text
	}
	return "0x" + s.String()
}

// maxDigits bounds a decimal serial number; RFC 5280 §4.1.2.2 allows 20 octets,
// crlgate 64.
const maxDigits = 155

func parseDecimal(text, number string) (issuer.Serial, error) {
	n, ok := new(big.Int).SetString(number, 10)
	if !ok || !digits.MatchString(number) || len(number) > maxDigits {
		return nil, fmt.Errorf("%q is not a serial number in decimal, such as %s2587", text, decimalPrefix)
	}
	sign := ""
	if n.Sign() < 0 {
		sign, n = "-", n.Neg(n)
	}
	return issuer.ParseSerial(sign + "0x" + n.Text(16))
}
