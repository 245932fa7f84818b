package status

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/fetch"
)

// Fetch is what is known of one URL that CRLs are fetched from.
type Fetch struct {
	CA       string        `json:"ca"`
	URL      string        `json:"url"`
	Kind     string        `json:"kind"`
	Outcome  fetch.Outcome `json:"outcome"` // "": never asked
	Code     fetch.Code    `json:"code"`
	Detail   string        `json:"detail"`
	Failures int           `json:"failures"` // in a row
	Tried    time.Time     `json:"tried,omitzero"`
	Success  time.Time     `json:"success,omitzero"`
	Next     time.Time     `json:"next,omitzero"`
	Habit    int64         `json:"habit_seconds,omitempty"`
	Key      string        `json:"key,omitempty"`
}

// failingFrom is how many failures in a row are more than a hiccup.
const failingFrom = 3

// AddFetched reads the fetcher's states from the upload bucket and adds them. A
// URL that fails again and again is not OK, nor one that nobody ever asked.
func (s *Status) AddFetched(ctx context.Context, uploads fetch.Uploads) error {
	states, err := fetch.ReadStates(ctx, uploads, fetch.DefaultStatePrefix)
	if err != nil {
		return fmt.Errorf("reading what the fetcher says: %w", err)
	}
	for _, st := range states {
		s.Fetched = append(s.Fetched, Fetch{
			CA: st.CA, URL: st.URLs[0], Kind: st.Kind, Outcome: st.Outcome, Code: st.Code, Detail: st.Detail, Failures: st.Failures,
			Tried: st.Tried, Success: st.Success, Next: st.Next, Habit: st.Habit, Key: st.Key,
		})
		s.OK = s.OK && st.Failures < failingFrom
	}
	for _, ca := range s.CAs {
		for _, url := range ca.Settings.CRLURLs {
			if !slices.ContainsFunc(s.Fetched, func(f Fetch) bool { return f.CA == ca.Name && f.URL == url }) {
				s.Fetched = append(s.Fetched, Fetch{CA: ca.Name, URL: url, Kind: fetch.FromSettings, Detail: "never asked: does a fetcher run? \"crlgate fetch\" asks now"})
				s.OK = false
			}
		}
	}
	slices.SortStableFunc(s.Fetched, func(a, b Fetch) int { return cmp.Or(cmp.Compare(a.CA, b.CA), cmp.Compare(a.URL, b.URL)) })
	return nil
}

// fetched lists the URLs, and below the table what is wrong with those that fail.
func (s *Status) fetched(w io.Writer, colour bool) error {
	if len(s.Fetched) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w, "\nFetched:"); err != nil {
		return err
	}
	var t terminal.Table
	t.Head("CA", "URL", "LAST LOOK", "LAST SUCCESS", "NEXT LOOK")
	var wrong []Fetch
	for _, f := range s.Fetched {
		last := terminal.Cell{Text: "never asked", Colour: terminal.Caution}
		switch {
		case f.Outcome == fetch.OutcomeFailed:
			last = terminal.Cell{Text: fmt.Sprintf("failed %s, %d in a row", f.Code, f.Failures), Colour: terminal.Bad}
		case f.Outcome != "":
			last = terminal.Cell{Text: fmt.Sprintf("%s, %s ago", f.Code, terminal.Span(s.At.Sub(f.Tried))), Colour: terminal.Sound}
		}
		success, next := "never", "now"
		if !f.Success.IsZero() {
			success = terminal.Span(s.At.Sub(f.Success)) + " ago"
		}
		if f.Next.After(s.At) {
			next = "in " + terminal.Span(f.Next.Sub(s.At))
		}
		t.Row(terminal.Cell{Text: f.CA, Colour: terminal.Strong}, plain(f.URL), last, plain(success), plain(next))
		if f.Outcome == fetch.OutcomeFailed || f.Outcome == "" {
			wrong = append(wrong, f)
		}
	}
	if err := t.Print(w, "  ", colour); err != nil {
		return err
	}
	for _, f := range wrong {
		if _, err := fmt.Fprintf(w, "  %s: %s\n", terminal.Line(f.URL), terminal.Line(f.Detail)); err != nil {
			return err
		}
	}
	return nil
}
