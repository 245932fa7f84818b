package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/emergency"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// targetWords say which buckets a command works on.
const targetWords = `

The buckets are those of the local stack that runs in the current folder, or in
the one that --local names; or those that the flags name, a deployment's on AWS,
reached with the usual credentials.`

// targetFlags adds the flags that name the buckets.
func targetFlags(cmd *cobra.Command, o *target.Options) {
	f := cmd.Flags()
	f.StringVar(&o.Local, "local", "", "work on the local stack that runs in this folder, `DIR`")
	f.StringVar(&o.Cache, "cache-bucket", "", "the deployment's cache bucket, `NAME`")
	if o.NeedsUpload || o.TakesUpload {
		f.StringVar(&o.Upload, "upload-bucket", "", "the deployment's upload bucket, `NAME`")
	}
	f.StringVar(&o.Profile, "profile", "", "profile of the AWS configuration, `NAME`")
	f.StringVar(&o.Region, "region", "", "AWS region, `NAME`")
	_ = cmd.MarkFlagDirname("local")
	for _, name := range []string{"cache-bucket", "upload-bucket", "profile", "region"} {
		if cmd.Flag(name) != nil {
			noCompletion(cmd, name)
		}
	}
}

// Extensions of the files that flags take.
var (
	certificateFiles = []string{"pem", "crt", "cer", "der"}
	crlFiles         = []string{"crl", "pem", "der"}
)

func issuerFlags(cmd *cobra.Command, issuers *[]string, allowSHA1 *bool) {
	cmd.Flags().StringArrayVar(issuers, "issuer", nil, "`FILE` with CA certificates (may be given more than once)")
	cmd.Flags().BoolVar(allowSHA1, "allow-sha1", false, "accept SHA-1 in signatures of CRLs and issuers")
	_ = cmd.MarkFlagFilename("issuer", certificateFiles...)
}

func crlFlag(cmd *cobra.Command, crls *[]string) {
	cmd.Flags().StringArrayVar(crls, "crl", nil, "`FILE` with a CRL (may be given more than once)")
	_ = cmd.MarkFlagFilename("crl", crlFiles...)
}

// fileCompletion completes arguments with files of these extensions.
func fileCompletion(extensions ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}

// noCompletion keeps the shell from offering files for a flag that takes none.
func noCompletion(cmd *cobra.Command, flag string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions)
}

// completeKeys completes the KEY of a KEY=VALUE flag.
func completeKeys(cmd *cobra.Command, flag string, keys []string) {
	var values []cobra.Completion
	for _, k := range keys {
		values = append(values, k+"=")
	}
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
}

// revision is what make sets it to, the output of git describe: the builds that
// are to come out the same everywhere leave out what the Go tool would record.
var revision string

// version says which crlgate this is: the module's version, and the revision
// that it was built from, as far as the build recorded them.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown: built without module information"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	at, dirty := revision, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			at = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = ", modified"
		}
	}
	if at != "" {
		v += fmt.Sprintf(" (revision %s%s)", at, dirty)
	}
	return v + " " + info.GoVersion
}

// serialFlags are the flags with a serial number.
type serialFlags struct {
	hex     string
	decimal bool
}

func (s *serialFlags) parse(text string) (issuer.Serial, error) {
	return emergency.ParseSerial(text, s.decimal)
}
