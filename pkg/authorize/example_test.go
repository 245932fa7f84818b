package authorize_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/authorize"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// allGood stands in for a [revocation.Cache], to keep the example short.
type allGood struct{}

func (allGood) Ask(context.Context, *clientcert.Certificate, time.Time) revocation.Answer {
	return revocation.Answer{Status: revocation.Good, CA: "partner-a"}
}

// A rule of one's own: clients of partner-a may only read.
func ExampleRule() {
	readOnly := func(_ context.Context, in *authorize.RuleInput) error {
		if in.Answer.CA == "partner-a" && !strings.Contains(in.Request.ARN, "/GET/") {
			return errors.New("partner-a may only read")
		}
		return nil
	}
	handler := authorize.New(authorize.Config{
		Asker: allGood{}, Rules: []authorize.Rule{readOnly}, Log: slog.New(slog.DiscardHandler),
	})

	get, err := os.ReadFile("../../events/http1-good.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	post := strings.Replace(string(get), "/GET/orders", "/POST/orders", 1)
	for _, event := range []string{string(get), post} {
		answer, _ := handler.Invoke(context.Background(), []byte(event))
		_, effect, _ := strings.Cut(string(answer), `"Effect":`)
		_, reason, _ := strings.Cut(string(answer), `"reason":`)
		fmt.Println(effect[:strings.Index(effect, ",")], reason[:strings.Index(reason, "}")])
	}
	// Output:
	// "Allow" "good"
	// "Deny" "denied_by_rule"
}
