package main

import (
	"encoding/json"
	"fmt"

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

With --json it prints one object:

  crls        a list, in the order given, of {file, accepted, code, detail, ca,
              number, entries}; code is empty where accepted, and detail has
              warnings then, if there are any
  status      good, revoked or unknown
  reason      why it is denied; empty where allowed
  decision    allow or deny
  ca, serial  the certificate's CA, and its serial number in hex

Without CERT the last five are null.

` + exitWords["check"],
		Example: `  crlgate check --issuer ca.pem --crl ca.crl
  crlgate check --issuer ca.pem --crl ca.crl client.pem
  crlgate check --issuer old.pem --issuer new.pem --crl a.crl --at 2026-01-31T00:00:00Z --json client.pem`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				in.Cert = args[0]
			}
			var err error
			if in.At, err = moment(at); err != nil {
				return err
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
		ValidArgsFunction: fileCompletion(certificateFiles...),
	}
	f := cmd.Flags()
	issuerFlags(cmd, &in.Issuers, &in.AllowSHA1)
	crlFlag(cmd, &in.CRLs)
	f.StringVar(&at, "at", "", "the `TIME` for everything, RFC 3339 (default now)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("issuer")
	return cmd
}
