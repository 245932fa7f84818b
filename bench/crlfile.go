package main

import (
	"bufio"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/crlgate/crlgate/internal/pki"
)

// crlSpec describes a CRL to make: 42 octets an entry, 35 without reason code
// and 49 with one.
type crlSpec struct {
	entries int
	shape   shape
}

const (
	plainEntry  = "\x30\x21\x02\x10................\x17\x0dYYMMDDHHMMSSZ"
	reasonEntry = "\x30\x2f\x02\x10................\x17\x0dYYMMDDHHMMSSZ" + reasonCode
	reasonCode  = "\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01\x04" // superseded
	serialAt    = 4
	dateAt      = 22
)

// ecdsaSHA256 is ecdsa-with-SHA256 (RFC 5758 §3.2).
const ecdsaSHA256 = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"

// writeEntries writes the entries, without ever holding them.
func (c crlSpec) writeEntries(w io.Writer) error {
	plain, reason := []byte(plainEntry), []byte(reasonEntry)
	for i := range uint64(c.entries) {
		b := plain
		if hasReason(i) {
			b = reason
		}
		c.shape.put(b[serialAt:serialAt+16], i)
		dateDigits(b[dateAt:], i)
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (c crlSpec) entriesSize() int {
	size := len(plainEntry) * c.entries
	for i := range uint64(c.entries) {
		if hasReason(i) {
			size += len(reasonCode)
		}
	}
	return size
}

// header is tag and length of an element.
func header(tag byte, length int) []byte {
	if length < 0x80 {
		return []byte{tag, byte(length)}
	}
	var digits []byte
	for n := length; n > 0; n >>= 8 {
		digits = append([]byte{byte(n)}, digits...)
	}
	return append([]byte{tag, 0x80 | byte(len(digits))}, digits...)
}

// writeFile makes the CRL, signed by ca, in two passes over the entries: one
// for the hash that is signed, and one for the file.
func (c crlSpec) writeFile(path string, ca *pki.CA, now time.Time) (err error) {
	front, back, err := c.around(ca, now)
	if err != nil {
		return err
	}
	size := c.entriesSize()
	list := header(0x30, size)
	tbsSize := len(front) + len(list) + size + len(back)
	writeTBS := func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 256<<10)
		for _, b := range [][]byte{header(0x30, tbsSize), front, list} {
			_, _ = buffered.Write(b) // the error stays until Flush
		}
		if err := c.writeEntries(buffered); err != nil {
			return err
		}
		_, _ = buffered.Write(back)
		return buffered.Flush()
	}
	hash := sha256.New()
	if err := writeTBS(hash); err != nil {
		return err
	}
	signature, err := ca.Key.Sign(rand.Reader, hash.Sum(nil), crypto.SHA256)
	if err != nil {
		return err
	}
	end := append([]byte(ecdsaSHA256), header(0x03, len(signature)+1)...)
	end = append(append(end, 0), signature...)

	f, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	_, err = f.Write(header(0x30, len(header(0x30, tbsSize))+tbsSize+len(end)))
	if err == nil {
		err = writeTBS(f)
	}
	if err == nil {
		_, err = f.Write(end)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return os.Rename(f.Name(), path)
}

// around is the contents of tbsCertList before and behind revokedCertificates.
func (c crlSpec) around(ca *pki.CA, now time.Time) (front, back []byte, err error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1Int64(1)
	b.AddBytes([]byte(ecdsaSHA256))
	b.AddBytes(ca.Name())
	b.AddASN1UTCTime(now)
	b.AddASN1UTCTime(now.AddDate(5, 0, 0))
	if front, err = b.Bytes(); err != nil {
		return nil, nil, err
	}
	b = cryptobyte.NewBuilder(nil)
	extension := func(list *cryptobyte.Builder, id string, value func(*cryptobyte.Builder)) {
		list.AddASN1(asn1.SEQUENCE, func(e *cryptobyte.Builder) {
			e.AddBytes([]byte(id))
			e.AddASN1(asn1.OCTET_STRING, value)
		})
	}
	b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(list *cryptobyte.Builder) {
			extension(list, "\x06\x03\x55\x1d\x23", func(v *cryptobyte.Builder) { // authorityKeyIdentifier
				v.AddASN1(asn1.SEQUENCE, func(v *cryptobyte.Builder) {
					v.AddASN1(asn1.Tag(0).ContextSpecific(), func(v *cryptobyte.Builder) { v.AddBytes(ca.SubjectKeyID) })
				})
			})
			extension(list, "\x06\x03\x55\x1d\x14", func(v *cryptobyte.Builder) { v.AddASN1Int64(1) }) // cRLNumber
		})
	})
	back, err = b.Bytes()
	return front, back, err
}
