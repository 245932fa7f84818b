package crash

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// published is the cache bucket of worlds, one after the other, as the
// preprocessor fills it.
func published(t *testing.T, worlds ...*world) machine.Objects {
	t.Helper()
	_, cache := buckets(t, worlds...)
	out := machine.Objects{}
	for _, key := range cache.Keys() {
		out[key], _, _ = cache.Load(key)
	}
	return out
}

// buckets are both of them.
func buckets(t *testing.T, worlds ...*world) (uploads, cache *objectstoretest.Bucket) {
	t.Helper()
	uploads = objectstoretest.NewBucket(objectstoretest.Named("uploads"))
	cache = objectstoretest.NewBucket(objectstoretest.Named("cache"))
	p := preprocess.New(uploads, cache, preprocess.Config{UploadBucket: "uploads", IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/", "crl/"}, CacheJSON: true},
		slog.New(slog.DiscardHandler), nil)
	for _, w := range worlds {
		if w.err != nil {
			t.Fatal(w.err)
		}
		for key, data := range w.uploads {
			if data == nil {
				uploads.Remove(key)
			} else {
				uploads.Store(key, data)
			}
		}
		if err := p.Reconcile(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return uploads, cache
}

// The audit finds nothing wrong with what the preprocessor wrote, in every
// scenario, and something with each way to damage it.
func TestAudit(t *testing.T) {
	scenarios, err := Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios {
		for _, w := range []*world{s.prepare, s.change} {
			w.state.JSON = true
		}
		worlds := append(s.earlier, s.prepare)
		before := read(published(t, worlds...))
		if before.matches(s.prepare.state); len(before.faults) > 0 {
			t.Errorf("%s, before: %v", s.Name, before.faults)
		}
		if s.asks != nil {
			continue // the change is not one of uploads
		}
		s.change.state.Swept, s.change.state.Foreign = false, nil // these buckets are young
		uploads, cache := buckets(t, append(worlds, s.change)...)
		if faults, err := check(t.Context(), uploads, cache, s.change.state); err != nil || len(faults) > 0 {
			t.Errorf("%s, after: %v, %v", s.Name, faults, err)
		}
		objects := machine.Objects{}
		for _, key := range cache.Keys() {
			objects[key], _, _ = cache.Load(key)
		}
		after := read(objects)
		after.matches(s.change.state)
		after.between(s.prepare.state, s.change.state)
		if after.follows(before); len(after.faults) > 0 {
			t.Errorf("%s, after: %v", s.Name, after.faults)
		}
	}
}

func TestAuditFindsDamage(t *testing.T) {
	p := newPlain(true)
	p.state.JSON = true
	sound := published(t, p.world)
	started := read(sound)
	set := started.crls["alpha"]["crls/alpha.crl"].record.Set.Key
	edit := func(change func(c *catalog.Catalog)) func(o machine.Objects) {
		return func(o machine.Objects) {
			c, err := catalog.Parse(o[catalog.Key])
			if err != nil {
				t.Fatal(err)
			}
			change(c)
			if o[catalog.Key], err = json.Marshal(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	old := published(t, newPlain(false).world)
	for name, damage := range map[string]func(o machine.Objects){
		"no catalog":         func(o machine.Objects) { delete(o, catalog.Key) },
		"half a catalog":     func(o machine.Objects) { o[catalog.Key] = o[catalog.Key][:100] },
		"another catalog":    func(o machine.Objects) { o[catalog.Key] = old[catalog.Key] },
		"set lost":           func(o machine.Objects) { delete(o, set) },
		"set cut":            func(o machine.Objects) { o[set] = o[set][:len(o[set])-1] },
		"bit of a set":       func(o machine.Objects) { o[set] = slices.Clone(o[set]); o[set][len(o[set])-3] ^= 1 },
		"report lost":        func(o machine.Objects) { delete(o, "reports/crls/alpha.crl.json") },
		"report of another":  func(o machine.Objects) { o["reports/crls/alpha.crl.json"] = o["reports/crls/beta.crl.json"] },
		"JSON lost":          func(o machine.Objects) { delete(o, "sets/crls_2falpha.crl.cache.json") },
		"JSON of another":    func(o machine.Objects) { o["sets/crls_2falpha.crl.cache.json"] = o["sets/crls_2fbeta.crl.cache.json"] },
		"CA lost":            edit(func(c *catalog.Catalog) { delete(c.CAs, "alpha") }),
		"CA of nobody":       edit(func(c *catalog.Catalog) { c.CAs["gamma"] = c.CAs["alpha"] }),
		"other certificates": edit(func(c *catalog.Catalog) { c.CAs["alpha"].Certificates = c.CAs["beta"].Certificates }),
		"CRL lost":           edit(func(c *catalog.Catalog) { c.CAs["alpha"].CRLs = nil }),
		"CRL of another CA":  edit(func(c *catalog.Catalog) { c.CAs["alpha"].CRLs = c.CAs["beta"].CRLs }),
		"floors lost":        edit(func(c *catalog.Catalog) { c.Floors = nil }),
		"entries miscounted": edit(func(c *catalog.Catalog) { c.CAs["alpha"].CRLs[0].Entries = 2 }),
		"kind":               edit(func(c *catalog.Catalog) { c.CAs["alpha"].CRLs[0].Kind = "delta" }),
		"number":             edit(func(c *catalog.Catalog) { c.CAs["alpha"].CRLs[0].Number = c.CAs["beta"].CRLs[0].Number }),
		"denied by nobody": edit(func(c *catalog.Catalog) {
			c.CAs["alpha"].Settings.Deny = append(c.CAs["alpha"].Settings.Deny, []byte{1})
		}),
		"generation back":     edit(func(c *catalog.Catalog) { c.Generation = 0 }),
		"all of another time": func(o machine.Objects) { clear(o); maps.Copy(o, old) },
	} {
		o := maps.Clone(sound)
		damage(o)
		a := read(o)
		a.matches(p.state)
		a.follows(started)
		if len(a.faults) == 0 {
			t.Errorf("%s: no fault found", name)
		}
	}
}

func TestOrphans(t *testing.T) {
	o := published(t, newPlain(true).world)
	if got := read(o).orphans(); len(got) != 0 {
		t.Errorf("orphans %v in a sound bucket", got)
	}
	o["sets/x/y.cache"], o["catalog/z.json"] = []byte("x"), []byte("{}")
	if got := read(o).orphans(); !slices.Equal(got, []string{"catalog/z.json", "sets/x/y.cache"}) {
		t.Errorf("orphans %v", got)
	}
}

// What a client may be answered between two moments.
func TestMay(t *testing.T) {
	c := func(reason string) Client { return Client{Allow: reason == "good", Reason: reason} }
	for _, tc := range []struct {
		before, after, got string
		may                bool
	}{
		{"good", "good", "good", true},
		{"good", "good", "no_crl", false},
		{"revoked", "revoked", "revoked", true},
		{"revoked", "revoked", "good", false},
		{"revoked", "revoked", "cache_unavailable", false},
		{"revoked", "unknown_issuer", "good", false},
		{"revoked", "unknown_issuer", "unknown_issuer", true},
		{"good", "revoked", "good", true},
		{"good", "revoked", "revoked", true},
		{"unknown_issuer", "good", "no_crl", true},
	} {
		if got := may(c(tc.before), c(tc.after), true, tc.got == "good", tc.got); got != tc.may {
			t.Errorf("%s, then %s: answered %s: %v, want %v", tc.before, tc.after, tc.got, got, tc.may)
		}
	}
}

// Two states that differ in times only are one, others are not.
func TestDigest(t *testing.T) {
	c := machine.Contents{Cache: machine.Objects{"catalog.json": []byte(`{"updated":"2026-11-21T21:54:27.45Z","n":1}`)}}
	later, other := c.Clone(), c.Clone()
	later.Cache["catalog.json"] = bytes.ReplaceAll(c.Cache["catalog.json"], []byte("54:27.45"), []byte("59:01"))
	other.Cache["catalog.json"] = bytes.ReplaceAll(c.Cache["catalog.json"], []byte(`"n":1`), []byte(`"n":2`))
	if digest(c) != digest(later) || digest(c) == digest(other) {
		t.Error("times count, or something else does not")
	}
}

func TestTables(t *testing.T) {
	r := &Result{Names: []string{"s"}, Calls: map[string]int{"s": 2}, Cells: []*Cell{
		{Scenario: "s", Call: 1, Method: "GET", Class: "catalog"},
		{Scenario: "s", Call: 2, Method: "PUT", Class: "set", Cut: 2, Orphans: 1, Faults: []string{"lost"}, Log: []string{"a line"}},
	}}
	if got := r.Summary(); !strings.Contains(got, "| s | 2 | 2 | 2 | 1 | **1 of 2** |") {
		t.Errorf("summary:\n%s", got)
	}
	if got := r.Table(); !strings.Contains(got, "| s | 1 | GET catalog | recovered | – | – |") || !strings.Contains(got, "| s | 2 | PUT set | – | – | **not recovered** |") {
		t.Errorf("table:\n%s", got)
	}
	if got := r.Failures(); !strings.Contains(got, "lost") || !strings.Contains(got, "a line") || len(r.Failed()) != 1 {
		t.Errorf("failures:\n%s", got)
	}
}
