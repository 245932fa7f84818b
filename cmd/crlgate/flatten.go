package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
)

func flattenCommand() *cobra.Command {
	var issuers []string
	var in, out string
	var allowSHA1, asJSON bool
	cmd := &cobra.Command{
		Use:   "flatten --issuer FILE… --crl FILE -o SET",
		Short: "Verify one CRL and flatten it into one set",
		Long: `Verify one CRL, as the preprocessor does, and flatten it into one set, the
object that the authorizer searches (docs/cache-format.md). An expired CRL is
flattened all the same, and said to be so. The set appears whole or not at all.

` + exitWords["flatten"],
		Example: `  crlgate flatten --issuer ca.pem --crl ca.crl -o ca.cache
  crlgate inspect ca.cache`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := check.Flatten(issuers, in, allowSHA1, time.Now().Round(0))
			if err != nil {
				return err
			}
			if r.Image != nil {
				if err := writeWhole(out, r.Image.WriteTo); err != nil {
					return err
				}
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			} else {
				err = r.Print(cmd.OutOrStdout(), out)
			}
			if err == nil && !r.Accepted {
				err = errNo
			}
			return err
		},
	}
	f := cmd.Flags()
	issuerFlags(cmd, &issuers, &allowSHA1)
	f.StringVar(&in, "crl", "", "`FILE` with the CRL")
	f.StringVarP(&out, "output", "o", "", "`FILE` to write the set to")
	_ = cmd.MarkFlagFilename("crl", crlFiles...)
	f.BoolVar(&asJSON, "json", false, "print JSON")
	for _, name := range []string{"issuer", "crl", "output"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

// writeWhole writes a file beside its place and then moves it there.
func writeWhole(path string, write func(io.Writer) (int64, error)) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := write(w); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, err), f.Close())
	}
	if err := errors.Join(w.Flush(), f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
