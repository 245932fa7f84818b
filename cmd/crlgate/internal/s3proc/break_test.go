package s3proc_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// once has the SDK try no second time.
func once(o *s3.Options) { o.RetryMaxAttempts = 1 }

// A write is broken before the server has it, with half of it there, and when it
// is done; each time the function is called once, and then the client hears
// nothing.
func TestProxyBreak(t *testing.T) {
	proxy, _, c, direct := startProxy(t)
	body := strings.Repeat("0123456789", 10_000)
	for _, tc := range []struct {
		at     s3proc.Point
		stored string
	}{{s3proc.BeforeServer, "old"}, {s3proc.MidBody, "old"}, {s3proc.AfterServer, body}} {
		mustPut(t, direct, "k", "old")
		var calls atomic.Int32
		remove := proxy.Inject(s3proc.Object("PUT", bucket, "k"), s3proc.Break(tc.at, func() { calls.Add(1) }).Times(1))
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: new(bucket), Key: new("k"), Body: strings.NewReader(body)}, once)
		remove()
		if err == nil || calls.Load() != 1 {
			t.Errorf("PUT broken %v: error %v, called %d times", tc.at, err, calls.Load())
		}
		wantGet(t, direct, "k", tc.stored)
	}
}

// An answer is broken in the middle of its body; one that has no body passes.
func TestProxyBreakAnswer(t *testing.T) {
	proxy, _, c, direct := startProxy(t)
	mustPut(t, direct, "k", "0123456789")
	var calls atomic.Int32
	proxy.Inject(s3proc.Object("GET", bucket, "k"), s3proc.Break(s3proc.MidBody, func() { calls.Add(1) }))
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new(bucket), Key: new("k")}, once)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(out.Body)
	out.Body.Close()
	if !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "01234" || calls.Load() != 1 {
		t.Errorf("got %q, error %v, called %d times", got, err, calls.Load())
	}
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new(bucket), Key: new("k"), IfNoneMatch: out.ETag}, once)
	wantError(t, err, 304, "NotModified")
	if calls.Load() != 1 {
		t.Error("an answer without a body came to its middle")
	}
}

func TestProxyReset(t *testing.T) {
	proxy, _, c, _ := startProxy(t)
	mustPut(t, c, "k", "x")
	// Every time: net/http itself tries again on a connection that was idle.
	remove := proxy.Inject(s3proc.Any, s3proc.Reset())
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new(bucket), Key: new("k")}, once)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a connection reset", err)
	}
	remove()
	wantGet(t, c, "k", "x")
}

func TestProxyAlter(t *testing.T) {
	proxy, _, c, _ := startProxy(t)
	mustPut(t, c, "k", "x")
	remove := proxy.Inject(s3proc.Any, s3proc.Alter(func(resp *http.Response) error {
		resp.Header.Set("ETag", `"another"`)
		return nil
	}))
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new(bucket), Key: new("k")})
	if err != nil {
		t.Fatal(err)
	}
	out.Body.Close()
	if *out.ETag != `"another"` {
		t.Errorf("ETag %s", *out.ETag)
	}
	remove()
	proxy.Inject(s3proc.Any, s3proc.Alter(func(*http.Response) error { return errors.New("spoilt") }))
	if _, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new(bucket), Key: new("k")}, once); err == nil {
		t.Error("no error where the answer could not be altered")
	}
}

// A dripping body comes whole, in the pieces asked for.
func TestProxyDrip(t *testing.T) {
	proxy, _, c, _ := startProxy(t)
	mustPut(t, c, "k", "0123456789")
	proxy.Inject(s3proc.Any, s3proc.Drip(3, 20*time.Millisecond))
	began := time.Now()
	wantGet(t, c, "k", "0123456789")
	if took := time.Since(began); took < 4*20*time.Millisecond {
		t.Errorf("ten octets, three at a time, took %v: there was no pause", took)
	}
}

func TestPointNames(t *testing.T) {
	for at, want := range map[s3proc.Point]string{s3proc.BeforeServer: "before S3", s3proc.MidBody: "mid-body", s3proc.AfterServer: "after S3", 9: "nowhere"} {
		if got := at.String(); got != want {
			t.Errorf("point %d is called %q, want %q", at, got, want)
		}
	}
}
