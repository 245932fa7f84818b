package serialset

// moveOctets copies src to the front of dst. Rows and serial numbers of the
// usual lengths go in two loads and two stores that overlap: copy would call a
// function for each, which takes as long again as the rest of what is done to
// a row.
func moveOctets(dst, src []byte) {
	n := len(src)
	if n < 16 || n > 32 {
		copy(dst, src)
		return
	}
	dst = dst[:n]
	*(*[16]byte)(dst) = *(*[16]byte)(src)
	*(*[16]byte)(dst[n-16:]) = *(*[16]byte)(src[n-16:])
}
