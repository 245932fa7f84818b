package catalog

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// A catalog that has grown large keeps most of itself in parts: immutable
// objects, named by their content, that the catalog refers to. A CA's CRLs lie
// in the part that the name of their distribution point chooses, so that a
// request reads one part and a replaced CRL rewrites one; floors lie in the
// part that their line chooses, and no request reads them.
const (
	inlineCRLs    = 32 // CRLs with a distribution point that a CA keeps in the catalog itself
	crlsPerPart   = 24 // on average, after a split
	crowdedPart   = 48 // on average, before one
	inlineFloors  = 64
	floorPartBits = 7
	maxPartBits   = 12

	// MaxPart bounds a part, in octets.
	MaxPart = 16 << 20
)

// Parts refers to the parts of one table.
type Parts struct {
	Bits int `json:"bits"` // there are 1<<Bits parts
	// Refs are the SHA-256 of each part in hex; "": an empty part.
	Refs []string `json:"refs"`

	attached []*Part // those that were read; nil: not, unless empty
	dirty    []bool  // those that have changed since
}

// Part is one part.
type Part struct {
	Format int               `json:"format"`
	CRLs   []*CRL            `json:"crls,omitempty"`
	Floors map[string]*Floor `json:"floors,omitempty"`
}

// PartKey is where a part lies.
func PartKey(digest string) string { return PartPrefix + digest + ".json" }

// ParsePart reads a part and verifies that it is the one named.
func ParsePart(data []byte, digest string) (*Part, error) {
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("%w: part %s fails its hash", ErrCorrupt, PartKey(digest))
	}
	var p Part
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("%s: %w", PartKey(digest), err)
	}
	if p.Format != Format {
		return nil, fmt.Errorf("%s: %w: %d", PartKey(digest), ErrFormat, p.Format)
	}
	if err := checkCRLs(p.CRLs); err != nil {
		return nil, fmt.Errorf("%s: %w", PartKey(digest), err)
	}
	for line, f := range p.Floors {
		if f == nil || f.Number == nil {
			return nil, fmt.Errorf("%s: line %s has a floor without a number", PartKey(digest), line)
		}
	}
	return &p, nil
}

func newParts(bits int) *Parts {
	n := 1 << bits
	return &Parts{Bits: bits, Refs: make([]string, n), attached: make([]*Part, n), dirty: make([]bool, n)}
}

// check refuses references that the writer would not write.
func (p *Parts) check() error {
	if p == nil {
		return nil
	}
	if p.Bits < 0 || p.Bits > maxPartBits || len(p.Refs) != 1<<p.Bits {
		return fmt.Errorf("%d parts, with %d bits to choose one", len(p.Refs), p.Bits)
	}
	for _, r := range p.Refs {
		if b, err := hex.DecodeString(r); r != "" && (err != nil || len(b) != sha256.Size || strings.ToLower(r) != r) {
			return fmt.Errorf("%q is not the SHA-256 of a part", r)
		}
	}
	p.attached, p.dirty = make([]*Part, len(p.Refs)), make([]bool, len(p.Refs))
	return nil
}

// Index returns the part that a distribution point's name chooses, in the form
// of [Points].
func (p *Parts) Index(point []byte) int {
	sum := sha256.Sum256(point)
	return int(binary.BigEndian.Uint16(sum[:])) >> (16 - p.Bits)
}

// indexes returns the parts that a scope's names choose.
func (p *Parts) indexes(s *Scope) []int {
	var out []int
	for _, point := range s.Points {
		if i := p.Index(point); !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	return out
}

// lineIndex returns the part that a line chooses.
func (p *Parts) lineIndex(line string) int {
	n, _ := strconv.ParseUint(line[:min(4, len(line))], 16, 0) // no line of [Line]: 0
	return int(n) >> (16 - p.Bits)
}

// missing returns the digests of parts that were not attached.
func (p *Parts) missing(indexes []int) []string {
	var out []string
	for _, i := range indexes {
		if p.Refs[i] != "" && p.attached[i] == nil {
			out = append(out, p.Refs[i])
		}
	}
	return out
}

// at returns a part for reading.
func (p *Parts) at(i int) *Part {
	if p.attached[i] != nil {
		return p.attached[i]
	}
	if p.Refs[i] != "" {
		// To take a part that was not read for an empty one would forget CRLs
		// and floors.
		panic("catalog: part " + p.Refs[i] + " was not attached")
	}
	return &Part{}
}

// change returns a part for writing: a copy of its own.
func (p *Parts) change(i int) *Part {
	if !p.dirty[i] {
		old := p.at(i)
		next := &Part{Format: Format, CRLs: slices.Clone(old.CRLs), Floors: map[string]*Floor{}}
		for line, f := range old.Floors {
			next.Floors[line] = f
		}
		p.attached[i], p.dirty[i] = next, true
	}
	return p.attached[i]
}

// attach hands over a part that was read.
func (p *Parts) attach(digest string, part *Part) {
	for i, ref := range p.Refs {
		if ref == digest && p.attached[i] == nil {
			p.attached[i] = part
		}
	}
}

// encode writes the parts that have changed, adds them to out by key, and
// refers to them.
func (p *Parts) encode(out map[string][]byte) error {
	for i, dirty := range p.dirty {
		if !dirty {
			continue
		}
		part := p.attached[i]
		if len(part.CRLs) == 0 && len(part.Floors) == 0 {
			p.Refs[i] = ""
			continue
		}
		data, err := json.Marshal(part)
		if err != nil {
			return err
		}
		if len(data) > MaxPart {
			return fmt.Errorf("a part of the catalog would have %d bytes, more than the %d that are read", len(data), MaxPart)
		}
		sum := sha256.Sum256(data)
		p.Refs[i] = hex.EncodeToString(sum[:])
		out[PartKey(p.Refs[i])] = data
	}
	return nil
}

// tables yields the tables of parts of the catalog.
func (c *Catalog) tables() iter.Seq[*Parts] {
	return func(yield func(*Parts) bool) {
		for _, ca := range c.CAs {
			if ca.Parts != nil && !yield(ca.Parts) {
				return
			}
		}
		if c.FloorParts != nil {
			yield(c.FloorParts)
		}
	}
}

// Attach hands over a part that was read, wherever the catalog refers to it.
func (c *Catalog) Attach(digest string, part *Part) {
	for p := range c.tables() {
		p.attach(digest, part)
	}
}

// Missing returns the digests of all parts that were not attached.
func (c *Catalog) Missing() []string {
	var out []string
	for p := range c.tables() {
		out = append(out, p.missing(all(p))...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// PartKeys returns the keys of all parts that the catalog refers to.
func (c *Catalog) PartKeys() []string {
	var out []string
	for p := range c.tables() {
		for _, ref := range p.Refs {
			if ref != "" {
				out = append(out, PartKey(ref))
			}
		}
	}
	return out
}

// DropParts has the catalog do without parts that are lost: what was in them is
// not in force any more, or has no floor.
func (c *Catalog) DropParts(digests []string) {
	for p := range c.tables() {
		for i, ref := range p.Refs {
			if ref != "" && slices.Contains(digests, ref) {
				p.Refs[i], p.attached[i], p.dirty[i] = "", nil, false
			}
		}
	}
}

// AllFloors yields the floor of every line. All parts must be attached.
func (c *Catalog) AllFloors() iter.Seq2[string, *Floor] {
	return func(yield func(string, *Floor) bool) {
		if c.FloorParts == nil {
			for line, f := range c.Floors {
				if !yield(line, f) {
					return
				}
			}
			return
		}
		for i := range c.FloorParts.Refs {
			for line, f := range c.FloorParts.at(i).Floors {
				if !yield(line, f) {
					return
				}
			}
		}
	}
}

func all(p *Parts) []int {
	out := make([]int, len(p.Refs))
	for i := range out {
		out[i] = i
	}
	return out
}

// MissingFor returns the digests of the parts that must be attached before
// [Catalog.Admit] and [Catalog.Publish] are asked about a CRL.
func (c *Catalog) MissingFor(ca string, l *CRL) []string {
	out := c.MissingFloor(l.Line)
	if entry := c.CAs[ca]; entry != nil && entry.Parts != nil && l.Scope.apart() {
		out = append(out, entry.Parts.missing(entry.Parts.indexes(&l.Scope))...)
	}
	return out
}

// MissingFloor returns the digests of the parts that must be attached before
// [Catalog.Floor] is asked about a line.
func (c *Catalog) MissingFloor(line string) []string {
	if c.FloorParts == nil {
		return nil
	}
	return c.FloorParts.missing([]int{c.FloorParts.lineIndex(line)})
}

// MissingCRLs returns the digests of a CA's parts that were not attached.
func (c *Catalog) MissingCRLs(ca string) []string {
	entry := c.CAs[ca]
	if entry == nil || entry.Parts == nil {
		return nil
	}
	return entry.Parts.missing(all(entry.Parts))
}

// Floor returns how far a line has come; nil: nowhere yet.
func (c *Catalog) Floor(line string) *Floor {
	if c.FloorParts != nil {
		return c.FloorParts.at(c.FloorParts.lineIndex(line)).Floors[line]
	}
	return c.Floors[line]
}

// raise sets a line's floor, and moves all floors to parts once they are many.
func (c *Catalog) raise(line string, f *Floor) {
	if c.FloorParts == nil {
		if len(c.Floors) < inlineFloors {
			c.Floors[line] = f
			return
		}
		c.FloorParts = newParts(floorPartBits)
		for l, old := range c.Floors {
			c.FloorParts.change(c.FloorParts.lineIndex(l)).Floors[l] = old
		}
		c.Floors = nil
	}
	c.FloorParts.change(c.FloorParts.lineIndex(line)).Floors[line] = f
}
