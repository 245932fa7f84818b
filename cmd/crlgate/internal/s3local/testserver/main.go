// Command testserver is the local S3 server's child process and nothing else,
// for the tests of those who start it and must not link it.
package main

import (
	"os"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3local"
)

func main() {
	os.Exit(s3local.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
