package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// mapping is one parameter mapping of an integration: what is done to a header
// of the request on its way to the upstream, as API Gateway does it (Developer
// Guide, "Transform API requests and responses for HTTP APIs" and "Parameter
// mapping source reference for REST APIs").
type mapping struct {
	action string // append, overwrite or remove
	header string // canonical
	value  []part
}

// part is a part of a mapped value: a text as it is, or an expression.
type part struct{ text, expression string }

// Names that an HTTP API does not let anybody map ("Reserved headers").
var (
	reservedNames = []string{
		"authorization", "connection", "content-encoding", "content-length", "content-location", "forwarded", "keep-alive", "origin",
		"proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding", "upgrade",
		"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via",
	}
	reservedPrefixes = []string{"access-control-", "apigw-", "x-amz-", "x-amzn-"}
)

// parseMappings reads an integration's RequestParameters in the syntax of the
// form's API. What API Gateway knows and this gateway does not is refused, and
// so are two mappings of one header, of which API Gateway does not say which wins.
func parseMappings(form Form, parameters map[string]string) ([]mapping, error) {
	read := parseHTTPMapping
	if form == REST {
		read = parseRESTMapping
	}
	var out []mapping
	var faults []error
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		m, err := read(key, parameters[key])
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("gateway: RequestParameters: %q: %w", key, err))
		case m.header == "":
			// A path parameter that stays what it is.
		case seen[m.header] != "":
			faults = append(faults, fmt.Errorf("gateway: RequestParameters: %q and %q map the same header", seen[m.header], key))
		default:
			seen[m.header] = key
			out = append(out, m)
		}
	}
	return out, errors.Join(faults...)
}

// parseHTTPMapping reads a mapping of an HTTP API: overwrite:header.name with
// $context.name, ${context.name} or a text.
func parseHTTPMapping(key, value string) (m mapping, err error) {
	action, target, _ := strings.Cut(key, ":")
	kind, name, _ := strings.Cut(target, ".")
	if !slices.Contains([]string{"append", "overwrite", "remove"}, action) || kind != "header" {
		return m, errors.New("only append:header.…, overwrite:header.… and remove:header.… are understood here")
	}
	lower := strings.ToLower(name)
	if slices.Contains(reservedNames, lower) || slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(lower, p) }) {
		return m, errors.New("API Gateway reserves this header and maps it for nobody")
	}
	if m, err = newMapping(action, name); err != nil || action == "remove" {
		return m, err
	}
	m.value, err = parseHTTPValue(value)
	return m, err
}

var interpolated = regexp.MustCompile(`\$\{[^}]*\}`)

func parseHTTPValue(value string) ([]part, error) {
	if rest, ok := strings.CutPrefix(value, "$"); ok && !strings.HasPrefix(rest, "{") {
		return expressions(part{expression: rest})
	}
	var parts []part
	at := 0
	for _, found := range interpolated.FindAllStringIndex(value, -1) {
		parts = append(parts, part{text: value[at:found[0]]}, part{expression: value[found[0]+2 : found[1]-1]})
		at = found[1]
	}
	return expressions(append(parts, part{text: value[at:]})...)
}

// parseRESTMapping reads a mapping of a REST API: integration.request.header.name
// with context.name, or with a text in single quotes.
func parseRESTMapping(key, value string) (m mapping, err error) {
	if name, ok := strings.CutPrefix(key, "integration.request.path."); ok && value == "method.request.path."+name {
		return m, nil // {proxy} goes on as it came
	}
	name, ok := strings.CutPrefix(key, "integration.request.header.")
	if !ok {
		return m, errors.New("only integration.request.header.… is understood here, and path parameters that stay what they are")
	}
	if m, err = newMapping("overwrite", name); err != nil {
		return m, err
	}
	if text, ok := strings.CutPrefix(value, "'"); ok && strings.HasSuffix(text, "'") {
		m.value = []part{{text: strings.TrimSuffix(text, "'")}}
		return m, nil
	}
	if name, ok := strings.CutPrefix(value, "method.request.header."); ok {
		value = "request.header." + name
	}
	m.value, err = expressions(part{expression: value})
	return m, err
}

func newMapping(action, name string) (mapping, error) {
	if !isToken(name) {
		return mapping{}, fmt.Errorf("%q is not a header name", name)
	}
	return mapping{action: action, header: http.CanonicalHeaderKey(name)}, nil
}

// expressions checks that each expression is known.
func expressions(parts ...part) ([]part, error) {
	for _, p := range parts {
		known := p.expression == "" || slices.ContainsFunc([]string{"context.authorizer.", "request.header.", "stageVariables."}, func(prefix string) bool {
			return len(p.expression) > len(prefix) && strings.HasPrefix(p.expression, prefix)
		}) || p.expression == "context.requestId" || p.expression == "context.domainName" || p.expression == "context.identity.sourceIp"
		if !known {
			return nil, fmt.Errorf("the expression %q is not understood here", p.expression)
		}
	}
	return parts, nil
}

// mapHeader applies the mappings to what the upstream gets. Where a value is
// missing, API Gateway does not say what becomes of the header; the worst is
// assumed, that the client's own stays.
func (x *exchange) mapHeader(header http.Header) {
	for _, m := range x.gateway.mappings {
		if m.action == "remove" {
			header.Del(m.header)
			continue
		}
		value, ok := x.mapped(m.value)
		switch {
		case !ok:
		case m.action == "append":
			header.Add(m.header, value)
		default:
			header.Set(m.header, value)
		}
	}
}

func (x *exchange) mapped(parts []part) (string, bool) {
	var out strings.Builder
	for _, p := range parts {
		text, ok := p.text, true
		if p.expression != "" {
			text, ok = x.evaluate(p.expression)
		}
		if !ok {
			return "", false
		}
		out.WriteString(text)
	}
	return out.String(), true
}

// evaluate is the value of an expression; ok is false where there is none.
func (x *exchange) evaluate(expression string) (value string, ok bool) {
	switch expression {
	case "context.requestId":
		return x.id, true
	case "context.domainName":
		return x.cfg.DomainName, true
	case "context.identity.sourceIp":
		return x.sourceIP, true
	}
	if key, found := strings.CutPrefix(expression, "context.authorizer."); found {
		return headerValue(x.answer.context[key])
	}
	if name, found := strings.CutPrefix(expression, "request.header."); found {
		values := x.header.Values(name)
		return strings.Join(values, ","), len(values) > 0
	}
	value, ok = x.cfg.StageVariables[strings.TrimPrefix(expression, "stageVariables.")]
	return value, ok
}
