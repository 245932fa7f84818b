package objectstoretest

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
)

// Hook is asked on each call; an error becomes the call's. A hook may use the
// bucket, to play another writer; it is called by the goroutine of the call. For
// a listing, key is the prefix, and each page is a call. The operation is one of
// OpGet (ReadAll too), OpHead, OpPut, OpDelete and OpList.
type Hook func(op objectstore.Op, key string) error

type faults struct {
	before, after Hook
	delays        map[objectstore.Op]time.Duration
	tears         map[string]*tear
}

type tear struct{ after, times int }

// Before sets the hook that is asked before a call has any effect; nil for none.
// Its error means: not persisted.
func (b *Bucket) Before(hook Hook) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults.before = hook
}

// After sets the hook that is asked when a call has taken effect, whether it
// succeeded or not; nil for none. Its error means: persisted (if it was a write that
// succeeded), but reported failed.
func (b *Bucket) After(hook Hook) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults.after = hook
}

// Delay makes each call of op wait that long before it has any effect, or until
// its context ends; 0 for not at all.
func (b *Bucket) Delay(op objectstore.Op, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.faults.delays == nil {
		b.faults.delays = map[objectstore.Op]time.Duration{}
	}
	b.faults.delays[op] = d
}

// Tear makes the bodies of the next times reads of key break off after so many
// bytes.
func (b *Bucket) Tear(key string, after, times int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.faults.tears == nil {
		b.faults.tears = map[string]*tear{}
	}
	b.faults.tears[key] = &tear{after, times}
}

// Answer is an error for hooks: that S3 answered with this status and code, such as
// 503 "SlowDown", 409 "ConditionalRequestConflict" or 403 "AccessDenied".
func Answer(status int, code string) error {
	return &objectstore.Error{Status: status, Code: code}
}

// torn returns where the body of this read breaks off, and whether it does.
func (b *Bucket) torn(key string) (int, bool) {
	t := b.faults.tears[key]
	if t == nil || t.times == 0 {
		return 0, false
	}
	t.times--
	return t.after, true
}

// tornBody is a body whose connection breaks.
type tornBody struct{ io.Reader }

func (b tornBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (tornBody) Close() error { return nil }

// do makes one call: hooks and delay around effect, which holds the lock.
func (b *Bucket) do(ctx context.Context, c Call, effect func(*Call) error) error {
	b.mu.Lock()
	before, after, delay := b.faults.before, b.faults.after, b.faults.delays[c.Op]
	b.mu.Unlock()

	err := ctx.Err()
	if err == nil {
		err = ask(before, c)
	}
	if err == nil {
		err = wait(ctx, delay)
	}
	if err == nil {
		b.mu.Lock()
		err = effect(&c)
		b.mu.Unlock()
		if lost := ask(after, c); lost != nil {
			err = lost
		}
	}
	c.Err = b.told(c, err)
	b.mu.Lock()
	b.calls = append(b.calls, c)
	b.mu.Unlock()
	return c.Err
}

func ask(hook Hook, c Call) error {
	if hook == nil {
		return nil
	}
	return hook(c.Op, c.Key)
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// told puts an error into the words of objectstore.
func (b *Bucket) told(c Call, err error) error {
	if err == nil {
		return nil
	}
	e := &objectstore.Error{Err: err}
	var answer *objectstore.Error
	if errors.As(err, &answer) && answer.Op == "" {
		copied := *answer
		e = &copied
	}
	e.Op, e.Bucket, e.Key = c.Op, b.config.name, c.Key
	e.IfMatch = c.IfMatch != "" && (c.Op == objectstore.OpPut || c.Op == objectstore.OpDelete)
	return e
}
