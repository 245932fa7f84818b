// Command testfunc is a Lambda function for the tests of package
// lambdaruntime. Each event says what it is to do.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// An Event is an instruction, or anything else, which is echoed.
type Event struct {
	Do     string `json:"do"`
	Millis int    `json:"millis"`
	Code   int    `json:"code"`
	Bytes  int    `json:"bytes"`
	Text   string `json:"text"`
	File   string `json:"file"`
}

// Context is what a function learns about its invocation and itself.
type Context struct {
	PID            int
	Deadline       time.Time
	RequestID, ARN string
	Trace          string
	Env            map[string]string
	Directory      string
	Memory         int
	Concurrency    int
	LogStream      string
}

// A NamedError is an error whose type the caller is to see.
type NamedError struct{ text string }

func (e *NamedError) Error() string { return e.text }

var ticks atomic.Int64

type handler struct{}

// Invoke implements lambda.Handler, so that bytes pass through unchanged.
func (handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e Event
	if json.Unmarshal(payload, &e) != nil || e.Do == "" {
		return payload, nil
	}
	switch e.Do {
	case "pid":
		return json.Marshal(os.Getpid())
	case "sleep":
		time.Sleep(time.Duration(e.Millis) * time.Millisecond)
		return json.Marshal(os.Getpid())
	case "wait": // for a file, telling by another that the invocation has begun
		if err := os.WriteFile(e.File+"."+lambdaRequestID(ctx), nil, 0o600); err != nil {
			return nil, err
		}
		for {
			if _, err := os.Stat(e.File); err == nil {
				return json.Marshal(os.Getpid())
			}
			time.Sleep(time.Millisecond)
		}
	case "panic":
		panic(e.Text)
	case "exit":
		os.Exit(e.Code)
	case "exit-later": // after the answer, when a file appears
		go func() {
			for {
				if _, err := os.Stat(e.File); err == nil {
					os.Exit(e.Code)
				}
				time.Sleep(time.Millisecond)
			}
		}()
		return payload, nil
	case "error":
		return nil, errors.New(e.Text)
	case "named-error":
		return nil, &NamedError{e.Text}
	case "document-error":
		return nil, messages.InvokeResponse_Error{Type: "Custom.Type", Message: e.Text}
	case "print":
		fmt.Print(e.Text)
		fmt.Fprint(os.Stderr, e.Text)
		return payload, nil
	case "large":
		return bytes.Repeat([]byte("x"), e.Bytes), nil
	case "tick":
		tick(e.File)
		return payload, nil
	case "append-then-fail-until": // counts attempts in a file's length
		f, err := os.OpenFile(e.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(f, lambdaRequestID(ctx))
		_ = f.Close()
		b, err := os.ReadFile(e.File)
		if err != nil {
			return nil, err
		}
		if n := strings.Count(string(b), "\n"); n < e.Code {
			return nil, &NamedError{"attempt " + strconv.Itoa(n)}
		}
		return payload, nil
	case "context":
		return json.Marshal(describe(ctx))
	case "child": // a process that would outlive this one
		return json.Marshal(startChild())
	}
	return nil, fmt.Errorf("unknown instruction %q", e.Do)
}

func lambdaRequestID(ctx context.Context) string {
	lc, _ := lambdacontext.FromContext(ctx)
	return lc.AwsRequestID
}

func describe(ctx context.Context) Context {
	lc, _ := lambdacontext.FromContext(ctx)
	c := Context{
		PID:         os.Getpid(),
		RequestID:   lc.AwsRequestID,
		ARN:         lc.InvokedFunctionArn,
		Env:         make(map[string]string),
		Memory:      lambdacontext.MemoryLimitInMB,
		Concurrency: lambdacontext.MaxConcurrency(),
		LogStream:   lambdacontext.LogStreamName,
	}
	c.Deadline, _ = ctx.Deadline()
	c.Trace, _ = ctx.Value("x-amzn-trace-id").(string)
	c.Directory, _ = os.Getwd()
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		c.Env[name] = value
	}
	return c
}

// tick writes a rising number to a file for as long as the process runs.
func tick(file string) {
	go func() {
		for {
			_ = os.WriteFile(file+".new", []byte(strconv.FormatInt(ticks.Add(1), 10)), 0o600)
			_ = os.Rename(file+".new", file)
			time.Sleep(time.Millisecond)
		}
	}()
}

func startChild() int {
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "600"}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}})
	if err != nil {
		return 0
	}
	return p.Pid
}

// brokenReader is an answer that fails in the middle.
type brokenReader struct{ begun bool }

func (r *brokenReader) Read(p []byte) (int, error) {
	if r.begun {
		return 0, &NamedError{"broke off"}
	}
	r.begun = true
	return copy(p, `{"half":`), nil
}

func main() {
	switch os.Getenv("INIT") {
	case "exit":
		code, _ := strconv.Atoi(os.Getenv("INIT_CODE"))
		fmt.Fprintln(os.Stderr, "refusing to start")
		os.Exit(code)
	case "exit-once": // fails while the file is missing, which it makes
		if _, err := os.Stat(os.Getenv("INIT_FILE")); err != nil {
			_ = os.WriteFile(os.Getenv("INIT_FILE"), nil, 0o600)
			os.Exit(9)
		}
	case "hang":
		select {}
	case "report":
		reportInitError()
		os.Exit(1)
	case "report-and-ask":
		reportInitError()
		url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/next"
		if resp, err := http.Get(url); err == nil {
			_ = resp.Body.Close()
			_ = os.WriteFile(os.Getenv("INIT_FILE"), []byte(strconv.Itoa(resp.StatusCode)), 0o600)
		}
		os.Exit(1)
	case "stop-asking":
		stopAsking()
	case "broken-reader":
		lambda.Start(func() (io.Reader, error) { return &brokenReader{}, nil })
	case "ignore-sigterm":
		signal.Ignore(syscall.SIGTERM)
	case "sigterm":
		lambda.StartWithOptions(handler{}, lambda.WithEnableSIGTERM(func() {
			fmt.Println("terminated in good order")
			os.Exit(0)
		}))
	}
	lambda.Start(handler{})
}

// stopAsking is a runtime that echoes one event, asks for another, and goes
// away from that request while the process lives on.
func stopAsking() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	resp, err := http.Get(base + "next")
	if err != nil {
		os.Exit(1)
	}
	if resp, err = http.Post(base+resp.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", resp.Body); err == nil {
		_ = resp.Body.Close()
	}
	client := &http.Client{Timeout: 100 * time.Millisecond}
	if resp, err = client.Get(base + "next"); err == nil {
		_ = resp.Body.Close()
	}
	select {}
}

// reportInitError posts to init/error, as runtimes other than aws-lambda-go do.
func reportInitError() {
	url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"errorMessage":"no settings","errorType":"Config.Missing","stackTrace":[]}`))
	if err != nil {
		return
	}
	req.Header.Set("Lambda-Runtime-Function-Error-Type", "Config.Missing")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
	}
}
