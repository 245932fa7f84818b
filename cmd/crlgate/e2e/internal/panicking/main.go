// Command panicking is the authorizer with a rule and an asker that panic on
// request, for the end-to-end tests. It is wired through pkg/authorize's public
// interfaces, as a user's own authorizer with rules is.
//
// A request whose method ARN ends in /panic-in-rule makes the rule panic; one
// that ends in /deny-by-rule is denied by it. A certificate whose subject
// contains panic-in-asker makes the asker panic. All else is as in the
// authorizer.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
	"github.com/crlgate/crlgate/pkg/telemetry"
)

func main() {
	bucket, err := objectstore.Open(context.Background(), os.Getenv("CACHE_BUCKET"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "panicking:", err)
		os.Exit(1)
	}
	log := telemetry.NewLogger(os.Stdout, "authorizer", nil)
	cache := revocation.New(bucket, revocation.Config{
		RevalidateAfter: time.Second, MaxUnvalidated: time.Minute, MemoryBudget: 64 << 20,
	}, time.Now, log, nil)
	lambda.Start(authorize.New(authorize.Config{
		Asker: asker{cache: cache}, Rules: []authorize.Rule{rule}, Log: log,
		Settings: authorize.Settings{Observe: os.Getenv("MODE") == "observe"},
	}))
}

type asker struct {
	cache   *revocation.Cache
	answers []revocation.Answer // none
}

// Ask panics for certain certificates.
func (a asker) Ask(ctx context.Context, cert *clientcert.Certificate, now time.Time) revocation.Answer {
	if bytes.Contains(cert.Subject, []byte("panic-in-asker")) {
		return a.answers[len(cert.Subject)] // out of range
	}
	return a.cache.Ask(ctx, cert, now)
}

func rule(_ context.Context, in *authorize.RuleInput) error {
	switch {
	case strings.HasSuffix(in.Request.ARN, "/panic-in-rule"):
		panic("a rule that panics")
	case strings.HasSuffix(in.Request.ARN, "/deny-by-rule"):
		return errors.New("a rule that denies")
	}
	return nil
}
