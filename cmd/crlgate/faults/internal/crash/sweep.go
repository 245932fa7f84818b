package crash

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// Ages of objects in the cache bucket, and the setting that they are held
// against: the least that the preprocessor takes.
const (
	sweepAfter = time.Hour
	longAgo    = 5 * time.Hour
)

func sweeping() map[string]string { return map[string]string{"SWEEP_AFTER": sweepAfter.String()} }

func uploadGone(key string) string { return "upload_gone " + key }

// settings uploads a CA's settings file; nil: takes it away.
func (w *world) settings(name string, values map[string]any) {
	key := "issuers/" + name + ".json"
	if values == nil {
		w.put(key, nil)
		w.state.Reports[key] = "deleted"
		return
	}
	data, err := json.Marshal(values)
	if err != nil {
		w.fail(err)
	}
	w.put(key, data)
	w.state.Reports[key] = "accepted"
}

// settingsDeleted takes a deny list away.
func settingsDeleted() *Scenario {
	s := settingsChanged()
	before := s.prepare.fork()
	before.uploads, before.order, before.state = s.prepare.uploads, s.prepare.order, s.change.state.clone()
	for _, key := range s.change.order {
		before.put(key, s.change.uploads[key])
	}
	next := before.fork()
	next.settings("alpha", nil)
	next.state.CAs, next.state.Clients = s.prepare.state.clone().CAs, s.prepare.state.clone().Clients
	return &Scenario{Name: "settings deleted", prepare: before, change: next, told: "issuers/alpha.json"}
}

// orphan is the key of a set that nothing names, such as a crash leaves.
func orphan(digit string) string {
	return "sets/crls_2falpha.crl/" + strings.Repeat(digit, 64) + ".cache"
}

// sweep has the timer delete what nothing has referred to for longer than
// SWEEP_AFTER: the set of a CRL that was replaced, that of a CA that was
// withdrawn, copies of catalogs, and what crashes left; not what is younger, and
// not what is somebody else's.
func sweep() *Scenario {
	p := newPlain(true)
	gone := p.newAuthority("gamma", "Gamma")
	p.trust("gamma", nil, gone)
	p.settings("beta", map[string]any{"grace": "1h"})
	of, bad := p.client(gone, "of the CA that goes", "good"), p.client(gone, "revoked by the CA that goes", "revoked")
	p.publish(gone, list{key: "crls/gamma.crl", number: 3, revoke: []*pki.Leaf{bad}})

	before := p.revokesNow()
	before.settings("beta", nil)
	before.put("issuers/gamma.pem", nil)
	before.put("crls/gamma.crl", nil)
	delete(before.state.CAs, "gamma")
	before.state.Reports["issuers/gamma.pem"], before.state.Reports["crls/gamma.crl"] = "deleted", "deleted"
	before.answers(of, "of the CA that goes", "unknown_issuer")
	before.answers(bad, "revoked by the CA that goes", "unknown_issuer")

	young, foreign := orphan("a"), "sets/README.txt"
	next := before.fork()
	next.state.Swept, next.state.Young, next.state.Foreign = true, []string{young}, []string{foreign}
	return &Scenario{
		Name: "sweep", Env: sweeping(), earlier: []*world{p.world}, prepare: before, change: next,
		beside: map[string][]byte{
			young: []byte("of a moment ago"), orphan("b"): []byte("of a crash"), foreign: []byte("of somebody else"),
			"catalog/" + strings.Repeat("c", 64) + ".json": []byte("{}"),
		},
		age: func(key string) time.Duration {
			if key == young {
				return 0
			}
			return longAgo
		},
		replay: map[string][]byte{"crls/alpha.crl": p.uploads["crls/alpha.crl"]},
	}
}

// sweepOfReturning has the timer sweep, and first bring back a CA whose set is
// what it would have swept.
func sweepOfReturning() *Scenario {
	p := newPlain(true)
	next := p.fork()
	next.put("issuers/alpha.pem", p.uploads["issuers/alpha.pem"])
	next.state.Swept = true
	return &Scenario{
		Name: "sweep, and its set is wanted again", Env: sweeping(), earlier: []*world{p.world}, prepare: p.withdrawn(), change: next,
		age: func(string) time.Duration { return longAgo },
	}
}

// forget takes a CRL out of force whose upload is gone. Its floor stays.
func forget() *Scenario {
	p := newPlain(true)
	before := p.fork()
	before.put("crls/alpha.crl", nil)
	before.state.Reports["crls/alpha.crl"] = "deleted"
	before.state.Stands = []string{uploadGone("crls/alpha.crl")}
	next := before.fork()
	next.state.Stands = nil
	delete(next.state.CAs["alpha"].CRLs, "crls/alpha.crl")
	p.answeredAll(next, "no_crl")
	return &Scenario{
		Name: "forget a CRL", earlier: []*world{p.world}, prepare: before, change: next,
		told: "crls/alpha.crl", asks: map[string]any{"crl": "crls/alpha.crl"},
		replay: map[string][]byte{"crls/alpha.crl": p.encode(p.ca, p.numbered(4, p.early))},
	}
}

// forgetCA withdraws one of several CAs whose files went at once, which is taken
// for an accident until somebody says that it was meant.
func forgetCA() *Scenario {
	p := newPlain(true)
	for _, name := range []string{"gamma", "delta"} {
		ca := p.newAuthority(name, strings.ToUpper(name))
		p.trust(name, nil, ca)
		p.client(ca, "of "+name, "no_crl")
	}
	before := p.fork()
	for _, name := range []string{"alpha", "beta", "gamma"} {
		key := "issuers/" + name + ".pem"
		before.put(key, nil)
		before.state.Reports[key] = "pending"
		before.state.Stands = append(before.state.Stands, "issuer_gone "+key)
		before.state.Reports["issuers/"+name+".json"] = "pending"
	}
	next := before.fork()
	delete(next.state.CAs, "alpha")
	next.state.Reports["issuers/alpha.pem"], next.state.Reports["issuers/alpha.json"] = "deleted", "deleted"
	next.state.Reports["crls/alpha.crl"] = "pending"
	next.state.Stands = before.state.Stands[1:]
	p.answeredAll(next, "unknown_issuer")
	return &Scenario{
		Name: "forget a CA", earlier: []*world{p.world}, prepare: before, change: next,
		told: "issuers/alpha.pem", asks: map[string]any{"ca": "alpha"},
	}
}
