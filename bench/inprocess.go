package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// hashChunk is what SHA-256 is fed at a time: through a buffer that stays in
// cache it is faster than over one large slice.
const hashChunk = 256 << 10

func hashAll(b []byte) error {
	h, buf := sha256.New(), make([]byte, hashChunk)
	for r := bytes.NewReader(b); r.Len() > 0; {
		n, err := r.Read(buf)
		if err != nil {
			return err
		}
		_, _ = h.Write(buf[:n])
	}
	_ = h.Sum(nil)
	return nil
}

// flatten makes of a CRL in memory what the preprocessor publishes, with every
// check, dates and reasons kept.
func flatten(file []byte, cas []*issuer.CA, entries int) error {
	c, err := preprocess.ReadCRL(bytes.NewReader(file), crl.Options{})
	if err != nil {
		return err
	}
	v, err := c.Verify(cas, time.Now())
	if err != nil {
		return err
	}
	_ = v.Image.Digest()
	if v.Image.Len() != entries {
		return fmt.Errorf("%d entries of %d", v.Image.Len(), entries)
	}
	return nil
}

func (s *settings) authorities() ([]*issuer.CA, error) {
	data, err := os.ReadFile(s.issuerPath())
	if err != nil {
		return nil, err
	}
	ca, _, err := issuer.ParseFile("bench", data, issuer.Policy{})
	return []*issuer.CA{ca}, err
}

// inProcess measures bytes in memory to finished set, beside SHA-256 over the
// same bytes.
func inProcess(ctx context.Context, s *settings) (*report, error) {
	cas, err := s.authorities()
	if err != nil {
		return nil, err
	}
	r := &report{Charts: []chart{{File: "inprocess.svg", Title: "Bytes in memory to finished set", Y: "nanoseconds an entry"}}}
	cores := runtime.GOMAXPROCS(0)
	var perEntry []float64
	for _, n := range s.sizes(10_000, 10_000_000) {
		t, err := s.againstHash(cas, n, random, cores)
		if err != nil {
			return nil, err
		}
		ns := median(t.ours) / float64(n) * 1e9
		perEntry = append(perEntry, ns)
		r.add(row{What: "time of an entry, all processors", Entries: n, Value: ns, Unit: "ns", Rounds: len(t.ours)})
		r.Charts[0].point("crlgate", n, ns)
		r.Charts[0].point("SHA-256 alone", n, median(t.hash)/float64(n)*1e9)
		if n < 1_000_000 {
			continue
		}
		r.add(row{What: "set / SHA-256, all processors", Entries: n, Value: ratio(t.ours, t.hash), Unit: "×", Rounds: len(t.ours), Target: 2.5})
		r.add(row{What: "set / SHA-256, all processors, processor time", Entries: n, Value: ratio(t.oursCPU, t.hashCPU), Unit: "×", Rounds: len(t.ours)})
		if t, err = s.againstHash(cas, n, random, 1); err != nil {
			return nil, err
		}
		r.add(row{What: "set / SHA-256, GOMAXPROCS=1", Entries: n, Value: ratio(t.ours, t.hash), Unit: "×", Rounds: len(t.ours), Target: 4})
		r.Charts[0].point("crlgate, GOMAXPROCS=1", n, median(t.ours)/float64(n)*1e9)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	r.add(row{What: "slowest / fastest time of an entry, from 10,000 on", Value: slices.Max(perEntry) / slices.Min(perEntry), Unit: "×", Target: 1.5})
	for _, kind := range []shape{sequential, skewed} {
		if s.max < 1_000_000 {
			break
		}
		t, err := s.againstHash(cas, 1_000_000, kind, cores)
		if err != nil {
			return nil, err
		}
		r.add(row{What: "set / SHA-256, " + kind.name + " serial numbers", Entries: 1_000_000, Value: ratio(t.ours, t.hash), Unit: "×", Rounds: len(t.ours)})
	}
	return r, nil
}

// turns are the seconds that both took, in turns.
type turns struct{ hash, ours, hashCPU, oursCPU []float64 }

func (s *settings) againstHash(cas []*issuer.CA, n int, kind shape, procs int) (t turns, err error) {
	file, err := os.ReadFile(s.crlPath(n, kind))
	if err != nil {
		return t, err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	rounds := min(max(5, 15_000_000/n), 101)
	// A first round is not counted: it is the one that touches memory first.
	if err := flatten(file, cas, n); err != nil {
		return t, err
	}
	var spent []float64
	timed := func(f func() error) func() (float64, error) {
		clock := seconds(func() error {
			before := cpu()
			err := f()
			spent = append(spent, cpu()-before)
			return err
		})
		return clock
	}
	out, err := inTurns(rounds, timed(func() error { return hashAll(file) }), timed(func() error { return flatten(file, cas, n) }))
	if err != nil {
		return t, err
	}
	t.hash, t.ours = out[0], out[1]
	for i, x := range spent {
		if i%2 == 0 {
			t.hashCPU = append(t.hashCPU, x)
		} else {
			t.oursCPU = append(t.oursCPU, x)
		}
	}
	return t, nil
}
