package serialset_test

import (
	"bytes"
	"fmt"

	"github.com/crlgate/crlgate/pkg/serialset"
)

// A set is made of entries in any order, written as one object, and searched as
// it lies. Serial numbers are DER INTEGER contents.
func Example() {
	var b serialset.Builder
	const width = 2                           // octets of each serial number
	serials := []byte{0x02, 0x9a, 0x00, 0xff} // 666 and 255
	if err := b.Append(width, serials, []uint32{1780272000, 1780358400}, []uint8{1, 4}); err != nil {
		fmt.Println(err)
		return
	}
	image, err := b.Finish()
	if err != nil {
		fmt.Println(err)
		return
	}
	var object bytes.Buffer
	if _, err := image.WriteTo(&object); err != nil {
		fmt.Println(err)
		return
	}
	// The digest vouches for every byte of what was downloaded.
	set, err := serialset.Open(object.Bytes(), image.Digest())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, serial := range [][]byte{{0x02, 0x9a}, {0x00, 0xff}, {0x01}} {
		entry, revoked := set.Lookup(serial)
		fmt.Printf("%x %v", serial, revoked)
		if revoked {
			fmt.Printf(" %s reason %d", entry.RevocationDate().UTC().Format("2006-01-02"), entry.Reason)
		}
		fmt.Println()
	}
	// Output:
	// 029a true 2026-06-01 reason 1
	// 00ff true 2026-06-02 reason 4
	// 01 false
}
