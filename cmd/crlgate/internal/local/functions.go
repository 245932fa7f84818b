package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/stack"
)

// functionLog prints of what the functions write what an operator must know:
// words that are no log line (a function that does not start says so), errors,
// and what the platform has to say about a process that died.
type functionLog struct {
	print *printer
	all   bool // print everything

	mu    sync.Mutex
	tail  []string // of words, until the functions are ready
	quiet bool     // words are kept, not printed
}

// keep is how many lines of words are kept.
const keep = 20

func (f *functionLog) line(l lambdaruntime.LogLine) {
	worth := important(l)
	f.mu.Lock()
	if worth {
		f.tail = append(f.tail, l.Text)
		f.tail = f.tail[max(0, len(f.tail)-keep):]
	}
	quiet := f.quiet
	f.mu.Unlock()
	if f.all || worth && !quiet {
		f.print.words("%s: %s", strings.TrimPrefix(l.Function, "crlgate-"), l.Text)
	}
}

func important(l lambdaruntime.LogLine) bool {
	if l.Platform {
		for _, usual := range []string{"START ", "END ", "REPORT ", "INIT_START"} {
			if strings.HasPrefix(l.Text, usual) {
				return false
			}
		}
		return true
	}
	var line struct {
		Level string `json:"level"`
	}
	if err := json.Unmarshal([]byte(l.Text), &line); err != nil {
		return strings.TrimSpace(l.Text) != ""
	}
	return line.Level == "ERROR"
}

// Events that the functions answer without doing anything: one without a
// certificate, S3's test event, and one that asks for nothing. The truststore's
// function looks once, whatever the event.
const (
	probeAuthorizer   = `{"requestContext":{}}`
	probePreprocessor = `{"Service":"Amazon S3","Event":"s3:TestEvent"}`
	probeFetcher      = `{"crlgate":"ready"}`
)

// ready invokes the functions once, so that settings that they refuse show now
// and in their own words.
func (f *functionLog) ready(ctx context.Context, s *stack.Stack) error {
	f.mu.Lock()
	f.quiet = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.quiet = false
		f.mu.Unlock()
	}()
	for _, probe := range []struct {
		name     string
		function *lambdaruntime.Function
		event    string
	}{{"authorizer", s.Authorizer, probeAuthorizer}, {"preprocessor", s.Preprocessor, probePreprocessor}, {"truststore", s.Truststore, "{}"}, {"fetcher", s.Fetcher, probeFetcher}} {
		if probe.function == nil {
			continue // no template has it
		}
		r, err := probe.function.Invoke(ctx, []byte(probe.event))
		if err == nil && r.FunctionError != "" {
			err = errors.New(r.ErrorMessage)
		}
		if err != nil {
			f.mu.Lock()
			said := strings.Join(f.tail, "\n")
			f.mu.Unlock()
			return fmt.Errorf("the %s does not start: %w\n%s", probe.name, err, said)
		}
	}
	return nil
}
