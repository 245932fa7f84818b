package main

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// memoryMB is the memory of the function: the least that Lambda has.
const memoryMB = 128

// cold is what cold starts on one CRL took. Of requests and octets it is the
// most of all rounds, of times the median.
type cold struct {
	Name string `json:"name"`
	// Until the first answer had reached the client.
	GETs   int   `json:"gets"`
	Octets int64 `json:"octets"`
	// FirstMS is the first answer, the start of the process included, and
	// SecondMS the one after it, on the same connection.
	FirstMS  float64 `json:"first_ms"`
	SecondMS float64 `json:"second_ms"`
	// AllGETs and AllOctets are those of the first and the next 20 answers.
	AllGETs   int     `json:"all_gets"`
	AllOctets int64   `json:"all_octets"`
	PeakMiB   float64 `json:"peak_mib"`
	Rounds    int     `json:"rounds"`
	PublishMS float64 `json:"publish_ms"` // from upload to report
}

// coldConfig has one authorizer at a time, which is stopped between requests,
// as on Lambda, and which has no cause to look at the catalog twice.
func coldConfig() stack.Config {
	return stack.Config{
		ProxyCache: true, Freeze: true, MaxAuthorizers: 1, AuthorizerMemoryMB: memoryMB, PreprocessorMemoryMB: 4096,
		Authorizer: map[string]string{"REVALIDATE_AFTER": "1h", "MAX_UNVALIDATED": "2h"},
	}
}

// coldOn publishes a CRL and starts cold on it.
func (s *settings) coldOn(ctx context.Context, file string) (c cold, err error) {
	w, err := s.start(ctx, coldConfig())
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.upload(ctx, "issuers/bench.pem", s.issuer); err != nil {
		return c, err
	}
	began := time.Now()
	if err := w.upload(ctx, "crls/bench.crl", file); err != nil {
		return c, err
	}
	published := time.Since(began)
	good, err := w.client(s.good)
	if err != nil {
		return c, err
	}
	revoked, err := w.client(s.revoked)
	if err != nil {
		return c, err
	}
	c, err = w.coldStarts(ctx, s.rounds, good, revoked)
	c.Name, c.PublishMS = filepath.Base(file), milliseconds(published)
	return c, err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// coldStarts kills the authorizer and asks, over and over.
func (w *world) coldStarts(ctx context.Context, rounds int, good, revoked *http.Client) (c cold, err error) {
	for _, client := range []*http.Client{good, revoked} {
		if err := w.connect(ctx, client); err != nil {
			return c, err
		}
		defer client.CloseIdleConnections()
	}
	var firsts, seconds []float64
	for i := range rounds {
		w.Authorizer.KillAll()
		w.Proxy.Forget()
		client, want := good, http.StatusOK
		if i%2 == 1 {
			client, want = revoked, http.StatusForbidden
		}
		first, err := w.expect(ctx, client, want)
		if err != nil {
			return c, fmt.Errorf("first answer: %w", err)
		}
		gets, octets := w.fetched()
		c.GETs, c.Octets = max(c.GETs, gets), max(c.Octets, octets)
		second, err := w.expect(ctx, client, want)
		if err != nil {
			return c, fmt.Errorf("second answer: %w", err)
		}
		firsts, seconds = append(firsts, milliseconds(first)), append(seconds, milliseconds(second))
		for range 10 {
			_, err1 := w.expect(ctx, good, http.StatusOK)
			_, err2 := w.expect(ctx, revoked, http.StatusForbidden)
			if err := errors.Join(err1, err2); err != nil {
				return c, err
			}
		}
		gets, octets = w.fetched()
		c.AllGETs, c.AllOctets = max(c.AllGETs, gets), max(c.AllOctets, octets)
		c.PeakMiB = max(c.PeakMiB, float64(w.peakMemory())/(1<<20))
	}
	c.Rounds, c.FirstMS, c.SecondMS = rounds, median(firsts), median(seconds)
	return c, nil
}

// fetched is what the authorizer has asked S3 for, and been sent.
func (w *world) fetched() (gets int, octets int64) {
	for _, r := range w.Proxy.Matching(s3proc.Any) {
		gets, octets = gets+1, octets+r.Sent
	}
	return gets, octets
}

func median(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
	if len(xs) == 0 {
		return 0
	}
	return xs[len(xs)/2]
}

// entriesOfPartition is how many entries each partition's CRL has.
const entriesOfPartition = 50

// coldOnPartitions starts cold on a CA that publishes in partitions, as AWS
// Private CA does: each CRL has an issuing distribution point of its own, and
// each certificate names the one of its partition.
func (s *settings) coldOnPartitions(ctx context.Context) (c cold, err error) {
	config := coldConfig()
	// One timer's event instead of one for each upload.
	config.EventFilter = func([]byte) [][]byte { return nil }
	w, err := s.start(ctx, config)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "partitioned"}})
	if err != nil {
		return c, err
	}
	began := time.Now()
	if err := w.uploadPartitions(ctx, ca, s.parts); err != nil {
		return c, err
	}
	w.Deliver([]byte(preprocess.ReconcileRequest))
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := w.Preprocessor.Drain(waiting); err != nil {
		return c, err
	}
	published := time.Since(began)
	mine := s.parts / 2
	var clients []*http.Client
	for _, serial := range []*big.Int{big.NewInt(1 << 40), partitionSerial(mine, 0)} {
		leaf, err := ca.Issue(pki.LeafOptions{Subject: pkix.Name{CommonName: "client"}, Serial: serial, CRLDistributionPoints: []string{partitionURI(mine)}})
		if err != nil {
			return c, err
		}
		clients = append(clients, w.clientOf(leaf.TLSCertificate()))
	}
	c, err = w.coldStarts(ctx, s.rounds, clients[0], clients[1])
	c.Name, c.PublishMS = fmt.Sprintf("%d partitions", s.parts), milliseconds(published)
	return c, err
}

func partitionURI(i int) string { return fmt.Sprintf("http://crl.example.com/%d.crl", i) }

func partitionSerial(i, k int) *big.Int {
	return big.NewInt(1<<41 + int64(i)*entriesOfPartition + int64(k))
}

func (w *world) uploadPartitions(ctx context.Context, ca *pki.CA, parts int) error {
	if _, err := w.Put(ctx, "issuers/partitioned.pem", ca.PEM()); err != nil {
		return err
	}
	now := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range parts {
		g.Go(func() error {
			entries := make([]pki.Entry, entriesOfPartition)
			for k := range entries {
				entries[k] = pki.Entry{Serial: partitionSerial(i, k), Date: now}
			}
			der, err := ca.CRL(pki.CRLOptions{
				Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour), Entries: entries,
				IDP: &pki.IDP{FullNames: []string{partitionURI(i)}, OnlyUser: true},
			})
			if err != nil {
				return err
			}
			_, err = w.Put(ctx, fmt.Sprintf("crls/%d.crl", i), der)
			return err
		})
	}
	return g.Wait()
}
