package status

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/upload"
)

const minute = "2006-01-02 15:04Z"

// Print writes the status as people read it.
func (s *Status) Print(w io.Writer, target string, colour bool) error {
	head := fmt.Sprintf("%s, catalog generation %d, at %s", target, s.Generation, s.At.UTC().Format(time.RFC3339))
	if _, err := fmt.Fprintf(w, "%s\n\n", terminal.Paint(colour, terminal.Faint, head)); err != nil {
		return err
	}
	if len(s.CAs) == 0 {
		if _, err := fmt.Fprintln(w, "No CA yet, so every client is denied. Upload a CA's certificates: crlgate put ca.pem"); err != nil {
			return err
		}
	} else if err := s.table(w, colour); err != nil {
		return err
	}
	if err := s.settings(w, colour); err != nil {
		return err
	}
	if err := s.fetched(w, colour); err != nil {
		return err
	}
	if err := s.uploads(w, colour); err != nil {
		return err
	}
	if s.Bound != nil {
		if _, err := fmt.Fprintln(w, "\nFrom a revocation to the denial:"); err != nil {
			return err
		}
		for _, line := range s.Bound.words() {
			if _, err := fmt.Fprintln(w, "  "+line); err != nil {
				return err
			}
		}
	}
	text, c := s.summary()
	_, err := fmt.Fprintf(w, "\n%s\n", terminal.Paint(colour, c, text))
	return err
}

func (s *Status) table(w io.Writer, colour bool) error {
	var t terminal.Table
	t.Head("CA", "CRL", "NUMBER", "AGE", "TIME LEFT", "ENTRIES", "PUBLISHED", "SCOPE", "LAST REPORT")
	for _, ca := range s.CAs {
		if len(ca.CRLs) == 0 {
			none := terminal.Cell{Text: "none: its clients are denied (no_crl)", Colour: terminal.Caution}
			if ca.Settings.CRLOptional() {
				none.Text = "none: its clients are let in (crl optional)"
			}
			t.Row(terminal.Cell{Text: ca.Name, Colour: terminal.Strong}, none)
		}
		for _, l := range ca.CRLs {
			t.Row(
				terminal.Cell{Text: ca.Name, Colour: terminal.Strong}, plain(l.Key), plain(clip(l.Number)),
				plain(terminal.Span(time.Duration(l.Age)*time.Second)), l.left(), plain(fmt.Sprint(l.Entries)),
				plain(l.Published.UTC().Format(minute)), plain(l.Scope), l.lastReport(s.At),
			)
		}
	}
	return t.Print(w, "", colour)
}

func plain(text string) terminal.Cell { return terminal.Cell{Text: text} }

// clip shortens a CRL number, which may have 49 digits.
func clip(number string) string {
	if len(number) > 24 {
		return number[:10] + "…" + number[len(number)-10:]
	}
	return number
}

// nearEnd is the share of a CRL's lifetime from which its end is near.
const nearEnd = 4

func (l *CRL) left() terminal.Cell {
	left := time.Duration(l.Left) * time.Second
	life := l.NextUpdate.Sub(l.ThisUpdate)
	switch {
	case l.State == Expired && left >= 0:
		return terminal.Cell{Text: "too old (max_crl_age)", Colour: terminal.Bad}
	case l.State == Expired:
		return terminal.Cell{Text: "expired " + terminal.Span(left) + " ago", Colour: terminal.Bad}
	case l.State == InGrace:
		return terminal.Cell{Text: "in grace, past by " + terminal.Span(left), Colour: terminal.Caution}
	case left < life/nearEnd:
		return terminal.Cell{Text: terminal.Span(left), Colour: terminal.Caution}
	}
	return terminal.Cell{Text: terminal.Span(left), Colour: terminal.Sound}
}

func (l *CRL) lastReport(now time.Time) terminal.Cell {
	if l.Report == nil {
		return terminal.Cell{Text: "none", Colour: terminal.Faint}
	}
	text := string(l.Report.Outcome)
	if string(l.Report.Code) != text {
		text += " " + string(l.Report.Code)
	}
	return terminal.Cell{Text: text + ", " + terminal.Span(now.Sub(l.Report.At)) + " ago", Colour: upload.OutcomeColour(l.Report.Outcome)}
}

// settings lists what the CAs' settings change.
func (s *Status) settings(w io.Writer, colour bool) error {
	var t terminal.Table
	any := false
	for _, ca := range s.CAs {
		for _, words := range ca.Relaxed {
			t.Row(terminal.Cell{Text: ca.Name, Colour: terminal.Strong}, terminal.Cell{Text: words, Colour: terminal.Caution})
			any = true
		}
		for _, words := range ca.Narrowed {
			t.Row(terminal.Cell{Text: ca.Name, Colour: terminal.Strong}, plain(words))
			any = true
		}
	}
	if !any {
		return nil
	}
	if _, err := fmt.Fprintln(w, "\nSettings:"); err != nil {
		return err
	}
	return t.Print(w, "  ", colour)
}

// uploads lists what was not accepted, with words.
func (s *Status) uploads(w io.Writer, colour bool) error {
	if len(s.NotAccepted) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w, "\nUploads that are not accepted:"); err != nil {
		return err
	}
	for _, r := range s.NotAccepted {
		if err := upload.PrintReport(w, "  ", r, colour); err != nil {
			return err
		}
	}
	return nil
}

// summary counts what is not as it should be.
func (s *Status) summary() (string, terminal.Colour) {
	crls, expired, none := 0, 0, 0
	for _, ca := range s.CAs {
		crls += len(ca.CRLs)
		if len(ca.CRLs) == 0 {
			none++
		}
		for _, l := range ca.CRLs {
			if l.State == Expired {
				expired++
			}
		}
	}
	counts := map[string]int{}
	for _, r := range s.NotAccepted {
		counts[string(r.Outcome)]++
	}
	text := terminal.Plural(len(s.CAs), "CA", "CAs") + ", " + terminal.Plural(crls, "CRL", "CRLs") + " in force"
	var wrong []string
	for _, w := range []struct {
		n    int
		what string
	}{{expired, "expired"}, {counts["refused"], "refused"}, {counts["pending"], "pending"}} {
		if w.n > 0 {
			wrong = append(wrong, fmt.Sprintf("%d %s", w.n, w.what))
		}
	}
	if none > 0 {
		text += ", " + terminal.Plural(none, "CA", "CAs") + " without CRL"
	}
	return text + ": " + cmp.Or(strings.Join(wrong, ", "), "nothing expired, refused or pending") + ".", map[bool]terminal.Colour{true: terminal.Sound, false: terminal.Bad}[s.OK]
}
