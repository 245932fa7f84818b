package console

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// watch looks at the target over and over, and puts on the board what is new.
type watch struct {
	config Config
	board  *board
	tally  *tally // of a local stack; nil on AWS
	meters *meters

	mu     sync.Mutex
	target *target.Target // that of a local stack changes when it starts anew
	cache  *reread

	// Of the goroutine that runs.
	view    view
	history history
	talk    talk

	looked atomic.Int64 // when somebody looked at the page last, in Unix seconds
	read   atomic.Bool  // a report came: read now
	nudged chan struct{}
}

func newWatch(c Config) *watch {
	w := &watch{
		config: c, board: newBoard(), target: c.Target, cache: newReread(c.Target.Cache),
		view: view{target: c.Target.String()}, nudged: make(chan struct{}, 1),
	}
	if c.Target.Local != nil {
		w.tally = &tally{}
	} else {
		w.meters = &meters{api: c.Metrics, function: c.Function}
	}
	w.view.at = c.Clock().Round(0)
	w.board.show(w.view.frames(), nil)
	return w
}

// settle is how long events are collected before the page is worked out anew.
const settle = 150 * time.Millisecond

// run looks until the context ends.
func (w *watch) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if w.tally != nil {
		wg.Go(func() {
			w.tally.follow(ctx, func() *target.State { return w.current().Local }, w.nudge)
		})
	} else {
		wg.Go(func() { w.meters.run(ctx, w.config.Clock, w.lookedWithin, func() { w.nudge(false) }) })
	}
	due := time.NewTicker(w.config.Every)
	defer due.Stop()
	w.read.Store(true)
	for {
		if w.read.Swap(false) {
			w.look(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		w.show()
		select {
		case <-ctx.Done():
			return
		case <-due.C:
			w.read.Store(true)
		case <-w.nudged:
			select {
			case <-ctx.Done():
			case <-time.After(settle):
			}
		}
	}
}

// nudge has the page worked out anew soon; with read, the bucket read first.
func (w *watch) nudge(read bool) {
	if read {
		w.read.Store(true)
	}
	select {
	case w.nudged <- struct{}{}:
	default:
	}
}

func (w *watch) current() *target.Target {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.target
}

// source is the bucket as it is read now.
func (w *watch) source() *reread {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cache
}

// someoneLooks notes that the page is in use.
func (w *watch) someoneLooks() { w.looked.Store(w.config.Clock().Unix()) }

func (w *watch) lookedWithin(d time.Duration) bool {
	return w.config.Clock().Unix()-w.looked.Load() <= int64(d/time.Second)
}

// look reads the bucket. What was read before stays where it cannot be.
func (w *watch) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cache := w.source()
	c, err := preprocess.LoadCatalog(ctx, cache)
	var reports map[string]*preprocess.Report
	if err == nil {
		reports, err = status.ReadReports(ctx, cache)
	}
	now := w.config.Clock().Round(0)
	if err != nil {
		w.view.trouble = err.Error()
		if gone := w.again(ctx); gone != nil {
			w.view.trouble = gone.Error()
		}
		return
	}
	w.view.status, w.view.read, w.view.trouble = status.Of(c, reports, now), now, ""
	w.view.reports = slices.SortedFunc(func(yield func(*preprocess.Report) bool) {
		for _, r := range reports {
			if !yield(r) {
				return
			}
		}
	}, func(a, b *preprocess.Report) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Key, b.Key)) })
}

// again looks for a local stack that was started anew, elsewhere. The error says
// that none runs.
func (w *watch) again(ctx context.Context) error {
	was := w.current()
	if was.Local == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s, err := target.Find(ctx, was.Local.Folder)
	if err != nil {
		if errors.Is(err, target.ErrNoLocal) {
			return err
		}
		return nil
	}
	if s.PID == was.Local.PID && s.Started.Equal(was.Local.Started) {
		return nil
	}
	t, err := target.OpenLocal(ctx, s)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target, w.cache = t, newReread(t.Cache)
	w.read.Store(true)
	return nil
}

// show works the page out as it stands now.
func (w *watch) show() {
	v := &w.view
	v.at = w.config.Clock().Round(0)
	if v.status != nil {
		v.lists = listsOf(v.status, v.at)
		for _, l := range v.lists {
			w.history.add(l.ca, l.Key, point{l.Published, l.Entries, l.Number})
		}
	}
	var source string
	if w.tally != nil {
		source = w.localHistory()
		v.denials = w.tally.denials(v.at)
	} else {
		source = w.meters.history(&w.history, v.lists)
		v.denials = w.meters.denials()
	}
	v.entries = w.history.view(v.lists, source)
	w.board.show(v.frames(), w.talk.about(v, w.tally))
}

// localHistory takes in the reports of the local stack, and says what is known.
func (w *watch) localHistory() string {
	for _, r := range w.tally.reported() {
		if r.Kind == preprocess.KindCRL && r.Outcome == preprocess.OutcomeAccepted && r.Entries != nil {
			w.history.add(r.CA, r.Key, point{r.At, *r.Entries, r.Number})
		}
	}
	return "Known: the edition in force, and those that the local stack reported since it started. The bucket itself keeps no history."
}

// talk says to screen readers what changed, and nothing that merely goes on.
type talk struct {
	begun   bool
	lists   map[string]list
	reports map[string]string
	trouble bool
	denied  int
	last    time.Time // when denials were told of
}

// Denials are told of in sum, at most so often; and of other news so many at a
// time.
const (
	denialsEvery = 10 * time.Second
	newsAtOnce   = 3
)

// about returns what is worth saying since the last call.
func (t *talk) about(v *view, counts *tally) []string {
	var news []string
	if trouble := v.trouble != ""; trouble != t.trouble {
		t.trouble = trouble
		news = append(news, map[bool]string{true: "The cache bucket cannot be read now.", false: "The cache bucket can be read again."}[trouble])
	}
	if v.status != nil {
		news = append(news, t.aboutLists(v.lists)...)
		news = append(news, t.aboutReports(v.reports)...)
		t.begun = true
	}
	if counts != nil {
		if n, last := counts.ever(); n > t.denied && v.at.Sub(t.last) >= denialsEvery {
			news = append(news, plural(n-t.denied, "more request", "more requests")+" denied, the last: "+reasonOf(last)+".")
			t.denied, t.last = n, v.at
		}
	}
	if more := len(news) - newsAtOnce; more > 0 {
		news = append(news[:newsAtOnce], "And "+plural(more, "more change", "more changes")+".")
	}
	return news
}

func (t *talk) aboutLists(lists []list) (news []string) {
	now := map[string]list{}
	for _, l := range lists {
		now[l.name()] = l
		was, known := t.lists[l.name()]
		switch {
		case !t.begun:
		case !known || was.Number != l.Number:
			news = append(news, "CRL "+l.Key+" of CA "+l.ca+", number "+l.Number+", is in force.")
		case l.urgency > was.urgency:
			news = append(news, "CRL "+l.Key+" of CA "+l.ca+" is now "+l.urgency.word()+": "+l.leftIn+".")
		}
	}
	t.lists = now
	return news
}

func (t *talk) aboutReports(reports []*preprocess.Report) (news []string) {
	now := map[string]string{}
	for _, r := range reports {
		gist := strings.Join([]string{string(r.Outcome), string(r.Code), r.ETag}, " ")
		now[r.Key] = gist
		if bad := r.Outcome == preprocess.OutcomeRefused || r.Outcome == preprocess.OutcomePending; t.begun && bad && t.reports[r.Key] != gist {
			news = append(news, "Upload "+r.Key+" is "+string(r.Outcome)+": "+string(r.Code)+".")
		}
	}
	t.reports = now
	return news
}
