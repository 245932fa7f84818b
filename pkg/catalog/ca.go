package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/crlgate/crlgate/pkg/issuer"
)

// Issuer returns the CA's certificates, parsed.
func (ca *CA) Issuer(name string) (*issuer.CA, error) {
	out := &issuer.CA{Name: name}
	for _, c := range ca.Certificates {
		parsed, err := issuer.ParseCertificate(c.DER)
		if err != nil {
			return nil, fmt.Errorf("CA %s in the catalog: %w", name, err)
		}
		out.Subject = parsed.Name
		out.Certificates = append(out.Certificates, parsed)
	}
	return out, nil
}

// SetIssuer replaces a CA's certificates, keeping its settings and those CRLs
// whose signing key is still among the keys that may sign. It reports whether
// anything changed: the same certificates uploaded again change nothing.
func (c *Catalog) SetIssuer(ca *issuer.CA, source Source) bool {
	next := &CA{Source: source, CRLs: []*CRL{}}
	signs := map[string]bool{}
	for _, cert := range ca.Certificates {
		next.Subject = cert.Subject
		next.Certificates = append(next.Certificates, Certificate{
			Fingerprint: cert.Fingerprint.String(), Key: cert.Key.String(), Issues: cert.MayIssue, SignsCRLs: cert.MaySignCRLs,
			NotAfter: cert.NotAfter, DER: cert.DER,
		})
		signs[cert.Key.String()] = signs[cert.Key.String()] || cert.MaySignCRLs
	}
	old, known := c.CAs[ca.Name]
	if known {
		next.Settings, next.SettingsSource = old.Settings, old.SettingsSource
		sameName := sameSubject(old, ca.Subject)
		next.takeOver(old, func(l *CRL) bool { return sameName && signs[l.Key] })
		same := *next
		same.Source = old.Source
		if equalJSON(old, &same) {
			return false
		}
	}
	c.CAs[ca.Name] = next
	return true
}

// takeOver keeps the CRLs of old that fit. Its parts must be attached.
func (ca *CA) takeOver(old *CA, fits func(*CRL) bool) {
	dropped := false
	for l := range old.Lists() {
		dropped = dropped || !fits(l)
	}
	if !dropped {
		ca.CRLs, ca.Parts = old.CRLs, old.Parts
		return
	}
	for l := range old.Lists() {
		if fits(l) {
			ca.CRLs = append(ca.CRLs, l)
		}
	}
	if ca.Crowded() {
		ca.Split()
	}
}

func sameSubject(old *CA, subject issuer.Name) bool {
	c, err := issuer.ParseCertificate(old.Certificates[0].DER)
	return err == nil && c.Name == subject
}

// SetSettings replaces a CA's settings; a nil source sets the defaults. It
// reports whether anything changed, false also where the CA is unknown.
func (c *Catalog) SetSettings(name string, s issuer.Settings, source *Source) bool {
	old, ok := c.CAs[name]
	if !ok {
		return false
	}
	next := *old
	next.Settings, next.SettingsSource = s, source
	if equalJSON(old, &next) {
		return false
	}
	c.CAs[name] = &next
	return true
}

// RemoveIssuer withdraws a CA: its clients are denied from now on. Floors stay.
func (c *Catalog) RemoveIssuer(name string) bool {
	_, ok := c.CAs[name]
	delete(c.CAs, name)
	return ok
}

// HolderOf returns the name of a CA, other than except, that has a certificate
// with this subject and key; "" where none has.
func (c *Catalog) HolderOf(cert *issuer.Certificate, except string) string {
	for _, name := range slices.Sorted(maps.Keys(c.CAs)) {
		if name == except || !sameSubject(c.CAs[name], cert.Name) {
			continue
		}
		for _, have := range c.CAs[name].Certificates {
			if have.Key == cert.Key.String() {
				return name
			}
		}
	}
	return ""
}

func equalJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errors.Join(errX, errY) == nil && bytes.Equal(x, y)
}
