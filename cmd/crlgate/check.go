package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
)

func checkCommand() *cobra.Command {
	var in check.Input
	var at string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check --issuer FILE… [--crl FILE…] [CERT]",
		Short: "Say whether CRLs are sound, and whether a certificate would be let in",
		Long: `Say whether CRLs are sound and, if a certificate is given, whether it would be
let in. Certificates of all --issuer files are grouped by subject into CAs; CRLs
are taken in the order that lets most of them be accepted. Every run starts from
nothing. All files may be PEM or DER.

Exit code 0: the certificate is let in (without one: all CRLs are accepted).
1: it is not. 2: a file could not be read.`,
		Example: `  crlgate check --issuer ca.pem --crl ca.crl
  crlgate check --issuer ca.pem --crl ca.crl client.pem
  crlgate check --issuer old.pem --issuer new.pem --crl a.crl --at 2026-01-31T00:00:00Z --json client.pem`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				in.Cert = args[0]
			}
			in.At = time.Now().Round(0)
			if at != "" {
				t, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return fmt.Errorf("--at %q is not a time such as 2026-01-31T00:00:00Z", at)
				}
				in.At = t
			}
			r, err := check.Run(cmd.Context(), in)
			if err != nil {
				return err
			}
			for _, w := range r.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "not used:", w)
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			} else {
				err = r.Print(cmd.OutOrStdout())
			}
			if err == nil && !r.Allowed() {
				err = errNo
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&in.Issuers, "issuer", nil, "file with CA certificates (may be given more than once)")
	f.StringArrayVar(&in.CRLs, "crl", nil, "file with a CRL (may be given more than once)")
	f.StringVar(&at, "at", "", "the time for everything, RFC 3339 (default now)")
	f.BoolVar(&in.AllowSHA1, "allow-sha1", false, "accept SHA-1 in signatures of CRLs and issuers")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("issuer")
	return cmd
}
