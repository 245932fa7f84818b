package preprocess_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// edit is a change of a source file.
type edit struct{ file, from, to string }

// bugs are put into the write path on purpose, one at a time. The model must
// find each, by the invariant that it breaks.
var bugs = []struct {
	name  string
	edits []edit
	finds string // an invariant of docs/design/invariants.md
	in    string // the scenario in which it is found
}{
	{
		"the catalog is written without If-Match",
		[]edit{{"publish.go", `objectstore.PutOptions{IfMatch: version, IfNoneMatch: version == "", ContentType: "application/json"}
		_, err = p.cache.Put(ctx, catalog.Key, bytes.NewReader(data), opts)`, `objectstore.PutOptions{ContentType: "application/json"}
		_, err = p.cache.Put(ctx, catalog.Key, bytes.NewReader(data), opts)`}},
		"W2", // two of one generation
		"an issuer and its first CRL at a time",
	},
	{
		"sets are written after the catalog that names them",
		[]edit{
			{"enter.go", "return write, p.putSets(ctx, entries, now)", "return write, nil"},
			{"enter.go", "	r := e.report\n	if e.refused != nil {\n		r.refuse", "	r := e.report\n	if err := p.putSets(ctx, []*entry{e}, now); err != nil {\n		return err\n	}\n	if e.refused != nil {\n		r.refuse"},
		},
		"W1",
		"the first CRL, and its event twice",
	},
	{
		"the sequence check is inverted",
		[]edit{{"../catalog/succession.go", "case cmp < 0:", "case cmp > 0:"}},
		"W5",
		"a replacement, and the timer",
	},
	{
		"the floor is forgotten",
		[]edit{{"../catalog/succession.go", "	c.raise(l.Line, floorOf(ca, l))\n	c.Unwait", "	c.Unwait"}},
		"W3",
		"the first CRL, and its event twice",
	},
	{
		"a write that came second is taken for one that was made",
		[]edit{{"publish.go", "case err == nil:\n			p.log.Info(\"catalog written\"", "case err == nil, errors.Is(err, objectstore.ErrPreconditionFailed):\n			p.log.Info(\"catalog written\""}},
		"W6",
		"CRLs of two CAs at a time",
	},
}

// TestModelFindsBugs builds the write path with each bug in it and runs the model
// on it.
func TestModelFindsBugs(t *testing.T) {
	if os.Getenv("CRLGATE_MODEL") == "bug" {
		t.Skip("this is a run for one bug")
	}
	if raced {
		t.Skip("what is built for each bug is not built with the race detector")
	}
	dir := t.TempDir()
	for i, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			sources := map[string]string{} // by absolute path, the changed text
			for _, e := range b.edits {
				path, err := filepath.Abs(e.file)
				if err != nil {
					t.Fatal(err)
				}
				text, edited := sources[path]
				if !edited {
					source, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					text = string(source)
				}
				if strings.Count(text, e.from) != 1 {
					t.Fatalf("%s does not hold this once, so the bug cannot be put in:\n%s", e.file, e.from)
				}
				sources[path] = strings.Replace(text, e.from, e.to, 1)
			}
			out, err := runOverlaid(t, filepath.Join(dir, string(rune('a'+i))), b.in, sources)
			if err == nil {
				t.Fatalf("the model does not find it:\n%s", out)
			}
			found := ""
			for line := range strings.Lines(out) {
				if at := strings.Index(line, b.finds); at >= 0 && strings.Contains(line, ": W") {
					found = strings.TrimSpace(line)
					break
				}
			}
			if found == "" {
				t.Fatalf("the model fails, and not by invariant %s:\n%s", b.finds, out)
			}
			t.Log(found)
		})
	}
}

// runOverlaid runs one scenario of TestModel with other texts in place of source files.
func runOverlaid(t *testing.T, dir, scenario string, sources map[string]string) (string, error) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for path, text := range sources {
		other := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[path] = other
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-overlay", list, "-run", "^TestModel$/^"+scenario+"$", "-failfast", ".")
	cmd.Env = append(os.Environ(), "CRLGATE_MODEL=bug")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
