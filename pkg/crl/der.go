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
	head, length := 2, int(b[1])
	if length >= 0x80 {
		n := length & 0x7f
		if n == 0 || n > 3 || len(b) < 2+n {
			return 0, refuseAt(Malformed, off, "length is indefinite, or longer than what contains it")
		}
		length = 0
		for _, c := range b[2 : 2+n] {
			length = length<<8 | int(c)
		}
		if length < 0x80 || length>>(8*(n-1)) == 0 {
			return 0, refuseAt(Malformed, off, "length is not minimally encoded, which DER forbids")
		}
		head += n
	}
	if head+length > len(b) {
		return 0, refuseAt(Malformed, off, "an element is longer than what contains it")
	}
	if b[0]&0x20 != 0 {
		if err := checkElements(b[head:head+length], off+int64(head), depth+1); err != nil {
			return 0, err
		}
	}
	return head + length, nil
}
