package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/revocation"
	"github.com/crlgate/crlgate/pkg/telemetry"
)

// values are the metrics ObserveMode and BreakGlass of what a recorder wrote, by CA; "": the total.
func values(t *testing.T, written []byte) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for line := range bytes.Lines(written) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		for _, metric := range []string{"ObserveMode", "BreakGlass"} {
			if v, ok := fields[metric]; ok {
				ca, _ := fields["ca"].(string)
				out[metric+" "+ca] = v.(float64)
			}
		}
	}
	return out
}

// TestModesAreRecordedWhileOn: requests that are good under any mode come, and what is on is seen all the same.
func TestModesAreRecordedWhileOn(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	cas := map[string]*catalog.CA{
		"plain":    {},
		"observed": {Settings: issuer.Settings{Mode: "observe"}},
		"open":     {Settings: issuer.Settings{AllowUntil: soon}},
		"closed":   {Settings: issuer.Settings{AllowUntil: time.Now().Add(-time.Minute)}},
	}
	for name, test := range map[string]struct {
		observe bool
		catalog *catalog.Catalog
		want    map[string]float64
	}{
		"nothing is on":        {false, &catalog.Catalog{CAs: map[string]*catalog.CA{"plain": {}}}, map[string]float64{}},
		"no catalog":           {false, nil, map[string]float64{}},
		"MODE, no catalog yet": {true, nil, map[string]float64{"ObserveMode ": 1, "ObserveMode none": 1}},
		"settings of CAs": {false, &catalog.Catalog{CAs: cas}, map[string]float64{
			"ObserveMode ": 1, "ObserveMode observed": 1, "BreakGlass ": 1, "BreakGlass open": 1,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			recorder := telemetry.NewRecorder(&out, "gate", metricsInterval)
			m := decisionMetrics{recorder, &modes{recorder: recorder, observe: test.observe, catalog: func() *catalog.Catalog { return test.catalog }}, time.Minute}
			m.Decided(authorize.Decision{Allow: true, Reason: authorize.Good}, "plain", time.Millisecond, &revocation.Answer{CA: "plain"})
			if err := recorder.Flush(time.Now()); err != nil {
				t.Fatal(err)
			}
			if got := values(t, out.Bytes()); !maps.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// TestModesAreRecordedAgain: in every interval, and when the clock went back.
func TestModesAreRecordedAgain(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	m := &modes{}
	for i, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Second, false}, {metricsInterval, true}, {metricsInterval - 1, false}, {-time.Hour, true}, {0, false}} {
		now = now.Add(step.after)
		if got := m.due(now); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
		if !step.want {
			now = now.Add(-step.after)
		}
	}
}

// TestStaleAnswersAreCounted: those from a catalog that was due for revalidation.
func TestStaleAnswersAreCounted(t *testing.T) {
	for name, test := range map[string]struct {
		after, age time.Duration
		want       bool
	}{
		"young":                  {10 * time.Second, 9 * time.Second, false},
		"just due":               {10 * time.Second, 10 * time.Second, false},
		"due":                    {10 * time.Second, 10*time.Second + 1, true},
		"clock went back":        {10 * time.Second, -1, true},
		"asked for each request": {0, 20 * time.Millisecond, false},
		"and not answered":       {0, 2 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			recorder := telemetry.NewRecorder(&out, "gate", metricsInterval)
			m := decisionMetrics{recorder, &modes{recorder: recorder, catalog: func() *catalog.Catalog { return nil }}, dueAfter(test.after)}
			m.Decided(authorize.Decision{Allow: true, Reason: authorize.Good}, "a", time.Millisecond, &revocation.Answer{CA: "a", Age: test.age})
			if err := recorder.Flush(time.Now()); err != nil {
				t.Fatal(err)
			}
			if got := bytes.Contains(out.Bytes(), []byte(`"StaleServed":1`)); got != test.want {
				t.Errorf("counted: %v in %s", got, out.Bytes())
			}
		})
	}
}
