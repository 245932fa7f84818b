package console

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/explain"
	"github.com/crlgate/crlgate/cmd/crlgate/internal/upload"
	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// drop is what was dropped, told apart.
type drop struct {
	certs []file // client certificates
	cas   []file // files of nothing but CA certificates
	crls  []file
	other []g.Node // words on what is neither
}

func tellApart(files []file) (d drop) {
	for _, f := range files {
		kind, err := upload.KindOf(f.data)
		switch {
		case errors.Is(err, upload.ErrUnknown):
			d.other = append(d.other, refusal(f.name, "is neither a certificate nor a CRL, in DER or PEM."))
		case err != nil:
			d.other = append(d.other, refusal(f.name, err.Error()+"."))
		case kind == preprocess.KindCRL:
			d.crls = append(d.crls, f)
		case kind == preprocess.KindSettings:
			d.other = append(d.other, refusal(f.name, "holds settings of a CA; there is nothing to say of them here."))
		case caFile(f.data):
			d.cas = append(d.cas, f)
		default:
			d.certs = append(d.certs, f)
		}
	}
	if len(d.crls) == 0 && len(d.certs) == 0 {
		d.certs, d.cas = d.cas, nil // asked about for themselves
	}
	return d
}

// caFile reports whether a file holds certificates of CAs and nothing else.
func caFile(data []byte) bool {
	verdicts, err := issuer.ParseCertificates(data)
	if err != nil || len(verdicts) == 0 {
		return false
	}
	for _, v := range verdicts {
		if v.Certificate == nil || !v.Certificate.MayIssue {
			return false
		}
	}
	return true
}

func refusal(name, words string) g.Node {
	return h.Article(h.Class("answer"), h.H3(h.TabIndex("-1"), g.Text("No answer on "+name)), h.P(h.Class("trouble"), g.Text("It "+words)))
}

// reply answers for what was dropped.
func (w *watch) reply(ctx context.Context, files []file) g.Node {
	d := tellApart(files)
	nodes := d.other
	if len(d.cas) > 0 {
		return g.Group(append(nodes, fromFiles(ctx, d, w.config.Clock().Round(0))))
	}
	for _, f := range d.certs {
		nodes = append(nodes, w.explain(ctx, f))
	}
	for _, f := range d.crls {
		nodes = append(nodes, w.against(ctx, f))
	}
	return g.Group(nodes)
}

// explain answers for a certificate as the authorizer would decide now.
func (w *watch) explain(ctx context.Context, f file) g.Node {
	t := w.current()
	report, err := explain.Run(ctx, w.source().Cache, explain.Input{Certificate: leaf(f.data), Settings: settingsOf(t.Local), At: w.config.Clock().Round(0)})
	if err != nil {
		return refusal(f.name, "cannot be answered for now: "+err.Error())
	}
	return explained(f.name, report)
}

// leaf is the first certificate of a file that is no CA's, as a client would send
// it; of a file without one, the first.
func leaf(data []byte) []byte {
	var first []byte
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		one := pem.EncodeToMemory(block)
		if first == nil {
			first = one
		}
		if !caFile(one) {
			return one
		}
	}
	if first != nil {
		return first
	}
	return data
}

// against answers for a CRL: what would become of it if it were uploaded now.
func (w *watch) against(ctx context.Context, f file) g.Node {
	now := w.config.Clock().Round(0)
	c, err := preprocess.LoadCatalog(ctx, w.source())
	if err != nil {
		return refusal(f.name, "cannot be answered for now: reading the catalog: "+err.Error())
	}
	u, err := check.Against(c, f.name, bytes.NewReader(f.data), false, now)
	if err != nil {
		return refusal(f.name, "cannot be answered for now: "+err.Error())
	}
	return judged(u, now)
}

// judged shows what would become of a CRL.
func judged(u *check.Upload, now time.Time) g.Node {
	verdict, class, words := "It would be refused", "bad", u.Detail
	switch {
	case u.InForce:
		verdict, class, words = "It is in force already", "sound", "An upload of it changes nothing."
	case u.Accepted && u.Replaces != nil:
		verdict, class = "It would be accepted", "sound"
		words = fmt.Sprintf("It would take the place of CRL number %s, which has %s.", u.Replaces.Number, plural(u.Replaces.Entries, "entry", "entries"))
	case u.Accepted:
		verdict, class, words = "It would be accepted", "sound", "No CRL of this CA, key and scope is in force yet; this would be the first."
	case u.Pending:
		verdict, class = "It would be pending", "caution"
	}
	facts := [][2]g.Node{}
	add := func(name string, value g.Node) { facts = append(facts, [2]g.Node{g.Text(name), value}) }
	if u.Code != "" {
		add("Code", h.Code(g.Text(u.Code)))
	}
	if u.CA != "" {
		add("CA", g.Text(u.CA))
	}
	if l := u.List; l != nil {
		add("Issuer", g.Text(issuer.Display(l.Issuer)))
		add("CRL number", code(u.Number, 50))
		add("Kind", g.Text(map[bool]string{true: "delta CRL", false: "complete CRL"}[l.Delta()]))
		add("thisUpdate", moment(l.ThisUpdate))
		if !l.NextUpdate.IsZero() {
			add("nextUpdate", g.Group{moment(l.NextUpdate), g.Text(", " + until(l.NextUpdate.Sub(now)))})
		}
		add("Entries", g.Text(number(u.Entries)))
	}
	return answered(u.File, "CRL", verdict, class, words, nil, facts)
}

func until(d time.Duration) string {
	if d < 0 {
		return ago(-d)
	}
	return "in " + spanOf(d)
}

// fromFiles answers from the dropped files alone, as "crlgate check" does.
func fromFiles(ctx context.Context, d drop, now time.Time) g.Node {
	all := map[string]file{}
	in := check.Input{At: now, Open: func(name string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(all[name].data)), nil }}
	enter := func(files []file, to *[]string) {
		for _, f := range files {
			for i := 2; all[f.name].data != nil; i++ {
				f.name = fmt.Sprintf("%s (%d)", f.name, i)
			}
			all[f.name] = f
			*to = append(*to, f.name)
		}
	}
	var certs []string
	enter(d.cas, &in.Issuers)
	enter(d.crls, &in.CRLs)
	enter(d.certs, &certs)
	if len(certs) == 0 {
		certs = []string{""}
	}
	var nodes []g.Node
	for i, cert := range certs {
		in.Cert = cert
		r, err := check.Run(ctx, in)
		if err != nil {
			return problem("The files cannot be checked: " + err.Error())
		}
		if cert != "" {
			nodes = append(nodes, fromFilesCert(cert, r))
		}
		if i == 0 {
			for _, l := range r.CRLs {
				nodes = append(nodes, fromFilesCRL(l))
			}
		}
	}
	return g.Group(nodes)
}

const filesAlone = "From the dropped files alone, whatever is in force here."

func fromFilesCert(name string, r *check.Result) g.Node {
	verdict, class := "It would be denied", "bad"
	if r.Allowed() {
		verdict, class = "It would be let in", "sound"
	}
	facts := [][2]g.Node{{g.Text("Status"), g.Text(*r.Status)}}
	if *r.Reason != "" {
		facts = append(facts, [2]g.Node{g.Text("Reason"), h.Code(g.Text(*r.Reason))})
	}
	facts = append(facts, [2]g.Node{g.Text("CA"), g.Text(*r.CA)}, [2]g.Node{g.Text("Serial number"), code(*r.Serial, 50)})
	words := filesAlone
	if r.Detail != "" {
		words = r.Detail + ". " + words
	}
	return answered(name, "certificate", verdict, class, words, nil, facts)
}

func fromFilesCRL(l check.CRL) g.Node {
	verdict, class, words := "It is sound", "sound", filesAlone
	if !l.Accepted {
		verdict, class, words = "It is refused", "bad", l.Detail+". "+filesAlone
	}
	var facts [][2]g.Node
	if l.Code != "" {
		facts = append(facts, [2]g.Node{g.Text("Code"), h.Code(g.Text(l.Code))})
	}
	if l.Number != "" {
		facts = append(facts, [2]g.Node{g.Text("CA"), g.Text(l.CA)}, [2]g.Node{g.Text("CRL number"), code(l.Number, 50)}, [2]g.Node{g.Text("Entries"), g.Text(number(l.Entries))})
	}
	return answered(l.File, "CRL", verdict, class, words, nil, facts)
}

// sentence begins with a capital letter and ends in a full stop.
func sentence(words string) string {
	first, size := utf8.DecodeRuneInString(words)
	words = string(unicode.ToUpper(first)) + words[size:]
	if !strings.HasSuffix(words, ".") {
		words += "."
	}
	return words
}

// answered is an answer: the verdict first, then words, what was done step by
// step, and facts.
func answered(name, what, verdict, class, words string, steps g.Node, facts [][2]g.Node) g.Node {
	return h.Article(h.Class("answer "+class),
		h.Header(h.H3(h.TabIndex("-1"), h.Span(h.Class("badge "+class), h.Span(h.Class("shape"), h.Aria("hidden", "true"), g.Text(map[string]string{"sound": "●", "caution": "▲", "bad": "✕"}[class])), g.Text(verdict)),
			g.Text(" "), h.Span(h.Class("what"), g.Text(what+" "+name)))),
		g.If(words != "", h.P(h.Class("words"), g.Text(sentence(words)))),
		steps,
		g.If(len(facts) > 0, h.Dl(g.Map(facts, func(f [2]g.Node) g.Node { return h.Div(h.Dt(f[0]), h.Dd(f[1])) }))),
	)
}
