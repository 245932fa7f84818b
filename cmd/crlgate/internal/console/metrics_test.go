package console

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

// cloud answers GetMetricData on the wire, as CloudWatch does (Smithy RPC v2 CBOR).
type cloud struct {
	t      *testing.T
	mu     sync.Mutex
	asked  []cbor.Map
	answer func(expression string, page int) cbor.Map
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !strings.HasSuffix(r.URL.Path, "/operation/GetMetricData") || r.Header.Get("Authorization") == "" {
		c.t.Errorf("asked %s %s, want a signed GetMetricData", r.Method, r.URL.Path)
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Error(err)
	}
	v, err := cbor.Decode(data)
	if err != nil {
		c.t.Error(err)
	}
	in, ok := v.(cbor.Map)
	if !ok {
		c.t.Errorf("asked %T", v)
	}
	c.asked = append(c.asked, in)
	page := 0
	if in["NextToken"] != nil {
		page = 1
	}
	results, next := cbor.List{}, cbor.Value(nil)
	for _, q := range in["MetricDataQueries"].(cbor.List) {
		q := q.(cbor.Map)
		out := c.answer(string(q["Expression"].(cbor.String)), page)
		for label, series := range out {
			if label == "next" {
				next = series
				continue
			}
			m := series.(cbor.Map)
			m["Id"], m["Label"] = q["Id"], cbor.String(label)
			results = append(results, m)
		}
	}
	answer := cbor.Map{"MetricDataResults": results}
	if next != nil {
		answer["NextToken"] = next
	}
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	_, _ = w.Write(cbor.Encode(answer))
}

// series is points at steps before noon.
func series(step time.Duration, values ...float64) cbor.Map {
	times, numbers := cbor.List{}, cbor.List{}
	for i, v := range values {
		at := noon.Add(-time.Duration(len(values)-i) * step)
		times = append(times, &cbor.Tag{ID: 1, Value: cbor.Float64(at.Unix())})
		numbers = append(numbers, cbor.Float64(v))
	}
	return cbor.Map{"Timestamps": times, "Values": numbers, "StatusCode": cbor.String("Complete")}
}

func cloudWatch(t *testing.T, answer func(string, int) cbor.Map) (*cloud, Metrics) {
	c := &cloud{t: t, answer: answer}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, cloudwatch.New(cloudwatch.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""), RetryMaxAttempts: 1,
	})
}

func TestMetricsOfADeployment(t *testing.T) {
	c, api := cloudWatch(t, func(expression string, page int) cbor.Map {
		switch {
		case strings.Contains(expression, "CRLEntries"):
			return cbor.Map{"partners/crls_2fp.crl": series(entryStep, 100, 100, 104), "gone/x": series(entryStep, 1)}
		case strings.Contains(expression, "WouldDeny") && page > 0:
			return nil
		case strings.Contains(expression, "WouldDeny"):
			return cbor.Map{"crl_expired": series(denialStep, 0, 5)}
		case page == 0:
			return cbor.Map{"deny/revoked": series(denialStep, 1, 2, 3), "allow/good": series(denialStep, 40, 50), "next": cbor.String("more")}
		}
		return cbor.Map{"deny/revoked": series(denialStep, 4), "deny/no_crl": series(denialStep, 7)}
	})
	m := &meters{api: api, function: "crlgate-authorizer"}
	m.ask(t.Context(), noon.Add(-time.Minute))
	d := m.denials()
	denied, would := d.count()
	if d.Trouble != "" || denied != 17 || would != 5 || d.Allowed != 90 {
		t.Errorf("denied %d, would deny %d, allowed %d, trouble %q: %+v", denied, would, d.Allowed, d.Trouble, d.Reasons)
	}
	if len(d.Reasons) != 3 || d.Reasons[0].Reason != "revoked" || d.Reasons[0].N != 10 || d.Reasons[1].Reason != "no_crl" || !d.Reasons[2].WouldDeny {
		t.Errorf("reasons %+v", d.Reasons)
	}
	if got := d.Reasons[0].Columns; len(got) != 48 || got[47] != 7 || got[46] != 2 || got[45] != 1 {
		t.Errorf("columns %v", got)
	}
	for _, want := range []string{"CloudWatch", "last 24 h", "some minutes behind"} {
		if !strings.Contains(d.Source, want) {
			t.Errorf("the source %q does not say %q", d.Source, want)
		}
	}
	query := c.asked[0]["MetricDataQueries"].(cbor.List)[0].(cbor.Map)
	if got, want := string(query["Expression"].(cbor.String)), `SEARCH('{crlgate,decision,function,reason} MetricName="Decisions" function="crlgate-authorizer"', 'Sum', 1800)`; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	if got, want := string(query["Label"].(cbor.String)), "${PROP('Dim.decision')}/${PROP('Dim.reason')}"; got != want {
		t.Errorf("label %s, want %s", got, want)
	}
	last := c.asked[len(c.asked)-1]["MetricDataQueries"].(cbor.List)[0].(cbor.Map)
	if got, want := string(last["Expression"].(cbor.String)), `SEARCH('{crlgate,ca,crl,function} MetricName="CRLEntries"', 'Maximum', 10800)`; got != want {
		t.Errorf("asked %s, want %s: the authorizer records no entries", got, want)
	}
	var hs history
	lists := []list{{CRL: status.CRL{Key: "crls/p.crl"}, ca: "partners"}}
	for range 2 { // twice makes no more of it
		if said := m.history(&hs, lists); !strings.Contains(said, "CRLEntries") {
			t.Errorf("known from %q", said)
		}
	}
	if v := hs.view(lists, ""); len(v.rows) != 1 || len(v.rows[0].points) != 2 || v.rows[0].change() != "+4" {
		t.Errorf("entries %+v", v.rows)
	}
}

func TestMetricsThatCannotBeHad(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.Header().Set("Content-Type", "application/cbor")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(cbor.Encode(cbor.Map{"__type": cbor.String("com.amazonaws.cloudwatch#AccessDenied"), "message": cbor.String("not authorized")}))
	}))
	defer server.Close()
	m := &meters{api: cloudwatch.New(cloudwatch.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""), RetryMaxAttempts: 1,
	})}
	m.decided.Allowed = 3
	m.ask(t.Context(), noon)
	if d := m.denials(); !strings.Contains(d.Trouble, "cloudwatch:GetMetricData") || !strings.Contains(d.Trouble, "not authorized") || d.Allowed != 3 {
		t.Errorf("%+v", d)
	}
}

// CloudWatch costs money: it is asked while somebody looks, and not before.
func TestMetricsAreAskedWhileSomebodyLooks(t *testing.T) {
	c, api := cloudWatch(t, func(string, int) cbor.Map { return cbor.Map{} })
	unread, err := objectstore.Open(t.Context(), "cache", objectstore.WithEndpoint("http://127.0.0.1:1"), objectstore.WithRegion("x"), objectstore.WithStaticCredentials("k", "s"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWatch(Config{Target: &target.Target{Cache: unread}, Metrics: api, Clock: time.Now, Every: time.Hour})
	w.cache = newReread(newWorld(t).cache)
	if w.lookedWithin(meterIdle) {
		t.Fatal("somebody looked")
	}
	w.someoneLooks()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.run(ctx) }()
	defer func() { cancel(); <-done }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		n := len(c.asked)
		c.mu.Unlock()
		if n > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("CloudWatch is not asked")
		}
	}
}
