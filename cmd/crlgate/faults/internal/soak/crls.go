package soak

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// The CAs, by what they publish.
const (
	large = "large" // a complete CRL of many entries, replaced now and then, and a delta CRL for each revocation
	small = "small" // a complete CRL for each revocation
	parts = "parts" // partitioned CRLs, which the catalog keeps in parts
	bare  = "bare"  // no CRL at all
)

// revokers are those that revoke.
var revokers = []string{large, small, parts}

const (
	partitions = 40 // more than the catalog keeps in itself
	nowhere    = 99 // a partition without a CRL
	acceptWait = 2 * time.Minute
)

// authority is a CA and what it has published.
type authority struct {
	*pki.CA
	name string

	// Of the one goroutine that publishes.
	number  int64 // of the last CRL
	base    int64 // of the last complete CRL of large
	serials int   // entries for nobody, of large
	victims []victim
	turn    int // which partition is next
}

type victim struct {
	entry     pki.Entry
	partition int
}

// leaf is a client certificate and what is true of it.
type leaf struct {
	oracle.Truth
	ca, kind  string
	always    string // the reason with which it must be denied always; "": it is good until revoked
	partition int
	serial    *big.Int
	number    int64 // of the CRL that revoked it
	cert      tls.Certificate
}

// String says who it is.
func (l *leaf) String() string { return fmt.Sprintf("%s client %x of CA %s", l.kind, l.serial, l.ca) }

// issue issues a client certificate.
func (a *authority) issue(kind string, partition int) (*leaf, error) {
	o := pki.LeafOptions{Subject: pkix.Name{CommonName: kind + " of " + a.name}}
	if a.name == parts {
		o.CRLDistributionPoints = []string{partitionPoint(partition)}
	}
	issued, err := a.Issue(o)
	if err != nil {
		return nil, err
	}
	l := &leaf{ca: a.name, kind: kind, partition: partition, serial: issued.Certificate.SerialNumber, cert: issued.TLSCertificate()}
	switch {
	case a.name == bare:
		l.always = "no_crl"
	case partition == nowhere:
		l.always = "out_of_scope"
	}
	return l, nil
}

func partitionKey(i int) string   { return fmt.Sprintf("crls/parts-%02d.crl", i) }
func partitionPoint(i int) string { return fmt.Sprintf("http://crl.example.com/%d.crl", i) }

// list adds a client to what the CA's next CRL lists.
func (a *authority) list(l *leaf) {
	a.victims = append(a.victims, victim{pki.Entry{Serial: l.serial, Reason: pki.KeyCompromise}, l.partition})
}

// next signs the CA's next CRL, complete where it could be a delta CRL too, or
// of one partition, and returns it with its upload key.
func (a *authority) next(complete bool, partition int) (key string, der []byte, err error) {
	a.number++
	now := time.Now()
	o := pki.CRLOptions{Number: big.NewInt(a.number), ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour)}
	for _, v := range a.victims {
		if a.name != parts || v.partition == partition {
			o.Entries = append(o.Entries, v.entry)
		}
	}
	switch {
	case a.name == large && complete:
		key, o.EntrySeq, a.base = "crls/large.crl", a.nobodies, a.number
	case a.name == large:
		key, o.BaseNumber = "crls/large-delta.crl", big.NewInt(a.base)
	case a.name == parts:
		key, o.IDP = partitionKey(partition), &pki.IDP{FullNames: []string{partitionPoint(partition)}}
	default:
		key = "crls/small.crl"
	}
	der, err = a.CRL(o)
	return key, der, err
}

// nobodies are the entries of the large CRL for certificates that nobody has: 16
// octets each, as the clients' are, and far from random ones.
func (a *authority) nobodies(yield func(pki.Entry) bool) {
	var serial [16]byte
	for i := range a.serials {
		binary.BigEndian.PutUint64(serial[:], 1<<62|uint64(i)<<20)
		binary.BigEndian.PutUint64(serial[8:], uint64(i)*0x9e3779b97f4a7c15)
		if !yield(pki.Entry{RawSerial: serial[:]}) {
			return
		}
	}
}

// publish uploads a CRL and waits until the preprocessor has accepted it. It goes
// on in the face of faults: the preprocessor's events are tried again, and its
// timer runs.
func (w *world) publish(ctx context.Context, key string, der []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, acceptWait, fmt.Errorf("%s was not accepted within %v", key, acceptWait))
	defer cancel()
	r, err := w.PutAndWait(ctx, key, der)
	if err == nil && r.Outcome != preprocess.OutcomeAccepted {
		err = fmt.Errorf("%s: %s %s (%s)", key, r.Outcome, r.Code, r.Detail)
	}
	return err
}

// revoke publishes a CRL that lists a client.
func (w *world) revoke(ctx context.Context, a *authority, l *leaf) error {
	a.list(l)
	key, der, err := a.next(false, l.partition)
	if err != nil {
		return err
	}
	l.number = a.number
	begun := time.Now()
	l.Begun.Store(&begun)
	if err := w.publish(ctx, key, der); err != nil {
		return fmt.Errorf("revoking %s: %w", l, err)
	}
	accepted := time.Now()
	l.Accepted.Store(&accepted)
	return nil
}

// revoking revokes a CA's clients and replaces its CRL until working ends; what
// is under way then is finished, unless running ends too.
func (s *soak) revoking(working, running context.Context, a *authority) error {
	// The first replacement comes early, so that what is judged of memory has the
	// room for two sets from the beginning.
	for last := time.Now().Add(-s.Replace / 2); ; {
		select {
		case <-working.Done():
			return nil
		case <-time.After(s.Revoke):
		}
		began := time.Now()
		err := s.revokeNext(running, a)
		if err == nil && a.name == large && time.Since(last) >= s.Replace {
			last = time.Now()
			err = s.replace(running, a)
		}
		if running.Err() != nil {
			return nil // said elsewhere
		}
		if err != nil {
			s.stop(errors.New("a CRL could not be published"))
			return err
		}
		s.mu.Lock()
		s.result.Slowest = max(s.result.Slowest, time.Since(began))
		s.mu.Unlock()
	}
}

// revokeNext revokes the client whose turn it is.
func (s *soak) revokeNext(ctx context.Context, a *authority) error {
	l, err := s.people.victim(a)
	if err != nil {
		return err
	}
	if err := s.revoke(ctx, a, l); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.Revocations++
	return nil
}

// replace replaces the large CRL by one that lists all that was revoked since.
func (s *soak) replace(ctx context.Context, a *authority) error {
	key, der, err := a.next(true, 0)
	if err != nil {
		return err
	}
	if err := s.publish(ctx, key, der); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.Replacements++
	s.result.ReplacedEntries += a.serials + len(a.victims)
	return nil
}
