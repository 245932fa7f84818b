package preprocess

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Forget asks the preprocessor to let go of what it would keep of itself. One of
// CRL, CA and Floor is set. What is asked for is first looked at with DryRun; the
// answer's Seen is sent along with the request proper, which is refused if what
// would be lost is not that any more.
type Forget struct {
	// CRL is the key of an upload that is gone: the CRLs in force that were read
	// from it are taken out of force. Their floors stay.
	CRL string `json:"crl,omitempty"`
	// CA is the name of a CA whose issuers file is gone, and that was not
	// withdrawn because too many went at once.
	CA string `json:"ca,omitempty"`
	// Floor is the key of an upload that was refused as older than one accepted
	// before: its line's floor is lowered to it, and it enters.
	Floor  string `json:"floor,omitempty"`
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"` // who asks, as far as is known
	Seen   string `json:"seen,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// Forgotten answers a [Forget].
type Forgotten struct {
	Done bool `json:"done"` // false: refused, or a dry run
	// Refused says why nothing was or would be done; "": it was or can be.
	Refused string `json:"refused,omitempty"`
	CA      string `json:"ca,omitempty"`
	// CRLs are those that are or would be no more in force.
	CRLs []ForgottenCRL `json:"crls"`
	// Entries are the serial numbers that those CRLs deny.
	Entries int `json:"entries"`
	// Enters is the CRL that enters for them, where a floor is lowered.
	Enters *ForgottenCRL `json:"enters,omitempty"`
	// Then says in words what holds afterwards.
	Then string `json:"then"`
	Seen string `json:"seen,omitempty"`
}

// ForgottenCRL is a CRL of an answer.
type ForgottenCRL struct {
	Key        string    `json:"crl"`
	Kind       string    `json:"kind"`
	Number     string    `json:"crl_number"`
	Entries    int       `json:"entries"`
	NextUpdate time.Time `json:"next_update"`
}

func forgottenCRL(l *catalog.CRL) ForgottenCRL {
	n := l.Entries
	for _, o := range l.Others {
		n += o.Entries
	}
	return ForgottenCRL{Key: l.Source.Key, Kind: l.Kind, Number: l.Number.String(), Entries: n, NextUpdate: l.NextUpdate}
}

func (f *Forgotten) add(l *catalog.CRL) {
	c := forgottenCRL(l)
	f.CRLs, f.Entries = append(f.CRLs, c), f.Entries+c.Entries
}

func (f *Forgotten) refuse(format string, args ...any) { f.Refused = fmt.Sprintf(format, args...) }

// forget does what a Forget asks for, if it may.
func (p *Preprocessor) forget(ctx context.Context, f *Forget, now time.Time) (*Forgotten, error) {
	if !f.DryRun && f.Reason == "" {
		return nil, errors.New("forgetting: no reason is given; say in \"reason\" why, for the log and the report")
	}
	var answer *Forgotten
	var err error
	switch {
	case f.CRL != "":
		answer, err = p.forgetCRL(ctx, f, now)
	case f.CA != "":
		answer, err = p.forgetCA(ctx, f, now)
	default:
		answer, err = p.lowerFloor(ctx, f, now)
	}
	if err != nil {
		return nil, fmt.Errorf("forgetting: %w", err)
	}
	if answer.CRLs == nil {
		answer.CRLs = []ForgottenCRL{}
	}
	// The audit line: what was asked, by whom and why, and what came of it.
	p.log.Warn("forget", "crl", f.CRL+f.Floor, "ca", answer.CA, "floor", f.Floor != "", "dry_run", f.DryRun, "done", answer.Done,
		"entries", answer.Entries, "reason", f.Reason, "by", f.By, "detail", answer.Refused)
	return answer, nil
}

// exists reports whether there is an upload under a key.
func (p *Preprocessor) exists(ctx context.Context, key string) (bool, error) {
	body, err := p.uploads.Get(ctx, key, objectstore.GetOptions{})
	if errors.Is(err, objectstore.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, body.Close()
}

// confirmed decides whether what was looked at before is what would be done now.
func (f *Forgotten) confirmed(asked *Forget, seen string) bool {
	f.Seen = seen
	if f.Refused != "" || asked.DryRun {
		return false
	}
	if asked.Seen != seen {
		f.refuse("what would be lost has changed since it was shown; look at it again")
		return false
	}
	return true
}

// forgetCRL takes the CRLs of an upload that is gone out of force.
func (p *Preprocessor) forgetCRL(ctx context.Context, f *Forget, now time.Time) (*Forgotten, error) {
	there, err := p.exists(ctx, f.CRL)
	if err != nil {
		return nil, err
	}
	var answer *Forgotten
	_, err = p.change(ctx, now, func(c *catalog.Catalog) (bool, error) {
		answer = &Forgotten{}
		if err := p.attach(ctx, c, c.Missing()); err != nil {
			return false, err
		}
		seen := ""
		found := map[string][]*catalog.CRL{}
		for name, ca := range c.CAs {
			for l := range ca.Lists() {
				if l.Source.Key == f.CRL {
					answer.add(l)
					answer.CA, seen = name, seen+l.Content
					found[name] = append(found[name], l)
				}
			}
		}
		switch {
		case len(answer.CRLs) == 0:
			answer.refuse("no CRL in force was read from %s", f.CRL)
		case there:
			answer.refuse("the upload %s is still there, and would bring the CRL back at once; delete it first, or upload a newer one", f.CRL)
		}
		if len(answer.CRLs) > 0 {
			answer.Then = afterwards(c, answer.CA, len(found[answer.CA]))
		}
		if !answer.confirmed(f, seen) {
			return false, nil
		}
		for name, list := range found {
			for _, l := range list {
				c.Forget(name, l)
			}
		}
		answer.Done = true
		return true, nil
	})
	if err != nil || !answer.Done {
		return answer, err
	}
	return answer, p.reportForgotten(ctx, f.CRL, KindCRL, f, answer, now)
}

// afterwards says what a CA's clients get without some of its CRLs.
func afterwards(c *catalog.Catalog, ca string, fewer int) string {
	entry, left := c.CAs[ca], 0
	for range entry.Lists() {
		left++
	}
	left -= fewer
	switch {
	case left > 0:
		return fmt.Sprintf("the CA has %d CRLs left; certificates that none of them covers are denied as out_of_scope, unless they are listed in one", left)
	case entry.Settings.CRLOptional():
		return "the CA has no CRL, and its settings say \"crl\": \"optional\": ALL of its clients are let in, those that were revoked as well"
	}
	return "the CA has no CRL: all of its clients are denied as no_crl until one is uploaded"
}

// forgetCA withdraws a CA whose issuers file is gone.
func (p *Preprocessor) forgetCA(ctx context.Context, f *Forget, now time.Time) (*Forgotten, error) {
	key := p.config.IssuerPrefix + f.CA + ".pem"
	there, err := p.exists(ctx, key)
	if err != nil {
		return nil, err
	}
	var answer *Forgotten
	_, err = p.change(ctx, now, func(c *catalog.Catalog) (bool, error) {
		answer = &Forgotten{CA: f.CA}
		ca := c.CAs[f.CA]
		if ca == nil {
			answer.refuse("the catalog has no CA %s", f.CA)
			return false, nil
		}
		if err := p.attach(ctx, c, c.MissingCRLs(f.CA)); err != nil {
			return false, err
		}
		seen := ca.Source.ETag
		for l := range ca.Lists() {
			answer.add(l)
		}
		if there {
			answer.refuse("%s is still there, and would bring the CA back at once; delete it first", key)
		}
		answer.Then = "the CA is no longer trusted: all of its clients are denied as unknown_issuer. The floors of its CRLs stay"
		if !answer.confirmed(f, seen) {
			return false, nil
		}
		answer.Done = c.RemoveIssuer(f.CA)
		return answer.Done, nil
	})
	if err != nil || !answer.Done {
		return answer, err
	}
	p.metrics.IssuersChanged(f.CA)
	if err := p.reportForgotten(ctx, key, KindIssuer, f, answer, now); err != nil {
		return nil, err
	}
	settings := p.config.IssuerPrefix + f.CA + ".json"
	if there, err := p.exists(ctx, settings); there || err != nil {
		return answer, err // it waits for the CA: the timer says so
	}
	if r, err := ReadReport(ctx, p.cache, settings); err != nil || r == nil || r.Outcome == OutcomeDeleted {
		return answer, err
	}
	return answer, p.reportForgotten(ctx, settings, KindSettings, f, answer, now)
}

// reportForgotten writes the report on an upload key of which something was
// forgotten.
func (p *Preprocessor) reportForgotten(ctx context.Context, key, kind string, f *Forget, answer *Forgotten, now time.Time) error {
	r, err := ReadReport(ctx, p.cache, key)
	if err != nil {
		return err
	}
	if r == nil {
		r = &Report{Key: key, Kind: kind, CA: answer.CA}
	}
	r.WasAccepted = r.WasAccepted || r.Outcome == OutcomeAccepted
	r.ETag, r.VersionID, r.Outcome, r.Code, r.At = "", "", OutcomeDeleted, WasForgotten, now
	r.Detail = fmt.Sprintf("forgotten%s: %s. %d serial numbers are no longer denied by it; %s", by(f), f.Reason, answer.Entries, answer.Then)
	return p.report(ctx, r)
}

func by(f *Forget) string {
	if f.By == "" {
		return ""
	}
	return " by " + f.By
}

// lowerFloor lowers the floor of a line to a CRL that was refused for it, which
// enters with the same write of the catalog. Nothing older can enter for it.
func (p *Preprocessor) lowerFloor(ctx context.Context, f *Forget, now time.Time) (*Forgotten, error) {
	answer := &Forgotten{}
	cat, _, err := p.loadCatalog(ctx)
	if err != nil {
		return nil, err
	}
	body, err := p.uploads.Get(ctx, f.Floor, objectstore.GetOptions{})
	if errors.Is(err, objectstore.ErrNotFound) {
		answer.refuse("there is no upload %s; give the key of the CRL that was refused", f.Floor)
		return answer, nil
	}
	if err != nil {
		return nil, err
	}
	source := catalog.Source{Key: f.Floor, ETag: string(body.Object.Version), VersionID: body.Object.VersionID}
	candidate, err := p.readBody(body)
	if refusal := asRefusal(err); refusal != nil {
		answer.refuse("the CRL is refused whatever the floor: %v", refusal)
		return answer, nil
	}
	if err != nil {
		return nil, err
	}
	r := &Report{Key: f.Floor, ETag: source.ETag, VersionID: source.VersionID, Kind: KindCRL, At: now, Rules: p.config.rules()}
	r.describe(candidate)
	e := &entry{candidate: candidate, source: source, report: r, lower: true}
	if err := p.tryLower(ctx, cat, e, answer, now); err != nil || !answer.confirmed(f, answer.Seen) {
		return answer, err
	}
	if _, err := p.enterAll(ctx, []*entry{e}, now); err != nil {
		return nil, err
	}
	if e.refused != nil {
		answer.refuse("%v", e.refused)
		return answer, nil
	}
	answer.Done = e.entered
	r.Detail += fmt.Sprintf(". The floor of its line was lowered for it%s: %s", by(f), f.Reason)
	return answer, p.report(ctx, r)
}

// tryLower finds out, on a catalog that is not written, what lowering would do.
func (p *Preprocessor) tryLower(ctx context.Context, cat *catalog.Catalog, e *entry, answer *Forgotten, now time.Time) error {
	cas, state, err := issuers(cat)
	if err != nil {
		return err
	}
	if err := e.judge(cas, state, now); err != nil {
		return err
	}
	if e.refused != nil {
		answer.refuse("the CRL is not accepted whatever the floor: %v", e.refused)
		return nil
	}
	answer.CA = e.report.CA
	if err := p.attach(ctx, cat, cat.MissingFor(answer.CA, e.record)); err != nil {
		return err
	}
	floor := cat.Floor(e.record.Line)
	serving := cat.Serving(answer.CA, &e.record.Scope, e.record.Line)
	code, why := cat.Admit(answer.CA, e.record, now)
	if !code.BelowFloor() {
		if code == catalog.Succeeds {
			why = "its floor does not keep it out: upload it, or run a reconcile"
		}
		answer.refuse("%s", why)
		return nil
	}
	cat.LowerFloor(answer.CA, e.record)
	if code, why := cat.Admit(answer.CA, e.record, now); code != catalog.Succeeds {
		answer.refuse("the CRL is not accepted whatever the floor: %s", why)
		return nil
	}
	if serving != nil {
		answer.add(serving)
	}
	enters := forgottenCRL(e.record)
	answer.Enters = &enters
	answer.Then = fmt.Sprintf("CRL number %s is in force in the place of what was accepted up to number %s; whatever was revoked in between, and is not on it, is let in. No CRL older than it can enter",
		e.record.Number, floor.Number)
	answer.Seen = e.record.Content + floor.Content
	return nil
}
