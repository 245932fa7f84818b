package crash

import (
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// Scenario is a change in the upload bucket that the preprocessor is to take
// over, and the truth before and after it.
type Scenario struct {
	Name string
	Env  map[string]string // settings of the preprocessor
	// earlier are uploads of long before, which the timer found, one world after
	// the other.
	earlier []*world
	// prepare are the uploads of before, in the order in which they are told of.
	prepare *world
	// beside are objects that lie in the cache bucket besides, by key.
	beside map[string][]byte
	// age says how long ago an object of the cache bucket was written; nil: all
	// of them just now.
	age func(key string) time.Duration
	// change are the uploads, and deletions, that the run is about.
	change *world
	// told is the upload key of the S3 event; "": the timer.
	told string
	// asks is what an operator asks the preprocessor to forget, in place of an
	// event; the change is what comes of it.
	asks map[string]any
	// replay is put back after the recovery and must change nothing: by upload
	// key, what stood there before.
	replay map[string][]byte
}

func named(cn string) pkix.Name {
	return pkix.Name{CommonName: cn, Organization: []string{"crlgate faults"}}
}

// The dates of CRLs follow from their numbers, so that a later one is later.
var began = time.Now().Truncate(time.Second)

func updated(number int64) time.Time {
	return began.Add(-2*time.Hour + time.Duration(number)*time.Minute)
}
func lastsUntil() time.Time { return began.Add(24 * time.Hour) }

// Scenarios makes all of them, with fresh keys.
func Scenarios() ([]*Scenario, error) {
	var out []*Scenario
	for _, build := range []func() *Scenario{
		firstUpload, replacement, replacementAsJSON, delta, deltaBeforeBase, issuerAdded, certificateAdded, certificateRemoved,
		issuerDeleted, bareIssuerDeleted, settingsChanged, settingsDeleted, crlDeleted, eventsLost, partReplaced, partsSplit,
		sweep, sweepOfReturning, forget, forgetCA,
	} {
		s := build()
		for _, w := range append(s.earlier, s.prepare, s.change) {
			if w.err != nil {
				return nil, fmt.Errorf("scenario %s: %w", s.Name, w.err)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// plain is a CA, a second one that nothing happens to, and their clients.
type plain struct {
	*world
	ca, other            *authority
	good, early, victims *pki.Leaf
}

// newPlain sets two CAs up. Each has a CRL in force where crl is set.
func newPlain(crl bool) *plain {
	p := &plain{world: newWorld()}
	p.ca, p.other = p.newAuthority("alpha", "Alpha"), p.newAuthority("beta", "Beta")
	p.trust("alpha", nil, p.ca)
	p.trust("beta", nil, p.other)
	p.client(p.other, "of another CA", "good")
	p.publish(p.other, list{key: "crls/beta.crl", number: 7, revoke: []*pki.Leaf{p.client(p.other, "revoked by another CA", "revoked")}})
	none := "no_crl"
	if crl {
		none = "good"
	}
	p.good, p.early, p.victims = p.client(p.ca, "good", none), p.client(p.ca, "revoked early", none), p.client(p.ca, "revoked now", none)
	if crl {
		p.answers(p.early, "revoked early", "revoked")
		p.publish(p.ca, p.numbered(5, p.early))
	}
	return p
}

// numbered is the CA's complete CRL.
func (p *plain) numbered(n int64, revoke ...*pki.Leaf) list {
	return list{key: "crls/alpha.crl", number: n, revoke: revoke}
}

// revokesNow publishes the change that most scenarios are about.
func (p *plain) revokesNow() *world {
	next := p.fork()
	next.answers(p.good, "good", "good")
	next.answers(p.early, "revoked early", "revoked")
	next.answers(p.victims, "revoked now", "revoked")
	next.publish(p.ca, p.numbered(6, p.early, p.victims))
	return next
}

func firstUpload() *Scenario {
	p := newPlain(false)
	return &Scenario{Name: "first upload", prepare: p.world, change: p.revokesNow(), told: "crls/alpha.crl"}
}

func replacement() *Scenario {
	p := newPlain(true)
	return &Scenario{
		Name: "replacement", prepare: p.world, change: p.revokesNow(), told: "crls/alpha.crl",
		replay: map[string][]byte{"crls/alpha.crl": p.uploads["crls/alpha.crl"]},
	}
}

func replacementAsJSON() *Scenario {
	s := replacement()
	s.Name, s.Env = "replacement, CACHE_JSON", map[string]string{"CACHE_JSON": "true"}
	s.prepare.state.JSON, s.change.state.JSON = true, true
	return s
}

func delta() *Scenario {
	p := newPlain(true)
	by := p.client(p.ca, "revoked by the delta before", "revoked")
	p.publish(p.ca, list{key: "crls/alpha-delta.crl", number: 6, base: 5, revoke: []*pki.Leaf{by}})
	next := p.fork()
	next.answers(p.victims, "revoked now", "revoked")
	next.publish(p.ca, list{key: "crls/alpha-delta.crl", number: 7, base: 5, revoke: []*pki.Leaf{by, p.victims}})
	return &Scenario{
		Name: "delta", prepare: p.world, change: next, told: "crls/alpha-delta.crl",
		replay: map[string][]byte{"crls/alpha-delta.crl": p.uploads["crls/alpha-delta.crl"]},
	}
}

// deltaBeforeBase has a delta wait for the complete CRL that then comes.
func deltaBeforeBase() *Scenario {
	p := newPlain(true)
	by := p.client(p.ca, "revoked by the delta", "good")
	early := list{key: "crls/alpha-delta.crl", number: 7, base: 6, revoke: []*pki.Leaf{by}}
	p.waits(p.ca, early)
	next := p.fork()
	next.answers(p.victims, "revoked now", "revoked")
	next.answers(by, "revoked by the delta", "revoked")
	next.publish(p.ca, p.numbered(6, p.early, p.victims))
	next.enters("alpha", early)
	return &Scenario{Name: "base of a waiting delta", prepare: p.world, change: next, told: "crls/alpha.crl"}
}

func issuerAdded() *Scenario {
	p := newPlain(true)
	ca := p.newAuthority("gamma", "Gamma")
	good, bad := p.client(ca, "of the new CA", "unknown_issuer"), p.client(ca, "revoked by the new CA", "unknown_issuer")
	waiting := list{key: "crl/gamma.crl", number: 3, revoke: []*pki.Leaf{bad}}
	p.waits(ca, waiting)
	next := p.fork()
	next.trust("gamma", nil, ca)
	next.answers(good, "of the new CA", "good")
	next.answers(bad, "revoked by the new CA", "revoked")
	next.enters("gamma", waiting)
	return &Scenario{Name: "issuer added", prepare: p.world, change: next, told: "issuers/gamma.pem"}
}

// certificateAdded is a rollover: the file gets the CA's second key, by which a
// CRL is signed already.
func certificateAdded() *Scenario {
	p := newPlain(true)
	second := p.newAuthority("alpha", "Alpha")
	good, bad := p.client(second, "of the second key", "unknown_issuer"), p.client(second, "revoked by the second key", "unknown_issuer")
	waiting := list{key: "crls/alpha-2.crl", number: 2, revoke: []*pki.Leaf{bad}}
	p.waits(second, waiting)
	next := p.fork()
	next.trust("alpha", nil, p.ca, second)
	next.answers(good, "of the second key", "good")
	next.answers(bad, "revoked by the second key", "revoked")
	next.enters("alpha", waiting)
	return &Scenario{Name: "certificate added", prepare: p.world, change: next, told: "issuers/alpha.pem"}
}

// certificateRemoved is the end of a rollover: the old key goes, and its CRL.
func certificateRemoved() *Scenario {
	p := newPlain(true)
	second := p.newAuthority("alpha", "Alpha")
	p.trust("alpha", nil, p.ca, second)
	p.client(second, "of the second key", "good")
	bad := p.client(second, "revoked by the second key", "revoked")
	p.publish(second, list{key: "crls/alpha-2.crl", number: 2, revoke: []*pki.Leaf{bad}})
	next := p.fork()
	next.trust("alpha", func(key string) bool { return key == "crls/alpha-2.crl" }, second)
	p.answeredAll(next, "unknown_issuer")
	next.state.Reports["crls/alpha.crl"] = "pending" // signed by a key that the file lacks
	return &Scenario{Name: "certificate removed", prepare: p.world, change: next, told: "issuers/alpha.pem"}
}

func issuerDeleted() *Scenario {
	p := newPlain(true)
	return &Scenario{Name: "issuers file deleted", prepare: p.world, change: p.withdrawn(), told: "issuers/alpha.pem"}
}

// bareIssuerDeleted withdraws a CA that never had a CRL, so that no floor tells
// that it was.
func bareIssuerDeleted() *Scenario {
	p := newPlain(false)
	next := p.withdrawn()
	delete(next.state.Reports, "crls/alpha.crl")
	return &Scenario{Name: "issuers file deleted, no CRL", prepare: p.world, change: next, told: "issuers/alpha.pem"}
}

// withdrawn takes the CA's issuers file away; its CRL stays.
func (p *plain) withdrawn() *world {
	next := p.fork()
	next.put("issuers/alpha.pem", nil)
	delete(next.state.CAs, "alpha")
	next.state.Reports["issuers/alpha.pem"] = "deleted"
	next.state.Reports["crls/alpha.crl"] = "pending" // of a CA that nobody knows
	p.answeredAll(next, "unknown_issuer")
	return next
}

// answeredAll has all of the CA's clients be answered alike.
func (p *plain) answeredAll(w *world, reason string) {
	for leaf, name := range map[*pki.Leaf]string{p.good: "good", p.early: "revoked early", p.victims: "revoked now"} {
		w.answers(leaf, name, reason)
	}
}

func settingsChanged() *Scenario {
	p := newPlain(true)
	next := p.fork()
	serial := hex.EncodeToString(p.victims.Certificate.SerialNumber.Bytes())
	data, err := json.Marshal(map[string]any{"deny": []string{serial}, "grace": "1h"})
	if err != nil {
		next.fail(err)
	}
	next.put("issuers/alpha.json", data)
	ca := next.state.CAs["alpha"]
	ca.Deny = []string{serial}
	next.state.CAs["alpha"] = ca
	next.state.Reports["issuers/alpha.json"] = "accepted"
	next.answers(p.victims, "revoked now", "revoked")
	return &Scenario{Name: "settings changed", prepare: p.world, change: next, told: "issuers/alpha.json"}
}

func crlDeleted() *Scenario {
	p := newPlain(true)
	next := p.fork()
	next.put("crls/alpha.crl", nil)
	next.state.Reports["crls/alpha.crl"] = "deleted"
	next.state.Stands = []string{uploadGone("crls/alpha.crl")} // it goes on serving, until somebody says that this was meant
	return &Scenario{Name: "CRL deleted", prepare: p.world, change: next, told: "crls/alpha.crl"}
}

// eventsLost has the timer find what nobody was told of.
func eventsLost() *Scenario {
	p := newPlain(true)
	more := p.client(p.other, "revoked now by another CA", "good")
	next := p.revokesNow()
	next.answers(more, "revoked now by another CA", "revoked")
	next.publish(p.other, list{key: "crl/beta-2.crl", number: 8, revoke: []*pki.Leaf{more}})
	// Of the same line as the one before, which it succeeds.
	delete(next.state.CAs["beta"].CRLs, "crls/beta.crl")
	for i, c := range next.state.Clients {
		if c.Name == "revoked by another CA" {
			next.state.Clients[i].Allow, next.state.Clients[i].Reason = true, "good"
		}
	}
	return &Scenario{Name: "events lost, timer", prepare: p.world, change: next}
}

// partitions are as many CRLs of one CA as the catalog keeps in itself.
const partitions = 32

func point(i int) string { return fmt.Sprintf("http://crl.example.com/%d.crl", i) }

// partition is one of a CA's partitioned CRLs.
func partition(i int, number int64, revoke ...*pki.Leaf) list {
	return list{key: fmt.Sprintf("crls/part-%02d.crl", i), number: number, point: point(i), revoke: revoke}
}

// partitioned sets up a CA with n partitioned CRLs.
func partitioned(n int) (p *plain, ca *authority, early *pki.Leaf) {
	p = newPlain(true)
	ca = p.newAuthority("parts", "Parts")
	p.trust("parts", nil, ca)
	p.client(ca, "good of partition 3", "good", point(3))
	early = p.client(ca, "revoked early in partition 3", "revoked", point(3))
	for i := range n {
		var revoke []*pki.Leaf
		if i == 3 {
			revoke = append(revoke, early)
		}
		p.publish(ca, partition(i, 1, revoke...))
	}
	return p, ca, early
}

func partReplaced() *Scenario {
	p, ca, early := partitioned(partitions + 8)
	victim := p.client(ca, "revoked now in partition 3", "good", point(3))
	next := p.fork()
	next.publish(ca, partition(3, 2, early, victim))
	next.answers(victim, "revoked now in partition 3", "revoked")
	key := partition(3, 1).key
	return &Scenario{
		Name: "parts, one CRL replaced", prepare: p.world, change: next, told: key,
		replay: map[string][]byte{key: p.uploads[key]},
	}
}

// partsSplit has one CRL more than the catalog keeps in itself.
func partsSplit() *Scenario {
	p, ca, _ := partitioned(partitions)
	victim := p.client(ca, "revoked in the new partition", "out_of_scope", point(partitions))
	next := p.fork()
	next.publish(ca, partition(partitions, 1, victim))
	next.answers(victim, "revoked in the new partition", "revoked")
	return &Scenario{Name: "parts, split", prepare: p.world, change: next, told: partition(partitions, 1).key}
}
