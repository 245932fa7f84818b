package main

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/upload"
)

func putCommand() *cobra.Command {
	to := target.Options{NeedsUpload: true}
	layout := upload.Standard
	var as string
	var wait time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "put FILE…",
		Short: "Upload issuers and CRLs, wait for their reports, print them",
		Long: `Upload issuers, settings and CRLs, wait until the preprocessor has looked at each,
and print its report: accepted, pending or refused, and why. Where a file goes is
told by what it holds:

  a CRL, DER or PEM                   crls/<file name>
  certificates of a CA, PEM or DER    issuers/<file name without extension>.pem
  settings of a CA, JSON              issuers/<file name without extension>.json

Issuers go first, so that the CRLs find them.` + targetWords + `

` + exitWords["put"],
		Example: `  crlgate put partner-a.pem partner-a.crl
  crlgate put download.der --as crls/partner-a.crl
  crlgate put --upload-bucket my-uploads --cache-bucket my-cache --profile prod partner-a.crl
  crlgate put --json *.crl | jq '.[] | select(.report.outcome != "accepted")'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := layout.Plan(args, as)
			if err != nil {
				return err
			}
			t, err := to.Open(cmd.Context())
			if err != nil {
				return err
			}
			u := &upload.Uploader{
				Uploads: t.Uploads, Cache: t.Cache, Wait: wait, Settle: 15 * time.Second, Progress: terminal.NewProgress(cmd.ErrOrStderr()),
			}
			if t.Local != nil {
				u.Settle = 3 * time.Second
			}
			return runPut(cmd, u, files, asJSON)
		},
		ValidArgsFunction: fileCompletion("crl", "pem", "crt", "cer", "der", "json"),
	}
	f := cmd.Flags()
	f.StringVar(&as, "as", "", "the `KEY` of the upload; with one FILE only")
	f.DurationVar(&wait, "wait", 15*time.Minute, "how long a report may take")
	f.StringVar(&layout.IssuerPrefix, "issuer-prefix", layout.IssuerPrefix, "the preprocessor's ISSUER_PREFIX")
	f.StringSliceVar(&layout.CRLPrefixes, "crl-prefixes", layout.CRLPrefixes, "the preprocessor's CRL_PREFIXES; CRLs go under the first")
	f.BoolVar(&asJSON, "json", false, "print JSON: a list of {file, key, report}")
	targetFlags(cmd, &to)
	return cmd
}

func runPut(cmd *cobra.Command, u *upload.Uploader, files []upload.File, asJSON bool) error {
	out := cmd.OutOrStdout()
	colour := terminal.Coloured(out)
	results, all := []upload.Result{}, true
	var printing error
	err := u.Run(cmd.Context(), files, func(r upload.Result) {
		results = append(results, r)
		all = all && r.Accepted()
		if !asJSON && printing == nil {
			printing = upload.PrintReport(out, "", r.Report, colour)
		}
	})
	if asJSON {
		printing = json.NewEncoder(out).Encode(results)
	}
	switch {
	case err != nil:
		return err
	case printing != nil:
		return printing
	case !all:
		return errNo
	}
	return nil
}
