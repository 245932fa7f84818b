// Package serialset is the set: the serial numbers of one CRL, sorted, with
// revocation dates and reasons, in one immutable object that is searched as it
// lies. docs/cache-format.md specifies the object byte by byte.
//
// A [Builder] takes entries in any order and makes an [Image]. Two readers
// answer from the object: [Open] verifies a whole download and holds it in
// memory, and [OpenIndex] holds only the head and says, for one serial number,
// which page and which block to read. Every byte is covered: the digest, which
// the catalog gives, covers the head (header and root of the index), and the
// index carries a hash of every page and every block.
package serialset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Version is the format that this package writes, and the only one it reads.
const Version = 1

// Limits of a set.
const (
	// MinWidth and MaxWidth bound the octets that a set gives each serial
	// number. Shorter ones are extended, so that the first eight octets of
	// any can be compared as one number.
	MinWidth = 8
	MaxWidth = 64
	// MaxEntries is how many entries one set can hold. Sets of serial numbers
	// of more than some 40 octets hold fewer: see [MaxHead].
	MaxEntries = 500_000_000
	// MaxHead is the most octets that the head of a set has.
	MaxHead = 64 << 10
)

// Digest is the SHA-256 of a set's head; through the hashes in the index it
// covers every byte of the set.
type Digest [sha256.Size]byte

// String returns the digest in lower-case hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what [Digest.String] writes.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) {
		return d, fmt.Errorf("%q is not a SHA-256 in hex", s)
	}
	copy(d[:], b)
	return d, nil
}

// Entry is what a set knows of one serial number.
type Entry struct {
	Serial []byte // DER INTEGER contents, sign-extended to the set's width
	Date   uint32 // revocation date in seconds since 1970, clamped to 32 bits
	Reason uint8  // CRLReason (RFC 5280 §5.3.1)
}

// RevocationDate returns the revocation date.
func (e Entry) RevocationDate() time.Time { return time.Unix(int64(e.Date), 0).UTC() }

// Contents returns the serial number as DER INTEGER contents, without the
// octets that sign extension added.
func (e Entry) Contents() []byte {
	b := e.Serial
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

// ErrCorrupt says that bytes are not those that the catalog, or the index,
// vouches for.
var ErrCorrupt = errors.New("set is corrupt")

// ErrVersion says that a set is of a format that this reader does not know.
var ErrVersion = errors.New("set has an unknown format version")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
