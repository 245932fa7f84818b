package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/emergency"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// Exit codes: the answer is yes, the answer is no, there is no answer.
const (
	exitYes    = 0
	exitNo     = 1
	exitCannot = 2
)

// exitCodes say what 0 and 1 mean of one command; no 1 without words.
type exitCodes struct{ command, yes, no string }

// exits says what the exit codes of each command mean. It is the one list: help
// texts and docs/cli.md are made of it.
var exits = []exitCodes{
	{"demo", "every row of the table is as expected", "one is not"},
	{"local", "stopped by Ctrl-C or SIGTERM", ""},
	{"check", "the certificate is let in; without one, every CRL is accepted", "it is not; without one, a CRL is refused"},
	{"flatten", "the CRL is accepted and the set written", "the CRL is refused; nothing is written"},
	{"inspect", "the object is whole", "it is not: damaged, cut short, or none of crlgate's"},
	{"invoke", "the answer is allow", "the answer is deny"},
	{"explain", "the certificate is let in", "it is denied"},
	{"deny", "it is in force, or was so already", "it is refused, or nobody wanted it written"},
	{"allow", "it is in force, or was so already", "it is refused, or nobody wanted it written"},
	{"put", "every upload is accepted", "one is pending or refused"},
	{"console", "stopped by Ctrl-C or SIGTERM", ""},
	{"fetch", "every URL answered, and what was new is accepted", "one did not, or something new is pending or refused"},
	{"status", "nothing is expired, refused, pending, or fails to be fetched", "something is, or does"},
	{"fsck", "there is no difference, or none is left", "there is one"},
	{"redrive", "the queue is empty; with --dry-run, too", "a message is left on it"},
	{"forget", "it is forgotten; with --dry-run, it can be", "it is not: refused, or not confirmed"},
}

// cannot is what exit code 2 means, of every command.
const cannot = "it could not run: a wrong command line, a file or bucket that cannot be reached"

// exitWords are the exit codes of each command, in words.
var exitWords = func() map[string]string {
	words := map[string]string{}
	for _, e := range exits {
		text := "Exit code 0: " + e.yes + ".\n"
		if e.no != "" {
			text += "1: " + e.no + ".\n"
		}
		words[e.command] = text + "2: " + cannot + "."
	}
	return words
}()

// exitTopic is the help topic with the whole list.
func exitTopic() *cobra.Command {
	var b strings.Builder
	fmt.Fprintf(&b, "Every command exits with 0 for yes, 1 for no, and 2 where %s.\n", cannot)
	for _, e := range exits {
		fmt.Fprintf(&b, "\n  %-8s 0  %s\n", e.command, e.yes)
		if e.no != "" {
			fmt.Fprintf(&b, "  %-8s 1  %s\n", "", e.no)
		}
	}
	b.WriteString("\ncompletion, help and --version exit with 0.")
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: b.String()}
}

// hinted adds to an error of the command line where its help is.
func hinted(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	// A serial number below 0, as logs have it, looks like flags.
	var flags *pflag.NotExistError
	if errors.As(err, &flags) && takesSerials(cmd) {
		if s, parsed := issuer.ParseSerial("-" + flags.GetSpecifiedShortnames()); parsed == nil {
			return fmt.Errorf("%w; if a serial number is meant, it goes behind all flags: %s", err, emergency.Operand(s))
		}
	}
	return fmt.Errorf("%w; see \"%s --help\"", err, cmd.CommandPath())
}

// takesSerials reports whether arguments of a command are serial numbers.
func takesSerials(cmd *cobra.Command) bool { return strings.Contains(cmd.Use, "SERIAL") }

// hintEverywhere has wrong arguments and flags of a command say where its help
// is.
func hintEverywhere(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(hinted)
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error { return hinted(cmd, args(cmd, given)) }
	}
	for _, sub := range cmd.Commands() {
		hintEverywhere(sub)
	}
}
