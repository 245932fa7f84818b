package fsck

import (
	"sync"

	"golang.org/x/sync/errgroup"
)

// atOnce is how many objects are looked at at a time.
const atOnce = 16

// parallel does something with each of many, some at a time, and returns what
// came of them, in their order.
func parallel[In, Out any](r *run, what string, list []In, do func(In) (Out, error)) ([]Out, error) {
	out := make([]Out, len(list))
	var mu sync.Mutex
	done := 0
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, in := range list {
		g.Go(func() (err error) {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			if out[i], err = do(in); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			r.progress(what, done, len(list))
			return nil
		})
	}
	return out, g.Wait()
}
