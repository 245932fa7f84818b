package fetch

import (
	"encoding/json"
	"fmt"
)

// TimerRequest is the input that makes the fetcher look at what is due, as the
// timer sends it.
const TimerRequest = `{"crlgate":"fetch"}`

// Request is what an invocation asks for.
type Request struct {
	Want
	// Ready: say that the function has started; there is nothing to do.
	Ready bool
}

// ParseRequest reads an invocation's payload: [TimerRequest], which may also have
// "all", "ca" and "url" for the fields of [Want]; {"crlgate":"ready"}, which does
// nothing; or an EventBridge scheduled event.
func ParseRequest(payload []byte) (Request, error) {
	var event struct {
		Crlgate    string `json:"crlgate"`
		All        bool   `json:"all"`
		CA         string `json:"ca"`
		URL        string `json:"url"`
		DetailType string `json:"detail-type"`
		Source     string `json:"source"`
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return Request{}, fmt.Errorf("the event is not JSON: %w", err)
	}
	switch {
	case event.Source == "aws.events" && event.DetailType == "Scheduled Event":
		return Request{}, nil
	case event.Crlgate == "ready":
		return Request{Ready: true}, nil
	case event.Crlgate == "fetch":
		return Request{Want: Want{All: event.All, CA: event.CA, URL: event.URL}}, nil
	}
	return Request{}, fmt.Errorf("the event asks for %q; the fetcher knows %s", event.Crlgate, TimerRequest)
}

// Answer is what the function answers: what a run did, in numbers.
type Answer struct {
	Sources   int `json:"sources"`
	Fetched   int `json:"fetched"`
	Unchanged int `json:"unchanged"`
	Failed    int `json:"failed"`
	Left      int `json:"left"`
}

// Answer counts.
func (s *Summary) Answer() Answer {
	a := Answer{Sources: s.Sources, Left: s.Left}
	for _, r := range s.Looks {
		switch r.State.Outcome {
		case OutcomeFetched:
			a.Fetched++
		case OutcomeUnchanged:
			a.Unchanged++
		case OutcomeFailed:
			a.Failed++
		}
	}
	return a
}
