package preprocess

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// An issuers file that is deleted withdraws its CA: that is how trust is taken
// back, and it must work at once. But a bucket that was emptied, by a lifecycle
// rule, a wrong sync or a wrong prefix, looks the same to each file, and would
// have every client denied. So a CA is not withdrawn while most CAs are gone at
// the same moment, or while nothing at all is left of what was uploaded: what
// served goes on serving, an alarm says so, and a request to forget each CA (see
// [Forget]) withdraws those that were meant.

// vanished says in words that too many issuers files are gone for that to be
// meant; "" where it can be.
func (p *Preprocessor) vanished(ctx context.Context, c *catalog.Catalog) (string, error) {
	there, left := map[string]bool{}, 0
	for object, err := range p.uploads.List(ctx, p.config.IssuerPrefix) {
		if err != nil {
			return "", err
		}
		left++
		if kind, ca := p.config.Class(object.Key); kind == KindIssuer {
			there[ca] = true
		}
	}
	gone, crls := 0, 0
	for name, ca := range c.CAs {
		if !there[name] {
			gone++
		}
		if crls += len(ca.CRLs); ca.Parts != nil {
			crls++
		}
	}
	if gone >= 2 && 2*gone > len(c.CAs) {
		return fmt.Sprintf("the issuers files of %d of %d CAs are gone at once", gone, len(c.CAs)), nil
	}
	if left > 0 || gone < len(c.CAs) || crls == 0 {
		return "", nil
	}
	for _, prefix := range p.config.CRLPrefixes {
		for _, err := range p.uploads.List(ctx, prefix) {
			return "", err // something is left, or that is not known
		}
	}
	return "nothing is left of all that was uploaded", nil
}

// stay returns the reports on the two files of a CA that is not withdrawn.
func (p *Preprocessor) stay(name string, uploads [2]upload, vanished string, now time.Time) (reports [2]*Report) {
	for i, kind := range []string{KindIssuer, KindSettings} {
		source := uploads[i].source
		r := &Report{Key: source.Key, ETag: source.ETag, VersionID: source.VersionID, Kind: kind, CA: name, At: now}
		r.refuse(&Refusal{Code: IssuersVanished, Pending: true, Detail: vanished + ", which is taken for an accident: the CA and its settings go on as they were. Upload the files again; or, if CA " +
			name + " is to be withdrawn, confirm it: crlgate forget --ca " + name})
		reports[i] = r
	}
	return reports
}

// misnamed reports whether a key lies where issuers do and is for nothing there.
// What a console makes to stand for a folder is no file.
func (c *Config) misnamed(key string) bool {
	kind, _ := c.Class(key)
	return kind == "" && strings.HasPrefix(key, c.IssuerPrefix) && !strings.HasSuffix(key, "/")
}

// syncUnknown reports on a file that lies where issuers do and is not read.
func (p *Preprocessor) syncUnknown(ctx context.Context, key string, now time.Time) error {
	r := &Report{Key: key, Kind: KindUnknown, At: now}
	body, err := p.uploads.Get(ctx, key, objectstore.GetOptions{})
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		r.Outcome, r.Code, r.Detail = OutcomeDeleted, Deleted, "the file is gone; it was never read"
	case err != nil:
		return err
	default:
		r.ETag, r.VersionID = string(body.Object.Version), body.Object.VersionID
		if err := body.Close(); err != nil {
			return err
		}
		r.refuse(&Refusal{Code: UnknownFile, Detail: fmt.Sprintf("it is not read: certificates of a CA are %s<ca>.pem, its settings %s<ca>.json, and <ca> has no slash and nothing that does not print; upload it under such a key", p.config.IssuerPrefix, p.config.IssuerPrefix)})
	}
	old, err := ReadReport(ctx, p.cache, key)
	if err != nil {
		return err
	}
	if old == nil && r.Outcome == OutcomeDeleted || old != nil && old.ETag == r.ETag && old.Outcome == r.Outcome {
		return nil // it was never there, or that was said
	}
	p.log.Warn("file "+string(r.Outcome), "object", key, "code", r.Code, "detail", r.Detail)
	return p.report(ctx, r)
}
