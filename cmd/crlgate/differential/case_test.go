package differential

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// verdict is what a checker says of a certificate.
type verdict string

const (
	good    verdict = "good"
	revoked verdict = "revoked"
	unknown verdict = "unknown" // not good, for whatever other reason
)

// authority is a CA certificate, or a CRL signer's, and how it signs.
type authority struct {
	*pki.CA
	kind   pki.KeyKind
	alg    pki.Algorithm
	noCRLs bool // its keyUsage lacks cRLSign
}

// list is one CRL of a case.
type list struct {
	signer *authority // whose key signs it, or is meant to seem to
	opts   pki.CRLOptions
	forged bool // the signature does not verify under the signer's key
	// chain: it is the CRL of a CA above the certificate's issuer.
	chain bool
	der   []byte
}

// kase is one certificate, its CAs and the CRLs at hand.
type kase struct {
	number  int
	variant string
	now     time.Time

	path   []*authority // from the certificate's issuer up to the root
	others []*authority // other certificates at hand: keys rolled over, CRL issuers
	// anchors are roots beside the path's that are trusted too.
	anchors []*authority
	lists   []*list

	serial *big.Int
	issuer []byte // the issuer's name as the certificate has it; nil: as the issuer has it
	points []pki.DistributionPoint
	// freshest: the certificate has a freshestCRL extension.
	freshest bool
	leaf     *pki.Leaf
}

func (c *kase) String() string { return fmt.Sprintf("case %d (%s)", c.number, c.variant) }

// own is the CA certificate of the key that issued the certificate.
func (c *kase) own() *authority { return c.path[0] }

func (c *kase) root() *authority { return c.path[len(c.path)-1] }

// authorities are all certificates of CAs and CRL signers.
func (c *kase) authorities() []*authority { return slices.Concat(c.path, c.anchors, c.others) }

// files are a case as the checkers read it.
type files struct {
	cert, roots, untrusted, crls string
	issuers, lists               []string
}

// write lays the case out in a folder of its own.
func (c *kase) write(dir string) (files, error) {
	var f files
	var failed error
	put := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			failed = errors.Join(failed, err)
		}
		return p
	}
	var roots, untrusted, crls bytes.Buffer
	for i, a := range c.authorities() {
		if a.Parent == nil {
			roots.Write(a.PEM())
		} else {
			untrusted.Write(a.PEM())
		}
		f.issuers = append(f.issuers, put(fmt.Sprintf("issuer%d.pem", i), a.PEM()))
	}
	for i, l := range c.lists {
		crls.Write(pki.CRLPEM(l.der))
		f.lists = append(f.lists, put(fmt.Sprintf("%d.crl", i), l.der))
	}
	f.cert = put("cert.pem", c.leaf.PEM())
	f.roots = put("roots.pem", roots.Bytes())
	if untrusted.Len() > 0 {
		f.untrusted = put("untrusted.pem", untrusted.Bytes())
	}
	f.crls = put("all.pem", crls.Bytes())
	return f, failed
}

// describe says what a case is made of, for whoever has to explain an answer.
func (c *kase) describe() string {
	var b strings.Builder
	name := func(a *authority) string {
		who := slices.Index(c.authorities(), a)
		return fmt.Sprintf("%s[%d]", a.Certificate.Subject.CommonName, who)
	}
	fmt.Fprintf(&b, "%v\n  certificate %x issued by %s, points:", c, c.serial, name(c.own()))
	for _, p := range c.points {
		fmt.Fprintf(&b, " {%v raw:%d relative:%t reasons:%x crlIssuer:%t}", p.FullNames, len(p.RawNames), p.Relative != nil, p.Reasons, p.CRLIssuer != nil)
	}
	b.WriteByte('\n')
	for _, a := range c.authorities() {
		fmt.Fprintf(&b, "  %s %v serial %x cRLSign:%t root:%t\n", name(a), a.kind, a.Certificate.SerialNumber, !a.noCRLs, a.Parent == nil)
	}
	for i, l := range c.lists {
		o := &l.opts
		fmt.Fprintf(&b, "  CRL %d of %s number %v base %v from %v to %v forged:%t lists", i, name(l.signer), o.Number, o.BaseNumber,
			o.ThisUpdate.Sub(c.now), o.NextUpdate.Sub(c.now), l.forged)
		for _, e := range o.Entries {
			fmt.Fprintf(&b, " %x/%d", e.Serial, e.Reason)
			if e.CertificateIssuer != nil {
				b.WriteString("(certificateIssuer)")
			}
		}
		if p := o.IDP; p != nil {
			fmt.Fprintf(&b, "; IDP %v raw:%d relative:%t user:%t ca:%t attribute:%t indirect:%t reasons:%x", p.FullNames, len(p.RawNames), p.Relative != nil, p.OnlyUser, p.OnlyCA, p.OnlyAttribute, p.Indirect, p.Reasons)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// chainDER is the certificate and the intermediate CAs, as a client sends them.
func (c *kase) chainDER() [][]byte {
	out := [][]byte{c.leaf.DER}
	for _, a := range c.path {
		if a.Parent != nil {
			out = append(out, a.DER)
		}
	}
	return out
}
