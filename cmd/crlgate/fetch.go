package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/upload"
	"github.com/crlgate/crlgate/pkg/fetch"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// fetchOptions are the flags of crlgate fetch.
type fetchOptions struct {
	to      target.Options
	want    fetch.Want
	output  string
	allow   []string
	max     int64
	timeout time.Duration
	wait    time.Duration
	asJSON  bool
}

func fetchCommand() *cobra.Command {
	o := fetchOptions{to: target.Options{NeedsUpload: true}}
	cmd := &cobra.Command{
		Use:   "fetch",
		Short: "Fetch CRLs now from where CAs publish them",
		Long: `Fetch CRLs now, due or not, as the fetcher does: from the crl_urls of CAs'
settings, from the distribution points of CAs' certificates, and deltas. What is
new is uploaded; then the preprocessor's report on it is waited for and printed.

With --url and --output one URL is downloaded to a file, and no bucket is touched.

Addresses that are not public are refused, but for hosts that --allow-host names;
of a local stack, those of its fetcher's ALLOW_HOSTS are allowed too.` + targetWords + `

` + exitWords["fetch"],
		Example: `  crlgate fetch
  crlgate fetch --ca partner-a
  crlgate fetch --upload-bucket my-uploads --cache-bucket my-cache --profile prod --json
  crlgate fetch --url http://crl.example.com/partner-a.crl --output partner-a.crl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.output != "" {
				return o.download(cmd)
			}
			return o.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.want.CA, "ca", "", "only for this CA, `NAME`")
	f.StringVar(&o.want.URL, "url", "", "only this `URL`")
	f.StringVarP(&o.output, "output", "o", "", "`FILE` to write the CRL to; with --url, and without buckets")
	f.StringSliceVar(&o.allow, "allow-host", nil, "`HOST` that may be at a private address, exactly as in the URL (may be given more than once)")
	f.Int64Var(&o.max, "max-bytes", fetch.DefaultMaxBytes, "the longest CRL that is fetched, in `BYTES`")
	f.DurationVar(&o.timeout, "timeout", fetch.DefaultTimeout, "how long one URL may take")
	f.DurationVar(&o.wait, "wait", 5*time.Minute, "how long a report may take; 0: do not wait")
	f.BoolVar(&o.asJSON, "json", false, "print JSON: a list of {state, report}; with --output, one object")
	targetFlags(cmd, &o.to)
	_ = cmd.MarkFlagFilename("output", crlFiles...)
	for _, name := range []string{"ca", "url", "allow-host"} {
		noCompletion(cmd, name)
	}
	return cmd
}

// client is how URLs are asked.
func (o *fetchOptions) client(cmd *cobra.Command, progress *terminal.Progress) (fetch.ClientConfig, error) {
	c := fetch.ClientConfig{MaxBytes: o.max, Timeout: o.timeout}
	for _, host := range o.allow {
		c.AllowHosts = append(c.AllowHosts, strings.TrimSuffix(strings.ToLower(strings.TrimSpace(host)), "."))
	}
	c.Progress = func(url string, done, size int64) {
		if size > 0 {
			progress.Show("%s: %s of %s", url, terminal.Size(done), terminal.Size(size))
		} else {
			progress.Show("%s: %s", url, terminal.Size(done))
		}
	}
	switch {
	case o.max < 1 || o.max > fetch.MaxBytes:
		return c, hinted(cmd, fmt.Errorf("--max-bytes %d: give 1 to %d", o.max, int64(fetch.MaxBytes)))
	case o.timeout <= 0:
		return c, hinted(cmd, fmt.Errorf("--timeout %v is not a time to wait, such as 5m", o.timeout))
	}
	return c, nil
}

// downloaded is what --output prints as JSON.
type downloaded struct {
	URL    string     `json:"url"`
	File   string     `json:"file"`
	Code   fetch.Code `json:"code"`
	Detail string     `json:"detail"`
	Bytes  int64      `json:"bytes"`
	SHA256 string     `json:"sha256"`
}

// download fetches one URL to a file.
func (o *fetchOptions) download(cmd *cobra.Command) error {
	if o.want.URL == "" {
		return hinted(cmd, errors.New("--output without --url: say which URL"))
	}
	if o.want.CA != "" || o.to.Local != "" || o.to.Upload != "" || o.to.Cache != "" {
		return hinted(cmd, errors.New("--output writes a file, and --ca, --local and the buckets' flags are for uploads: give one or the other"))
	}
	progress := terminal.NewProgress(cmd.ErrOrStderr())
	c, err := o.client(cmd, progress)
	if err != nil {
		return err
	}
	c.Folder = filepath.Dir(o.output) // so that the file appears whole, by renaming
	d, err := fetch.NewClient(c).Get(cmd.Context(), o.want.URL, fetch.Validators{})
	progress.Clear()
	result := downloaded{URL: o.want.URL, File: o.output, Code: fetch.Fetched}
	var failure *fetch.Failure
	switch {
	case errors.As(err, &failure):
		result.File, result.Code, result.Detail = "", failure.Code, failure.Detail
	case err != nil:
		return err
	default:
		result.Bytes, result.SHA256 = d.Size, fmt.Sprintf("%x", d.SHA256)
		result.Detail = describeList(d)
		if err := errors.Join(d.Body.Chmod(0o644), d.Body.Close(), os.Rename(d.Body.Name(), o.output)); err != nil {
			return errors.Join(err, os.Remove(d.Body.Name()))
		}
	}
	if o.asJSON {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(result)
	} else if failure != nil {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  failed  %s\n  %s\n", o.want.URL, failure.Code, failure.Detail)
	} else {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  fetched  %s, %s%s; verify it with: crlgate check --issuer CA --crl %s\n", o.want.URL, o.output, terminal.Size(result.Bytes), result.Detail, o.output)
	}
	if err == nil && failure != nil {
		err = errNo
	}
	return err
}

func describeList(d *fetch.Download) string {
	if d.List == nil {
		return ""
	}
	var words string
	if d.List.Number != nil {
		words = ", CRL number " + d.List.Number.String()
	}
	if !d.List.NextUpdate.IsZero() {
		words += ", nextUpdate " + d.List.NextUpdate.UTC().Format(time.RFC3339)
	}
	return words
}

// fetched is one look, and the report on what it uploaded.
type fetched struct {
	State  *fetch.State       `json:"state"`
	Report *preprocess.Report `json:"report"` // null where nothing was uploaded
}

// run fetches to buckets.
func (o *fetchOptions) run(cmd *cobra.Command) error {
	t, err := o.to.Open(cmd.Context())
	if err != nil {
		return err
	}
	progress := terminal.NewProgress(cmd.ErrOrStderr())
	client, err := o.client(cmd, progress)
	if err != nil {
		return err
	}
	c := fetch.Config{CRLPrefix: fetch.DefaultCRLPrefix, StatePrefix: fetch.DefaultStatePrefix, CDP: true, Client: client}
	if t.Local != nil {
		if err := followLocal(&c, t.Local.Fetcher); err != nil {
			return err
		}
	}
	o.want.All = true
	f := fetch.New(t.Uploads, t.Cache, c, slog.New(slog.DiscardHandler), nil)
	s, err := f.Run(cmd.Context(), time.Now().Round(0), o.want)
	progress.Clear()
	if errors.Is(err, fetch.ErrNothingWanted) || err != nil && len(s.Looks) == 0 {
		return err
	}
	slices.SortFunc(s.Looks, func(a, b fetch.Result) int { return strings.Compare(a.State.Key, b.State.Key) })
	results, ok := []fetched{}, true
	for _, r := range s.Looks {
		one := fetched{State: r.State}
		if r.State.Outcome == fetch.OutcomeFetched && o.wait > 0 {
			progress.Show("%s: uploaded, the preprocessor is at work", r.State.URLs[0])
			var waiting error
			if one.Report, waiting = o.await(cmd.Context(), t, r.State); waiting != nil {
				err = errors.Join(err, waiting)
			}
			progress.Clear()
		}
		ok = ok && r.State.Outcome != fetch.OutcomeFailed && (one.Report == nil || one.Report.Outcome == preprocess.OutcomeAccepted)
		results = append(results, one)
	}
	var printing error
	if o.asJSON {
		printing = json.NewEncoder(cmd.OutOrStdout()).Encode(results)
	} else {
		printing = printFetched(cmd.OutOrStdout(), results, t.String())
	}
	switch {
	case err != nil || printing != nil:
		return errors.Join(err, printing)
	case !ok:
		return errNo
	}
	return nil
}

// followLocal takes over what the local stack's fetcher was told.
func followLocal(c *fetch.Config, settings map[string]string) error {
	if hosts := settings["ALLOW_HOSTS"]; hosts != "" {
		for h := range strings.SplitSeq(hosts, ",") {
			c.Client.AllowHosts = append(c.Client.AllowHosts, strings.Trim(strings.TrimSuffix(strings.ToLower(strings.TrimSpace(h)), "."), "[]"))
		}
	}
	c.CDP = settings["FETCH_CDP"] != "false"
	for name, d := range map[string]*time.Duration{"MIN_INTERVAL": &c.MinInterval, "MAX_INTERVAL": &c.MaxInterval} {
		if text := settings[name]; text != "" {
			var err error
			if *d, err = time.ParseDuration(text); err != nil {
				return fmt.Errorf("the local stack's fetcher has %s=%s: %w", name, text, err)
			}
		}
	}
	return nil
}

// await waits for the report on what was uploaded.
func (o *fetchOptions) await(ctx context.Context, t *target.Target, s *fetch.State) (*preprocess.Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.wait, fmt.Errorf("there is none after %v; is the preprocessor deployed, and does it get the bucket's events?", o.wait))
	defer cancel()
	return stack.AwaitReport(ctx, t.Cache, s.Key, objectstore.Version(s.Upload))
}

// printFetched prints a line for each URL, and what is wrong below it.
func printFetched(w io.Writer, results []fetched, where string) error {
	colour := terminal.Coloured(w)
	if len(results) == 0 {
		_, err := fmt.Fprintf(w, "Nothing to fetch in the %s: no CA's settings have crl_urls.\n", where)
		return err
	}
	for _, r := range results {
		s := r.State
		shade := map[fetch.Outcome]terminal.Colour{fetch.OutcomeFetched: terminal.Sound, fetch.OutcomeFailed: terminal.Bad}[s.Outcome]
		words := ""
		if s.Outcome != fetch.OutcomeFailed && s.Number != "" {
			words = ", CRL number " + s.Number
		}
		if _, err := fmt.Fprintf(w, "%s  %s  %s %s%s\n", s.CA, terminal.Line(s.URLs[0]), terminal.Paint(colour, shade, string(s.Outcome)), s.Code, words); err != nil {
			return err
		}
		if s.Outcome == fetch.OutcomeFailed {
			if _, err := fmt.Fprintf(w, "  %s\n", terminal.Line(s.Detail)); err != nil {
				return err
			}
		}
		if r.Report != nil {
			if err := upload.PrintReport(w, "  ", r.Report, colour); err != nil {
				return err
			}
		}
	}
	return nil
}
