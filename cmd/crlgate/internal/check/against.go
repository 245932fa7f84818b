package check

import (
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// Upload is what would become of a CRL that is uploaded.
type Upload struct {
	CRL
	// Pending: it would be looked at again when what it waits for comes.
	Pending bool
	// InForce: it is in force already.
	InForce bool
	// List is the CRL as it was read; nil where it could not be.
	List *crl.List
	// Replaces is what it would take the place of; nil: nothing.
	Replaces *catalog.CRL
}

// Against says what would become of a CRL if it were uploaded now where a catalog
// is from: it is verified against the catalog's CAs, and held against what is in
// force. The catalog's parts must be attached; it is not changed. The error is the
// reader's, or says that the catalog holds a certificate that cannot be read.
func Against(c *catalog.Catalog, file string, r io.Reader, allowSHA1 bool, now time.Time) (*Upload, error) {
	u := &Upload{CRL: CRL{File: file}}
	cas, err := known(c)
	if err != nil {
		return nil, err
	}
	v, err := u.verify(r, cas, allowSHA1, now)
	var refusal *preprocess.Refusal
	if errors.As(err, &refusal) {
		u.refuse(err)
		u.Pending = refusal.Pending
		return u, nil
	}
	if err != nil {
		return nil, err
	}
	u.CA = v.CA.Name
	record := v.Record(catalog.Source{Key: file}, now)
	code, why := c.Admit(v.CA.Name, record, now)
	for l := range c.CAs[v.CA.Name].Lists() {
		if l.Line == record.Line {
			u.Replaces = l
		}
	}
	switch code {
	case catalog.Succeeds:
		u.Accepted = true
	case catalog.Same:
		u.Accepted, u.InForce, u.Replaces = true, true, nil
	default:
		u.Code, u.Detail = string(code), why
		u.Pending = code == catalog.Expired || code == catalog.BaseMissing
		u.Replaces = nil
	}
	return u, nil
}

func (u *Upload) verify(r io.Reader, cas []*issuer.CA, allowSHA1 bool, now time.Time) (*preprocess.Verified, error) {
	c, err := preprocess.ReadCRL(r, crl.Options{AllowSHA1: allowSHA1})
	if err != nil {
		return nil, err
	}
	u.List = c.List
	u.describe(c)
	return c.Verify(cas, now)
}

// known returns the CAs of a catalog, by name.
func known(c *catalog.Catalog) ([]*issuer.CA, error) {
	var out []*issuer.CA
	for _, name := range slices.Sorted(maps.Keys(c.CAs)) {
		ca, err := c.CAs[name].Issuer(name)
		if err != nil {
			return nil, err
		}
		out = append(out, ca)
	}
	return out, nil
}
