package preprocess_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/preprocess"
)

// sampleBucket is the bucket of the events in folder events.
const sampleBucket = "crlgate-upload-111122223333-eu-west-1"

func sample(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("../../events", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

const scheduled = `{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa","detail-type":"Scheduled Event","source":"aws.events",
	"account":"111122223333","time":"2026-11-15T12:00:00Z","region":"eu-west-1","resources":["arn:aws:events:eu-west-1:111122223333:rule/timer"],"detail":{}}`

func record(source, bucket, key string) string {
	return fmt.Sprintf(`{"eventVersion":"2.4","eventSource":%q,"eventName":"ObjectCreated:CompleteMultipartUpload","s3":{"bucket":{"name":%q},"object":{"key":%q}}}`, source, bucket, key)
}

func TestParseEvent(t *testing.T) {
	of := func(keys ...string) string {
		var records []string
		for _, k := range keys {
			records = append(records, record("aws:s3", sampleBucket, k))
		}
		return `{"Records":[` + strings.Join(records, ",") + `]}`
	}
	for _, tt := range []struct {
		what, event string
		want        preprocess.Request
	}{
		{"put", string(sample(t, "s3-put.json")), preprocess.Request{Keys: []string{"crls/partner-a.crl"}}},
		{"delete", string(sample(t, "s3-delete.json")), preprocess.Request{Keys: []string{"crls/partner-a.crl"}}},
		{"two records", string(sample(t, "s3-two-records-encoded-key.json")), preprocess.Request{Keys: []string{"crls/Partner B (EU)+1.crl", "issuers/café.pem"}}},
		{"S3's test", string(sample(t, "s3-test-event.json")), preprocess.Request{Test: true}},
		{"timer", preprocess.ReconcileRequest, preprocess.Request{Reconcile: true}},
		{"EventBridge", scheduled, preprocess.Request{Reconcile: true}},
		{"encoded", of("crls/a+b%2Bc%25d%C3%BC/e%2Ff.crl"), preprocess.Request{Keys: []string{"crls/a b+c%dü/e/f.crl"}}},
		{"percent signs in the key", of("crls/100%2525.crl"), preprocess.Request{Keys: []string{"crls/100%25.crl"}}},
		{"duplicates, in order", of("b", "a", "b", "%61"), preprocess.Request{Keys: []string{"b", "a"}}},
		{"eventVersion 2.0", strings.Replace(of("a"), "2.4", "2.0", 1), preprocess.Request{Keys: []string{"a"}}},
		{"eventVersion 2.99", strings.Replace(of("a"), "2.4", "2.99", 1), preprocess.Request{Keys: []string{"a"}}},
		{"MinIO", `{"EventName":"s3:ObjectCreated:Put","Key":"uploads/a","Records":[` + record("minio:s3", sampleBucket, "a") + `]}`, preprocess.Request{Keys: []string{"a"}}},
	} {
		got, err := preprocess.ParseEvent([]byte(tt.event), sampleBucket)
		if err != nil || !slices.Equal(got.Keys, tt.want.Keys) || got.Reconcile != tt.want.Reconcile || got.Test != tt.want.Test {
			t.Errorf("%s: %+v, %v", tt.what, got, err)
		}
	}
}

// TestParseEventRefused: each error names what is wrong, since it ends up on
// the failure queue.
func TestParseEventRefused(t *testing.T) {
	for event, want := range map[string]string{
		``:                      "not JSON",
		`{`:                     "not JSON",
		`"reconcile"`:           "not JSON",
		`{"Records":{}}`:        "not JSON",
		`null`:                  "neither an S3 event notification nor",
		`{}`:                    "neither an S3 event notification nor",
		`{"Records":[]}`:        "neither an S3 event notification nor",
		`{"crlgate":"forgive"}`: `asks for "forgive"`,
		`{"crlgate":"forget"}`:  `must name one of`,
		`{"crlgate":"forget","crl":"crls/a.crl","ca":"a"}`:             `must name one of`,
		`{"crlgate":"forget","crl":"crls/a.crl","because":"I can"}`:    `unknown field "because"`,
		`{"source":"aws.events"}`:                                      "neither an S3 event notification nor",
		`{"Event":"s3:OtherEvent"}`:                                    "neither an S3 event notification nor",
		`{"Records":[{"eventSource":"aws:sqs","body":"{}"}]}`:          `record 0 is of "aws:sqs"`,
		`{"Records":[` + record("aws:s3", sampleBucket, "") + `]}`:     "names no S3 object",
		`{"Records":[` + record("aws:s3", "cache", "a") + `]}`:         `record 0 is of bucket "cache", and this function reads "` + sampleBucket + `" (UPLOAD_BUCKET)`,
		`{"Records":[` + record("aws:s3", sampleBucket, "a%zz") + `]}`: `key "a%zz" is not form-encoded`,
		string(bytes.Repeat([]byte("["), 20_000)):                      "not JSON",
	} {
		got, err := preprocess.ParseEvent([]byte(event), sampleBucket)
		if err == nil || !strings.Contains(err.Error(), want) || len(got.Keys) > 0 || got.Reconcile || got.Test {
			t.Errorf("%.60s: %+v, %v; want %q", event, got, err, want)
		}
	}
}

// TestHandleEvents: the payloads that ask for nothing, or for everything.
func TestHandleEvents(t *testing.T) {
	w, ca := newWorld(t), newCA(t, "a")
	w.config.UploadBucket = sampleBucket
	w.uploads.Store(pem, ca.PEM())
	w.uploads.Store(key, crlOf(t, ca, 5))
	p := w.preprocessor()
	if err := p.Handle(t.Context(), sample(t, "s3-test-event.json"), now); err != nil || len(w.cache.Calls()) > 0 {
		t.Errorf("test event: %v, %d calls", err, len(w.cache.Calls()))
	}
	if err := p.Handle(t.Context(), []byte("{}"), now); err == nil {
		t.Error("no event was handled")
	}
	if err := p.Handle(t.Context(), []byte(scheduled), now); err != nil {
		t.Error(err)
	}
	w.wantInForce("a #5 " + key)
	if w.metrics.count("serves a") != 1 {
		t.Errorf("%q", w.metrics.got)
	}
	// Without metrics, and with a key that is nothing of ours among others.
	quiet := preprocess.New(w.uploads, w.cache, w.config, slog.New(slog.DiscardHandler), nil)
	w.uploads.Store(key, crlOf(t, ca, 6))
	payload := strings.ReplaceAll(string(event("README", key, pem, "crls/none.crl")), uploadBucket, sampleBucket)
	if err := quiet.Handle(t.Context(), []byte(payload), now); err != nil {
		t.Error(err)
	}
	w.wantInForce("a #6 " + key)
}

// FuzzEvent: a payload from outside never panics, and asks for one thing only.
func FuzzEvent(f *testing.F) {
	samples, err := filepath.Glob("../../events/s3-*.json")
	if err != nil || len(samples) < 4 {
		f.Fatalf("only %d sample events: %v", len(samples), err)
	}
	for _, name := range samples {
		f.Add(sample(f, filepath.Base(name)))
	}
	for _, event := range []string{preprocess.ReconcileRequest, scheduled, `{}`, `null`, `{"Records":[` + record("aws:s3", sampleBucket, "crls/a+%2B%C3%BC") + `]}`} {
		f.Add([]byte(event))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := preprocess.ParseEvent(payload, sampleBucket)
		asks := 0
		for _, yes := range []bool{r.Reconcile, r.Test, len(r.Keys) > 0} {
			if yes {
				asks++
			}
		}
		if err != nil && asks != 0 || err == nil && asks != 1 {
			t.Errorf("%q: %+v, %v", payload, r, err)
		}
		for i, k := range r.Keys {
			if k == "" || slices.Contains(r.Keys[:i], k) {
				t.Errorf("%q: keys %q", payload, r.Keys)
			}
		}
	})
}
