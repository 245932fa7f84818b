package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/fsck"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/request"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
)

// fsckFlags are what fsck is asked to do.
type fsckFlags struct {
	of           target.Options
	options      fsck.Options
	preprocessor string
	json, repair bool
}

func fsckCommand() *cobra.Command {
	c := fsckFlags{of: target.Options{NeedsUpload: true}}
	cmd := &cobra.Command{
		Use:   "fsck",
		Short: "Find every difference between uploads, catalog, sets and reports; repair it",
		Long: `Compare what is uploaded with what the cache bucket holds, and list every
difference: a catalog that is lost, damaged, put back or edited; parts and sets that
are missing, of another length or damaged; CRLs, issuers and settings that the
catalog says otherwise than the uploads; uploads that nobody looked at; reports that
are missing; floors that are too low; what nothing refers to. docs/codes.md lists
them, with what to do in each case. Sets are read to their end; with --deep every
uploaded CRL in force is read too, verified and flattened, and compared.

With --repair the preprocessor is asked to mend what it can, and all is checked
again. Otherwise nothing is written, and the right to read both buckets is enough.` + targetWords + `
On AWS, --repair needs the name of the preprocessor's function as well, and the
right to invoke it.

` + exitWords["fsck"],
		Example: `  crlgate fsck
  crlgate fsck --deep --repair
  crlgate fsck --upload-bucket my-uploads --cache-bucket my-cache --profile prod --json | jq -r '.differences[].code'
  crlgate fsck --upload-bucket my-uploads --cache-bucket my-cache --preprocessor crlgate-Preprocessor-1A2B --repair`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	f := cmd.Flags()
	f.BoolVar(&c.repair, "repair", false, "have the preprocessor mend what it can, and check again")
	f.BoolVar(&c.options.Deep, "deep", false, "read every uploaded CRL in force too, verify and flatten it, and compare")
	f.BoolVar(&c.options.Quick, "quick", false, "only measure sets, do not read them")
	f.BoolVar(&c.json, "json", false, "print JSON")
	f.DurationVar(&c.options.Settle, "settle", 2*time.Minute, "how long an upload may go unseen: its event may be on its way")
	f.DurationVar(&c.options.SweepAfter, "sweep-after", 24*time.Hour, "the preprocessor's SWEEP_AFTER; 0: say nothing of what nothing refers to")
	f.StringVar(&c.options.IssuerPrefix, "issuer-prefix", "issuers/", "the preprocessor's ISSUER_PREFIX")
	f.StringSliceVar(&c.options.CRLPrefixes, "crl-prefixes", []string{"crls/", "crl/"}, "the preprocessor's CRL_PREFIXES")
	targetFlags(cmd, &c.of)
	preprocessorFlag(cmd, &c.preprocessor)
	return cmd
}

// preprocessorFlag adds the flag that names the function to ask.
func preprocessorFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "preprocessor", "", "the deployment's preprocessor, `NAME` or ARN of its function")
	noCompletion(cmd, "preprocessor")
}

func (c *fsckFlags) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if c.options.Deep && c.options.Quick {
		return fmt.Errorf("--deep reads everything, and --quick nothing that is large: give one of them")
	}
	t, err := c.of.Open(ctx)
	if err != nil {
		return err
	}
	var p *request.Preprocessor
	if c.repair {
		if p, err = request.Open(ctx, t, c.of, c.preprocessor); err != nil {
			return err
		}
	}
	progress := terminal.NewProgress(cmd.ErrOrStderr())
	defer progress.Clear()
	c.options.Progress = func(what string, done, of int) { progress.Show("checking %s, %d of %d", what, done, of) }
	r, err := c.check(ctx, t)
	if err != nil {
		return ended(ctx, t, err)
	}
	var before *fsck.Result
	if c.repair && r.Repairable() > 0 {
		before = r
		progress.Show("the preprocessor mends what it can")
		if err := mend(ctx, p, r); err != nil {
			progress.Clear()
			fmt.Fprintln(cmd.ErrOrStderr(), "crlgate: the preprocessor could not do all of it:", err)
		}
		if r, err = c.check(ctx, t); err != nil {
			return err
		}
	}
	progress.Clear()
	out := cmd.OutOrStdout()
	if c.json {
		err = json.NewEncoder(out).Encode(struct {
			*fsck.Result
			Before *fsck.Result `json:"before_repair,omitempty"`
		}{r, before})
	} else {
		err = r.Print(out, t.String(), before, terminal.Coloured(out))
	}
	if err == nil && !r.Clean() {
		err = errNo
	}
	return err
}

func (c *fsckFlags) check(ctx context.Context, t *target.Target) (*fsck.Result, error) {
	c.options.Now = time.Now().Round(0)
	return fsck.Check(ctx, t.Uploads, t.Cache, c.options)
}

// mend has the preprocessor mend what was found.
func mend(ctx context.Context, p *request.Preprocessor, r *fsck.Result) error {
	for _, repair := range r.Request() {
		if err := p.Repair(ctx, repair); err != nil {
			return err
		}
	}
	return nil
}
