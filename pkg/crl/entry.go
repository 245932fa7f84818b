package crl

import (
	"fmt"
	"math"
)

const (
	batchEntries = 2048
	minEntry     = 4 + 15 // octets that an entry has beside its serial number, at least
)

// entryReader collects entries into batches.
type entryReader struct {
	batch   Batch
	serials []byte // backing array of batch.Serials
	issuer  []byte // certificateIssuer in force, DER

	length int64 // octets of all entries, as revokedCertificates claims them
}

// revokedCertificates reads the entries, if the field is there. An empty
// SEQUENCE is accepted as no entries: RFC 5280 §5.1.2.6 wants the field absent
// then, but nothing is in doubt and real CAs write it.
func (p *parser) revokedCertificates(limit int64) error {
	if p.s.off == limit {
		return nil
	}
	h, err := p.header("revokedCertificates")
	if err != nil {
		return err
	}
	if h.tag != tagSequence {
		return nil
	}
	end, err := p.open(tagSequence, limit, "revokedCertificates")
	if err != nil {
		return err
	}
	if p.headerOnly {
		return p.pass(end, "revokedCertificates")
	}
	e := &p.entries
	e.length = end - p.s.off
	e.batch.Dates = make([]uint32, 0, batchEntries)
	e.batch.Reasons = make([]Reason, 0, batchEntries)
	for p.s.off < end {
		if err := p.entriesInWindow(end); err != nil {
			return err
		}
	}
	return p.flush()
}

// entriesInWindow reads entries until the window ends in the middle of one,
// then fetches more.
func (p *parser) entriesInWindow(end int64) error {
	w, off := p.s.window, p.s.off
	w = w[:min(int64(len(w)), end-off)]
	pos := 0
	for {
		pos += p.plainEntries(w[pos:]) // always leaves some
		n, err := p.entry(w[pos:], off+int64(pos))
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		pos += n
	}
	p.s.skip(pos)
	if p.s.off == end {
		return nil
	}
	return p.fetchEntry(end)
}

// fetchEntry makes the next entry whole in the window, where it is not. What
// it refuses, and how, must not depend on where the window ended.
func (p *parser) fetchEntry(end int64) error {
	rest := end - p.s.off
	err := p.s.need(int(min(rest, maxHeader))) // where it fails, what there is may still tell a fault
	b := p.s.window[:min(int64(len(p.s.window)), rest)]
	head, length, faulty := p.entryHeader(b, p.s.off)
	switch {
	case faulty != nil:
		return faulty
	case head == 0 && err != nil:
		return p.fault(err, "revokedCertificates")
	case head == 0 || int64(head+length) > rest:
		return p.entryFault(Malformed, p.s.off, " is longer than revokedCertificates")
	}
	return p.fault(p.s.need(head+length), "revokedCertificates")
}

// entryHeader reads an entry's tag and length; head is 0 where b ends inside
// them, and beside an error.
func (p *parser) entryHeader(b []byte, off int64) (head, length int, err error) {
	if len(b) < 2 {
		return 0, 0, nil
	}
	if b[0] != tagSequence {
		return 0, 0, p.entryFault(Malformed, off, " has tag 0x%02x, expected 0x30", b[0])
	}
	head, long, fault := elementLength(b)
	if fault != "" {
		return 0, 0, p.entryFault(Malformed, off, " %s", fault)
	}
	if long > MaxEntry {
		return 0, 0, p.entryFault(TooLarge, off, " has %d octets, more than the %d that are read", long, MaxEntry)
	}
	return head, int(long), nil
}

// entry reads one entry from the front of b, which lies at offset off. It
// returns its length, or 0 where b does not hold it whole.
//
//	SEQUENCE { userCertificate INTEGER, revocationDate Time,
//	           crlEntryExtensions SEQUENCE OPTIONAL }
func (p *parser) entry(b []byte, off int64) (int, error) {
	var head, length int
	if len(b) >= 2 && b[0] == tagSequence && b[1] < 0x80 {
		head, length = 2, int(b[1]) // nearly every entry
	} else {
		var err error
		if head, length, err = p.entryHeader(b, off); head == 0 {
			return 0, err
		}
	}
	if head+length > len(b) {
		return 0, nil
	}
	if err := p.entryContents(b[head:head+length], off+int64(head)); err != nil {
		return 0, err
	}
	return head + length, nil
}

func (p *parser) entryContents(c []byte, off int64) error {
	// userCertificate
	if len(c) < 3 || c[0] != tagInteger {
		return p.entryFault(Malformed, off, " does not begin with a serial number")
	}
	n := int(c[1])
	if n > MaxSerial {
		return p.longSerial(c, off)
	}
	if n == 0 || 2+n > len(c) {
		return p.entryFault(Malformed, off, ": serial number is empty or longer than the entry")
	}
	serial := c[2 : 2+n]
	if !minimalInteger(serial) {
		return p.entryFault(Malformed, off, ": serial number is not minimally encoded, which DER forbids")
	}
	c = c[2+n:]
	// revocationDate
	if len(c) < 2 || 2+int(c[1]) > len(c) {
		return p.entryFault(Malformed, off, " has no whole revocation date")
	}
	sec, ok := parseTime(c[0], c[2:2+int(c[1])])
	if !ok {
		return p.entryFault(Malformed, off, ": revocation date is not a time in the form of RFC 5280 §5.1.2.6")
	}
	c = c[2+int(c[1]):]
	// crlEntryExtensions
	reason := Unspecified
	if len(c) > 0 {
		if p.list.Version == 1 {
			return p.entryFault(VersionUnsupported, off, " has extensions, which a v1 CRL has not (RFC 5280 §5.1.2.1)")
		}
		if len(c) == len(plainReason)+1 && string(c[:len(plainReason)]) == plainReason && reasonKnown(int(c[len(plainReason)])) {
			reason = Reason(c[len(plainReason)]) // the common case: a non-critical reasonCode and nothing else
		} else {
			var err error
			if reason, err = p.entryExtensions(c, off); err != nil {
				return err
			}
		}
	}
	return p.add(serial, sec, reason)
}

// entryFault refuses the entry at hand.
func (p *parser) entryFault(code Code, off int64, format string, args ...any) *Error {
	return refuseAt(code, off, "entry %d%s", p.list.Entries+1, fmt.Sprintf(format, args...))
}

// longSerial tells how a serial number of more than MaxSerial octets is wrong.
func (p *parser) longSerial(c []byte, off int64) error {
	head, length, fault := elementLength(c)
	switch {
	case fault != "":
		return p.entryFault(Malformed, off, ": serial number %s", fault)
	case head == 0 || length > int64(len(c)-head):
		return p.entryFault(Malformed, off, ": serial number is longer than the entry")
	}
	return p.entryFault(SerialTooLong, off, " has a serial number of %d octets, more than %d", length, MaxSerial)
}

// plainReason is an Extensions value that holds just a non-critical
// reasonCode, without the reason itself.
const plainReason = "\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01"

// reasonKnown reports whether a code, 0 or more, is a CRLReason of RFC 5280 §5.3.1.
func reasonKnown(r int) bool { return r <= 10 && r != 7 }

// add appends one entry to the batch.
func (p *parser) add(serial []byte, sec int64, reason Reason) error {
	e := &p.entries
	b := &e.batch
	if len(serial) > b.Width || len(b.Dates) == batchEntries {
		if err := p.flush(); err != nil {
			return err
		}
		if len(serial) > b.Width {
			b.Width = len(serial)
			e.serials = make([]byte, 0, batchEntries*b.Width+plainWidth+8) // plainEntries copies more than it keeps
			b.Serials = e.serials
		}
	}
	sign := byte(int8(serial[0]) >> 7) // 0xff where it is negative
	for range b.Width - len(serial) {
		b.Serials = append(b.Serials, sign)
	}
	b.Serials = append(b.Serials, serial...)
	b.Dates = append(b.Dates, uint32(min(max(sec, 0), math.MaxUint32)))
	b.Reasons = append(b.Reasons, reason)
	p.list.Entries++
	return nil
}

// flush hands the batch to the sink and empties it.
func (p *parser) flush() error {
	e := &p.entries
	if len(e.batch.Dates) == 0 {
		return nil
	}
	e.batch.CertificateIssuer = e.issuer
	if p.sink != nil {
		e.batch.Claimed = int(e.length / int64(minEntry+e.batch.Width))
		if err := p.sink(&e.batch); err != nil {
			return err
		}
	}
	e.batch.Serials = e.batch.Serials[:0]
	e.batch.Dates = e.batch.Dates[:0]
	e.batch.Reasons = e.batch.Reasons[:0]
	return nil
}
