package s3local_test

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// awkward holds what a careless encoding of keys gets wrong.
const awkward = "crls/deep er/ü+%2F&=~(1)*'é.crl"

func TestEventOfEachWrite(t *testing.T) {
	_, c, seen := start(t, t.TempDir())
	for _, bucket := range []string{plain, versioned} {
		t.Run(bucket, func(t *testing.T) {
			out := put(t, c, bucket, awkward, "12345")
			wantRecord(t, seen.await(t, 1)[0], "ObjectCreated:Put", bucket, awkward, 5, out.ETag, out.VersionId)

			target := "copies/" + awkward
			cp, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{
				Bucket: &bucket, Key: &target, CopySource: new(bucket + "/" + strings.ReplaceAll(url.QueryEscape(awkward), "+", "%20")),
			})
			if err != nil {
				t.Fatal(err)
			}
			wantRecord(t, seen.await(t, 1)[0], "ObjectCreated:Copy", bucket, target, 5, cp.CopyObjectResult.ETag, cp.VersionId)

			size, mp := upload(t, c, bucket, awkward)
			wantRecord(t, seen.await(t, 1)[0], "ObjectCreated:CompleteMultipartUpload", bucket, awkward, size, mp.ETag, mp.VersionId)

			del, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: new(awkward)})
			if err != nil {
				t.Fatal(err)
			}
			if bucket == plain {
				wantRecord(t, seen.await(t, 1)[0], "ObjectRemoved:Delete", bucket, awkward, 0, nil, nil)
			} else {
				wantRecord(t, seen.await(t, 1)[0], "ObjectRemoved:DeleteMarkerCreated", bucket, awkward, 0,
					new("d41d8cd98f00b204e9800998ecf8427e"), del.VersionId)
				_, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{
					Bucket: &bucket, Key: new(awkward), VersionId: out.VersionId,
				})
				if err != nil {
					t.Fatal(err)
				}
				wantRecord(t, seen.await(t, 1)[0], "ObjectRemoved:Delete", bucket, awkward, 0, nil, out.VersionId)
			}
			if left := seen.left(t); len(left) != 0 {
				t.Errorf("events that nobody caused: %+v", left)
			}
		})
	}
}

// upload stores two parts under a key.
func upload(t *testing.T, c *s3.Client, bucket, key string) (int64, *s3.CompleteMultipartUploadOutput) {
	t.Helper()
	begun, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	var parts []types.CompletedPart
	for i, part := range [][]byte{bytes.Repeat([]byte{'a'}, 5<<20), []byte("the end")} {
		out, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: &bucket, Key: &key, UploadId: begun.UploadId, PartNumber: new(int32(i + 1)), Body: bytes.NewReader(part),
		})
		if err != nil {
			t.Fatal(err)
		}
		size += int64(len(part))
		parts = append(parts, types.CompletedPart{
			ETag: out.ETag, PartNumber: new(int32(i + 1)), ChecksumCRC32: out.ChecksumCRC32,
		})
	}
	out, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &bucket, Key: &key, UploadId: begun.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		t.Fatal(err)
	}
	return size, out
}

func wantRecord(t *testing.T, got events.S3EventRecord, name, bucket, key string, size int64, etag, version *string) {
	t.Helper()
	object := got.S3.Object
	if got.EventName != name || got.S3.Bucket.Name != bucket {
		t.Errorf("got %s in %s, want %s in %s", got.EventName, got.S3.Bucket.Name, name, bucket)
	}
	if decoded, err := url.QueryUnescape(object.Key); err != nil || decoded != key || object.URLDecodedKey != key {
		t.Errorf("key %q decodes to %q (error %v), want %q", object.Key, decoded, err, key)
	}
	if object.Size != size || object.ETag != strings.Trim(aws.ToString(etag), `"`) || object.VersionID != aws.ToString(version) {
		t.Errorf("got size %d, ETag %q, version %q; want %d, %q, %q",
			object.Size, object.ETag, object.VersionID, size, aws.ToString(etag), aws.ToString(version))
	}
	if got.EventVersion != "2.1" || got.EventSource != "aws:s3" || got.AWSRegion != "eu-central-1" ||
		got.S3.SchemaVersion != "1.0" || got.S3.Bucket.Arn != "arn:aws:s3:::"+bucket {
		t.Errorf("got %+v", got)
	}
	if age := time.Since(got.EventTime); age < -time.Minute || age > time.Minute {
		t.Errorf("event time %v is not now", got.EventTime)
	}
	if got.RequestParameters.SourceIPAddress != "127.0.0.1" || got.ResponseElements["x-amz-request-id"] == "" || got.PrincipalID.PrincipalID == "" {
		t.Errorf("got source %q, response elements %v, principal %q",
			got.RequestParameters.SourceIPAddress, got.ResponseElements, got.PrincipalID.PrincipalID)
	}
}

// A key in an event is form-encoded, but for the slash.
func TestEventKeyEncoding(t *testing.T) {
	_, c, seen := start(t, t.TempDir())
	for key, want := range map[string]string{
		"crls/a b.crl":      "crls/a+b.crl",
		"crls/a+b.crl":      "crls/a%2Bb.crl",
		"crls/ü/50%.crl":    "crls/%C3%BC/50%25.crl",
		"crls/p%2Fq.crl":    "crls/p%252Fq.crl",
		"dt=2026-11-21/x_y": "dt%3D2026-11-21/x_y",
	} {
		put(t, c, plain, key, "x")
		if got := seen.await(t, 1)[0].S3.Object.Key; got != want {
			t.Errorf("key %q: got %q, want %q", key, got, want)
		}
	}
}

func TestEventFilters(t *testing.T) {
	_, c, seen := start(t, t.TempDir())
	put(t, c, silent, "crls/a.crl", "x")
	put(t, c, filtered, "reports/crls/a.crl", "x")
	put(t, c, filtered, "crls", "x")
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: new(filtered), Key: new("crls")}); err != nil {
		t.Fatal(err)
	}
	put(t, c, filtered, "crls/a.crl", "x") // matches two filters
	put(t, c, filtered, "issuers/a.pem", "x")
	records := seen.await(t, 2)
	for i, want := range []string{"crls/a.crl", "issuers/a.pem"} {
		if got := records[i].S3.Object.Key; got != want {
			t.Errorf("event %d: got %q, want %q", i, got, want)
		}
	}
	if left := seen.left(t); len(left) != 0 {
		t.Errorf("more events than wanted: %+v", left)
	}
}

// What fails or changes nothing is not reported.
func TestNoEventWithoutEffect(t *testing.T) {
	_, c, seen := start(t, t.TempDir())
	ctx := t.Context()
	put(t, c, plain, "there", "x")
	seen.await(t, 1)
	_, err := tryPut(ctx, c, plain, "there", "y", func(in *s3.PutObjectInput) { in.IfNoneMatch = new("*") })
	wantError(t, err, 412, "PreconditionFailed")
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: new(plain), Key: new("absent")}); err != nil {
		t.Fatal(err)
	}
	put(t, c, plain, "last", "x")
	if got := seen.await(t, 1)[0].S3.Object.Key; got != "last" {
		t.Errorf("event for %q, which did not change", got)
	}
}

func TestEventsOfDeleteObjects(t *testing.T) {
	_, c, seen := start(t, t.TempDir())
	for bucket, want := range map[string]string{
		plain: "ObjectRemoved:Delete", versioned: "ObjectRemoved:DeleteMarkerCreated",
	} {
		keys := []string{"a b", "ü/c"}
		var ids []types.ObjectIdentifier
		for _, k := range keys {
			put(t, c, bucket, k, "x")
			ids = append(ids, types.ObjectIdentifier{Key: &k})
		}
		seen.await(t, len(keys))
		ids = append(ids, types.ObjectIdentifier{Key: new("absent")})
		if _, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{
			Bucket: &bucket, Delete: &types.Delete{Objects: ids},
		}); err != nil {
			t.Fatal(err)
		}
		for i, r := range seen.await(t, len(keys)) {
			if r.EventName != want || r.S3.Object.URLDecodedKey != keys[i] {
				t.Errorf("%s: got %s of %q, want %s of %q", bucket, r.EventName, r.S3.Object.URLDecodedKey, want, keys[i])
			}
			if (r.S3.Object.VersionID != "") != (bucket == versioned) {
				t.Errorf("%s: got version %q", bucket, r.S3.Object.VersionID)
			}
		}
		if left := seen.left(t); len(left) != 0 {
			t.Errorf("more events than deletions: %+v", left)
		}
	}
}

// Sequencers rise, also over a restart, and no two are the same.
func TestSequencerRises(t *testing.T) {
	server, c, seen := start(t, t.TempDir())
	var all []string
	for range 2 {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if _, err := tryPut(t.Context(), c, plain, fmt.Sprint("concurrent/", i), "x"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var round []string
		for _, r := range seen.await(t, 8) {
			round = append(round, r.S3.Object.Sequencer)
		}
		slices.Sort(round)
		put(t, c, plain, "concurrent/0", "y")
		all = append(append(all, round...), seen.await(t, 1)[0].S3.Object.Sequencer)
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("sequencers do not rise: %q", all)
	}
	for _, s := range all {
		if strings.Trim(s, "0123456789ABCDEF") != "" || len(s) != len(all[0]) {
			t.Errorf("sequencer %q is not hexadecimal of one length", s)
		}
	}
}

// By the time an event arrives, the object that it tells of can be read.
func TestEventAfterEffect(t *testing.T) {
	_, c, seen := start(t, t.TempDir())
	for i := range 20 {
		want := fmt.Sprint("body ", i)
		done := make(chan error, 1)
		go func() {
			_, err := tryPut(t.Context(), c, plain, "k", want)
			done <- err
		}()
		etag := seen.await(t, 1)[0].S3.Object.ETag
		got, out, err := get(t, c, plain, "k")
		if err != nil {
			t.Fatal(err)
		}
		if got != want || strings.Trim(aws.ToString(out.ETag), `"`) != etag {
			t.Errorf("at its event, the object is %q with ETag %s, want %q with %s", got, aws.ToString(out.ETag), want, etag)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}
