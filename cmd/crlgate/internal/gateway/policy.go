package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// verdict is what an answer says of one request. The zero value refuses.
type verdict int

const (
	implicitDeny verdict = iota // nothing matched
	explicitDeny
	allow
)

// statement is one statement of a policy document.
type statement struct {
	allow     bool
	actions   []string
	resources []string
}

// invokeAction is the action that calling an API is.
const invokeAction = "execute-api:Invoke"

// parsePolicy reads a policy document. maxResource bounds each Resource in
// characters; 0 is no bound. Elements that would narrow a statement and are not
// evaluated here are refused: to ignore a Condition would be to allow too much.
func parsePolicy(document json.RawMessage, maxResource int) ([]statement, error) {
	fields, err := object(document)
	if err != nil {
		return nil, fmt.Errorf("policyDocument: %w", err)
	}
	raw, ok := fields["Statement"]
	if !ok {
		return nil, errors.New("policyDocument has no Statement: give at least one")
	}
	var items []json.RawMessage
	if bytes.HasPrefix(raw, []byte("[")) {
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, fmt.Errorf("element Statement: %w", err)
		}
	} else {
		items = []json.RawMessage{raw}
	}
	if len(items) == 0 {
		return nil, errors.New("policyDocument has an empty Statement: give at least one")
	}
	statements := make([]statement, 0, len(items))
	for i, item := range items {
		parsed, err := parseStatement(item, maxResource)
		if err != nil {
			return nil, fmt.Errorf("element Statement %d: %w", i, err)
		}
		statements = append(statements, parsed)
	}
	return statements, nil
}

func parseStatement(raw json.RawMessage, maxResource int) (statement, error) {
	fields, err := object(raw)
	if err != nil {
		return statement{}, err
	}
	for _, element := range []string{"Condition", "NotAction", "NotResource"} {
		if _, there := fields[element]; there {
			return statement{}, fmt.Errorf("element %s is not evaluated here: use Effect, Action and Resource only", element)
		}
	}
	var parsed statement
	effect, err := text(fields["Effect"])
	switch {
	case err != nil:
		return statement{}, fmt.Errorf("element Effect: %w", err)
	case effect == "Allow":
		parsed.allow = true
	case effect != "Deny":
		return statement{}, fmt.Errorf("element Effect is %q: use Allow or Deny", effect)
	}
	if parsed.actions, err = texts(fields["Action"]); err != nil {
		return statement{}, fmt.Errorf("element Action: %w", err)
	}
	if parsed.resources, err = texts(fields["Resource"]); err != nil {
		return statement{}, fmt.Errorf("element Resource: %w", err)
	}
	for _, resource := range parsed.resources {
		if length := utf8.RuneCountInString(resource); maxResource > 0 && length > maxResource {
			return statement{}, fmt.Errorf("element Resource has %d characters: at most %d are allowed, use a wildcard", length, maxResource)
		}
		if resource != "*" && strings.Count(resource, ":") < arnParts-1 {
			return statement{}, fmt.Errorf(`element Resource %q is no ARN: use "*" or arn:aws:execute-api:…`, resource)
		}
	}
	return parsed, nil
}

// evaluate applies the statements to one request: an explicit deny wins, then an
// allow; where nothing matches the request is denied.
func evaluate(statements []statement, arn string) verdict {
	result := implicitDeny
	for _, s := range statements {
		if !s.matches(arn) {
			continue
		}
		if !s.allow {
			return explicitDeny
		}
		result = allow
	}
	return result
}

func (s statement) matches(arn string) bool {
	return anyOf(s.actions, func(action string) bool {
		return wildcard(strings.ToLower(action), strings.ToLower(invokeAction))
	}) && anyOf(s.resources, func(resource string) bool { return matchARN(resource, arn) })
}

func anyOf(patterns []string, match func(string) bool) bool {
	for _, pattern := range patterns {
		if match(pattern) {
			return true
		}
	}
	return false
}

// arnParts is the number of an ARN's parts, of which only the last may hold colons.
const arnParts = 6

// matchARN compares a policy's resource with an ARN. Wildcards match within one
// part, and across slashes in the last, as IAM defines it.
func matchARN(pattern, arn string) bool {
	if pattern == "*" {
		return true
	}
	patterns, parts := strings.SplitN(pattern, ":", arnParts), strings.SplitN(arn, ":", arnParts)
	if len(patterns) != arnParts || len(parts) != arnParts {
		return false
	}
	for i := range parts {
		if !wildcard(patterns[i], parts[i]) {
			return false
		}
	}
	return true
}

// wildcard reports whether pattern matches the whole of s, where * is any run of
// characters and ? any one. It goes back to the last * only, so its time is bounded
// by the product of the lengths.
func wildcard(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(s[i:])
			p, i = p+1, i+size
		case p < len(pattern) && pattern[p] == s[i]:
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// object reads a JSON object without Go's indulgence for the case of names.
func object(raw json.RawMessage) (map[string]json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, errors.New("missing")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if fields == nil {
		return nil, errors.New("null, not a JSON object")
	}
	return fields, nil
}

// text reads a JSON string.
func text(raw json.RawMessage) (string, error) {
	if len(raw) == 0 {
		return "", errors.New("missing")
	}
	var value *string
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		return "", fmt.Errorf("%.40s is not a string", raw)
	}
	return *value, nil
}

// texts reads a JSON string, or a list of at least one.
func texts(raw json.RawMessage) ([]string, error) {
	if !bytes.HasPrefix(raw, []byte("[")) {
		one, err := text(raw)
		return []string{one}, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, errors.New("empty list")
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		one, err := text(item)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}
