package terminal

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostile is what a name or a key could hold to write over lines, clear the
// screen, set the window's title, or turn text round.
const hostile = "a\r\x1b[Kaccepted\x1b[2J\x1b]0;title\x07\x08\u009b31m\u202eslrc\u2066\x00\x7f"

const harmless = `a\u000d\u001b[Kaccepted\u001b[2J\u001b]0;title\u0007\u0008\u009b31m\u202eslrc\u2066\u0000\u007f`

func TestGuard(t *testing.T) {
	for _, colour := range []bool{false, true} {
		var out bytes.Buffer
		g := &guard{w: &out, colour: colour}
		text := "CRL\tcrls/" + hostile + "\nNächste Zeile → …\xff\n"
		want := "CRL\tcrls/" + harmless + "\nNächste Zeile → …\ufffd\n"
		if n, err := g.Write([]byte(text)); n != len(text) || err != nil || out.String() != want {
			t.Errorf("colour %t: %d, %v\n%q, want\n%q", colour, n, err, out.String(), want)
		}
	}
}

// Colours pass where there is colour, and nowhere else; and text is the same
// however it is cut into pieces.
func TestGuardColour(t *testing.T) {
	text := Paint(true, Bad, "refused") + " é🦊 " + Paint(true, Strong, "x") + "\x1b[5mblink\n"
	for colour, want := range map[bool]string{
		true:  "\x1b[31mrefused\x1b[0m é🦊 \x1b[1mx\x1b[0m\\u001b[5mblink\n",
		false: "\\u001b[31mrefused\\u001b[0m é🦊 \\u001b[1mx\\u001b[0m\\u001b[5mblink\n",
	} {
		for size := 1; size <= len(text); size++ {
			var out bytes.Buffer
			g := &guard{w: &out, colour: colour}
			for rest := []byte(text); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				if n, err := g.Write(rest[:min(size, len(rest))]); err != nil || n != min(size, len(rest)) {
					t.Fatal(n, err)
				}
			}
			if out.String() != want {
				t.Fatalf("colour %t, %d octets at a time: %q, want %q", colour, size, out.String(), want)
			}
		}
	}
}

// What is JSON stays the same JSON.
func TestGuardKeepsJSON(t *testing.T) {
	in, err := json.Marshal(map[string]string{"key": hostile})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := (&guard{w: &out}).Write(in); err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got["key"] != hostile {
		t.Errorf("%v: %q", err, got["key"])
	}
	if strings.ContainsAny(out.String(), "\x7f\u009b\u202e") {
		t.Errorf("%q", out.String())
	}
}

// A file behind a guard is known for what it is.
func TestGuardedFiles(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if g := Guard(f); behind(g) != f || Is(g) || Coloured(g) {
		t.Error("a file is not taken for a file")
	}
	if behind(f) != f {
		t.Error("what is not guarded is not itself")
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"crls/ä b.crl": "crls/ä b.crl",
		hostile:        harmless,
		"a\nb\tc":      `a\u000ab\u0009c`,
		"a\u2028b":     `a\u2028b`,
	} {
		if got := Line(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	var table Table
	table.Head("KEY", "STATE")
	table.Row(Cell{Text: "crls/a\nfine"}, Cell{Text: "refused", Colour: Bad})
	var out strings.Builder
	if err := table.Print(&out, "", false); err != nil || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("%v\n%s", err, out.String())
	}
}
