package s3local_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// folders are data folders of both kinds: with extended attributes, as far as
// the file system has them, and with metadata in a folder beside the objects.
func folders(t *testing.T) map[string]string {
	beside := t.TempDir()
	if err := os.Mkdir(beside+"/metadata", 0o755); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"xattr": t.TempDir(), "sidecar": beside}
}

func TestPutGet(t *testing.T) {
	for name, dir := range folders(t) {
		t.Run(name, func(t *testing.T) {
			_, c, _ := start(t, dir)
			for _, key := range []string{awkward, "a/b/c/d", "empty"} {
				body := strings.Repeat("x", len(key)%7*1000)
				out := put(t, c, plain, key, body)
				got, read, err := get(t, c, plain, key)
				if err != nil {
					t.Fatal(err)
				}
				if got != body || aws.ToString(read.ETag) != aws.ToString(out.ETag) || aws.ToString(out.ETag) == "" {
					t.Errorf("%s: got %d bytes, ETag %s, want %d, %s", key, len(got), aws.ToString(read.ETag), len(body), aws.ToString(out.ETag))
				}
			}
			if out, _ := os.ReadDir(dir + "/metadata"); (len(out) > 0) != (name == "sidecar") {
				t.Errorf("metadata folder holds %d entries", len(out))
			}
			_, _, err := get(t, c, plain, "missing")
			wantError(t, err, 404, "NoSuchKey")
			_, _, err = get(t, c, "missing-bucket", "k")
			wantError(t, err, 404, "NoSuchBucket")
		})
	}
}

func TestConditionalGet(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	old := put(t, c, plain, "k", "old").ETag
	_, _, err := get(t, c, plain, "k", func(in *s3.GetObjectInput) { in.IfNoneMatch = old })
	wantError(t, err, 304, "NotModified")
	_, _, err = get(t, c, plain, "k", func(in *s3.GetObjectInput) { in.IfMatch = old })
	if err != nil {
		t.Errorf("If-Match with the right ETag: %v", err)
	}

	put(t, c, plain, "k", "new")
	got, _, err := get(t, c, plain, "k", func(in *s3.GetObjectInput) { in.IfNoneMatch = old })
	if err != nil || got != "new" {
		t.Errorf("If-None-Match with the old ETag: got %q, error %v", got, err)
	}
	_, _, err = get(t, c, plain, "k", func(in *s3.GetObjectInput) { in.IfMatch = old })
	wantError(t, err, 412, "PreconditionFailed")
	_, _, err = get(t, c, plain, "k", func(in *s3.GetObjectInput) { in.IfMatch, in.Range = old, new("bytes=0-0") })
	wantError(t, err, 412, "PreconditionFailed")
}

func TestConditionalPut(t *testing.T) {
	for name, dir := range folders(t) {
		t.Run(name, func(t *testing.T) {
			_, c, _ := start(t, dir)
			for _, bucket := range []string{plain, versioned} {
				ctx := t.Context()
				absent := func(in *s3.PutObjectInput) { in.IfNoneMatch = new("*") }
				match := func(etag *string) func(*s3.PutObjectInput) {
					return func(in *s3.PutObjectInput) { in.IfMatch = etag }
				}
				_, err := tryPut(ctx, c, bucket, "k", "0", match(new(`"00000000000000000000000000000000"`)))
				wantError(t, err, 404, "NoSuchKey")
				first := put(t, c, bucket, "k", "1", absent).ETag
				_, err = tryPut(ctx, c, bucket, "k", "2", absent)
				wantError(t, err, 412, "PreconditionFailed")
				second := put(t, c, bucket, "k", "3", match(first)).ETag
				_, err = tryPut(ctx, c, bucket, "k", "4", match(first))
				wantError(t, err, 412, "PreconditionFailed")
				got, out, err := get(t, c, bucket, "k")
				if err != nil {
					t.Fatal(err)
				}
				if got != "3" || aws.ToString(out.ETag) != aws.ToString(second) {
					t.Errorf("%s: got %q with ETag %s, want the second body with %s", bucket, got, aws.ToString(out.ETag), aws.ToString(second))
				}
			}
		})
	}
}

// Of many writers that replace the same version, one succeeds: the compare and
// swap that the catalog stands on.
func TestConditionalPutRace(t *testing.T) {
	for name, dir := range folders(t) {
		t.Run(name, func(t *testing.T) {
			_, c, _ := start(t, dir)
			for _, bucket := range []string{plain, versioned} {
				etag := put(t, c, bucket, "race", "start").ETag
				for round := range 10 {
					var wg sync.WaitGroup
					var wins atomic.Int32
					var next atomic.Pointer[string]
					for i := range 8 {
						wg.Go(func() {
							out, err := tryPut(t.Context(), c, bucket, "race", fmt.Sprintf("round %d writer %d", round, i),
								func(in *s3.PutObjectInput) { in.IfMatch = etag })
							if err != nil {
								wantError(t, err, 412, "PreconditionFailed")
								return
							}
							wins.Add(1)
							next.Store(out.ETag)
						})
					}
					wg.Wait()
					if wins.Load() != 1 {
						t.Fatalf("%s round %d: %d writers replaced one version, want 1", bucket, round, wins.Load())
					}
					etag = next.Load()
				}
			}
		})
	}
}

func TestRangedGet(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	etag := put(t, c, plain, "k", "0123456789").ETag
	for r, want := range map[string]string{"bytes=0-0": "0", "bytes=3-5": "345", "bytes=8-": "89", "bytes=-3": "789", "bytes=7-99": "789"} {
		got, out, err := get(t, c, plain, "k", func(in *s3.GetObjectInput) { in.Range, in.IfMatch = &r, etag })
		if err != nil {
			t.Fatal(err)
		}
		if got != want || !strings.HasSuffix(aws.ToString(out.ContentRange), "/10") {
			t.Errorf("%s: got %q, Content-Range %q, want %q", r, got, aws.ToString(out.ContentRange), want)
		}
	}
	_, _, err := get(t, c, plain, "k", func(in *s3.GetObjectInput) { in.Range = new("bytes=10-") })
	wantError(t, err, 416, "InvalidRange")
}

func TestList(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	want := []string{"crls/a b.crl", "crls/a+b.crl", "crls/sub/ü.crl"}
	for _, k := range append(want, "issuers/a.pem") {
		put(t, c, plain, k, "x")
	}
	var got []string
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{
		Bucket: new(plain), Prefix: new("crls/"), MaxKeys: new(int32(2)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			got = append(got, aws.ToString(o.Key))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVersions(t *testing.T) {
	for name, dir := range folders(t) {
		t.Run(name, func(t *testing.T) {
			_, c, _ := start(t, dir)
			one := put(t, c, versioned, "d/k", "one").VersionId
			two := put(t, c, versioned, "d/k", "two").VersionId
			if aws.ToString(one) == "" || aws.ToString(one) == aws.ToString(two) {
				t.Fatalf("versions %q and %q", aws.ToString(one), aws.ToString(two))
			}
			if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: new(versioned), Key: new("d/k")}); err != nil {
				t.Fatal(err)
			}
			_, _, err := get(t, c, versioned, "d/k")
			wantError(t, err, 404, "NoSuchKey")
			for version, want := range map[*string]string{one: "one", two: "two"} {
				got, out, err := get(t, c, versioned, "d/k", func(in *s3.GetObjectInput) { in.VersionId = version })
				if err != nil {
					t.Fatal(err)
				}
				if got != want || aws.ToString(out.VersionId) != aws.ToString(version) {
					t.Errorf("version %s: got %q as %s", aws.ToString(version), got, aws.ToString(out.VersionId))
				}
			}
			list, err := c.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: new(versioned), Prefix: new("d/")})
			if err != nil {
				t.Fatal(err)
			}
			if len(list.Versions) != 2 || len(list.DeleteMarkers) != 1 {
				t.Errorf("got %d versions and %d delete markers, want 2 and 1", len(list.Versions), len(list.DeleteMarkers))
			}
		})
	}
}

func TestMultipart(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	size, done := upload(t, c, plain, "big")
	body, out, err := get(t, c, plain, "big")
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(body)) != size || !strings.HasSuffix(body, "the end") || aws.ToString(out.ETag) != aws.ToString(done.ETag) {
		t.Errorf("got %d bytes with ETag %s, want %d with %s", len(body), aws.ToString(out.ETag), size, aws.ToString(done.ETag))
	}
	if !strings.HasSuffix(strings.Trim(aws.ToString(done.ETag), `"`), "-2") {
		t.Errorf("ETag %s does not count the parts", aws.ToString(done.ETag))
	}
}

// A body that does not have the checksum that came with it is refused.
func TestChecksum(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	_, err := tryPut(t.Context(), c, plain, "sum", "body", func(in *s3.PutObjectInput) {
		in.ChecksumSHA256 = new("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") // of nothing
	})
	wantError(t, err, 400, "BadDigest")
	_, _, err = get(t, c, plain, "sum")
	wantError(t, err, 404, "NoSuchKey")

	put(t, c, plain, "sum", "body", func(in *s3.PutObjectInput) { in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256 })
	_, out, err := get(t, c, plain, "sum", func(in *s3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("body"))
	if got, want := aws.ToString(out.ChecksumSHA256), base64.StdEncoding.EncodeToString(sum[:]); got != want {
		t.Errorf("stored SHA-256 checksum is %q, want %q", got, want)
	}
}

func TestWrongCredentials(t *testing.T) {
	server, c, _ := start(t, t.TempDir())
	put(t, c, plain, "k", "x")
	for name, tc := range map[string]struct {
		client *s3.Client
		code   string
	}{
		"secret": {client(server.Endpoint, server.Region, server.AccessKey, "wrong"), "SignatureDoesNotMatch"},
		"key":    {client(server.Endpoint, server.Region, "AKIAWRONG", server.SecretKey), "InvalidAccessKeyId"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := get(t, tc.client, plain, "k")
			wantError(t, err, 403, tc.code)
			_, err = tryPut(t.Context(), tc.client, plain, "k", "y")
			wantError(t, err, 403, tc.code)
		})
	}
	resp, err := http.Get(server.Endpoint + "/" + plain + "/k")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("without a signature: got %s, want 403", resp.Status)
	}
	if got, _, err := get(t, c, plain, "k"); err != nil || got != "x" {
		t.Errorf("afterwards: got %q, error %v", got, err)
	}
}

// A large body that is streamed is stored as it came.
func TestLargeBody(t *testing.T) {
	_, c, seen := start(t, t.TempDir())
	body := bytes.Repeat([]byte("0123456789abcdef"), 2<<20) // 32 MiB
	put(t, c, plain, "large", string(body))
	if got := seen.await(t, 1)[0].S3.Object.Size; got != int64(len(body)) {
		t.Errorf("event gives size %d, want %d", got, len(body))
	}
	got, _, err := get(t, c, plain, "large")
	if err != nil || got != string(body) {
		t.Errorf("got %d bytes, error %v, want the %d that were stored", len(got), err, len(body))
	}
}
