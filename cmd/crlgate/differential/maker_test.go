package differential

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// maker makes cases. All that it chooses comes from the case's own source of
// random numbers.
type maker struct {
	tb  testing.TB
	r   *rand.Rand
	now time.Time
	rsa []crypto.Signer // ready, since these take long to make
	c   *kase
	// used are the case's serial numbers: none is another's by accident.
	used map[string]bool
}

// rsaKeys is more RSA keys than one case has; the next takes them again.
const rsaKeys = 10

func newRSAKeys(tb testing.TB) []crypto.Signer {
	keys := make([]crypto.Signer, rsaKeys)
	for i := range keys {
		var err error
		if keys[i], err = pki.NewKey(pki.RSA2048); err != nil {
			tb.Fatal(err)
		}
	}
	return keys
}

func pick[T any](m *maker, choices ...T) T { return choices[m.r.IntN(len(choices))] }

func (m *maker) chance(percent int) bool { return m.r.IntN(100) < percent }

// make makes case number n of a seed.
func (m *maker) make(seed uint64, n int) *kase {
	m.r = rand.New(rand.NewPCG(seed, uint64(n)))
	m.r.Shuffle(len(m.rsa), func(i, j int) { m.rsa[i], m.rsa[j] = m.rsa[j], m.rsa[i] })
	m.used = map[string]bool{}
	v := variants[n%len(variants)]
	m.c = &kase{number: n, variant: v.name, now: m.now, serial: m.serial()}
	depth := m.r.IntN(3)
	if v.depth > 0 {
		depth = v.depth - 1
	}
	m.hierarchy(depth)
	v.build(m)
	m.finish()
	return m.c
}

// serial makes a serial number that the case has not had: of one octet to 20,
// with the top bit set or not.
func (m *maker) serial() *big.Int {
	for {
		if n := m.anySerial(); !m.used[n.String()] {
			m.used[n.String()] = true
			return n
		}
	}
}

func (m *maker) anySerial() *big.Int {
	octets := pick(m, 1, 2, 8, 16, 19, 20)
	b := make([]byte, octets)
	for i := range b {
		b[i] = byte(m.r.Uint32())
	}
	b[0] &= 0x7f
	if octets < 20 && m.chance(40) {
		b[0] |= 0x80 // the top bit set: an octet of zero goes before it
	}
	if b[0] == 0 {
		b[0] = 1
	}
	return new(big.Int).SetBytes(b)
}

// hierarchy makes a root, depth CAs below it, and the sound CRLs of all but
// the last, which are the certificate's issuer's and the case's own business.
func (m *maker) hierarchy(depth int) {
	c := m.c
	c.path = []*authority{m.authority("Root", nil, pki.CAOptions{})}
	for i := range depth {
		parent := c.path[0]
		c.path = append([]*authority{m.authority("Sub "+string(rune('A'+i)), parent, pki.CAOptions{})}, c.path...)
	}
	for _, a := range c.path[1:] {
		m.upper(a)
	}
}

// upper adds the sound CRL of a CA above the certificate's issuer. Its root's
// also speaks of the root itself, which nginx asks for.
func (m *maker) upper(a *authority, listed ...*big.Int) *list {
	l := m.list(a)
	l.chain = true
	l.opts.Entries = m.noise()
	for _, s := range listed {
		l.opts.Entries = append(l.opts.Entries, pki.Entry{Serial: s})
	}
	return l
}

// authority makes a CA certificate with a key of some kind.
func (m *maker) authority(cn string, parent *authority, o pki.CAOptions) *authority {
	a := &authority{}
	if o.Name.CommonName == "" && o.RawSubject == nil {
		o.Name = pkix.Name{Country: []string{"NL"}, Organization: []string{"Differential"}, CommonName: cn}
	}
	a.kind = pick(m, pki.P256, pki.P256, pki.P384, pki.Ed25519, pki.RSA2048, pki.RSA2048)
	o.Key = a.kind
	switch a.kind {
	case pki.P256, pki.P384:
		a.alg = pki.ECDSA(pick(m, crypto.SHA256, crypto.SHA384, crypto.SHA512))
	case pki.RSA2048:
		o.Signer, m.rsa = m.rsa[0], append(m.rsa[1:len(m.rsa):len(m.rsa)], m.rsa[0])
		h := pick(m, crypto.SHA256, crypto.SHA384, crypto.SHA512)
		a.alg = pki.PKCS1v15(h)
		if m.chance(50) {
			a.alg = pki.PSS(h, h.Size())
			o.PSSKey = o.PSSKey || m.chance(30)
		}
	}
	o.SignatureAlgorithm = a.alg
	if parent != nil {
		o.Parent, o.SignatureAlgorithm = parent.CA, parent.alg
	}
	if o.SerialNumber == nil {
		o.SerialNumber = m.serial()
	}
	a.CA = pkitest.CA(m.tb, o)
	return a
}

// list adds a sound, complete and current CRL without entries.
func (m *maker) list(signer *authority) *list {
	l := &list{signer: signer, opts: pki.CRLOptions{
		Number:             big.NewInt(1000 + m.r.Int64N(1000)),
		ThisUpdate:         m.now.Add(-m.hours(10, 40)),
		NextUpdate:         m.now.Add(m.hours(10, 200)),
		SignatureAlgorithm: signer.alg,
	}}
	if l.opts.SignatureAlgorithm.Scheme == pki.SchemePSS {
		l.opts.SignatureAlgorithm.SaltLength = pick(m, 20, 32, 48, 64, 11)
	}
	m.c.lists = append(m.c.lists, l)
	return l
}

// hours is a time between two numbers of hours, in whole minutes.
func (m *maker) hours(from, to int) time.Duration {
	return time.Duration(from*60+m.r.IntN((to-from)*60)) * time.Minute
}

// noise is some entries of other certificates.
func (m *maker) noise() []pki.Entry {
	var out []pki.Entry
	for range m.r.IntN(5) {
		out = append(out, pki.Entry{Serial: m.serial(), Reason: m.reason()})
	}
	return out
}

func (m *maker) reason() pki.Reason {
	return pick(m, pki.NoReason, pki.Unspecified, pki.KeyCompromise, pki.Superseded, pki.CertificateHold, pki.CessationOfOperation, pki.PrivilegeWithdrawn)
}

// complete adds a complete CRL of the certificate's issuer, or of another
// signer, that lists the certificate or does not.
func (m *maker) complete(signer *authority, listed bool) *list {
	l := m.list(signer)
	l.opts.Entries = m.noise()
	if listed {
		m.revoke(l)
	}
	return l
}

// revoke lists the certificate, somewhere among the other entries.
func (m *maker) revoke(l *list) *list {
	e := append(l.opts.Entries, pki.Entry{Serial: m.c.serial, Reason: m.reason(), Date: m.now.Add(-m.hours(50, 90))})
	last := len(e) - 1
	i := m.r.IntN(len(e))
	e[i], e[last] = e[last], e[i]
	l.opts.Entries = e
	return l
}

// either is whether the certificate is revoked, where both are of interest.
func (m *maker) either() bool { return m.chance(50) }

func (m *maker) later(l *list, than *list) *list {
	l.opts.Number = new(big.Int).Add(than.opts.Number, big.NewInt(1+m.r.Int64N(50)))
	l.opts.ThisUpdate = than.opts.ThisUpdate.Add(m.hours(1, 8))
	return l
}

var (
	oidFreshestCRL = asn1.ObjectIdentifier{2, 5, 29, 46}
	oidUnknown     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
)

// freshest is a freshestCRL extension, without which openssl looks for no delta.
func (m *maker) freshest() pkix.Extension {
	value, err := pki.CDP(pki.DistributionPoint{FullNames: []string{"http://crl.example/delta.crl"}})
	if err != nil {
		m.tb.Fatal(err)
	}
	return pkix.Extension{Id: oidFreshestCRL, Value: value}
}

// finish issues the certificate and signs the CRLs.
func (m *maker) finish() {
	c := m.c
	o := pki.LeafOptions{Subject: pkix.Name{CommonName: "client"}, Serial: c.serial, Issuer: c.issuer, SignatureAlgorithm: c.own().alg}
	if len(c.points) > 0 {
		var err error
		if o.RawCDP, err = pki.CDP(c.points...); err != nil {
			m.tb.Fatal(err)
		}
	}
	if c.freshest {
		o.ExtraExtensions = append(o.ExtraExtensions, m.freshest())
	}
	c.leaf = pkitest.Leaf(m.tb, c.own().CA, o)
	for _, l := range c.lists {
		l.der = pkitest.CRL(m.tb, l.signer.CA, l.opts)
	}
	m.r.Shuffle(len(c.lists), func(i, j int) { c.lists[i], c.lists[j] = c.lists[j], c.lists[i] })
}
