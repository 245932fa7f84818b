package crl

import (
	"bytes"
	"errors"
	"reflect"
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
