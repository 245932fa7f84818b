package fetch

import (
	"crypto/x509/pkix"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

func TestSources(t *testing.T) {
	w := newWorld(t)
	root := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "root"}})
	points, err := pki.CDP(
		pki.DistributionPoint{FullNames: []string{"ldap://dir/cn=root", "http://crl.example.com/root.crl", "http://mirror.example.com/root.crl"}},
		pki.DistributionPoint{FullNames: []string{"http://crl.example.com/indirect.crl"}, CRLIssuer: root.Name()},
	)
	if err != nil {
		t.Fatal(err)
	}
	below := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "below"}, Parent: root, RawCDP: points})
	orphan := pkitest.CA(t, pki.CAOptions{
		Name: pkix.Name{CommonName: "orphan"}, Parent: pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "elsewhere"}}),
		CRLDistributionPoints: []string{"http://elsewhere.example.com/x.crl"},
	})
	w.ca("root", root, "http://crl.example.com/own.crl")
	w.ca("below", below, "http://crl.example.com/below.crl")
	w.ca("orphan", orphan)
	state := func(ca, url string, freshest ...[]string) *State {
		return &State{CA: ca, URLs: []string{url}, Freshest: freshest}
	}
	states := []*State{
		state("below", "http://crl.example.com/below.crl", []string{"ldap://dir/delta", "http://crl.example.com/delta.crl"}),
		state("gone", "http://crl.example.com/gone.crl", []string{"http://crl.example.com/gone-delta.crl"}),
	}
	names := func(cdp bool) (out []string) {
		for _, s := range Sources(w.catalog, cdp, states) {
			out = append(out, fmt.Sprintf("%s %s %s", s.CA, s.Kind, strings.Join(s.URLs, " ")))
		}
		return out
	}
	want := []string{
		"below settings http://crl.example.com/below.crl",
		"root settings http://crl.example.com/own.crl",
		"root cdp http://crl.example.com/root.crl http://mirror.example.com/root.crl ldap://dir/cn=root",
		"below freshest_crl http://crl.example.com/delta.crl ldap://dir/delta",
	}
	if got := names(true); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := names(false); !slices.Equal(got, slices.Delete(slices.Clone(want), 2, 3)) {
		t.Errorf("without CDPs: %v", got)
	}
	many := state("root", "http://crl.example.com/own.crl")
	for i := range 100 {
		many.Freshest = append(many.Freshest, []string{fmt.Sprintf("http://crl.example.com/%d", i), "http://a/", "http://b/", "http://c/", "http://d/"})
	}
	states = append(states, many)
	if got := Sources(w.catalog, false, states); len(got) != 3+maxDeltas || len(got[5].URLs) != maxAlternatives {
		t.Errorf("a CRL has %d sources fetched", len(got))
	}
}

// TestMirrors: the second name is asked where the first does not answer, and what
// is wrong with both is said.
func TestMirrors(t *testing.T) {
	w := newWorld(t)
	url, _ := serve(t, always(makeCRL(t, 1)))
	root := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "root"}})
	add := func(urls ...string) {
		points, err := pki.CDP(pki.DistributionPoint{FullNames: urls})
		if err != nil {
			t.Fatal(err)
		}
		w.ca("below", pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "below"}, Parent: root, RawCDP: points}))
	}
	w.ca("root", root)
	add("http://127.0.0.1:1/", url)
	s := w.one(Want{})
	w.is(s, OutcomeFetched, Fetched)
	if s.URL != url || s.CA != "root" || s.Kind != FromCDP {
		t.Errorf("%+v", s)
	}
	add("http://127.0.0.1:1/", "http://169.254.169.254/", "ldap://127.0.0.1/")
	s = w.one(Want{All: true})
	w.is(s, OutcomeFailed, ConnectFailed)
	for _, words := range []string{"http://127.0.0.1:1/: ", "(address_refused)", "(scheme_unsupported)"} {
		if !strings.Contains(s.Detail, words) {
			t.Errorf("no %q in %s", words, s.Detail)
		}
	}
}

var safeKey = regexp.MustCompile(`^crls/fetched/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+\.crl$`)

func TestKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range []Source{
		{CA: "a", URLs: []string{"http://h/x.crl"}},
		{CA: "a", URLs: []string{"https://h/x.crl"}},
		{CA: "a", URLs: []string{"http://h/x.crl?1"}},
		{CA: "b", URLs: []string{"http://h/x.crl"}},
		{CA: "a/b", URLs: []string{"http://h/"}},
		{CA: "a_2fb", URLs: []string{"http://h/"}},
		{CA: "..", URLs: []string{"http://h/../../etc"}},
		{CA: ".", URLs: []string{"ldap:///x"}},
		{CA: "ü", URLs: []string{"http://[::1]:80/ü/" + strings.Repeat("x", 1500)}},
	} {
		key := s.CRLKey(DefaultCRLPrefix)
		if !safeKey.MatchString(key) || strings.Contains(key, "/../") || strings.Contains(key, "/./") || len(key) > 400 || seen[key] {
			t.Errorf("%+v: %s", s, key)
		}
		seen[key] = true
		if state := s.StateKey(DefaultStatePrefix); !strings.HasPrefix(state, "fetch/") || !strings.HasSuffix(state, ".json") {
			t.Error(state)
		}
	}
	s := Source{CA: "partner-a", URLs: []string{"http://crl.example.com/partner-a.crl"}}
	if got := s.CRLKey(DefaultCRLPrefix); got != "crls/fetched/partner-a/crl.example.com-partner-a-"+strings.TrimSuffix(got[len(got)-20:], ".crl")+".crl" {
		t.Error(got)
	}
}

func TestRequests(t *testing.T) {
	for payload, want := range map[string]Request{
		TimerRequest: {}, `{"source":"aws.events","detail-type":"Scheduled Event"}`: {}, `{"crlgate":"ready"}`: {Ready: true},
		`{"crlgate":"fetch","all":true,"ca":"a","url":"http://x/"}`: {Want: Want{All: true, CA: "a", URL: "http://x/"}},
	} {
		if got, err := ParseRequest([]byte(payload)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", payload, got, err)
		}
	}
	for _, payload := range []string{"", "{}", `{"crlgate":"reconcile"}`, `{"Records":[]}`, `[]`} {
		if _, err := ParseRequest([]byte(payload)); err == nil {
			t.Errorf("%s is taken", payload)
		}
	}
}
