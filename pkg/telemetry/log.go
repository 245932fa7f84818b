package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// maxLogged caps one logged string, in bytes: a DN or an error may carry what a
// client or a publisher of CRLs chose.
const maxLogged = 4096

// withheld stands for a logged value that holds PEM.
const withheld = "[PEM withheld]"

// NewLogger returns a logger that writes one JSON object a line to w, with the
// function's name and those attrs in each; the request id is the caller's to add
// with [slog.Logger.With] and [KeyRequestID]. Control characters are escaped, so a
// value never breaks a line. Times are UTC. Strings and errors are cut at 4 KiB; one that
// holds PEM is withheld, as a certificate or a key has no place in a log.
func NewLogger(w io.Writer, function string, level slog.Leveler, attrs ...slog.Attr) *slog.Logger {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: replace})
	return slog.New(handler.WithAttrs(append([]slog.Attr{slog.String(KeyFunction, function)}, attrs...)))
}

func replace(groups []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindTime:
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
	case slog.KindString:
		a.Value = slog.StringValue(presentable(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case slog.Level: // has its own form
		case error:
			a.Value = slog.StringValue(presentable(text(v.Error)))
		case fmt.Stringer:
			a.Value = slog.StringValue(presentable(text(v.String)))
		}
	}
	return a
}

// text calls an error's or a value's own method. If that panics, as on a nil
// pointer, the panic is what is logged: logging never takes a request down.
func text(method func() string) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = fmt.Sprintf("[panic while logging: %v]", p)
		}
	}()
	return method()
}

// presentable is a text as it may be logged.
func presentable(s string) string {
	if holdsPEM(s) {
		return withheld
	}
	if len(s) <= maxLogged {
		return s
	}
	cut := maxLogged
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes more)", s[:cut], len(s)-cut)
}

// holdsPEM tells whether a text holds the beginning of PEM with anything behind
// it. A boundary that ends a quotation or the text is only spoken of.
func holdsPEM(s string) bool {
	const begin = "-----BEGIN "
	for {
		_, rest, found := strings.Cut(s, begin)
		if !found {
			return false
		}
		label, behind, whole := strings.Cut(rest, "-----")
		if !whole || strings.ContainsAny(label, "\r\n") || behind != "" && behind[0] != '"' {
			return true
		}
		s = behind
	}
}
