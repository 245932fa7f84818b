package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/invoke"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/pkg/revocation"
)

func invokeCommand() *cobra.Command {
	var in check.Input
	var of target.Options
	var at string
	set := map[string]*bool{"MODE": new(bool), "REQUIRE_CHAIN": new(bool)}
	cmd := &cobra.Command{
		Use:   "invoke EVENT.json [--issuer FILE… [--crl FILE…]]",
		Short: "Show the authorizer's answer to an event",
		Long: `Show the authorizer's answer to an event of a REST API or an HTTP API (payload
formats 1.0 and 2.0), through the same packages as the function. With --issuer it
answers from files, as "crlgate check" does, and from nothing else. Otherwise it
reads the catalog and sets of a cache bucket.` + targetWords + `
Of a local stack it takes the authorizer's settings as well.

The answer is printed as API Gateway would get it, which is JSON; why it is so goes
to standard error.

` + exitWords["invoke"],
		Example: `  crlgate invoke events/rest-good.json --issuer events/pki/issuers/partner-a.pem --crl events/pki/crls/partner-a.crl
  crlgate invoke events/http2-revoked.json
  crlgate invoke event.json --cache-bucket my-cache --profile prod | jq .context`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			event, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			if !json.Valid(event) {
				return fmt.Errorf("%s is not JSON, and an event is; there are samples in events/", args[0])
			}
			if in.At, err = moment(at); err != nil {
				return err
			}
			env := map[string]string{}
			var store revocation.Store
			if len(in.Issuers) > 0 {
				store, err = invokeFiles(cmd, in, of)
			} else {
				var t *target.Target
				if t, err = invokeTarget(cmd, in, of, env); err == nil {
					store = t.Cache
				}
			}
			if err != nil {
				return err
			}
			for name, value := range map[string]string{"MODE": "observe", "REQUIRE_CHAIN": "true"} {
				if *set[name] {
					env[name] = value
				}
			}
			settings, err := invoke.Settings(env)
			if err != nil {
				return err
			}
			a, err := invoke.Run(cmd.Context(), event, store, settings, in.At)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), a.Words)
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", a.JSON); err != nil {
				return err
			}
			if !a.Allow {
				return errNo
			}
			return nil
		},
		ValidArgsFunction: fileCompletion("json"),
	}
	f := cmd.Flags()
	issuerFlags(cmd, &in.Issuers, &in.AllowSHA1)
	crlFlag(cmd, &in.CRLs)
	f.StringVar(&at, "at", "", "the `TIME` of the request, RFC 3339 (default now)")
	f.BoolVar(set["MODE"], "observe", false, "as with the authorizer's MODE=observe")
	f.BoolVar(set["REQUIRE_CHAIN"], "require-chain", false, "as with the authorizer's REQUIRE_CHAIN=true")
	targetFlags(cmd, &of)
	return cmd
}

// invokeFiles makes a cache bucket of files.
func invokeFiles(cmd *cobra.Command, in check.Input, of target.Options) (revocation.Store, error) {
	if of != (target.Options{}) {
		return nil, errors.New("--issuer answers from files, and the other flags name a bucket: give one or the other")
	}
	r, bucket, err := check.Build(in)
	if err != nil {
		return nil, err
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "not used:", w)
	}
	for _, c := range r.CRLs {
		if !c.Accepted {
			fmt.Fprintf(cmd.ErrOrStderr(), "not used: CRL %s: %s: %s\n", c.File, c.Code, c.Detail)
		}
	}
	return bucket, nil
}

// invokeTarget finds a cache bucket, and notes the settings that go with it.
func invokeTarget(cmd *cobra.Command, in check.Input, of target.Options, env map[string]string) (*target.Target, error) {
	if len(in.CRLs) > 0 || in.AllowSHA1 {
		return nil, errors.New("--crl and --allow-sha1 need --issuer: name the files with the certificates of the CAs")
	}
	t, err := of.Open(cmd.Context())
	if err != nil {
		return nil, fmt.Errorf("%w; or answer from files with --issuer and --crl", err)
	}
	if t.Local != nil {
		for name, value := range t.Local.Authorizer {
			env[name] = value
		}
	}
	return t, nil
}

// moment reads --at.
func moment(at string) (time.Time, error) {
	if at == "" {
		return time.Now().Round(0), nil
	}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return t, fmt.Errorf("--at %q is not a time such as 2026-01-31T00:00:00Z", at)
	}
	return t, nil
}
