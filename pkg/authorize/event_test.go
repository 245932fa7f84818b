package authorize_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/crlgate/crlgate/pkg/authorize"
)

// decoded is what aws-lambda-go's type for the form says of an event.
func decoded(t *testing.T, form string, payload []byte) authorize.Request {
	t.Helper()
	r := authorize.Request{Form: forms[form]}
	var err error
	switch form {
	case "rest":
		var e events.APIGatewayCustomAuthorizerRequestTypeRequest
		err = json.Unmarshal(payload, &e)
		r.ARN, r.RequestID, r.CertificatePEM = e.MethodArn, e.RequestContext.RequestID, e.RequestContext.Identity.ClientCert.ClientCertPem
	case "http1":
		var e events.APIGatewayV2CustomAuthorizerV1Request
		err = json.Unmarshal(payload, &e)
		r.ARN, r.RequestID, r.CertificatePEM = e.MethodArn, e.RequestContext.RequestID, e.RequestContext.Identity.ClientCert.ClientCertPem
	case "http2":
		var e events.APIGatewayV2CustomAuthorizerV2Request
		err = json.Unmarshal(payload, &e)
		r.ARN, r.RequestID, r.CertificatePEM = e.RouteArn, e.RequestContext.RequestID, e.RequestContext.Authentication.ClientCert.ClientCertPem
	}
	if err != nil {
		t.Fatal(err)
	}
	// Not all of aws-lambda-go's types have the domain name.
	var e struct{ RequestContext struct{ DomainName string } }
	if err := json.Unmarshal(payload, &e); err != nil {
		t.Fatal(err)
	}
	r.Domain = e.RequestContext.DomainName
	return r
}

func TestSampleEventsReadAsAWSReadsThem(t *testing.T) {
	for form := range forms {
		for _, kind := range []string{"good", "revoked", "no-certificate", "malformed"} {
			payload := sample(t, form+"-"+kind)
			want := decoded(t, form, payload)
			got, err := authorize.ParseEvent(payload)
			if err != nil || got != want {
				t.Errorf("%s-%s: %+v (%v), want %+v", form, kind, got, err, want)
			}
			if got.ARN == "" || got.Domain == "" || got.RequestID == "" || (got.CertificatePEM == "") != (kind == "no-certificate") {
				t.Errorf("%s-%s: %+v lacks a field", form, kind, got)
			}
		}
	}
}

// context wraps the members of clientCert into an event of each form.
func wrap(form, clientCert string) string {
	switch form {
	case "rest":
		return `{"methodArn":"a","requestContext":{"identity":{"clientCert":` + clientCert + `}}}`
	case "http1":
		return `{"version":"1.0","methodArn":"a","requestContext":{"identity":{"clientCert":` + clientCert + `}}}`
	}
	return `{"version":"2.0","routeArn":"a","requestContext":{"authentication":{"clientCert":` + clientCert + `}}}`
}

func TestAbsentCertificates(t *testing.T) {
	for form := range forms {
		for _, clientCert := range []string{`null`, `{}`, `{"clientCertPem":null}`, `{"clientCertPem":""}`, `{"subjectDN":"CN=x"}`, ` { } `} {
			r, err := authorize.ParseEvent([]byte(wrap(form, clientCert)))
			if err != nil || r.CertificatePEM != "" || r.Form != forms[form] || r.ARN != "a" {
				t.Errorf("%s %s: %+v %v", form, clientCert, r, err)
			}
		}
		for _, e := range []string{`{"requestContext":{}}`, `{"requestContext":null}`, `{"requestContext":{"identity":null,"authentication":null}}`} {
			if r, err := authorize.ParseEvent([]byte(e)); err != nil || r.CertificatePEM != "" {
				t.Errorf("%s: %+v %v", e, r, err)
			}
		}
	}
}

func TestEventFields(t *testing.T) {
	const cert = `"clientCert":{"clientCertPem":"P"}`
	for name, c := range map[string]struct{ event, pem string }{
		"fields in another order":  {`{"requestContext":{"identity":{` + cert + `},"domainName":"d"},"methodArn":"a","version":"1.0"}`, "P"},
		"version last, 2.0":        {`{"requestContext":{"authentication":{` + cert + `},"identity":{"clientCert":{"clientCertPem":"no"}}},"routeArn":"a","version":"2.0"}`, "P"},
		"the other form's place":   {`{"version":"2.0","routeArn":"a","requestContext":{"identity":{` + cert + `}}}`, ""},
		"and the other way round":  {`{"methodArn":"a","requestContext":{"authentication":{` + cert + `}}}`, ""},
		"white space":              {" {\n\t\"methodArn\" : \"a\" ,\r\n \"requestContext\" : { \"identity\" : { \"clientCert\" : { \"clientCertPem\" : \"P\" } } } } ", "P"},
		"escapes in names":         {`{"methodArn":"a","\u0072equestContext":{"identity":{"\u0063lientCert":{"clientCert\u0050em":"P"}}}}`, "P"},
		"escapes in values":        {wrap("rest", `{"clientCertPem":"-\n\/\"\\\b\f\r\t\u00e9\u20AC"}`), "-\n/\"\\\b\f\r\té€"},
		"a surrogate pair":         {wrap("rest", `{"clientCertPem":"\ud83d\ude00"}`), "😀"},
		"half a pair, and more":    {wrap("rest", `{"clientCertPem":"\ud83dxude00 \ud83d\nde00 \ud83dx"}`), "\ufffdxude00 \ufffd\nde00 \ufffdx"},
		"null behind white space":  {`{"methodArn":"a","version": null,"requestContext": {"identity": {"clientCert":  null}}}`, ""},
		"half a pair":              {wrap("rest", `{"clientCertPem":"\ud83dx\ude00"}`), "\ufffdx\ufffd"},
		"two first halves":         {wrap("rest", `{"clientCertPem":"\ud83d\ud83d\ude00"}`), "\ufffd😀"},
		"no other case":            {wrap("rest", `{"ClientCertPem":"no","clientcertpem":"no"}`), ""},
		"no other case, context":   {`{"methodArn":"a","RequestContext":{"identity":{` + cert + `}},"requestContext":{}}`, ""},
		"a header of that name":    {`{"methodArn":"a","headers":{"requestContext":{"identity":{` + cert + `}},"clientCertPem":"no"},"requestContext":{}}`, ""},
		"a header value like JSON": {`{"methodArn":"a","headers":{"x":"\",\"requestContext\":{\"identity\":{\"clientCert\":{\"clientCertPem\":\"no\"}}},\"y\":\""},"requestContext":{}}`, ""},
		"a query of that name":     {`{"methodArn":"a","queryStringParameters":{"requestContext":"{}","identity":"x"},"requestContext":{"identity":{` + cert + `}}}`, "P"},
		"one level too deep":       {`{"methodArn":"a","requestContext":{"authorizer":{"identity":{` + cert + `}}}}`, ""},
		"one level too high":       {`{"methodArn":"a","identity":{` + cert + `},"clientCert":{"clientCertPem":"no"},"requestContext":{` + cert + `}}`, ""},
		"other fields may repeat":  {`{"methodArn":"a","x":1,"x":[],"requestContext":{"y":{},"y":true,"identity":{` + cert + `}}}`, "P"},
		"every kind of value":      {`{"methodArn":"a","x":[null,true,false,0,-0.5e+10,1E2,{},[],"\u0000"],"requestContext":{"identity":{` + cert + `}}}`, "P"},
	} {
		if r, err := authorize.ParseEvent([]byte(c.event)); err != nil || r.CertificatePEM != c.pem || r.ARN != "a" {
			t.Errorf("%s: %+v (%v), want %q", name, r, err, c.pem)
		}
	}
}

// refusedEvents are payloads of which no one reading can be relied on.
func refusedEvents() map[string]string {
	const cert = `"clientCert":{"clientCertPem":"P"}`
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	return map[string]string{
		"empty":                        ``,
		"white space":                  ` `,
		"null":                         `null`,
		"an array":                     `[]`,
		"a token event":                `{"type":"TOKEN","methodArn":"a","authorizationToken":"t"}`,
		"no context, HTTP API":         `{"version":"1.0","methodArn":"a"}`,
		"version 3.0":                  `{"version":"3.0","requestContext":{}}`,
		"version as a number":          `{"version":2.0,"requestContext":{}}`,
		"something behind":             `{"requestContext":{}}x`,
		"a NUL behind":                 "{\"requestContext\":{}}\x00",
		"a second event":               `{"requestContext":{}}{}`,
		"cut short":                    `{"requestContext":{"identity":{` + cert,
		"two contexts":                 `{"requestContext":{},"requestContext":{"identity":{` + cert + `}}}`,
		"two contexts, one escaped":    `{"requestContext":{},"request\u0043ontext":{}}`,
		"two contexts, one null":       `{"requestContext":null,"requestContext":{}}`,
		"two identities":               `{"requestContext":{"identity":{},"identity":{}}}`,
		"two certificates":             `{"requestContext":{"identity":{` + cert + `,` + cert + `}}}`,
		"two PEMs":                     wrap("rest", `{"clientCertPem":"P","clientCertPem":"Q"}`),
		"two PEMs in the other place":  wrap("http2", `{"clientCertPem":"P","clientCertPem":"Q"}`),
		"two versions":                 `{"version":"2.0","version":"1.0","requestContext":{}}`,
		"two ARNs":                     `{"methodArn":"a","methodArn":"b","requestContext":{}}`,
		"two domains":                  `{"requestContext":{"domainName":"a","domainName":"b"}}`,
		"PEM as a number":              wrap("rest", `{"clientCertPem":1}`),
		"PEM as an object":             wrap("rest", `{"clientCertPem":{}}`),
		"certificate as text":          wrap("rest", `"P"`),
		"context as an array":          `{"requestContext":[]}`,
		"an escape that is none":       wrap("rest", `{"clientCertPem":"\q"}`),
		"an escape that is none, else": `{"headers":{"a":"\q"},"requestContext":{}}`,
		"half an escape":               `{"headers":{"a":"\u12"},"requestContext":{}}`,
		"a control character":          "{\"headers\":{\"a\":\"\n\"},\"requestContext\":{}}",
		"a name without quotes":        `{requestContext:{}}`,
		"a comma too many":             `{"requestContext":{},}`,
		"a comma too many, array":      `{"x":[1,],"requestContext":{}}`,
		"a colon missing":              `{"requestContext"{}}`,
		"a number with a leading zero": `{"x":01,"requestContext":{}}`,
		"a number that is two":         `{"x":1-2,"requestContext":{}}`,
		"a number without digits":      `{"x":-,"requestContext":{}}`,
		"a point without digits":       `{"x":1.,"requestContext":{}}`,
		"an exponent without digits":   `{"x":1e,"requestContext":{}}`,
		"a word that is none":          `{"x":nil,"requestContext":{}}`,
		"nested too deep":              `{"x":` + deep + `,"requestContext":{}}`,
		"an endless array":             `{"x":` + strings.Repeat("[", 1<<20),
		"an endless object":            strings.Repeat(`{"a":`, 1<<18),
	}
}

func TestRefusedEvents(t *testing.T) {
	for name, payload := range refusedEvents() {
		r, err := authorize.ParseEvent([]byte(payload))
		if !errors.Is(err, authorize.ErrEvent) || r.CertificatePEM != "" {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
}

func TestLargeEvent(t *testing.T) {
	payload := bytes.Replace(event(t, "rest", []byte("P")), []byte(`"headers":{`), []byte(`"headers":{"x":"`+strings.Repeat(`\u00e9`, 1<<20/6)+`",`), 1)
	if r, err := authorize.ParseEvent(payload); err != nil || r.CertificatePEM != "P" || len(payload) < 1<<20 {
		t.Errorf("%d bytes: %+v %v", len(payload), r, err)
	}
}

// FuzzParseEvent holds the scanner against encoding/json, whose tokens are
// followed by path, with duplicates of what is read refused: where that gives an
// event, both say the same; where it does not, ParseEvent refuses too.
func FuzzParseEvent(f *testing.F) {
	for form := range forms {
		for _, kind := range []string{"good", "no-certificate", "malformed"} {
			f.Add(sample(f, form+"-"+kind))
		}
	}
	for _, payload := range refusedEvents() {
		if len(payload) < 1<<12 {
			f.Add([]byte(payload))
		}
	}
	f.Fuzz(agrees)
}

// TestEveryOctet: an event with any octet in any place, or without one, is read as
// encoding/json reads it, or refused with it.
func TestEveryOctet(t *testing.T) {
	const rich = `{"version":"1.0","x":[null,true,-9.5e+1,{"a":"\u00e9\n"},[],{}],"requestContext": {"domainName":"d","identity":{"clientCert":{"clientCertPem":"P\u00aF\ud83d\ude00\\"}}}}`
	for i := range rich {
		agrees(t, []byte(rich[:i]+rich[i+1:]))
		for c := range 256 {
			payload := []byte(rich)
			payload[i] = byte(c)
			agrees(t, payload)
		}
	}
}

// agrees holds ParseEvent against encoding/json.
func agrees(t *testing.T, payload []byte) {
	got, err := authorize.ParseEvent(payload)
	want, wantErr := referenceEvent(payload)
	if err != nil && wantErr == nil && !strings.Contains(err.Error(), "nested too deep") {
		t.Fatalf("%q refused: %v; encoding/json: %+v", payload, err, want)
	}
	if err == nil && wantErr != nil {
		t.Fatalf("%q read as %+v; encoding/json: %v", payload, got, wantErr)
	}
	if err == nil && valid(got) != want {
		t.Fatalf("read as %+v; encoding/json: %+v", got, want)
	}
}

// valid replaces octets that are not UTF-8, as encoding/json does.
func valid(r authorize.Request) authorize.Request {
	for _, s := range []*string{&r.ARN, &r.Domain, &r.RequestID, &r.CertificatePEM} {
		*s = string([]rune(*s))
	}
	return r
}

// referenceEvent is ParseEvent by encoding/json.
func referenceEvent(payload []byte) (authorize.Request, error) {
	if !json.Valid(payload) {
		return authorize.Request{}, errors.New("not JSON")
	}
	fields := map[string]any{
		"version": "", "methodArn": "", "routeArn": "", "requestContext": map[string]any{},
		"requestContext.domainName": "", "requestContext.requestId": "", "requestContext.identity": map[string]any{}, "requestContext.authentication": map[string]any{},
		"requestContext.identity.clientCert": map[string]any{}, "requestContext.identity.clientCert.clientCertPem": "",
		"requestContext.authentication.clientCert": map[string]any{}, "requestContext.authentication.clientCert.clientCertPem": "",
	}
	seen := map[string]string{}
	if err := walk(json.NewDecoder(bytes.NewReader(payload)), "", fields, seen); err != nil {
		return authorize.Request{}, err
	}
	if _, ok := seen["requestContext"]; !ok {
		return authorize.Request{}, errors.New("no requestContext")
	}
	r := authorize.Request{
		Form: authorize.REST, ARN: seen["methodArn"], Domain: seen["requestContext.domainName"], RequestID: seen["requestContext.requestId"],
		CertificatePEM: seen["requestContext.identity.clientCert.clientCertPem"],
	}
	switch seen["version"] {
	case "":
	case "1.0":
		r.Form = authorize.HTTP1
	case "2.0":
		r.Form, r.ARN, r.CertificatePEM = authorize.HTTP2, seen["routeArn"], seen["requestContext.authentication.clientCert.clientCertPem"]
	default:
		return r, errors.New("version")
	}
	return r, nil
}

// walk reads the object at path, noting the fields that are read.
func walk(d *json.Decoder, path string, fields map[string]any, seen map[string]string) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("%s is %v, no object (%v)", path, t, err)
	}
	for d.More() {
		t, _ := d.Token()
		name := path + t.(string)
		kind, read := fields[name]
		if strings.Contains(t.(string), ".") {
			read = false // the dots of paths are ours
		}
		if _, twice := seen[name]; read && twice {
			return fmt.Errorf("%s comes twice", name)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		if !read {
			continue
		}
		seen[name] = ""
		if string(raw) == "null" {
			continue
		}
		if _, object := kind.(map[string]any); object {
			if err := walk(json.NewDecoder(bytes.NewReader(raw)), name+".", fields, seen); err != nil {
				return err
			}
			continue
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		seen[name] = text
	}
	return nil
}
