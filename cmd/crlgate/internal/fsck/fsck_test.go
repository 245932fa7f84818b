package fsck_test

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/fsck"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

const bucket = "uploads"

// world is two buckets, the preprocessor between them, and a clock.
type world struct {
	t              *testing.T
	uploads, cache *objectstoretest.Bucket
	a, b           *pki.CA
	now            time.Time
	log            bytes.Buffer
}

func newCA(t *testing.T, cn string) *pki.CA {
	t.Helper()
	return pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: cn}})
}

// partitions is how many CRLs CA b has: so many that the catalog goes into parts.
const partitions = 40

// newWorld has one CA with one CRL and settings, and one with many partitions.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, a: newCA(t, "a"), b: newCA(t, "b"), now: time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)}
	clock := objectstoretest.Clock(func() time.Time { return w.now })
	w.uploads, w.cache = objectstoretest.NewBucket(clock, objectstoretest.Named(bucket)), objectstoretest.NewBucket(clock, objectstoretest.Named("cache"))
	w.uploads.Store("issuers/a.pem", w.a.PEM())
	w.uploads.Store("issuers/a.json", []byte(`{"grace":"1h","deny":["0a"]}`))
	w.uploads.Store("issuers/b.pem", w.b.PEM())
	w.uploads.Store("crls/a.crl", w.crl(w.a, 5, "", 1, 2, 3))
	for i := range partitions {
		w.uploads.Store(fmt.Sprintf("crls/b-%d.crl", i), w.crl(w.b, 1, fmt.Sprintf("http://b.example/%d.crl", i), int64(i+1)))
	}
	w.handle(preprocess.ReconcileRequest)
	w.wantClean()
	return w
}

func (w *world) crl(ca *pki.CA, number int64, point string, serials ...int64) []byte {
	w.t.Helper()
	o := pki.CRLOptions{Number: big.NewInt(number), ThisUpdate: w.now.Add(-time.Hour), NextUpdate: w.now.Add(100 * time.Hour)}
	if point != "" {
		o.IDP = &pki.IDP{FullNames: []string{point}}
	}
	for _, s := range serials {
		o.Entries = append(o.Entries, pki.Entry{Serial: big.NewInt(s)})
	}
	return pkitest.CRL(w.t, ca, o)
}

func (w *world) handle(payload string) {
	w.t.Helper()
	p := preprocess.New(w.uploads, w.cache, preprocess.Config{
		UploadBucket: bucket, IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/", "crl/"}, SweepAfter: 24 * time.Hour,
	}, slog.New(slog.NewJSONHandler(&w.log, nil)), nil)
	if err := p.Handle(w.t.Context(), []byte(payload), w.now); err != nil {
		w.t.Logf("the preprocessor: %v", err)
	}
}

func (w *world) options() fsck.Options {
	return fsck.Options{Now: w.now, IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/", "crl/"}, Deep: true, SweepAfter: 24 * time.Hour}
}

func (w *world) check() *fsck.Result {
	w.t.Helper()
	r, err := fsck.Check(context.Background(), w.uploads, w.cache, w.options())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) wantClean() {
	w.t.Helper()
	if r := w.check(); !r.Clean() {
		w.t.Fatalf("differences: %s\n%s", lines(r), w.log.String())
	}
}

func lines(r *fsck.Result) string {
	var out []string
	for _, d := range r.Differences {
		out = append(out, fmt.Sprintf("%s %s: %s", d.Code, d.Object, d.Detail))
	}
	return strings.Join(out, "\n")
}

func codes(r *fsck.Result) []string {
	var out []string
	for _, d := range r.Differences {
		out = append(out, string(d.Code))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// edit changes the catalog by hand, with a copy of it if that is to go unseen.
func (w *world) edit(hide bool, change func(c *catalog.Catalog)) {
	w.t.Helper()
	data, _, _ := w.cache.Load(catalog.Key)
	c, err := catalog.Parse(data)
	if err != nil {
		w.t.Fatal(err)
	}
	change(c)
	if data, err = json.Marshal(c); err != nil {
		w.t.Fatal(err)
	}
	w.cache.Store(catalog.Key, data)
	if hide {
		w.cache.Store(catalog.GenerationKey(c.Generation, data), data)
	}
}

// find returns the first key of the cache bucket that begins so.
func (w *world) find(prefix string) string {
	w.t.Helper()
	for _, k := range w.cache.Keys() {
		if strings.HasPrefix(k, prefix) && !strings.Contains(k, "generations/") {
			return k
		}
	}
	w.t.Fatalf("nothing under %s", prefix)
	return ""
}

func (w *world) part(of func(c *catalog.Catalog) *catalog.Parts) string {
	w.t.Helper()
	data, _, _ := w.cache.Load(catalog.Key)
	c, err := catalog.Parse(data)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, ref := range of(c).Refs {
		if ref != "" {
			return catalog.PartKey(ref)
		}
	}
	w.t.Fatal("no part")
	return ""
}

func crlParts(c *catalog.Catalog) *catalog.Parts { return c.CAs["b"].Parts }

const setA = "sets/crls_2fa.crl/"

// damages are what is done to the buckets on purpose.
var damages = []struct {
	what   string
	want   []string // codes that are found
	damage func(w *world)
	left   []string // that the preprocessor cannot mend
}{
	{"catalog lost", []string{"catalog_missing"}, func(w *world) { w.cache.Remove(catalog.Key) }, nil},
	{"catalog cut short", []string{"catalog_malformed"}, func(w *world) {
		w.cache.Corrupt(catalog.Key, func(b []byte) []byte { return b[:len(b)/2] })
	}, nil},
	{"catalog of a newer format", []string{"catalog_newer_format"}, func(w *world) {
		w.cache.Corrupt(catalog.Key, func(b []byte) []byte { return bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 2`), 1) })
	}, []string{"catalog_newer_format"}},
	{"an older catalog put back", []string{"catalog_rolled_back", "not_in_force"}, func(w *world) {
		old, _, _ := w.cache.Load(catalog.Key)
		w.uploads.Store("crls/a.crl", w.crl(w.a, 6, "", 1))
		w.handle(preprocess.ReconcileRequest)
		w.cache.Store(catalog.Key, old)
	}, nil},
	{"catalog edited", []string{"catalog_altered"}, func(w *world) {
		w.edit(false, func(c *catalog.Catalog) { c.Updated = c.Updated.Add(time.Second) })
	}, []string{"catalog_altered"}},
	{"part lost", []string{"part_missing"}, func(w *world) { w.cache.Remove(w.part(crlParts)) }, nil},
	{"part damaged", []string{"part_damaged"}, func(w *world) {
		w.cache.Corrupt(w.part(crlParts), func(b []byte) []byte { return bytes.Replace(b, []byte("complete"), []byte("complexe"), 1) })
	}, nil},
	{"set lost", []string{"set_missing"}, func(w *world) { w.cache.Remove(w.find(setA)) }, nil},
	{"set lost, and its upload", []string{"set_missing", "upload_gone"}, func(w *world) {
		w.cache.Remove(w.find(setA))
		w.uploads.Remove("crls/a.crl")
		w.handle(preprocess.ReconcileRequest)
	}, []string{"set_missing", "upload_gone"}},
	{"set of a partition lost", []string{"set_missing"}, func(w *world) { w.cache.Remove(w.find("sets/crls_2fb-7.crl/")) }, nil},
	{"set cut short", []string{"set_resized"}, func(w *world) {
		w.cache.Corrupt(w.find(setA), func(b []byte) []byte { return b[:len(b)-1] })
	}, nil},
	{"set longer", []string{"set_resized"}, func(w *world) {
		w.cache.Corrupt(w.find(setA), func(b []byte) []byte { return append(b, 0) })
	}, nil},
	{"a bit of a set", []string{"set_damaged"}, func(w *world) {
		w.cache.Corrupt(w.find(setA), func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	}, nil},
	{"another CRL's set", []string{"crl_differs"}, func(w *world) {
		w.edit(true, func(c *catalog.Catalog) {
			l := *c.CAs["a"].CRLs[0]
			other, _, _ := w.cache.Load(w.find("sets/crls_2fb-1.crl/"))
			l.Set.Key = w.find("sets/crls_2fb-1.crl/")
			l.Set.Size, l.Set.SHA256 = int64(len(other)), strings.TrimSuffix(l.Set.Key[strings.LastIndex(l.Set.Key, "/")+1:], ".cache")
			c.CAs["a"].CRLs[0] = &l
		})
	}, nil},
	{"nextUpdate put off", []string{"crl_differs"}, func(w *world) {
		w.edit(true, func(c *catalog.Catalog) { c.CAs["a"].CRLs[0].NextUpdate = w.now.Add(1000 * time.Hour) })
	}, nil},
	{"report lost", []string{"report_missing"}, func(w *world) { w.cache.Remove(catalog.ReportKey("crls/a.crl")) }, nil},
	{"report of what is gone", []string{"report_stale"}, func(w *world) {
		w.uploads.Store("crls/bad.crl", []byte("no CRL"))
		w.handle(preprocess.ReconcileRequest)
		w.uploads.Remove("crls/bad.crl")
	}, nil},
	{"event lost", []string{"upload_unseen"}, func(w *world) { w.uploads.Store("crls/a.crl", w.crl(w.a, 6, "", 1)) }, nil},
	{"event of a new upload lost", []string{"upload_unseen"}, func(w *world) { w.uploads.Store("crls/new.crl", w.crl(w.a, 6, "", 1)) }, nil},
	{"event of settings lost", []string{"upload_unseen"}, func(w *world) { w.uploads.Store("issuers/a.json", []byte(`{"grace":"2h"}`)) }, nil},
	{"upload gone", []string{"upload_gone"}, func(w *world) { w.uploads.Remove("crls/a.crl") }, []string{"upload_gone"}},
	{"CRL out of force", []string{"not_in_force"}, func(w *world) {
		w.edit(true, func(c *catalog.Catalog) { c.CAs["a"].CRLs = []*catalog.CRL{} })
	}, nil},
	{"another CA's certificates", []string{"crl_differs", "issuer_differs"}, func(w *world) {
		w.edit(true, func(c *catalog.Catalog) { c.CAs["a"].Certificates = c.CAs["b"].Certificates })
	}, nil},
	{"issuers file gone", []string{"issuer_gone"}, func(w *world) { w.uploads.Remove("issuers/b.pem") }, nil},
	{"settings edited", []string{"settings_differ"}, func(w *world) {
		w.edit(true, func(c *catalog.Catalog) { c.CAs["a"].Settings.Deny = nil })
	}, nil},
	{"floor lowered", []string{"floor_low"}, func(w *world) {
		w.edit(true, func(c *catalog.Catalog) {
			for _, f := range c.Floors {
				if f.CA == "a" {
					f.Number = catalog.NewNumber(big.NewInt(1))
				}
			}
		})
	}, nil},
	{"floor lost", []string{"floor_low"}, func(w *world) {
		w.edit(true, func(c *catalog.Catalog) { c.Floors = nil })
	}, nil},
	{"a set that nothing refers to", []string{"unreferenced"}, func(w *world) {
		w.cache.Store("sets/old/0000.cache", []byte("old"))
		w.now = w.now.Add(40 * time.Hour)
	}, nil},
}

// TestDamage: each kind of damage is found, by its name and by no other, and
// mended by the preprocessor where it can be.
func TestDamage(t *testing.T) {
	found := map[string]bool{}
	for _, d := range damages {
		t.Run(d.what, func(t *testing.T) {
			w := newWorld(t)
			d.damage(w)
			r := w.check()
			if got := codes(r); !slices.Equal(got, d.want) {
				t.Fatalf("found %q, want %q:\n%s", got, d.want, lines(r))
			}
			for _, difference := range r.Differences {
				found[string(difference.Code)] = true
				if difference.Detail == "" || difference.Remedy == "" || difference.Object == "" {
					t.Errorf("it says too little: %+v", difference)
				}
			}
			for _, request := range r.Request() {
				payload, err := json.Marshal(struct {
					Crlgate string `json:"crlgate"`
					preprocess.Repair
				}{"repair", request})
				if err != nil {
					t.Fatal(err)
				}
				w.handle(string(payload))
			}
			after := w.check()
			if got := codes(after); !slices.Equal(got, d.left) {
				t.Errorf("after the repair: %q, want %q:\n%s\n%s", got, d.left, lines(after), w.log.String())
			}
		})
	}
	if len(found) < 20 {
		t.Errorf("only %d kinds of damage", len(found))
	}
	for _, code := range fsck.Codes() {
		if !found[string(code)] {
			t.Errorf("no damage shows as %s", code)
		}
	}
}
