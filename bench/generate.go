package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"strconv"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// crlPath is the file of a CRL.
func (s *settings) crlPath(entries int, kind shape) string {
	return s.path(kind.name + "-" + strconv.Itoa(entries) + ".crl")
}

func (s *settings) issuerPath() string { return s.path("bench.pem") }

// generate makes a CA, two client certificates, one of them the first that
// every random CRL lists, and the CRLs. What is there from a run before stays.
func generate(ctx context.Context, s *settings) (*report, error) {
	ca, err := s.authority()
	if err != nil {
		return nil, err
	}
	if err := s.clients(ca); err != nil {
		return nil, err
	}
	now := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	var r report
	for _, n := range s.sizes(1_000, 100_000_000) {
		kinds := []shape{random}
		if n == 1_000_000 {
			kinds = []shape{random, sequential, skewed}
		}
		for _, kind := range kinds {
			path := s.crlPath(n, kind)
			began := time.Now()
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				if err := (crlSpec{n, kind}).writeFile(path, ca, now); err != nil {
					return nil, err
				}
			}
			info, err := os.Stat(path)
			if err != nil {
				return nil, err
			}
			r.add(row{What: "CRL of " + kind.name + " serial numbers", Entries: n, Value: float64(info.Size()) / 1e6, Unit: "MB"})
			if took := time.Since(began).Seconds(); took > 1 {
				r.note("%s took %.1f s to make", path, took)
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	return &r, nil
}

// authority reads the CA of a run before, or makes it. Its key protects
// nothing: whoever can write here can write build/ anyway.
func (s *settings) authority() (*pki.CA, error) {
	keyPath := s.path("bench-key.pem")
	certPEM, err := os.ReadFile(s.issuerPath())
	if errors.Is(err, fs.ErrNotExist) {
		ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "crlgate bench CA"}})
		if err != nil {
			return nil, err
		}
		key, err := pki.KeyPEM(ca.Key)
		if err != nil {
			return nil, err
		}
		return ca, errors.Join(os.WriteFile(keyPath, key, 0o600), os.WriteFile(s.issuerPath(), ca.PEM(), 0o644))
	}
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, err
	}
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, fmt.Errorf("%s and %s are not PEM: remove %s", s.issuerPath(), keyPath, s.dir)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a key that cannot sign: remove %s", keyPath, s.dir)
	}
	return &pki.CA{DER: cert.Raw, Certificate: cert, Key: signer, SubjectKeyID: cert.SubjectKeyId}, nil
}

// clients writes a client certificate that no CRL lists and one that each CRL
// of random serial numbers does, each with its key behind it.
func (s *settings) clients(ca *pki.CA) error {
	listed := make([]byte, 16)
	random.put(listed, 0)
	for name, serial := range map[string]*big.Int{"good": nil, "revoked": new(big.Int).SetBytes(listed)} {
		leaf, err := ca.Issue(pki.LeafOptions{Subject: pkix.Name{CommonName: name}, Serial: serial})
		if err != nil {
			return err
		}
		key, err := leaf.KeyPEM()
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.path(name+".pem"), append(leaf.PEM(), key...), 0o600); err != nil {
			return err
		}
	}
	return nil
}
