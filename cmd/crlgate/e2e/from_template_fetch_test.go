package e2e

import (
	"context"
	"fmt"
	"net/http"

	"github.com/crlgate/crlgate/pkg/preprocess"
)

// fetch has the fetcher look, as its timer does, and waits for the end; where the
// template has none, it does nothing.
func (p templatePath) fetch() {
	p.t.Helper()
	if p.Fetcher == nil {
		return
	}
	p.FetchDue()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := p.Fetcher.Drain(ctx); err != nil {
		p.t.Fatal(err)
	}
}

// fetches takes the fetcher through all that it does: a CRL, another look, and a
// URL that nobody names any more.
func (p templatePath) fetches() {
	p.t.Helper()
	if p.Fetcher == nil {
		return
	}
	server := newPublisher(p.t)
	leaf := p.ca.issue("revoked over HTTP")
	p.ca.revoke(leaf)
	server.publish("/alpha.crl", p.ca.crl(nil))
	name := p.issuers + "alpha.json"
	p.upload(name, []byte(`{"crl_urls":["`+server.URL+`/alpha.crl"]}`), preprocess.OutcomeAccepted)
	p.fetch()
	p.awaitLog(`"CRL fetched"`, p.crl+"fetched/alpha/")
	p.expectAll(leaf, "revoked")
	if r, err := p.Fetcher.Invoke(p.t.Context(), []byte(`{"crlgate":"fetch","all":true}`)); err != nil || r.Err() != nil || server.unchanged("/alpha.crl") == 0 {
		p.t.Errorf("another look: %s, %v, %v", r.Payload, err, r.Err())
	}
	p.upload(name, []byte(`{"grace":"2h"}`), preprocess.OutcomeAccepted)
	p.fetch()
	p.awaitLog(`"CRL no longer fetched"`)
	if a := p.get(leaf); !a.is(http.StatusForbidden, "revoked") && !p.observes {
		p.t.Error(fmt.Sprint("what was fetched no longer serves: ", a))
	}
}
