// Command release makes the parts of a release that the Go tool does not make
// itself: archives of the function binaries that come out the same from the
// same bytes, the notices that the licences of linked modules ask for, a table
// of these licences held to a list of allowed ones, and checksums.
//
// It is run by make from the top of the repository: "make release", "make
// licences".
package main

import (
	"flag"
	"fmt"
	"os"
)

const usage = `usage: release COMMAND [flags]

  zip -o OUT.zip FILE[=NAME]…        an archive that depends on names and bytes alone
  notices -o FILE PACKAGE…           the licence texts of the modules linked into these packages
  licences [-o FILE | -check FILE]   the table of all linked modules; fails on a licence that is not allowed
  sums DIR                           DIR/SHA256SUMS over every file in it
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("no command given")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	out := flags.String("o", "", "file to write")
	check := flags.String("check", "", "file that must be up to date")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "zip":
		return writeZip(*out, flags.Args())
	case "notices":
		return writeNotices(*out, flags.Args())
	case "licences":
		return licences(*out, *check)
	case "sums":
		if flags.NArg() != 1 {
			return fmt.Errorf("sums takes one folder")
		}
		return writeSums(flags.Arg(0))
	}
	fmt.Fprint(os.Stderr, usage)
	return fmt.Errorf("no such command: %s", args[0])
}
