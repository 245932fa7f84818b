package differential

import (
	"slices"
	"strings"
	"unicode"

	"github.com/crlgate/crlgate/internal/pki"
)

// checker is one that crlgate is compared with.
type checker string

const (
	openSSL checker = "openssl"
	nginxIs checker = "nginx"
	theRFC  checker = "RFC 5280, read by this test"
)

// class explains one kind of disagreement: whenever holds is true of a case,
// crlgate's verdict may be one of ours where the checker's is one of theirs.
type class struct {
	name     string
	section  string // of RFC 5280, that bears crlgate's verdict out
	why      string
	checkers []checker
	ours     []verdict
	theirs   []verdict
	holds    func(c *kase) bool
}

var (
	both  = []checker{openSSL, nginxIs}
	any3  = []verdict{good, revoked, unknown}
	known = []verdict{good, revoked}
)

// explanations is the whole of it: a disagreement that none of these explains
// fails the test, and so does one of these that explains none. The first that
// fits is the one that counts.
var explanations = []class{
	{
		"expired or not begun", "§6.3.3 (a), §5.1.2.4, §5.1.2.5",
		"openssl and nginx report an entry of a CRL that they call expired or not yet valid in the same breath; crlgate has no status to tell until it has a CRL in date, and denies",
		both,
		[]verdict{unknown},
		[]verdict{revoked},
		func(c *kase) bool {
			return c.anyOf(func(l *list) bool { return c.listing(l) && (c.expired(l) || !c.started(l)) })
		},
	},
	{
		"no CRL number", "§5.2.3",
		"CRL issuers must number their CRLs; crlgate could not tell an older one from a newer, and refuses one without (all of version 1 are)",
		both,
		[]verdict{unknown},
		known,
		func(c *kase) bool {
			return c.anyOf(func(l *list) bool { return c.covering(l) && l.opts.Number == nil })
		},
	},
	{
		"no nextUpdate", "§5.1.2.5",
		"nextUpdate must be there; crlgate refuses a CRL that never goes out of date",
		both,
		[]verdict{unknown},
		known,
		func(c *kase) bool {
			return c.anyOf(func(l *list) bool { return c.covering(l) && l.opts.NextUpdate.IsZero() })
		},
	},
	{
		"removeFromCRL in a complete CRL", "§5.3.1",
		"removeFromCRL may appear in delta CRLs only; crlgate takes who is listed in a complete one to be listed",
		both,
		[]verdict{revoked},
		[]verdict{good},
		func(c *kase) bool {
			return c.anyOf(func(l *list) bool {
				r, listed := l.entry(c.subject())
				return !l.delta() && listed && r == pki.RemoveFromCRL
			})
		},
	},
	{
		"algorithms differ", "§5.1.1.2",
		"the algorithm inside must be the one outside; openssl does not compare them",
		both,
		[]verdict{unknown},
		known,
		func(c *kase) bool { return c.anyOf(func(l *list) bool { return l.opts.InnerAlgorithm != nil }) },
	},
	{
		"a CRL that does not verify hides a sound one", "§6.3.3 (g)",
		"a CRL whose signature fails is not used; openssl picks one CRL by its fields and stops where that does not verify",
		both,
		known,
		[]verdict{unknown},
		func(c *kase) bool {
			return c.anyOf(func(l *list) bool { return l.forged && c.ofIssuer(l) }) && c.read() != unknown
		},
	},
	{
		"nginx's last word", "§6.3.3 (g)",
		"nginx goes on past every error and reports the last, here an entry of a CRL whose signature it found bad, or of one that may not be used",
		[]checker{nginxIs},
		[]verdict{good, unknown},
		[]verdict{revoked},
		func(c *kase) bool {
			return c.anyOf(func(l *list) bool { return !l.sound() && c.ofIssuer(l) && c.names(l) })
		},
	},
	{
		"expired delta that removes", "§5.2.4, §5.3.1",
		"a delta out of date does not make current what its base says is on hold; openssl does not look at the date of a delta whose base is current",
		[]checker{openSSL},
		[]verdict{revoked},
		[]verdict{good},
		func(c *kase) bool {
			return c.anyOf(func(d *list) bool {
				r, listed := d.entry(c.subject())
				return d.delta() && c.expired(d) && listed && r == pki.RemoveFromCRL
			})
		},
	},
	{
		"several deltas", "§5.2.4",
		"the newest of the deltas that fit counts; openssl takes the first it finds",
		[]checker{openSSL},
		known,
		known,
		func(c *kase) bool {
			return c.anyTwo(func(a, b *list) bool { return a.delta() && b.delta() && a.sameLine(b) })
		},
	},
	{
		"a delta that nothing announces", "§4.2.1.15, §5.2.6",
		"freshestCRL only tells where deltas are to be had; crlgate uses those that it was given, openssl none unless announced",
		[]checker{openSSL},
		[]verdict{revoked, good},
		[]verdict{good, revoked},
		func(c *kase) bool {
			return !c.freshest && c.anyOf(func(d *list) bool { return d.delta() }) &&
				!c.anyOf(func(l *list) bool { return len(l.opts.ExtraExtensions) > 0 })
		},
	},
	{
		"a base out of date, and a delta issued before it", "§5.2.3",
		"a current delta makes a complete CRL current; complete and delta CRLs share one sequence, and crlgate lets no complete CRL in that was out of date when it first came for a delta of a higher number and an earlier thisUpdate",
		[]checker{openSSL, theRFC},
		[]verdict{unknown},
		known,
		func(c *kase) bool {
			return c.anyTwo(func(d, base *list) bool {
				return d.delta() && !base.delta() && d.fits(base) && c.expired(base) && !c.expired(d) && d.opts.ThisUpdate.Before(base.opts.ThisUpdate)
			})
		},
	},
	{
		"a delta of its base's number", "§5.2.3",
		"a delta and a complete CRL of one number must say the same; what either lists against that is revoked, though nobody may combine the two",
		[]checker{openSSL, theRFC},
		[]verdict{revoked},
		[]verdict{good},
		func(c *kase) bool {
			return c.anyTwo(func(d, base *list) bool {
				return d.delta() && !base.delta() && d.opts.Number.Cmp(base.opts.Number) == 0 && d.opts.BaseNumber.Cmp(base.opts.Number) == 0 && c.names(d)
			})
		},
	},
	{
		"a delta for some reasons", "§5.2.4",
		"a delta is no complete CRL; openssl takes one with onlySomeReasons for one",
		[]checker{openSSL},
		any3,
		any3,
		func(c *kase) bool {
			return c.anyOf(func(d *list) bool { return d.delta() && d.opts.IDP != nil && d.opts.IDP.Reasons != 0 })
		},
	},
	{
		"point without name", "§6.3.3 (b)(2)(i)",
		"where a distribution point has no name, its cRLIssuer must be among the IDP's; openssl lets any IDP pass",
		[]checker{openSSL},
		[]verdict{unknown},
		known,
		func(c *kase) bool {
			return slices.ContainsFunc(c.points, func(p pki.DistributionPoint) bool {
				return p.CRLIssuer != nil && len(p.FullNames)+len(p.RawNames) == 0 && p.Relative == nil
			})
		},
	},
	{
		"letter case beyond ASCII", "§7.1",
		"names are compared without regard to case in all of Unicode (RFC 4518); openssl folds ASCII only",
		both,
		known,
		[]verdict{unknown},
		(*kase).nameBeyondASCII,
	},
	{
		"the point that is assumed", "§6.3.3, last paragraph",
		"CRLs of the certificate's issuer are asked as if it had a distribution point of its issuer's name for all reasons; openssl assumes one only for CRLs without a name, and none beside a point that matches",
		both,
		known,
		[]verdict{unknown},
		func(c *kase) bool {
			assumed := pki.DistributionPoint{}
			return c.anyOf(func(l *list) bool {
				s := c.subject()
				all := l.coversAt(s, assumed)
				return all != 0 && (slices.ContainsFunc(c.points, func(p pki.DistributionPoint) bool { return p.Reasons != 0 }) ||
					l.opts.IDP != nil && len(l.opts.IDP.RawNames) > 0)
			})
		},
	},
	{
		"points share a CRL", "§6.3.3",
		"every distribution point is looked at with its own reasons; openssl looks at the first that matches a CRL",
		both,
		known,
		[]verdict{unknown},
		func(c *kase) bool {
			return c.anyOf(func(l *list) bool {
				n := 0
				for _, p := range c.points {
					if l.coversAt(c.subject(), p) != 0 {
						n++
					}
				}
				return n > 1
			})
		},
	},
	{
		"several CRLs speak of it", "§6.3.3",
		"each CRL in scope that is at hand may revoke; openssl asks but one for any reason",
		both,
		[]verdict{revoked},
		[]verdict{good, unknown},
		func(c *kase) bool {
			return c.anyTwo(func(a, b *list) bool {
				return a != b && c.inForce(a) && c.inForce(b) && c.listing(a) && !c.listing(b) && c.covering(b)
			})
		},
	},
	{
		"the CRL signer is revoked", "§6.3.3 (f)",
		"the path of the CRL's signer must be valid, its status included; openssl checks no status on that path",
		[]checker{openSSL},
		[]verdict{unknown},
		[]verdict{good},
		func(c *kase) bool {
			return c.anyOf(func(l *list) bool { return c.covering(l) && c.signerRevoked(l, nil) })
		},
	},
	{
		"another root key of the CA", "§6.3.3 (f)",
		"the path of the CRL's signer must end at the certificate's own trust anchor; an issuers file is one trust anchor of crlgate's, with all the keys in it, and for openssl each root is one of its own",
		[]checker{openSSL},
		known,
		[]verdict{unknown},
		func(c *kase) bool { return len(c.anchors) > 0 },
	},
	{
		"a CA above is revoked", "§6.1.3 (a)(3)",
		"no certificate of the path may be revoked; with -crl_check openssl asks for the last one only",
		[]checker{openSSL},
		[]verdict{revoked},
		[]verdict{good, unknown},
		func(c *kase) bool {
			return slices.ContainsFunc(c.path[:len(c.path)-1], c.caRevoked)
		},
	},
	{
		"a CA's certificate is replaced", "§6.1",
		"a path by another certificate of the CA's name and key is as good, and crlgate looks for one; nginx goes by the one that the client sent",
		[]checker{nginxIs},
		[]verdict{good},
		[]verdict{revoked},
		func(c *kase) bool {
			return slices.ContainsFunc(c.others, func(o *authority) bool { return o.sameKey(c.own()) })
		},
	},
	{
		"revoked, and then not covered", "§6.3.3 (i), (j)",
		"the search ends with the first entry; nginx goes on, and reports that CRLs for all reasons are missing",
		[]checker{nginxIs},
		[]verdict{revoked},
		[]verdict{unknown},
		func(c *kase) bool {
			return c.anyOf(c.listing) && slices.ContainsFunc(c.points, func(p pki.DistributionPoint) bool { return p.Reasons != 0 })
		},
	},
	{
		"a CA above has no status", "§6.1.3 (a)(3)",
		"every certificate of the path is to be checked, and nginx does; crlgate allows where the status of the CA's own chain is unknown, unless REQUIRE_CHAIN is set",
		[]checker{nginxIs},
		known,
		[]verdict{unknown},
		func(c *kase) bool {
			return slices.ContainsFunc(c.path[:len(c.path)-1], func(a *authority) bool {
				v, _ := c.opinion(subjectOf(a))
				return v == unknown
			})
		},
	},
	{
		"the root is asked too", "§6.1",
		"a path begins below its trust anchor, which no CRL is asked for; nginx asks for the root's own status as well",
		[]checker{nginxIs},
		known,
		[]verdict{unknown},
		func(c *kase) bool {
			v, _ := c.opinion(subjectOf(c.root()))
			return v != good
		},
	},
}

// What explanations ask of a case.

func (c *kase) anyOf(holds func(l *list) bool) bool { return slices.ContainsFunc(c.lists, holds) }

func (c *kase) anyTwo(hold func(a, b *list) bool) bool {
	return c.anyOf(func(a *list) bool {
		return c.anyOf(func(b *list) bool { return a != b && hold(a, b) })
	})
}

// listing: the CRL covers the certificate and lists it.
func (c *kase) listing(l *list) bool { return c.covering(l) && c.names(l) }

// names: the CRL has an entry of the certificate, whether or not it covers it.
func (c *kase) names(l *list) bool {
	r, listed := l.entry(c.subject())
	return listed && r != pki.RemoveFromCRL
}

// covering: the CRL speaks of the certificate, for some reason at least.
func (c *kase) covering(l *list) bool { return l.covers(c.subject()) != 0 }

// inForce: the CRL is one of those that count.
func (c *kase) inForce(l *list) bool { return slices.Contains(c.newest(), l) }

// ofIssuer: it bears the name of a CA on the path, or of a CRL issuer at hand.
func (c *kase) ofIssuer(l *list) bool { return slices.Contains(c.authorities(), l.signer) }

// nameBeyondASCII: the CA's name has letters that are not ASCII's.
func (c *kase) nameBeyondASCII() bool {
	return strings.ContainsFunc(c.own().Certificate.Subject.CommonName, func(r rune) bool { return r > unicode.MaxASCII })
}
