package preprocess

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// MaxJSONEntries is the most entries that are published as JSON.
const MaxJSONEntries = 1_000_000

// jsonForm is a CRL as readers in other languages get it.
type jsonForm struct {
	CRL        string    `json:"crl"`
	Issuer     string    `json:"issuer"`
	Number     string    `json:"crl_number"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Serials    []string  `json:"serials"`
}

// jsonVersion is which version of the JSON object was there; the zero value: none.
type jsonVersion struct{ version objectstore.Version }

// findJSON finds out which version of the JSON is there.
func (p *Preprocessor) findJSON(ctx context.Context, uploadKey string) (jsonVersion, error) {
	opts := objectstore.GetOptions{Range: objectstore.Range{Length: 1}}
	_, object, err := p.cache.ReadAll(ctx, catalog.JSONKey(catalog.CRLName(uploadKey)), 1, opts)
	if errors.Is(err, objectstore.ErrNotFound) {
		return jsonVersion{}, nil
	}
	return jsonVersion{object.Version}, err
}

// putJSON publishes the CRL as JSON. last is the version that was there before
// the catalog was changed: if another has come since, it is replaced only while
// this CRL is the one in force, so that a preprocessor that was held up never
// puts an older list back.
func (p *Preprocessor) putJSON(ctx context.Context, c *Candidate, ca string, record *catalog.CRL, last jsonVersion) error {
	if c.Image.Len() > MaxJSONEntries {
		p.log.Warn("not published as JSON: too many entries", "crl", record.Source.Key, "entries", c.Image.Len())
		return nil
	}
	data, err := encodeJSON(c, record)
	if err != nil {
		return err
	}
	key := catalog.JSONKey(record.Name)
	for try := 0; ; try++ {
		opts := objectstore.PutOptions{IfMatch: last.version, IfNoneMatch: last.version == "", ContentType: "application/json"}
		_, err := p.cache.Put(ctx, key, bytes.NewReader(data), opts)
		if !errors.Is(err, objectstore.ErrPreconditionFailed) && !errors.Is(err, objectstore.ErrConflict) {
			return err
		}
		if try >= maxTries {
			return fmt.Errorf("writing %s: other writers came first %d times: %w", key, try+1, err)
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
		if last, err = p.findJSON(ctx, record.Source.Key); err != nil {
			return err
		}
		cat, _, err := p.loadCatalog(ctx)
		if err != nil {
			return err
		}
		if err := p.attach(ctx, cat, cat.MissingFor(ca, record)); err != nil {
			return err
		}
		if !inForce(cat, ca, record) {
			return nil
		}
	}
}

// inForce reports whether the CRL is in force, read from the same upload.
func inForce(cat *catalog.Catalog, ca string, record *catalog.CRL) bool {
	l := cat.Serving(ca, &record.Scope, record.Line)
	return l != nil && l.Content == record.Content && l.Source.Key == record.Source.Key
}

func encodeJSON(c *Candidate, record *catalog.CRL) ([]byte, error) {
	out := jsonForm{
		CRL: record.Source.Key, Issuer: issuer.Display(c.List.Issuer), Number: record.Number.String(),
		ThisUpdate: record.ThisUpdate, NextUpdate: record.NextUpdate, Serials: make([]string, 0, c.Image.Len()),
	}
	for e := range c.Image.Set().All() {
		out.Serials = append(out.Serials, issuer.Serial(e.Contents()).String())
	}
	data, err := json.Marshal(out)
	return append(data, '\n'), err
}
