package preprocess

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// upload is a small object of the upload bucket as it is now; nil data where
// there is none.
type upload struct {
	source catalog.Source
	data   []byte
	tooBig error
}

func (p *Preprocessor) readUpload(ctx context.Context, key string) (upload, error) {
	u := upload{source: catalog.Source{Key: key}}
	data, object, err := p.uploads.ReadAll(ctx, key, issuer.MaxFile, objectstore.GetOptions{})
	var large *objectstore.TooLargeError
	switch {
	case errors.Is(err, objectstore.ErrNotFound):
		return u, nil
	case errors.As(err, &large):
		// Refused for good, but without an ETag nothing is remembered of it.
		u.tooBig = &issuer.Refusal{Code: issuer.FileTooLarge, Detail: fmt.Sprintf("it has %d bytes, more than the %d that are read", large.Size, large.Limit)}
		return u, nil
	case err != nil:
		return u, err
	}
	u.source.ETag, u.source.VersionID = string(object.Version), object.VersionID
	if data == nil {
		data = []byte{}
	}
	u.data = data
	return u, nil
}

func (u *upload) missing() bool { return u.data == nil && u.tooBig == nil }

// syncIssuer brings one CA of the catalog up to date with its two files, and
// reports on both.
func (p *Preprocessor) syncIssuer(ctx context.Context, name string, now time.Time) (changed bool, err error) {
	var reports [2]*Report
	var news [2]bool
	for try := 0; ; try++ {
		var uploads [2]upload
		wrote, err := p.change(ctx, now, func(c *catalog.Catalog) (bool, error) {
			// The uploads are read after the catalog, so that a preprocessor
			// that was held up does not put back what another has replaced.
			if err := p.readPair(ctx, name, &uploads); err != nil {
				return false, err
			}
			if err := p.attach(ctx, c, c.MissingCRLs(name)); err != nil {
				return false, err
			}
			if uploads[0].missing() && c.CAs[name] != nil {
				vanished, err := p.vanished(ctx, c)
				if err != nil {
					return false, err
				}
				if vanished != "" {
					b := false
					if reports = p.stay(name, uploads, vanished, now); !uploads[1].missing() {
						reports[1], b = p.applySettings(c, name, uploads[1], now)
						news[1] = news[1] || b
					}
					return b, nil
				}
			}
			var a, b bool
			reports[1], b = p.applySettings(c, name, uploads[1], now)
			reports[0], a = p.applyIssuer(c, name, uploads[0], reports[1], now)
			if a {
				// Settings that waited for the CA count now, or those of a CA
				// that is gone wait.
				again := false
				reports[1], again = p.applySettings(c, name, uploads[1], now)
				b = b || again
			}
			news[0], news[1] = news[0] || a, news[1] || b
			return a || b, nil
		})
		if err != nil {
			return changed, fmt.Errorf("%s%s: %w", p.config.IssuerPrefix, name, err)
		}
		changed = changed || wrote
		same := !wrote
		if wrote {
			// An upload that came while the catalog was being written may have
			// been looked at, and found in force, just before.
			if same, err = p.stillThere(ctx, uploads[:]); err != nil {
				return changed, fmt.Errorf("%s%s: %w", p.config.IssuerPrefix, name, err)
			}
		}
		if same {
			break
		}
		if try >= maxTries {
			return changed, fmt.Errorf("%s%s: the uploads changed %d times while they were read", p.config.IssuerPrefix, name, try+1)
		}
	}
	if changed && news[0] { // its certificates, not only its settings
		p.metrics.IssuersChanged(name)
	}
	if reports[0].Code == IssuersVanished {
		p.metrics.IssuersVanished(name)
	}
	for i, r := range reports {
		if err := p.reportIssuer(ctx, r, changed && news[i]); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// readPair reads a CA's two files.
func (p *Preprocessor) readPair(ctx context.Context, name string, uploads *[2]upload) (err error) {
	for i, suffix := range []string{".pem", ".json"} {
		if uploads[i], err = p.readUpload(ctx, p.config.IssuerPrefix+name+suffix); err != nil {
			return err
		}
	}
	return nil
}

// stillThere reports whether the uploads are what they were when they were read.
func (p *Preprocessor) stillThere(ctx context.Context, uploads []upload) (bool, error) {
	for _, u := range uploads {
		_, _, err := p.uploads.ReadAll(ctx, u.source.Key, issuer.MaxFile, objectstore.GetOptions{IfNoneMatch: objectstore.Version(u.source.ETag)})
		same := false
		var large *objectstore.TooLargeError
		switch {
		case errors.Is(err, objectstore.ErrNotModified):
			same = true
		case errors.Is(err, objectstore.ErrNotFound):
			same = u.missing()
		case errors.As(err, &large):
			same = u.tooBig != nil
		case err != nil:
			return false, err
		}
		if !same {
			return false, nil
		}
	}
	return true, nil
}

// reportIssuer logs and writes a report, if it says anything new.
func (p *Preprocessor) reportIssuer(ctx context.Context, r *Report, changed bool) error {
	old, err := ReadReport(ctx, p.cache, r.Key)
	if err != nil {
		return err
	}
	if r.Outcome == OutcomeDeleted && !changed && (old == nil || old.Outcome == OutcomeDeleted) {
		return nil // it was never there, or its going was reported
	}
	if old != nil && !changed {
		then := *old
		then.At = r.At
		if reflect.DeepEqual(&then, r) || r.Outcome == OutcomeAccepted && old.Outcome == r.Outcome && old.ETag == r.ETag && len(old.Certificates) == len(r.Certificates) {
			return nil
		}
	}
	p.log.Info("issuer "+string(r.Outcome), "ca", r.CA, "object", r.Key, "code", r.Code, "detail", r.Detail, "changed", changed)
	return p.report(ctx, r)
}

// applyIssuer moves the CA's certificates in the catalog to the file's.
func (p *Preprocessor) applyIssuer(c *catalog.Catalog, name string, u upload, settings *Report, now time.Time) (*Report, bool) {
	r := &Report{Key: u.source.Key, ETag: u.source.ETag, VersionID: u.source.VersionID, Kind: KindIssuer, CA: name, At: now}
	if u.missing() {
		r.Outcome, r.Code = OutcomeDeleted, Deleted
		r.Detail = "the issuers file is gone: this CA is no longer trusted and its clients are denied (unknown_issuer). Upload the file again to undo this"
		return r, c.RemoveIssuer(name)
	}
	if u.tooBig != nil {
		r.refuse(asRefusal(u.tooBig))
		return r, false
	}
	ca, verdicts, err := issuer.ParseFile(name, u.data, p.config.policy())
	if err == nil {
		err = p.dropTaken(c, ca, verdicts)
	}
	r.Certificates = certificateReports(verdicts)
	if err != nil {
		r.refuse(asRefusal(err))
		// What served goes on serving, unless the pins of this deployment
		// rule it out: then nothing of it may be trusted any longer.
		if p.unpinned(c, name) {
			c.RemoveIssuer(name)
			r.Detail += ". The CA was withdrawn, since PINNED_ISSUERS no longer allows what was served"
			return r, true
		}
		if c.CAs[name] != nil {
			r.Detail += ". The certificates accepted before go on serving"
		}
		return r, false
	}
	if c.CAs[name] == nil && settings.Outcome == OutcomeRefused {
		// Its settings may hold a deny list, or narrow its domains: without
		// them it would let in what they deny.
		r.refuse(&Refusal{Code: SettingsRefused, Pending: true, Detail: fmt.Sprintf("%s is refused (%s), and no settings of this CA are in force that could stay; mend it or delete it, and the CA will count", settings.Key, settings.Code)})
		return r, false
	}
	changed := c.SetIssuer(ca, u.source)
	r.accept(Accepted, acceptedIssuer(ca, verdicts))
	return r, changed
}

func acceptedIssuer(ca *issuer.CA, verdicts []issuer.Verdict) string {
	detail := fmt.Sprintf("CA %s (%s), certificates: %d, keys: %d", ca.Name, ca.Certificates[0].Subject, len(ca.Certificates), len(ca.Keys()))
	signs := false
	var refused []string
	for _, v := range verdicts {
		if v.Refusal != nil {
			refused = append(refused, v.Refusal.Error())
		} else {
			signs = signs || v.Certificate.MaySignCRLs
		}
	}
	if !signs {
		detail += "; none of its keys may sign CRLs (cRLSign), so no CRL can count: add the certificate of its CRL signer"
	}
	if len(refused) > 0 {
		detail += fmt.Sprintf("; refused: %d: %s", len(refused), strings.Join(refused, "; "))
	}
	return detail
}

// dropTaken refuses certificates whose name and key another CA's file already
// holds: a client must belong to one CA. Who held it first keeps it.
func (p *Preprocessor) dropTaken(c *catalog.Catalog, ca *issuer.CA, verdicts []issuer.Verdict) error {
	kept := ca.Certificates[:0]
	for _, cert := range ca.Certificates {
		holder := c.HolderOf(cert, ca.Name)
		if holder == "" {
			kept = append(kept, cert)
			continue
		}
		for i, v := range verdicts {
			if v.Certificate == cert {
				verdicts[i].Refusal = &issuer.Refusal{Code: issuer.CertificateOfOtherCA, Detail: fmt.Sprintf("issuers/%s.pem already holds this name and key; a key belongs to one CA only", holder)}
			}
		}
	}
	ca.Certificates = kept
	if len(kept) == 0 {
		return &Refusal{Code: Code(issuer.CertificateOfOtherCA), Detail: "every certificate of the file is already another CA's; remove it there first", Pending: true}
	}
	return nil
}

// unpinned reports whether the catalog trusts a certificate for this CA that
// the pins do not allow.
func (p *Preprocessor) unpinned(c *catalog.Catalog, name string) bool {
	ca := c.CAs[name]
	if ca == nil || len(p.config.Pinned) == 0 {
		return false
	}
	pinned := map[string]bool{}
	for _, f := range p.config.Pinned {
		pinned[f.String()] = true
	}
	for _, cert := range ca.Certificates {
		if !pinned[cert.Fingerprint] {
			return true
		}
	}
	return false
}

// applySettings moves the CA's settings in the catalog to the file's. A file
// that is refused changes nothing.
func (p *Preprocessor) applySettings(c *catalog.Catalog, name string, u upload, now time.Time) (*Report, bool) {
	r := &Report{Key: u.source.Key, ETag: u.source.ETag, VersionID: u.source.VersionID, Kind: KindSettings, CA: name, At: now}
	ca := c.CAs[name]
	if u.missing() {
		r.Outcome, r.Code, r.Detail = OutcomeDeleted, Deleted, "the settings file is gone: every setting of this CA has its default again"
		return r, ca != nil && ca.SettingsSource != nil && c.SetSettings(name, issuer.Settings{}, nil)
	}
	if u.tooBig != nil {
		r.refuse(asRefusal(u.tooBig))
		return r, false
	}
	if ca != nil && ca.SettingsSource != nil && ca.SettingsSource.ETag == u.source.ETag {
		// Read before. It is not judged again: allow_until may lie in the
		// past by now, or a rule may have become stricter.
		r.accept(Accepted, "in force")
		return r, false
	}
	s, err := issuer.ParseSettings(u.data, now)
	switch {
	case err != nil:
		r.refuse(asRefusal(err))
		r.Detail += ". The settings in force stay as they are"
		return r, false
	case ca == nil:
		r.refuse(&Refusal{Code: Code(issuer.SettingsWithoutIssuer), Pending: true, Detail: fmt.Sprintf("there is no CA %s yet; upload its certificates as %s%s.pem, and these settings will count", name, p.config.IssuerPrefix, name)})
		return r, false
	}
	r.accept(Accepted, "in force")
	source := u.source
	return r, c.SetSettings(name, s, &source)
}

func certificateReports(verdicts []issuer.Verdict) []CertificateReport {
	var out []CertificateReport
	for _, v := range verdicts {
		var r CertificateReport
		if c := v.Certificate; c != nil {
			notAfter := c.NotAfter
			r = CertificateReport{Subject: c.Subject, Fingerprint: c.Fingerprint.String(), NotAfter: &notAfter, Issues: c.MayIssue, SignsCRLs: c.MaySignCRLs}
		}
		r.Accepted = v.Refusal == nil
		if v.Refusal != nil {
			r.Code, r.Detail = Code(v.Refusal.Code), v.Refusal.Detail
		}
		out = append(out, r)
	}
	return out
}

// reconcileIssuers syncs every CA that has a file or a place in the catalog.
func (p *Preprocessor) reconcileIssuers(ctx context.Context, now time.Time) error {
	c, _, err := p.loadCatalog(ctx)
	if err != nil {
		return err
	}
	keys := map[string]bool{}
	files := map[string]bool{} // CAs that have an issuers or a settings file
	certs := map[string]bool{} // CAs that have an issuers file
	var unknown []string
	for object, err := range p.uploads.List(ctx, p.config.IssuerPrefix) {
		if err != nil {
			return err
		}
		keys[object.Key] = true
		if kind, ca := p.config.Class(object.Key); kind != "" {
			files[ca] = true
			certs[ca] = certs[ca] || kind == KindIssuer
		} else if p.config.misnamed(object.Key) {
			unknown = append(unknown, object.Key)
		}
	}
	// CAs whose file is gone come first: a key that they held may be another's.
	// Those that are out of force already are among them, as far as floors and
	// reports tell of them: that they are gone may not have been reported.
	if err := p.attach(ctx, c, c.Missing()); err != nil {
		return err
	}
	gone, err := p.staleIssuers(ctx, keys, now)
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(c.CAs)), c.Once()) {
		if !certs[name] {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	gone = slices.Compact(gone)
	var errs []error
	for _, key := range unknown {
		errs = append(errs, p.syncUnknown(ctx, key, now))
	}
	for _, name := range slices.Concat(gone, slices.Sorted(maps.Keys(files))) {
		_, err := p.syncIssuer(ctx, name, now)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
