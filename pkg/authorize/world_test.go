package authorize_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// start is when the tests' world begins.
var start = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// world is the upload bucket, the preprocessor's checks and the cache bucket.
type world struct {
	uploads, bucket *objectstoretest.Bucket
	pre             *preprocess.Preprocessor
	now             time.Time
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{uploads: objectstoretest.NewBucket(objectstoretest.Named("uploads")), bucket: objectstoretest.NewBucket(objectstoretest.Named("cache")), now: start}
	w.pre = preprocess.New(w.uploads, w.bucket, preprocess.Config{
		UploadBucket: "uploads", IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/"}, MaxCRLBytes: 1 << 30,
	}, slog.New(slog.DiscardHandler), nil)
	return w
}

// put uploads an object, and fails the test unless it is accepted.
func (w *world) put(tb testing.TB, key string, body []byte) {
	tb.Helper()
	w.uploads.Store(key, body)
	if err := w.pre.Changed(context.Background(), []string{key}, w.now); err != nil {
		tb.Fatal(err)
	}
	report, _, _ := w.bucket.Load("reports/" + key + ".json")
	if !bytes.Contains(report, []byte(`"accepted"`)) {
		tb.Fatalf("%s: %s", key, report)
	}
}

// crl uploads a CRL of the CA with these serial numbers.
func (w *world) crl(tb testing.TB, key string, ca *pki.CA, number int64, serials ...int64) {
	tb.Helper()
	o := pki.CRLOptions{Number: big.NewInt(number), ThisUpdate: w.now.Add(-time.Minute), NextUpdate: w.now.Add(24 * time.Hour)}
	for _, s := range serials {
		o.Entries = append(o.Entries, pki.Entry{Serial: big.NewInt(s), Reason: pki.KeyCompromise})
	}
	w.put(tb, key, pkitest.CRL(tb, ca, o))
}

func (w *world) cache() *revocation.Cache {
	return revocation.New(w.bucket, revocation.Config{
		RevalidateAfter: revocation.DefaultRevalidateAfter, MaxUnvalidated: revocation.DefaultMaxUnvalidated, MemoryBudget: 256 << 20,
	}, w.clock, slog.New(slog.DiscardHandler), nil)
}

func (w *world) clock() time.Time { return w.now }

// handler is the handler over this world, with a log that is written to out.
func (w *world) handler(out io.Writer, change func(*authorize.Config)) *authorize.Handler {
	c := authorize.Config{
		Asker: w.cache(), Log: slog.New(slog.NewJSONHandler(out, nil)), Clock: w.clock,
		RequestID: func(context.Context) string { return "invocation-1" },
	}
	if change != nil {
		change(&c)
	}
	return authorize.New(c)
}

var pemField = regexp.MustCompile(`"clientCertPem": "[^"]*"`)

// sample returns a sample event of the repository.
func sample(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile("../../events/" + name + ".json")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// event is the sample event of a form with another certificate, without the
// white space, as API Gateway sends it.
func event(tb testing.TB, form string, pem []byte) []byte {
	tb.Helper()
	text, err := json.Marshal(string(pem))
	if err != nil {
		tb.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, pemField.ReplaceAllLiteral(sample(tb, form+"-good"), append([]byte(`"clientCertPem":`), text...))); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// forms are the wire forms, by the names that the samples have.
var forms = map[string]authorize.Form{"rest": authorize.REST, "http1": authorize.HTTP1, "http2": authorize.HTTP2}
