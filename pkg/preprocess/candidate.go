package preprocess

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// Skew is how far in the future a CRL's thisUpdate may lie, for clocks that
// disagree.
const Skew = 5 * time.Minute

// Code names the outcome of an upload. The codes of packages crl, issuer and
// catalog are outcomes too; docs/codes.md lists them all.
type Code string

// Codes of this package.
const (
	Accepted            Code = "accepted"
	Unchanged           Code = "unchanged"             // in force already
	Deleted             Code = "deleted"               // the upload is gone; what it brought goes on serving
	WasForgotten        Code = "forgotten"             // an operator had it forgotten
	IssuersVanished     Code = "issuers_vanished"      // pending: too many issuers went at once to believe it
	UnknownFile         Code = "unknown_file"          // refused: under the issuers' prefix, and neither certificates nor settings by its name
	SettingsRefused     Code = "settings_refused"      // pending: a CA whose settings file is refused and that has none in force
	Ignored             Code = "ignored"               // neither an issuer, nor settings, nor a CRL
	IssuerUnknown       Code = "issuer_unknown"        // pending: no CA of the CRL's issuer name
	SignerUnknown       Code = "signer_unknown"        // pending: signed by a key that the CA's file lacks
	SignatureInvalid    Code = "signature_invalid"     // refused
	SignerNotAuthorized Code = "signer_not_authorized" // refused: the key may not sign CRLs
	NotYetValid         Code = "not_yet_valid"         // pending: thisUpdate in the future
	Expired             Code = "expired"               // pending: past nextUpdate with nothing in force to replace
	NextUpdateMissing   Code = "next_update_missing"   // refused (RFC 5280 §5.1.2.5)
	DatesConflict       Code = "dates_conflict"        // refused: nextUpdate before thisUpdate
	BaseMissing         Code = "delta_base_missing"    // pending: the complete CRL that a delta CRL is a delta to
	DeltaNumberConflict Code = "delta_number_conflict" // refused: BaseCRLNumber above the CRL number
	TooManyIssuers      Code = "too_many_issuers"      // refused: an indirect CRL of more than MaxIssuers certificate issuers
	AttributeCertsOnly  Code = "attribute_certs_only"  // refused: speaks of no client certificate
)

// Refusal says why an upload is not accepted.
type Refusal struct {
	Code   Code
	Detail string
	// Pending: an issuer, another CRL or time may cure it, and it will be
	// looked at again then.
	Pending bool
}

// Error returns the detail and the code.
func (r *Refusal) Error() string { return fmt.Sprintf("%s (%s)", r.Detail, r.Code) }

func refused(code Code, format string, args ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, args...)}
}

func pending(code Code, format string, args ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, args...), Pending: true}
}

// asRefusal turns the refusals of the packages below into one type; nil for
// any other error, which then is no word on the upload.
func asRefusal(err error) *Refusal {
	var own *Refusal
	var bytes *crl.Error
	var cert *issuer.Refusal
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &bytes):
		return &Refusal{Code: Code(bytes.Code), Detail: bytes.Error()}
	case errors.As(err, &cert):
		return &Refusal{Code: Code(cert.Code), Detail: cert.Error()}
	}
	return nil
}

// Candidate is a CRL that was read, checked for form and flattened, and whose
// signature has not been looked at.
type Candidate struct {
	List   *crl.List
	Image  *serialset.Image // entries of the CRL issuer's own certificates
	Issuer issuer.Name
	// Others are the entries of an indirect CRL for other certificate issuers,
	// in the order in which they are first named.
	Others []IssuerImage
}

// Entries returns the number of serial numbers, of all certificate issuers.
func (c *Candidate) Entries() int {
	n := c.Image.Len()
	for _, o := range c.Others {
		n += o.Image.Len()
	}
	return n
}

// Warnings says in words what the CA should put right in a CRL that is accepted all
// the same.
func (c *Candidate) Warnings() []string {
	var out []string
	l := c.List
	if l.UnknownReasons > 0 {
		out = append(out, fmt.Sprintf("entries with a reason code that RFC 5280 §5.3.1 does not have: %d, the first with %d: they count as revoked, for no stated reason; have the CA write a reason that there is", l.UnknownReasons, l.UnknownReason))
	}
	if l.Delta() && l.BaseNumber.Cmp(l.Number) == 0 && c.Entries() > 0 {
		out = append(out, fmt.Sprintf("it is a delta to CRL number %v, which is its own number, and has entries: those that revoke count beside that complete CRL, and nothing is taken back; have the CA give it the next number (RFC 5280 §5.2.3, §5.2.4)", l.Number))
	}
	return out
}

// IssuerImage is the entries of an indirect CRL for one certificate issuer.
type IssuerImage struct {
	Name    issuer.Name
	Subject string // for people
	Image   *serialset.Image
}

// ReadCRL reads one CRL to the end and flattens it. An error is a *[Refusal],
// or the source's.
func ReadCRL(r io.Reader, opts crl.Options) (*Candidate, error) {
	var f flattener
	list, err := crl.Read(r, opts, f.add)
	if err != nil {
		if r := asRefusal(err); r != nil {
			return nil, r
		}
		return nil, err
	}
	name, err := issuer.ParseName(list.Issuer)
	if err != nil {
		return nil, refused(Code(crl.Malformed), "issuer: %v", err)
	}
	if err := supported(list); err != nil {
		return nil, err
	}
	c := &Candidate{List: list, Issuer: name}
	return c, f.finish(c)
}

// supported refuses by name what is understood and cannot be used.
func supported(l *crl.List) error {
	var unsupported *crl.Error
	if errors.As(l.Unsupported(), &unsupported) {
		return asRefusal(unsupported)
	}
	switch {
	case l.Delta() && l.BaseNumber.Cmp(l.Number) > 0:
		return refused(DeltaNumberConflict, "it is a delta to CRL number %v, which is newer than its own number %v (RFC 5280 §5.2.4)", l.BaseNumber, l.Number)
	case l.IDP != nil && l.IDP.OnlyAttributeCerts:
		return refused(AttributeCertsOnly, "it speaks of attribute certificates only, which are no client certificates")
	case l.NextUpdate.IsZero():
		return refused(NextUpdateMissing, "it has no nextUpdate, so nobody could tell when it is out of date (RFC 5280 §5.1.2.5)")
	case l.NextUpdate.Before(l.ThisUpdate):
		return refused(DatesConflict, "its nextUpdate %s lies before its thisUpdate %s", stamp(l.NextUpdate), stamp(l.ThisUpdate))
	}
	return nil
}

// Verified is a CRL whose signature verifies under a key of a CA that may sign
// CRLs.
type Verified struct {
	*Candidate
	CA     *issuer.CA
	Signer *issuer.Certificate
	Scope  catalog.Scope
	Line   string
}

// Verify finds the CA that issued the CRL and checks the signature and
// thisUpdate. The error is a *[Refusal].
func (c *Candidate) Verify(cas []*issuer.CA, now time.Time) (*Verified, error) {
	ca, signer, err := c.signedBy(cas)
	if err != nil {
		return nil, err
	}
	l := c.List
	if l.ThisUpdate.After(now.Add(Skew)) {
		return nil, pending(NotYetValid, "its thisUpdate %s lies in the future; it is looked at again then. If that is wrong, check the CA's clock", stamp(l.ThisUpdate))
	}
	scope, err := catalog.NewScope(l.IDP, c.Issuer)
	if err != nil {
		return nil, refused(Code(crl.IDPMalformed), "%v", err)
	}
	v := &Verified{Candidate: c, CA: ca, Signer: signer, Scope: scope}
	v.Line = catalog.Line(c.Issuer, signer.Key, v.kind(), scope)
	return v, nil
}

func (c *Candidate) signedBy(cas []*issuer.CA) (*issuer.CA, *issuer.Certificate, error) {
	subject := issuer.Display(c.List.Issuer)
	var worst error
	var named string
	for _, ca := range cas {
		if ca.Subject != c.Issuer {
			continue
		}
		signer, err := ca.Signer(c.List)
		switch {
		case err == nil:
			return ca, signer, nil
		case errors.Is(err, issuer.ErrSignatureInvalid), errors.Is(err, issuer.ErrSignerNotAuthorized), worst == nil:
			worst, named = err, ca.Name
		}
	}
	switch {
	case worst == nil:
		return nil, nil, pending(IssuerUnknown, "no CA is known whose name is %s; upload its certificate as issuers/<name>.pem, and this CRL will count", subject)
	case errors.Is(worst, issuer.ErrSignerUnknown):
		return nil, nil, pending(SignerUnknown, "it bears the name of CA %s and is signed by a key that none of that CA's certificates has (%s); if the key is the CA's, add its certificate to issuers/%s.pem. If it is not, this CRL is forged", named, keyIdentifier(c.List), named)
	case errors.Is(worst, issuer.ErrSignatureInvalid):
		return nil, nil, refused(SignatureInvalid, "its signature does not verify under the key of CA %s that it names: it was forged, or damaged on its way", named)
	case errors.Is(worst, issuer.ErrSignerNotAuthorized):
		return nil, nil, refused(SignerNotAuthorized, "it is signed by a key of CA %s whose certificate may not sign CRLs (keyUsage without cRLSign, RFC 5280 §4.2.1.3)", named)
	}
	if r := asRefusal(worst); r != nil {
		return nil, nil, r
	}
	return nil, nil, worst
}

func keyIdentifier(l *crl.List) string {
	if len(l.AuthorityKeyID) == 0 {
		return "it names no key identifier"
	}
	return fmt.Sprintf("key identifier %x", l.AuthorityKeyID)
}

func (c *Candidate) kind() string {
	if c.List.Delta() {
		return catalog.Delta
	}
	return catalog.Complete
}

// Record returns the catalog's record of the CRL, uploaded as source.
func (v *Verified) Record(source catalog.Source, now time.Time) *catalog.CRL {
	name := catalog.CRLName(source.Key)
	l := v.List
	record := &catalog.CRL{
		Name: name, Source: source, Line: v.Line, Key: v.Signer.Key.String(), Kind: v.kind(), Number: catalog.NewNumber(l.Number),
		Content: l.ContentID(), ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, Scope: v.Scope, Entries: v.Image.Len(),
		Set: setOf(name, v.Image), Accepted: now.UTC().Truncate(time.Second),
	}
	if l.Delta() {
		record.Base = &catalog.Base{Line: catalog.Line(v.Issuer, v.Signer.Key, catalog.Complete, v.Scope), Number: catalog.NewNumber(l.BaseNumber)}
	}
	for _, o := range v.Others {
		record.Others = append(record.Others, catalog.IssuerSet{Name: []byte(o.Name), Subject: o.Subject, Entries: o.Image.Len(), Set: setOf(name, o.Image)})
	}
	return record
}

func setOf(name string, img *serialset.Image) catalog.Set {
	digest := img.Digest()
	return catalog.Set{Key: catalog.SetKey(name, digest), Size: img.Size(), Head: img.HeadSize(), SHA256: digest.String()}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
