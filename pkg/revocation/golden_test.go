package revocation_test

// The buckets as each version of the cache format was written, kept for ever:
// whatever crlgate becomes, it reads them, answers from them as it was meant,
// and goes on from them. An archive is never made again; a change of the format
// adds one beside those that are there.

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

var writeGolden = flag.Bool("write-golden", false, "write the archive of this version's cache format, if there is none")

const goldenFolder = "testdata/golden"

// golden is one archive: both buckets at a moment, and what must be answered
// then.
type golden struct {
	At             time.Time
	Answers        []goldenAnswer
	uploads, cache map[string][]byte
}

type goldenAnswer struct {
	Name string
	Cert []byte // DER
	Want string // see state
}

const goldenAnswers = "answers.json"

func readGolden(t *testing.T, path string) *golden {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	g := &golden{uploads: map[string][]byte{}, cache: map[string][]byte{}}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		switch bucket, key, _ := strings.Cut(f.Name, "/"); {
		case f.Name == goldenAnswers:
			if err := json.Unmarshal(body, g); err != nil {
				t.Fatal(err)
			}
		case bucket == "uploads":
			g.uploads[key] = body
		case bucket == "cache":
			g.cache[key] = body
		default:
			t.Fatalf("%s holds %s, which is of neither bucket", path, f.Name)
		}
	}
	if len(g.Answers) < 10 || len(g.cache) < 40 {
		t.Fatalf("%s holds only %d answers and %d objects", path, len(g.Answers), len(g.cache))
	}
	return g
}

// world is the golden buckets, behind today's write path and read path.
func (g *golden) world(t *testing.T) *rfcWorld {
	w := newRFCWorld(t)
	w.moment.Store(g.At.UnixNano())
	for bucket, objects := range map[*objectstoretest.Bucket]map[string][]byte{w.uploads: g.uploads, w.cache: g.cache} {
		for _, key := range slices.Sorted(maps.Keys(objects)) {
			bucket.Store(key, objects[key])
		}
	}
	return w
}

func (g *golden) check(t *testing.T, w *rfcWorld, when string) {
	t.Helper()
	w.restart()
	for _, a := range g.Answers {
		cert, err := clientcert.Parse(a.Cert)
		if err != nil {
			t.Fatalf("%s: %v", a.Name, err)
		}
		if answer := w.read.Ask(t.Context(), cert, w.now()); state(answer) != a.Want {
			t.Errorf("%s: %s is %s, want %s: %s", when, a.Name, state(answer), a.Want, answer.Detail)
		}
	}
}

func TestGoldenCacheObjects(t *testing.T) {
	archives, err := filepath.Glob(filepath.Join(goldenFolder, "v*.zip"))
	if err != nil {
		t.Fatal(err)
	}
	if newest := fmt.Sprintf("v%d.zip", catalog.Format); !slices.ContainsFunc(archives, func(p string) bool { return filepath.Base(p) == newest }) {
		if !*writeGolden {
			t.Fatalf("%s holds no %s: this version of the format has no golden objects (go test ./pkg/revocation -run Golden -write-golden)", goldenFolder, newest)
		}
		archives = append(archives, makeGolden(t, filepath.Join(goldenFolder, newest)))
	}
	for _, path := range archives {
		t.Run(filepath.Base(path), func(t *testing.T) {
			g := readGolden(t, path)

			t.Run("read", func(t *testing.T) { g.check(t, g.world(t), "as it was written") })

			// A newer writer of the same version may add fields.
			t.Run("unknown fields", func(t *testing.T) {
				w := g.world(t)
				w.cache.Corrupt(catalog.Key, func(b []byte) []byte {
					added := bytes.ReplaceAll(b, []byte(`"source": {`), []byte(`"added_later": {"x": [1]}, "source": {"added_later": null, `))
					if bytes.Equal(added, b) {
						t.Fatal("no field was added")
					}
					return added
				})
				g.check(t, w, "with fields of a later writer")
			})

			// A version that this reader does not know is refused, cold or warm.
			t.Run("newer format", func(t *testing.T) {
				w := g.world(t)
				g.check(t, w, "before")
				warm := w.read
				w.cache.Corrupt(catalog.Key, func(b []byte) []byte {
					return bytes.Replace(b, fmt.Appendf(nil, `"format": %d`, catalog.Format), []byte(`"format": 1000`), 1)
				})
				w.restart()
				leaf, err := clientcert.Parse(g.Answers[0].Cert)
				if err != nil {
					t.Fatal(err)
				}
				if a := w.read.Ask(t.Context(), leaf, w.now()); a.Unavailable == nil {
					t.Errorf("a cold reader took a catalog of format 1000: %s", state(a))
				}
				w.later(time.Minute)
				if a := warm.Ask(t.Context(), leaf, w.now()); state(a) != g.Answers[0].Want {
					t.Errorf("a warm reader: %s, want %s", state(a), g.Answers[0].Want)
				}
			})

			// Nor does an older writer put anything in its place, though there are copies
			// of the catalog before it that it could read.
			t.Run("older writer", func(t *testing.T) {
				w := g.world(t)
				w.cache.Corrupt(catalog.Key, func(b []byte) []byte {
					return bytes.Replace(b, fmt.Appendf(nil, `"format": %d`, catalog.Format), []byte(`"format": 1000`), 1)
				})
				newer, _, _ := w.cache.Load(catalog.Key)
				for _, request := range []string{`{"crlgate":"reconcile"}`, `{"crlgate":"repair"}`} {
					if err := w.write.Handle(t.Context(), []byte(request), w.now()); !errors.Is(err, catalog.ErrFormat) {
						t.Errorf("%s: %v, want an error that says that the format is not known", request, err)
					}
					if now, _, _ := w.cache.Load(catalog.Key); !bytes.Equal(now, newer) {
						t.Errorf("%s wrote over a catalog of a newer format", request)
					}
				}
			})

			// Today's preprocessor goes on from there, and forgets nothing.
			t.Run("go on", func(t *testing.T) {
				w := g.world(t)
				if err := w.write.Reconcile(t.Context(), w.now()); err != nil {
					t.Fatal(err)
				}
				g.check(t, w, "after a reconciliation")
				for key, old := range g.uploads {
					if strings.HasPrefix(key, "crls/older-") {
						w.upload(strings.Replace(key, "older-", "", 1), old, "refused number_too_low")
					}
				}
				g.check(t, w, "after older CRLs came")
			})
		})
	}
}

// makeGolden writes the archive of this version: complete and delta CRLs with
// reasons, a rollover, two CAs of one name, an indirect CRL, partitions in parts
// of the catalog, settings, and floors.
func makeGolden(t *testing.T, path string) string {
	w := newRFCWorld(t)
	g := &golden{uploads: map[string][]byte{}, cache: map[string][]byte{}}
	answer := func(name string, leaf *pki.Leaf, want string) {
		g.Answers = append(g.Answers, goldenAnswer{name, leaf.DER, want})
	}

	plain := w.newCA("Plain", pki.CAOptions{})
	w.trust("plain", plain)
	older := w.sign(plain, 4, pki.CRLOptions{ThisUpdate: w.now().Add(-3 * time.Hour)})
	w.publish("plain", plain, 5, pki.CRLOptions{Entries: append(listed(pki.KeyCompromise, 1, -128, 1<<40), listed(pki.CertificateHold, 2, 3)...)})
	w.publish("plain-delta", plain, 6, pki.CRLOptions{BaseNumber: big.NewInt(5), Entries: append(listed(pki.Superseded, 4), listed(pki.RemoveFromCRL, 2)...)})
	for serial, want := range map[int64]string{1: "revoked", 1 << 40: "revoked", 2: "good", 3: "revoked", 4: "revoked", 5: "good"} {
		answer(fmt.Sprintf("plain %d", serial), w.leaf(plain, serial, pki.LeafOptions{}), want)
	}

	twin := w.newCA("Plain", pki.CAOptions{})
	w.trust("twin", twin)
	w.publish("twin", twin, 1, pki.CRLOptions{Entries: listed(pki.NoReason, 5)})
	answer("twin 5", w.leaf(twin, 5, pki.LeafOptions{}), "revoked")
	answer("twin 1", w.leaf(twin, 1, pki.LeafOptions{}), "good")

	lists := w.newCA("Lists", pki.CAOptions{})
	w.trust("lists", lists)
	w.publish("lists", lists, 1, pki.CRLOptions{IDP: &pki.IDP{Indirect: true}, Entries: of(plain, listed(pki.KeyCompromise, 70)...)})
	answer("delegated 70", w.leaf(plain, 70, delegated(t, lists)), "revoked")
	answer("delegated 71", w.leaf(plain, 71, delegated(t, lists)), "good")

	parts := w.newCA("Parts", pki.CAOptions{})
	w.trust("parts", parts)
	for i := range 60 {
		url := fmt.Sprintf("http://crl.example.com/%d.crl", i)
		w.publish(fmt.Sprintf("part-%d", i), parts, 1, pki.CRLOptions{IDP: &pki.IDP{FullNames: []string{url}}, Entries: listed(pki.KeyCompromise, int64(100+i))})
		if i%20 == 7 {
			o := cdp(t, pki.DistributionPoint{FullNames: []string{url}})
			answer(fmt.Sprintf("part %d, listed", i), w.leaf(parts, int64(100+i), o), "revoked")
			answer(fmt.Sprintf("part %d, not listed", i), w.leaf(parts, 99, o), "good")
		}
	}
	answer("no part", w.leaf(parts, 99, pki.LeafOptions{}), "out_of_scope")

	set := w.newCA("Settings", pki.CAOptions{})
	w.trust("settings", set)
	w.settings("settings", `{"domains": ["api.example.com"], "mode": "observe", "grace": "1h", "max_crl_age": "48h", "crl": "optional", "deny": ["0b"]}`)
	answer("on the deny list", w.leaf(set, 11, pki.LeafOptions{}), "revoked")
	answer("without a CRL", w.leaf(set, 12, pki.LeafOptions{}), "no_crl")
	answer("unknown", w.leaf(w.newCA("Nobody", pki.CAOptions{}), 1, pki.LeafOptions{}), "unknown_issuer")

	g.At = w.now()
	slices.SortFunc(g.Answers, func(a, b goldenAnswer) int { return strings.Compare(a.Name, b.Name) })
	for bucket, objects := range map[*objectstoretest.Bucket]map[string][]byte{w.uploads: g.uploads, w.cache: g.cache} {
		for _, key := range bucket.Keys() {
			objects[key], _, _ = bucket.Load(key)
		}
	}
	g.write(t, path, older)
	return path
}

func (g *golden) write(t *testing.T, path string, older []byte) {
	t.Helper()
	files := map[string][]byte{"uploads/crls/older-plain.crl": older}
	for key, body := range g.uploads {
		files["uploads/"+key] = body
	}
	for key, body := range g.cache {
		files["cache/"+key] = body
	}
	var err error
	if files[goldenAnswers], err = json.MarshalIndent(g, "", " "); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := z.Create(name)
		if err == nil {
			_, err = f.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
