package terminal

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// How often progress is shown: on a terminal in one line that is written over,
// elsewhere in a line of its own now and then.
const (
	redraw    = 200 * time.Millisecond
	newLine   = 10 * time.Second
	quietTill = 2 * time.Second // shorter work shows nothing
)

// Progress tells how far long work has come. The zero value, and a nil one,
// show nothing. It may be used from several goroutines.
type Progress struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	clock    func() time.Time
	began    time.Time
	last     time.Time
	shown    bool // a line stands that must be wiped
}

// NewProgress returns a progress that writes to w.
func NewProgress(w io.Writer) *Progress {
	return newProgress(w, Is(w), time.Now)
}

func newProgress(w io.Writer, terminal bool, clock func() time.Time) *Progress {
	return &Progress{w: behind(w), terminal: terminal, clock: clock, began: clock(), last: clock()}
}

// Show shows a state, unless the work is short or one was shown just now.
func (p *Progress) Show(format string, args ...any) {
	if p == nil || p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	if now.Sub(p.began) < quietTill {
		return
	}
	text := Line(fmt.Sprintf(format, args...))
	switch {
	case p.terminal && (!p.shown || now.Sub(p.last) >= redraw):
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
		p.shown = true
	case !p.terminal && now.Sub(p.last) >= newLine:
		fmt.Fprintln(p.w, text)
	default:
		return
	}
	p.last = now
}

// Clear wipes what is shown, before something else is printed and at the end.
func (p *Progress) Clear() {
	if p == nil || p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// Restart begins another piece of work.
func (p *Progress) Restart() {
	p.Clear()
	if p == nil || p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began, p.last = p.clock(), p.clock()
}

// Reader reports reading of a body as progress of an upload. It counts
// positions and not octets, since a body may be read twice (for its checksum,
// and when an attempt fails).
func (p *Progress) Reader(body io.ReadSeeker, name string, size int64) io.ReadSeeker {
	return &progressReader{body: body, progress: p, name: name, size: size}
}

type progressReader struct {
	body     io.ReadSeeker
	progress *Progress
	name     string
	size     int64
	at       int64
}

// Read reads from the body.
func (r *progressReader) Read(b []byte) (int, error) {
	n, err := r.body.Read(b)
	r.at += int64(n)
	r.progress.Show("%s: sending, %s of %s", r.name, Size(r.at), Size(r.size))
	return n, err
}

// Seek moves within the body.
func (r *progressReader) Seek(offset int64, whence int) (int64, error) {
	at, err := r.body.Seek(offset, whence)
	if err == nil {
		r.at = at
	}
	return at, err
}
