package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
)

// answer is what an authorizer returned. The zero value refuses.
type answer struct {
	simple       bool
	isAuthorized bool        // of a simple response
	statements   []statement // of a policy
	context      map[string]any
}

// decide applies the answer to the request with this ARN.
func (a *answer) decide(arn string) verdict {
	switch {
	case !a.simple:
		return evaluate(a.statements, arn)
	case a.isAuthorized:
		return allow
	default:
		return implicitDeny
	}
}

// errUnauthorized is a function error whose text is exactly Unauthorized.
var errUnauthorized = errors.New("the authorizer failed with Unauthorized")

// parseAnswer reads what the function returned, as the form and the authorizer's
// configuration have it.
func parseAnswer(form Form, simple bool, payload []byte) (*answer, error) {
	if form == REST && len(payload) > MaxAuthorizerResultBytes {
		return nil, fmt.Errorf("the answer has %d bytes: at most %d are allowed", len(payload), MaxAuthorizerResultBytes)
	}
	fields, err := object(payload)
	if err != nil {
		return nil, fmt.Errorf("the answer is %w", err)
	}
	a := &answer{simple: form == HTTP2 && simple}
	if a.simple {
		err = a.readSimple(fields)
	} else {
		err = a.readPolicy(form, fields)
	}
	if err != nil {
		return nil, err
	}
	if a.context, err = parseContext(form, fields["context"]); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *answer) readSimple(fields map[string]json.RawMessage) error {
	var authorized *bool
	raw := fields["isAuthorized"]
	if len(raw) == 0 {
		return errors.New("the answer has no isAuthorized: a simple response needs it")
	}
	if err := json.Unmarshal(raw, &authorized); err != nil || authorized == nil {
		return fmt.Errorf("isAuthorized is %.40s: use true or false", raw)
	}
	a.isAuthorized = *authorized
	return nil
}

func (a *answer) readPolicy(form Form, fields map[string]json.RawMessage) error {
	if _, err := text(fields["principalId"]); err != nil {
		return fmt.Errorf("principalId: %w", err)
	}
	maxResource := 0
	if form == REST {
		maxResource = MaxResourceLength
	}
	statements, err := parsePolicy(fields["policyDocument"], maxResource)
	a.statements = statements
	return err
}

// parseContext reads the context: strings, numbers and booleans. A payload 2.0
// answer may hold lists and objects too. Numbers stay as they were written.
func parseContext(form Form, raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var values map[string]any
	if err := decoder.Decode(&values); err != nil {
		return nil, fmt.Errorf("context is not a JSON object: %w", err)
	}
	for key, value := range values {
		switch value.(type) {
		case string, json.Number, bool:
			continue
		}
		if form != HTTP2 {
			return nil, fmt.Errorf("context value %q is neither string, number nor boolean: %s allows no other", key, form)
		}
	}
	return values, nil
}

// invoke calls the authorizer once, within its time, and reads its answer. It
// returns errUnauthorized, or an error in words for whatever makes API Gateway
// answer 500.
func (g *Gateway) invoke(ctx context.Context, payload []byte) (*answer, error) {
	// A client that goes away does not end the function's run at API Gateway.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.AuthorizerTimeout)
	type outcome struct {
		response      []byte
		functionError string
		err           error
	}
	done := make(chan outcome, 1)
	g.invocations.Go(func() {
		defer cancel()
		var o outcome
		defer func() {
			if fault := recover(); fault != nil {
				o = outcome{err: fmt.Errorf("panic: %v\n%s", fault, debug.Stack())}
			}
			done <- o
		}()
		o.response, o.functionError, o.err = g.cfg.Authorizer.Invoke(ctx, payload)
	})
	var o outcome
	select {
	case o = <-done:
	case <-ctx.Done():
		// Both may be ready: the invocation cancels ctx after it has answered.
		select {
		case o = <-done:
		default:
			return nil, fmt.Errorf("the authorizer did not answer within %s", g.cfg.AuthorizerTimeout)
		}
	}
	switch {
	case o.err != nil:
		return nil, fmt.Errorf("invoking the authorizer: %w", o.err)
	case o.functionError != "":
		return nil, functionFault(o.functionError, o.response)
	}
	return parseAnswer(g.cfg.Form, g.cfg.EnableSimpleResponses, o.response)
}

// functionFault tells Unauthorized from all other failures of the function. The
// message is errorMessage of Lambda's error object, or the error itself without one.
func functionFault(functionError string, response []byte) error {
	message := functionError
	var object struct {
		ErrorMessage *string `json:"errorMessage"`
	}
	if json.Unmarshal(response, &object) == nil && object.ErrorMessage != nil {
		message = *object.ErrorMessage
	}
	if message == "Unauthorized" {
		return errUnauthorized
	}
	return fmt.Errorf("the authorizer failed (%s): %s", functionError, message)
}
