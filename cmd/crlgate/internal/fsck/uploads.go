package fsck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// crls compares uploaded CRLs with the catalog and the reports.
func (r *run) crls() error {
	held := r.cat.InForce()
	for _, key := range slices.Sorted(maps.Keys(r.there)) {
		o := r.there[key]
		if kind, _ := r.config.Class(key); kind == preprocess.KindCRL {
			r.crl(key, string(o.Version), slices.Contains(held[key], string(o.Version)), r.settled(o))
		}
	}
	for _, l := range r.all() {
		key := l.crl.Source.Key
		if _, there := r.there[key]; !there {
			r.found(UploadGone, key, l.ca, key, "CRL number %s of it goes on serving until its nextUpdate %s, and the upload is gone", l.crl.Number, l.crl.NextUpdate.UTC().Format("2006-01-02 15:04Z"))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.reports)) {
		report := r.reports[key]
		kind, _ := r.config.Class(key)
		_, there := r.there[key]
		// What is in the catalog and uploaded no more is found as that.
		holds := len(held[key]) > 0 || report.Kind != preprocess.KindCRL && r.cat.CAs[report.CA] != nil
		if !there && !holds && kind != "" && report.Outcome != preprocess.OutcomeDeleted {
			r.found(ReportStale, catalog.ReportKey(key), report.CA, key, "it says %s (%s), and the upload is gone", report.Outcome, report.Code)
		}
	}
	return nil
}

// crl compares one uploaded CRL.
func (r *run) crl(key, etag string, inForce, settled bool) {
	report := r.reports[key]
	switch {
	case inForce && (report == nil || report.ETag != etag || report.Outcome != preprocess.OutcomeAccepted):
		if settled {
			r.found(ReportMissing, catalog.ReportKey(key), "", key, "the upload %s is in force, and no report says so", key)
		}
	case inForce:
	case report == nil:
		if settled {
			r.found(UploadUnseen, key, "", key, "the upload has no report and is not in the catalog")
		}
	case report.ETag != etag:
		if settled {
			r.found(UploadUnseen, key, report.CA, key, "the upload is not the one that its report is on, and not in the catalog")
		}
	case report.Outcome == preprocess.OutcomeAccepted && !r.counts(report) && !r.lost:
		r.found(NotInForce, key, report.CA, key, "its report says that CRL number %s is in force, and the catalog has neither it nor a later one", report.Number)
	}
}

// counts reports whether an accepted CRL is in force, or was succeeded, or is of
// a CA that is no more.
func (r *run) counts(report *preprocess.Report) bool {
	line, f := report.Floor()
	if f == nil || r.cat.CAs[report.CA] == nil {
		return true
	}
	for _, l := range r.all() {
		if l.crl.Line == line && l.crl.Content == f.Content {
			return true
		}
	}
	return r.cat.Floor(line).Beyond(f.Number, f.Content)
}

// issuers compares issuers and settings files with the catalog.
func (r *run) issuers() error {
	for _, key := range slices.Sorted(maps.Keys(r.there)) {
		o := r.there[key]
		kind, ca := r.config.Class(key)
		if kind != preprocess.KindIssuer && kind != preprocess.KindSettings {
			continue
		}
		report := r.reports[key]
		if report == nil || report.ETag != string(o.Version) {
			if r.settled(o) {
				r.found(UploadUnseen, key, ca, key, "the file has no report on its present bytes")
			}
			continue
		}
		data, object, err := r.uploads.ReadAll(r.ctx, key, issuer.MaxFile, objectstore.GetOptions{})
		if errors.Is(err, objectstore.ErrNotFound) || err == nil && object.Version != o.Version {
			continue // changed since it was listed
		}
		if large := (*objectstore.TooLargeError)(nil); errors.As(err, &large) {
			continue // and is refused
		}
		if err != nil {
			return err
		}
		if kind == preprocess.KindIssuer {
			r.issuer(ca, key, data, report)
		} else {
			r.setting(ca, key, data, report)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.cat.CAs)) {
		key := r.IssuerPrefix + name + ".pem"
		if _, there := r.there[key]; !there {
			r.found(IssuerGone, key, name, key, "the CA is in the catalog, and its issuers file is gone")
			if report := r.reports[key]; report != nil && report.Code == preprocess.IssuersVanished {
				r.result.Differences[len(r.result.Differences)-1].Repairable = false
			}
		}
		settings := r.IssuerPrefix + name + ".json"
		if _, there := r.there[settings]; !there && r.cat.CAs[name].SettingsSource != nil {
			r.found(SettingsDiffer, settings, name, settings, "the CA has settings in the catalog, and its settings file is gone")
		}
	}
	return nil
}

// issuer compares a file's certificates with the catalog's: each of the
// catalog's is in the file, and each of the file's in the catalog, unless the
// report refuses it.
func (r *run) issuer(name, key string, data []byte, report *preprocess.Report) {
	// Which of them to trust is the preprocessor's to say; here they are only read.
	_, verdicts, _ := issuer.ParseFile(name, data, issuer.Policy{AllowSHA1: true})
	inFile, refused := map[string]bool{}, map[string]bool{}
	for _, c := range report.Certificates {
		refused[c.Fingerprint] = refused[c.Fingerprint] || !c.Accepted
	}
	for _, v := range verdicts {
		if v.Certificate != nil {
			inFile[v.Certificate.Fingerprint.String()] = v.Refusal == nil
		}
	}
	ca := r.cat.CAs[name]
	if ca == nil {
		if report.Outcome == preprocess.OutcomeAccepted {
			r.found(IssuerDiffers, key, name, key, "its report says that it is in force, and the catalog has no such CA")
		}
		return
	}
	if report.Outcome != preprocess.OutcomeAccepted {
		return // the certificates of the file before go on serving
	}
	held := map[string]bool{}
	for _, cert := range ca.Certificates {
		held[cert.Fingerprint] = true
		if !inFile[cert.Fingerprint] {
			r.found(IssuerDiffers, key, name, key, "the catalog trusts a certificate %s for this CA, which the file does not have", cert.Fingerprint)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(inFile)) {
		if inFile[f] && !held[f] && !refused[f] {
			r.found(IssuerDiffers, key, name, key, "the file has a certificate %s, which the catalog does not have and the report does not refuse", f)
		}
	}
}

// setting compares a settings file with the catalog.
func (r *run) setting(name, key string, data []byte, report *preprocess.Report) {
	ca := r.cat.CAs[name]
	if ca == nil || report.Outcome != preprocess.OutcomeAccepted {
		return // pending, or refused: what was in force stays
	}
	want, err := issuer.ParseSettings(data, r.Now)
	if err != nil {
		return // not judged again: it was accepted by what held then
	}
	a, errA := json.Marshal(want)
	b, errB := json.Marshal(ca.Settings)
	if errors.Join(errA, errB) != nil || !bytes.Equal(a, b) {
		r.found(SettingsDiffer, key, name, key, "the file says %s, and the catalog %s", a, b)
	}
}

// deep reads every uploaded CRL that is in force and compares what it says.
func (r *run) deep() error {
	if !r.Deep {
		return nil
	}
	var cas []*issuer.CA
	for _, name := range slices.Sorted(maps.Keys(r.cat.CAs)) {
		ca, err := r.cat.CAs[name].Issuer(name)
		if err != nil {
			return err
		}
		cas = append(cas, ca)
	}
	all := r.all()
	for i, l := range all { // one at a time: each may take much memory
		r.progress("CRLs", i+1, len(all))
		fault, err := r.compare(cas, l)
		if err != nil {
			return fmt.Errorf("CRL %s: %w", l.crl.Source.Key, err)
		}
		if fault != "" {
			r.found(CRLDiffers, l.crl.Source.Key, l.ca, l.crl.Source.Key, "%s", fault)
		}
	}
	return nil
}

// compare says in words what the catalog says otherwise than the CRL that it
// was read from; "" for nothing, or where that is uploaded no more.
func (r *run) compare(cas []*issuer.CA, l inForce) (string, error) {
	body, err := r.uploads.Get(r.ctx, l.crl.Source.Key, objectstore.GetOptions{IfMatch: objectstore.Version(l.crl.Source.ETag)})
	if errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, objectstore.ErrPreconditionFailed) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer body.Close()
	var refusal *preprocess.Refusal
	candidate, err := preprocess.ReadCRL(body, crl.Options{AllowSHA1: true})
	if errors.As(err, &refusal) {
		return "the upload is no CRL that could be in force: " + refusal.Error(), nil
	}
	if err != nil {
		return "", err
	}
	v, err := candidate.Verify(cas, r.Now)
	if errors.As(err, &refusal) {
		return "the uploaded CRL does not verify under the certificates in the catalog: " + refusal.Error(), nil
	}
	if err != nil {
		return "", err
	}
	return l.crl.Differs(v.Record(l.crl.Source, l.crl.Accepted)), nil
}
