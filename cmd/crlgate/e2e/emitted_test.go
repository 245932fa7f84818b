package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/template"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
	"github.com/crlgate/crlgate/pkg/telemetry"
)

// emitted is what the functions have written: metrics with their dimensions,
// keys with their types, and messages with their levels, each with the functions.
type emitted struct {
	metrics, keys, messages map[string]bool
}

// emitted reads all lines so far. Lines in the embedded metric format are held
// against its schema.
func (w *world) emitted(schema *jsonschema.Schema) emitted {
	w.t.Helper()
	e := emitted{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	w.mu.Lock()
	lines := slices.Clone(w.lines)
	w.mu.Unlock()
	for _, l := range lines {
		var fields map[string]any
		if l.Platform || json.Unmarshal([]byte(l.Text), &fields) != nil {
			continue
		}
		function := strings.TrimPrefix(l.Function, "crlgate-")
		if fields["_aws"] != nil {
			if err := schema.Validate(fields); err != nil {
				w.t.Errorf("%v: %s", err, l.Text)
			}
			e.addMetrics(l.Text)
			continue
		}
		for key, value := range fields {
			switch key {
			case "time":
			case "level", "msg":
				e.messages[fmt.Sprintf("%v %v by %s", fields["level"], fields["msg"], function)] = true
			default:
				e.keys[fmt.Sprintf("%s %s by %s", key, map[string]string{"string": "string", "float64": "number", "bool": "bool"}[fmt.Sprintf("%T", value)], function)] = true
			}
		}
	}
	return e
}

func (e emitted) addMetrics(line string) {
	var doc struct {
		AWS struct {
			CloudWatchMetrics []struct {
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
	}
	if json.Unmarshal([]byte(line), &doc) != nil {
		return
	}
	for _, directive := range doc.AWS.CloudWatchMetrics {
		for _, set := range directive.Dimensions {
			for _, m := range directive.Metrics {
				e.metrics[metricName(m.Name, m.Unit, set)] = true
			}
		}
	}
}

func metricName(name, unit string, dimensions []string) string {
	return fmt.Sprintf("%s in %s by %s", name, unit, strings.Join(slices.Sorted(slices.Values(dimensions)), "+"))
}

// promised is what docs/operations.md says that the functions write: its tables
// are compared with these by tests of their own.
func promised() emitted {
	e := emitted{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, d := range telemetry.Metrics() {
		for _, by := range d.By {
			names := []string{telemetry.KeyFunction}
			for _, dimension := range by {
				names = append(names, dimension.Name())
			}
			e.metrics[metricName(d.Name, string(d.Unit), names)] = true
		}
	}
	for _, k := range telemetry.Keys() {
		for _, function := range k.By {
			e.keys[k.Name+" "+k.Type+" by "+function] = true
		}
	}
	for _, m := range telemetry.Messages() {
		for _, function := range m.By {
			e.messages[m.Level+" "+m.Text+" by "+function] = true
		}
	}
	return e
}

// insideOnly are messages of a fault inside crlgate, which no scenario can bring
// about: a test of package revocation does, with metrics that panic.
var insideOnly = []string{"ERROR metrics not recorded by authorizer", "ERROR set not reported by authorizer"}

// otherLevels are levels that the docs give a message besides its own.
var otherLevels = []string{"WARN allow by authorizer", "ERROR deny by authorizer"}

// TestEverythingIsEmitted runs the functions through all that they have a metric,
// a log key or a message for, and holds what they write against what the docs
// say, both ways.
func TestEverythingIsEmitted(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile("../../../pkg/telemetry/testdata/emf.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	ca := newCA(t, "alpha")
	pin := sha256.Sum256(ca.Certificate.Raw)
	gate, err := template.Read("../../../infra/testdata/gate.template.json") // its cache bucket has versions
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, stack.Config{
		Template: gate, Forms: []gateway.Form{gateway.REST}, ProxyCache: true, ProxyPreprocessor: true,
		Authorizer:   map[string]string{"LOG_ALLOWED": "1", "REVALIDATE_AFTER": "0"},
		Preprocessor: map[string]string{"CACHE_JSON": "true", "PUBLISH_TRUSTSTORE": "true", "PINNED_ISSUERS": hex.EncodeToString(pin[:])},
	})
	s := &scenario{w, ca, ca.issue("good"), ca.issue("revoked"), gate.Uploads.Name, gate.Cache.Name}
	s.uploads()
	s.requests()
	s.faultsOfTheAuthorizer()
	s.faultsOfThePreprocessor()
	s.tampering()
	s.partitions()
	s.truststore(pin)
	s.fetcher()
	s.modes()
	s.repairs()
	s.sweeping()
	s.ending()

	want := promised()
	for _, m := range insideOnly {
		delete(want.messages, m)
	}
	var got emitted
	var missing []string
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Second) {
		w.get(s.good) // the authorizer writes metrics at the end of a request
		got = w.emitted(schema)
		missing = nil
		for what, pair := range map[string][2]map[string]bool{"metric": {want.metrics, got.metrics}, "key": {want.keys, got.keys}, "message": {want.messages, got.messages}} {
			for _, name := range slices.Sorted(maps.Keys(pair[0])) {
				if !pair[1][name] {
					missing = append(missing, what+" "+name)
				}
			}
		}
		if len(missing) == 0 || time.Now().After(deadline) || t.Failed() {
			break
		}
	}
	if len(missing) > 0 {
		t.Errorf("docs/operations.md names what no function wrote:\n%s", strings.Join(missing, "\n"))
	}
	for _, m := range otherLevels {
		want.messages[m] = true
	}
	for what, pair := range map[string][2]map[string]bool{"metric": {got.metrics, want.metrics}, "key": {got.keys, want.keys}, "message": {got.messages, want.messages}} {
		for _, name := range slices.Sorted(maps.Keys(pair[0])) {
			if !pair[1][name] {
				t.Errorf("a function wrote the %s %s, which docs/operations.md does not have", what, name)
			}
		}
	}
	for _, l := range w.logLines("-----BEGIN") {
		if !strings.Contains(l.Text, "no line reads") { // the words on an upload that is no PEM
			t.Errorf("PEM in the log: %.200s", l.Text)
		}
	}
}

// scenario takes the functions through what they do.
type scenario struct {
	*world
	ca            *authority
	good, revoked *pki.Leaf

	uploadBucket, cacheBucket string
}

func (s *scenario) remove(key string) {
	s.t.Helper()
	if err := s.Uploads.Delete(s.t.Context(), key, objectstore.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scenario) invoke(payload string) {
	s.t.Helper()
	if _, err := s.Authorizer.Invoke(s.t.Context(), []byte(payload)); err != nil {
		s.t.Fatal(err)
	}
}

// uploads brings every outcome about that an upload can have.
func (s *scenario) uploads() {
	s.t.Helper()
	s.invoke(`{"requestContext":{}}`) // before there is a catalog
	s.invoke(`{"requestContext":{"identity":{"clientCert":{"clientCertPem":"-----BEGIN CERTIFICATE-----"}}}}`)
	s.invoke(`{"version":"3.0","requestContext":{}}`)
	s.Deliver([]byte(`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-21T12:00:00.000Z","Bucket":"` + s.uploadBucket + `","RequestId":"1","HostId":"1"}`))
	s.ca.revoke(s.revoked)
	s.upload("crls/alpha.crl", s.large(), preprocess.OutcomePending)
	s.upload("issuers/alpha.pem", s.ca.PEM(), preprocess.OutcomeAccepted)
	s.awaitTruststore(s.ca)
	s.upload("issuers/beta.pem", newCA(s.t, "beta").PEM(), preprocess.OutcomeRefused) // not pinned
	s.upload("issuers/ghost.json", []byte(`{"grace":"1h"}`), preprocess.OutcomePending)
	s.remove("issuers/ghost.json")
	s.upload("issuers/notes.txt", []byte("of no concern"), preprocess.OutcomeRefused)
	s.Deliver([]byte(`{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"` + s.uploadBucket + `"},"object":{"key":"elsewhere/notes.txt"}}}]}`))
	s.awaitLog("ignored: not an issuer, settings or CRL", "elsewhere/notes.txt")
	s.upload("crls/page.crl", []byte("<html>no CRL</html>"), preprocess.OutcomeRefused)
	s.drain()
}

// large is a CRL whose set is too large to be fetched at once, and another each time.
func (s *scenario) large() []byte {
	return s.ca.crl(func(o *pki.CRLOptions) { o.EntrySeq = serials(20_000 + o.Number.Int64()) })
}

func serials(n int64) func(yield func(pki.Entry) bool) {
	return func(yield func(pki.Entry) bool) {
		base := new(big.Int).Lsh(big.NewInt(1), 100)
		for i := range n {
			if !yield(pki.Entry{Serial: new(big.Int).Add(base, big.NewInt(i))}) {
				return
			}
		}
	}
}

func (s *scenario) requests() {
	s.t.Helper()
	for range 12 { // by range at first, then in memory
		s.expect(s.good, http.StatusOK, "good")
		s.expect(s.revoked, http.StatusForbidden, "revoked")
	}
	s.awaitLog(`"set loaded"`)
	gone := s.ca.entries
	s.ca.entries = nil
	s.upload("crls/alpha.crl", s.large(), preprocess.OutcomeAccepted)
	s.awaitLog("compared with the CRL before", `"vanished":1`)
	s.ca.entries = gone
	s.upload("crls/alpha.crl", s.large(), preprocess.OutcomeAccepted)
	s.expect(s.revoked, http.StatusForbidden, "revoked")
}

// faultsOfTheAuthorizer spoils what it reads.
func (s *scenario) faultsOfTheAuthorizer() {
	s.t.Helper()
	for fault, message := range map[*s3proc.Fault]string{ref(s3proc.Answer(http.StatusForbidden)): "set not loaded", ref(s3proc.Corrupt(0)): "set fails its hash"} {
		remove := s.Proxy.Inject(s3proc.Prefix(http.MethodGet, s.cacheBucket, "sets/"), *fault)
		s.upload("crls/alpha.crl", s.large(), preprocess.OutcomeAccepted)
		eventually(s.t, message, func() bool {
			s.get(s.good)
			return s.logged(message) != ""
		})
		remove()
	}
	data, object, err := s.Cache.ReadAll(s.t.Context(), catalog.Key, catalog.MaxSize, objectstore.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	version, err := s.Cache.Put(s.t.Context(), catalog.Key, strings.NewReader("{}"), objectstore.PutOptions{IfMatch: object.Version})
	if err != nil {
		s.t.Fatal(err)
	}
	s.get(s.good)
	s.awaitLog("catalog not revalidated", "catalog.json")
	if _, err := s.Cache.Put(s.t.Context(), catalog.Key, strings.NewReader(string(data)), objectstore.PutOptions{IfMatch: version}); err != nil {
		s.t.Fatal(err)
	}
	remove := s.Proxy.Inject(s3proc.Object(http.MethodGet, s.cacheBucket, catalog.Key), s3proc.Hang())
	time.Sleep(1100 * time.Millisecond) // what is warm is older than a request waits
	s.get(s.good)
	remove()
}

func ref(f s3proc.Fault) *s3proc.Fault { return &f }

// faultsOfThePreprocessor fails its comparison, its writing and its run.
func (s *scenario) faultsOfThePreprocessor() {
	s.t.Helper()
	sets := func(r s3proc.Request) bool {
		return s3proc.Prefix(http.MethodGet, s.cacheBucket, "sets/")(r) && strings.HasSuffix(r.Key, ".cache") // and no JSON
	}
	remove := s.PreprocessorProxy.Inject(sets, s3proc.Answer(http.StatusForbidden))
	s.upload("crls/alpha.crl", s.large(), preprocess.OutcomeAccepted)
	s.awaitLog("not compared with the CRL before")
	remove()
	remove = s.PreprocessorProxy.Inject(s3proc.Object(http.MethodPut, s.cacheBucket, catalog.Key), s3proc.AnswerApplied(http.StatusServiceUnavailable).Times(1))
	s.upload("crls/alpha.crl", s.large(), preprocess.OutcomeAccepted)
	s.awaitLog("though S3's answer was lost")
	remove()
	remove = s.PreprocessorProxy.Inject(s3proc.Object(http.MethodGet, s.cacheBucket, catalog.Key), s3proc.Answer(http.StatusForbidden).Times(1))
	s.Deliver([]byte(preprocess.ReconcileRequest))
	s.awaitLog(`"not done"`)
	s.drain()
	remove()
}

// partitions makes the catalog one that is kept in parts, and one part missing.
func (s *scenario) partitions() {
	s.t.Helper()
	point := func(i int) string { return fmt.Sprintf("http://crl.example.com/partition-%d.crl", i) }
	for i := range 34 {
		s.upload(fmt.Sprintf("crls/partition-%d.crl", i), s.ca.crl(func(o *pki.CRLOptions) {
			o.IDP = &pki.IDP{FullNames: []string{point(i)}}
			o.Entries = nil
		}), preprocess.OutcomeAccepted)
	}
	leaf := s.ca.issueWith("of a partition", pki.LeafOptions{CRLDistributionPoints: []string{point(7)}})
	remove := s.Proxy.Inject(s3proc.Prefix(http.MethodGet, s.cacheBucket, "catalog/"), s3proc.Answer(http.StatusForbidden))
	eventually(s.t, "a part that is missing", func() bool {
		s.get(leaf)
		return s.logged("part of the catalog not loaded") != ""
	})
	remove()
}

// modes lets in what would be denied.
func (s *scenario) modes() {
	s.t.Helper()
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	s.upload("issuers/alpha.json", []byte(`{"mode":"observe","allow_until":"`+until+`"}`), preprocess.OutcomeAccepted)
	s.await(s.revoked, http.StatusOK, "revoked", "revoked")
	// The modes are recorded at most once in ten seconds.
	eventually(s.t, "the metric ObserveMode", func() bool {
		s.get(s.revoked)
		return s.logged(`"ObserveMode"`) != "" && s.logged(`"BreakGlass"`) != ""
	})
}
