package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/request"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// forgetFlags are what is to be forgotten, and how.
type forgetFlags struct {
	of                target.Options
	preprocessor      string
	forget            preprocess.Forget
	yes, json, dryRun bool
}

func forgetCommand() *cobra.Command {
	var c forgetFlags
	cmd := &cobra.Command{
		Use:   "forget {KEY | --ca NAME | --floor KEY} --reason TEXT",
		Short: "End what goes on serving although its upload is gone; lower a floor",
		Long: `Have the preprocessor let go of what it keeps of itself. What would be lost is
shown first, with the number of serial numbers that are no longer denied, and has to
be confirmed; who did it and why is written to the preprocessor's log and into the
report.

KEY            the key of a CRL that was deleted from the upload bucket. It goes on
               serving until its nextUpdate, and what it lists is denied after that
               as well; forgetting it ends both. Its floor stays: nothing older can
               take its place.
--ca NAME      a CA whose issuers file was deleted together with most others, so
               that it was not withdrawn (issuers_vanished). It is withdrawn.
--floor KEY    the key of a CRL that is uploaded and was refused because a newer one
               was accepted before (number_too_low, number_reused,
               this_update_went_back). The floor is lowered to it, and it enters. For
               a CA that was set up anew and counts from the beginning; what was
               revoked in between and is not on it is let in.

An upload that is still there is not forgotten: delete it first.` + targetWords + `
On AWS the name of the preprocessor's function is needed as well, and the right to
invoke it; with that, --cache-bucket may be any name.

` + exitWords["forget"],
		Example: `  crlgate forget crls/partner-a.crl --reason "CA closed down, ticket 4711"
  crlgate forget --ca partner-a --reason "contract ended" --yes
  crlgate forget --floor crls/partner-a.crl --reason "CA restored, numbers begin anew" --dry-run`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				c.forget.CRL = args[0]
			}
			return c.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.forget.CA, "ca", "", "the CA to withdraw, `NAME`")
	f.StringVar(&c.forget.Floor, "floor", "", "lower the floor to the refused upload `KEY`")
	f.StringVar(&c.forget.Reason, "reason", "", "why, in words, for the log and the report: `TEXT`")
	f.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&c.dryRun, "dry-run", false, "only show what would be lost")
	f.BoolVar(&c.json, "json", false, "print JSON; needs --yes or --dry-run")
	for _, name := range []string{"ca", "floor", "reason"} {
		noCompletion(cmd, name)
	}
	targetFlags(cmd, &c.of)
	preprocessorFlag(cmd, &c.preprocessor)
	return cmd
}

// check refuses what the preprocessor would, before it is asked.
func (c *forgetFlags) check() error {
	n := 0
	for _, s := range []string{c.forget.CRL, c.forget.CA, c.forget.Floor} {
		if s != "" {
			n++
		}
	}
	switch {
	case n != 1:
		return errors.New("name one thing to forget: the KEY of a CRL, --ca NAME or --floor KEY")
	case c.forget.Reason == "" && !c.dryRun:
		return errors.New("--reason is missing: say why, for the log and the report")
	case c.json && !c.yes && !c.dryRun:
		return errors.New("--json asks nobody: add --yes or --dry-run")
	}
	return nil
}

func (c *forgetFlags) run(cmd *cobra.Command) error {
	if err := c.check(); err != nil {
		return hinted(cmd, err)
	}
	ctx := cmd.Context()
	t, err := c.of.Open(ctx)
	if err != nil {
		return err
	}
	p, err := request.Open(ctx, t, c.of, c.preprocessor)
	if err != nil {
		return err
	}
	c.forget.By = request.Operator()
	look := c.forget
	look.DryRun = true
	answer, err := p.Forget(ctx, look)
	if err != nil {
		return err
	}
	if !c.json {
		if err := printForgotten(cmd.OutOrStdout(), &c.forget, answer); err != nil {
			return err
		}
	}
	if answer.Refused == "" && !c.dryRun {
		if !c.yes && !confirm(cmd) {
			fmt.Fprintln(cmd.ErrOrStderr(), "Nothing was done.")
			return errNo
		}
		c.forget.Seen = answer.Seen
		if answer, err = p.Forget(ctx, c.forget); err != nil {
			return err
		}
		if !c.json {
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), outcome(answer)); err != nil {
				return err
			}
		}
	}
	if c.json {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(answer); err != nil {
			return err
		}
	}
	if answer.Refused != "" || !answer.Done && !c.dryRun {
		return errNo
	}
	return nil
}

func outcome(f *preprocess.Forgotten) string {
	if f.Done {
		return "Done. Authorizers take it at their next revalidation."
	}
	return "Nothing was done: " + f.Refused
}

// printForgotten shows what is, or would be, lost.
func printForgotten(w io.Writer, asked *preprocess.Forget, f *preprocess.Forgotten) error {
	var t terminal.Table
	t.Head("CA", "CRL", "KIND", "NUMBER", "ENTRIES", "NEXT UPDATE")
	for _, l := range f.CRLs {
		t.Row(terminal.Cell{Text: f.CA}, terminal.Cell{Text: l.Key}, terminal.Cell{Text: l.Kind}, terminal.Cell{Text: l.Number},
			terminal.Cell{Text: fmt.Sprint(l.Entries)}, terminal.Cell{Text: l.NextUpdate.UTC().Format(time.RFC3339)})
	}
	if len(f.CRLs) > 0 {
		if err := t.Print(w, "", false); err != nil {
			return err
		}
	}
	lines := []string{}
	if f.Refused == "" || len(f.CRLs) > 0 {
		lines = append(lines, "", terminal.Plural(f.Entries, "serial number is", "serial numbers are")+" no longer denied by this.")
	}
	if f.Enters != nil {
		lines = append(lines, fmt.Sprintf("CRL number %s with %s enters in its place.", f.Enters.Number, terminal.Plural(f.Enters.Entries, "entry", "entries")))
	}
	if f.Then != "" {
		lines = append(lines, "Then "+f.Then+".")
	}
	if asked.CRL != "" && f.Refused == "" {
		lines = append(lines, "The floor stays: no older CRL can take its place.")
	}
	if f.Refused != "" {
		lines = append(lines, "Refused: "+terminal.Line(f.Refused)+".")
	}
	_, err := fmt.Fprintln(w, strings.TrimPrefix(strings.Join(lines, "\n"), "\n"))
	return err
}

// confirm asks. What is no terminal, and says nothing, says no.
func confirm(cmd *cobra.Command) bool {
	fmt.Fprint(cmd.ErrOrStderr(), "Type yes to do it: ")
	line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	return strings.TrimSpace(line) == "yes"
}
