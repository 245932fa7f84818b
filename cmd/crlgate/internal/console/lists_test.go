package console

import (
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/pkg/issuer"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestUrgency(t *testing.T) {
	for _, c := range []struct {
		age, left time.Duration
		state     string
		want      urgency
		words     string
	}{
		{time.Hour, 29 * 24 * time.Hour, status.Current, fresh, "29d left"},
		{29 * 24 * time.Hour, 24 * time.Hour, status.Current, fresh, "1d left"},
		{29 * 24 * time.Hour, 24*time.Hour - 1, status.Current, warning, "23h 59m left"},
		{29 * 24 * time.Hour, 4 * time.Hour, status.Current, warning, "4h left"},
		{29 * 24 * time.Hour, 4*time.Hour - 1, status.Current, critical, "3h 59m left"},
		// One that lives an hour is not in alarm for all its life.
		{45 * time.Minute, 15 * time.Minute, status.Current, fresh, "15m left"},
		{45 * time.Minute, 14 * time.Minute, status.Current, warning, "14m left"},
		{55 * time.Minute, 5 * time.Minute, status.Current, critical, "5m left"},
		{time.Hour, -time.Minute, status.InGrace, critical, "in grace, past by 1m"},
		{time.Hour, -time.Minute, status.Expired, expired, "1m ago"},
		{time.Hour, time.Minute, status.Expired, expired, "older than max_crl_age"},
	} {
		l := listOf(status.CA{Name: "a"}, status.CRL{ThisUpdate: noon.Add(-c.age), NextUpdate: noon.Add(c.left), State: c.state}, noon)
		if l.urgency != c.want || l.leftIn != c.words {
			t.Errorf("age %v, left %v, %s: %s %q, want %s %q", c.age, c.left, c.state, l.urgency.word(), l.leftIn, c.want.word(), c.words)
		}
	}
}

func TestTheMostUrgentComesFirst(t *testing.T) {
	crl := func(key string, left time.Duration, state string) status.CRL {
		return status.CRL{Key: key, ThisUpdate: noon.Add(-100 * time.Hour), NextUpdate: noon.Add(left), State: state}
	}
	got := listsOf(&status.Status{CAs: []status.CA{
		{Name: "a", CRLs: []status.CRL{crl("fresh", 90*time.Hour, status.Current), crl("soon", time.Hour, status.Current)}},
		{Name: "b", Settings: issuer.Settings{Grace: issuer.Duration(time.Hour)}, CRLs: []status.CRL{crl("old", 2*time.Hour, status.Expired), crl("older", -9*time.Hour, status.Expired)}},
	}}, noon)
	for i, want := range []string{"older", "old", "soon", "fresh"} {
		if got[i].Key != want {
			t.Errorf("place %d: %s, want %s", i, got[i].Key, want)
		}
	}
	if got[0].grace != time.Hour || got[3].grace != 0 {
		t.Error("the grace is not the CA's")
	}
}

func TestScaleKeepsOrderAndBounds(t *testing.T) {
	spans := []time.Duration{time.Second, 30 * time.Second, time.Hour, 24 * time.Hour, 400 * 24 * time.Hour}
	for _, past := range spans {
		for _, future := range spans {
			lists := []list{listOf(status.CA{}, status.CRL{ThisUpdate: noon.Add(-past), NextUpdate: noon.Add(future)}, noon)}
			s := scaleOf(lists, noon)
			last := -1.0
			for _, d := range []time.Duration{-1000 * 24 * time.Hour, -past, -past / 2, 0, future / 2, future, 1000 * 24 * time.Hour} {
				x := s.x(noon.Add(d))
				if x < last || x < margin-1e-9 || x > 100-margin+1e-9 {
					t.Errorf("past %v, future %v: %v lies at %.2f, after %.2f", past, future, d, x, last)
				}
				last = x
			}
			now := s.at(0)
			if now < 10 || now > 90 {
				t.Errorf("past %v, future %v: now lies at %.1f, so that one side has no room", past, future, now)
			}
			for i, a := range s.ticks() {
				for _, b := range s.ticks()[i+1:] {
					if d := a.x - b.x; d < apart-0.01 && d > -apart+0.01 {
						t.Errorf("past %v, future %v: ticks %s and %s are %.1f apart", past, future, a.label, b.label, d)
					}
				}
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1\u202f000", 18540: "18\u202f540", 1234567: "1\u202f234\u202f567", -1234: "-1\u202f234"} {
		if got := number(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if got := clip("crls/a-very-long-name.crl", 11); got != "crls/…e.crl" {
		t.Errorf("clipped: %q", got)
	}
}
