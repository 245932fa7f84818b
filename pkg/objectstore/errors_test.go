package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

var sentinels = []error{
	objectstore.ErrNotModified, objectstore.ErrNotFound, objectstore.ErrNoBucket, objectstore.ErrPreconditionFailed,
	objectstore.ErrConflict, objectstore.ErrForbidden, objectstore.ErrRange, objectstore.ErrUnavailable,
}

// wantKinds checks that err is these sentinels and no others.
func wantKinds(t *testing.T, err error, kinds ...error) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v", kinds)
	}
	for _, s := range sentinels {
		want := false
		for _, k := range kinds {
			want = want || k == s
		}
		if errors.Is(err, s) != want {
			t.Errorf("error %v: is %q: %v, want %v", err, s, !want, want)
		}
	}
}

// do makes one call of each kind.
var do = map[objectstore.Op]func(context.Context, *objectstore.Bucket) error{
	objectstore.OpGet: func(ctx context.Context, b *objectstore.Bucket) error {
		return get(ctx, b, objectstore.GetOptions{IfNoneMatch: `"e"`})
	},
	objectstore.OpHead: func(ctx context.Context, b *objectstore.Bucket) error {
		_, err := b.Head(ctx, "catalog.json")
		return err
	},
	objectstore.OpPut: func(ctx context.Context, b *objectstore.Bucket) error {
		_, err := b.Put(ctx, "catalog.json", strings.NewReader("x"), objectstore.PutOptions{})
		return err
	},
	objectstore.OpDelete: func(ctx context.Context, b *objectstore.Bucket) error {
		return b.Delete(ctx, "catalog.json", objectstore.DeleteOptions{})
	},
	objectstore.OpList: func(ctx context.Context, b *objectstore.Bucket) error {
		for _, err := range b.List(ctx, "catalog.json") {
			if err != nil {
				return err
			}
		}
		return nil
	},
}

func TestEveryAnswerHasItsSentinel(t *testing.T) {
	all := []objectstore.Op{objectstore.OpGet, objectstore.OpHead, objectstore.OpPut, objectstore.OpDelete, objectstore.OpList}
	read, object := []objectstore.Op{objectstore.OpGet}, all[:4]
	tests := []struct {
		status    int
		code      string
		ops       []objectstore.Op
		want      error // nil: none
		transient bool
	}{
		{304, "", read, objectstore.ErrNotModified, false},
		{400, "InvalidArgument", all, nil, false},
		{400, "ExpiredToken", all, nil, false},
		{400, "RequestTimeout", []objectstore.Op{objectstore.OpGet, objectstore.OpPut}, objectstore.ErrUnavailable, true},
		{400, "BadDigest", []objectstore.Op{objectstore.OpPut}, objectstore.ErrUnavailable, true},
		{403, "AccessDenied", all, objectstore.ErrForbidden, false},
		{403, "RequestTimeTooSkewed", []objectstore.Op{objectstore.OpGet, objectstore.OpPut}, objectstore.ErrUnavailable, true},
		{404, "NoSuchKey", object, objectstore.ErrNotFound, false},
		{404, "NoSuchVersion", []objectstore.Op{objectstore.OpGet}, objectstore.ErrNotFound, false},
		{404, "", object, objectstore.ErrNotFound, false},
		{404, "NoSuchBucket", []objectstore.Op{objectstore.OpGet, objectstore.OpPut, objectstore.OpDelete, objectstore.OpList}, objectstore.ErrNoBucket, false},
		{405, "MethodNotAllowed", read, objectstore.ErrNotFound, false},
		{405, "MethodNotAllowed", []objectstore.Op{objectstore.OpPut, objectstore.OpDelete}, nil, false},
		{409, "ConditionalRequestConflict", []objectstore.Op{objectstore.OpPut, objectstore.OpDelete}, objectstore.ErrConflict, true},
		{409, "OperationAborted", []objectstore.Op{objectstore.OpPut}, objectstore.ErrConflict, true},
		{409, "InvalidBucketState", []objectstore.Op{objectstore.OpPut}, nil, false},
		{412, "PreconditionFailed", object, objectstore.ErrPreconditionFailed, false},
		{416, "InvalidRange", read, objectstore.ErrRange, false},
		{429, "TooManyRequests", all, objectstore.ErrUnavailable, true},
		{500, "InternalError", all, objectstore.ErrUnavailable, true},
		{500, "", all, objectstore.ErrUnavailable, true},
		{501, "NotImplemented", all, nil, false},
		{503, "SlowDown", all, objectstore.ErrUnavailable, true},
		{503, "ServiceUnavailable", all, objectstore.ErrUnavailable, true},
		{504, "", all, objectstore.ErrUnavailable, true},
	}
	for _, tt := range tests {
		for _, op := range tt.ops {
			t.Run(fmt.Sprintf("%s %d %s", op, tt.status, tt.code), func(t *testing.T) {
				handler := refusal(tt.status, tt.code)
				if tt.code == "" || op == objectstore.OpHead {
					handler = answer(tt.status, "")
				}
				if op == objectstore.OpHead && tt.want == objectstore.ErrNoBucket {
					t.Fatal("a Head cannot tell")
				}
				err := do[op](t.Context(), newWire(t, handler).bucket(t))
				if tt.want == nil {
					wantKinds(t, err)
				} else {
					wantKinds(t, err, tt.want)
				}
				if got := objectstore.IsTransient(err); got != tt.transient {
					t.Errorf("transient: %v, want %v", got, tt.transient)
				}
				if prefix := string(op) + " s3://bucket/catalog.json: "; err == nil || !strings.HasPrefix(err.Error(), prefix) {
					t.Errorf("error %v, want %q in front", err, prefix)
				}
				var e *objectstore.Error
				if !errors.As(err, &e) || e.Status != tt.status {
					t.Errorf("error %#v, want an *Error of status %d", err, tt.status)
				}
			})
		}
	}
}

func TestErrorWords(t *testing.T) {
	for _, tt := range []struct {
		handler http.HandlerFunc
		want    string
	}{
		{refusal(403, "AccessDenied"), "getting s3://bucket/catalog.json: access denied (403 AccessDenied: Words of S3, request id REQ1): " +
			"the caller lacks a permission, or the key does not exist: without s3:ListBucket on the bucket, S3 answers 403 for a missing key"},
		{refusal(404, "NoSuchBucket"), "getting s3://bucket/catalog.json: no such bucket (404 NoSuchBucket: Words of S3, request id REQ1): " +
			"check the bucket's name and region"},
		{refusal(400, "InvalidArgument"), "getting s3://bucket/catalog.json: (400 InvalidArgument: Words of S3, request id REQ1)"},
	} {
		if err := do[objectstore.OpGet](t.Context(), newWire(t, tt.handler).bucket(t)); err == nil || err.Error() != tt.want {
			t.Errorf("error\n%v, want\n%s", err, tt.want)
		}
	}
}

func TestErrorsStayOnOneLine(t *testing.T) {
	b := newWire(t, refusal(404, "NoSuchKey")).bucket(t)
	_, err := b.Get(t.Context(), "crls/a\nlevel=ERROR\x1b[31m", objectstore.GetOptions{})
	if err == nil || strings.ContainsAny(err.Error(), "\n\x1b") || !strings.Contains(err.Error(), `crls/a\nlevel=ERROR\x1b[31m`) {
		t.Errorf("error %q", err)
	}
}

// closedAddress is where nobody listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestNobodyListens(t *testing.T) {
	w := newWire(t, refusal(500, "InternalError"))
	b := w.bucket(t, objectstore.WithEndpoint(closedAddress(t)), objectstore.WithMaxAttempts(2))
	for op, call := range do {
		err := call(t.Context(), b)
		wantKinds(t, err, objectstore.ErrUnavailable)
		if !objectstore.IsTransient(err) {
			t.Errorf("%s: not transient", op)
		}
		if !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "after 2 attempts") {
			t.Errorf("error %v", err)
		}
	}
}

func TestTornBody(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"whole":          torn(200, 10, "hello", `ETag: "e"`),
		"nothing of it":  torn(200, 10, "", `ETag: "e"`),
		"with checksum":  torn(200, 10, "hello", `ETag: "e"`, crc32Header("hello")),
		"all but a byte": torn(200, 10, "012345678", `ETag: "e"`),
	} {
		t.Run(name, func(t *testing.T) {
			err := get(t.Context(), newWire(t, handler).bucket(t), objectstore.GetOptions{})
			wantKinds(t, err, objectstore.ErrUnavailable)
			if !errors.Is(err, io.ErrUnexpectedEOF) || !objectstore.IsTransient(err) {
				t.Errorf("error %v", err)
			}
			if !strings.HasPrefix(err.Error(), "reading s3://bucket/catalog.json: S3 is unavailable: body ends after ") {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("ranged", func(t *testing.T) {
		w := newWire(t, torn(206, 10, "hello", `ETag: "e"`, "Content-Range: bytes 5-14/100"))
		err := get(t.Context(), w.bucket(t), objectstore.GetOptions{Range: objectstore.Range{Offset: 5, Length: 10}})
		wantKinds(t, err, objectstore.ErrUnavailable)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("of a listing", func(t *testing.T) {
		err := do[objectstore.OpList](t.Context(), newWire(t, torn(200, 500, `<ListBucketResult><Contents>`)).bucket(t))
		wantKinds(t, err, objectstore.ErrUnavailable)
	})
}

func TestHungServerAndTheCallersDeadline(t *testing.T) {
	for op, call := range do {
		t.Run(string(op), func(t *testing.T) {
			b := newWire(t, hang).bucket(t, objectstore.WithAttemptTimeout(0), objectstore.WithMaxAttempts(3))
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := call(ctx, b)
			wantKinds(t, err, objectstore.ErrUnavailable)
			if !errors.Is(err, context.DeadlineExceeded) || !objectstore.IsTransient(err) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestHungServerAndTheAttemptsBound(t *testing.T) {
	for op, call := range do {
		t.Run(string(op), func(t *testing.T) {
			w := newWire(t, hang)
			b := w.bucket(t, objectstore.WithAttemptTimeout(20*time.Millisecond), objectstore.WithMaxAttempts(2))
			err := call(t.Context(), b)
			wantKinds(t, err, objectstore.ErrUnavailable)
			if want := "after 2 attempts"; !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "no answer within 20ms") {
				t.Errorf("error %v, want %q in it", err, want)
			}
			// An attempt that ends before it reaches the server is one too.
			if n := len(w.requests()); n > 2 {
				t.Errorf("%d attempts", n)
			}
		})
	}
}

func TestHungBody(t *testing.T) {
	w := newWire(t, func(rw http.ResponseWriter, r *http.Request) {
		answer(200, "hello", `ETag: "e"`, "Content-Length: 10")(rw, r)
		_ = http.NewResponseController(rw).Flush()
		hang(rw, r)
	})
	t.Run("the attempt's bound", func(t *testing.T) {
		err := get(t.Context(), w.bucket(t, objectstore.WithAttemptTimeout(time.Second)), objectstore.GetOptions{})
		wantKinds(t, err, objectstore.ErrUnavailable)
		if !strings.Contains(err.Error(), "after 5 of 10 bytes: no answer within 1s") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the caller's deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := get(ctx, w.bucket(t), objectstore.GetOptions{})
		wantKinds(t, err, objectstore.ErrUnavailable)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the caller's cancellation", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		err := get(ctx, w.bucket(t), objectstore.GetOptions{})
		wantKinds(t, err)
		if !errors.Is(err, context.Canceled) || objectstore.IsTransient(err) {
			t.Errorf("error %v", err)
		}
	})
}

func TestASlowBodyIsNotAHungOne(t *testing.T) {
	w := newWire(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Length", "10")
		rw.Header().Set("ETag", `"e"`)
		for range 10 {
			_, _ = io.WriteString(rw, "x")
			_ = http.NewResponseController(rw).Flush()
			time.Sleep(200 * time.Millisecond)
		}
	})
	// Ten pieces, each well within the bound, together longer than it.
	if err := get(t.Context(), w.bucket(t, objectstore.WithAttemptTimeout(1500*time.Millisecond)), objectstore.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func TestTransientAnswersAreTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first http.HandlerFunc
	}{
		{"500", refusal(500, "InternalError")},
		{"503", refusal(503, "SlowDown")},
		{"connection broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"hung", hang},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t, tt.first, answer(200, "hello", `ETag: "e"`))
			b := w.bucket(t, objectstore.WithMaxAttempts(2), objectstore.WithAttemptTimeout(3*time.Second))
			if err := get(t.Context(), b, objectstore.GetOptions{IfNoneMatch: `"old"`}); err != nil {
				t.Fatal(err)
			}
			sent := w.requests()
			if len(sent) != 2 || sent[1].Header.Get("If-None-Match") != `"old"` {
				t.Errorf("sent %+v", sent)
			}
		})
	}
}

func TestPermanentAnswersAreNotTriedAgain(t *testing.T) {
	for _, handler := range []http.HandlerFunc{
		answer(304, ""), refusal(400, "InvalidArgument"), refusal(403, "AccessDenied"), refusal(404, "NoSuchKey"),
		refusal(409, "ConditionalRequestConflict"), refusal(412, "PreconditionFailed"),
	} {
		w := newWire(t, handler)
		if err := do[objectstore.OpPut](t.Context(), w.bucket(t, objectstore.WithMaxAttempts(3))); err == nil {
			t.Error("no error")
		}
		if n := len(w.requests()); n != 1 {
			t.Errorf("%d attempts", n)
		}
	}
}

func TestIsTransientOfOthers(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, errors.New("x"): false, context.Canceled: false, context.DeadlineExceeded: true, io.ErrUnexpectedEOF: true,
		fmt.Errorf("publishing: %w", &objectstore.Error{Status: 503}): true,
	} {
		if got := objectstore.IsTransient(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
