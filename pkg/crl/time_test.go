package crl

import (
	"testing"
	"time"
)

// TestParseTimeAgrees changes times in every octet to every value, and cuts and
// prolongs them: what parseTime takes, and what it reads, is as time.Parse says.
func TestParseTimeAgrees(t *testing.T) {
	accepted := 0
	check := func(tag byte, text []byte) {
		layout := "20060102150405Z"
		if tag == tagUTCTime {
			layout = "060102150405Z"
		}
		want, err := time.Parse(layout, string(text))
		// time.Parse also takes fractions, and a sign in front of the year.
		ok := err == nil && want.Format(layout) == string(text) && (tag == tagUTCTime || tag == tagGeneralizedTime)
		if ok && tag == tagUTCTime && want.Year() >= 2050 {
			want = want.AddDate(-100, 0, 0) // RFC 5280 §4.1.2.5.1 turns at 50, Go at 69
		}
		sec, got := parseTime(tag, text)
		if got != ok || ok && sec != want.Unix() || !ok && sec != 0 {
			t.Errorf("tag 0x%02x, %q: %d %v, want %v %v", tag, text, sec, got, want, ok)
		}
		if got {
			accepted++
		}
	}
	for _, text := range []string{
		"261101000000Z", "491231235959Z", "500101000000Z", "991130095959Z", "000229190949Z", "690228235959Z",
		"20261101000000Z", "20491231235959Z", "00000229000000Z", "00010101010101Z", "19001231190949Z", "20000229235959Z", "99991231235959Z",
	} {
		for _, tag := range []byte{tagUTCTime - 1, tagUTCTime, tagGeneralizedTime, tagGeneralizedTime + 1} {
			for at := range text {
				for to := range 256 {
					b := []byte(text)
					b[at] = byte(to)
					check(tag, b)
				}
				check(tag, []byte(text[:at]))
				check(tag, []byte(text[at:]))
				check(tag, []byte(text+text[:at]))
			}
		}
	}
	if accepted < 500 {
		t.Errorf("only %d times were accepted: this shows little", accepted)
	}
}

// TestDays counts days one by one, through every kind of year and century.
func TestDays(t *testing.T) {
	days := func(year int) int64 { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400 }
	for _, from := range []int{0, 397, 1895, 1965, 2095, 9995} {
		want := days(from)
		for year := from; year < from+8; year++ {
			for month := 1; month <= 12; month++ {
				last := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
				if got := daysIn(year, month); got != last {
					t.Fatalf("%d-%d has %d days, want %d", year, month, got, last)
				}
				for day := 1; day <= last; day++ {
					if got := daysSinceEpoch(year, month, day); got != want {
						t.Fatalf("%04d-%02d-%02d is day %d, want %d", year, month, day, got, want)
					}
					want++
				}
			}
		}
	}
	for year := range 10000 {
		if got := daysSinceEpoch(year, 1, 1); got != days(year) {
			t.Fatalf("year %d begins on day %d, want %d", year, got, days(year))
		}
	}
}
