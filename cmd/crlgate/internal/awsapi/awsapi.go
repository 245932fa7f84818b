// Package awsapi serves, on loopback, what crlgate's commands call of AWS beside
// S3: Lambda's Invoke, and of SQS what it takes to look at a queue and empty it.
// So the commands drive the local stack with the code that drives AWS.
//
// A request must come under a path that only the stack's owner knows. Signatures
// are not looked at.
package awsapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
)

// Invoker is a function.
type Invoker interface {
	Invoke(ctx context.Context, payload []byte) (lambdaruntime.Result, error)
}

// Server serves the APIs.
type Server struct {
	// Endpoint is the base URL, with a path that must not get known.
	Endpoint string

	functions map[string]Invoker
	queues    map[string]*Queue
	server    *http.Server
	done      chan error
}

// Start listens on a free port of 127.0.0.1.
func Start(functions map[string]Invoker, queues map[string]*Queue) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	secret := "/" + strings.ToLower(rand.Text())
	s := &Server{Endpoint: "http://" + l.Addr().String() + secret, functions: functions, queues: queues, done: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+secret+"/2015-03-31/functions/{name}/invocations", s.invoke)
	mux.HandleFunc("POST "+secret+"/{$}", s.sqs)
	mux.HandleFunc("POST "+secret, s.sqs)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { s.done <- s.server.Serve(l) }()
	return s, nil
}

// QueueURL is the URL of a queue.
func (s *Server) QueueURL(name string) string { return s.Endpoint + "/123456789012/" + name }

// Close stops serving. Invocations under way end with their functions.
func (s *Server) Close() error {
	err := s.server.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// maxBody is Lambda's limit on a payload, which is more than SQS takes.
const maxBody = lambdaruntime.MaxRequestBytes

// invoke is Lambda's Invoke (AWS Lambda API Reference), of type RequestResponse.
func (s *Server) invoke(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	f := s.functions[name]
	if f == nil {
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+name)
		return
	}
	if kind := r.Header.Get("X-Amz-Invocation-Type"); kind != "" && kind != "RequestResponse" {
		refuse(w, http.StatusBadRequest, "InvalidParameterValueException", "the local stack knows RequestResponse only")
		return
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", err.Error())
		return
	}
	result, err := f.Invoke(r.Context(), payload)
	var throttled *lambdaruntime.ThrottleError
	switch {
	case errors.As(err, &throttled):
		refuse(w, http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
		return
	case errors.Is(err, lambdaruntime.ErrInvalidPayload):
		refuse(w, http.StatusBadRequest, "InvalidRequestContentException", err.Error())
		return
	case err != nil:
		refuse(w, http.StatusInternalServerError, "ServiceException", err.Error())
		return
	}
	if result.FunctionError != "" {
		w.Header().Set("X-Amz-Function-Error", result.FunctionError)
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	w.Header().Set("X-Amzn-Requestid", result.RequestID)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(result.Payload) // if it fails, who asked is gone
}

// refuse answers with an error in the form of both protocols.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amzn-Errortype", code)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body, err := json.Marshal(map[string]string{"__type": code, "Message": message, "message": message})
	if err != nil {
		body = fmt.Appendf(nil, `{"__type":%q}`, code)
	}
	_, _ = w.Write(body)
}
