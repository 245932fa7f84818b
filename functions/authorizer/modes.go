package main

import (
	"sync"
	"time"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/telemetry"
)

// modes records what lets through what revocation would deny, while it is on:
// observe mode, for all or for a CA, and break-glass. Whether a request makes
// use of it does not matter; an alarm watches it.
type modes struct {
	recorder *telemetry.Recorder
	observe  bool                    // MODE=observe
	catalog  func() *catalog.Catalog // in force; nil: none yet

	mu   sync.Mutex
	last time.Time
}

// record records them, at most once in an interval: metrics are no more often
// written.
func (m *modes) record(now time.Time) {
	if !m.due(now) {
		return
	}
	if m.observe {
		m.recorder.Record(telemetry.ObserveMode, 1, telemetry.Labels{CA: telemetry.None})
	}
	c := m.catalog()
	if c == nil {
		return
	}
	for name, ca := range c.CAs {
		if ca.Settings.Observe() {
			m.recorder.Record(telemetry.ObserveMode, 1, telemetry.Labels{CA: name})
		}
		if ca.Settings.BreakGlass(now) {
			m.recorder.Record(telemetry.BreakGlass, 1, telemetry.Labels{CA: name})
		}
	}
}

func (m *modes) due(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if since := now.Sub(m.last); !m.last.IsZero() && since >= 0 && since < metricsInterval {
		return false
	}
	m.last = now
	return true
}
