package revocation_test

import (
	"context"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// halves is a partitioned CA whose CRLs lie in two parts of the catalog.
type halves struct {
	*partitioned
	of [2][]int // the partitions of each part
}

func newHalves(t *testing.T) *halves {
	h := &halves{partitioned: newPartitioned(t)}
	var keys []string
	for i := range 34 {
		keys = append(keys, h.publish(i, 1, int64(10*i+1)))
	}
	h.changed(keys...)
	for i := range 34 {
		h.of[h.half(i)] = append(h.of[h.half(i)], i)
	}
	h.cache.ResetCalls()
	return h
}

// half is the part that the point of a partition chooses.
func (h *halves) half(i int) int {
	return h.parts().Index(append([]byte{0x86, byte(len(uri(i)))}, uri(i)...))
}

func (h *halves) parts() *catalog.Parts {
	h.t.Helper()
	data, _, _ := h.cache.Load(catalog.Key)
	c, err := catalog.Parse(data)
	if err != nil || c.CAs["ca"].Parts == nil || len(c.CAs["ca"].Parts.Refs) != 2 {
		h.t.Fatalf("no two parts: %v", err)
	}
	return c.CAs["ca"].Parts
}

// key is that of the newest object of a part.
func (h *halves) key(half int) string { return catalog.PartKey(h.parts().Refs[half]) }

// naming is a client whose certificate names the points of some partitions.
func (h *halves) naming(serial int64, partitions ...int) *clientcert.Certificate {
	var points []pki.DistributionPoint
	for _, i := range partitions {
		points = append(points, pki.DistributionPoint{FullNames: []string{uri(i)}})
	}
	o := cdp(h.t, points...)
	w := &rfcWorld{t: h.t}
	return parse(h.t, w.leaf(h.ca, serial, o))
}

// partGETs returns the keys of the parts that were read since the last call.
func (h *halves) partGETs() (keys []string) {
	for _, c := range h.cache.Calls() {
		if c.Op == objectstore.OpGet && strings.HasPrefix(c.Key, catalog.PartPrefix) {
			keys = append(keys, c.Key)
		}
	}
	h.cache.ResetCalls()
	return keys
}

// A certificate that names points of both parts has each read, once however many
// names lead there and however many certificates name it.
func TestPointsOfBothParts(t *testing.T) {
	h := newHalves(t)
	one, other, third := h.of[0][0], h.of[1][0], h.of[0][1]
	serial := func(i int) int64 { return int64(10*i + 1) }
	for _, order := range [][]int{{one, other}, {other, one}} {
		for _, revoked := range order {
			r := h.reader()
			h.cache.ResetCalls()
			h.ask(r, h.naming(serial(revoked), order...), revocation.Revoked)
			h.ask(r, h.naming(2, order...), revocation.Good)
			h.ask(r, h.naming(3, order...), revocation.Good)
			if got := h.partGETs(); len(got) > 2 || len(got) == 2 && got[0] == got[1] {
				t.Errorf("read %q", got)
			}
		}
	}
	a, trace := h.reader().Explain(t.Context(), h.naming(2, one, third), h.now())
	var names []string
	for _, l := range trace.Considered.Lists {
		names = append(names, l.Record.Name)
	}
	if slices.Sort(names); state(a) != "good" || len(names) != len(h.of[0]) || len(slices.Compact(names)) != len(h.of[0]) {
		t.Errorf("%s: with two names of one part, %d CRLs are looked at, %q", state(a), len(names), names)
	}
}

// Parts that hang are each asked for once.
func TestPartsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHalves(t)
		r, release := h.reader(), make(chan struct{})
		r.Warm()
		synctest.Wait()
		var begun []string
		h.cache.Before(func(op objectstore.Op, key string) error {
			if strings.HasPrefix(key, catalog.PartPrefix) {
				begun = append(begun, key) // one at a time: each is waited for
				<-release
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 2 {
			for half := range 2 {
				r.Ask(ctx, h.naming(2, h.of[half][0]), h.now())
				synctest.Wait()
			}
		}
		if len(begun) != 2 || begun[0] == begun[1] {
			t.Errorf("begun: %q", begun)
		}
		close(release)
		synctest.Wait()
	})
}

// A refresh reads the parts that have changed and of which a CRL was in use, and no
// others.
func TestRefreshReadsPartsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHalves(t)
		r := h.reader()
		used, idle := h.of[0][0], h.of[1][0]
		cert := h.naming(2, used)
		h.ask(r, cert, revocation.Good)
		absent := 34 // what names it has the other part read, and asks no CRL of it
		for h.half(absent) != 1 {
			absent++
		}
		h.ask(r, h.naming(2, absent), revocation.Unknown)
		for number, changes := range map[int64][]int{2: {idle}, 3: {used, idle}} {
			for _, i := range changes {
				h.changed(h.publish(i, number, int64(10*i+1)))
			}
			h.partGETs()
			h.pass(2 * time.Second)
			h.ask(r, cert, revocation.Good)
			synctest.Wait()
			if got := h.partGETs(); slices.Contains(changes, used) && !slices.Equal(got, []string{h.key(0)}) || !slices.Contains(changes, used) && len(got) > 0 {
				t.Errorf("%v have changed: read %q", changes, got)
			}
		}
	})
}

// newLate has replaced a CRL in each part, of which none could be read: S3 hangs till
// the hook that is returned lets the key of a part pass, or fails.
func newLate(t *testing.T, fails bool) (h *halves, r *revocation.Cache, cert *clientcert.Certificate, pass [2]chan struct{}) {
	h = newHalves(t)
	r, cert = h.reader(), h.naming(2, h.of[0][0], h.of[1][0])
	h.ask(r, cert, revocation.Good)
	h.changed(h.publish(h.of[0][0], 2, 2), h.publish(h.of[1][0], 2, 5))
	gates := map[string]chan struct{}{}
	for half := range pass {
		pass[half] = make(chan struct{})
		gates[h.key(half)] = pass[half]
	}
	h.cache.Before(func(op objectstore.Op, key string) error {
		if gate := gates[key]; gate != nil && fails {
			return objectstoretest.Answer(403, "AccessDenied")
		} else if gate != nil {
			<-gate
		}
		return nil
	})
	h.pass(time.Second)
	h.ask(r, cert, revocation.Good) // begins the refresh, which gives them up after two seconds
	time.Sleep(3 * time.Second)
	synctest.Wait()
	return h, r, cert, pass
}

// What a certificate's CRLs are is remembered only when all parts are those that the
// catalog names: else the answer would rest on an old one for ever.
func TestOriginsOfLateParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r, cert, pass := newLate(t, false)
		h.pass(3 * time.Second) // the request waits for each a little
		go func() {
			time.Sleep(1500 * time.Millisecond)
			close(pass[1])
		}()
		h.ask(r, cert, revocation.Good)
		close(pass[0])
		time.Sleep(time.Second)
		h.ask(r, cert, revocation.Revoked)
		time.Sleep(time.Minute)
	})
}

// A part that failed is waited for when it is asked for again: nobody has waited for
// it in vain.
func TestWaitForAPartThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r, cert, _ := newLate(t, true)
		h.cache.Before(nil)
		h.pass(3 * time.Second)
		h.cache.Delay(objectstore.OpGet, 300*time.Millisecond)
		h.ask(r, cert, revocation.Revoked)
		time.Sleep(time.Minute)
	})
}

// CRLs that stood in the catalog itself answer for the parts in which they stand now,
// till those are there.
func TestFromTheCatalogIntoParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPartitions(t, 20)
		r := p.reader()
		p.ask(r, p.client(7, 72), revocation.Good)
		keys := []string{p.publish(7, 2, 71, 72)}
		for i := 20; i < 34; i++ {
			keys = append(keys, p.publish(i, 1))
		}
		p.changed(keys...)
		release := make(chan struct{})
		p.cache.Before(func(op objectstore.Op, key string) error {
			if strings.HasPrefix(key, catalog.PartPrefix) {
				<-release
			}
			return nil
		})
		p.pass(time.Second)
		p.ask(r, p.client(7, 72), revocation.Good)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		begun := time.Now()
		p.ask(r, p.client(7, 72), revocation.Good)
		p.ask(r, p.client(7, 71), revocation.Revoked)
		if took := time.Since(begun); took != 0 {
			t.Errorf("waited %v", took)
		}
		close(release)
		synctest.Wait()
		p.ask(r, p.client(7, 72), revocation.Good) // by the set of its predecessor
		synctest.Wait()
		p.ask(r, p.client(7, 72), revocation.Revoked)
		time.Sleep(time.Minute)
	})
}

// A CRL of another CA that a certificate names lies in a part of that one's CRLs, and
// its own part is read beside it, whether or not the other has any.
func TestPartsOfOtherIssuers(t *testing.T) {
	h := newHalves(t)
	own, lists := h.of[0][0], h.of[1][0]
	x := pkitest.CA(t, pki.CAOptions{Name: pkix.Name{CommonName: "Has no parts"}})
	h.uploads.Store("issuers/x.pem", x.PEM())
	o := pki.CRLOptions{Number: big.NewInt(2), ThisUpdate: h.now(), NextUpdate: h.now().AddDate(0, 0, 7), IDP: &pki.IDP{Indirect: true, FullNames: []string{uri(lists)}}}
	o.Entries = of(x, listed(pki.KeyCompromise, 5)...)
	h.uploads.Store(key(lists), pkitest.CRL(t, h.ca, o))
	h.changed("issuers/x.pem", key(lists))
	w := &rfcWorld{t: t}
	there := pki.DistributionPoint{FullNames: []string{uri(lists)}, CRLIssuer: h.ca.Name()}
	for serial, want := range map[int64]revocation.Status{5: revocation.Revoked, 6: revocation.Good} {
		h.ask(h.reader(), parse(t, w.leaf(x, serial, cdp(t, there))), want)
	}
	here, nowhere := pki.DistributionPoint{FullNames: []string{uri(own)}}, pki.DistributionPoint{CRLIssuer: x.Name()}
	for serial, want := range map[int64]revocation.Status{int64(10*own + 1): revocation.Revoked, 6: revocation.Good} {
		h.ask(h.reader(), parse(t, w.leaf(h.ca, serial, cdp(t, here, nowhere))), want)
	}
}
