package template

import (
	"fmt"
	"time"
)

// Fetcher is the function that fetches CRLs, with what becomes of its events and
// its timer.
type Fetcher struct {
	Function
	Retries     int
	MaxEventAge time.Duration
	TimerEvery  time.Duration
	TimerInput  string
}

// fetcher reads the function that fetches CRLs, if there is one.
func (d *document) fetcher(ids []string, g *Gate, buckets ...string) (err error) {
	if len(ids) == 0 {
		return nil
	}
	if len(ids) > 1 {
		return fmt.Errorf("it has %d functions with FETCH_PREFIX, and a gate has one", len(ids))
	}
	g.Fetcher = &Fetcher{}
	if err := d.function(ids[0], &g.Fetcher.Function, buckets...); err != nil {
		return err
	}
	if g.Fetcher.Retries, g.Fetcher.MaxEventAge, err = d.retries(ids[0]); err != nil {
		return err
	}
	if g.Fetcher.TimerEvery, g.Fetcher.TimerInput, err = d.timer(ids[0]); err != nil {
		return err
	}
	env := g.Fetcher.Environment
	if env["UPLOAD_BUCKET"] != g.Uploads.Name || env["CACHE_BUCKET"] != g.Cache.Name {
		return fmt.Errorf("%s works on the buckets %s and %s, which are not the gate's", ids[0], env["UPLOAD_BUCKET"], env["CACHE_BUCKET"])
	}
	return nil
}
