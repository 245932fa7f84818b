package lambdaruntime

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
)

const (
	runtimePath   = "/2018-06-01/runtime"
	extensionPath = "/2020-01-01/extension"

	// aws-lambda-go sends an X-Ray cause of up to 1 MiB as a header.
	maxHeaderBytes = 2 << 20
	// drainBytes is how much of a refused body is read, so that its sender comes
	// to read the refusal.
	drainBytes = 64 << 20
)

// newServer returns the server of the environment's Runtime API and of what
// the Extensions API needs to let a runtime register for SIGTERM.
func (e *environment) newServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+runtimePath+"/invocation/next", e.serveNext)
	mux.HandleFunc("POST "+runtimePath+"/invocation/{id}/response", e.serveResponse)
	mux.HandleFunc("POST "+runtimePath+"/invocation/{id}/error", e.serveError)
	mux.HandleFunc("POST "+runtimePath+"/init/error", e.serveInitError)
	mux.HandleFunc("POST "+extensionPath+"/register", e.serveRegister)
	mux.HandleFunc("GET "+extensionPath+"/event/next", e.serveEvent)
	return &http.Server{ // no time limits: the only client is our child, and may be frozen
		Handler:        mux,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       log.New(serverLog{e}, "", 0),
	}
}

// serverLog passes what net/http has to say to the platform's log.
type serverLog struct{ e *environment }

func (l serverLog) Write(p []byte) (int, error) {
	l.e.platform("Runtime API: %s", strings.TrimSpace(string(p)))
	return len(p), nil
}

// serveNext gives the process its next event, waiting until there is one.
func (e *environment) serveNext(w http.ResponseWriter, r *http.Request) {
	worker := e.returned()
	if worker == nil {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the environment takes no more invocations")
		return
	}
	select {
	case <-r.Context().Done(): // the process is gone, or is going
		e.left(worker)
	case inv := <-worker:
		deadline, ok := e.deliver(inv)
		if !ok {
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(inv.payload)))
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", e.f.cfg.arn())
		h.Set("Lambda-Runtime-Trace-Id", inv.trace)
		// If this fails the process is gone, which settles the invocation.
		_, _ = w.Write(inv.payload)
	}
}

// serveResponse takes the answer of an invocation.
func (e *environment) serveResponse(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if errors.Is(err, errBodySize) {
		known := e.settle(r.PathValue("id"), func(result *Result) {
			result.setServiceError(ErrorTypeResponseSize, fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxResponseBytes))
		})
		if known {
			refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", MaxResponseBytes))
			return
		}
	} else if err != nil {
		refuse(w, http.StatusBadRequest, "TruncatedHTTPRequest", err.Error())
		return
	}
	e.accept(w, r, func(result *Result) {
		// A runtime whose answer broke off in the middle says so in trailers.
		if errorType := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); errorType != "" {
			document, _ := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
			result.setError(document, errorType)
			return
		}
		result.Payload = body
	})
}

// serveError takes the error of an invocation.
func (e *environment) serveError(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	e.accept(w, r, func(result *Result) {
		result.setError(body, r.Header.Get("Lambda-Runtime-Function-Error-Type"))
	})
}

// accept settles the invocation that the path names and says so to the process.
func (e *environment) accept(w http.ResponseWriter, r *http.Request, set func(*Result)) {
	if !e.settle(r.PathValue("id"), set) {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// serveInitError takes the reason why a process cannot become ready. The
// process is expected to exit; it gets no events.
func (e *environment) serveInitError(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	e.f.mu.Lock()
	inInit := e.phase == starting
	if inInit {
		e.initFailure = &Result{}
		e.initFailure.setError(body, r.Header.Get("Lambda-Runtime-Function-Error-Type"))
	}
	e.f.mu.Unlock()
	if !inInit {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "init is over")
		return
	}
	reply(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// serveRegister registers an extension, which is how a runtime asks for
// SIGTERM before its end. All processes get SIGTERM here.
func (e *environment) serveRegister(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Lambda-Extension-Name") == "" {
		refuse(w, http.StatusBadRequest, "Extension.InvalidExtensionName", "the header Lambda-Extension-Name is missing")
		return
	}
	w.Header().Set("Lambda-Extension-Identifier", newUUID())
	reply(w, http.StatusOK, map[string]string{
		"functionName":    e.f.cfg.Name,
		"functionVersion": version,
		"handler":         "bootstrap",
	})
}

// serveEvent blocks for the life of the process: extensions get no events.
func (e *environment) serveEvent(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
}

var errBodySize = errors.New("body is too large")

// readBody reads a body of at most MaxResponseBytes.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponseBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the body of %s: %w", r.URL.Path, err)
	}
	if len(body) > MaxResponseBytes {
		_, _ = io.CopyN(io.Discard, r.Body, drainBytes)
		return nil, errBodySize
	}
	return body, nil
}

func refuse(w http.ResponseWriter, status int, errorType, message string) {
	reply(w, status, errorDocument{Type: errorType, Message: message})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // if it fails, the process is gone
}
