package explain

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// world is a random deployment, filled by the preprocessor.
type world struct {
	t              *testing.T
	r              *rand.Rand
	uploads, cache *objectstoretest.Bucket
	pre            *preprocess.Preprocessor
	now            time.Time
	cas            []*pki.CA
	names          map[*pki.CA]string // the CA's file
}

const pointNames = 3 // names of distribution points that there are

func uri(i int) string { return fmt.Sprintf("http://crl.example.com/%d.crl", i) }

// emptyWorld has no CA yet.
func emptyWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, r: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), names: map[*pki.CA]string{},
		uploads: objectstoretest.NewBucket(objectstoretest.Named("uploads")), cache: objectstoretest.NewBucket(objectstoretest.Named("cache")),
	}
	w.pre = preprocess.New(w.uploads, w.cache, preprocess.Config{
		UploadBucket: "uploads", IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/"}, MaxCRLBytes: 1 << 30,
	}, slog.New(slog.DiscardHandler), nil)
	return w
}

func newWorld(t *testing.T, seed uint64) *world {
	w := emptyWorld(t, seed)
	w.issuers()
	for i := range w.r.IntN(6) {
		w.crl(i)
	}
	return w
}

func (w *world) oneIn(n int) bool { return w.r.IntN(n) == 0 }

// put uploads an object; whether it is accepted is left to chance.
func (w *world) put(key string, body []byte) {
	w.t.Helper()
	w.uploads.Store(key, body)
	if err := w.pre.Changed(context.Background(), []string{key}, w.now); err != nil {
		w.t.Fatal(err)
	}
}

// issuers makes one to four CAs, under one another, of one name or with two keys.
func (w *world) issuers() {
	names := 1 + w.r.IntN(3)
	for i := range 1 + w.r.IntN(4) {
		o := pki.CAOptions{Name: pkix.Name{CommonName: fmt.Sprint("ca ", w.r.IntN(names)), Organization: []string{"Worlds"}}}
		o.SerialNumber = big.NewInt(int64(1 + w.r.IntN(12)))
		if i > 0 && w.oneIn(2) {
			o.Parent = w.cas[w.r.IntN(i)]
		}
		if w.oneIn(4) {
			o.CRLDistributionPoints = []string{uri(w.r.IntN(pointNames))}
		}
		w.cas = append(w.cas, pkitest.CA(w.t, o))
	}
	files := map[string][]*pki.CA{}
	for i, ca := range w.cas {
		name := fmt.Sprint("file-", i)
		if w.oneIn(2) {
			name = "file-" + fmt.Sprintf("%x", ca.Name()[len(ca.Name())-1:]) // together with its namesakes
		}
		w.names[ca] = name
		if !w.oneIn(8) {
			files[name] = append(files[name], ca)
		}
	}
	for i, ca := range w.cas {
		name := w.names[ca]
		if list := files[name]; len(list) > 0 && list[0] == ca {
			w.put("issuers/"+name+".pem", pki.PEM(list...))
			if w.oneIn(2) {
				w.put("issuers/"+name+".json", w.settings(i))
			}
		}
	}
}

func (w *world) settings(int) []byte {
	s := map[string]any{}
	for key, value := range map[string]any{
		"mode": "observe", "grace": "2h", "max_crl_age": "30m", "crl": "optional", "deny": []string{fmt.Sprintf("%02x", 1+w.r.IntN(12))},
		"allow_until": w.now.Add(time.Hour), "domains": []string{"*.example.com"},
	} {
		if w.oneIn(4) {
			s[key] = value
		}
	}
	b, err := json.Marshal(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// crl uploads a CRL of a random CA and scope, now and then with a delta, or with a
// set that is lost.
func (w *world) crl(i int) {
	ca := w.cas[w.r.IntN(len(w.cas))]
	o := pki.CRLOptions{Number: big.NewInt(int64(1 + w.r.IntN(5))), ThisUpdate: w.now.Add(-time.Duration(1+w.r.IntN(5)) * time.Hour), NextUpdate: w.now.Add(24 * time.Hour)}
	late := w.oneIn(4)
	if late {
		o.NextUpdate = w.now.Add(time.Minute)
	}
	if w.oneIn(2) {
		o.IDP = &pki.IDP{OnlyUser: w.oneIn(4), Indirect: w.oneIn(4)}
		if !o.IDP.OnlyUser {
			o.IDP.OnlyCA = w.oneIn(6)
		}
		if w.oneIn(3) {
			o.IDP.Reasons = []pki.Reasons{pki.FlagKeyCompromise, 0x1fe &^ pki.FlagKeyCompromise}[w.r.IntN(2)]
		}
		if w.oneIn(2) || !o.IDP.OnlyUser && !o.IDP.OnlyCA && !o.IDP.Indirect && o.IDP.Reasons == 0 {
			o.IDP.FullNames = []string{uri(w.r.IntN(pointNames))}
		}
	}
	o.Entries = w.entries()
	w.put(fmt.Sprintf("crls/%d.crl", i), pkitest.CRL(w.t, ca, o))
	if w.oneIn(3) {
		o.BaseNumber, o.Number, o.Entries = o.Number, new(big.Int).Add(o.Number, big.NewInt(int64(min(i%4, 1)))), w.entries() // some of their own number
		o.ThisUpdate, o.NextUpdate = o.ThisUpdate.Add(time.Minute), w.now.Add(24*time.Hour)
		if len(o.Entries) > 0 && w.oneIn(2) {
			o.Entries[0].Reason = pki.RemoveFromCRL
		}
		w.put(fmt.Sprintf("crls/%d-delta.crl", i), pkitest.CRL(w.t, ca, o))
	}
}

func (w *world) entries() []pki.Entry {
	var out []pki.Entry
	for serial := range 13 {
		if serial > 0 && w.oneIn(7) {
			out = append(out, pki.Entry{Serial: big.NewInt(int64(serial)), Reason: []pki.Reason{0, pki.KeyCompromise, pki.Superseded}[w.r.IntN(3)]})
		}
	}
	return out
}

// leaf makes a certificate of a random CA.
func (w *world) leaf() (*pki.CA, pki.LeafOptions, *pki.Leaf) {
	ca := w.cas[w.r.IntN(len(w.cas))]
	o := pki.LeafOptions{Serial: big.NewInt(int64(1 + w.r.IntN(12))), NoAuthorityKeyID: w.oneIn(4), IsCA: w.oneIn(6)}
	for w.oneIn(2) {
		o.CRLDistributionPoints = append(o.CRLDistributionPoints, uri(w.r.IntN(pointNames)))
	}
	return ca, o, pkitest.Leaf(w.t, ca, o)
}

// lose removes a set from the cache bucket, or spoils it.
func (w *world) lose() {
	for _, key := range w.cache.Keys() {
		if bytes.HasPrefix([]byte(key), []byte("sets/")) && w.oneIn(3) {
			if w.oneIn(2) {
				w.cache.Remove(key)
			} else {
				w.cache.Corrupt(key, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
			}
		}
	}
}

// TestRandomWorlds: in any world, explain's verdict is the authorizer's response;
// and what it says of a serial number alone holds for every end-entity certificate
// of that CA and number.
func TestRandomWorlds(t *testing.T) {
	met, undetermined, determined := map[authorize.Reason]int{}, 0, 0
	for seed := range uint64(150) {
		w := newWorld(t, seed)
		if w.oneIn(5) {
			w.lose()
		}
		at := w.now
		switch w.r.IntN(4) {
		case 0:
			at = w.now.Add(time.Hour) // some CRLs are late, within the grace
		case 1:
			at = w.now.Add(48 * time.Hour) // all are
		}
		for range 6 {
			ca, o, leaf := w.leaf()
			in := &Input{
				Certificate: leaf.DER, Domain: []string{"api.example.com", "api.example.org"}[w.r.IntN(2)], At: at,
				Settings: authorize.Settings{Observe: w.oneIn(5), RequireChain: w.oneIn(2)},
			}
			name := fmt.Sprintf("world %d, serial %v of %s, %v", seed, o.Serial, w.names[ca], o.CRLDistributionPoints)
			r := agree(t, name, w.cache, in)
			met[r.Verdict.Reason]++
			if o.IsCA || r.Origin.CA == "" {
				continue
			}
			alone, err := Run(t.Context(), w.cache, Input{CA: r.Origin.CA, Serial: leaf.Certificate.SerialNumber.Bytes(), Domain: in.Domain, At: at, Settings: in.Settings})
			switch {
			case err != nil:
				t.Errorf("%s: %v", name, err)
			case alone.Verdict.Undetermined != "":
				undetermined++
			case alone.Verdict.Decision != r.Verdict.Decision || alone.Verdict.Reason != r.Verdict.Reason:
				t.Errorf("%s: of the serial number alone %+v, of the certificate %+v", name, alone.Verdict, r.Verdict)
			default:
				determined++
			}
		}
	}
	t.Logf("%v; serial numbers alone: %d determined, %d not", met, determined, undetermined)
	for _, reason := range []authorize.Reason{
		authorize.UnknownIssuer, authorize.CANotAssociated, authorize.Revoked, authorize.IssuerRevoked, authorize.CacheUnavailable,
		authorize.NoCRL, authorize.OutOfScope, authorize.CRLExpired, authorize.ChainUnknown, authorize.Good,
	} {
		if met[reason] < 3 {
			t.Errorf("%s was met %d times: the worlds are too much alike", reason, met[reason])
		}
	}
	if determined < 50 || undetermined < 50 {
		t.Errorf("%d serial numbers were determined, %d not: one of the two was hardly tried", determined, undetermined)
	}
}
