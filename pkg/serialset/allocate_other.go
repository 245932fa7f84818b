//go:build !linux

package serialset

// Allocate returns an empty slice with room for n octets, in which to put the object
// of a set that is to be opened.
func Allocate(n int) []byte { return make([]byte, 0, n) }
