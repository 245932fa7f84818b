package pki

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidCRLNumber         = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReason            = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidInvalidityDate    = asn1.ObjectIdentifier{2, 5, 29, 24}
	oidDeltaIndicator    = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIDP               = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidCertificateIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
)

// CRL makes a CRL in DER.
func (c *CA) CRL(o CRLOptions) ([]byte, error) {
	der, err := c.crl(&o)
	if err != nil {
		return nil, fmt.Errorf("making a CRL of %s: %w", c.Certificate.Subject, err)
	}
	return der, nil
}

func (c *CA) crl(o *CRLOptions) ([]byte, error) {
	if o.ThisUpdate.IsZero() && o.RawThisUpdate == nil {
		return nil, errors.New("ThisUpdate is not set")
	}
	key := c.Key
	if o.SignWith != nil {
		key = o.SignWith
	}
	alg, err := o.SignatureAlgorithm.resolve(key)
	if err != nil {
		return nil, err
	}
	inner, err := alg.identifier()
	if err != nil {
		return nil, err
	}
	outer := inner
	if o.InnerAlgorithm != nil {
		inner = o.InnerAlgorithm
	}
	if o.OuterAlgorithm != nil {
		outer = o.OuterAlgorithm
	}
	tbs, err := c.tbsCertList(o, inner)
	if err != nil {
		return nil, err
	}
	tbs = edit(o.EditTBS, tbs)
	signature, err := alg.sign(key, tbs)
	if err != nil {
		return nil, err
	}
	der, err := signed(tbs, outer, edit(o.EditSignature, signature))
	if err != nil {
		return nil, err
	}
	return append(edit(o.EditDER, der), o.Trailing...), nil
}

func edit(f func([]byte) []byte, b []byte) []byte {
	if f == nil {
		return b
	}
	return f(b)
}

func (c *CA) tbsCertList(o *CRLOptions, algorithm []byte) ([]byte, error) {
	issuer := o.Issuer
	if issuer == nil {
		issuer = c.Certificate.RawSubject
	}
	entries, err := encodeEntries(o)
	if err != nil {
		return nil, err
	}
	extensions, err := c.crlExtensions(o)
	if err != nil {
		return nil, err
	}
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			switch o.Version {
			case 0:
				b.AddASN1Int64(1)
			case 1:
			default:
				b.AddASN1Int64(int64(o.Version) - 1)
			}
			b.AddBytes(algorithm)
			b.AddBytes(issuer)
			addTime(b, o.RawThisUpdate, o.ThisUpdate, o.TimeForm)
			addTime(b, o.RawNextUpdate, o.NextUpdate, o.TimeForm)
			if len(entries) > 0 || o.EmptyRevoked {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(entries) })
			}
			if len(extensions) > 0 {
				b.AddASN1(explicitTag(0), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(extensions) })
				})
			}
		})
	})
}

func addTime(b *cryptobyte.Builder, raw []byte, t time.Time, form TimeForm) {
	switch {
	case raw != nil:
		b.AddBytes(raw)
	case !t.IsZero():
		b.AddBytes(appendTime(nil, t, form))
	}
}

func (c *CA) crlExtensions(o *CRLOptions) ([]byte, error) {
	aki := c.SubjectKeyID
	if o.AuthorityKeyID != nil {
		aki = o.AuthorityKeyID
	}
	return build(func(b *cryptobyte.Builder) {
		if aki != nil && !o.NoAuthorityKeyID && o.Version != 1 {
			addExtension(b, oidAuthorityKeyID, false, authorityKeyID(aki))
		}
		if o.NumberRaw != nil {
			addExtension(b, oidCRLNumber, o.NumberCritical, appendTLV(nil, byte(cbasn1.INTEGER), o.NumberRaw))
		} else if o.Number != nil {
			addExtension(b, oidCRLNumber, o.NumberCritical, appendInteger(nil, o.Number))
		}
		if o.BaseNumber != nil {
			addExtension(b, oidDeltaIndicator, true, appendInteger(nil, o.BaseNumber))
		}
		if o.IDP != nil {
			value, err := o.IDP.Value()
			if err != nil {
				b.SetError(err)
				return
			}
			addExtension(b, oidIDP, !o.IDP.NotCritical, value)
		}
		for _, e := range o.ExtraExtensions {
			addExtension(b, e.Id, e.Critical, e.Value)
		}
	})
}

// Value returns the extension's value in DER.
func (p *IDP) Value() ([]byte, error) {
	if p.Raw != nil {
		return p.Raw, nil
	}
	flag := func(b *cryptobyte.Builder, n uint8, set bool) {
		if set {
			b.AddASN1(implicitTag(n), func(b *cryptobyte.Builder) { b.AddUint8(0xff) })
		}
	}
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addDistributionPointName(b, p.FullNames, p.RawNames, p.Relative)
			flag(b, 1, p.OnlyUser)
			flag(b, 2, p.OnlyCA)
			if p.RawReasons != nil {
				b.AddASN1(implicitTag(3), func(b *cryptobyte.Builder) { b.AddBytes(p.RawReasons) })
			} else if p.Reasons != 0 {
				addBits(b, implicitTag(3), uint32(p.Reasons))
			}
			flag(b, 4, p.Indirect)
			flag(b, 5, p.OnlyAttribute)
		})
	})
}

// entryEncoder appends entries without allocating for the usual ones: CRLs of
// millions of entries are made in tests.
type entryEncoder struct {
	out      []byte
	scratch  []byte
	options  *CRLOptions
	date     time.Time // the last date, and how it is written
	dateTime []byte
}

func encodeEntries(o *CRLOptions) ([]byte, error) {
	e := &entryEncoder{options: o, out: make([]byte, 0, 48*len(o.Entries))}
	for i := range o.Entries {
		if err := e.add(&o.Entries[i]); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
	}
	if o.EntrySeq == nil {
		return e.out, nil
	}
	i := len(o.Entries)
	for entry := range o.EntrySeq {
		if err := e.add(&entry); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		i++
	}
	return e.out, nil
}

func (e *entryEncoder) add(entry *Entry) error {
	if entry.Raw != nil {
		e.out = append(e.out, entry.Raw...)
		return nil
	}
	s := e.scratch[:0]
	switch {
	case entry.RawSerial != nil:
		s = appendTLV(s, byte(cbasn1.INTEGER), entry.RawSerial)
	case entry.Serial != nil:
		s = appendInteger(s, entry.Serial)
	default:
		return errors.New("neither Serial nor RawSerial is set")
	}
	date := orTime(entry.Date, e.options.ThisUpdate)
	if e.dateTime == nil || date != e.date {
		e.date = date
		e.dateTime = appendTime(e.dateTime[:0], date, e.options.TimeForm)
	}
	s = append(s, e.dateTime...)
	if entry.hasExtensions() {
		extensions, err := entry.extensions()
		if err != nil {
			return err
		}
		s = appendTLV(s, byte(cbasn1.SEQUENCE), extensions)
	}
	e.scratch = s
	e.out = appendTLV(e.out, byte(cbasn1.SEQUENCE), s)
	return nil
}

func (e *Entry) hasExtensions() bool {
	return e.Reason != NoReason || !e.InvalidityDate.IsZero() || e.CertificateIssuer != nil ||
		len(e.ExtraExtensions) > 0 || e.EmptyExtensions
}

// reasonExtension holds the encoded extension of each reason that has one.
var reasonExtension = func() map[Reason][]byte {
	m := make(map[Reason][]byte)
	for r := Unspecified; r <= 127; r++ {
		m[r] = encodeReason(r)
	}
	return m
}()

func encodeReason(r Reason) []byte {
	if r == Unspecified {
		r = 0
	}
	var b cryptobyte.Builder
	addExtension(&b, oidReason, false, []byte{byte(cbasn1.ENUM), 1, byte(r)})
	return b.BytesOrPanic()
}

func (e *Entry) extensions() ([]byte, error) {
	var out []byte
	if e.Reason != NoReason {
		encoded, ok := reasonExtension[e.Reason]
		if !ok {
			return nil, fmt.Errorf("reason %d does not fit one octet", e.Reason)
		}
		out = encoded[:len(encoded):len(encoded)]
	}
	if e.InvalidityDate.IsZero() && e.CertificateIssuer == nil && len(e.ExtraExtensions) == 0 {
		return out, nil
	}
	more, err := build(func(b *cryptobyte.Builder) {
		if !e.InvalidityDate.IsZero() {
			addExtension(b, oidInvalidityDate, false, appendTime(nil, e.InvalidityDate, TimeGeneralized))
		}
		if e.CertificateIssuer != nil {
			addExtension(b, oidCertificateIssuer, true,
				appendTLV(nil, byte(cbasn1.SEQUENCE), DirectoryName(e.CertificateIssuer)))
		}
		for _, x := range e.ExtraExtensions {
			addExtension(b, x.Id, x.Critical, x.Value)
		}
	})
	return append(out, more...), err
}
