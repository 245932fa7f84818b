package s3local_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The tests in this file hold what the package comment says of the differences
// from Amazon S3. One that fails is good news, and a line to take out there.

func TestDiffersKeysArePaths(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	ctx := t.Context()
	put(t, c, plain, "a/b", "x")
	_, err := tryPut(ctx, c, plain, "a", "x")
	wantError(t, err, 409, "ExistingObjectIsDirectory")
	_, err = tryPut(ctx, c, plain, "a/b/c", "x")
	wantError(t, err, 409, "ObjectParentIsFile")

	put(t, c, plain, "long/"+strings.Repeat("n", 255), "x")
	_, err = tryPut(ctx, c, plain, "long/"+strings.Repeat("n", 256), "x")
	wantError(t, err, 400, "KeyTooLongError")

	for _, alias := range []string{"a//b", "a/x/../b"} {
		put(t, c, plain, alias, alias)
		if got, _, err := get(t, c, plain, "a/b"); err != nil || got != alias {
			t.Errorf("a/b after a PUT of %s: got %q, error %v", alias, got, err)
		}
	}
}

func TestDiffersUnderDeleteMarker(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	ctx := t.Context()
	etag := put(t, c, versioned, "k", "1").ETag
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: new(versioned), Key: new("k")}); err != nil {
		t.Fatal(err)
	}
	_, err := tryPut(ctx, c, versioned, "k", "2", func(in *s3.PutObjectInput) { in.IfNoneMatch = new("*") })
	wantError(t, err, 412, "PreconditionFailed")
	if _, err := tryPut(ctx, c, versioned, "k", "2", func(in *s3.PutObjectInput) { in.IfMatch = etag }); err != nil {
		t.Errorf("PUT with If-Match and the ETag under the delete marker: %v", err)
	}

	out, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: new(versioned), Key: new("absent")})
	if err != nil || aws.ToBool(out.DeleteMarker) {
		t.Errorf("deleting an absent key: delete marker %v, error %v", aws.ToBool(out.DeleteMarker), err)
	}
}

func TestDiffersNotModified(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	etag := put(t, c, plain, "k", "x").ETag
	_, _, err := get(t, c, plain, "k", func(in *s3.GetObjectInput) { in.IfNoneMatch = etag })
	var resp *awshttp.ResponseError
	if !errors.As(err, &resp) || resp.HTTPStatusCode() != 304 {
		t.Fatalf("got %v, want 304", err)
	}
	for _, name := range []string{"ETag", "Last-Modified"} {
		if got := resp.Response.Header.Get(name); got != "" {
			t.Errorf("a 304 bears %s %s", name, got)
		}
	}
}
