package crash

import (
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/crlgate/crlgate/internal/pki"
)

// State is the truth at one moment: what the cache bucket must say and what the
// authorizer must answer. It is put down by the scenario that made the
// certificates and CRLs, and knows nothing of how crlgate works.
type State struct {
	CAs map[string]CA
	// Reports are the outcomes that reports must tell, by upload key: one, or one
	// of several with " or " between.
	Reports map[string]string
	Clients []Client
	JSON    bool // CACHE_JSON=true
	// Stands is what crlgate fsck is to find, and nothing else: a code and an
	// object with a space between. May is what it may find besides.
	Stands, May []string
	// Swept: nothing lies in the cache bucket that nothing refers to, but Young.
	Swept bool
	Young []string
	// Foreign are keys of the cache bucket that are none of crlgate's and stay.
	Foreign []string
}

// CA is one CA.
type CA struct {
	Certificates [][]byte // DER
	Deny         []string // serials of its deny list, hex
	CRLs         map[string]CRL
}

// CRL is one CRL in force, under its upload key.
type CRL struct {
	Number  int64
	Delta   bool
	Serials []*big.Int
}

// Client is one client certificate and the answer that it must get.
type Client struct {
	Name  string
	PEM   []byte
	Allow bool
	// Reason is the reason code.
	Reason string
}

func (s State) clone() State {
	out := s
	out.CAs = map[string]CA{}
	for name, ca := range s.CAs {
		ca.CRLs = maps.Clone(ca.CRLs)
		out.CAs[name] = ca
	}
	out.Reports, out.Clients = maps.Clone(s.Reports), slices.Clone(s.Clients)
	return out
}

// lagging is the same truth, but for reports on other uploads than the one that
// an event was about: those may still be what they were before, until the timer,
// and fsck says so.
func (s State) lagging(before State, told string) State {
	out := s.clone()
	for key, outcome := range before.Reports {
		if key != told && outcome != out.Reports[key] {
			out.Reports[key] += " or " + outcome
			report := "reports/" + key + ".json"
			out.May = append(out.May, "report_missing "+report, "report_stale "+report)
		}
	}
	return out
}

// world is what a scenario is put together with: uploads, and the truth that
// follows from them.
type world struct {
	uploads map[string][]byte // nil data: deleted
	order   []string          // of the uploads
	state   State
	err     error
}

func newWorld() *world {
	return &world{uploads: map[string][]byte{}, state: State{CAs: map[string]CA{}, Reports: map[string]string{}}}
}

// fork returns a world that goes on from this one.
func (w *world) fork() *world {
	return &world{uploads: map[string][]byte{}, state: w.state.clone(), err: w.err}
}

func (w *world) put(key string, data []byte) {
	w.uploads[key] = data
	w.order = append(w.order, key)
}

// fail notes that something could not be made.
func (w *world) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// authority is a CA with the means to revoke.
type authority struct {
	*pki.CA
	name string
}

// trust uploads an issuers file with the certificates of these keys of a CA,
// whose CRLs keep serving as far as keeps says.
func (w *world) trust(name string, keeps func(key string) bool, cas ...*authority) {
	var list []*pki.CA
	ca := CA{CRLs: map[string]CRL{}}
	for _, c := range cas {
		list = append(list, c.CA)
		ca.Certificates = append(ca.Certificates, c.DER)
	}
	for key, l := range w.state.CAs[name].CRLs {
		if keeps == nil || keeps(key) {
			ca.CRLs[key] = l
		}
	}
	key := "issuers/" + name + ".pem"
	w.put(key, pki.PEM(list...))
	w.state.CAs[name], w.state.Reports[key] = ca, "accepted"
}

// newAuthority makes a CA's key and certificate.
func (w *world) newAuthority(name, subject string) *authority {
	ca, err := pki.NewCA(pki.CAOptions{Name: named(subject)})
	if err != nil {
		w.fail(fmt.Errorf("making the CA %s: %w", name, err))
		return &authority{CA: &pki.CA{}, name: name}
	}
	return &authority{ca, name}
}

// list is a CRL to make.
type list struct {
	key    string // of the upload
	number int64
	base   int64  // of a delta; 0: complete
	point  string // name of its distribution point
	revoke []*pki.Leaf
}

// encode signs the CRL.
func (w *world) encode(a *authority, l list) []byte {
	o := pki.CRLOptions{Number: big.NewInt(l.number), ThisUpdate: updated(l.number), NextUpdate: lastsUntil()}
	if l.base > 0 {
		o.BaseNumber = big.NewInt(l.base)
	}
	if l.point != "" {
		o.IDP = &pki.IDP{FullNames: []string{l.point}}
	}
	for _, leaf := range l.revoke {
		o.Entries = append(o.Entries, pki.Entry{Serial: leaf.Certificate.SerialNumber, Reason: pki.KeyCompromise})
	}
	data, err := a.CRL(o)
	if err != nil {
		w.fail(fmt.Errorf("making %s: %w", l.key, err))
	}
	return data
}

// publish uploads a CRL that comes into force.
func (w *world) publish(a *authority, l list) {
	w.put(l.key, w.encode(a, l))
	w.enters(a.name, l)
}

// enters notes that a CRL is in force.
func (w *world) enters(ca string, l list) {
	in := CRL{Number: l.number, Delta: l.base > 0}
	for _, leaf := range l.revoke {
		in.Serials = append(in.Serials, leaf.Certificate.SerialNumber)
	}
	w.state.CAs[ca].CRLs[l.key] = in
	w.state.Reports[l.key] = "accepted"
}

// waits uploads a CRL that cannot count yet.
func (w *world) waits(a *authority, l list) {
	w.put(l.key, w.encode(a, l))
	w.state.Reports[l.key] = "pending"
}

// client issues a client certificate that is to be answered so.
func (w *world) client(a *authority, name, reason string, points ...string) *pki.Leaf {
	leaf, err := a.Issue(pki.LeafOptions{Subject: named(name), CRLDistributionPoints: points})
	if err != nil {
		w.fail(fmt.Errorf("issuing %s: %w", name, err))
		return &pki.Leaf{}
	}
	w.answers(leaf, name, reason)
	return leaf
}

// answers sets the answer that a client is to get from now on.
func (w *world) answers(leaf *pki.Leaf, name, reason string) {
	c := Client{Name: name, PEM: leaf.PEM(), Allow: reason == "good", Reason: reason}
	i := slices.IndexFunc(w.state.Clients, func(have Client) bool { return have.Name == name })
	if i < 0 {
		w.state.Clients = append(w.state.Clients, c)
	} else {
		w.state.Clients[i] = c
	}
}
