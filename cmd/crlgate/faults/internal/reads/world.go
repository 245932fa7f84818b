package reads

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/machine"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle"
	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/spoil"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// The CAs, by what the authorizer reads of them.
const (
	small = "small" // a complete CRL, and a delta that grows: sets that are read whole
	large = "large" // one CRL whose set is searched by its index, or read whole
	parts = "parts" // partitioned CRLs, which the catalog keeps in parts
)

var caNames = []string{small, large, parts}

const (
	largeEntries = 12_000 // a set of some 250 KB, more than is read whole at once
	partitions   = 40     // more than the catalog keeps in itself
	here         = 3      // the partition of all clients
)

// Leaf is a client certificate and what is true of it.
type Leaf struct {
	oracle.Truth
	ca, name string
	serial   *big.Int
	cert     tls.Certificate
}

// world is what all lanes share: buckets, CAs, and the truth.
type world struct {
	*machine.Machine
	pair         *machine.Pair
	preprocessor *lambdaruntime.Function
	log          *machine.Log
	roots        []*x509.Certificate // that clients are verified with
	server       tls.Certificate
	serverRoots  *x509.CertPool

	good, revoked map[string]*Leaf // by CA

	mu      sync.Mutex // of what follows: one publication at a time
	cas     map[string]*authority
	serials []*big.Int // of the large CRL
	old     map[string][]byte
}

type authority struct {
	*pki.CA
	number  int64
	victims []pki.Entry
}

func newWorld(ctx context.Context, binaries machine.Binaries) (w *world, err error) {
	w = &world{log: &machine.Log{}, cas: map[string]*authority{}, good: map[string]*Leaf{}, revoked: map[string]*Leaf{}, old: map[string][]byte{}}
	if w.Machine, err = machine.Start(ctx, binaries, 1); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%w\n%v", err, w.log.Last(5)), w.close())
		}
	}()
	if w.pair, err = w.Pair(); err != nil {
		return w, err
	}
	if w.preprocessor, err = w.pair.Preprocessor("", nil, w.log.Line); err != nil {
		return w, err
	}
	if w.server, w.serverRoots, err = serverCertificate(); err != nil {
		return w, err
	}
	for i := range largeEntries {
		w.serials = append(w.serials, new(big.Int).Or(new(big.Int).Lsh(big.NewInt(int64(i)+1), 108), big.NewInt(int64(i))))
	}
	for _, name := range caNames {
		if err := w.addCA(ctx, name); err != nil {
			return w, fmt.Errorf("CA %s: %w", name, err)
		}
	}
	// The catalog that is put back is this one for good: one that an authorizer
	// has in force itself would be no news to it.
	w.old[spoil.Catalog], _, err = w.pair.Cache.ReadAll(ctx, catalog.Key, 1<<30, objectstore.GetOptions{})
	return w, err
}

func (w *world) close() error {
	var errs []error
	if w.preprocessor != nil {
		errs = append(errs, machine.End(w.preprocessor))
	}
	return errors.Join(append(errs, w.Machine.Close())...)
}

func (w *world) addCA(ctx context.Context, name string) error {
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "faults " + name, Organization: []string{"crlgate faults"}}})
	if err != nil {
		return err
	}
	w.cas[name] = &authority{CA: ca}
	w.roots = append(w.roots, ca.Certificate)
	if err := w.upload(ctx, "issuers/"+name+".pem", ca.PEM()); err != nil {
		return err
	}
	if w.good[name], err = w.issue(name, "good"); err != nil {
		return err
	}
	if w.revoked[name], err = w.issue(name, "revoked"); err != nil {
		return err
	}
	if name == small { // the complete CRL that the deltas build on, and another of a narrower scope
		if err := w.publish(ctx, name, "crls/small.crl", nil); err != nil {
			return err
		}
		users, err := ca.CRL(pki.CRLOptions{
			Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(24 * time.Hour), IDP: &pki.IDP{OnlyUser: true}, Entries: nobodys(),
		})
		if err != nil {
			return err
		}
		if err := w.upload(ctx, "crls/small-users.crl", users); err != nil {
			return err
		}
	}
	if name == parts {
		for i := range partitions {
			if i == here {
				continue
			}
			data, err := w.encode(name, i)
			if err != nil {
				return err
			}
			if err := machine.Put(ctx, w.pair.Uploads, partitionKey(i), data); err != nil {
				return err
			}
		}
		if err := w.tell(ctx, []byte(machine.Timer)); err != nil {
			return err
		}
	}
	return w.revoke(ctx, w.revoked[name])
}

func partitionKey(i int) string   { return fmt.Sprintf("crls/parts-%02d.crl", i) }
func partitionPoint(i int) string { return fmt.Sprintf("http://crl.example.com/%d.crl", i) }

// issue issues a client certificate.
func (w *world) issue(ca, name string) (*Leaf, error) {
	o := pki.LeafOptions{Subject: pkix.Name{CommonName: name + " of " + ca}}
	if ca == parts {
		o.CRLDistributionPoints = []string{partitionPoint(here)}
	}
	leaf, err := w.cas[ca].Issue(o)
	if err != nil {
		return nil, err
	}
	return &Leaf{ca: ca, name: name, serial: leaf.Certificate.SerialNumber, cert: leaf.TLSCertificate()}, nil
}

// revoke publishes a CRL that lists the certificate, and returns once the
// preprocessor has accepted it.
func (w *world) revoke(ctx context.Context, l *Leaf) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	begun := time.Now()
	l.Begun.Store(&begun)
	key := map[string]string{small: "crls/small-delta.crl", large: "crls/large.crl", parts: partitionKey(here)}[l.ca]
	if err := w.publish(ctx, l.ca, key, l); err != nil {
		return fmt.Errorf("revoking a client of %s: %w", l.ca, err)
	}
	accepted := time.Now()
	l.Accepted.Store(&accepted)
	return nil
}

// publish uploads a CA's next CRL. The objects that it replaces are kept, to be
// put back. The caller holds the lock, or is the only one.
func (w *world) publish(ctx context.Context, ca, key string, l *Leaf) error {
	if err := w.keep(ctx, ca); err != nil {
		return err
	}
	if l != nil {
		a := w.cas[ca]
		a.victims = append(a.victims, pki.Entry{Serial: l.serial, Reason: pki.KeyCompromise})
	}
	data, err := w.encode(ca, here)
	if err != nil {
		return err
	}
	return w.upload(ctx, key, data)
}

// encode signs a CA's next CRL.
func (w *world) encode(ca string, partition int) ([]byte, error) {
	a := w.cas[ca]
	a.number++
	now := time.Now()
	o := pki.CRLOptions{Number: big.NewInt(a.number), ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour)}
	if partition == here {
		o.Entries = a.victims
	}
	switch ca {
	case large:
		o.EntrySeq = func(yield func(pki.Entry) bool) {
			for _, s := range w.serials {
				if !yield(pki.Entry{Serial: s}) {
					return
				}
			}
		}
	case small:
		if a.number > 1 {
			o.BaseNumber = big.NewInt(1)
			break
		}
		o.Entries = nobodys()
	case parts:
		o.IDP = &pki.IDP{FullNames: []string{partitionPoint(partition)}}
	}
	return a.CRL(o)
}

// nobodys are entries for no client, so that a set has more than a head.
func nobodys() (out []pki.Entry) {
	for i := range int64(9) {
		out = append(out, pki.Entry{Serial: new(big.Int).Lsh(big.NewInt(i+1), 100)})
	}
	return out
}

// upload writes an upload and tells the preprocessor of it.
func (w *world) upload(ctx context.Context, key string, data []byte) error {
	if err := machine.Put(ctx, w.pair.Uploads, key, data); err != nil {
		return err
	}
	return w.tell(ctx, w.pair.Changed(key, false))
}

func (w *world) tell(ctx context.Context, payload []byte) error {
	result, err := w.preprocessor.Invoke(ctx, payload)
	if err == nil && result.FunctionError != "" {
		err = fmt.Errorf("the preprocessor failed: %s", result.Payload)
	}
	return err
}

// keep remembers what a publication is about to replace: the catalog, and the
// CA's set and part.
func (w *world) keep(ctx context.Context, ca string) error {
	read := func(key string) ([]byte, error) {
		data, _, err := w.pair.Cache.ReadAll(ctx, key, 1<<30, objectstore.GetOptions{})
		if errors.Is(err, objectstore.ErrNotFound) {
			return nil, nil
		}
		return data, err
	}
	data, err := read(catalog.Key)
	if err != nil || data == nil {
		return err
	}
	c, err := catalog.Parse(data)
	if err != nil {
		return err
	}
	entry := c.CAs[ca]
	if len(entry.CRLs) > 0 {
		if w.old["set of "+ca], err = read(entry.CRLs[len(entry.CRLs)-1].Set.Key); err != nil {
			return err
		}
	}
	if entry.Parts != nil {
		for _, ref := range entry.Parts.Refs {
			if ref != "" {
				w.old[spoil.Part], err = read(catalog.PartKey(ref))
			}
		}
	}
	return err
}

// before returns the bytes that a publication replaced: of the catalog, of a
// part, or of a set.
func (w *world) before(kind, key string) []byte {
	what := kind
	if kind == spoil.Index || kind == spoil.Block || kind == spoil.Whole {
		what = "set of " + caOf(key)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.old[what]
}

// caOf is the CA of a set's key.
func caOf(key string) string { return spoil.CAOf(key, caNames) }

// serverCertificate makes the gateways' certificate.
func serverCertificate() (tls.Certificate, *x509.CertPool, error) {
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "faults gateways"}})
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := ca.Issue(pki.LeafOptions{Subject: pkix.Name{CommonName: "gateway"}, Server: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return leaf.TLSCertificate(), ca.Pool(), nil
}
