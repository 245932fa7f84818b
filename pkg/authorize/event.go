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
// path; a field that is read and comes twice is refused. The error wraps
// [ErrEvent].
func ParseEvent(payload []byte) (Request, error) {
	e := eventReader{s: scanner{b: payload}}
	err := e.s.object(e.root)
	if err == nil && e.s.peek() != 0 {
		err = e.s.fail("something follows the event")
	}
	if err == nil {
		err = e.form()
	}
	if err != nil {
		return e.r, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	return e.r, nil
}

// eventReader reads an event; seen has a bit for each field that was read.
type eventReader struct {
	s       scanner
	r       Request
	seen    uint32
	version string
	method  string // methodArn
	route   string // routeArn
	pem1    string // of identity
	pem2    string // of authentication
}

func (e *eventReader) once(bit uint32, name string) error {
	if e.seen&bit != 0 {
		return fmt.Errorf("%s comes twice", name)
	}
	e.seen |= bit
	return nil
}

// text reads a string field, null being none.
func (e *eventReader) text(bit uint32, name string, into *string) error {
	if err := e.once(bit, name); err != nil {
		return err
	}
	if e.s.null() {
		return nil
	}
	b, err := e.s.string()
	*into = string(b)
	return err
}

// sub reads an object field, null being none.
func (e *eventReader) sub(bit uint32, name string, field func([]byte) error) error {
	if err := e.once(bit, name); err != nil {
		return err
	}
	if e.s.null() {
		return nil
	}
	return e.s.object(field)
}

func (e *eventReader) root(name []byte) error {
	switch string(name) {
	case "version":
		return e.text(1<<0, "version", &e.version)
	case "methodArn":
		return e.text(1<<1, "methodArn", &e.method)
	case "routeArn":
		return e.text(1<<2, "routeArn", &e.route)
	case "requestContext":
		return e.sub(1<<3, "requestContext", e.requestContext)
	}
	return e.s.skip(1)
}

func (e *eventReader) requestContext(name []byte) error {
	switch string(name) {
	case "domainName":
		return e.text(1<<4, "requestContext.domainName", &e.r.Domain)
	case "requestId":
		return e.text(1<<5, "requestContext.requestId", &e.r.RequestID)
	case "identity":
		return e.sub(1<<6, "requestContext.identity", func(name []byte) error {
			return e.holder(name, 1<<7, 1<<8, &e.pem1)
		})
	case "authentication":
		return e.sub(1<<9, "requestContext.authentication", func(name []byte) error {
			return e.holder(name, 1<<10, 1<<11, &e.pem2)
		})
	}
	return e.s.skip(2)
}

// holder reads the object that holds clientCert.
func (e *eventReader) holder(name []byte, certBit, pemBit uint32, into *string) error {
	if string(name) != "clientCert" {
		return e.s.skip(3)
	}
	return e.sub(certBit, "clientCert", func(name []byte) error {
		if string(name) != "clientCertPem" {
			return e.s.skip(4)
		}
		return e.text(pemBit, "clientCertPem", into)
	})
}

// form tells which form the event is of, and takes the fields of that form.
func (e *eventReader) form() error {
	switch e.version {
	case "":
		e.r.Form, e.r.ARN, e.r.CertificatePEM = REST, e.method, e.pem1
	case "1.0":
		e.r.Form, e.r.ARN, e.r.CertificatePEM = HTTP1, e.method, e.pem1
	case "2.0":
		e.r.Form, e.r.ARN, e.r.CertificatePEM = HTTP2, e.route, e.pem2
	default:
		return fmt.Errorf("version %q is not 1.0 or 2.0", e.version)
	}
	if e.seen&(1<<3) == 0 {
		return errors.New("it has no requestContext: is the authorizer of type REQUEST?")
	}
	return nil
}
