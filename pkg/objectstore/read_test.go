package objectstore_test

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

func TestGetSendsEachConditionAsAHeader(t *testing.T) {
	tests := []struct {
		name   string
		opts   objectstore.GetOptions
		header map[string]string
		query  string
	}{
		{"none", objectstore.GetOptions{}, map[string]string{"If-Match": "", "If-None-Match": "", "Range": ""}, "x-id=GetObject"},
		{"if none match", objectstore.GetOptions{IfNoneMatch: `"e1"`}, map[string]string{"If-None-Match": `"e1"`, "If-Match": ""}, "x-id=GetObject"},
		{"an ETag without quotes goes out as it came", objectstore.GetOptions{IfNoneMatch: `e1`}, map[string]string{"If-None-Match": `e1`}, "x-id=GetObject"},
		{"if match", objectstore.GetOptions{IfMatch: `"e1"`}, map[string]string{"If-Match": `"e1"`, "If-None-Match": ""}, "x-id=GetObject"},
		{"version id", objectstore.GetOptions{VersionID: "v/1"}, map[string]string{"If-Match": ""}, "versionId=v%2F1&x-id=GetObject"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t, answer(200, "hello", `ETag: "e2"`, "X-Amz-Version-Id: v7", modified))
			r, err := w.bucket(t).Get(t.Context(), "crls/a b+c.crl", tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			if got := drain(t, r); got != "hello" {
				t.Errorf("body %q", got)
			}
			want := objectstore.Object{
				Key: "crls/a b+c.crl", Version: `"e2"`, VersionID: "v7", Size: 5,
				LastModified: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
			}
			if !reflect.DeepEqual(r.Object, want) {
				t.Errorf("object %+v, want %+v", r.Object, want)
			}
			sent := w.requests()[0]
			if sent.Method != "GET" || sent.Path != "/bucket/crls/a%20b%2Bc.crl" || sent.Query != tt.query {
				t.Errorf("sent %s %s?%s", sent.Method, sent.Path, sent.Query)
			}
			for name, value := range tt.header {
				if got := sent.Header.Get(name); got != value {
					t.Errorf("header %s: %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestGetRange(t *testing.T) {
	tests := []struct {
		name         string
		ask          objectstore.Range
		header       string
		contentRange string
		body         string
		fault        string // in the error; "" for none
	}{
		{"inside", objectstore.Range{Offset: 2, Length: 3}, "bytes=2-4", "bytes 2-4/10", "234", ""},
		{"from the start", objectstore.Range{Length: 3}, "bytes=0-2", "bytes 0-2/10", "012", ""},
		{"to the end", objectstore.Range{Offset: 7}, "bytes=7-", "bytes 7-9/10", "789", ""},
		{"past the end", objectstore.Range{Offset: 7, Length: 100}, "bytes=7-106", "bytes 7-9/10", "789", ""},
		{"another place", objectstore.Range{Offset: 2, Length: 3}, "bytes=2-4", "bytes 3-5/10", "345", "asked for 3 bytes from 2"},
		{"too few", objectstore.Range{Offset: 2, Length: 3}, "bytes=2-4", "bytes 2-3/10", "23", "asked for 3 bytes from 2"},
		{"other length than announced", objectstore.Range{Offset: 2, Length: 3}, "bytes=2-4", "bytes 2-4/10", "2345", "asked for 3 bytes from 2"},
		{"range ignored", objectstore.Range{Offset: 2, Length: 3}, "bytes=2-4", "", "0123456789", `Content-Range is ""`},
		{"nonsense", objectstore.Range{Offset: 2, Length: 3}, "bytes=2-4", "bytes 4-2/10", "234", "Content-Range is"},
		{"size unknown", objectstore.Range{Offset: 2, Length: 3}, "bytes=2-4", "bytes 2-4/*", "234", "Content-Range is"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status := 206
			if tt.contentRange == "" {
				status = 200
			}
			w := newWire(t, answer(status, tt.body, `ETag: "e2"`, "Content-Range: "+tt.contentRange, modified))
			r, err := w.bucket(t).Get(t.Context(), "sets/x.cache", objectstore.GetOptions{Range: tt.ask, IfMatch: `"e2"`})
			sent := w.requests()[0]
			if got := sent.Header.Get("Range"); got != tt.header {
				t.Errorf("Range: %q, want %q", got, tt.header)
			}
			if got := sent.Header.Get("If-Match"); got != `"e2"` {
				t.Errorf("If-Match: %q", got)
			}
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Fatalf("error %v, want %q in it", err, tt.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.Object.Size != 10 || r.Offset != tt.ask.Offset || r.Length != int64(len(tt.body)) {
				t.Errorf("size %d, offset %d, length %d", r.Object.Size, r.Offset, r.Length)
			}
			if got := drain(t, r); got != tt.body {
				t.Errorf("body %q, want %q", got, tt.body)
			}
		})
	}
}

func TestGetRefusesARangeThatIsNone(t *testing.T) {
	w := newWire(t, refusal(500, "InternalError"))
	b := w.bucket(t)
	for _, bad := range []objectstore.Range{{Offset: -1}, {Length: -1}, {Offset: 1 << 62, Length: 1 << 62}} {
		if _, err := b.Get(t.Context(), "k", objectstore.GetOptions{Range: bad}); err == nil || objectstore.IsTransient(err) {
			t.Errorf("%+v: error %v", bad, err)
		}
	}
	if n := len(w.requests()); n != 0 {
		t.Errorf("%d requests went out", n)
	}
}

func TestGetWithoutContentLengthIsRefused(t *testing.T) {
	w := newWire(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "part")
		_ = http.NewResponseController(w).Flush() // chunked from here on
		_, _ = io.WriteString(w, "part")
	})
	_, err := w.bucket(t).Get(t.Context(), "k", objectstore.GetOptions{})
	if err == nil || !strings.Contains(err.Error(), "no Content-Length") {
		t.Fatalf("error %v", err)
	}
}

// crc32Header is the checksum as S3 sends it along.
func crc32Header(body string) string {
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body)))
	return "X-Amz-Checksum-Crc32: " + base64.StdEncoding.EncodeToString(sum)
}

func TestBodyIsComparedWithStoredChecksum(t *testing.T) {
	w := newWire(t,
		answer(200, "hello", `ETag: "e"`, crc32Header("hello")),
		answer(200, "hellO", `ETag: "e"`, crc32Header("hello")))
	b := w.bucket(t)
	if err := get(t.Context(), b, objectstore.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := w.requests()[0].Header.Get("X-Amz-Checksum-Mode"); got != "ENABLED" {
		t.Errorf("checksum mode %q", got)
	}
	err := get(t.Context(), b, objectstore.GetOptions{})
	if !errors.Is(err, objectstore.ErrUnavailable) || !strings.HasPrefix(err.Error(), "reading s3://bucket/catalog.json: ") {
		t.Errorf("altered body: %v", err)
	}
}

func TestReadAllCap(t *testing.T) {
	w := newWire(t, answer(200, "hello", `ETag: "e"`))
	b := w.bucket(t)
	body, object, err := b.ReadAll(t.Context(), "k", 5, objectstore.GetOptions{})
	if err != nil || string(body) != "hello" || object.Version != `"e"` || object.Size != 5 {
		t.Fatalf("%q %+v %v", body, object, err)
	}
	_, _, err = b.ReadAll(t.Context(), "k", 4, objectstore.GetOptions{})
	var tooLarge *objectstore.TooLargeError
	if !errors.As(err, &tooLarge) {
		t.Fatalf("error %v, want a *TooLargeError", err)
	}
	if tooLarge.Key != "k" || tooLarge.Limit != 4 || tooLarge.Size != 5 || objectstore.IsTransient(err) {
		t.Errorf("%+v", tooLarge)
	}
	if want := "reading s3://bucket/k: 5 bytes are more than the limit of 4"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestReadAllStartsOverAfterATornBody(t *testing.T) {
	w := newWire(t,
		torn(200, 10, "hello", `ETag: "e1"`),
		answer(200, "HELLO WORLD", `ETag: "e2"`))
	body, object, err := w.bucket(t, objectstore.WithMaxAttempts(2)).ReadAll(t.Context(), "k", 100, objectstore.GetOptions{})
	if err != nil || string(body) != "HELLO WORLD" || object.Version != `"e2"` || object.Size != 11 {
		t.Fatalf("%q %+v %v", body, object, err)
	}
	if n := len(w.requests()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestReadAllGivesUpAfterMaxAttempts(t *testing.T) {
	w := newWire(t, torn(200, 10, "hello", `ETag: "e1"`))
	_, _, err := w.bucket(t, objectstore.WithMaxAttempts(2)).ReadAll(t.Context(), "k", 100, objectstore.GetOptions{})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !objectstore.IsTransient(err) {
		t.Fatalf("error %v", err)
	}
	if n := len(w.requests()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestHead(t *testing.T) {
	w := newWire(t, answer(200, "", `ETag: "e2"`, "X-Amz-Version-Id: v7", modified, "Content-Length: 42"))
	object, err := w.bucket(t).Head(t.Context(), "k")
	want := objectstore.Object{
		Key: "k", Version: `"e2"`, VersionID: "v7", Size: 42,
		LastModified: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	}
	if err != nil || !reflect.DeepEqual(object, want) {
		t.Fatalf("%+v %v", object, err)
	}
	if sent := w.requests()[0]; sent.Method != "HEAD" || sent.Path != "/bucket/k" {
		t.Errorf("sent %s %s", sent.Method, sent.Path)
	}
}
