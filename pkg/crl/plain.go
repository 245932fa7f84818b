package crl

import "encoding/binary"

// Entries of the shape that nearly all have are read here, in a loop without
// calls and without branches that depend on chance: half of the entries of many
// CRLs have a reason code, at random. Everything else, and every fault, is
// left to parser.entry, which alone decides what is refused and how.
//
//	30 len  02 n serial  17 0d YYMMDDHHMMSSZ  [30 0c 30 0a 06 03 55 1d 15 04 03 0a 01 reason]

const (
	plainRoom   = 72 // octets that the loop may look at for one entry
	plainWidth  = 32 // the widest serial numbers that it copies
	plainTime   = 15 // octets of a UTCTime, header included
	plainExt    = len(plainReason) + 1
	knownReason = 1<<11 - 1 - 1<<7 // bit n: n is a CRLReason (RFC 5280 §5.3.1)
)

// The octets of plainReason as numbers: 0 to 7, and 5 to 12.
var (
	plainReasonFront = binary.LittleEndian.Uint64([]byte(plainReason))
	plainReasonBack  = binary.LittleEndian.Uint64([]byte(plainReason)[5:])
)

// monthStart has for year (of two digits) and month, year<<4|month, the days
// since 1970 before that month, times 32, plus the days that it has; where
// there is no such month, that is none.
var monthStart = func() (table [1 << 11]int32) {
	for yy := range 100 {
		year := 2000 + yy
		if yy >= 50 {
			year = 1900 + yy
		}
		for month := 1; month <= 12; month++ {
			table[yy<<4|month] = int32(daysSinceEpoch(year, month, 1)*32 + int64(daysIn(year, month)))
		}
	}
	return table
}()

// twoDigits turns pairs of digits, as numbers from 0 to 9 in octets, into
// numbers from 0 to 99 in every other octet. ok is false where a digit is none.
func twoDigits(x uint64) (pairs uint64, ok bool) {
	return (x*10 + x>>8) & 0x00ff00ff00ff00ff, (x+0x7676767676767676|x)&0x8080808080808080 == 0
}

// plainTimeAt reads the UTCTime at the front of b, header included.
func plainTimeAt(b *[plainTime]byte) (sec int64, ok bool) {
	if b[0] != tagUTCTime || b[1] != plainTime-2 || b[14] != 'Z' {
		return 0, false
	}
	ymdh, ok1 := twoDigits(binary.LittleEndian.Uint64(b[2:]) ^ 0x3030303030303030)
	ms, ok2 := twoDigits(uint64(binary.LittleEndian.Uint32(b[10:]) ^ 0x30303030))
	year, month, day, hour := ymdh&0xff, ymdh>>16&0xff, ymdh>>32&0xff, ymdh>>48
	minute, second := ms&0xff, ms>>16&0xff
	start := monthStart[(year<<4|month&15)&(1<<11-1)]
	if !ok1 || !ok2 || month > 12 || day-1 >= uint64(start&31) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return (int64(start>>5)+int64(day-1))*86400 + int64(hour*3600+minute*60+second), true
}

// plainEntries reads entries from the front of w into the batch, up to the
// first that is not of the usual shape, and as long as the batch and w have
// room. It returns how many octets it has read.
func (p *parser) plainEntries(w []byte) (pos int) {
	b := &p.entries.batch
	width := b.Width
	if width > plainWidth || p.list.Version == 1 || p.onlyGeneral {
		return 0
	}
	n := len(b.Dates)
	serials := b.Serials[:cap(b.Serials)]
	dates, reasons := b.Dates[:batchEntries], b.Reasons[:batchEntries]
	for ; n < batchEntries && pos+plainRoom <= len(w); n++ {
		e := (*[plainRoom]byte)(w[pos:])
		length, size := int(e[1]), int(e[3])
		pad := width - size
		if e[0] != tagSequence || e[2] != tagInteger || size < 2 || uint(pad) > 8 {
			break
		}
		if sign := (uint(e[4])<<1 | uint(e[5])>>7) & 0x1ff; sign == 0 || sign == 0x1ff {
			break // not minimally encoded
		}
		sec, ok := plainTimeAt((*[plainTime]byte)(e[4+size:]))
		// What is left is nothing, or as much as a reason code has.
		rest := length - (2 + size + plainTime)
		if !ok || rest*(rest-plainExt) != 0 {
			break
		}
		has := -uint64(rest >> 3 & 1) // all bits set: there is a reason code
		ext := (*[plainExt]byte)(e[4+size+plainTime:])
		front := binary.LittleEndian.Uint64(ext[:]) ^ plainReasonFront
		back := binary.LittleEndian.Uint64(ext[5:]) ^ plainReasonBack
		reason := uint64(ext[plainExt-1]) & has
		if (front|back)&has != 0 || knownReason>>reason&1 == 0 {
			break
		}
		// Eight octets of sign first, and the serial number over them; what is
		// copied too much lies where the next one comes.
		row := serials[n*width : n*width+plainWidth+8]
		binary.LittleEndian.PutUint64(row, uint64(int64(int8(e[4]))>>7))
		row = row[pad:]
		*(*[16]byte)(row) = *(*[16]byte)(e[4:])
		if width > 16 {
			*(*[16]byte)(row[16:]) = *(*[16]byte)(e[20:])
		}
		dates[n], reasons[n] = uint32(max(sec, 0)), Reason(reason)
		pos += 2 + length
	}
	p.list.Entries += n - len(b.Dates)
	b.Serials, b.Dates, b.Reasons = serials[:n*width], dates[:n], reasons[:n]
	return pos
}
