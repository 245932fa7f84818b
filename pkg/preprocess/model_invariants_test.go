package preprocess_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/preprocess"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// view is what a reader could find in the cache bucket at one moment.
type view struct {
	data    []byte // of catalog.json; nil: there is none
	catalog *catalog.Catalog
	fault   string // what makes it unusable
	promise string // which report says more than the catalog
}

// inspect reads the catalog, and every set that it names, as a reader would.
func inspect(w *world) view {
	data, _, ok := w.cache.Load(catalog.Key)
	if !ok {
		return view{catalog: catalog.New()}
	}
	c, err := catalog.Parse(data)
	if err != nil {
		return view{data: data, catalog: catalog.New(), fault: fmt.Sprintf("W1: the catalog cannot be read: %v", err)}
	}
	v := view{data: data, catalog: c}
	for _, ca := range c.CAs {
		for _, l := range ca.CRLs {
			for _, s := range l.AllSets() {
				body, _, ok := w.cache.Load(s.Key)
				if !ok {
					v.fault = fmt.Sprintf("W1: the catalog names %s, which is not there", s.Key)
					continue
				}
				d, err := s.Digest()
				if err == nil {
					_, err = serialset.Open(body, d)
				}
				if err != nil || int64(len(body)) != s.Size {
					v.fault = fmt.Sprintf("W1: %s is not what the catalog names: %v", s.Key, err)
				}
			}
		}
	}
	return v
}

// promised says which report tells of an acceptance that the catalog has never
// heard of, or "".
func (v view) promised(w *world) string {
	for _, key := range w.cache.Keys() {
		if !strings.HasPrefix(key, catalog.ReportPrefix) {
			continue
		}
		body, _, _ := w.cache.Load(key)
		var r preprocess.Report
		if err := json.Unmarshal(body, &r); err != nil {
			return fmt.Sprintf("W6: %s cannot be read: %v", key, err)
		}
		if r.Outcome != preprocess.OutcomeAccepted || r.Line == "" {
			continue
		}
		number, ok := new(big.Int).SetString(r.Number, 10)
		if f := v.catalog.Floors[r.Line]; !ok || f == nil || f.Number.Int().Cmp(number) < 0 {
			return fmt.Sprintf("W6: %s says accepted of CRL number %s, and the catalog does not have it", key, r.Number)
		}
	}
	return ""
}

// follows says what is wrong with a view that came after another, or "".
func (v view) follows(before view, gone bool) string {
	if v.fault != "" {
		return v.fault
	}
	if bytes.Equal(v.data, before.data) {
		return ""
	}
	if before.data != nil && v.data == nil {
		return "W2: the catalog is gone"
	}
	if v.catalog.Generation <= before.catalog.Generation {
		return fmt.Sprintf("W2: generation %d came after %d", v.catalog.Generation, before.catalog.Generation)
	}
	for line, f := range before.catalog.Floors {
		now := v.catalog.Floors[line]
		if now == nil || now.Number.Int().Cmp(f.Number.Int()) < 0 || now.ThisUpdate.Before(f.ThisUpdate) {
			return fmt.Sprintf("W3: the floor of line %s went from number %s to %v", line, f.Number, now)
		}
	}
	numbers := map[string]*catalog.CRL{}
	for _, ca := range v.catalog.CAs {
		for _, l := range ca.CRLs {
			numbers[l.Line] = l
			if f := v.catalog.Floors[l.Line]; f == nil || f.Number.Int().Cmp(l.Number.Int()) < 0 {
				return fmt.Sprintf("W3: CRL number %s of line %s serves above its floor", l.Number, l.Line)
			}
		}
	}
	for name, ca := range before.catalog.CAs {
		for _, l := range ca.CRLs {
			switch now := numbers[l.Line]; {
			case now == nil && !gone:
				return fmt.Sprintf("W4: CRL number %s of CA %s is not in force any more", l.Number, name)
			case now != nil && now.Number.Int().Cmp(l.Number.Int()) < 0:
				return fmt.Sprintf("W4: CRL number %s of CA %s came after number %s", now.Number, name, l.Number)
			}
		}
	}
	return ""
}

// recovered runs the timer once, as a process that starts anew, and says what
// is then not as the upload bucket says, or "".
func recovered(ctx context.Context, w *world, s *interplay, before view) string {
	timer := func() error {
		return preprocess.New(w.uploads, w.cache, w.config, slog.New(slog.DiscardHandler), nil).Reconcile(ctx, w.now)
	}
	if err := timer(); err != nil {
		return fmt.Sprintf("W5: the timer fails: %v", err)
	}
	after := inspect(w)
	if broken := after.follows(before, s.gone); broken != "" {
		return broken + ", in the timer's run"
	}
	if got := inForce(after.catalog); !slices.Equal(got, s.want) {
		return fmt.Sprintf("W5: after the timer %q is in force, want %q", got, s.want)
	}
	for _, key := range w.uploads.Keys() {
		if r, err := preprocess.ReadReport(ctx, w.cache, key); err != nil || r == nil {
			return fmt.Sprintf("W6: after the timer there is no report on %s: %v", key, err)
		}
	}
	if err := timer(); err != nil {
		return fmt.Sprintf("W5: the second timer fails: %v", err)
	}
	if again := inspect(w); !bytes.Equal(again.data, after.data) {
		return "W5: the second timer finds more to do"
	}
	return ""
}
