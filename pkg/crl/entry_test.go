package crl

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEntryHeader: where an entry's tag and length are not all there, or are
// wrong, there is no length.
func TestEntryHeader(t *testing.T) {
	for _, c := range []struct {
		in           []byte
		head, length int
		want         string
	}{
		{nil, 0, 0, ""},
		{[]byte{0x30}, 0, 0, ""},
		{[]byte{0x31}, 0, 0, ""},
		{[]byte{0x30, 0}, 2, 0, ""},
		{[]byte{0x30, 5}, 2, 5, ""},
		{[]byte{0x30, 0x81}, 0, 0, ""},
		{[]byte{0x30, 0x81, 0xff}, 3, 255, ""},
		{[]byte{0x30, 0x82, 0x80, 0}, 4, MaxEntry, ""},
		{[]byte{0x30, 0x82, 0x80, 1}, 0, 0, "entry 8 has 32769 octets, more than the 32768 that are read (too_large, at byte 99)"},
		{[]byte{0x31, 0x82}, 0, 0, "entry 8 has tag 0x31, expected 0x30 (malformed, at byte 99)"},
		{[]byte{0x30, 0x81, 5}, 0, 0, "entry 8 has a length that is not minimally encoded, which DER forbids (malformed, at byte 99)"},
	} {
		p := &parser{list: &List{Entries: 7}}
		head, length, err := p.entryHeader(c.in, 99)
		if head != c.head || length != c.length || text(err) != c.want {
			t.Errorf("%x: %d, %d, %v", c.in, head, length, err)
		}
		n, err := p.entry(c.in, 99)
		if whole := c.want == "" && c.head+c.length <= len(c.in) && c.head > 0; !whole && (n != 0 || text(err) != c.want) {
			t.Errorf("%x read as an entry: %d, %v", c.in, n, err)
		}
	}
	p := &parser{list: &List{Version: 2}}
	if n, err := p.entry([]byte{0x30, 2, 5, 0}, 0); n != 0 || err == nil {
		t.Errorf("an entry without a serial number is of %d octets, %v", n, err)
	}
}

// TestEntries: every form in which an entry is refused, in full, and what is
// just not refused. @ is where the entry stands, behind two sound ones; +n is so
// many octets on. It is the same wherever the window ends.
func TestEntries(t *testing.T) {
	serial, date := []byte{2, 1, 9}, plainDate
	octets := func(n int) []byte { return tlv(2, bytes.Repeat([]byte{1}, n)) }
	entry := func(parts ...[]byte) []byte { return tlv(0x30, parts...) }
	sized := func(n int) []byte { // contents of so many octets, by an unknown extension
		return slices.Concat(serial, date, tlv(0x30, tlv(0x30, unknownID, tlv(4, make([]byte, n-29)))))
	}
	with := func(last byte, value ...byte) []byte { // an entry with an extension
		return entry(serial, date, tlv(0x30, tlv(0x30, []byte{6, 3, 0x55, 0x1d, last}, tlv(4, value))))
	}
	const (
		none    = "entry 3 does not begin with a serial number (malformed, at byte @+2)"
		longer  = "entry 3: serial number is empty or longer than the entry (malformed, at byte @+2)"
		beyond  = "entry 3: serial number is longer than the entry (malformed, at byte @+2)"
		undated = "entry 3 has no whole revocation date (malformed, at byte @+5)"
		time    = "entry 3: revocation date is not a time in the form of RFC 5280 §5.1.2.6 (malformed, at byte @+2)"
		fourth  = "entry 3: what follows the revocation date is not exactly one SEQUENCE of extensions (RFC 5280 §5.1.2.6) (malformed, at byte @+2)"
		reason  = "entry 3: reasonCode is not an ENUMERATED from 0 up (RFC 5280 §5.3.1) (entry_extension_malformed, at byte @+2)"
		invalid = "entry 3: invalidityDate is not a GeneralizedTime (RFC 5280 §5.3.2) (entry_extension_malformed, at byte @+2)"
		hold    = "entry 3: holdInstructionCode is not an OBJECT IDENTIFIER (entry_extension_malformed, at byte @+2)"
		issuer  = "entry 3: certificateIssuer is not GeneralNames (RFC 5280 §5.3.3) (entry_extension_malformed, at byte @+2)"
		name    = "entry 3: certificateIssuer holds something that is not a GeneralName (RFC 5280 §4.2.1.6) (entry_extension_malformed, at byte @+2)"
	)
	for _, c := range []struct {
		name  string
		entry []byte
		want  string
	}{
		{"shortest", entry([]byte{2, 1, 9}, date), ""},
		{"of another tag, and 48 octets", tlv(0x31, tlv(2, bytes.Repeat([]byte{1}, 31)), date), "entry 3 has tag 0x31, expected 0x30 (malformed, at byte @)"},
		{"of indefinite length, before 128 octets", append([]byte{0x30, 0x80}, sized(128)...), "entry 3 has an indefinite length, which DER forbids (malformed, at byte @)"},
		{"of 127 octets", tlv(0x30, sized(127)), ""},
		{"of 128 octets", tlv(0x30, sized(128)), ""},
		{"empty", entry(), none},
		{"of one octet", entry([]byte{2}), none},
		{"of two octets", entry([]byte{2, 0}), none},
		{"of a serial number alone", entry([]byte{2, 1, 9}), strings.Replace(undated, "@+5", "@+2", 1)},
		{"serial number of another tag", entry([]byte{3, 1, 9}, date), none},
		{"date first", entry(date, []byte{2, 1, 9}), none},
		{"serial number empty", entry([]byte{2, 0}, date), longer},
		{"serial number that fills the entry", entry(tlv(2, date[:14])), strings.Replace(undated, "@+5", "@+2", 1)},
		{"serial number longer by one", entry([]byte{2, 2, 9}), longer},
		{"serial number with a zero in front", entry([]byte{2, 2, 0, 9}, date), "entry 3: serial number is not minimally encoded, which DER forbids (malformed, at byte @+2)"},
		{"serial number of 64 octets", entry(octets(MaxSerial), date), ""},
		{"serial number of 65 octets", entry(octets(MaxSerial+1), date), "entry 3 has a serial number of 65 octets, more than 64 (serial_too_long, at byte @+2)"},
		{"serial number of 65 octets and nothing else", entry(octets(MaxSerial + 1)), "entry 3 has a serial number of 65 octets, more than 64 (serial_too_long, at byte @+2)"},
		{"serial number of 65 octets, one missing", entry(octets(MaxSerial + 1)[:MaxSerial+2]), beyond},
		{"serial number of 128 octets", entry(octets(128), date), "entry 3 has a serial number of 128 octets, more than 64 (serial_too_long, at byte @+3)"},
		{"serial number of 128 octets, one missing", entry(octets(128)[:130]), strings.Replace(beyond, "@+2", "@+3", 1)},
		{"serial number cut in its length", entry([]byte{2, 0x82, 1}), beyond},
		{"serial number of a length not minimal", entry([]byte{2, 0x81, 1, 9}, date), "entry 3: serial number has a length that is not minimally encoded, which DER forbids (malformed, at byte @+2)"},
		{"no date, but a tag", entry(serial, []byte{0x17}), strings.Replace(undated, "@+5", "@+2", 1)},
		{"empty date", entry(serial, []byte{0x17, 0}), time},
		{"date longer by one", entry(serial, []byte{0x17, 14}, date[2:]), strings.Replace(undated, "@+5", "@+2", 1)},
		{"date of length 0x80", entry(serial, []byte{0x17, 0x80}, date[2:]), strings.Replace(undated, "@+5", "@+2", 1)},
		{"date of another tag", entry(serial, []byte{0x16}, date[1:]), time},
		{"GeneralizedTime", entry(serial, []byte("\x18\x0f20261101000000Z")), ""},

		{"something behind the date", entry(serial, date, []byte{5, 0}), fourth},
		{"one octet behind the date", entry(serial, date, []byte{0x30}), fourth},
		{"an octet behind the extensions", entry(serial, date, []byte(plainReason), []byte{1, 0}), fourth},
		{"something behind the extensions", entry(serial, date, []byte(plainReason), []byte{1, 5, 0}), fourth},
		{"extensions empty", entry(serial, date, []byte{0x30, 0}), "entry extensions are not a SEQUENCE of at least one extension (entry_extension_malformed, at byte @+2)"},
		{"extensions that are none", entry(serial, date, []byte{0x30, 2, 5, 0}), "entry extensions hold something that is not an Extension (entry_extension_malformed, at byte @+2)"},
		{"a reason twice", entry(serial, date, tlv(0x30, []byte(plainReason)[2:], []byte{1}, []byte(plainReason)[2:], []byte{1})), "entry extensions hold extension 2.5.29.21 twice (RFC 5280 §4.2) (extension_duplicate, at byte @+2)"},
		{"an unknown extension", with(0x7f), ""},
		{"an unknown critical extension", entry(serial, date, tlv(0x30, tlv(0x30, unknownID, []byte{1, 1, 0xff}, tlv(4, nil)))), "entry 3: critical extension 2.5.29.127 is unknown, so the CRL must not be used (RFC 5280 §5.3) (entry_critical_extension_unknown, at byte @+2)"},
		{"reason 7", with(0x15, 0x0a, 1, 7), ""},
		{"reason 11", with(0x15, 0x0a, 1, 11), ""},
		{"reason -1", with(0x15, 0x0a, 1, 0xff), reason},
		{"reason 255", with(0x15, 0x0a, 2, 0, 0xff), ""},
		{"reason 256", with(0x15, 0x0a, 2, 1, 0), ""},
		{"reason 257", with(0x15, 0x0a, 2, 1, 1), ""},
		{"a critical reason 10", criticalReason(10), ""},
		{"a critical reason 7", criticalReason(7), "entry 3: critical reasonCode 7 is none of RFC 5280 §5.3.1, so the CRL must not be used (§5.3) (entry_extension_malformed, at byte @+2)"},
		{"a critical reason 11", criticalReason(11), "entry 3: critical reasonCode 11 is none of RFC 5280 §5.3.1, so the CRL must not be used (§5.3) (entry_extension_malformed, at byte @+2)"},
		{"reason of two octets for one", with(0x15, 0x0a, 2, 0, 1), reason},
		{"reason an INTEGER", with(0x15, 2, 1, 1), reason},
		{"reason, and more", with(0x15, 0x0a, 1, 1, 0), reason},
		{"reason empty", with(0x15), reason},
		{"invalidity date", with(0x18, []byte("\x18\x0f20261101000000Z")...), ""},
		{"invalidity date, and more", with(0x18, []byte("\x18\x0f20261101000000Z\x00")...), invalid},
		{"invalidity date a UTCTime", with(0x18, date...), invalid},
		{"invalidity date of a 13th month", with(0x18, []byte("\x18\x0f20261301000000Z")...), "entry 3: invalidityDate is not a time (RFC 5280 §5.3.2) (entry_extension_malformed, at byte @+2)"},
		{"hold instruction", with(0x17, 6, 1, 0x2a), ""},
		{"hold instruction, and more", with(0x17, 6, 1, 0x2a, 0), hold},
		{"hold instruction not an identifier", with(0x17, 5, 0), hold},
		{"certificate issuer", with(0x1d, 0x30, 3, 0x82, 1, 'a'), "an entry names a certificate issuer, but the issuing distribution point does not say indirectCRL (RFC 5280 §5.3.3) (certificate_issuer_without_indirect)"},
		{"certificate issuer empty", with(0x1d), issuer},
		{"certificate issuer of no name", with(0x1d, 0x30, 0), issuer},
		{"certificate issuer a SET", with(0x1d, 0x31, 3, 0x82, 1, 'a'), issuer},
		{"certificate issuer, and more", with(0x1d, 0x30, 3, 0x82, 1, 'a', 0), issuer},
		{"certificate issuer that is no name", with(0x1d, 0x30, 2, 5, 0), name},
		{"certificate issuer of a name and no name", with(0x1d, 0x30, 5, 0x82, 1, 'a', 5, 0), name},
		{"certificate issuer cut", with(0x1d, 0x30, 2, 0x82, 1), name},
	} {
		list := slices.Concat(plainEntry, plainEntry, c.entry)
		der := must(io.ReadAll(soundParts().crl(tlvHeader(0x30, int64(len(list))), bytes.NewReader(list), int64(len(list)), tlv(0xa0, tlv(0x30, numberExtension)))))
		at := bytes.Index(der, list) + 2*len(plainEntry)
		var replace []string
		for n := range 6 {
			replace = append([]string{"@+" + strconv.Itoa(n), strconv.Itoa(at + n)}, replace...)
		}
		want := strings.NewReplacer(append(replace, "@", strconv.Itoa(at))...).Replace(c.want)
		for _, size := range []int{minChunk, chunkSize} {
			got := readAll(bytes.NewReader(der), Options{}, size)
			if text(got.err) != want || got.err == nil && (got.list.Entries != 3 || len(got.entries) != 3) {
				t.Errorf("%s, chunks of %d: %v, want %s", c.name, size, got.err, want)
			}
		}
	}
}

// criticalReason is an entry with a critical reason code.
func criticalReason(r byte) []byte {
	return tlv(0x30, []byte{2, 1, 9}, plainDate, tlv(0x30, tlv(0x30, []byte{6, 3, 0x55, 0x1d, 0x15}, []byte{1, 1, 0xff}, tlv(4, []byte{0x0a, 1, r}))))
}

// TestUnknownReasons: an entry whose reason RFC 5280 lacks reads as revoked for
// an unspecified one, and is counted.
func TestUnknownReasons(t *testing.T) {
	with := func(value ...byte) []byte {
		return tlv(0x30, []byte{2, 1, 9}, plainDate, tlv(0x30, tlv(0x30, []byte{6, 3, 0x55, 0x1d, 0x15}, tlv(4, value))))
	}
	for _, c := range []struct {
		name         string
		entries      []byte
		count, first int
	}{
		{"none", slices.Concat(with(0x0a, 1, 1), with(0x0a, 1, 10)), 0, 0},
		{"7", slices.Concat(with(0x0a, 1, 1), with(0x0a, 1, 7)), 1, 7},
		{"11, then others", slices.Concat(with(0x0a, 1, 11), with(0x0a, 1, 7), with(0x0a, 2, 1, 1)), 3, 11},
		{"257", slices.Concat(with(0x0a, 2, 1, 1), with(0x0a, 1, 8)), 1, 257},
	} {
		got := readAll(soundParts().crl(tlvHeader(0x30, int64(len(c.entries))), bytes.NewReader(c.entries), int64(len(c.entries)), tlv(0xa0, tlv(0x30, numberExtension))), Options{}, chunkSize)
		if got.err != nil || got.list.UnknownReasons != c.count || got.list.UnknownReason != c.first {
			t.Fatalf("%s: %+v, %v", c.name, got.list, got.err)
		}
		unspecified := 0
		for _, e := range got.entries {
			if e.reason == Unspecified {
				unspecified++
			}
		}
		if unspecified != c.count {
			t.Errorf("%s: %d entries read as unspecified", c.name, unspecified)
		}
	}
}

// TestEntryReasons: every reason that there is, in the usual form and in
// others, is read as it stands.
func TestEntryReasons(t *testing.T) {
	other := tlv(0x30, unknownID, tlv(4, nil))
	for r := range 11 {
		if r == 7 {
			continue
		}
		usual := slices.Concat([]byte(plainReason)[2:], []byte{byte(r)})
		critical := tlv(0x30, []byte{6, 3, 0x55, 0x1d, 0x15}, []byte{1, 1, 0xff}, tlv(4, []byte{0x0a, 1, byte(r)}))
		list := slices.Concat(
			tlv(0x30, []byte{2, 1, 9}, plainDate, tlv(0x30, usual)),
			tlv(0x30, []byte{2, 1, 9}, plainDate, tlv(0x30, usual, other)),
			tlv(0x30, []byte{2, 1, 9}, plainDate, tlv(0x30, other, usual)),
			tlv(0x30, []byte{2, 1, 9}, plainDate, tlv(0x30, critical)),
			plainEntry,
		)
		got := readAll(soundParts().crl(tlvHeader(0x30, int64(len(list))), bytes.NewReader(list), int64(len(list)), tlv(0xa0, tlv(0x30, numberExtension))), Options{}, chunkSize)
		if got.err != nil || len(got.entries) != 5 {
			t.Fatalf("reason %d: %d entries, %v", r, len(got.entries), got.err)
		}
		for i, e := range got.entries {
			if want := Reason(r); i < 4 && e.reason != want || i == 4 && e.reason != Unspecified {
				t.Errorf("reason %d in form %d reads as %v", r, i, e.reason)
			}
		}
	}
}
