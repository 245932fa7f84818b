package pki

import (
	"encoding/asn1"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// TimeForm is how a Time of RFC 5280 is written.
type TimeForm int

// TimeAuto is what RFC 5280 §4.1.2.5 demands: UTCTime through 2049,
// GeneralizedTime from 2050. The others are written whatever the year; a
// UTCTime has only its last two digits.
const (
	TimeAuto TimeForm = iota
	TimeUTC
	TimeGeneralized
)

func explicitTag(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
func implicitTag(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }

// appendTLV appends one DER element of a low tag number to dst.
func appendTLV(dst []byte, tag byte, contents []byte) []byte {
	dst = append(dst, tag)
	dst = appendLength(dst, len(contents))
	return append(dst, contents...)
}

func appendLength(dst []byte, n int) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	octets := 0
	for m := n; m > 0; m >>= 8 {
		octets++
	}
	dst = append(dst, 0x80|byte(octets))
	for i := octets - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

// appendTime appends t as a Time in the given form.
func appendTime(dst []byte, t time.Time, form TimeForm) []byte {
	t = t.UTC()
	general := form == TimeGeneralized || form == TimeAuto && (t.Year() < 1950 || t.Year() >= 2050)
	if general {
		return appendTLV(dst, byte(cbasn1.GeneralizedTime), t.AppendFormat(nil, "20060102150405Z"))
	}
	return appendTLV(dst, byte(cbasn1.UTCTime), t.AppendFormat(nil, "060102150405Z"))
}

// appendInteger appends n as an INTEGER, in the fewest octets.
func appendInteger(dst []byte, n *big.Int) []byte {
	if n.Sign() < 0 {
		var b cryptobyte.Builder
		b.AddASN1BigInt(n)
		return append(dst, b.BytesOrPanic()...)
	}
	octets := n.BitLen()/8 + 1 // one bit more, for the sign
	dst = append(dst, byte(cbasn1.INTEGER))
	dst = appendLength(dst, octets)
	start := len(dst)
	for range octets {
		dst = append(dst, 0)
	}
	n.FillBytes(dst[start:])
	return dst
}

// addExtension writes one Extension of RFC 5280 §4.1.
func addExtension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, value []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1OctetString(value)
	})
}

func build(f func(b *cryptobyte.Builder)) ([]byte, error) {
	var b cryptobyte.Builder
	f(&b)
	return b.Bytes()
}

// addBits writes a named BIT STRING from a mask in which bit i of the mask is
// bit i of the string; trailing zero bits are left out, as DER demands.
func addBits(b *cryptobyte.Builder, tag cbasn1.Tag, mask uint32) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(bitStringContents(mask)) })
}

func bitStringContents(mask uint32) []byte {
	var octets []byte
	last := -1
	for i := range 32 {
		if mask>>i&1 == 0 {
			continue
		}
		for len(octets) <= i/8 {
			octets = append(octets, 0)
		}
		octets[i/8] |= 0x80 >> (i % 8)
		last = i
	}
	if last < 0 {
		return []byte{0}
	}
	return append([]byte{byte(7 - last%8)}, octets...)
}
