package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Code names the outcome of [Catalog.Admit].
type Code string

// Outcomes. The zero value is none of them.
const (
	Succeeds Code = "accepted"  // the CRL enters
	Same     Code = "unchanged" // these bytes are in force already

	NumberTooLow       Code = "number_too_low"        // CRL number below the line's floor
	NumberReused       Code = "number_reused"         // equal CRL number, other content
	ThisUpdateWentBack Code = "this_update_went_back" // thisUpdate before the line's floor
	Expired            Code = "expired"               // past nextUpdate, and nothing serves that it would replace
	BaseMissing        Code = "delta_base_missing"    // a delta CRL without the complete CRL that it is a delta to
)

// Admit decides whether a CRL may enter under the CA, and says why not in
// words. It changes nothing. A CRL succeeds only within its line, where the
// CRL number never goes down and thisUpdate never goes back. The floor, which
// outlives the CRLs, decides; so nothing old comes back after a rebuild.
func (c *Catalog) Admit(ca string, l *CRL, now time.Time) (Code, string) {
	serving := c.serving(ca, &l.Scope, l.Line)
	if serving != nil && serving.Content == l.Content {
		return Same, fmt.Sprintf("CRL number %s is in force already", l.Number)
	}
	floor := c.Floor(l.Line)
	if floor != nil {
		if code, why := floor.refuses(l); code != "" {
			return code, why
		}
	}
	if l.Base != nil {
		if code, why := c.fits(ca, l); code != "" {
			return code, why
		}
	}
	// Where the line ever served, as a floor tells, one that is past its
	// nextUpdate enters all the same: what it revokes counts, it makes nothing
	// good, and no other key's CRL stands in for it.
	if now.After(l.NextUpdate) && floor == nil && l.Base == nil {
		return Expired, fmt.Sprintf("its nextUpdate %s is past, and no CRL of its line was ever accepted that it would replace; upload a current CRL, or a current delta CRL to it", stamp(l.NextUpdate))
	}
	return Succeeds, ""
}

// fits decides whether a delta CRL has its base: a complete CRL of the same key
// and scope whose number is at least BaseCRLNumber (RFC 5280 §5.2.4). One that
// is past its nextUpdate enters all the same: what it revokes counts, and it
// makes nothing good.
func (c *Catalog) fits(ca string, l *CRL) (Code, string) {
	base := c.serving(ca, &l.Scope, l.Base.Line) // a delta has its base's scope
	if base == nil {
		return BaseMissing, fmt.Sprintf("it is a delta to CRL number %s, and no complete CRL of its key and scope is in force; upload that, and this one will count", l.Base.Number)
	}
	if base.Number.Int().Cmp(l.Base.Number.Int()) < 0 {
		return BaseMissing, fmt.Sprintf("it is a delta to CRL number %s, and the complete CRL in force is the older number %s; upload a newer one, and this one will count", l.Base.Number, base.Number)
	}
	return "", ""
}

// Revives reports whether a delta CRL makes up for it that a complete CRL is
// [Expired]: the two may enter together, the complete one first. Combined they are
// as new as the delta is (RFC 5280 §5.2.4). So that must be current, one to this
// complete CRL and newer, and kept out by nothing else than its missing base. The
// parts that [Catalog.MissingFor] names for both must be attached.
func (c *Catalog) Revives(ca string, base, delta *CRL, now time.Time) bool {
	if delta.Base == nil || delta.Base.Line != base.Line || now.After(delta.NextUpdate) || delta.ThisUpdate.Before(base.ThisUpdate) {
		return false
	}
	n := base.Number.Int()
	if delta.Base.Number.Int().Cmp(n) > 0 || delta.Number.Int().Cmp(n) <= 0 {
		return false
	}
	without, _ := c.Admit(ca, base, now)
	alone, _ := c.Admit(ca, delta, now)
	return without == Expired && alone == BaseMissing
}

func (f *Floor) refuses(l *CRL) (Code, string) {
	switch cmp := l.Number.Int().Cmp(f.Number.Int()); {
	case cmp < 0:
		return NumberTooLow, fmt.Sprintf("its CRL number %s is lower than %s, which was accepted before: an older CRL must not undo newer revocations (RFC 5280 §5.2.3)", l.Number, f.Number)
	case cmp == 0 && l.Content != f.Content:
		return NumberReused, fmt.Sprintf("its CRL number %s was accepted before with other content: the CA must give every CRL a number of its own (RFC 5280 §5.2.3)", l.Number)
	case l.ThisUpdate.Before(f.ThisUpdate):
		return ThisUpdateWentBack, fmt.Sprintf("its thisUpdate %s lies before %s, that of CRL number %s, which was accepted before", stamp(l.ThisUpdate), stamp(f.ThisUpdate), f.Number)
	}
	return "", ""
}

// Serving returns the CRL of a line that is in force; nil: none is. The parts
// that [Catalog.MissingFor] names must be attached.
func (c *Catalog) Serving(ca string, scope *Scope, line string) *CRL {
	return c.serving(ca, scope, line)
}

// serving returns the CRL of a line that is in force, or nil.
func (c *Catalog) serving(ca string, scope *Scope, line string) *CRL {
	entry := c.CAs[ca]
	if entry == nil {
		return nil
	}
	for _, held := range entry.holders(scope, false) {
		for _, l := range *held {
			if l.Line == line {
				return l
			}
		}
	}
	return nil
}

// Publish enters a CRL that [Catalog.Admit] let in, in place of the one before
// it in its line, and raises the line's floor.
func (c *Catalog) Publish(ca string, l *CRL) {
	c.place(ca, l)
	c.raise(l.Line, floorOf(ca, l))
	c.Unwait(l.Source.Key)
}

// BelowFloor reports whether an outcome is that of a CRL which the floor of its
// line, and nothing else, keeps out.
func (c Code) BelowFloor() bool {
	return c == NumberTooLow || c == NumberReused || c == ThisUpdateWentBack
}

// LowerFloor sets the floor of a CRL's line to that CRL, whatever it was before.
// This undoes the protection against replay for all that lies between, so it is
// for an operator's explicit word only. The parts that [Catalog.MissingFor] names
// must be attached.
func (c *Catalog) LowerFloor(ca string, l *CRL) { c.raise(l.Line, floorOf(ca, l)) }

func floorOf(ca string, l *CRL) *Floor {
	return &Floor{CA: ca, Number: l.Number, ThisUpdate: l.ThisUpdate, Content: l.Content}
}

// Beyond reports whether the line has come further than a CRL of it with that
// number and content: another, not older, was accepted after it.
func (f *Floor) Beyond(number *Number, content string) bool {
	return f != nil && f.Content != content && number != nil && f.Number.Int().Cmp(number.Int()) >= 0
}

// Replace puts a record of a CRL in the place of the one of its line, which has
// the same content: its floor stays.
func (c *Catalog) Replace(ca string, l *CRL) { c.place(ca, l) }

// Forget takes a CRL out of force. Its line's floor stays, so that nothing older
// comes back. It reports whether the CRL was in force.
func (c *Catalog) Forget(ca string, l *CRL) bool {
	if c.serving(ca, &l.Scope, l.Line) == nil {
		return false
	}
	for _, held := range c.CAs[ca].holders(&l.Scope, true) {
		*held = slices.DeleteFunc(slices.Clone(*held), func(old *CRL) bool { return old.Line == l.Line })
	}
	return true
}

// RaiseFloors raises the floor of every CRL in force whose line has none, or a
// lower one, which is the mark of a catalog that was damaged or put together by
// hand. It reports whether there was any. All parts must be attached.
func (c *Catalog) RaiseFloors() bool {
	raised := false
	for name, ca := range c.CAs {
		for l := range ca.Lists() {
			raised = c.RaiseFloor(l.Line, floorOf(name, l)) || raised
		}
	}
	return raised
}

// RaiseFloor raises a line's floor if it is lower, and reports whether it was.
// The part that [Catalog.MissingFloor] names must be attached.
func (c *Catalog) RaiseFloor(line string, f *Floor) bool {
	if old := c.Floor(line); old != nil && old.Number.Int().Cmp(f.Number.Int()) >= 0 {
		return false
	}
	c.raise(line, f)
	return true
}

// place puts a CRL where those of its scope are held.
func (c *Catalog) place(ca string, l *CRL) {
	for _, held := range c.CAs[ca].holders(&l.Scope, true) {
		list := slices.DeleteFunc(slices.Clone(*held), func(old *CRL) bool { return old.Line == l.Line })
		list = append(list, l)
		slices.SortFunc(list, func(a, b *CRL) int {
			return strings.Compare(a.Name+"\x00"+a.Line, b.Name+"\x00"+b.Line)
		})
		*held = list
	}
}

// maxWaiting bounds what waits; the timer finds whatever is beyond.
const maxWaiting = 1000

// Wait notes that the CRL under an upload key waits for one of a line. It
// reports whether that is news.
func (c *Catalog) Wait(uploadKey, line string) bool {
	if c.Waiting[uploadKey] == line || len(c.Waiting) >= maxWaiting {
		return false
	}
	if c.Waiting == nil {
		c.Waiting = map[string]string{}
	}
	c.Waiting[uploadKey] = line
	return true
}

// Unwait notes that the CRL under an upload key waits no more: it is in force, or
// gone. It reports whether it did.
func (c *Catalog) Unwait(uploadKey string) bool {
	_, waited := c.Waiting[uploadKey]
	delete(c.Waiting, uploadKey)
	return waited
}

// Wake returns the upload keys that wait for a CRL of a line, in order. They
// wait until [Catalog.Publish] or [Catalog.Unwait]: who wakes them may not live
// to see to it.
func (c *Catalog) Wake(line string) []string {
	var keys []string
	for key, l := range c.Waiting {
		if l == line {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// InForce returns, for every upload that a CRL in force was read from, the
// ETags that were read. All parts must be attached.
func (c *Catalog) InForce() map[string][]string {
	out := map[string][]string{}
	for _, ca := range c.CAs {
		for l := range ca.Lists() {
			out[l.Source.Key] = append(out[l.Source.Key], l.Source.ETag)
		}
	}
	return out
}

// MoveSource notes that the content in force now lies in another version of
// its upload. The set stays. It reports whether anything changed.
func (c *Catalog) MoveSource(ca string, l *CRL) bool {
	serving := c.serving(ca, &l.Scope, l.Line)
	if serving == nil || serving.Source.Key != l.Source.Key || serving.Source == l.Source {
		return false
	}
	moved := *serving
	moved.Source = l.Source
	c.place(ca, &moved)
	return true
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Once returns the CAs that a CRL was accepted of at some time, in order. All
// parts must be attached.
func (c *Catalog) Once() []string {
	cas := map[string]struct{}{}
	for _, f := range c.AllFloors() {
		cas[f.CA] = struct{}{}
	}
	return slices.Sorted(maps.Keys(cas))
}

// Differs says in words what a record says otherwise than another of the same
// CRL, which upload it was read from and when it entered apart; "" for nothing.
func (l *CRL) Differs(other *CRL) string {
	if l.Content != other.Content {
		return "the CRL has other content than the one in force"
	}
	have, want := l.AllSets(), other.AllSets()
	if len(have) != len(want) {
		return fmt.Sprintf("the CRL speaks of the certificates of %d issuers, and the catalog of %d", len(want), len(have))
	}
	for i := range have {
		if have[i].SHA256 != want[i].SHA256 || have[i].Size != want[i].Size || have[i].Head != want[i].Head {
			return fmt.Sprintf("the set in force is not what the CRL flattens to: digest %s, want %s", have[i].SHA256, want[i].SHA256)
		}
	}
	a, b := *l, *other
	for _, c := range []*CRL{&a, &b} {
		c.Name, c.Source, c.Accepted, c.Set, c.Others = "", Source{}, time.Time{}, Set{}, nil
	}
	if !equalJSON(&a, &b) {
		return fmt.Sprintf("the catalog says number %s, thisUpdate %s, nextUpdate %s, %d entries, or a scope or key, that the CRL does not have: number %s, thisUpdate %s, nextUpdate %s, %d entries",
			l.Number, stamp(l.ThisUpdate), stamp(l.NextUpdate), l.Entries, other.Number, stamp(other.ThisUpdate), stamp(other.NextUpdate), other.Entries)
	}
	return ""
}
