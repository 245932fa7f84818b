package objectstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Get begins to read an object. Besides its conditions' [ErrNotModified] and
// [ErrPreconditionFailed], it fails with [ErrNotFound], [ErrForbidden],
// [ErrRange], [ErrNoBucket] or [ErrUnavailable]. The context bounds the reading
// of the body too.
func (b *Bucket) Get(ctx context.Context, key string, opts GetOptions) (*Reader, error) {
	fail := b.failure(OpGet, key)
	if err := checkKey(key); err != nil {
		return nil, fail(nil, err)
	}
	byteRange, err := opts.Range.header()
	if err != nil {
		return nil, fail(nil, err)
	}
	call, option := b.call(b.limits.attemptTimeout)
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket:      aws.String(b.name),
		Key:         aws.String(key),
		IfNoneMatch: header(opts.IfNoneMatch),
		IfMatch:     header(opts.IfMatch),
		VersionId:   header(opts.VersionID),
		Range:       header(byteRange),
	}, option)
	if err != nil {
		call.end()
		return nil, fail(call, err)
	}
	r := &Reader{
		Object: Object{
			Key: key, Version: Version(aws.ToString(out.ETag)), VersionID: aws.ToString(out.VersionId),
			LastModified: aws.ToTime(out.LastModified),
		},
		bucket: b.name, body: out.Body, attempt: call.last,
	}
	if err := r.place(opts.Range, out); err != nil {
		r.Close()
		return nil, fail(call, err)
	}
	return r, nil
}

// place works out which bytes of the object the answer holds, and checks that
// they are those that were asked for.
func (r *Reader) place(want Range, out *s3.GetObjectOutput) error {
	if out.ContentLength == nil || *out.ContentLength < 0 {
		return errors.New("answer has no Content-Length, so its end could not be verified")
	}
	r.Length, r.Object.Size = *out.ContentLength, *out.ContentLength
	if want == (Range{}) {
		return nil
	}
	first, last, size, err := parseContentRange(aws.ToString(out.ContentRange))
	if err != nil {
		return err
	}
	length := size - want.Offset
	if want.Length > 0 {
		length = min(length, want.Length)
	}
	if first != want.Offset || last-first+1 != length || r.Length != length {
		return fmt.Errorf("asked for %d bytes from %d of an object of %d, got Content-Range %q and Content-Length %d",
			want.Length, want.Offset, size, *out.ContentRange, r.Length)
	}
	r.Offset, r.Object.Size = first, size
	return nil
}

// header is the range as RFC 9110, section 14.1.2, writes it; "" for all.
func (r Range) header() (string, error) {
	switch {
	case r == Range{}:
		return "", nil
	case r.Offset < 0 || r.Length < 0 || r.Offset > math.MaxInt64-r.Length:
		return "", fmt.Errorf("range of %d bytes from %d is not one", r.Length, r.Offset)
	case r.Length == 0:
		return fmt.Sprintf("bytes=%d-", r.Offset), nil
	}
	return fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1), nil
}

// parseContentRange reads "bytes first-last/size" (RFC 9110, section 14.4).
func parseContentRange(s string) (first, last, size int64, err error) {
	rest, okUnit := strings.CutPrefix(s, "bytes ")
	span, total, okSize := strings.Cut(rest, "/")
	from, to, okSpan := strings.Cut(span, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	size, err3 := strconv.ParseInt(total, 10, 64)
	if !okUnit || !okSize || !okSpan || errors.Join(err1, err2, err3) != nil || first < 0 || last < first || size <= last {
		return 0, 0, 0, fmt.Errorf("asked for a range, but the answer's Content-Range is %q", s)
	}
	return first, last, size, nil
}

// ReadAll reads an object, or the asked part of it, of at most maxBytes; a
// longer one fails with [*TooLargeError]. When a body breaks, the object is read
// again, within the bucket's number of attempts: so what is returned is always
// one version, whole.
func (b *Bucket) ReadAll(ctx context.Context, key string, maxBytes int64, opts GetOptions) ([]byte, Object, error) {
	for attempt := 1; ; attempt++ {
		r, err := b.Get(ctx, key, opts)
		if err != nil {
			return nil, Object{}, err
		}
		body, err := r.ReadAll(maxBytes)
		if err == nil {
			return body, r.Object, nil
		}
		if attempt >= b.attempts() || ctx.Err() != nil || !errors.Is(err, ErrUnavailable) {
			return nil, Object{}, err
		}
	}
}

// Head says what is stored under a key, without reading it. S3 answers it
// without words, so that a missing bucket too is [ErrNotFound].
func (b *Bucket) Head(ctx context.Context, key string) (Object, error) {
	fail := b.failure(OpHead, key)
	if err := checkKey(key); err != nil {
		return Object{}, fail(nil, err)
	}
	call, option := b.call(b.limits.attemptTimeout)
	defer call.end()
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(b.name), Key: aws.String(key)}, option)
	if err != nil {
		return Object{}, fail(call, err)
	}
	return Object{
		Key: key, Version: Version(aws.ToString(out.ETag)), VersionID: aws.ToString(out.VersionId),
		Size: aws.ToInt64(out.ContentLength), LastModified: aws.ToTime(out.LastModified),
	}, nil
}
