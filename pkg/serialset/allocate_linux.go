package serialset

import (
	"syscall"
	"unsafe"
)

const (
	hugePage       = 2 << 20 // octets of a huge page on amd64, and on arm64 with pages of 4 KiB
	adviseHugePage = 14      // MADV_HUGEPAGE of madvise(2)
)

// Allocate returns an empty slice with room for n octets, in which to put the object
// of a set that is to be opened. On Linux, memory of some megabytes is asked for in
// huge pages, which a look-up reaches without as many steps through page
// tables as it would take otherwise. Where the system has none to give, it is
// memory like any other.
func Allocate(n int) []byte {
	b := make([]byte, n)
	from := 0
	if n > 0 {
		from = int(-uintptr(unsafe.Pointer(&b[0])) % hugePage)
	}
	if to := n - hugePage; from <= to {
		// Only of whole huge pages. Advice that is not taken changes nothing.
		_ = syscall.Madvise(b[from:from+(n-from)/hugePage*hugePage], adviseHugePage)
	}
	return b[:0]
}
