package explain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// generalName returns a GeneralName (DER with its tag), or a name of a CRL's scope
// as the catalog keeps it, for people.
func generalName(b []byte) string {
	if len(b) == 0 {
		return "an empty name"
	}
	if b[0] == 0 { // as the catalog keeps names of directories
		return "directory " + printable(issuer.Name(b[1:]).Words())
	}
	in, value := cryptobyte.String(b), cryptobyte.String(nil)
	var tag asn1.Tag
	if !in.ReadAnyASN1(&value, &tag) || !in.Empty() {
		return fmt.Sprintf("#%x", clip(b))
	}
	switch byte(tag) {
	case 0x81, 0x82, 0x86: // rfc822Name, dNSName, uniformResourceIdentifier
		return printable(string(value))
	case 0xa4:
		return "directory " + printable(issuer.Display(value))
	}
	return fmt.Sprintf("#%x", clip(b))
}

func generalNames(names [][]byte) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, generalName(n))
	}
	return out
}

// maxName bounds what is shown of one name.
const maxName = 512

func clip(b []byte) []byte { return b[:min(len(b), maxName/2)] }

// printable returns text from a certificate so that it cannot change how the rest
// reads: what does not print is escaped, and what is long is cut.
func printable(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if b.Len() > maxName {
			b.WriteString("…")
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n < 2 || !unicode.IsPrint(r) {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, `\%02X`, c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// flagNames are the names of ReasonFlags, by bit (RFC 5280 §4.2.1.13).
var flagNames = [...]string{
	1: "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation", "certificateHold", "privilegeWithdrawn", "aACompromise",
}

// reasons returns the names of reasons; nil: all of them.
func reasons(f crl.ReasonFlags) []string {
	if f&crl.AllReasons == crl.AllReasons {
		return nil
	}
	out := []string{}
	for bit := 1; bit < len(flagNames); bit++ {
		if f&(1<<bit) != 0 {
			out = append(out, flagNames[bit])
		}
	}
	return out
}

// coverage says which reasons these are.
func coverage(f crl.ReasonFlags) string {
	switch {
	case f&crl.AllReasons == crl.AllReasons:
		return "all"
	case f&crl.AllReasons == 0:
		return "none"
	}
	return strings.Join(reasons(f), ", ")
}
