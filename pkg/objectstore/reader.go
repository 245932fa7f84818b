package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
)

// Reader is the body of an object, or of the part of it that was asked for.
// Close it. To have the body's checksum compared, read until io.EOF, not only
// until the last byte.
type Reader struct {
	Object Object
	// Offset and Length say which bytes of the object the body is.
	Offset, Length int64

	bucket  string
	body    io.ReadCloser
	attempt *attempt // bounds how long the body may stand still; nil: unbounded
	read    int64
	err     error // sticky
}

// NewReader returns body as the length bytes from offset of that object of the
// bucket. Its Read fails with [io.ErrUnexpectedEOF] if body ends early. It is for
// implementations of a store other than [Bucket]; see objectstoretest.
func NewReader(bucket string, object Object, offset, length int64, body io.ReadCloser) *Reader {
	return &Reader{Object: object, Offset: offset, Length: length, bucket: bucket, body: body}
}

// Read reads the next bytes of the body. An error is one of reading this object;
// unless the caller cancelled, it is [ErrUnavailable], as reading again may help.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.attempt != nil {
		r.attempt.arm()
		defer r.attempt.disarm()
	}
	n, err := r.body.Read(p)
	r.read += int64(n)
	switch {
	case r.read > r.Length:
		// What is over never reaches the caller.
		n -= int(min(r.read-r.Length, int64(n)))
		r.err = r.fail(fmt.Errorf("body is longer than the %d bytes announced", r.Length))
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF && r.read < r.Length:
		r.err = r.fail(fmt.Errorf("body ends after %d of %d bytes: %w", r.read, r.Length, io.ErrUnexpectedEOF))
	case err == io.EOF:
		r.err = io.EOF
	case err != nil:
		if r.attempt != nil {
			err = r.attempt.explain(err)
		}
		r.err = r.fail(fmt.Errorf("after %d of %d bytes: %w", r.read, r.Length, err))
	}
	return n, r.err
}

func (r *Reader) fail(err error) error {
	return &Error{Op: OpRead, Bucket: r.bucket, Key: r.Object.Key, Err: err}
}

// Close releases the connection. A body not read to its end costs the
// connection, which is then not used again.
func (r *Reader) Close() error {
	if r.attempt != nil {
		defer r.attempt.end()
	}
	if r.err == nil {
		r.err = r.fail(errClosed)
	}
	return r.body.Close()
}

var errClosed = errors.New("reader is closed")

// ReadAll reads the rest of the body, if its length is at most maxBytes, and
// closes the reader. A longer body fails with [*TooLargeError] before anything is read.
func (r *Reader) ReadAll(maxBytes int64) ([]byte, error) {
	defer r.Close()
	if r.Length > maxBytes || r.Length > math.MaxInt-bytes.MinRead {
		return nil, &TooLargeError{Op: OpRead, Bucket: r.bucket, Key: r.Object.Key, Limit: maxBytes, Size: r.Length}
	}
	// One allocation: ReadFrom asks for MinRead spare bytes to see the end.
	buf := bytes.NewBuffer(make([]byte, 0, int(r.Length-r.read)+bytes.MinRead))
	if _, err := buf.ReadFrom(r); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// cancelled tells whether err comes from the caller's own cancellation.
func cancelled(err error) bool { return errors.Is(err, context.Canceled) }
