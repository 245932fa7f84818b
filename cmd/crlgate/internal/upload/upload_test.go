package upload

import (
	"bytes"
	"context"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

const testdata = "../../../../testdata"

func TestPlan(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	ca, err := os.ReadFile(filepath.Join(testdata, "issuers/ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(ca)
	crl, err := os.ReadFile(filepath.Join(testdata, "sound/der.crl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, as, want string }{
		{write("a.pem", string(ca)), "", "issuer issuers/a.pem"},
		{write("a.crt", string(ca)), "", "issuer issuers/a.pem"},
		{write("b.der", string(block.Bytes)), "", "issuer issuers/b.pem"},
		{write("b.json", " {\"mode\":\"observe\"}\n"), "", "settings issuers/b.json"},
		{write("c.crl", string(crl)), "", "crl crls/c.crl"},
		{filepath.Join(testdata, "sound/pem_with_text.crl"), "", "crl crls/pem_with_text.crl"},
		{filepath.Join(dir, "c.crl"), "crl/b5d0.crl", "crl crl/b5d0.crl"},
		{filepath.Join(dir, "a.crt"), "issuers/x.pem", "issuer issuers/x.pem"},
		{write("junk", "junk"), "crls/junk", "crl crls/junk"},
		{write("empty", ""), "issuers/e.json", "settings issuers/e.json"},
		{filepath.Join(dir, "junk"), "", "is neither a CRL"},
		{filepath.Join(dir, "c.crl"), "issuers/c.pem", "holds a CRL, and those lie at crls/… or crl/…"},
		{filepath.Join(dir, "a.crt"), "issuers/a/b.pem", "holds certificates of a CA"},
		{filepath.Join(dir, "a.crt"), "issuers/.pem", "holds certificates of a CA"},
		{filepath.Join(dir, "c.crl"), "elsewhere/c.crl", "those lie at"},
		{write("key.pem", string(ca)+"-----BEGIN EC PRIVATE KEY-----\n"), "issuers/key.pem", "holds a private key"},
		{write("both.pem", string(ca)+"-----BEGIN X509 CRL-----\n"), "", "holds a CRL and certificates"},
		{dir, "", "is not a file"},
		{filepath.Join(dir, "missing"), "", "no such file"},
	} {
		files, err := Standard.Plan([]string{c.file}, c.as)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = files[0].Kind + " " + files[0].Key
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s --as %q: %s, want %s", filepath.Base(c.file), c.as, got, c.want)
		}
	}
	if _, err := Standard.Plan([]string{filepath.Join(dir, "a.pem"), filepath.Join(dir, "a.crt")}, ""); err == nil || !strings.Contains(err.Error(), "would both become issuers/a.pem") {
		t.Errorf("two files of one key: %v", err)
	}
	if _, err := Standard.Plan([]string{"a", "b"}, "crls/a"); err == nil {
		t.Error("--as with two files is accepted")
	}
	files, err := Standard.Plan([]string{filepath.Join(dir, "c.crl"), filepath.Join(dir, "b.json"), filepath.Join(dir, "a.pem")}, "")
	if err != nil || files[0].Kind != preprocess.KindIssuer || files[2].Kind != preprocess.KindCRL {
		t.Errorf("the plan is %v (%v), want issuers first", files, err)
	}
}

// site is a target in memory whose preprocessor runs after each write, as if
// by an event, unless it is off.
type site struct {
	*objectstoretest.Bucket
	cache *objectstoretest.Bucket
	pre   *preprocess.Preprocessor
	off   bool
}

func newSite() *site {
	s := &site{Bucket: objectstoretest.NewBucket(), cache: objectstoretest.NewBucket()}
	s.pre = preprocess.New(s.Bucket, s.cache, preprocess.Config{IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/"}}, slog.New(slog.DiscardHandler), nil)
	return s
}

func (s *site) Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (objectstore.Version, error) {
	v, err := s.Bucket.Put(ctx, key, body, opts)
	if err == nil && !s.off {
		go func() { _ = s.pre.Changed(context.Background(), []string{key}, time.Now()) }()
	}
	return v, err
}

func (s *site) run(t *testing.T, files ...string) (map[string]preprocess.Outcome, error) {
	t.Helper()
	plan, err := Standard.Plan(files, "")
	if err != nil {
		t.Fatal(err)
	}
	u := &Uploader{Uploads: s, Cache: s.cache, Wait: 30 * time.Second, Settle: 2 * time.Second}
	if s.off {
		u.Wait = 50 * time.Millisecond
	}
	got := map[string]preprocess.Outcome{}
	err = u.Run(t.Context(), plan, func(r Result) { got[r.Key] = r.Report.Outcome })
	return got, err
}

func TestRunWaitsForTheReportOnTheseBytes(t *testing.T) {
	dir := t.TempDir()
	ca, err := pki.NewCA(pki.CAOptions{Name: pkix.Name{CommonName: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	crl := func(number int64) []byte {
		b, err := ca.CRL(pki.CRLOptions{Number: big.NewInt(number), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	issuers, list := filepath.Join(dir, "a.pem"), filepath.Join(dir, "a.crl")
	write := func(p string, data []byte) {
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seven := crl(7)
	write(issuers, ca.PEM())
	write(list, seven)
	s := newSite()
	for _, step := range []struct {
		what    string
		prepare func()
		files   []string
		want    map[string]preprocess.Outcome
	}{
		{"a CRL without its issuer", func() {}, []string{list}, map[string]preprocess.Outcome{"crls/a.crl": "pending"}},
		{"the same bytes again, still without", func() {}, []string{list}, map[string]preprocess.Outcome{"crls/a.crl": "pending"}},
		{"the same bytes, with the issuer", func() {}, []string{list, issuers}, map[string]preprocess.Outcome{"crls/a.crl": "accepted", "issuers/a.pem": "accepted"}},
		{"both again", func() {}, []string{list, issuers}, map[string]preprocess.Outcome{"crls/a.crl": "accepted", "issuers/a.pem": "accepted"}},
		{"a lower number", func() { write(list, crl(6)) }, []string{list}, map[string]preprocess.Outcome{"crls/a.crl": "refused"}},
		{"a lower number again", func() {}, []string{list}, map[string]preprocess.Outcome{"crls/a.crl": "refused"}},
		{"what is in force, after the lower one", func() { write(list, seven) }, []string{list}, map[string]preprocess.Outcome{"crls/a.crl": "accepted"}},
	} {
		step.prepare()
		got, err := s.run(t, step.files...)
		if err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		for key, want := range step.want {
			if got[key] != want {
				t.Errorf("%s: %s is %q, want %q", step.what, key, got[key], want)
			}
		}
	}
	s.off = true
	write(list, crl(8))
	if _, err := s.run(t, list); err == nil || !strings.Contains(err.Error(), "is the preprocessor deployed") {
		t.Errorf("no preprocessor: %v", err)
	}
}

func TestRunEndsAtAFileThatIsGone(t *testing.T) {
	s := newSite()
	u := &Uploader{Uploads: s, Cache: s.cache, Wait: time.Minute}
	err := u.Run(t.Context(), []File{{Path: filepath.Join(t.TempDir(), "gone"), Kind: preprocess.KindCRL, Key: "crls/gone"}}, func(Result) {})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestPrintReport(t *testing.T) {
	var out bytes.Buffer
	for _, r := range []preprocess.Report{
		{Key: "crls/a", Outcome: "accepted", Code: "accepted", Detail: "it is in force"},
		{Key: "crls/b", Outcome: "refused", Code: "trailing_data", Detail: "it goes on"},
	} {
		if err := PrintReport(&out, "> ", &r, false); err != nil {
			t.Fatal(err)
		}
	}
	if want := "> accepted  crls/a  it is in force\n> refused   crls/b  trailing_data: it goes on\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
