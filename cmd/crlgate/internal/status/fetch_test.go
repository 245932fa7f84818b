package status

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/fetch"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

func TestFetched(t *testing.T) {
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	uploads := objectstoretest.NewBucket()
	add := func(name string, outcome fetch.Outcome, code fetch.Code, failures int) {
		s := fetch.State{
			CA: "a", Kind: fetch.FromSettings, URLs: []string{"http://h/" + name}, Key: "crls/fetched/a/" + name + ".crl", Tried: at.Add(-time.Minute), Outcome: outcome, Code: code,
			Detail: "words about " + name, Next: at.Add(10 * time.Minute), First: at.Add(-time.Hour), Success: at.Add(-30 * time.Minute), Failures: failures,
		}
		data, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		uploads.Store("fetch/a/"+name+".json", data)
	}
	status := func() (*Status, string) {
		s := &Status{At: at, OK: true, CAs: []CA{{Name: "a", Settings: issuer.Settings{CRLURLs: []string{"http://h/good"}}}}}
		if err := s.AddFetched(t.Context(), uploads); err != nil {
			t.Fatal(err)
		}
		var page bytes.Buffer
		if err := s.fetched(&page, false); err != nil {
			t.Fatal(err)
		}
		return s, page.String()
	}
	s, page := status()
	if s.OK || len(s.Fetched) != 1 || !strings.Contains(page, "never asked: does a fetcher run?") {
		t.Errorf("nobody asked: %t %s", s.OK, page)
	}
	add("good", fetch.OutcomeUnchanged, fetch.NotModified, 0)
	add("hiccup", fetch.OutcomeFailed, fetch.ServerError, 1)
	uploads.Store("fetch/a/damaged.json", []byte("{"))
	s, page = status()
	if !s.OK || len(s.Fetched) != 2 {
		t.Errorf("%+v", s)
	}
	for _, want := range []string{"http://h/good", "not_modified, 1m ago", "30m ago", "in 10m", "failed server_error, 1 in a row", "words about hiccup"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	add("hiccup", fetch.OutcomeFailed, fetch.ServerError, failingFrom)
	if s, _ := status(); s.OK {
		t.Error("a URL that fails again and again is OK")
	}
}
