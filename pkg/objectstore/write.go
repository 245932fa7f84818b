package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// MaxPutBytes is the largest body that S3 takes in one PUT: 5 GiB (Amazon S3
// User Guide, "Uploading objects").
const MaxPutBytes = 5 << 30

// maxKeyBytes is S3's limit on a key, in bytes of UTF-8.
const maxKeyBytes = 1024

// Put writes body, from its current position to its end, under key and returns
// the version written. It streams: the body is not copied, and may be read more
// than once (for its checksum, and when an attempt fails). It is not closed, and
// not read any more once Put has returned.
//
// Conditions fail with [ErrPreconditionFailed]: IfMatch if the object is another
// version or gone (then it is [ErrNotFound] as well), IfNoneMatch if there is an
// object. Two writers at one time may give one of them [ErrConflict]: nothing was
// written, try again.
//
// A write whose answer was lost is tried again, and then meets itself: after an
// attempt that took effect, a conditional Put fails with ErrPreconditionFailed.
// And an [ErrUnavailable] says nothing about whether the write took effect. So in
// both cases read what is there now before deciding.
func (b *Bucket) Put(ctx context.Context, key string, body io.ReadSeeker, opts PutOptions) (Version, error) {
	fail := b.failure(OpPut, key)
	if err := checkKey(key); err != nil {
		return "", fail(nil, err)
	}
	if opts.IfMatch != "" && opts.IfNoneMatch {
		return "", fail(nil, errors.New("both IfMatch and IfNoneMatch are set, want at most one"))
	}
	size, err := remaining(body)
	if err != nil {
		return "", fail(nil, fmt.Errorf("measuring the body: %w", err))
	}
	if size > MaxPutBytes {
		return "", &TooLargeError{Op: OpPut, Bucket: b.name, Key: key, Limit: MaxPutBytes, Size: size}
	}
	in := &s3.PutObjectInput{
		Bucket: aws.String(b.name),
		Key:    aws.String(key),
		// Only Read and Seek: the SDK closes a body that it can close.
		Body:          struct{ io.ReadSeeker }{body},
		ContentLength: aws.Int64(size),
		IfMatch:       header(opts.IfMatch),
		ContentType:   header(opts.ContentType),
		CacheControl:  header(opts.CacheControl),
		Metadata:      opts.Metadata,
	}
	if opts.IfNoneMatch {
		in.IfNoneMatch = aws.String("*")
	}
	call, option := b.call(putTimeout(b.limits.attemptTimeout, size))
	defer call.end()
	out, err := b.client.PutObject(ctx, in, option)
	if err != nil {
		return "", conditional(fail(call, err), opts.IfMatch)
	}
	if aws.ToString(out.ETag) == "" {
		return "", fail(call, errors.New("answer has no ETag, so the version written is not known"))
	}
	return Version(*out.ETag), nil
}

// remaining is the number of bytes from body's position to its end.
func remaining(body io.ReadSeeker) (int64, error) {
	if body == nil {
		return 0, errors.New("there is none")
	}
	here, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	end, err := body.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	if _, err := body.Seek(here, io.SeekStart); err != nil {
		return 0, err
	}
	return max(end-here, 0), nil
}

// putTimeout allows for the time that the body takes: a second for each MiB.
func putTimeout(base time.Duration, size int64) time.Duration {
	if base <= 0 {
		return 0
	}
	return base + time.Duration(size>>20)*time.Second
}

// Delete removes the object under key. Without a condition, a key that has no
// object is no error. IfMatch fails with [ErrPreconditionFailed] if the object is
// another version or gone (then it is [ErrNotFound] as well), with [ErrConflict] if
// it is being written.
func (b *Bucket) Delete(ctx context.Context, key string, opts DeleteOptions) error {
	fail := b.failure(OpDelete, key)
	if err := checkKey(key); err != nil {
		return fail(nil, err)
	}
	call, option := b.call(b.limits.attemptTimeout)
	defer call.end()
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket:    aws.String(b.name),
		Key:       aws.String(key),
		IfMatch:   header(opts.IfMatch),
		VersionId: header(opts.VersionID),
	}, option)
	if err != nil {
		return conditional(fail(call, err), opts.IfMatch)
	}
	return nil
}

// conditional marks the error of a write as that of one with If-Match.
func conditional(err error, ifMatch Version) error {
	var e *Error
	if errors.As(err, &e) {
		e.IfMatch = ifMatch != ""
	}
	return err
}

// checkKey refuses keys that would name the bucket itself, or that S3 cannot hold.
func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("the key is empty")
	case len(key) > maxKeyBytes:
		return fmt.Errorf("the key has %d bytes, more than S3's limit of %d", len(key), maxKeyBytes)
	}
	return nil
}
