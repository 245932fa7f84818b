package terminal

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "45s": 45 * time.Second, "1m": time.Minute, "2m 5s": 125 * time.Second, "3h 1m": 3*time.Hour + 61*time.Second,
		"1d": 24 * time.Hour, "3d 4h": 76*time.Hour + time.Minute, "7300d": 7300*24*time.Hour + time.Hour, "1h": -time.Hour,
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for want, n := range map[string]int64{"0 bytes": 0, "1023 bytes": 1023, "1 KiB": 1024, "1.5 MiB": 3 << 19, "2.00 GiB": 2 << 30} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestTableIgnoresColourInWidths(t *testing.T) {
	var table Table
	table.Head("A", "B")
	table.Row(Cell{"é", Bad}, Cell{"x", Plain})
	table.Row(Cell{"long", Plain}, Cell{})
	var plain, coloured bytes.Buffer
	if err := table.Print(&plain, "  ", false); err != nil {
		t.Fatal(err)
	}
	if want := "  A     B\n  é     x\n  long\n"; plain.String() != want {
		t.Errorf("got\n%q, want\n%q", plain.String(), want)
	}
	if err := table.Print(&coloured, "  ", true); err != nil {
		t.Fatal(err)
	}
	stripped := coloured.String()
	for _, code := range []string{"\x1b[31m", "\x1b[1m", "\x1b[0m"} {
		if !strings.Contains(stripped, code) {
			t.Errorf("no %q in %q", code, stripped)
		}
		stripped = strings.ReplaceAll(stripped, code, "")
	}
	if stripped != plain.String() {
		t.Errorf("with colour the layout is %q, without %q", stripped, plain.String())
	}
}

func TestNoColourWithoutTerminal(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, w := range []io.Writer{&bytes.Buffer{}, null} {
		if Is(w) || Coloured(w) {
			t.Errorf("%T is taken for a terminal", w)
		}
	}
}

func TestProgressElsewhereIsALineNowAndThen(t *testing.T) {
	now := time.Unix(0, 0)
	var out bytes.Buffer
	p := newProgress(&out, false, func() time.Time { return now })
	for i := range 26 {
		p.Show("second %d", i)
		now = now.Add(time.Second)
	}
	p.Clear()
	if want := "second 10\nsecond 20\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestProgressOnATerminalIsOneLine(t *testing.T) {
	now := time.Unix(0, 0)
	var out bytes.Buffer
	p := newProgress(&out, true, func() time.Time { return now })
	body := p.Reader(strings.NewReader(strings.Repeat("x", 4096)), "a.crl", 4096)
	for range 4 {
		if _, err := body.Read(make([]byte, 1024)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
	}
	p.Clear()
	p.Clear()
	want := "\r\x1b[Ka.crl: sending, 3 KiB of 4 KiB\r\x1b[Ka.crl: sending, 4 KiB of 4 KiB\r\x1b[K"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestProgressOfNobody(*testing.T) {
	var none *Progress
	none.Show("x")
	none.Restart()
	none.Clear()
}
