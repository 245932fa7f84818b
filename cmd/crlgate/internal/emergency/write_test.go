package emergency

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/objectstore/objectstoretest"
)

var now = time.Date(2026, 1, 31, 2, 0, 0, 0, time.UTC)

// noting is a bucket that keeps the options of the writes.
type noting struct {
	*objectstoretest.Bucket
	puts []objectstore.PutOptions
	lost bool // the answer to the next write is lost
}

func (n *noting) Put(ctx context.Context, key string, body io.ReadSeeker, opts objectstore.PutOptions) (objectstore.Version, error) {
	n.puts = append(n.puts, opts)
	v, err := n.Bucket.Put(ctx, key, body, opts)
	if n.lost && err == nil {
		n.lost = false
		return "", objectstore.ErrPreconditionFailed // the SDK tried again, and met itself
	}
	return v, err
}

func writer(b Uploads, ask func(before, after []byte) bool) *Writer {
	return &Writer{Uploads: b, Prefix: "issuers/", Now: func() time.Time { return now }, Ask: func(_ string, before, after []byte, _ []string) (bool, error) {
		return ask(before, after), nil
	}}
}

func yes([]byte, []byte) bool { return true }

func denyOne(t *testing.T) *Deny { return &Deny{Serials: []issuer.Serial{serial(t, "0a1b")}} }

func TestWritesInPlaceOfWhatWasRead(t *testing.T) {
	b := &noting{Bucket: objectstoretest.NewBucket()}
	note := Note("alice@host", "stolen, \x1b[31m é", denyOne(t), now)
	got, err := writer(b, yes).Write(t.Context(), "a", denyOne(t), note)
	if err != nil || got.Nothing || got.Previous != "" || got.Key != "issuers/a.json" {
		t.Fatalf("%+v, %v", got, err)
	}
	if put := b.puts[0]; !put.IfNoneMatch || put.IfMatch != "" || put.Metadata["crlgate-by"] != "alice@host" || put.Metadata["crlgate-change"] != "deny 0a1b" || put.Metadata["crlgate-at"] != "2026-01-31T02:00:00Z" {
		t.Errorf("a new file was written with %+v", put)
	}
	for name, value := range note {
		if strings.IndexFunc(value, func(r rune) bool { return r < 0x20 || r > 0x7e }) >= 0 || !strings.HasPrefix(name, "crlgate-") {
			t.Errorf("%s: %q cannot stand in a header", name, value)
		}
	}
	next, err := writer(b, yes).Write(t.Context(), "a", &Allow{now.Add(time.Hour)}, nil)
	if err != nil || next.Previous != got.Version {
		t.Fatalf("%+v, %v", next, err)
	}
	if put := b.puts[1]; put.IfNoneMatch || put.IfMatch != got.Version {
		t.Errorf("a file that was read was written with %+v", put)
	}
	again, err := writer(b, func([]byte, []byte) bool { t.Error("asked about nothing"); return true }).Write(t.Context(), "a", denyOne(t), nil)
	if err != nil || !again.Nothing || len(again.Notes) != 1 || len(b.puts) != 2 {
		t.Errorf("what is so already: %+v, %v, %d writes", again, err, len(b.puts))
	}
}

func TestSomebodyElseWritesMeanwhile(t *testing.T) {
	b := objectstoretest.NewBucket()
	b.Store("issuers/a.json", []byte(`{"mode":"observe"}`))
	var seen []string
	got, err := writer(b, func(before, _ []byte) bool {
		if seen = append(seen, string(before)); len(seen) == 1 {
			b.Store("issuers/a.json", []byte(`{"mode":"enforce"}`))
		}
		return true
	}).Write(t.Context(), "a", denyOne(t), nil)
	if err != nil || got.Nothing {
		t.Fatalf("%+v, %v", got, err)
	}
	if len(seen) != 2 || seen[1] != `{"mode":"enforce"}` {
		t.Errorf("shown: %q", seen)
	}
	if file, _, _ := b.Load("issuers/a.json"); string(file) != `{"mode":"enforce", "deny": ["0a1b"]}` {
		t.Errorf("the other's change is lost: %s", file)
	}
	if _, err := writer(b, func([]byte, []byte) bool {
		b.Store("issuers/b.json", []byte(`{"grace":"`+time.Duration(len(seen)).String()+`"}`))
		seen = append(seen, "")
		return true
	}).Write(t.Context(), "b", denyOne(t), nil); !errors.Is(err, ErrContended) {
		t.Errorf("against somebody who always writes: %v", err)
	}
}

func TestALostAnswerIsNoFailure(t *testing.T) {
	b := &noting{Bucket: objectstoretest.NewBucket(), lost: true}
	asked := 0
	got, err := writer(b, func([]byte, []byte) bool { asked++; return true }).Write(t.Context(), "a", denyOne(t), nil)
	if err != nil || got.Nothing || got.Version == "" || asked != 1 || len(b.puts) != 1 {
		t.Errorf("%+v, %v, asked %d times, %d writes", got, err, asked, len(b.puts))
	}
}

func TestNothingIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		file   string
		change Change
		ask    func([]byte, []byte) bool
		want   string
	}{
		"declined":           {`{}`, denyOne(t), func([]byte, []byte) bool { return false }, "nothing was written"},
		"refused before":     {`{"mode":"loud"}`, denyOne(t), yes, "issuers/a.json as it stands is refused (settings_invalid_value: "},
		"an unknown key":     {`{"denny":[]}`, denyOne(t), yes, "mend it first"},
		"refused afterwards": {`{}`, &Allow{now.Add(8 * 24 * time.Hour)}, yes, "issuers/a.json would be refused after the change: settings_invalid_value"},
	} {
		b := &noting{Bucket: objectstoretest.NewBucket()}
		b.Store("issuers/a.json", []byte(c.file))
		_, err := writer(b, c.ask).Write(t.Context(), "a", c.change, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || len(b.puts) != 0 {
			t.Errorf("%s: %v, %d writes", name, err, len(b.puts))
		}
	}
}

func TestWhichCA(t *testing.T) {
	b := objectstoretest.NewBucket(objectstoretest.Named("uploads"))
	if _, err := CA(t.Context(), b, "issuers/", "a"); err == nil || !strings.Contains(err.Error(), `there is no CA "a": the upload bucket uploads holds no issuers/a.pem; there are none`) {
		t.Errorf("%v", err)
	}
	b.Store("issuers/b.pem", nil)
	b.Store("issuers/b.json", nil)
	if _, err := CA(t.Context(), b, "issuers/", "a"); err == nil || !strings.HasSuffix(err.Error(), "there are: b") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"", "../a", "a/b"} {
		if _, err := CA(t.Context(), b, "issuers/", name); err == nil {
			t.Errorf("%q is taken for a CA", name)
		}
	}
}
