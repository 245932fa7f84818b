// Command crlgate is the command line of crlgate: it checks CRLs and
// certificates, makes and inspects cache objects, and runs the whole of
// crlgate on this machine. It drives the same packages as the Lambda functions.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
)

// errNo is returned by a command whose answer is no, after it has printed it.
var errNo = errors.New("no")

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	stderr := terminal.Guard(os.Stderr)
	cmd := root()
	cmd.SetOut(terminal.Guard(os.Stdout))
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitYes
	case errors.Is(err, errNo):
		return exitNo
	}
	fmt.Fprintln(stderr, "crlgate:", err)
	return exitCannot
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "crlgate",
		Short: "Deny revoked client certificates at Amazon API Gateway",
		Long: `crlgate tells Amazon API Gateway whether the client certificate of a mutual-TLS
connection has been revoked. This command checks CRLs and certificates from
files, runs the whole of crlgate on this machine, and uploads to and looks after
a deployment.

Results go to standard output, words to standard error; --json prints results for
programs. Exit code 0 means yes, 1 means no, 2 means that the command could not
run; "crlgate help exit-codes" says what that means of each command.`,
		Example: `  crlgate demo
  crlgate check --issuer ca.pem --crl ca.crl client.pem
  crlgate local ./pki --upstream http://127.0.0.1:8080`,
		Version:       version(),
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetVersionTemplate("crlgate {{.Version}}\n")
	cmd.AddCommand(
		demoCommand(), localCommand(), checkCommand(), explainCommand(), denyCommand(), allowCommand(), flattenCommand(), inspectCommand(), invokeCommand(), putCommand(), fetchCommand(), statusCommand(),
		fsckCommand(), forgetCommand(), redriveCommand(), consoleCommand(), s3ServerCommand(), exitTopic(),
	)
	hintEverywhere(cmd)
	return cmd
}
