package objectstore_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

// reader is a body of another store, said to be of that length.
func reader(body string, length int64) *objectstore.Reader {
	o := objectstore.Object{Key: "k", Size: length}
	return objectstore.NewReader("bucket", o, 0, length, io.NopCloser(strings.NewReader(body)))
}

func TestReaderHoldsTheBodyToItsLength(t *testing.T) {
	body, err := io.ReadAll(reader("hello", 5))
	if err != nil || string(body) != "hello" {
		t.Errorf("%q, %v", body, err)
	}

	body, err = io.ReadAll(reader("hell", 5))
	wantKinds(t, err, objectstore.ErrUnavailable)
	if string(body) != "hell" || !errors.Is(err, io.ErrUnexpectedEOF) ||
		err.Error() != "reading s3://bucket/k: S3 is unavailable: body ends after 4 of 5 bytes: unexpected EOF" {
		t.Errorf("a short body: %q, %v", body, err)
	}

	body, err = io.ReadAll(reader("hello!", 5))
	wantKinds(t, err, objectstore.ErrUnavailable)
	if string(body) != "hello" || !strings.Contains(err.Error(), "longer than the 5 bytes announced") {
		t.Errorf("a long body: %q, %v", body, err)
	}
}

func TestReaderAfterClose(t *testing.T) {
	r := reader("hello", 5)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := r.Read(make([]byte, 5))
	wantKinds(t, err)
	if objectstore.IsTransient(err) || !strings.Contains(err.Error(), "reader is closed") {
		t.Errorf("error %v", err)
	}
}

func TestReaderReadAllReadsTheRest(t *testing.T) {
	r := reader("hello", 5)
	if _, err := io.ReadFull(r, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	if rest, err := r.ReadAll(5); err != nil || string(rest) != "llo" {
		t.Errorf("%q, %v", rest, err)
	}
	// The buffer is made once, at its size.
	content := strings.Repeat("x", 1<<20)
	if n := testing.AllocsPerRun(10, func() { _, _ = reader(content, 1<<20).ReadAll(1 << 20) }); n > 8 {
		t.Errorf("%v allocations for 1 MiB", n)
	}
}
