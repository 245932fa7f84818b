package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/demo"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3local"
)

func demoCommand() *cobra.Command {
	var functions string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run everything on this machine with a throwaway PKI, and show revoked clients turned away",
		Long: `Run everything on this machine with a throwaway PKI: an S3 server, the two
function binaries and mutual-TLS gateways. Issuers and CRLs are uploaded, clients
send requests, one of them is revoked meanwhile, and a forged and an outdated CRL
are tried. The table says what was expected and what happened; exit code 0 means
that every row was as expected. Nothing is left behind.

` + exitWords["demo"],
		Example: `  crlgate demo`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			binaries, s3, err := localParts(functions)
			if err != nil {
				return err
			}
			ok, err := demo.Run(cmd.Context(), demo.Config{Binaries: binaries, S3Command: s3, Out: cmd.OutOrStdout(), Words: cmd.ErrOrStderr()})
			if err != nil {
				return err
			}
			if !ok {
				return errNo
			}
			return nil
		},
	}
	functionsFlag(cmd, &functions)
	return cmd
}

func functionsFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "functions", "", "`DIR` with a folder for each function that holds its bootstrap, built for this machine (default $CRLGATE_FUNCTIONS, or where \"make build\" puts them)")
	_ = cmd.MarkFlagDirname("functions")
}

// localParts finds the function binaries, and the command that starts the S3
// server: this binary itself.
func localParts(functions string) (binaries string, s3 []string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	if functions == "" {
		functions = os.Getenv("CRLGATE_FUNCTIONS")
	}
	if functions == "" {
		functions = filepath.Join(filepath.Dir(self), "..", "lambda", runtime.GOARCH)
	}
	for _, name := range []string{"preprocessor", "authorizer", "fetcher"} {
		if _, err := os.Stat(filepath.Join(functions, name, "bootstrap")); err != nil {
			return "", nil, fmt.Errorf("the %s function is not built: %w; run \"make build\", or name its folder with --functions", name, err)
		}
	}
	return functions, []string{self, "s3-server"}, nil
}

// s3ServerCommand is what the local stack starts as its S3 server. It is not
// for people: it takes its configuration from standard input.
func s3ServerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "s3-server", Hidden: true, Args: cobra.NoArgs, DisableFlagParsing: true,
		Run: func(_ *cobra.Command, args []string) { os.Exit(s3local.Main(args, os.Stdin, os.Stdout, os.Stderr)) },
	}
}
