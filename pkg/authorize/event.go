package authorize

import (
	"errors"
	"fmt"
)

// Form is one of the three wire forms of API Gateway's Lambda authorizers.
type Form uint8

// The forms. The zero value is none.
const (
	NoForm Form = iota
	REST        // REST API, REQUEST authorizer: no version
	HTTP1       // HTTP API, payload format 1.0
	HTTP2       // HTTP API, payload format 2.0
)

// String returns "rest", "http-1.0" or "http-2.0".
func (f Form) String() string {
	switch f {
	case REST:
		return "rest"
	case HTTP1:
		return "http-1.0"
	case HTTP2:
		return "http-2.0"
	}
	return "unknown"
}

// Request is what an authorizer event says, as far as a decision needs it.
type Request struct {
	Form      Form
	ARN       string // methodArn or routeArn
	Domain    string // requestContext.domainName
	RequestID string // requestContext.requestId
	// CertificatePEM is requestContext.identity.clientCert.clientCertPem (2.0:
	// requestContext.authentication…); "": the event has no client certificate.
	// The event's other texts about the certificate are not read.
	CertificatePEM string
}

// ErrEvent says that a payload is no authorizer event.
var ErrEvent = errors.New("not an API Gateway authorizer event")

// ParseEvent reads an authorizer event of any form. Fields are found by their
// path, with names in the case in which API Gateway writes them; a field that
// is read and comes twice is refused. The error wraps [ErrEvent].
func ParseEvent(payload []byte) (Request, error) {
	r, pem, err := parseEvent(payload)
	r.CertificatePEM = pem.String()
	return r, err
}

// parseEvent is ParseEvent with the certificate's PEM as it stands in the event.
func parseEvent(payload []byte) (Request, token, error) {
	e := eventReader{s: scanner{b: payload}}
	err := e.s.object(e.root)
	if err == nil && !e.s.end() {
		err = e.s.fail("something follows the event")
	}
	e.form()
	if err == nil {
		err = e.complete()
	}
	if err != nil {
		return Request{Form: e.r.Form}, token{}, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	return e.r, e.pem, nil
}

// field is a field of an event that is read, as a bit.
type field uint16

const (
	fVersion field = 1 << iota
	fMethodARN
	fRouteARN
	fContext
	fDomain
	fRequestID
	fIdentity
	fAuthentication
	fCert1 // identity.clientCert
	fPEM1
	fCert2 // authentication.clientCert
	fPEM2
)

// eventReader reads an event.
type eventReader struct {
	s       scanner
	r       Request
	seen    field
	version string
	method  string // methodArn
	route   string // routeArn
	pem1    token  // of identity
	pem2    token  // of authentication
	pem     token  // of the form's place
}

func (e *eventReader) once(f field, name string) error {
	if e.seen&f != 0 {
		return fmt.Errorf("%s comes twice", name)
	}
	e.seen |= f
	return nil
}

// token reads a string field, null being none.
func (e *eventReader) token(f field, name string, into *token) (err error) {
	if err = e.once(f, name); err != nil || e.s.word("null") {
		return err
	}
	if *into, err = e.s.string(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// text is token for a field that is kept as a string.
func (e *eventReader) text(f field, name string, into *string) error {
	var t token
	err := e.token(f, name, &t)
	*into = t.String()
	return err
}

// sub reads an object field, null being none.
func (e *eventReader) sub(f field, name string, member func([]byte) error) error {
	if err := e.once(f, name); err != nil || e.s.word("null") {
		return err
	}
	return e.s.object(member)
}

func (e *eventReader) root(name []byte) error {
	switch string(name) {
	case "version":
		return e.text(fVersion, "version", &e.version)
	case "methodArn":
		return e.text(fMethodARN, "methodArn", &e.method)
	case "routeArn":
		return e.text(fRouteARN, "routeArn", &e.route)
	case "requestContext":
		return e.sub(fContext, "requestContext", e.requestContext)
	}
	return e.s.skip()
}

func (e *eventReader) requestContext(name []byte) error {
	switch string(name) {
	case "domainName":
		return e.text(fDomain, "requestContext.domainName", &e.r.Domain)
	case "requestId":
		return e.text(fRequestID, "requestContext.requestId", &e.r.RequestID)
	case "identity":
		return e.sub(fIdentity, "requestContext.identity", func(name []byte) error {
			return e.holder(name, fCert1, fPEM1, &e.pem1)
		})
	case "authentication":
		return e.sub(fAuthentication, "requestContext.authentication", func(name []byte) error {
			return e.holder(name, fCert2, fPEM2, &e.pem2)
		})
	}
	return e.s.skip()
}

// holder reads the object that holds clientCert.
func (e *eventReader) holder(name []byte, cert, pem field, into *token) error {
	if string(name) != "clientCert" {
		return e.s.skip()
	}
	return e.sub(cert, "clientCert", func(name []byte) error {
		if string(name) != "clientCertPem" {
			return e.s.skip()
		}
		return e.token(pem, "clientCertPem", into)
	})
}

// form tells which form the event is of, and takes the fields of that form. An
// event that breaks off may have said so before.
func (e *eventReader) form() {
	switch e.version {
	case "1.0":
		e.r.Form, e.r.ARN, e.pem = HTTP1, e.method, e.pem1
	case "2.0":
		e.r.Form, e.r.ARN, e.pem = HTTP2, e.route, e.pem2
	}
}

// complete checks an event that was read to its end, and tells REST events from
// those of a version that does not exist.
func (e *eventReader) complete() error {
	if e.seen&fContext == 0 {
		return errors.New("it has no requestContext: is the authorizer of type REQUEST?")
	}
	if e.version == "" {
		e.r.Form, e.r.ARN, e.pem = REST, e.method, e.pem1
	}
	if e.r.Form == NoForm {
		return fmt.Errorf("version %q is not 1.0 or 2.0", e.version)
	}
	return nil
}
