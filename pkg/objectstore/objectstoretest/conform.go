package objectstoretest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Conform tests that a store does what S3 does, as far as crlgate relies on it.
// It is run over the bucket in memory here, and can be run over a Bucket on a real
// S3 server. Each call of open returns a store, in which nothing lies under the
// prefix "conform/"; it may be the same one if it is emptied.
func Conform(t *testing.T, open func(t *testing.T) Store) {
	for _, part := range []struct {
		name string
		test func(*testing.T, Store)
	}{
		{"an object is one version everywhere", conformVersions},
		{"conditional reads", conformReads},
		{"conditional writes", conformWrites},
		{"conditional deletion", conformDelete},
		{"ranges", conformRanges},
		{"listing", conformList},
		{"caps", conformCaps},
		{"no update is lost", conformRace},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

const conformKey = "conform/a key+with%odd/characters"

func put(t *testing.T, s Store, key, body string, opts objectstore.PutOptions) objectstore.Version {
	t.Helper()
	v, err := s.Put(t.Context(), key, strings.NewReader(body), opts)
	if err != nil {
		t.Fatal(err)
	}
	if v == "" {
		t.Fatalf("writing %s gave no version", key)
	}
	return v
}

func tryPut(t *testing.T, s Store, key, body string, opts objectstore.PutOptions) error {
	t.Helper()
	_, err := s.Put(t.Context(), key, strings.NewReader(body), opts)
	return err
}

func read(t *testing.T, s Store, key string, opts objectstore.GetOptions) (string, objectstore.Object) {
	t.Helper()
	body, o, err := s.ReadAll(t.Context(), key, 1<<20, opts)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), o
}

func tryRead(t *testing.T, s Store, key string, opts objectstore.GetOptions) error {
	t.Helper()
	_, _, err := s.ReadAll(t.Context(), key, 1<<20, opts)
	return err
}

func wantErr(t *testing.T, what string, err error, kinds ...error) {
	t.Helper()
	for _, kind := range kinds {
		if !errors.Is(err, kind) {
			t.Errorf("%s: error %v, want %v", what, err, kind)
		}
	}
}

func conformVersions(t *testing.T, s Store) {
	first := put(t, s, conformKey, "one", objectstore.PutOptions{ContentType: "text/plain"})
	second := put(t, s, conformKey, "three", objectstore.PutOptions{})
	if first == second {
		t.Errorf("two contents have one version %s", first)
	}
	body, got := read(t, s, conformKey, objectstore.GetOptions{})
	if body != "three" || got.Key != conformKey || got.Size != 5 || got.Version != second || got.LastModified.IsZero() {
		t.Errorf("got %q, %+v", body, got)
	}
	head, err := s.Head(t.Context(), conformKey)
	if err != nil || head != got {
		t.Errorf("head %+v (%v), get %+v", head, err, got)
	}
	for listed, err := range s.List(t.Context(), "conform/") {
		if err != nil || listed.Key != conformKey || listed.Version != second || listed.Size != 5 {
			t.Errorf("listed %+v (%v)", listed, err)
		}
	}
	put(t, s, conformKey, "", objectstore.PutOptions{})
	if body, got := read(t, s, conformKey, objectstore.GetOptions{}); body != "" || got.Size != 0 {
		t.Errorf("an empty object reads as %q, %+v", body, got)
	}
}

func conformReads(t *testing.T, s Store) {
	wantErr(t, "reading nothing", tryRead(t, s, conformKey, objectstore.GetOptions{}), objectstore.ErrNotFound)
	_, err := s.Head(t.Context(), conformKey)
	wantErr(t, "looking up nothing", err, objectstore.ErrNotFound)

	old := put(t, s, conformKey, "one", objectstore.PutOptions{})
	wantErr(t, "same version", tryRead(t, s, conformKey, objectstore.GetOptions{IfNoneMatch: old}), objectstore.ErrNotModified)
	read(t, s, conformKey, objectstore.GetOptions{IfMatch: old})

	put(t, s, conformKey, "two", objectstore.PutOptions{})
	if body, _ := read(t, s, conformKey, objectstore.GetOptions{IfNoneMatch: old}); body != "two" {
		t.Errorf("a changed object reads as %q", body)
	}
	wantErr(t, "other version", tryRead(t, s, conformKey, objectstore.GetOptions{IfMatch: old}), objectstore.ErrPreconditionFailed)
}

func conformWrites(t *testing.T, s Store) {
	absent := objectstore.PutOptions{IfNoneMatch: true}
	first := put(t, s, conformKey, "one", absent)
	wantErr(t, "writing twice if absent", tryPut(t, s, conformKey, "no", absent), objectstore.ErrPreconditionFailed)

	put(t, s, conformKey, "two", objectstore.PutOptions{IfMatch: first})
	wantErr(t, "a stale version", tryPut(t, s, conformKey, "no", objectstore.PutOptions{IfMatch: first}), objectstore.ErrPreconditionFailed)
	if body, _ := read(t, s, conformKey, objectstore.GetOptions{}); body != "two" {
		t.Errorf("refused writes left %q", body)
	}
	wantErr(t, "a version of nothing", tryPut(t, s, "conform/none", "no", objectstore.PutOptions{IfMatch: first}),
		objectstore.ErrPreconditionFailed, objectstore.ErrNotFound)
	wantErr(t, "what was refused", tryRead(t, s, "conform/none", objectstore.GetOptions{}), objectstore.ErrNotFound)
	if err := tryPut(t, s, conformKey, "no", objectstore.PutOptions{IfMatch: first, IfNoneMatch: true}); err == nil {
		t.Error("a write with two conditions was taken")
	}

	body := strings.NewReader("skipped:rest")
	if _, err := body.Seek(8, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), conformKey, body, objectstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, s, conformKey, objectstore.GetOptions{}); got != "rest" {
		t.Errorf("a body that is not at its start is stored as %q", got)
	}
}

func conformDelete(t *testing.T, s Store) {
	if err := s.Delete(t.Context(), conformKey, objectstore.DeleteOptions{}); err != nil {
		t.Errorf("deleting nothing: %v", err)
	}
	old := put(t, s, conformKey, "one", objectstore.PutOptions{})
	now := put(t, s, conformKey, "two", objectstore.PutOptions{})
	err := s.Delete(t.Context(), conformKey, objectstore.DeleteOptions{IfMatch: old})
	wantErr(t, "deleting another version", err, objectstore.ErrPreconditionFailed)
	read(t, s, conformKey, objectstore.GetOptions{})
	if err := s.Delete(t.Context(), conformKey, objectstore.DeleteOptions{IfMatch: now}); err != nil {
		t.Error(err)
	}
	wantErr(t, "what was deleted", tryRead(t, s, conformKey, objectstore.GetOptions{}), objectstore.ErrNotFound)
}

func conformRanges(t *testing.T, s Store) {
	put(t, s, conformKey, "0123456789", objectstore.PutOptions{})
	for _, tt := range []struct {
		r    objectstore.Range
		want string
	}{
		{objectstore.Range{Offset: 2, Length: 3}, "234"},
		{objectstore.Range{Length: 4}, "0123"},
		{objectstore.Range{Offset: 7}, "789"},
		{objectstore.Range{Offset: 7, Length: 100}, "789"},
	} {
		if body, o := read(t, s, conformKey, objectstore.GetOptions{Range: tt.r}); body != tt.want || o.Size != 10 {
			t.Errorf("%+v: %q of %d bytes, want %q", tt.r, body, o.Size, tt.want)
		}
	}
	beyond := objectstore.GetOptions{Range: objectstore.Range{Offset: 10, Length: 1}}
	wantErr(t, "a range beyond the end", tryRead(t, s, conformKey, beyond), objectstore.ErrRange)
}

func conformList(t *testing.T, s Store) {
	want := []string{"conform/l/a b", "conform/l/a%2B+", "conform/l/ä", "conform/l/z/1", "conform/l/z/2"}
	for _, key := range want {
		put(t, s, key, key, objectstore.PutOptions{})
	}
	put(t, s, "conform/m", "beside the prefix", objectstore.PutOptions{})
	var got []string
	for o, err := range s.List(t.Context(), "conform/l/") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	for o, err := range s.List(t.Context(), "conform/nothing/") {
		t.Errorf("listed %+v (%v) where nothing is", o, err)
	}
}

func conformCaps(t *testing.T, s Store) {
	put(t, s, conformKey, "12345", objectstore.PutOptions{})
	_, _, err := s.ReadAll(t.Context(), conformKey, 4, objectstore.GetOptions{})
	var tooLarge *objectstore.TooLargeError
	if !errors.As(err, &tooLarge) || tooLarge.Limit != 4 || tooLarge.Size != 5 {
		t.Errorf("error %v, want a *TooLargeError of 5 bytes over 4", err)
	}
	if err := tryPut(t, s, "", "x", objectstore.PutOptions{}); err == nil {
		t.Error("an empty key was taken")
	}
	if err := tryPut(t, s, "conform/"+strings.Repeat("k", 1024), "x", objectstore.PutOptions{}); err == nil {
		t.Error("a key of more than 1024 bytes was taken")
	}
}

// conformRace has several writers append to one object, each after the version it
// read: as the preprocessors do to the catalog.
func conformRace(t *testing.T, s Store) {
	const writers, each = 4, 5
	put(t, s, conformKey, "", objectstore.PutOptions{})
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for n := range each {
				if err := appendLine(t, s, fmt.Sprintf("%d.%d\n", w, n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	body, _ := read(t, s, conformKey, objectstore.GetOptions{})
	lines := strings.Fields(body)
	slices.Sort(lines)
	if n := len(slices.Compact(lines)); n != writers*each {
		t.Errorf("%d of %d updates are there", n, writers*each)
	}
}

func appendLine(t *testing.T, s Store, line string) error {
	for t.Context().Err() == nil {
		body, o, err := s.ReadAll(t.Context(), conformKey, 1<<20, objectstore.GetOptions{})
		if err != nil {
			return err
		}
		_, err = s.Put(t.Context(), conformKey, bytes.NewReader(append(body, line...)), objectstore.PutOptions{IfMatch: o.Version})
		if !errors.Is(err, objectstore.ErrPreconditionFailed) && !errors.Is(err, objectstore.ErrConflict) {
			return err
		}
	}
	return t.Context().Err()
}
