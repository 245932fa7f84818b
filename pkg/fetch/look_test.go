package fetch

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFetchThenNothingNewThenNew(t *testing.T) {
	w := newWorld(t)
	p := &publisher{}
	p.set(makeCRL(t, 1), `"1"`)
	url, _ := serve(t, p.ServeHTTP)
	w.ca("a", testCA(), url+"/ca.crl")

	first := w.one(Want{})
	w.is(first, OutcomeFetched, Fetched)
	key := first.Key
	if !strings.HasPrefix(key, "crls/fetched/a/127.0.0.1-ca-") || !strings.HasSuffix(key, ".crl") {
		t.Errorf("it lies under %s", key)
	}
	if got, _, _ := w.uploads.Load(key); !bytes.Equal(got, makeCRLBytes(p)) {
		t.Error("what lies there is not what was served")
	}
	if first.Number != "1" || first.URL != url+"/ca.crl" || first.ETag != `"1"` || first.NextUpdate == nil || first.Failures != 0 || !first.Success.Equal(w.now) {
		t.Errorf("%+v", first)
	}
	if s := w.run(Want{}); len(s.Looks) != 0 || s.Sources != 1 {
		t.Errorf("it was looked at again at once: %+v", s)
	}
	w.now = first.Next
	before := len(w.uploads.Keys())
	second := w.one(Want{})
	w.is(second, OutcomeUnchanged, NotModified)
	if second.SHA256 != first.SHA256 || !second.Changed.Equal(first.Changed) || len(w.uploads.Keys()) != before {
		t.Errorf("%+v", second)
	}
	w.now = start.Add(24*time.Hour + time.Minute)
	p.set(makeCRL(t, 2), `"2"`)
	third := w.one(Want{})
	w.is(third, OutcomeFetched, Fetched)
	if third.Number != "2" || third.Habit != 24*3600 {
		t.Errorf("number %s, habit %ds", third.Number, third.Habit)
	}
	if w.metrics.counts["fetched a"] != 2 || w.metrics.counts["unchanged a"] != 1 || w.metrics.bytes == 0 || w.metrics.ages["a"] < 0 {
		t.Errorf("metrics %+v", &w.metrics)
	}
	if !strings.Contains(w.log.String(), "crl_number=2") {
		t.Error(w.log.String())
	}
}

func makeCRLBytes(p *publisher) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.body
}

// TestServersWithoutValidators: the bytes are compared.
func TestServersWithoutValidators(t *testing.T) {
	w := newWorld(t)
	crl := makeCRL(t, 1)
	url, _ := serve(t, func(rw http.ResponseWriter, _ *http.Request) { write(t, rw, crl) })
	w.ca("a", testCA(), url)
	s := w.one(Want{})
	_, object, _ := w.uploads.Load(s.Key)
	w.now = s.Next
	w.is(w.one(Want{}), OutcomeUnchanged, SameBytes)
	if _, after, _ := w.uploads.Load(s.Key); after.LastModified != object.LastModified {
		t.Error("the same bytes were written again")
	}
}

// TestTheStateIsLost: what lies there is compared, and the CRL not written again.
func TestTheStateIsLost(t *testing.T) {
	w := newWorld(t)
	w.publishes(1)
	s := w.one(Want{})
	for _, broken := range []string{"", "{", `{"ca":"a"}`} {
		key := s.stateKey()
		if broken == "" {
			w.uploads.Remove(key)
		} else {
			w.uploads.Store(key, []byte(broken))
		}
		w.is(w.one(Want{All: true}), OutcomeUnchanged, SameBytes)
	}
}

func (s *State) stateKey() string {
	source := s.source()
	return source.StateKey(DefaultStatePrefix)
}

// TestTheUploadIsGoneOrAnother: validators count only for what still lies there.
func TestTheUploadIsGoneOrAnother(t *testing.T) {
	w := newWorld(t)
	p := w.publishes(1)
	key := w.one(Want{}).Key
	w.uploads.Remove(key)
	w.is(w.one(Want{All: true}), OutcomeFetched, Fetched)
	w.uploads.Store(key, []byte("something else"))
	w.is(w.one(Want{All: true}), OutcomeFetched, Fetched)
	if got, _, _ := w.uploads.Load(key); !bytes.Equal(got, makeCRLBytes(p)) {
		t.Error("it was not put right")
	}
}

// TestValidatorsThatLie: the same ETag with other bytes, and a server that says
// "not modified" for ever.
func TestValidatorsThatLie(t *testing.T) {
	w := newWorld(t)
	p := w.publishes(1)
	p.lie = true
	s := w.one(Want{})
	p.set(makeCRL(t, 2), `"1"`)
	for range 200 {
		w.now = s.Next
		if s = w.one(Want{}); s.Outcome == OutcomeFetched {
			break
		}
		w.is(s, OutcomeUnchanged, NotModified)
	}
	if s.Number != "2" || w.now.Sub(start) > 25*time.Hour {
		t.Errorf("number %s at %v after the first", s.Number, w.now.Sub(start))
	}
	if !slices.Contains(p.asked, `"1"`) {
		t.Error("no condition was sent")
	}
}

func TestFailuresAreCountedAndOver(t *testing.T) {
	w := newWorld(t)
	p := w.publishes(1)
	good := w.one(Want{})
	p.set(nil, `"2"`)
	var pauses []time.Duration
	for i := range 4 {
		s := w.one(Want{All: true})
		w.is(s, OutcomeFailed, ServerError)
		if s.Failures != i+1 || !s.Success.Equal(good.Success) || s.SHA256 != good.SHA256 || s.Number != "1" {
			t.Errorf("%+v", s)
		}
		pauses = append(pauses, s.Next.Sub(w.now))
	}
	if !slices.IsSorted(pauses) || pauses[3] < 4*pauses[0] {
		t.Errorf("pauses %v", pauses)
	}
	p.set(makeCRL(t, 2), `"2"`)
	w.now = w.now.Add(3 * time.Hour)
	if s := w.one(Want{}); s.Failures != 0 || s.Number != "2" {
		t.Errorf("%+v", s)
	}
	if w.metrics.counts["failed a server_error"] != 4 || !strings.Contains(w.log.String(), "code=server_error") {
		t.Errorf("%v", w.metrics.counts)
	}
}

// TestAnErrorPageTakesNoPlace: what was fetched before stays.
func TestAnErrorPageTakesNoPlace(t *testing.T) {
	w := newWorld(t)
	p := w.publishes(1)
	crl := makeCRLBytes(p)
	key := w.one(Want{}).Key
	p.set([]byte("<html>"), `"2"`)
	w.is(w.one(Want{All: true}), OutcomeFailed, NotACRL)
	if got, _, _ := w.uploads.Load(key); !bytes.Equal(got, crl) {
		t.Error("the page took the CRL's place")
	}
}

// TestAnOlderCRL is the preprocessor's business: it is uploaded, and refused there.
func TestAnOlderCRL(t *testing.T) {
	w := newWorld(t)
	p := w.publishes(5)
	w.one(Want{})
	p.set(makeCRL(t, 4), `"4"`)
	s := w.one(Want{All: true})
	w.is(s, OutcomeFetched, Fetched)
	if s.Number != "4" || s.Habit != 0 {
		t.Errorf("number %s, habit %d", s.Number, s.Habit)
	}
}
