package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/explain"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/invoke"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// explainFlags are what "crlgate explain" was asked.
type explainFlags struct {
	files   check.Input
	of      target.Options
	in      explain.Input
	at      string
	serial  serialFlags
	ca      string
	observe bool
	chain   bool
	stale   time.Duration
	asJSON  bool
	source  string // where the answer comes from, for people
}

func explainCommand() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain CERT",
		Short: "Say step by step why a certificate is let in or denied",
		Long: `Walk the decision on a client certificate step by step: how it was read, which CA
it is of and why, what was made of each CRL, what is known of the CA's own chain,
which settings mattered, each row of the decision table (docs/decision-table.md),
which of them decided, and what an operator can do about it. The answer comes from
the code that the authorizer runs.

CERT is a certificate, PEM or DER; - reads it from standard input. With --issuer it
answers from files, as "crlgate check" does. Otherwise it reads the catalog and
sets of a cache bucket, as they are now.` + targetWords + `
Of a local stack it takes the authorizer's settings as well; of a deployment on AWS
they are what the flags say.

Where no certificate is at hand, --ca and --serial tell what the CA's CRLs and
settings say of a serial number. Often that decides; where it depends on what only
the certificate says, such as its distribution points, the answer is that, and the
exit code 2.

` + exitWords["explain"],
		Example: `  crlgate explain client.pem
  crlgate explain client.pem --domain api.example.com --cache-bucket my-cache --profile prod
  crlgate explain client.der --issuer ca.pem --crl ca.crl --at 2026-01-31T00:00:00Z
  crlgate explain --ca partner-a --serial 0a:1b:2c
  crlgate explain --json - < client.pem | jq '.rows[] | select(.decided)'`,
		Args:              cobra.MaximumNArgs(1),
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
		ValidArgsFunction: fileCompletion(certificateFiles...),
	}
	fs := cmd.Flags()
	issuerFlags(cmd, &f.files.Issuers, &f.files.AllowSHA1)
	crlFlag(cmd, &f.files.CRLs)
	fs.StringVar(&f.at, "at", "", "the `TIME` of the request, RFC 3339 (default now)")
	fs.StringVar(&f.in.Domain, "domain", "", "the domain `NAME` that the request comes to (default one that the CA is associated with)")
	fs.StringVar(&f.ca, "ca", "", "with --serial: the `NAME` of the CA")
	fs.StringVar(&f.serial.hex, "serial", "", "a serial number instead of a certificate, `HEX`")
	fs.BoolVar(&f.observe, "observe", false, "as with the authorizer's MODE=observe")
	fs.BoolVar(&f.chain, "require-chain", false, "as with the authorizer's REQUIRE_CHAIN=true")
	fs.DurationVar(&f.stale, "max-unvalidated", 0, "as with the authorizer's MAX_UNVALIDATED (default 15m)")
	fs.BoolVar(&f.asJSON, "json", false, "print JSON")
	targetFlags(cmd, &f.of)
	for _, name := range []string{"at", "domain", "ca", "serial"} {
		noCompletion(cmd, name)
	}
	return cmd
}

func (f *explainFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.read(cmd, args); err != nil {
		return err
	}
	store, err := f.open(cmd)
	if err != nil {
		return err
	}
	r, err := explain.Run(cmd.Context(), store, f.in)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if f.asJSON {
		err = json.NewEncoder(out).Encode(r)
	} else {
		err = r.Print(out, f.source, terminal.Coloured(out))
	}
	switch {
	case err != nil:
		return err
	case r.Verdict.Undetermined != "":
		return errors.New(r.Verdict.Undetermined)
	case !r.Verdict.Allow():
		return errNo
	}
	return nil
}

// read reads what the question is: a certificate, or a serial number.
func (f *explainFlags) read(cmd *cobra.Command, args []string) (err error) {
	if f.in.At, err = moment(f.at); err != nil {
		return err
	}
	f.files.At = f.in.At
	switch {
	case len(args) == 1 && (f.serial.hex != "" || f.ca != ""):
		return errors.New("a certificate says its CA and serial number itself: give it, or --ca and --serial")
	case len(args) == 1:
		f.in.Certificate, err = readCertificate(cmd, args[0])
		return err
	case f.serial.hex == "" && f.ca == "":
		return hinted(cmd, errors.New("name a certificate, PEM or DER, - for standard input; or --ca and --serial"))
	case f.serial.hex == "" || f.ca == "":
		return errors.New("--ca and --serial go together: a serial number is one of some CA")
	}
	f.in.CA = f.ca
	f.in.Serial, err = f.serial.parse(f.serial.hex)
	return err
}

// open finds the bucket, or makes one of the files, and the settings with it.
func (f *explainFlags) open(cmd *cobra.Command) (revocation.Store, error) {
	env := map[string]string{}
	var store revocation.Store
	var err error
	if len(f.files.Issuers) > 0 {
		f.source = "from files"
		store, err = invokeFiles(cmd, f.files, f.of)
	} else {
		var t *target.Target
		if t, err = invokeTarget(cmd, f.files, f.of, env); err == nil {
			store, f.source = t.Cache, t.String()
		}
	}
	if err != nil {
		return nil, err
	}
	if f.observe {
		env["MODE"] = "observe"
	}
	if f.chain {
		env["REQUIRE_CHAIN"] = "true"
	}
	if f.in.Settings, err = invoke.Settings(env); err != nil {
		return nil, err
	}
	f.in.MaxUnvalidated = f.stale
	if v := env["MAX_UNVALIDATED"]; f.stale == 0 && v != "" {
		if f.in.MaxUnvalidated, err = time.ParseDuration(v); err != nil {
			return nil, fmt.Errorf("MAX_UNVALIDATED is %q, and no duration", v)
		}
	}
	return store, nil
}

// readCertificate reads a certificate from a file; - is standard input.
func readCertificate(cmd *cobra.Command, file string) ([]byte, error) {
	var from io.Reader = cmd.InOrStdin()
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		from = opened
	}
	data, err := io.ReadAll(io.LimitReader(from, 4*clientcert.MaxSize+1))
	if err == nil && len(data) > 4*clientcert.MaxSize {
		err = fmt.Errorf("%s has more than %d bytes, which no certificate of a request can have", file, 4*clientcert.MaxSize)
	}
	return data, err
}
