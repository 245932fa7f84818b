package crl

const maxNesting = 16 // deeper names do not exist; the bound keeps recursion flat

// checkDER verifies that der is exactly one element, whose nested elements
// have definite, minimal lengths that fill it exactly.
func checkDER(der []byte, off int64) error {
	n, err := checkElement(der, off, 0)
	if err != nil {
		return err
	}
	if n != len(der) {
		return refuseAt(Malformed, off+int64(n), "bytes follow an element")
	}
	return nil
}

// exactDER reports whether der is exactly one element, in exact DER inside too.
func exactDER(der []byte) bool { return checkDER(der, 0) == nil }

func checkElements(b []byte, off int64, depth int) error {
	for pos := 0; pos < len(b); {
		n, err := checkElement(b[pos:], off+int64(pos), depth)
		if err != nil {
			return err
		}
		pos += n
	}
	return nil
}

func checkElement(b []byte, off int64, depth int) (int, error) {
	if depth > maxNesting {
		return 0, refuseAt(Malformed, off, "elements nest more than %d deep", maxNesting)
	}
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, refuseAt(Malformed, off, "not a DER element")
	}
	head, length, fault := elementLength(b)
	if fault != "" {
		return 0, refuseAt(Malformed, off, "an element %s", fault)
	}
	if head == 0 || length > int64(len(b)-head) {
		return 0, refuseAt(Malformed, off, "an element is longer than what contains it")
	}
	end := head + int(length)
	if b[0]&0x20 != 0 {
		if err := checkElements(b[head:end], off+int64(head), depth+1); err != nil {
			return 0, err
		}
	}
	return end, nil
}

// maxHeader is the longest header that is read: tag, length octet, and six
// octets of length.
const maxHeader = 8

// elementLength reads the length of the element at the front of b, which has
// at least two octets. head is 0 where b ends inside the header; fault says in
// words what DER forbids about it.
func elementLength(b []byte) (head int, length int64, fault string) {
	if b[1] < 0x80 {
		return 2, int64(b[1]), ""
	}
	n := int(b[1] & 0x7f)
	switch {
	case n == 0:
		return 0, 0, "has an indefinite length, which DER forbids"
	case n > maxHeader-2:
		return 0, 0, "has a length of more than six octets"
	case len(b) < 2+n:
		return 0, 0, ""
	}
	for _, c := range b[2 : 2+n] {
		length = length<<8 | int64(c)
	}
	if length < 0x80 || length>>(8*(n-1)) == 0 {
		return 0, 0, "has a length that is not minimally encoded, which DER forbids"
	}
	return 2 + n, length, ""
}

// minimalInteger reports whether b is the contents of a DER INTEGER: not
// empty, and without an octet that only repeats the sign.
func minimalInteger(b []byte) bool {
	return len(b) > 0 && (len(b) == 1 || (b[0] != 0 || b[1] >= 0x80) && (b[0] != 0xff || b[1] < 0x80))
}
