package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/console"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
)

func consoleCommand() *cobra.Command {
	var of target.Options
	var c console.Config
	var open bool
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Show status, denials and answers on a web page of this machine",
		Long: `Serve a web page, on loopback only, that shows what status shows and goes on
showing it: CAs and CRLs with the time left on a time line, entries over time, the
last reports, denials by reason. A client certificate dropped on it is explained
step by step; a CRL is checked against the CAs and against what is in force.

It reads and writes nothing: no bucket, no file. The address that it prints holds
a key, which lets a browser in; other users of this machine, and web sites that
the browser visits, are turned away. docs/console.md shows it, and says where each
number comes from.` + targetWords + `
Only the cache bucket is read. Denials of a local stack are shown as they happen;
those of a deployment on AWS come from its metrics in CloudWatch, which
cloudwatch:GetMetricData lets read.

` + exitWords["console"],
		Example: `  crlgate console --open
  crlgate console --listen 127.0.0.1:8900
  crlgate console --cache-bucket my-cache --profile prod --region eu-west-1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := of.Open(cmd.Context())
			if err != nil {
				return err
			}
			if c.Every < 0 {
				return fmt.Errorf("--interval %v is not a time to wait, such as 2s", c.Every)
			}
			c.Target, c.Words = t, cmd.ErrOrStderr()
			if t.Local == nil {
				if c.Metrics, err = cloudWatch(cmd.Context(), of); err != nil {
					return err
				}
			}
			if open {
				c.Open = openBrowser
			}
			return console.Run(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Listen, "listen", "127.0.0.1:0", "loopback `ADDRESS` to serve on, 127.0.0.1:PORT or [::1]:PORT; port 0: a free one")
	f.BoolVar(&open, "open", false, "open the page in the default browser")
	f.DurationVar(&c.Every, "interval", 0, "how often the cache bucket is looked at (default 2s for a local stack, 30s on AWS)")
	f.StringVar(&c.Function, "function", "", "show the metrics of this authorizer only, the function's `NAME` in Lambda")
	for _, name := range []string{"listen", "function"} {
		noCompletion(cmd, name)
	}
	targetFlags(cmd, &of)
	return cmd
}

// cloudWatch returns a client for the metrics of a deployment's region.
func cloudWatch(ctx context.Context, of target.Options) (*cloudwatch.Client, error) {
	var opts []func(*config.LoadOptions) error
	if of.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(of.Profile))
	}
	if of.Region != "" {
		opts = append(opts, config.WithRegion(of.Region))
	}
	c, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	return cloudwatch.NewFromConfig(c), nil
}

// openBrowser hands an address to the system's opener of addresses.
func openBrowser(url string) error {
	command := map[string][]string{"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}}[runtime.GOOS]
	if command == nil {
		command = []string{"xdg-open"}
	}
	opener := exec.Command(command[0], append(command[1:], url)...)
	if err := opener.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- opener.Wait() }()
	select {
	case err := <-ended:
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return fmt.Errorf("%s: %w", command[0], err)
		}
		return err
	case <-time.After(2 * time.Second): // it goes on, and need not end
		return nil
	}
}
