package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/objectstore"
)

func statusCommand() *cobra.Command {
	of := target.Options{TakesUpload: true}
	var asJSON, watch bool
	var every time.Duration
	var bound boundFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show every CA and CRL: number, age, time left, entries, last report",
		Long: `Show every CA and its CRLs in force: CRL number, age, time left until nextUpdate,
entries, when it was published, which certificates it speaks of, and the last
report on its key; the settings that relax or narrow what is let in; every upload
that is refused or pending, with the reason; and the bound from a revocation to the
denial, term by term.` + targetWords + `
With the upload bucket, which the local stack has, it shows as well from which
URLs CRLs are fetched, how that went, and when each is asked next.

` + exitWords["status"],
		Example: `  crlgate status
  crlgate status --watch
  crlgate status --cache-bucket my-cache --profile prod --json | jq '.cas[].crls[] | {crl, left_seconds}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := of.Open(cmd.Context())
			if err != nil {
				return err
			}
			if every <= 0 {
				return fmt.Errorf("--interval %v is not a time to wait, such as 2s", every)
			}
			s, err := showStatus(cmd, t, &bound, asJSON, watch)
			if err != nil {
				return ended(cmd.Context(), t, err)
			}
			if watch {
				s, err = watchStatus(cmd, t, s, &bound, asJSON, every)
			}
			if err == nil && !s.OK {
				err = errNo
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print JSON; with --watch, one object a line")
	f.BoolVarP(&watch, "watch", "w", false, "show it again and again, until Ctrl-C")
	f.DurationVar(&every, "interval", 2*time.Second, "how often, with --watch")
	bound.flags(cmd)
	targetFlags(cmd, &of)
	return cmd
}

// boundFlags are the authorizer's settings that bound the time from revocation to
// denial.
type boundFlags struct{ revalidate, unvalidated time.Duration }

func (b *boundFlags) flags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&b.revalidate, "revalidate-after", 0, "the authorizer's REVALIDATE_AFTER (default 10s, or the local stack's)")
	cmd.Flags().DurationVar(&b.unvalidated, "max-unvalidated", 0, "the authorizer's MAX_UNVALIDATED (default 15m, or the local stack's)")
}

func (b *boundFlags) of(t *target.Target) *status.Bound {
	return status.NewBound(cmp.Or(b.revalidate, t.RevalidateAfter()), cmp.Or(b.unvalidated, t.MaxUnvalidated()), t.Local == nil && (b.revalidate == 0 || b.unvalidated == 0))
}

// watchStatus shows the status again and again until Ctrl-C, and returns the last
// one. That S3 is unavailable for a while does not end it, unless it is that of
// a local stack that has ended.
func watchStatus(cmd *cobra.Command, t *target.Target, last *status.Status, bound *boundFlags, asJSON bool, every time.Duration) (*status.Status, error) {
	ctx := cmd.Context()
	for {
		select {
		case <-ctx.Done():
			return last, nil
		case <-time.After(every):
		}
		s, err := showStatus(cmd, t, bound, asJSON, true)
		switch {
		case err == nil:
			last = s
			continue
		case ctx.Err() != nil:
			return last, nil
		case !errors.Is(err, objectstore.ErrUnavailable):
			return nil, err
		}
		if gone := ended(ctx, t, err); errors.Is(gone, target.ErrNoLocal) {
			return nil, gone
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "crlgate:", err)
	}
}

// ended turns the error of a local stack that has ended meanwhile into one that
// says so; others stay.
func ended(ctx context.Context, t *target.Target, err error) error {
	if t.Local == nil {
		return err
	}
	if _, gone := target.Find(ctx, t.Local.Folder); errors.Is(gone, target.ErrNoLocal) {
		return gone
	}
	return err
}

// showStatus prints the status once. On a terminal a watched one replaces the
// one before it.
func showStatus(cmd *cobra.Command, t *target.Target, bound *boundFlags, asJSON, watch bool) (*status.Status, error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
	defer cancel()
	s, err := status.Gather(ctx, t.Cache, time.Now().Round(0))
	if err != nil {
		return nil, err
	}
	s.Bound = bound.of(t)
	if t.Uploads != nil {
		if err := s.AddFetched(ctx, t.Uploads); err != nil {
			return nil, err
		}
	}
	out := cmd.OutOrStdout()
	if asJSON {
		return s, json.NewEncoder(out).Encode(s)
	}
	var page bytes.Buffer
	switch {
	case watch && terminal.Is(out):
		terminal.Clear(out)
	case watch:
		page.WriteString("\n")
	}
	if err := s.Print(&page, t.String(), terminal.Coloured(out)); err != nil {
		return nil, err
	}
	_, err = page.WriteTo(out)
	return s, err
}
