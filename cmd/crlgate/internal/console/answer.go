package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// Limits of what may be dropped: all of it is held in memory.
const (
	maxDrop      = 32 << 20 // octets, in sum
	maxDropFiles = 16
	answerWithin = time.Minute
)

// file is what was dropped, chosen or pasted.
type file struct {
	name string
	data []byte
}

// ask is the form, and the answer to what was asked last.
func ask(answered g.Node) g.Node {
	return h.Section(h.ID("ask"), h.Class("wide"), h.Aria("labelledby", "ask-head"),
		h.Header(h.Class("part-head"), h.H2(h.ID("ask-head"), g.Text("Would it be let in?")),
			h.P(h.Class("beside"), g.Text("Drop a client certificate or a CRL anywhere on this page."))),
		h.Form(h.ID("ask-form"), h.Method("post"), h.Action("/answer"), h.EncType("multipart/form-data"),
			h.Div(h.Class("field"),
				h.Label(h.For("ask-files"), g.Text("Files, DER or PEM")),
				h.Input(h.ID("ask-files"), h.Name("file"), h.Type("file"), h.Multiple(), h.Accept(".pem,.crt,.cer,.der,.crl"), h.Aria("describedby", "ask-help"))),
			h.Div(h.Class("field grow"),
				h.Label(h.For("ask-text"), g.Text("Or paste PEM")),
				h.Textarea(h.ID("ask-text"), h.Name("text"), h.Rows("2"), g.Attr("spellcheck", "false"), h.AutoComplete("off"), h.Aria("describedby", "ask-help"), h.Placeholder("-----BEGIN CERTIFICATE-----"))),
			h.Div(h.Class("field"), h.Button(h.Type("submit"), g.Text("Ask"))),
			h.P(h.ID("ask-help"), h.Class("help"), g.Text("A certificate gets the decision that the authorizer would make now, step by step. A CRL is checked against the CAs here, and against what is in force. "+
				"With a CA's certificate among the files, all is checked from those files alone.")),
		),
		h.Div(h.ID("answer"), h.Aria("live", "off"), answered),
	)
}

// answer answers a drop: as a part of the page for the script, else as the page.
func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	select {
	case s.answers <- struct{}{}:
		defer func() { <-s.answers }()
	default:
		s.respond(w, r, http.StatusServiceUnavailable, problem("Two answers are being worked out already. Ask again in a moment."))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxDrop)
	files, err := dropped(r)
	if err != nil {
		status, words := http.StatusBadRequest, err.Error()
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			status, words = http.StatusRequestEntityTooLarge, fmt.Sprintf("That is more than %d MiB. Larger CRLs are checked with: crlgate check --issuer ca.pem --crl large.crl", maxDrop>>20)
		}
		s.respond(w, r, status, problem(words))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	s.respond(w, r, http.StatusOK, s.watch.reply(ctx, files))
}

func (s *server) respond(w http.ResponseWriter, r *http.Request, status int, answered g.Node) {
	if r.Header.Get("X-Crlgate-Part") != "" {
		s.render(w, status, answered)
		return
	}
	s.render(w, status, document(s.watch.board.now(), answered))
}

// dropped reads the form into memory. The parser of net/http would put large
// files on the disk.
func dropped(r *http.Request) ([]file, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, errors.New("files come as multipart/form-data")
	}
	var out []file
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading the files: %w", err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, fmt.Errorf("reading the files: %w", err)
		}
		name := part.FileName()
		if part.FormName() == "text" {
			name = "pasted"
		}
		if len(data) == 0 || strings.TrimSpace(string(data[:min(len(data), 4096)])) == "" {
			continue
		}
		if len(out) == maxDropFiles {
			return nil, fmt.Errorf("more than %d files", maxDropFiles)
		}
		out = append(out, file{clip(name, 80), data})
	}
	if len(out) == 0 {
		return nil, errors.New("nothing to ask about: choose a file, or paste PEM")
	}
	return out, nil
}

// problem is an answer that is none.
func problem(words string) g.Node {
	return h.Article(h.Class("answer"), h.H3(h.TabIndex("-1"), g.Text("No answer")), h.P(h.Class("trouble"), g.Text(words)))
}
