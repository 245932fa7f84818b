package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// frame is a part of the page, rendered.
type frame struct {
	ID   string `json:"id"`
	HTML string `json:"html"`
	Hash string `json:"hash"`
}

// keepSaid is how many announcements are kept for streams that lag behind.
const keepSaid = 20

// board holds what the page shows now, for all who look at it.
type board struct {
	mu      sync.Mutex
	frames  []frame
	said    []string // announcements, the newest last
	saidAll int      // how many there ever were
	changed chan struct{}
}

func newBoard() *board { return &board{changed: make(chan struct{})} }

// show replaces the frames, adds announcements, and wakes whoever waits.
func (b *board) show(frames []frame, say []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(say) == 0 && slices.Equal(b.frames, frames) {
		return
	}
	b.frames = frames
	b.said = append(b.said, say...)
	b.said = b.said[max(0, len(b.said)-keepSaid):]
	b.saidAll += len(say)
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *board) now() []frame {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.frames
}

// since returns the frames, the announcements after the first n there ever were,
// how many there are now, and what is closed at the next change.
func (b *board) since(n int) ([]frame, []string, int, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.frames, b.said[max(0, len(b.said)-(b.saidAll-n)):], b.saidAll, b.changed
}

// heartbeat keeps a stream's connection from being taken for dead.
const heartbeat = 15 * time.Second

// events streams what changes: frames that differ from the last that were sent,
// and announcements.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		refuse(w, http.StatusServiceUnavailable, "Too many pages are open.")
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	sent := map[string]string{}
	_, _, said, _ := s.watch.board.since(0)
	alive := time.NewTicker(heartbeat)
	defer alive.Stop()
	for {
		s.watch.someoneLooks()
		frames, say, all, changed := s.watch.board.since(said)
		said = all
		for _, f := range frames {
			if sent[f.ID] != f.Hash && send(w, "frame", f) != nil {
				return
			}
			sent[f.ID] = f.Hash
		}
		for _, text := range say {
			if send(w, "say", text) != nil {
				return
			}
		}
		if control.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-alive.C:
			if _, err := fmt.Fprint(w, ": alive\n\n"); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func send(w http.ResponseWriter, event string, data any) error {
	line, err := json.Marshal(data)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, line)
	return err
}
