package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/redrive"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/request"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
)

func redriveCommand() *cobra.Command {
	var of target.Options
	var preprocessor, queue string
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "redrive",
		Short: "Give the preprocessor again what is on the failure queue",
		Long: `Take every message from the failure queue, give its event to the preprocessor
again, and delete it once that has succeeded; then have it reconcile. Remove the
cause of the failures first: what fails again stays on the queue. Events are hints,
so handling one twice, or late, does no harm.

--dry-run shows what is on the queue, with the error of the last try.` + targetWords + `
On AWS the preprocessor's function and the queue are named by --preprocessor and
--failure-queue; the rights to invoke the one and to receive and delete messages of
the other are enough.

` + exitWords["redrive"],
		Example: `  crlgate redrive --dry-run
  crlgate redrive --cache-bucket my-cache --preprocessor crlgate-Preprocessor-1A2B --failure-queue https://sqs.eu-west-1.amazonaws.com/111122223333/crlgate-Failures-3C4D`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			t, err := of.Open(ctx)
			if err != nil {
				return err
			}
			p, err := request.Open(ctx, t, of, preprocessor)
			if err != nil {
				return err
			}
			q, err := openQueue(ctx, t, of, queue)
			if err != nil {
				return err
			}
			return runRedrive(cmd, q, p, dryRun, asJSON)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&dryRun, "dry-run", false, "only show what is on the queue")
	f.BoolVar(&asJSON, "json", false, "print JSON: a list of messages")
	f.StringVar(&queue, "failure-queue", "", "the deployment's failure queue, `URL`")
	noCompletion(cmd, "failure-queue")
	targetFlags(cmd, &of)
	preprocessorFlag(cmd, &preprocessor)
	return cmd
}

// openQueue returns the failure queue of a target.
func openQueue(ctx context.Context, t *target.Target, of target.Options, url string) (*redrive.Queue, error) {
	if t.Local != nil {
		url = t.Local.FailureQueue
	}
	if url == "" {
		return nil, errors.New("which queue is the failure queue is not known: name it with --failure-queue URL; \"aws cloudformation describe-stack-resources\" lists it")
	}
	cfg, err := request.Config(ctx, t, of)
	if err != nil {
		return nil, err
	}
	client := sqs.NewFromConfig(cfg, func(o *sqs.Options) {
		if t.Local != nil {
			o.BaseEndpoint = aws.String(t.Local.API)
		}
	})
	return &redrive.Queue{Client: client, URL: url}, nil
}

func runRedrive(cmd *cobra.Command, q *redrive.Queue, p *request.Preprocessor, dryRun, asJSON bool) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	messages, err := q.Receive(ctx)
	if err != nil {
		return errors.Join(err, q.Release(context.WithoutCancel(ctx), messages))
	}
	var printing error
	show := func(m *redrive.Message) {
		if !asJSON && printing == nil {
			printing = printMessage(out, m, dryRun)
		}
	}
	var failed error
	if dryRun {
		for _, m := range messages {
			show(m)
		}
	} else {
		failed = q.Run(ctx, p, p.Name(), messages, show)
	}
	// Also after Ctrl-C: what was not done is for the next one at once.
	err = errors.Join(printing, q.Release(context.WithoutCancel(ctx), messages))
	left := 0
	for _, m := range messages {
		if !m.Done {
			left++
		}
	}
	switch {
	case err != nil:
	case asJSON:
		if messages == nil {
			messages = []*redrive.Message{}
		}
		err = json.NewEncoder(out).Encode(messages)
	case dryRun:
		_, err = fmt.Fprintf(out, "%s on the failure queue.\n", terminal.Plural(len(messages), "message", "messages"))
	default:
		_, err = fmt.Fprintf(out, "%d of %s done, %d left.\n", len(messages)-left, terminal.Plural(len(messages), "message", "messages"), left)
	}
	if failed != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "crlgate:", failed)
	}
	if err == nil && (failed != nil || left > 0) {
		err = errNo
	}
	return err
}

// printMessage prints one message on one or two lines.
func printMessage(w io.Writer, m *redrive.Message, dryRun bool) error {
	state := "left"
	switch {
	case m.Done:
		state = "done"
	case dryRun:
		state = "waits"
	}
	what := m.Asks
	if len(m.Keys) > 0 {
		what = terminal.Line(strings.Join(m.Keys, ", "))
	}
	text := fmt.Sprintf("%-6s %s  %s", state, m.Sent.Format(time.RFC3339), what)
	if m.Fault != "" {
		text += "\n       it failed with: " + terminal.Line(m.Fault)
	}
	if m.Why != "" {
		text += "\n       " + terminal.Line(m.Why)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
