package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The rules of the Amazon CloudWatch User Guide, "Specification: Embedded metric
// format", and of the API Reference's Dimension and MetricDatum.
const (
	emfMaxLine       = 1 << 20
	emfMaxMetrics    = 100
	emfMaxDimensions = 30
	emfMaxArray      = 100
)

var (
	emfUnit = regexp.MustCompile(`^(Seconds|Microseconds|Milliseconds|Bytes|Kilobytes|Megabytes|Gigabytes|Terabytes|Bits|Kilobits|` +
		`Megabits|Gigabits|Terabits|Percent|Count|(Bytes|Kilobytes|Megabytes|Gigabytes|Terabytes|Bits|Kilobits|Megabits|Gigabits|Terabits|Count)/Second|None)$`)
	emfDimensionValue = regexp.MustCompile(`^[ -~]*[!-~][ -~]*$`)
)

type document struct {
	AWS *struct {
		Timestamp         *int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	} `json:"_aws"`
}

// counted is a distribution as values with counts.
type counted struct {
	Values, Counts       []float64
	Max, Min, Count, Sum *float64
}

// point is one metric under one set of dimensions, as CloudWatch would take it.
type point struct {
	unit   string
	values []float64
	counts []float64
}

func (p point) sum() (sum, count float64) {
	for i, v := range p.values {
		sum += v * p.counts[i]
		count += p.counts[i]
	}
	return sum, count
}

// parseEMF checks each line against the specification and returns the points by
// "Metric dimension=value …" in the order of the dimensions' names.
func parseEMF(batch []byte) (map[string]point, error) {
	points := map[string]point{}
	if len(batch) > 0 && batch[len(batch)-1] != '\n' {
		return nil, errors.New("the last line does not end")
	}
	for line := range bytes.Lines(batch) {
		if len(line) > emfMaxLine {
			return nil, fmt.Errorf("line of %d bytes", len(line))
		}
		if err := parseLine(line, points); err != nil {
			return nil, fmt.Errorf("%w in %s", err, line[:min(len(line), 300)])
		}
	}
	return points, nil
}

// emfSchema is the format's published schema.
var emfSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	return jsonschema.NewCompiler().Compile("testdata/emf.schema.json")
})

// validate holds a line against the schema.
func validate(line []byte) error {
	schema, err := emfSchema()
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return err
	}
	return schema.Validate(document)
}

func parseLine(line []byte, points map[string]point) error {
	if err := validate(line); err != nil {
		return err
	}
	var doc document
	root := map[string]json.RawMessage{}
	if err := errors.Join(json.Unmarshal(line, &root), json.Unmarshal(line, &doc)); err != nil {
		return err
	}
	if doc.AWS == nil || doc.AWS.Timestamp == nil || *doc.AWS.Timestamp <= 0 || len(doc.AWS.CloudWatchMetrics) == 0 {
		return errors.New("metadata is incomplete")
	}
	for _, directive := range doc.AWS.CloudWatchMetrics {
		if n := len(directive.Namespace); n < 1 || n > 255 {
			return errors.New("namespace")
		}
		if n := len(directive.Metrics); n < 1 || n > emfMaxMetrics {
			return fmt.Errorf("%d metrics", n)
		}
		if len(directive.Dimensions) < 1 {
			return errors.New("no dimension set")
		}
		for _, set := range directive.Dimensions {
			identity, err := dimensions(root, set)
			if err != nil {
				return err
			}
			for _, m := range directive.Metrics {
				if n := len(m.Name); n < 1 || n > 255 || !emfUnit.MatchString(m.Unit) {
					return fmt.Errorf("metric %q in %q", m.Name, m.Unit)
				}
				p, err := target(root[m.Name])
				if err != nil {
					return fmt.Errorf("%s: %w", m.Name, err)
				}
				name := m.Name + identity
				if _, twice := points[name]; twice {
					return fmt.Errorf("%s twice in a batch", name)
				}
				p.unit = m.Unit
				points[name] = p
			}
		}
	}
	return nil
}

func dimensions(root map[string]json.RawMessage, set []string) (identity string, err error) {
	if len(set) > emfMaxDimensions {
		return "", fmt.Errorf("%d dimensions", len(set))
	}
	for _, name := range slices.Sorted(slices.Values(set)) {
		var value string
		if err := json.Unmarshal(root[name], &value); err != nil {
			return "", fmt.Errorf("dimension %q: %w", name, err)
		}
		if len(name) < 1 || len(name) > 250 || strings.HasPrefix(name, ":") || len(value) > 1024 || !emfDimensionValue.MatchString(value) {
			return "", fmt.Errorf("dimension %q=%q", name, value)
		}
		identity += " " + name + "=" + value
	}
	return identity, nil
}

// target reads a metric's member of the root: a number, an array of numbers, or
// values with counts.
func target(raw json.RawMessage) (point, error) {
	var number *float64
	if json.Unmarshal(raw, &number) == nil && number != nil {
		return point{values: []float64{*number}, counts: []float64{1}}, nil
	}
	var array []float64
	if json.Unmarshal(raw, &array) == nil && array != nil {
		if len(array) < 1 || len(array) > emfMaxArray {
			return point{}, fmt.Errorf("%d values", len(array))
		}
		return point{values: array, counts: slices.Repeat([]float64{1}, len(array))}, nil
	}
	var c counted
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&c); err != nil {
		return point{}, fmt.Errorf("no metric target: %w", err)
	}
	if n := len(c.Values); n < 1 || n > emfMaxArray || len(c.Counts) != n || c.Max == nil || c.Min == nil || c.Count == nil || c.Sum == nil {
		return point{}, fmt.Errorf("%d values and %d counts", n, len(c.Counts))
	}
	p := point{values: c.Values, counts: c.Counts}
	sum, count := p.sum()
	if count != *c.Count || math.Abs(sum-*c.Sum) > 1e-9*math.Abs(sum) || *c.Min > c.Values[0] || *c.Max < c.Values[len(c.Values)-1] {
		return point{}, fmt.Errorf("Count %v, Sum %v, Min %v, Max %v do not fit the values", *c.Count, *c.Sum, *c.Min, *c.Max)
	}
	return p, nil
}

func TestTheChecksOfTheFormatCanFail(t *testing.T) {
	const good = `{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"n","Dimensions":[["d"]],"Metrics":[{"Name":"m","Unit":"Count"}]}]},"d":"x","m":1}`
	if _, err := parseEMF([]byte(good + "\n")); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"Timestamp":1,`, ``},
		{`"Namespace":"n"`, `"Namespace":""`},
		{`[["d"]]`, `[]`},
		{`[["d"]]`, `[["d","e"]]`},
		{`[["d"]]`, `[["d"` + strings.Repeat(`,"d"`, 30) + `]]`},
		{`"d":"x"`, `"d":1`},
		{`"d":"x"`, `"d":" "`},
		{`"d":"x"`, `"d":"\n"`},
		{`,"m":1`, ``},
		{`"m":1`, `"m":"1"`},
		{`"m":1`, `"m":[` + strings.Repeat("1,", 100) + `1]`},
		{`"m":1`, `"m":{"Values":[1],"Counts":[1,2],"Max":1,"Min":1,"Count":3,"Sum":3}`},
		{`"m":1`, `"m":{"Values":[1],"Counts":[2],"Max":1,"Min":1,"Count":3,"Sum":2}`},
		{`"m":1`, `"m":{"Values":[2],"Counts":[1],"Max":1,"Min":1,"Count":1,"Sum":2}`},
		{`"Unit":"Count"`, `"Unit":"Counts"`},
		{`{"Name":"m","Unit"`, `{"Name":"x","Unit"`},
		{`{"Name":"m","Unit":"Count"}`, `{"Name":"m","Unit":"Count"}` + strings.Repeat(`,{"Name":"m","Unit":"Count"}`, 100)},
		{`{"_aws"`, `{"_aws`},
		{`"m":1}`, `"m":1} more`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if _, err := parseEMF([]byte(bad + "\n")); err == nil || bad == good {
			t.Errorf("taken: %s", bad)
		}
	}
	if _, err := parseEMF([]byte(good)); err == nil {
		t.Error("taken without its end")
	}
	if _, err := parseEMF([]byte(good + "\n" + good + "\n")); err == nil {
		t.Error("taken twice")
	}
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// flush returns the points of one flush.
func flush(t *testing.T, r *Recorder, out *bytes.Buffer, now time.Time) map[string]point {
	t.Helper()
	out.Reset()
	if err := r.Flush(now); err != nil {
		t.Fatal(err)
	}
	points, err := parseEMF(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return points
}

// want checks the points to be exactly these single values.
func want(t *testing.T, got map[string]point, values map[string]float64) {
	t.Helper()
	for name, v := range values {
		if p, ok := got[name]; !ok || len(p.values) != 1 || p.values[0] != v {
			t.Errorf("%s: %+v, want %v", name, p, v)
		}
	}
	for name := range got {
		if _, ok := values[name]; !ok {
			t.Errorf("%s: %+v, want none", name, got[name])
		}
	}
}

func TestEveryMetricAsEMF(t *testing.T) {
	var out bytes.Buffer
	r := NewRecorder(&out, "authorizer", time.Minute)
	labels := Labels{Decision: "deny", Reason: "revoked", CA: "partner-a", CRL: "crls%2Fa.crl", Code: "number_reused"}
	for m := range numMetrics {
		for range 300 {
			r.Record(m, 3, labels)
		}
	}
	points := flush(t, r, &out, noon)
	wanted := 0
	for _, d := range Metrics() {
		for _, by := range d.By {
			wanted++
			name := d.Name
			var parts []string
			for _, dim := range append([]Dimension{}, by...) {
				parts = append(parts, dim.Name()+"="+labels.value(dim))
			}
			parts = append(parts, "function=authorizer")
			slices.Sort(parts)
			name += " " + strings.Join(parts, " ")
			p, ok := points[name]
			if !ok || p.unit != string(d.Unit) {
				t.Errorf("%s: %+v (%v)", name, p, ok)
				continue
			}
			sum, count := p.sum()
			if want := map[Kind][2]float64{Counter: {900, 1}, Distribution: {900, 300}, Lowest: {3, 1}, Highest: {3, 1}}[d.Kind]; want != [2]float64{sum, count} {
				t.Errorf("%s: sum %v, count %v, want %v", name, sum, count, want)
			}
		}
	}
	if len(points) != wanted {
		t.Errorf("%d points, want %d", len(points), wanted)
	}
	if lines := bytes.Count(out.Bytes(), []byte("\n")); lines >= wanted {
		t.Errorf("%d lines for %d points: groups do not share lines", lines, wanted)
	}
}

func TestOneLine(t *testing.T) {
	var out bytes.Buffer
	r := NewRecorder(&out, "authorizer", time.Minute)
	r.Count(SetLoads, Labels{CA: "partner-a"})
	r.Count(HashFailures, Labels{CA: "partner-a"})
	if err := r.Flush(noon); err != nil {
		t.Fatal(err)
	}
	const want = `{"_aws":{"Timestamp":1795262400000,"CloudWatchMetrics":[{"Namespace":"crlgate","Dimensions":[["function"]],` +
		`"Metrics":[{"Name":"SetLoads","Unit":"Count"},{"Name":"HashFailures","Unit":"Count"}]}]},"function":"authorizer","SetLoads":1,"HashFailures":1}` + "\n" +
		`{"_aws":{"Timestamp":1795262400000,"CloudWatchMetrics":[{"Namespace":"crlgate","Dimensions":[["function","ca"]],` +
		`"Metrics":[{"Name":"SetLoads","Unit":"Count"},{"Name":"HashFailures","Unit":"Count"}]}]},"function":"authorizer","ca":"partner-a","SetLoads":1,"HashFailures":1}` + "\n"
	if out.String() != want {
		t.Errorf("wrote\n%swant\n%s", out.String(), want)
	}
}

func TestDimensionValuesAreAsCloudWatchTakesThem(t *testing.T) {
	var out bytes.Buffer
	r := NewRecorder(&out, "au\tthorizer", time.Minute)
	for _, ca := range []string{"q\"uo\\te", "new\nline\x00", "Zürich", "\xff\xfe", "   ", "", strings.Repeat("x", 5000)} {
		r.Count(CRLAccepted, Labels{CA: ca})
	}
	const fn = " function=au?thorizer"
	want(t, flush(t, r, &out, noon), map[string]float64{
		"CRLAccepted" + fn:                                 7,
		"CRLAccepted ca=q\"uo\\te" + fn:                    1,
		"CRLAccepted ca=new?line?" + fn:                    1,
		"CRLAccepted ca=Z?rich" + fn:                       1,
		"CRLAccepted ca=??" + fn:                           1,
		"CRLAccepted ca=none" + fn:                         2,
		"CRLAccepted ca=" + strings.Repeat("x", 1024) + fn: 1,
	})
}
