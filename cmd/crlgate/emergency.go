package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/emergency"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/upload"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// emergencyWords say what deny and allow have in common.
const emergencyWords = `

Only that key of issuers/<ca>.json changes; the rest of the file stays as it is, to
the octet. What changes is shown and asked about, held against the preprocessor's
own rules, and written only if nobody else has written meanwhile. One line of JSON
on standard error, and the object's metadata, say who, when and why. Then the
command waits for the preprocessor's report and says from when the change holds on
every authorizer.` + targetWords

// settingsChange is one run of deny or allow.
type settingsChange struct {
	to         target.Options
	prefix     string
	by, reason string
	yes        bool
	asJSON     bool
	wait       time.Duration
	revalidate time.Duration
}

func (c *settingsChange) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.by, "by", "", "`WHO` does it, for the audit line (default the user of this machine)")
	f.StringVar(&c.reason, "reason", "", "`WHY`, for the audit line")
	f.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&c.asJSON, "json", false, "print JSON: {ca, change, key, written, report, holds_from}")
	f.DurationVar(&c.wait, "wait", 15*time.Minute, "how long the report may take")
	f.DurationVar(&c.revalidate, "revalidate-after", 0, "the authorizer's REVALIDATE_AFTER (default 10s, or the local stack's)")
	f.StringVar(&c.prefix, "issuer-prefix", upload.Standard.IssuerPrefix, "the preprocessor's ISSUER_PREFIX")
	c.to.NeedsUpload = true
	targetFlags(cmd, &c.to)
	for _, name := range []string{"by", "reason"} {
		noCompletion(cmd, name)
	}
}

// changed is what deny and allow print with --json.
type changed struct {
	CA      string             `json:"ca"`
	Change  string             `json:"change"`
	Key     string             `json:"key"`
	Written bool               `json:"written"` // false: the file said so already
	Report  *preprocess.Report `json:"report"`  // on the file as it is; null: there is none
	// HoldsFrom is when every authorizer that reaches S3 goes by it; zero: it is not
	// in force.
	HoldsFrom time.Time `json:"holds_from,omitzero"`
}

// run makes a change, which make returns for the CA.
func (c *settingsChange) run(cmd *cobra.Command, name string, make func(*issuer.CA) (emergency.Change, error)) error {
	ctx := cmd.Context()
	t, err := c.to.Open(ctx)
	if err != nil {
		return err
	}
	ca, err := emergency.CA(ctx, t.Uploads, c.prefix, name)
	if err != nil {
		return err
	}
	change, err := make(ca)
	if err != nil {
		return err
	}
	by, now := c.who(), time.Now()
	before, err := preprocess.ReadReport(ctx, t.Cache, c.prefix+name+".json")
	if err != nil {
		return fmt.Errorf("reading the last report on %s%s.json: %w", c.prefix, name, err)
	}
	w := &emergency.Writer{Uploads: t.Uploads, Prefix: c.prefix, Now: time.Now, Ask: c.asker(cmd, t)}
	written, err := w.Write(ctx, name, change, emergency.Note(by, c.reason, change, now))
	if errors.Is(err, emergency.ErrDeclined) {
		fmt.Fprintln(cmd.ErrOrStderr(), "nothing was written")
		return errNo
	}
	if err != nil {
		return err
	}
	for _, n := range written.Notes {
		fmt.Fprintln(cmd.ErrOrStderr(), n)
	}
	out := &changed{CA: name, Change: change.Words(), Key: written.Key, Written: !written.Nothing}
	if written.Version == "" {
		return c.print(cmd, out) // nothing to take back: there is no file
	}
	how := "is written"
	if written.Nothing {
		// What somebody wrote before may have been lost on its way: whether it is in
		// force, the report on it says.
		how, before = "says so already", nil
	} else {
		slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil)).Info("settings changed", "ca", name, "change", change.Words(), "by", by, "reason", c.reason,
			"bucket", t.Uploads.Name(), "key", written.Key, "etag", string(written.Version), "previous_etag", string(written.Previous))
	}
	if out.Report, err = c.await(ctx, cmd, t, written, before); err != nil {
		return fmt.Errorf("%s %s, and is not known to be in force: %w", written.Key, how, err)
	}
	if out.Report.Outcome == preprocess.OutcomeAccepted {
		out.HoldsFrom = out.Report.At.Add(c.bound(t)).Add(time.Second) // reports are of whole seconds
	}
	return c.print(cmd, out)
}

func (c *settingsChange) print(cmd *cobra.Command, out *changed) error {
	w := cmd.OutOrStdout()
	var err error
	if c.asJSON {
		err = json.NewEncoder(w).Encode(out)
	} else {
		err = out.print(w)
	}
	if err == nil && out.Report != nil && out.HoldsFrom.IsZero() {
		err = errNo
	}
	return err
}

// print prints it for people.
func (out *changed) print(w io.Writer) error {
	if !out.Written {
		if _, err := fmt.Fprintf(w, "%s: nothing to change\n", out.Key); err != nil {
			return err
		}
	}
	if out.Report != nil {
		if err := upload.PrintReport(w, "", out.Report, terminal.Coloured(w)); err != nil {
			return err
		}
	}
	if out.HoldsFrom.IsZero() {
		return nil
	}
	_, err := fmt.Fprintf(w, "holds on every authorizer from %s (REVALIDATE_AFTER and one refresh); one that S3 does not answer goes by what it has, and denies after MAX_UNVALIDATED\n", out.HoldsFrom.UTC().Format(time.RFC3339))
	return err
}

// bound is how long after the catalog has a change every authorizer goes by it.
func (c *settingsChange) bound(t *target.Target) time.Duration {
	return status.InForce(cmp.Or(c.revalidate, t.RevalidateAfter()))
}

func (c *settingsChange) await(ctx context.Context, cmd *cobra.Command, t *target.Target, w *emergency.Written, before *preprocess.Report) (*preprocess.Report, error) {
	u := &upload.Uploader{Uploads: t.Uploads, Cache: t.Cache, Wait: c.wait, Settle: 15 * time.Second, Progress: terminal.NewProgress(cmd.ErrOrStderr())}
	if t.Local != nil {
		u.Settle = 3 * time.Second
	}
	r, err := u.Await(ctx, upload.File{Path: w.Key, Key: w.Key, Kind: preprocess.KindSettings}, w.Version, before, w.At)
	u.Progress.Clear()
	return r, err
}

// asker shows a change and asks whether to write it.
func (c *settingsChange) asker(cmd *cobra.Command, t *target.Target) func(string, []byte, []byte, []string) (bool, error) {
	asked := 0
	return func(key string, before, after []byte, _ []string) (bool, error) {
		out := cmd.ErrOrStderr()
		if asked++; asked > 1 {
			fmt.Fprintln(out, "somebody else has changed it meanwhile; the change is now:")
		}
		fmt.Fprintf(out, "s3://%s/%s", t.Uploads.Name(), key)
		if before == nil {
			fmt.Fprint(out, " (a new file)")
		}
		fmt.Fprintf(out, "\n%s", emergency.Diff(before, after, terminal.Coloured(out)))
		if c.yes {
			return true, nil
		}
		if in, ok := cmd.InOrStdin().(*os.File); !ok || !terminal.IsInput(in) {
			return false, errors.New("nobody can be asked here, since standard input is no terminal: look at the change above, and give --yes")
		}
		fmt.Fprint(out, "Write this? [y/N] ")
		answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if err != nil && answer == "" {
			return false, nil
		}
		answer = strings.ToLower(strings.TrimSpace(answer))
		return answer == "y" || answer == "yes", nil
	}
}

// who does it: as the flag says, or the user of this machine.
func (c *settingsChange) who() string {
	if c.by != "" {
		return c.by
	}
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		who += "@" + host
	}
	return who
}

func denyCommand() *cobra.Command {
	var c settingsChange
	var s serialFlags
	var certs []string
	var undo bool
	cmd := &cobra.Command{
		Use:   "deny CA SERIAL…",
		Short: "Deny certificates now, before any CRL says so",
		Long: `Put serial numbers of a CA on its deny list, or take them off with --undo. A
certificate on it is denied as revoked (row 6 of the decision table), whatever the
CRLs say and however old they are. CA is the name of the CA's file, without .pem.

A SERIAL is in hex, as openssl, crlgate's logs and the authorizer's context have
it, with or without colons or a leading 0x; or in decimal, behind "dec:" or with
--decimal. Digits that would be one number in hex and another in decimal are
refused. One below 0 goes behind all flags and "--". --cert takes the serial number
from a certificate, which must be the CA's.` + emergencyWords + `

` + exitWords["deny"],
		Example: `  crlgate deny partner-a 0a:1b:2c --reason "laptop stolen, ticket 4711"
  crlgate deny partner-a --cert client.pem --yes
  crlgate deny partner-a --undo 0x0a1b2c
  crlgate deny partner-a -- -0x12`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && len(certs) == 0 {
				return hinted(cmd, fmt.Errorf("which certificates of CA %s? Give serial numbers, or --cert FILE", args[0]))
			}
			d := &emergency.Deny{Undo: undo}
			for _, text := range args[1:] {
				serial, err := s.parse(text)
				if err != nil {
					return err
				}
				d.Serials = append(d.Serials, serial)
			}
			return c.run(cmd, args[0], func(ca *issuer.CA) (emergency.Change, error) {
				for _, file := range certs {
					data, err := readCertificate(cmd, file)
					if err != nil {
						return nil, err
					}
					serial, err := emergency.SerialOf(data, ca)
					if err != nil {
						return nil, fmt.Errorf("%s: %w", file, err)
					}
					d.Serials = append(d.Serials, serial)
				}
				return d, nil
			})
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.BoolVar(&undo, "undo", false, "take them off the deny list")
	f.BoolVar(&s.decimal, "decimal", false, "the SERIALs are in decimal")
	f.StringArrayVar(&certs, "cert", nil, "`FILE` with a certificate to deny, PEM or DER (may be given more than once)")
	_ = cmd.MarkFlagFilename("cert", certificateFiles...)
	c.flags(cmd)
	return cmd
}

func allowCommand() *cobra.Command {
	var c settingsChange
	var until string
	var end bool
	cmd := &cobra.Command{
		Use:   "allow CA --until TIME --reason WHY",
		Short: "Let a CA's clients in for a while, all but revoked ones (break-glass)",
		Long: `Let the clients of a CA in until a time, where it is not known whether they are
revoked: its CRL has expired, is missing or does not cover them, the cache cannot
be read (rows 8 to 13 of the decision table). Certificates that are listed in a CRL
or in the deny list, and those of a revoked issuer, are denied as before; but what
was revoked since the CRLs at hand were issued is let in. The context, the log and
the metrics say would_deny of each such request.

TIME is at most 7 days ahead. --end ends it before its time.` + emergencyWords + `

` + exitWords["allow"],
		Example: `  crlgate allow partner-a --until 4h --reason "CA is down, ticket 4711"
  crlgate allow partner-a --until 2026-01-31T06:00:00Z --reason "CRL late" --yes
  crlgate allow partner-a --end`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			a := &emergency.Allow{}
			switch {
			case end && until != "":
				return errors.New("--until allows and --end ends it: give one or the other")
			case end:
			case until == "":
				return hinted(cmd, errors.New("until when? --until 4h, or a time such as 2026-01-31T06:00:00Z; --end ends it"))
			case strings.TrimSpace(c.reason) == "":
				return errors.New("--reason is missing: why is what cannot be verified to be let in? It is for whoever audits this")
			default:
				if a.Until, err = emergency.Until(until, time.Now()); err != nil {
					return fmt.Errorf("--until: %w", err)
				}
			}
			return c.run(cmd, args[0], func(*issuer.CA) (emergency.Change, error) { return a, nil })
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.StringVar(&until, "until", "", "`TIME` until which, RFC 3339, or how long, such as 4h")
	f.BoolVar(&end, "end", false, "end what was allowed")
	noCompletion(cmd, "until")
	c.flags(cmd)
	return cmd
}
