package local

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/gateway"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/target"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/upload"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// printer writes lines whole, from several goroutines, and keeps progress out
// of their way.
type printer struct {
	mu       sync.Mutex
	out, err io.Writer
	colour   bool
	progress *terminal.Progress
	waitsFor string
}

func newPrinter(out, words io.Writer) *printer {
	return &printer{out: out, err: words, colour: terminal.Coloured(out), progress: terminal.NewProgress(words)}
}

func (p *printer) to(w io.Writer, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress.Clear()
	fmt.Fprintf(w, format+"\n", args...)
}

// words says what goes on.
func (p *printer) words(format string, args ...any) { p.to(p.err, format, args...) }

// line prints a line of results, with the time before it.
func (p *printer) line(format string, args ...any) {
	p.to(p.out, "%s  %s", clock(time.Now()), fmt.Sprintf(format, args...))
}

func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }

func (p *printer) report(r *preprocess.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress.Clear()
	_ = upload.PrintReport(p.out, clock(time.Now())+"  ", r, p.colour)
}

// waiting shows that a report is being waited for.
func (p *printer) waiting(key string, since time.Time) {
	if key != p.waitsFor {
		p.progress.Restart()
		p.waitsFor = key
	}
	if key != "" {
		p.progress.Show("%s: uploaded, the preprocessor is at work, %s", key, terminal.Span(time.Since(since)))
	}
}

// request prints a line of the access log: time, form, request, status,
// decision and reason, CA, serial, latency.
func (p *printer) request(r gateway.Record) {
	verdict, c := "not decided", terminal.Bad
	if r.Decision != "" {
		verdict = r.Decision + " " + r.Reason
	}
	if r.Decision == "allow" {
		c = terminal.Sound
	}
	if r.Context["would_deny"] == "true" {
		verdict, c = verdict+" (would deny)", terminal.Caution
	}
	var more strings.Builder
	if ca, _ := r.Context["ca"].(string); ca != "" {
		more.WriteString("  CA " + ca)
	}
	if serial, _ := r.Context["serial"].(string); serial != "" || r.CertificateSerial != "" {
		more.WriteString("  serial " + cmp.Or(serial, r.CertificateSerial))
	}
	if r.Decision == "" && r.Detail != "" {
		more.WriteString("  (" + r.Detail + ")")
	}
	if r.Resumed {
		more.WriteString("  (resumed TLS session)")
	}
	p.to(p.out, "%s  %-8s  %s %s  %d  %s%s  %s", clock(r.Time), r.Form, r.Method, r.Path, r.Status,
		terminal.Paint(p.colour, c, verdict), more.String(), r.Latency.Round(100*time.Microsecond))
}

// handshakes prints clients that the gateways turn away before any request.
func (p *printer) handshakes() *slog.Logger { return slog.New(handshakes{p}) }

type handshakes struct{ p *printer }

// Enabled is true at every level.
func (handshakes) Enabled(context.Context, slog.Level) bool { return true }

// Handle prints the message.
func (h handshakes) Handle(_ context.Context, r slog.Record) error {
	h.p.line("%s", strings.TrimPrefix(r.Message, "http: "))
	return nil
}

// WithAttrs returns h: a http.Server's log has none.
func (h handshakes) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup returns h.
func (h handshakes) WithGroup(string) slog.Handler { return h }

// welcome says where everything is and how to send a request.
func (l *local) welcome(s *target.State) {
	l.out.words("\nServing %s. In this folder, \"crlgate put\" and \"crlgate status\" work on it. A request in each form, with a client's certificate and key:\n", l.dir)
	for _, form := range forms {
		if s.Gateways[form.String()] == "" {
			continue // the template has no such API
		}
		l.out.words("  # %s\n  %s", formWords[form], curl(s, form))
	}
	l.out.words("\nS3 is at %s. Ctrl-C stops.\n", s.Endpoint)
}

var formWords = map[gateway.Form]string{
	gateway.REST: "REST API", gateway.HTTP1: "HTTP API, payload format 1.0", gateway.HTTP2: "HTTP API, payload format 2.0",
}

// curl is a command that sends a request, ready to paste.
func curl(s *target.State, form gateway.Form) string {
	address := s.Gateways[form.String()]
	host, port, _ := strings.Cut(address, ":")
	return fmt.Sprintf("curl --cacert %s --cert client.pem --key client.key --resolve %s:%s:%s https://%s:%s/",
		quoted(s.ServerCA), s.Domain, port, host, s.Domain, port)
}

// quoted quotes a path for a POSIX shell, where it needs that.
func quoted(p string) string {
	if strings.IndexFunc(p, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-+,:@", r)
	}) < 0 {
		return p
	}
	return "'" + strings.ReplaceAll(p, "'", `'\''`) + "'"
}
