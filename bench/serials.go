package main

import (
	"encoding/binary"
	"math/bits"
)

// mix is a bijection of 64 bits (the finalizer of splitmix64): serial numbers
// come out of it without a table, which would take part in what is measured.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// within maps a number onto 0 to n−1, evenly.
func within(x uint64, n int) uint64 {
	hi, _ := bits.Mul64(x, uint64(n))
	return hi
}

// shape writes the i-th serial number of its kind: 16 octets, positive, minimal
// and distinct from all others.
type shape struct {
	name string
	put  func(dst []byte, i uint64)
}

var (
	random = shape{"random", func(dst []byte, i uint64) {
		x := mix(i)
		binary.BigEndian.PutUint64(dst, x>>2|1<<62)
		binary.BigEndian.PutUint64(dst[8:], mix(x))
	}}
	sequential = shape{"sequential", func(dst []byte, i uint64) {
		binary.BigEndian.PutUint64(dst, 1<<62)
		binary.BigEndian.PutUint64(dst[8:], i)
	}}
	// One prefix of 8 octets, then a counter, shuffled.
	skewed = shape{"skewed", func(dst []byte, i uint64) {
		binary.BigEndian.PutUint64(dst, 0x1122334455667708)
		binary.BigEndian.PutUint64(dst[8:], i*0x9e3779b97f4a7c15>>24)
	}}
	// Every octet splits off a few and leaves the rest together.
	hostile = shape{"hostile", func(dst []byte, i uint64) {
		x := mix(i)
		binary.BigEndian.PutUint64(dst, 1<<62)
		binary.BigEndian.PutUint64(dst[8:], x>>1)
		if k := bits.TrailingZeros64(x); k >= 9 {
			dst[1+k%7] = 1
		}
		for at := range bits.LeadingZeros64(mix(x)) / 2 {
			dst[1+at%7] |= 1
		}
	}}
)

// shapes of serial numbers. Those of numbers from the size of a CRL on are the
// ones that it does not list.
var shapes = []shape{random, sequential, skewed, hostile}

// dateDigits writes the revocation date of entry i as a UTCTime: from 2018 to
// 2025, on one of the first 28 days of a month.
func dateDigits(dst []byte, i uint64) {
	x := mix(i ^ 0xda7e)
	put := func(at int, n uint64) { dst[at], dst[at+1] = byte('0'+n/10), byte('0'+n%10) }
	put(0, 18+x&7)
	put(2, 1+(x>>8&0xff)%12)
	put(4, 1+(x>>16&0xff)%28)
	put(6, (x>>24&0xff)%24)
	put(8, (x>>32&0xff)%60)
	put(10, (x>>40&0xff)%60)
	dst[12] = 'Z'
}

// hasReason says whether entry i has a reason code: a random half has.
func hasReason(i uint64) bool { return mix(i^0x4ea5)>>63 == 1 }
