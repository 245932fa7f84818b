package crl

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strconv"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// TestReadHeader: of every CRL that Read takes, ReadHeader says the same, the
// entries apart; and of one that is cut anywhere, that it is none.
func TestReadHeader(t *testing.T) {
	for _, seed := range seedCRLs(t) {
		o := readAll(bytes.NewReader(seed), Options{AllowSHA1: true, AllowNoNumber: true}, chunkSize)
		header, err := ReadHeader(bytes.NewReader(seed), 0)
		var fault, other *Error
		switch {
		case o.err == nil && err != nil:
			t.Errorf("Read takes it, ReadHeader says %v", err)
		case o.err == nil:
			want := *o.list
			want.Entries, want.Indirect, want.Digest, want.tbs, want.signature = 0, false, nil, nil, header.signature
			got := *header
			want.unsupported, got.unsupported = nil, nil
			want.UnknownReasons, want.UnknownReason = 0, 0
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		case err != nil && (!errors.As(err, &fault) || errors.As(o.err, &other) && bearable(o.err) && !bearable(err)):
			t.Errorf("Read says %v, ReadHeader %v", o.err, err)
		}
	}
	ca := testCA(t)
	der := pkitest.CRL(t, ca, testOptions(mixedEntries(60)...))
	for _, whole := range [][]byte{der, pki.CRLPEM(der)} {
		for cut := 0; cut < len(whole)-1; cut += 1 + cut/10 {
			_, err := ReadHeader(bytes.NewReader(whole[:cut]), 0)
			var e *Error
			if !errors.As(err, &e) || e.Code != Malformed {
				t.Fatalf("cut after %d of %d bytes: %v", cut, len(whole), err)
			}
		}
		if _, err := ReadHeader(bytes.NewReader(append(bytes.Clone(whole), 'x')), 0); err == nil {
			t.Error("something follows, and is not seen")
		}
		if _, err := ReadHeader(bytes.NewReader(whole), int64(len(whole))-1); err == nil || err.(*Error).Code != TooLarge {
			t.Errorf("past the limit: %v", err)
		}
	}
}

// TestReadHeaderPassesOverExtensions: an extension for which Read refuses a CRL
// hides nothing of what ReadHeader reads in front of it.
func TestReadHeaderPassesOverExtensions(t *testing.T) {
	ext := func(last byte, value ...byte) []byte { return tlv(0x30, []byte{6, 3, 0x55, 0x1d, last}, tlv(4, value)) }
	for _, c := range []struct {
		name string
		last []byte
		want Code
	}{
		{"unknown and critical", tlv(0x30, unknownID, []byte{1, 1, 0xff}, tlv(4, nil)), CriticalExtensionUnknown},
		{"twice", numberExtension, ExtensionDuplicate},
		{"a base number that is none", ext(0x1b, 5, 0), ExtensionMalformed},
		{"a negative base number", ext(0x1b, 2, 1, 0xff), NumberInvalid},
		{"an IDP of nothing", ext(0x1c, 0x30, 0), IDPEmpty},
		{"no extension", []byte{5, 0}, ExtensionMalformed},
	} {
		der := must(io.ReadAll(soundParts().list(plainEntry, 1, numberExtension, c.last)))
		if got := readAll(bytes.NewReader(der), Options{}, chunkSize); got.code() != c.want {
			t.Errorf("%s: Read says %v, want %s", c.name, got.err, c.want)
		}
		list, err := ReadHeader(bytes.NewReader(der), 0)
		if err != nil || list.Number == nil || list.Number.Int64() != 7 || list.Size != int64(len(der)) {
			t.Errorf("%s: ReadHeader says %+v, %v", c.name, list, err)
		}
	}
	for _, c := range []struct {
		name string
		rest []byte
		want Code
	}{
		{"something behind the extensions", append(tlv(0xa0, tlv(0x30, numberExtension)), 5, 0), Malformed},
		{"more than a hundred", tlv(0xa0, tlv(0x30, manyExtensions(101)...)), TooLarge},
		{"longer than what contains them", []byte{0xa0, 0x7f}, Malformed},
	} {
		if _, err := ReadHeader(soundParts().crl(nil, bytes.NewReader(nil), 0, c.rest), 0); (outcome{err: err}).code() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// TestReadHeaderEnds: it reads ahead no longer once it has returned, and passes
// over the last octet of the entries.
func TestReadHeaderEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	der := must(io.ReadAll(soundParts().list(plainEntry, 2*chunkSize/int64(len(plainEntry)), numberExtension)))
	if _, err := ReadHeader(io.MultiReader(bytes.NewReader(der), &endless{pattern: "\x00"}), 0); (outcome{err: err}).code() != TrailingData {
		t.Errorf("zeros without end behind a CRL: %v", err)
	}
	noMoreGoroutines(t, before, "after ReadHeader")

	f := soundFields()
	f.entries = tlv(0x30, plainEntry, plainEntry)
	end := f.at(f.version, f.alg, f.issuer, f.this, f.next, f.entries[:10])
	_, err := ReadHeader(bytes.NewReader(f.der()[:end]), 0)
	if want := "ends in the middle of revokedCertificates: the upload is cut short, or its lengths are wrong (malformed, at byte " + strconv.Itoa(end) + ")"; text(err) != want {
		t.Errorf("cut in the entries: %v, want %s", err, want)
	}
	f.entries = []byte{0x30, 1, 0}
	end = f.at(f.version, f.alg, f.issuer, f.this, f.next, f.entries)
	_, err = ReadHeader(bytes.NewReader(f.der()[:end]), 0)
	if want := "ends in the middle of crlExtensions: the upload is cut short, or its lengths are wrong (malformed, at byte " + strconv.Itoa(end) + ")"; text(err) != want {
		t.Errorf("cut behind the entries: %v, want %s", err, want)
	}
}

func TestFreshestURIs(t *testing.T) {
	value, err := pki.CDP(
		pki.DistributionPoint{FullNames: []string{"http://a/1", "ldap://b/2"}},
		pki.DistributionPoint{RawNames: [][]byte{pki.DirectoryName(testCA(t).Name())}},
		pki.DistributionPoint{FullNames: []string{"http://c/3"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := freshestURIs(value), [][]string{{"http://a/1", "ldap://b/2"}, {"http://c/3"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, bad := range [][]byte{nil, {0x30}, {0x30, 2, 0x30, 0}, {0x30, 3, 2, 1, 1}, value[:len(value)-1]} {
		if got := freshestURIs(bad); len(got) > 2 {
			t.Errorf("%x: %q", bad, got)
		}
	}
}
