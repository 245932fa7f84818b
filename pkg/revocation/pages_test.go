package revocation

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// imageStore holds one set.
type imageStore struct {
	img   *serialset.Image
	meets []func([]byte) ([]byte, error) // what the next GETs meet
	noMetrics
	corrupt, told, read int
}

func (s *imageStore) ReadAll(_ context.Context, _ string, _ int64, opts objectstore.GetOptions) ([]byte, objectstore.Object, error) {
	if len(s.meets) == 0 {
		return nil, objectstore.Object{}, errors.New("a GET more than there should be")
	}
	meets := s.meets[0]
	s.meets = s.meets[1:]
	r, data := s.img.Reader(), make([]byte, opts.Range.Length)
	_, err := r.Seek(opts.Range.Offset, io.SeekStart)
	if err == nil {
		_, err = io.ReadFull(r, data)
	}
	if err == nil {
		data, err = meets(data)
	}
	if err == nil {
		s.read++
	}
	return data, objectstore.Object{}, err
}

func (s *imageStore) HashFailed(string) { s.corrupt++ }
func (s *imageStore) RangeRead(int64)   { s.told++ }

// pagedSerial is the i-th serial number of a paged set.
func pagedSerial(i int) []byte {
	b := make([]byte, serialset.MaxWidth)
	b[0] = 1
	binary.BigEndian.PutUint64(b[50:], uint64(i)*2654435761*2)
	return b
}

// paged is a set so large that its index has pages; wide serial numbers make it
// small.
func paged(t *testing.T) *imageStore {
	const n, column = 780_000, 10_000
	var b serialset.Builder
	b.Expect(n)
	serials := make([]byte, 0, column*serialset.MaxWidth)
	dates, reasons := make([]uint32, column), make([]uint8, column)
	for at := 0; at < n; at += column {
		serials = serials[:0]
		for i := range column {
			serials = append(serials, pagedSerial(at+i)...)
			dates[i], reasons[i] = uint32(at+i), uint8((at+i)%7)
		}
		if err := b.Append(serialset.MaxWidth, serials, dates, reasons); err != nil {
			t.Fatal(err)
		}
	}
	img, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return &imageStore{img: img}
}

// A set of which the index has pages is searched by three reads, and by those alone
// that are not at hand. Whether it pays to fetch it whole depends on how often it was
// asked, with or without success; an error comes without a hit.
func TestLookupThroughPages(t *testing.T) {
	type meets = []func([]byte) ([]byte, error)
	var (
		s       = paged(t)
		ref     = &setRef{crl: "crl", set: &catalog.Set{Key: "sets/crl/set", Size: s.img.Size(), Head: s.img.HeadSize()}, digest: s.img.Digest(), entries: s.img.Len()}
		r       = &ranges{store: s, metrics: s}
		now     = time.Unix(1_800_000_000, 0)
		sound   = func(b []byte) ([]byte, error) { return b, nil }
		fails   = func([]byte) ([]byte, error) { return nil, objectstoretest.Answer(503, "SlowDown") }
		damaged = func(b []byte) ([]byte, error) { b[len(b)/2] ^= 1; return b, nil }
		middle  = s.img.Len() / 2
	)
	for _, step := range []struct {
		what   string
		meets  meets // what its GETs meet
		entry  int
		absent byte // 1: the serial number behind the entry's; 0xff: one below all
		err    error
		pays   bool
	}{
		{"the head fails", meets{fails}, 0, 0, objectstore.ErrUnavailable, false},
		{"the first: head, page and block", meets{sound, sound, sound}, 1, 0, nil, false},
		{"the second, in the same block", nil, 2, 0, nil, false},
		{"the third, absent from it", nil, 2, 1, nil, false},
		{"the fourth, in another block of the page", meets{sound}, 1000, 0, nil, false},
		{"the fifth, in the last page", meets{sound, sound}, s.img.Len() - 1, 0, nil, false},
		{"the sixth, below all", nil, 0, 0xff, nil, false},
		{"the seventh, whose page fails", meets{fails}, middle, 0, objectstore.ErrUnavailable, false},
		{"the eighth, whose block fails", meets{sound, fails}, middle, 0, objectstore.ErrUnavailable, true},
		{"the block is back", meets{sound}, middle, 0, nil, true},
		{"a page fails", meets{fails}, middle / 2, 0, objectstore.ErrUnavailable, true},
		{"a page is damaged", meets{damaged}, middle / 2, 0, serialset.ErrCorrupt, true},
		{"a block is damaged", meets{sound, damaged}, middle / 2, 0, serialset.ErrCorrupt, true},
		{"both are sound", meets{sound}, middle / 2, 0, nil, true},
		{"absent", nil, middle / 2, 1, nil, true},
		{"below all", nil, 0, 0xff, nil, true},
	} {
		serial := pagedSerial(step.entry)
		switch step.absent {
		case 1:
			serial[57]++
		case 0xff:
			serial[0] = 0
		}
		now = now.Add(2 * time.Second) // for a head that failed
		s.meets, s.corrupt = step.meets, 0
		e, hit, pays, err := r.lookup(t.Context(), ref, serial, now)
		if !errors.Is(err, step.err) || pays != step.pays || hit != (err == nil && step.absent == 0) || len(s.meets) > 0 {
			t.Errorf("%s: hit %v, pays %v, %v; %d GETs less than were to be", step.what, hit, pays, err, len(s.meets))
		}
		if hit && (e.Date != uint32(step.entry) || e.Reason != uint8(step.entry%7)) {
			t.Errorf("%s: entry %d, reason %d", step.what, e.Date, e.Reason)
		}
		if bad := errors.Is(err, serialset.ErrCorrupt); bad != (s.corrupt == 1) || !bad && s.corrupt > 0 {
			t.Errorf("%s: %d reads fail their hash", step.what, s.corrupt)
		}
		if s.told != s.read {
			t.Errorf("%s: %d reads so far, and the metric says %d", step.what, s.read, s.told)
		}
	}
}

// A request that is given up while the head is being fetched has no hit, and nothing
// is fetched whole for it.
func TestLookupGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	r := &ranges{metrics: noMetrics{}, store: &pieceStore{body: make([]byte, 64), meets: func(context.Context, int) ([]byte, error) {
		<-release
		return nil, objectstore.ErrForbidden
	}}}
	ref := &setRef{set: &catalog.Set{Key: "sets/crl/set", Size: 64, Head: 64}}
	cancel()
	if _, hit, pays, err := r.lookup(ctx, ref, []byte{1}, time.Now()); err == nil || hit || pays {
		t.Errorf("hit %v, pays %v, %v", hit, pays, err)
	}
	close(release)
	<-r.head(ref, time.Now()).done
}
