package console

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// Metrics is what is used of CloudWatch.
type Metrics = cloudwatch.GetMetricDataAPIClient

// What is asked of CloudWatch: denials of a day, entries of two weeks, as fine as
// it keeps the latter and as a page can show.
const (
	denialSpan = 24 * time.Hour
	denialStep = 30 * time.Minute
	entrySpan  = 14 * 24 * time.Hour
	entryStep  = 3 * time.Hour

	// meterEvery is how often it is asked while somebody looks: each time costs
	// money, a series at a time, and metrics come by the minute.
	meterEvery = 2 * time.Minute
	// meterIdle is how long after the last look it is not asked any more.
	meterIdle = 5 * time.Minute
)

// meters reads the functions' metrics from CloudWatch. Its methods may be called
// from several goroutines.
type meters struct {
	api      Metrics
	function string

	mu      sync.Mutex
	decided Denials
	entries map[[2]string][]point // by CA and CRL name
}

// run asks until the context ends, while somebody looks, and calls news after
// each answer.
func (m *meters) run(ctx context.Context, clock func() time.Time, looks func(time.Duration) bool, news func()) {
	if m.api == nil {
		return
	}
	var last time.Time
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	for {
		if now := clock().Round(0); looks(meterIdle) && now.Sub(last) >= meterEvery {
			last = now
			m.ask(ctx, now)
			news()
		}
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		}
	}
}

// ask asks once. What was known before stays where there is no answer.
func (m *meters) ask(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	decided, err := m.decisions(ctx, now)
	var entries map[[2]string][]point
	if err == nil {
		entries, err = m.counts(ctx, now)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.decided.Trouble = "CloudWatch cannot be asked now (cloudwatch:GetMetricData is needed): " + err.Error()
		return
	}
	m.decided, m.entries = decided, entries
}

// search is a CloudWatch search expression over one metric by its dimensions,
// each series labelled with the values of some.
func (m *meters) search(id, metric, dimensions, terms, statistic string, step time.Duration, labels ...string) types.MetricDataQuery {
	if m.function != "" && metric != "CRLEntries" { // which the preprocessor records
		terms += ` function="` + m.function + `"`
	}
	for i, l := range labels {
		labels[i] = "${PROP('Dim." + l + "')}"
	}
	return types.MetricDataQuery{
		Id: aws.String(id), Label: aws.String(strings.Join(labels, "/")),
		Expression: aws.String(fmt.Sprintf(`SEARCH('{crlgate,%s} MetricName="%s"%s', '%s', %d)`, dimensions, metric, terms, statistic, step/time.Second)),
	}
}

// results asks for the series from a time on, page by page.
func (m *meters) results(ctx context.Context, from, to time.Time, queries ...types.MetricDataQuery) ([]types.MetricDataResult, error) {
	pages := cloudwatch.NewGetMetricDataPaginator(m.api, &cloudwatch.GetMetricDataInput{
		StartTime: &from, EndTime: &to, ScanBy: types.ScanByTimestampAscending, MetricDataQueries: queries,
	})
	var out []types.MetricDataResult
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range page.MetricDataResults {
			if len(r.Timestamps) != len(r.Values) {
				return nil, fmt.Errorf("series %q has %d times and %d values", aws.ToString(r.Label), len(r.Timestamps), len(r.Values))
			}
			out = append(out, r)
		}
	}
	return out, nil
}

func (m *meters) decisions(ctx context.Context, now time.Time) (Denials, error) {
	until := now.Truncate(denialStep).Add(denialStep)
	from := until.Add(-denialSpan)
	columns := int(denialSpan / denialStep)
	d := Denials{
		Source: fmt.Sprintf("From the metrics in CloudWatch, of the last %s, as of %s: some minutes behind, and in sums; single requests are in the authorizer's log.", short(denialSpan), clock(now)),
		Until:  until, Step: denialStep,
	}
	if m.function == "" {
		d.Source += " Of every authorizer of the region and account; --function narrows it to one."
	}
	results, err := m.results(ctx, from, until,
		m.search("decisions", "Decisions", "decision,function,reason", "", "Sum", denialStep, "decision", "reason"),
		m.search("would", "WouldDeny", "function,reason", "", "Sum", denialStep, "reason"))
	if err != nil {
		return d, err
	}
	byKind := map[kind]*Reason{}
	for _, r := range results {
		would := aws.ToString(r.Id) == "would"
		decision, reason, _ := strings.Cut(aws.ToString(r.Label), "/")
		if would {
			decision, reason = "deny", decision
		}
		for i, at := range r.Timestamps {
			n := int(r.Values[i])
			if decision == "allow" {
				d.Allowed += n
				continue
			}
			column := int(at.Sub(from) / denialStep)
			if n == 0 || column < 0 || column >= columns {
				continue
			}
			k := kind{reason, would}
			if byKind[k] == nil {
				byKind[k] = &Reason{Reason: reason, WouldDeny: would, Columns: make([]int, columns)}
			}
			byKind[k].N += n
			byKind[k].Columns[column] += n
		}
	}
	for r := range maps.Values(byKind) {
		d.Reasons = append(d.Reasons, *r)
	}
	sortReasons(d.Reasons)
	return d, nil
}

func (m *meters) counts(ctx context.Context, now time.Time) (map[[2]string][]point, error) {
	results, err := m.results(ctx, now.Add(-entrySpan).Truncate(entryStep), now,
		m.search("entries", "CRLEntries", "ca,crl,function", "", "Maximum", entryStep, "ca", "crl"))
	if err != nil {
		return nil, err
	}
	out := map[[2]string][]point{}
	for _, r := range results {
		ca, name, _ := strings.Cut(aws.ToString(r.Label), "/") // no CA's name has a slash
		for i, at := range r.Timestamps {
			out[[2]string{ca, name}] = append(out[[2]string{ca, name}], point{at: at, n: int(r.Values[i])})
		}
	}
	for name, points := range out {
		slices.SortFunc(points, func(a, b point) int { return a.at.Compare(b.at) })
		out[name] = slices.CompactFunc(points, func(a, b point) bool { return a.n == b.n })
	}
	return out, nil
}

// denials returns the last answer.
func (m *meters) denials() Denials {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.api == nil {
		return Denials{Trouble: "CloudWatch is not asked."}
	}
	return m.decided
}

// history puts the last answer's counts before what the console has seen itself,
// and says what is known.
func (m *meters) history(h *history, lists []list) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range lists {
		for _, p := range m.entries[[2]string{l.ca, catalog.CRLName(l.Key)}] {
			h.add(l.ca, l.Key, p)
		}
	}
	if len(m.entries) == 0 {
		return "Known: the edition in force, and those that this console has seen since it started."
	}
	return "Known: the metric CRLEntries of the last 14 days, every 3 hours, from CloudWatch; the edition in force; and those that this console has seen since it started."
}
