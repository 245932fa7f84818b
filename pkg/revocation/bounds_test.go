package revocation

import (
	"bytes"
	lru "container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// What is remembered of certificates is bounded, and what is in use stays.
func TestOriginsAreBounded(t *testing.T) {
	var m origins
	key := func(i int) (k [32]byte) {
		binary.BigEndian.PutUint64(k[:], uint64(i))
		return k
	}
	m.put(key(0), &origin{})
	for i := range 10 * maxOrigins {
		m.put(key(i+1), &origin{})
		if i%100 == 0 && m.find(key(0)) == nil {
			t.Fatalf("forgotten after %d others, though in use", i)
		}
		if n := len(m.young) + len(m.old); n > 2*maxOrigins {
			t.Fatalf("%d are remembered", n)
		}
	}
	if m.find(key(1)) != nil {
		t.Error("one that nobody asked for is still there")
	}
}

// A list keeps of its predecessors only those that may have to answer.
func TestPredecessorsAreBounded(t *testing.T) {
	named := func(i int) *list {
		ref := &setRef{digest: serialset.Digest{byte(i >> 8), byte(i)}}
		return &list{form: form{record: &catalog.CRL{Content: string(rune(i))}, own: ref}}
	}
	for name, c := range map[string]struct {
		loaded func(i int) loadedFunc
		most   int
	}{
		"all sets came":   {func(int) loadedFunc { return func(serialset.Digest) bool { return true } }, 1},
		"no set came":     {func(int) loadedFunc { return func(serialset.Digest) bool { return false } }, maxPriors},
		"one of them did": {func(int) loadedFunc { return func(d serialset.Digest) bool { return d == serialset.Digest{0, 200} } }, maxPriors},
	} {
		l := named(0)
		for i := 1; i < 300; i++ {
			next := named(i)
			next.follow(l, time.Unix(int64(i), 0), c.loaded(i))
			l = next
			if len(l.priors) > c.most || len(l.priors) == 0 || l.priors[0].at != time.Unix(int64(i), 0) {
				t.Fatalf("%s: %d predecessors after %d", name, len(l.priors), i)
			}
		}
		if len(l.priors) != c.most {
			t.Errorf("%s: %d predecessors are left, want %d", name, len(l.priors), c.most)
		}
	}
}

// A tenth of the time that is left is kept for the answer itself.
func TestTimeForTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(nil, Config{}, time.Now, nil, nil)
		within, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		ctx, stop := c.answerable(within)
		defer stop()
		if end, ok := ctx.Deadline(); !ok || time.Until(end) != 9*time.Second {
			t.Errorf("%v are left of 10s", time.Until(end))
		}
		ctx, stop = c.answerable(t.Context())
		defer stop()
		if end, ok := ctx.Deadline(); ok {
			t.Errorf("a call without a deadline has to end at %v", end)
		}
	})
}

// What was read of sets is kept up to a budget, the pieces used last and one at
// least.
func TestPiecesAreBounded(t *testing.T) {
	const quarter = rangeBudget / 4
	r := &ranges{recent: lru.New(), pieces: map[pieceKey]*lru.Element{}}
	keep := func(offset, size int64) { r.keep(&piece{key: pieceKey{offset: offset}, size: size}) }
	use := func(offset int64) {
		var where serialset.Ref
		where.Offset = offset
		if p, err := r.piece(t.Context(), &setRef{}, where); err != nil || p.key.offset != offset {
			t.Errorf("using %d: %v", offset, err)
		}
	}
	for i, step := range []struct {
		do   func()
		held []int64
	}{
		{func() { keep(0, quarter); keep(1, quarter); keep(2, quarter); keep(3, quarter) }, []int64{0, 1, 2, 3}},
		{func() { keep(0, quarter) }, []int64{0, 1, 2, 3}}, // two requests have read it at once
		{func() { use(0); keep(4, quarter) }, []int64{0, 2, 3, 4}},
		{func() { keep(5, 1) }, []int64{0, 3, 4, 5}},
		{func() { keep(6, 2*rangeBudget) }, []int64{6}},
		{func() { keep(7, quarter) }, []int64{7}},
		{func() { keep(8, quarter) }, []int64{7, 8}},
	} {
		step.do()
		var held []int64
		for k := range maps.Keys(r.pieces) {
			held = append(held, k.offset)
		}
		if slices.Sort(held); !slices.Equal(held, step.held) || r.recent.Len() != len(held) {
			t.Errorf("step %d: %v are held, want %v", i, held, step.held)
		}
	}
}

// A request that is being answered keeps the sets that its catalog names, whatever
// replaces them meanwhile.
func TestSetsAreHeld(t *testing.T) {
	var b serialset.Builder
	if err := b.Append(1, []byte{5}, []uint32{1}, []uint8{0}); err != nil {
		t.Fatal(err)
	}
	img, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	if _, err := img.WriteTo(&body); err != nil {
		t.Fatal(err)
	}
	s := &pieceStore{body: body.Bytes()}
	c := New(s, Config{MemoryBudget: 1 << 20}, time.Now, slog.New(slog.DiscardHandler), nil)
	one, other := s.ref(), s.ref()
	for _, ref := range []*setRef{one, other} {
		ref.digest, ref.entries = img.Digest(), img.Len()
	}
	l := c.sets.load(one)
	if <-l.done; l.err != nil || c.sets.get(one) == nil {
		t.Fatalf("not loaded: %v", l.err)
	}
	c.sets.forget([]serialset.Digest{img.Digest()})
	if set := c.sets.get(one); set == nil {
		t.Error("it is gone for the request that has asked it")
	}
	if set := c.sets.get(other); set != nil {
		t.Error("it is still there for others")
	}
}

// Of a set that is no longer used nothing is kept but pieces, which make room.
func TestHeadsAreForgotten(t *testing.T) {
	used, gone := serialset.Digest{1}, serialset.Digest{2}
	c := New(nil, Config{}, time.Now, nil, nil)
	c.ranges.open = map[serialset.Digest]*head{used: {}, gone: {}}
	ca := &authority{lists: []*list{{form: form{own: &setRef{digest: used}}}}}
	c.sets.keep(&snapshot{cas: []*authority{ca}})
	if len(c.ranges.open) != 1 || c.ranges.open[used] == nil {
		t.Errorf("the heads that are kept: %v", c.ranges.open)
	}
}

// A slot's part is fetched once, and then nothing is kept of that. One of a newer
// format is no corrupt one.
func TestPartLoadsAreForgotten(t *testing.T) {
	for body, c := range map[string]struct {
		digest string
		loads  int
		bad    int
		err    error
	}{
		`{"format":1}`:  {loads: 0},
		`{"format":99}`: {loads: 1, err: catalog.ErrFormat},
		"{}":            {digest: strings.Repeat("00", 32), loads: 1, bad: 1, err: catalog.ErrCorrupt},
	} {
		if c.digest == "" {
			c.digest = fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
		}
		m := &imageStore{}
		store := &pieceStore{meets: func(context.Context, int) ([]byte, error) { return []byte(body), nil }, any: true}
		cache := New(store, Config{}, time.Now, slog.New(slog.DiscardHandler), m)
		s := &slot{digest: c.digest}
		l := cache.loadPart(s)
		if <-l.done; !errors.Is(l.err, c.err) || (s.filled.Load() != nil) != (l.err == nil) || m.corrupt != c.bad {
			t.Errorf("%s: %v, filled with %v, %d fail their hash", body, l.err, s.filled.Load(), m.corrupt)
		}
		if n := len(cache.parts.loads); n != c.loads {
			t.Errorf("%s: %d loads are kept, want %d", body, n, c.loads)
		}
	}
}

// Till a part of the catalog is there, what stood in its place answers: all of a CA's
// CRLs that the catalog kept itself, or the part, or the one from which it was split
// off, with the moment at which that was last known to be current. What was read of a
// part that is still the same is that part. An empty one needs nothing.
func TestWhatStandsInForAPart(t *testing.T) {
	earlier, now := time.Unix(1000, 0), time.Unix(2000, 0)
	a, b, inline := []*list{{}}, []*list{{}}, []*list{{}}
	table := func(bits int, refs ...string) *catalog.Parts { return &catalog.Parts{Bits: bits, Refs: refs} }
	old := func(filled ...*filling) *authority {
		ca := &authority{table: table(1, "a", "b"), slots: newSlots(table(1, "a", "b"), nil, time.Time{})}
		for i, f := range filled {
			ca.slots[i].filled.Store(f)
		}
		return ca
	}
	one, other, late := &filling{lists: a}, &filling{lists: b}, &filling{a, earlier}
	empty, none := filling{}, (*filling)(nil)
	for name, c := range map[string]struct {
		next *catalog.Parts
		old  *authority
		want []*filling
	}{
		"no parts":                       {nil, old(one, other), nil},
		"the first":                      {table(1, "a", ""), nil, []*filling{none, &empty}},
		"from the catalog itself":        {table(1, "a", ""), &authority{lists: inline}, []*filling{{inline, now}, &empty}},
		"the same":                       {table(1, "a", "b"), old(one, other), []*filling{one, other}},
		"the same, of which one is read": {table(1, "a", "b"), old(one), []*filling{one, none}},
		"replaced":                       {table(1, "a2", "b"), old(one, other), []*filling{{a, now}, other}},
		"replaced, and emptied":          {table(1, "a2", ""), old(one, other), []*filling{{a, now}, &empty}},
		"the same, and not there yet":    {table(1, "a", "b"), old(late, other), []*filling{late, other}},
		"replaced, and not there yet":    {table(1, "a2", "b"), old(late, other), []*filling{late, other}},
		"split":                          {table(2, "a2", "a3", "b2", "b3"), old(one, other), []*filling{{a, now}, {a, now}, {b, now}, {b, now}}},
		"split, of which one is read":    {table(2, "a2", "a3", "b2", "b3"), old(nil, other), []*filling{none, none, {b, now}, {b, now}}},
		"put together":                   {table(0, "ab"), old(one, other), []*filling{none}},
	} {
		slots := newSlots(c.next, c.old, now)
		if len(slots) != len(c.want) {
			t.Errorf("%s: %d slots", name, len(slots))
			continue
		}
		for i, s := range slots {
			got := s.filled.Load()
			if (got == nil) != (c.want[i] == nil) || got != nil && (!got.at.Equal(c.want[i].at) || len(got.lists) != len(c.want[i].lists) || len(got.lists) == 1 && got.lists[0] != c.want[i].lists[0]) {
				t.Errorf("%s: in part %d stands %+v, want %+v", name, i, got, c.want[i])
			}
			if s.digest != c.next.Refs[i] {
				t.Errorf("%s: part %d is %q", name, i, s.digest)
			}
		}
	}
}

// A loop over a CA's CRLs may be left after any of them.
func TestLoopOverCRLsMayEnd(t *testing.T) {
	table := &catalog.Parts{Refs: []string{"part"}}
	a := &authority{issuer: &issuer.CA{}, lists: []*list{{}, {}}, table: table, slots: newSlots(table, nil, time.Time{})}
	a.slots[0].filled.Store(&filling{lists: []*list{{}, {}}})
	points := []point{{names: [][]byte{[]byte("point"), []byte("another")}}}
	for after := range 5 {
		n := 0
		for range a.at(points) {
			if n++; n > after {
				break
			}
		}
		if n != min(after+1, 4) {
			t.Errorf("%d CRLs, left after %d of 4", n, after)
		}
	}
}
