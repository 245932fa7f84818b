package explain

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// answered is what the authorizer said of a request.
type answered struct {
	Decision, Reason, Status, WouldDeny string
}

// decided is a Metrics that keeps the status of the last decision.
type decided struct{ status string }

// Decided keeps the status.
func (d *decided) Decided(_ authorize.Decision, _ string, _ time.Duration, a *revocation.Answer) {
	d.status = a.Status.String()
}

// authorizer answers an event that carries the certificate, as the function does:
// the whole handler, over a cache of its own.
func authorizer(tb testing.TB, store revocation.Store, in *Input) answered {
	tb.Helper()
	type object = map[string]any
	event, err := json.Marshal(object{
		"version": "2.0", "type": "REQUEST", "routeArn": "arn:aws:execute-api:eu-west-1:123456789012:api/stage/GET/",
		"requestContext": object{
			"domainName": in.Domain, "requestId": "1",
			"authentication": object{"clientCert": object{"clientCertPem": PEM(in.Certificate)}},
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	var status decided
	h := authorize.New(authorize.Config{
		Asker: check.Warm(store, in.At), Settings: in.Settings, Log: slog.New(slog.DiscardHandler), Metrics: &status, Clock: func() time.Time { return in.At },
	})
	body, err := h.Invoke(context.Background(), event)
	if err != nil {
		tb.Fatal(err)
	}
	var response struct {
		IsAuthorized bool `json:"isAuthorized"`
		Context      authorize.Context
	}
	if err := json.Unmarshal(body, &response); err != nil {
		tb.Fatalf("%v in %s", err, body)
	}
	if response.IsAuthorized != (response.Context.Decision == "allow") {
		tb.Fatalf("the response contradicts itself: %s", body)
	}
	return answered{response.Context.Decision, response.Context.Reason, status.status, response.Context.WouldDeny}
}

// agree fails the test where explain and the authorizer differ, or where the
// report contradicts itself.
func agree(tb testing.TB, name string, store revocation.Store, in *Input) *Report {
	tb.Helper()
	want := authorizer(tb, store, in)
	r, err := Run(context.Background(), store, *in)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	v := &r.Verdict
	got := answered{v.Decision, string(v.Reason), v.Status, ""}
	if v.WouldDeny {
		got.WouldDeny = "true"
	}
	if got != want {
		tb.Errorf("%s: explain says %+v and the authorizer %+v", name, got, want)
	}
	coherent(tb, name, r)
	return r
}

// coherent fails the test where a report contradicts itself.
func coherent(tb testing.TB, name string, r *Report) {
	tb.Helper()
	if len(r.Rows) != LastRow {
		tb.Fatalf("%s: %d rows", name, len(r.Rows))
	}
	for i, row := range r.Rows {
		switch {
		case row.Row != i+1 || row.Decided != (row.Row == r.Verdict.Row):
			tb.Errorf("%s: row %d is %+v, and row %d decided", name, i+1, row, r.Verdict.Row)
		case row.Row < r.Verdict.Row && (row.Holds || !row.Reached) && r.Verdict.Row != 1:
			tb.Errorf("%s: row %d decided, and row %d before it holds or was not looked at: %+v", name, r.Verdict.Row, row.Row, row)
		case row.Why == "" || row.What == "":
			tb.Errorf("%s: row %d has no words: %+v", name, row.Row, row)
		}
	}
	listed := false
	for _, c := range r.CRLs {
		for _, l := range append([]CRL{c}, c.Deltas...) {
			listed = listed || l.Listed
			if !c.InScope && (l.Asked || c.Why == "") {
				tb.Errorf("%s: CRL %s is out of scope and was asked, or nothing says why: %+v", name, l.Key, l)
			}
		}
	}
	if r.Verdict.Status == "revoked" && !listed && !r.onDenyList() {
		tb.Errorf("%s: revoked, and neither a CRL nor the deny list says so", name)
	}
	if r.Verdict.Status == "good" && (r.Coverage == nil || r.Coverage.Current != "all") {
		tb.Errorf("%s: good, and the current CRLs cover %+v", name, r.Coverage)
	}
	if !r.Verdict.Allow() && len(r.Verdict.Remedy) == 0 {
		tb.Errorf("%s: denied by row %d, without a remedy", name, r.Verdict.Row)
	}
	if _, err := json.Marshal(r); err != nil {
		tb.Errorf("%s: %v", name, err)
	}
}

func (r *Report) onDenyList() bool {
	for _, s := range r.Settings {
		if s.Name == "deny" && s.Decided {
			return true
		}
	}
	return false
}
