package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/status"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/serialset"
)

func inspectCommand() *cobra.Command {
	var serials, asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect [--serials] SET|catalog.json",
		Short: "Show what a cache object holds, and that it is whole",
		Long: `Show what an object of the cache bucket holds: a set (docs/cache-format.md) or the
catalog, or a part of the catalog (catalog/<digest>.json, which must have kept its
name). A set is read to its end, and every hash in it is checked.

` + exitWords["inspect"],
		Example: `  crlgate inspect ca.cache
  crlgate inspect --serials ca.cache | head
  crlgate inspect --json catalog.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			switch part := partName.FindStringSubmatch(filepath.Base(args[0])); {
			case len(data) == 0 || data[0] != '{':
				err = inspectSet(out, data, serials, asJSON)
			case part != nil:
				err = inspectPart(out, data, part[1], asJSON)
			default:
				err = inspectCatalog(out, data, asJSON)
			}
			if errors.Is(err, errNotWhole) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", args[0], err)
				return errNo
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return out.Flush()
		},
		ValidArgsFunction: fileCompletion("cache", "json"),
	}
	cmd.Flags().BoolVar(&serials, "serials", false, "list every serial number, with revocation date and reason")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// errNotWhole says that an object is damaged, or no cache object at all.
var errNotWhole = errors.New("not whole")

// setEntry is one line of inspect --serials --json.
type setEntry struct {
	Serial         string    `json:"serial"`
	RevocationDate time.Time `json:"revocation_date"`
	Reason         string    `json:"reason"`
}

func inspectSet(out io.Writer, data []byte, serials, asJSON bool) error {
	s, digest, err := serialset.Inspect(data)
	if err := wholeness(err); err != nil {
		return err
	}
	if !serials {
		if asJSON {
			return json.NewEncoder(out).Encode(map[string]any{
				"format": serialset.Version, "entries": s.Len(), "width": s.Width(), "size": len(data), "sha256": digest.String(),
			})
		}
		_, err := fmt.Fprintf(out, "set, format %d, whole\nentries   %d\nwidth     %d octets a serial number\nsize      %d bytes\nSHA-256   %s (header and root of the index)\n",
			serialset.Version, s.Len(), s.Width(), len(data), digest)
		return err
	}
	enc := json.NewEncoder(out)
	for e := range s.All() {
		line := setEntry{issuer.Serial(e.Contents()).String(), e.RevocationDate(), crl.Reason(e.Reason).String()}
		if asJSON {
			err = enc.Encode(line)
		} else {
			_, err = fmt.Fprintf(out, "%s\t%s\t%s\n", line.Serial, line.RevocationDate.Format(time.RFC3339), line.Reason)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func inspectCatalog(out io.Writer, data []byte, asJSON bool) error {
	c, err := catalog.Parse(data)
	if err := wholeness(err); err != nil {
		return err
	}
	if asJSON {
		return indented(out, c)
	}
	fmt.Fprintf(out, "catalog, format %d, generation %d, of %s\n\n", c.Format, c.Generation, c.Updated.Format(time.RFC3339))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CA\tCRL\tNUMBER\tENTRIES\tTHIS UPDATE\tNEXT UPDATE\tSCOPE")
	for _, name := range slices.Sorted(maps.Keys(c.CAs)) {
		ca := c.CAs[name]
		switch {
		case ca.Parts != nil:
			fmt.Fprintf(w, "%s\t(more in %d parts, catalog/…)\t\t\t\t\t\n", name, len(ca.Parts.Refs)) // empty ones included
		case len(ca.CRLs) == 0:
			fmt.Fprintf(w, "%s\t(none)\t\t\t\t\t\n", name)
		}
		for _, l := range ca.CRLs {
			fmt.Fprintf(w, "%s\t%s\n", name, columns(l))
		}
	}
	return w.Flush()
}

// partName is the name of a part of a catalog: its SHA-256.
var partName = regexp.MustCompile(`^([0-9a-f]{64})\.json$`)

func inspectPart(out io.Writer, data []byte, digest string, asJSON bool) error {
	p, err := catalog.ParsePart(data, digest)
	if err := wholeness(err); err != nil {
		return err
	}
	if asJSON {
		return indented(out, p)
	}
	fmt.Fprintf(out, "part of a catalog, format %d, whole, with %d floors\n\n", p.Format, len(p.Floors))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CRL\tNUMBER\tENTRIES\tTHIS UPDATE\tNEXT UPDATE\tSCOPE")
	for _, l := range p.CRLs {
		fmt.Fprintln(w, columns(l))
	}
	return w.Flush()
}

// wholeness marks what a parser refuses, but for a newer format: that may be
// whole, and is not for this reader to say.
func wholeness(err error) error {
	if err == nil || errors.Is(err, catalog.ErrFormat) {
		return err
	}
	return fmt.Errorf("%w: %w", errNotWhole, err)
}

func columns(l *catalog.CRL) string {
	return fmt.Sprintf("%s\t%s\t%d\t%s\t%s\t%s", l.Source.Key, l.Number, l.Entries, l.ThisUpdate.Format(time.RFC3339), l.NextUpdate.Format(time.RFC3339), status.ScopeWords(&l.Scope))
}

func indented(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", " ")
	return enc.Encode(v)
}
