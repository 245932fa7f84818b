package crl

import "time"

// ASN.1 tags of the two time types (X.680).
const (
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
)

// parseTime reads the contents of a UTCTime or GeneralizedTime in the only
// forms RFC 5280 §4.1.2.5 allows: YYMMDDHHMMSSZ and YYYYMMDDHHMMSSZ. It
// returns seconds since 1970. Years of UTCTime from 50 on are of the 20th
// century. A GeneralizedTime before 2050 is read as it stands: the RFC asks
// CAs for UTCTime there, but the moment is not in doubt.
func parseTime(tag byte, b []byte) (int64, bool) {
	var year int
	switch {
	case tag == tagUTCTime && len(b) == 13:
		yy, ok := two(b)
		if !ok {
			return 0, false
		}
		year = 2000 + yy
		if yy >= 50 {
			year = 1900 + yy
		}
		b = b[2:]
	case tag == tagGeneralizedTime && len(b) == 15:
		hi, ok1 := two(b)
		lo, ok2 := two(b[2:])
		if !ok1 || !ok2 {
			return 0, false
		}
		year = hi*100 + lo
		b = b[4:]
	default:
		return 0, false
	}
	// b is MMDDHHMMSSZ. The digits are checked together: any byte outside
	// '0'–'9' sets a bit in bad.
	m1, m0 := b[0]-'0', b[1]-'0'
	d1, d0 := b[2]-'0', b[3]-'0'
	h1, h0 := b[4]-'0', b[5]-'0'
	n1, n0 := b[6]-'0', b[7]-'0'
	s1, s0 := b[8]-'0', b[9]-'0'
	if m1 > 1 || m0 > 9 || d1 > 3 || d0 > 9 || h1 > 2 || h0 > 9 || n1 > 5 || n0 > 9 || s1 > 5 || s0 > 9 || b[10] != 'Z' {
		return 0, false
	}
	month, day, hour := int(m1*10+m0), int(d1*10+d0), int(h1*10+h0)
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 {
		return 0, false
	}
	secs := int64(hour)*3600 + int64(n1*10+n0)*60 + int64(s1*10+s0)
	return daysSinceEpoch(year, month, day)*86400 + secs, true
}

func two(b []byte) (int, bool) {
	hi, lo := b[0]-'0', b[1]-'0'
	return int(hi)*10 + int(lo), hi <= 9 && lo <= 9
}

var (
	monthDays  = [13]uint8{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	daysBefore = [13]int16{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}
)

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int) int {
	if month == 2 && leap(year) {
		return 29
	}
	return int(monthDays[month])
}

// daysSinceEpoch counts days from 1970-01-01 in the proleptic Gregorian calendar.
func daysSinceEpoch(year, month, day int) int64 {
	y := year - 1 // the year before, which has had its leap day
	days := int64(year)*365 + int64(floorDiv(y, 4)-floorDiv(y, 100)+floorDiv(y, 400)) + int64(daysBefore[month]) + int64(day-1)
	if month > 2 && leap(year) {
		days++
	}
	const before1970 = 1970*365 + 1969/4 - 1969/100 + 1969/400
	return days - before1970
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

func unixTime(sec int64) time.Time { return time.Unix(sec, 0).UTC() }
