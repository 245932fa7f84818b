package serialset

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzOpen gives readers any bytes: nothing panics, and what opens is exactly
// what the builder makes of its entries. So that the fuzzer need not guess
// hashes, the bytes are also taken as rows behind an index that fits them.
func FuzzOpen(f *testing.F) {
	for _, seed := range openSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, digest, err := Inspect(data); err == nil {
			rebuild(t, s, data, digest)
		}
		if x, err := OpenIndex(data, digestOfHead(data)); err == nil {
			x.Find([]byte{1})
		}
		if len(data) == 0 {
			return
		}
		width := MinWidth + int(data[0])%(MaxWidth-MinWidth+1)
		rows := bytes.Clone(data[1:])
		rows = rows[:len(rows)/(width+valueSize)*(width+valueSize)]
		if len(rows) == 0 {
			return
		}
		sealed, digest := seal(width, rows)
		s, err := Open(sealed, digest)
		if ascends := rowsAscend(rows, width); (err == nil) != ascends {
			t.Fatalf("rows ascend: %v, Open: %v", ascends, err)
		}
		if rangesNotice(sealed, digest) != (err != nil) {
			t.Fatalf("whole: %v, by range the opposite", err)
		}
		if err == nil {
			rebuild(t, s, sealed, digest)
		}
	})
}

func digestOfHead(data []byte) Digest {
	_, digest, _ := Inspect(data)
	return digest
}

func rowsAscend(rows []byte, width int) bool {
	stride := width + valueSize
	for i := stride; i < len(rows); i += stride {
		if bytes.Compare(rows[i-stride:i-stride+width], rows[i:i+width]) >= 0 {
			return false
		}
	}
	return true
}

// rebuild makes a set of a set's entries and compares them byte for byte.
func rebuild(t *testing.T, s *Set, data []byte, digest Digest) {
	t.Helper()
	var b Builder
	for e := range s.All() {
		if err := b.Append(s.Width(), e.Serial, []uint32{e.Date}, []uint8{e.Reason}); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Lookup(e.Serial); !ok || got.Date != e.Date || got.Reason != e.Reason {
			t.Fatalf("%x: %+v %v, want %+v", e.Serial, got, ok, e)
		}
	}
	img, again := finish(t, &b)
	if !bytes.Equal(again, data) || img.Digest() != digest {
		t.Fatalf("rebuilt, the set differs:\n%x\n%x", again, data)
	}
}

// FuzzBuildLookup builds a set of any entries and asks it, whole and by range,
// beside a map. An entry is a byte for the length of its serial number, the
// serial number, and a byte for date and reason.
func FuzzBuildLookup(f *testing.F) {
	for _, seed := range entrySeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b Builder
		want := map[string]value{}
		var probes [][]byte
		for len(data) > 2 {
			n := min(1+int(data[0])%MaxWidth, len(data)-2)
			serial, last := minimal(data[1:1+n]), data[1+n]
			data = data[n+2:]
			probes = append(probes, serial, append([]byte{serial[0] & 0x7f}, serial[1:]...))
			if last == 0xff { // asked for, and not put in
				continue
			}
			v := value{uint32(last >> 4), last & 15}
			if err := b.Append(len(serial), serial, []uint32{v.date}, []uint8{v.reason}); err != nil {
				t.Fatal(err)
			}
			old, ok := want[string(serial)]
			if !ok || plainer(v, old) {
				want[string(serial)] = v
			}
		}
		img, object := finish(t, &b)
		s := openBoth(t, object, img.Digest())
		if s.set.Len() != len(want) {
			t.Fatalf("%d entries, want %d", s.set.Len(), len(want))
		}
		for _, serial := range probes {
			serial = minimal(serial)
			e, ok := s.lookup(serial)
			if v, in := want[string(serial)]; in != ok || v != (value{e.Date, e.Reason}) {
				t.Fatalf("%x: %+v %v, want %+v %v", serial, e, ok, v, in)
			}
		}
	})
}

// plainer reports whether a revokes more plainly than b.
func plainer(a, b value) bool {
	if held := a.reason == removeFromCRL; held != (b.reason == removeFromCRL) {
		return !held
	}
	return a.date < b.date || a.date == b.date && a.reason > b.reason
}

// openSeeds are sets, sound and not, for FuzzOpen.
func openSeeds() map[string][]byte {
	seeds := map[string][]byte{"empty": {}, "magic": []byte(magic + "\x01")}
	set := func(name string, serials ...string) []byte {
		var b Builder
		for i, s := range serials {
			serial, _ := hex.DecodeString(s)
			_ = b.Append(len(serial), serial, []uint32{uint32(i)}, []uint8{uint8(i)})
		}
		img, _ := b.Finish()
		var out bytes.Buffer
		_, _ = img.WriteTo(&out)
		seeds[name] = out.Bytes()
		return out.Bytes()
	}
	set("no_entries")
	one := set("one_entry", "01")
	set("signs", "00ff", "ff", "00", "80", "0080")
	wide := set("wide", strings.Repeat("11", 64), strings.Repeat("12", 64))
	other := bytes.Clone(one)
	other[7]++
	seeds["newer_version"] = other
	other = bytes.Clone(one)
	other[24]++
	seeds["one_entry_that_claims_two"] = other
	seeds["cut"] = wide[:len(wide)-1]
	claim := bytes.Clone(one)
	copy(claim[24:], "\x00\x65\xcd\x1d") // 500,000,000 entries
	seeds["claims_many"] = claim
	// Rows behind a byte for the width.
	seeds["rows"] = append([]byte{0}, one[len(one)-13:]...)
	seeds["rows_twice"] = append(bytes.Clone(seeds["rows"]), one[len(one)-13:]...)
	var rows []byte
	for i := range 1500 { // more than one block
		row := make([]byte, 13)
		row[6], row[7] = byte(i>>8), byte(i)
		rows = append(rows, row...)
	}
	seeds["rows_in_two_blocks"] = append([]byte{0}, rows...)
	return seeds
}

func entrySeeds() map[string][]byte {
	return map[string][]byte{
		"none":      {},
		"one":       {0, 5, 0x10},
		"twice":     {0, 5, 0x18, 0, 5, 0x21, 0, 5, 0x11},
		"signs":     {0, 0xff, 0x10, 1, 0, 0xff, 0x20, 0, 0x80, 0x30, 1, 0, 0x80, 0xff},
		"wide":      append(append([]byte{63}, bytes.Repeat([]byte{0x55}, 64)...), 0x11, 0, 1, 0x12),
		"neighbors": {7, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 7, 1, 2, 3, 4, 5, 6, 7, 9, 0x10, 7, 1, 2, 3, 4, 5, 6, 7, 10, 0xff},
	}
}

var writeSeeds = flag.Bool("write-seeds", false, "write the seed corpora of the fuzz targets")

// TestSeedCorpora fails if a fuzz target's seeds on disk are gone or are not
// those of this file, so that no fuzzing starts from nothing.
func TestSeedCorpora(t *testing.T) {
	for target, seeds := range map[string]map[string][]byte{"FuzzOpen": openSeeds(), "FuzzBuildLookup": entrySeeds(), "FuzzFinder": finderSeeds()} {
		if len(seeds) < 5 {
			t.Errorf("%s has %d seeds", target, len(seeds))
		}
		dir := filepath.Join("testdata", "fuzz", target)
		for name, seed := range seeds {
			want := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", seed)
			path := filepath.Join(dir, "seed_"+name)
			if *writeSeeds {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("%s is not the seed: run go test ./pkg/serialset -run TestSeedCorpora -write-seeds (%v)", path, err)
			}
		}
	}
}
