package s3proc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
)

// startProxy puts a proxy before a server of its own, which the second client
// reaches directly.
func startProxy(t *testing.T) (proxy *s3proc.Proxy, server *s3proc.Server, through, direct *s3.Client) {
	t.Helper()
	server, direct = start(t, nil)
	proxy, err := s3proc.NewProxy(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	return proxy, server, client(server, proxy.Endpoint), direct
}

func wantError(t *testing.T, err error, status int, code string) {
	t.Helper()
	var resp *awshttp.ResponseError
	var api smithy.APIError
	if !errors.As(err, &resp) || !errors.As(err, &api) {
		t.Fatalf("got %v, want an S3 error with status %d, code %s", err, status, code)
	}
	if resp.HTTPStatusCode() != status || api.ErrorCode() != code {
		t.Errorf("got status %d, code %s, want %d, %s", resp.HTTPStatusCode(), api.ErrorCode(), status, code)
	}
}

// Signed requests pass, whatever their key, and are recorded.
func TestProxyRecords(t *testing.T) {
	proxy, _, c, _ := startProxy(t)
	const key = "crls/deep er/ü+%2F&=~(1)*'é.crl"
	put1, err := put(t.Context(), c, key, "0123456789", func(in *s3.PutObjectInput) { in.IfNoneMatch = new("*") })
	if err != nil {
		t.Fatal(err)
	}
	etag := *put1.ETag
	got, err := get(t.Context(), c, key, func(in *s3.GetObjectInput) { in.Range, in.IfMatch = new("bytes=2-4"), &etag })
	if err != nil || got != "234" {
		t.Errorf("ranged GET: got %q, error %v", got, err)
	}
	_, err = get(t.Context(), c, key, func(in *s3.GetObjectInput) { in.IfNoneMatch = &etag })
	wantError(t, err, 304, "NotModified")
	if _, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: new(bucket), Prefix: new("crls/")}); err != nil {
		t.Fatal(err)
	}
	_, err = get(t.Context(), c, "missing")
	wantError(t, err, 404, "NoSuchKey")

	want := []s3proc.Request{
		{Method: "PUT", Bucket: bucket, Key: key, IfNoneMatch: "*", Status: 200},
		{Method: "GET", Bucket: bucket, Key: key, Range: "bytes=2-4", IfMatch: etag, Status: 206},
		{Method: "GET", Bucket: bucket, Key: key, IfNoneMatch: etag, Status: 304},
		{Method: "GET", Bucket: bucket, Status: 200},
		{Method: "GET", Bucket: bucket, Key: "missing", Status: 404},
	}
	requests := proxy.Requests()
	if len(requests) != len(want) {
		t.Fatalf("got %d requests, want %d: %+v", len(requests), len(want), requests)
	}
	for i, r := range requests {
		if i == 3 && r.Query.Get("prefix") != "crls/" {
			t.Errorf("list: got query %v", r.Query)
		}
		if r.Query = nil; !equal(r, want[i]) {
			t.Errorf("request %d: got %+v, want %+v", i, r, want[i])
		}
	}
	if sent := []int64{requests[0].Sent, requests[1].Sent, requests[2].Sent}; !slices.Equal(sent, []int64{0, 3, 0}) {
		t.Errorf("clients were sent %d octets, want none for the PUT, 3 for the range, none for 304", sent)
	}
	if got := proxy.Matching(s3proc.Object("GET", bucket, key)); len(got) != 2 {
		t.Errorf("got %d GETs of the key, want 2", len(got))
	}
	if got := proxy.Matching(s3proc.Prefix("GET", bucket, "")); len(got) != 3 {
		t.Errorf("got %d GETs of objects, want 3", len(got))
	}
	proxy.Forget()
	if got := proxy.Requests(); len(got) != 0 {
		t.Errorf("after Forget: %+v", got)
	}
}

func equal(a, b s3proc.Request) bool {
	return a.Method == b.Method && a.Bucket == b.Bucket && a.Key == b.Key && a.Range == b.Range &&
		a.IfMatch == b.IfMatch && a.IfNoneMatch == b.IfNoneMatch && a.Status == b.Status && a.Fault == b.Fault
}

func TestProxyLargeBodies(t *testing.T) {
	_, _, c, _ := startProxy(t)
	body := strings.Repeat("0123456789abcdef", 1<<20)
	mustPut(t, c, "large", body)
	got, err := get(t.Context(), c, "large")
	if err != nil || got != body {
		t.Errorf("got %d bytes, error %v, want %d", len(got), err, len(body))
	}
}

func TestProxyAnswer(t *testing.T) {
	proxy, _, c, direct := startProxy(t)
	mustPut(t, c, "k", "stored")
	for status, code := range map[int]string{
		503: "SlowDown", 403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed",
		409: "ConditionalRequestConflict", 500: "InternalError", 304: "NotModified",
	} {
		remove := proxy.Inject(s3proc.Object("GET", bucket, "k"), s3proc.Answer(status))
		_, err := get(t.Context(), c, "k")
		wantError(t, err, status, code)
		requests := proxy.Requests()
		if last := requests[len(requests)-1]; last.Status != status || !last.Fault {
			t.Errorf("recorded %+v, want status %d and a fault", last, status)
		}
		remove()
		wantGet(t, c, "k", "stored")
	}

	proxy.Inject(s3proc.Prefix("PUT", bucket, "new/"), s3proc.Answer(503))
	_, err := put(t.Context(), c, "new/1", strings.Repeat("x", 8<<20))
	wantError(t, err, 503, "SlowDown")
	if got, err := get(t.Context(), direct, "new/1"); err == nil {
		t.Errorf("a refused PUT was stored: %d bytes", len(got))
	}
}

func TestProxyAnswerApplied(t *testing.T) {
	proxy, _, c, direct := startProxy(t)
	proxy.Inject(s3proc.Any, s3proc.AnswerApplied(503).Times(1))
	_, err := put(t.Context(), c, "k", "stored all the same")
	wantError(t, err, 503, "SlowDown")
	wantGet(t, direct, "k", "stored all the same")
	wantGet(t, c, "k", "stored all the same") // the fault struck once
}

func TestProxyCut(t *testing.T) {
	proxy, _, c, _ := startProxy(t)
	mustPut(t, c, "k", "0123456789")
	for _, n := range []int64{0, 1, 9} {
		remove := proxy.Inject(s3proc.Object("GET", bucket, "k"), s3proc.Cut(n))
		out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: new(bucket), Key: new("k")})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(out.Body)
		out.Body.Close()
		if !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "0123456789"[:n] {
			t.Errorf("cut after %d: got %q, error %v", n, got, err)
		}
		if *out.ContentLength != 10 {
			t.Errorf("cut after %d: Content-Length %d, want 10", n, *out.ContentLength)
		}
		remove()
	}
	proxy.Inject(s3proc.Any, s3proc.Cut(10))
	wantGet(t, c, "k", "0123456789")
}

func TestProxyCorrupt(t *testing.T) {
	proxy, _, c, direct := startProxy(t)
	body := bytes.Repeat([]byte("0123456789"), 100_000)
	mustPut(t, c, "k", string(body))
	for _, at := range []int64{0, 7, 654_321, 999_999} {
		remove := proxy.Inject(s3proc.Object("GET", bucket, "k"), s3proc.Corrupt(at))
		got, err := get(t.Context(), c, "k")
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(body)
		want[at] ^= 0xff
		if got != string(want) {
			t.Errorf("byte %d: the body is not the stored one with that byte inverted", at)
		}
		remove()
	}
	wantGet(t, direct, "k", string(body))
}

func TestProxyHang(t *testing.T) {
	proxy, _, c, _ := startProxy(t)
	mustPut(t, c, "k", "x")
	proxy.Inject(s3proc.Object("GET", bucket, "k"), s3proc.Hang())
	failed := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := get(ctx, c, "k")
		failed <- err
	}()
	eventually(t, "a GET that waits", func() bool {
		waiting := proxy.Matching(func(r s3proc.Request) bool { return r.Method == "GET" && r.Status == 0 })
		return len(waiting) == 1
	})
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}

	go func() {
		_, err := get(t.Context(), c, "k")
		failed <- err
	}()
	eventually(t, "a second GET that waits", func() bool { return len(proxy.Matching(s3proc.Object("GET", bucket, "k"))) == 2 })
	if err := proxy.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("a request that hung when the proxy closed: no error")
	}
	if _, err := http.Get(proxy.Endpoint); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after Close: got %v, want connection refused", err)
	}
}

func TestProxyHoldAndDelay(t *testing.T) {
	proxy, _, c, direct := startProxy(t)
	gate := make(chan struct{})
	proxy.Inject(s3proc.Object("PUT", bucket, "k"), s3proc.HoldUntil(gate))
	done := make(chan error)
	go func() {
		_, err := put(t.Context(), c, "k", "held")
		done <- err
	}()
	eventually(t, "a PUT that is held", func() bool { return len(proxy.Requests()) == 1 })
	if got, err := get(t.Context(), direct, "k"); err == nil {
		t.Errorf("a held PUT took effect: %q", got)
	}
	close(gate)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantGet(t, direct, "k", "held")

	const delay = 50 * time.Millisecond
	proxy.Inject(s3proc.Object("GET", bucket, "k"), s3proc.Delay(delay))
	begun := time.Now()
	wantGet(t, c, "k", "held")
	if took := time.Since(begun); took < delay {
		t.Errorf("a GET delayed by %v took %v", delay, took)
	}
}

// The fault injected last strikes, and one that is used up strikes no more.
func TestProxyOrderOfFaults(t *testing.T) {
	proxy, _, c, _ := startProxy(t)
	mustPut(t, c, "k", "x")
	proxy.Inject(s3proc.Any, s3proc.Answer(500))
	proxy.Inject(s3proc.Any, s3proc.Answer(503).Times(2))
	for _, want := range []string{"SlowDown", "SlowDown", "InternalError", "InternalError"} {
		_, err := get(t.Context(), c, "k")
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A server that is gone is, through the proxy, a connection that breaks, and
// one that is back is back.
func TestProxyServerGone(t *testing.T) {
	proxy, server, c, _ := startProxy(t)
	mustPut(t, c, "k", "x")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	_, err := get(t.Context(), c, "k")
	if !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a broken connection", err)
	}
	requests := proxy.Requests()
	if last := requests[len(requests)-1]; last.Method != "GET" || last.Status != 0 {
		t.Errorf("recorded %+v, want a GET without a status", last)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantGet(t, c, "k", "x")
}
