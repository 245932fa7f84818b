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
)

// Exit codes: the answer is yes, the answer is no, there is no answer.
const (
	exitYes    = 0
	exitNo     = 1
	exitCannot = 2
)

// errNo is returned by a command whose answer is no, after it has printed it.
var errNo = errors.New("no")

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root().ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitYes
	case errors.Is(err, errNo):
		return exitNo
	}
	fmt.Fprintln(os.Stderr, "crlgate:", err)
	return exitCannot
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "crlgate",
		Short: "Deny revoked client certificates at Amazon API Gateway",
		Long: `crlgate tells Amazon API Gateway whether the client certificate of a mutual-TLS
connection has been revoked. This command checks CRLs and certificates from
files, and runs the whole of crlgate on this machine.

Results go to standard output, words to standard error. Exit code 0 means yes,
1 means no, 2 means that the command could not run.`,
		Example: `  crlgate demo
  crlgate check --issuer ca.pem --crl ca.crl client.pem`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(demoCommand(), checkCommand(), flattenCommand(), inspectCommand(), s3ServerCommand())
	return cmd
}
