package main

import (
	"time"

	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/revocation"
	"github.com/crlgate/crlgate/pkg/telemetry"
)

// decisionMetrics records decisions.
type decisionMetrics struct {
	r     *telemetry.Recorder
	modes *modes
	// due is the age from which a catalog should have been revalidated before a
	// request was answered from it.
	due time.Duration
}

func (m decisionMetrics) Decided(d authorize.Decision, ca string, took time.Duration, a *revocation.Answer) {
	now := time.Now().Round(0)
	_ = m.r.FlushOld(now)
	if ca == "" {
		ca = telemetry.None
	}
	labels := telemetry.Labels{Decision: "deny", Reason: string(d.Reason), CA: ca}
	if d.Allow {
		labels.Decision = "allow"
	}
	m.r.Count(telemetry.Decisions, labels)
	m.r.Milliseconds(telemetry.DecideLatency, took, labels)
	if d.WouldDeny {
		m.r.Count(telemetry.WouldDeny, labels)
	}
	if a.CA != "" {
		m.r.Record(telemetry.CatalogAge, a.Age.Seconds(), labels)
		if a.Age < 0 || a.Age > m.due { // negative: the clock went back
			m.r.Count(telemetry.StaleServed, labels)
		}
	}
	m.modes.record(now)
	_ = m.r.FlushIfDue(now)
}

// cacheMetrics records what keeping the cache warm takes.
type cacheMetrics struct{ r *telemetry.Recorder }

func (m cacheMetrics) Refreshed(took time.Duration, err error) {
	m.r.Milliseconds(telemetry.RefreshLatency, took, telemetry.Labels{})
}

func (m cacheMetrics) SetLoaded(bytes int64) {
	m.r.Count(telemetry.SetLoads, telemetry.Labels{})
	m.r.Record(telemetry.CacheBytesFetched, float64(bytes), telemetry.Labels{})
}

func (m cacheMetrics) RangeRead(bytes int64) {
	m.r.Count(telemetry.RangeReads, telemetry.Labels{})
	m.r.Record(telemetry.CacheBytesFetched, float64(bytes), telemetry.Labels{})
}

func (m cacheMetrics) HashFailed(string) { m.r.Count(telemetry.HashFailures, telemetry.Labels{}) }

func (m cacheMetrics) CatalogRefused(why string) {
	m.r.Count(telemetry.CatalogRefused, telemetry.Labels{Code: why, Reason: why})
}

// dueAfter is REVALIDATE_AFTER, and with 0, where the answer to each request takes a
// moment longer, what a request waits at most.
func dueAfter(revalidateAfter time.Duration) time.Duration {
	return max(revalidateAfter, revocation.DefaultWarmWait)
}
