package preprocess

import (
	"slices"

	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/serialset"

	"github.com/crlgate/crlgate/internal/der"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// MaxIssuers is of how many certificate issuers one indirect CRL may speak.
const MaxIssuers = 1000

// flattener gathers a CRL's entries, one set for each certificate issuer.
type flattener struct {
	own     serialset.Builder // entries without certificateIssuer
	others  []otherIssuer
	byName  map[issuer.Name]int
	reasons []uint8

	raw     []byte // certificateIssuer in force
	current []*serialset.Builder
}

type otherIssuer struct {
	name    issuer.Name
	subject string
	builder *serialset.Builder
}

// add takes a batch.
func (f *flattener) add(b *crl.Batch) error {
	if f.current == nil || string(b.CertificateIssuer) != string(f.raw) {
		if err := f.attribute(b.CertificateIssuer); err != nil {
			return err
		}
	}
	f.reasons = f.reasons[:0]
	for _, reason := range b.Reasons {
		f.reasons = append(f.reasons, uint8(reason))
	}
	for _, builder := range f.current {
		builder.Expect(b.Claimed)
		if err := builder.Append(b.Width, b.Serials, b.Dates, f.reasons); err != nil {
			return tooMany(err)
		}
	}
	return nil
}

// attribute sets which certificate issuer the next entries are of. Where it has
// several directory names, one of them is the issuer's and the others are
// alternative names of it (RFC 5280 §5.3.3); nothing tells which.
func (f *flattener) attribute(general []byte) error {
	f.raw, f.current = append(f.raw[:0], general...), f.current[:0]
	if general == nil {
		f.current = append(f.current, &f.own)
		return nil
	}
	for _, raw := range directoryNames(general) {
		name, err := issuer.ParseName(raw)
		if err != nil {
			return refused(Code(crl.EntryExtensionMalformed), "certificateIssuer: %v", err)
		}
		i, known := f.byName[name]
		if !known {
			if i = len(f.others); i == MaxIssuers {
				return refused(TooManyIssuers, "it speaks of the certificates of more than %d issuers", MaxIssuers)
			}
			if f.byName == nil {
				f.byName = map[issuer.Name]int{}
			}
			f.byName[name] = i
			f.others = append(f.others, otherIssuer{name, issuer.Display(raw), &serialset.Builder{}})
		}
		if builder := f.others[i].builder; !slices.Contains(f.current, builder) {
			f.current = append(f.current, builder)
		}
	}
	if len(f.current) == 0 {
		return refused(Code(crl.EntryExtensionMalformed), "an entry's certificateIssuer has no directoryName, so whose certificate it speaks of cannot be told (RFC 5280 §5.3.3)")
	}
	return nil
}

// directoryNames returns the directory names (Name, DER) among GeneralNames.
func directoryNames(general []byte) (out [][]byte) {
	in, seq := cryptobyte.String(general), cryptobyte.String(nil)
	if !in.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil
	}
	names, ok := der.GeneralNames(seq)
	if !ok {
		return nil
	}
	for _, n := range names {
		var name cryptobyte.String
		if s := cryptobyte.String(n); s.ReadASN1(&name, asn1.Tag(4).ContextSpecific().Constructed()) {
			out = append(out, name)
		}
	}
	return out
}

// finish lays the sets out. Entries that name the CRL's own issuer as their
// certificate issuer are put with those that name none.
func (f *flattener) finish(c *Candidate) (err error) {
	for _, o := range f.others {
		img, err := o.builder.Finish()
		if err != nil {
			return tooMany(err)
		}
		if o.name != c.Issuer {
			c.Others = append(c.Others, IssuerImage{o.name, o.subject, img})
			continue
		}
		for e := range img.Set().All() {
			if err := f.own.Append(len(e.Serial), e.Serial, []uint32{e.Date}, []uint8{e.Reason}); err != nil {
				return err
			}
		}
	}
	if c.Image, err = f.own.Finish(); err != nil {
		return tooMany(err)
	}
	return nil
}

// tooMany refuses a CRL whose entries no set can hold: trying again would not
// help.
func tooMany(err error) error {
	return refused(Code(crl.TooLarge), "its entries cannot be flattened: %v", err)
}
