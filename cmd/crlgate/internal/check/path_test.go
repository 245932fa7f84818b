package check_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/internal/conformance"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// throughBuckets answers what check answers, by the functions' own way: every
// file is uploaded, the preprocessor reconciles, and a cold read path is asked.
func throughBuckets(ctx context.Context, in check.Input, reversed bool) (status, reason string, err error) {
	uploads, cache := objectstoretest.NewBucket(objectstoretest.Named("uploads")), objectstoretest.NewBucket(objectstoretest.Named("cache"))
	if err := uploadIssuers(uploads, in.Issuers); err != nil {
		return "", "", err
	}
	for i, file := range in.CRLs {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", "", err
		}
		if reversed {
			i = len(in.CRLs) - i
		}
		uploads.Store(fmt.Sprintf("crls/%03d.crl", i), data)
	}
	config := preprocess.Config{UploadBucket: "uploads", IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/"}, AllowSHA1: in.AllowSHA1}
	if err := preprocess.New(uploads, cache, config, slog.New(slog.DiscardHandler), nil).Reconcile(ctx, in.At); err != nil {
		return "", "", err
	}
	facts := &authorize.Facts{}
	data, err := os.ReadFile(in.Cert)
	if err != nil {
		return "", "", err
	}
	cert, err := clientcert.Parse(data)
	if block, _ := pem.Decode(data); block != nil {
		if at := bytes.Index(data, []byte("-----BEGIN CERTIFICATE-----")); at >= 0 {
			data = data[at:]
		}
		cert, err = clientcert.ParsePEM(string(data))
	}
	if err != nil {
		facts.Malformed = err
	} else {
		reader := revocation.New(cache, revocation.Config{RevalidateAfter: time.Hour, MaxUnvalidated: 2 * time.Hour, MemoryBudget: 64 << 20},
			func() time.Time { return in.At }, slog.New(slog.DiscardHandler), nil)
		facts.Answer = reader.Ask(ctx, cert, in.At)
	}
	if _, _, written := cache.Load(catalog.Key); !written {
		// Where no certificate can be an issuer nothing is ever written, and the
		// functions say so; check has a catalog, an empty one.
		facts.Answer.Unavailable = nil
	}
	d := authorize.Decide(facts, authorize.Settings{}, in.At)
	if reason = string(d.Reason); d.Allow {
		reason = ""
	}
	return facts.Answer.Status.String(), reason, nil
}

// uploadIssuers gives each CA, told by its name as check does, a file.
func uploadIssuers(uploads *objectstoretest.Bucket, files []string) error {
	var names []issuer.Name
	cas := map[issuer.Name][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		certs, err := issuer.ParseCertificates(data)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, v := range certs {
			if v.Refusal != nil {
				continue
			}
			name := v.Certificate.Name
			if cas[name] == nil {
				names = append(names, name)
			}
			cas[name] = append(cas[name], pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Certificate.DER})...)
		}
	}
	for i, name := range names {
		uploads.Store(fmt.Sprintf("issuers/%03d.pem", i), cas[name])
	}
	return nil
}

// agree holds check and the functions' way to one answer, whatever the order in
// which the CRLs come.
func agree(t *testing.T, what string, in check.Input) {
	t.Helper()
	r, err := check.Run(t.Context(), in)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	for _, reversed := range []bool{false, true} {
		status, reason, err := throughBuckets(t.Context(), in, reversed)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if status != *r.Status || reason != *r.Reason {
			t.Errorf("%s: through the buckets (CRLs reversed: %v) %s %q, check says %s %q: %s", what, reversed, status, reason, *r.Status, *r.Reason, r.Detail)
		}
	}
}

// TestCheckAgreesWithTheFunctionsOnTheCorpus asks both ways about every
// certificate of testdata.
func TestCheckAgreesWithTheFunctionsOnTheCorpus(t *testing.T) {
	for _, c := range corpusCases(t, "certificates.json", 50) {
		agree(t, c.Certificate, c.input())
	}
}

// TestCheckAgreesWithTheFunctions asks both ways about every certificate of the
// third-party cases.
func TestCheckAgreesWithTheFunctions(t *testing.T) {
	asked := 0
	for _, c := range conformance.Cases(t) {
		if c.Leaf == nil {
			continue
		}
		agree(t, c.ID, check.Input{At: c.Time, AllowSHA1: true, Issuers: c.IssuerFiles(), CRLs: c.CRLFiles(), Cert: c.LeafFile()})
		asked++
	}
	if asked < 100 {
		t.Errorf("only %d certificates were asked about", asked)
	}
}
