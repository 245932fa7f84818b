package serialset

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestMoveOctets moves every length that a row or a serial number can have, to
// the very end of a slice and to its front, and looks at what lies around.
func TestMoveOctets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for n := 1; n <= MaxWidth+valueSize; n++ {
		src := make([]byte, n)
		for i := range src {
			src[i] = byte(1 + r.IntN(255))
		}
		for _, room := range []int{n, n + 1, n + 40} {
			dst := make([]byte, room)
			moveOctets(dst[room-n:], src)
			if !bytes.Equal(dst[room-n:], src) || !bytes.Equal(dst[:room-n], make([]byte, room-n)) {
				t.Errorf("%d octets to the end of %d: %x", n, room, dst)
			}
			clear(dst)
			moveOctets(dst, src)
			if !bytes.Equal(dst[:n], src) || !bytes.Equal(dst[n:], make([]byte, room-n)) {
				t.Errorf("%d octets to the front of %d: %x", n, room, dst)
			}
		}
	}
}

// TestEveryWidth builds sets of each width that there is, in small buckets,
// from rows in any order with some twice, and compares them with sorted rows.
func TestEveryWidth(t *testing.T) {
	for width := 1; width <= MaxWidth; width++ {
		r := rand.New(rand.NewPCG(4, uint64(width)))
		const n = 1500
		serials := make([][]byte, n)
		b := Builder{limit: 8 << 10}
		for i := range serials {
			serials[i] = fill(r, width)
			if i%50 == 49 {
				serials[i] = serials[r.IntN(i)]
			}
		}
		widest := MinWidth
		for _, s := range serials {
			widest = max(widest, len(s))
		}
		for i := 0; i < n; i += 100 {
			appendAll(t, &b, serials[i:i+100], r.Perm(100), false)
		}
		img, data := finish(t, &b)
		checkSorted(t, img, serials, widest)
		both := openBoth(t, data, img.Digest())
		for _, s := range serials {
			if e, ok := both.lookup(s); !ok || e.Date != uint32(len(s)) || e.Reason != 1 {
				t.Fatalf("width %d: %x gives %v %v", width, s, e, ok)
			}
		}
	}
}
