// Package template reads from a synthesized CloudFormation template what it
// says of a gate: the functions with their settings, what the upload bucket
// notifies of, the timer, the authorizers of the APIs, and what the functions'
// roles may do. [Read] reads a file; the local stack runs by what it returns,
// so that infrastructure and tests cannot drift apart.
//
// Where a template does something that the local stack does not know how to
// do, Read refuses it rather than to leave it out.
package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// maxTemplate is CloudFormation's limit on a template in S3, in octets.
const maxTemplate = 1 << 20

// The account and region that a template is read for: those of the local stack.
const (
	Account = "123456789012"
	Region  = "us-east-1"
)

// document is a template as it stands.
type document struct {
	Resources map[string]resource
}

type resource struct {
	Type       string
	Properties map[string]any
}

// parse reads a template's JSON.
func parse(r io.Reader) (*document, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTemplate+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTemplate {
		return nil, fmt.Errorf("it has more than the %d bytes that CloudFormation takes", maxTemplate)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("it is no CloudFormation template in JSON, such as \"make synth\" writes to build/cdk.out: %w", err)
	}
	if len(d.Resources) == 0 {
		return nil, errors.New("it has no Resources: give a CloudFormation template in JSON, such as \"make synth\" writes to build/cdk.out")
	}
	return &d, nil
}

// of returns the logical ids of the resources of a type, in order.
func (d *document) of(kind string) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(d.Resources)) {
		if d.Resources[id].Type == kind {
			ids = append(ids, id)
		}
	}
	return ids
}

// value is a part of a template, where it stands.
type value struct {
	d  *document
	at string // for errors
	v  any
}

// properties are those of a resource.
func (d *document) properties(id string) value {
	return value{d, id, map[string]any(d.Resources[id].Properties)}
}

// get follows keys; a value of nothing where there is none.
func (v value) get(keys ...string) value {
	for _, key := range keys {
		m, _ := v.v.(map[string]any)
		v = value{v.d, v.at + "." + key, m[key]}
	}
	return v
}

func (v value) missing() bool { return v.v == nil }

// items are the elements of a list; the value itself where it is no list, as
// CloudFormation and IAM let one stand for a list of one.
func (v value) items() []value {
	if v.v == nil {
		return nil
	}
	list, ok := v.v.([]any)
	if !ok {
		return []value{v}
	}
	out := make([]value, len(list))
	for i := range list {
		out[i] = value{v.d, fmt.Sprintf("%s[%d]", v.at, i), list[i]}
	}
	return out
}

// number is a number; otherwise where there is none.
func (v value) number(otherwise float64) (float64, error) {
	switch n := v.v.(type) {
	case nil:
		return otherwise, nil
	case float64:
		return n, nil
	}
	return 0, fmt.Errorf("%s is %v, and no number", v.at, v.v)
}

// text resolves a value to the text that it has in the local stack's account
// and region; "" where there is none.
func (v value) text() (string, error) {
	switch t := v.v.(type) {
	case nil:
		return "", nil
	case string:
		return t, nil
	case bool, float64:
		b, err := json.Marshal(t)
		return string(b), err
	case map[string]any:
		if len(t) == 1 {
			for name := range t {
				return v.intrinsic(name)
			}
		}
	}
	return "", fmt.Errorf("%s is %v, and no text", v.at, v.v)
}

// texts resolves a list of texts, or one that stands for such a list.
func (v value) texts() ([]string, error) {
	var out []string
	for _, item := range v.items() {
		s, err := item.text()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

var pseudo = map[string]string{
	"AWS::AccountId": Account, "AWS::Region": Region, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
}

// intrinsic resolves an intrinsic function.
func (v value) intrinsic(name string) (string, error) {
	arg := v.get(name)
	switch name {
	case "Ref":
		id, err := arg.text()
		if err != nil {
			return "", err
		}
		if s, ok := pseudo[id]; ok {
			return s, nil
		}
		return v.d.name(id)
	case "Fn::GetAtt":
		return v.d.attribute(arg)
	case "Fn::Sub":
		return arg.substitute()
	case "Fn::Join":
		parts := arg.items()
		if len(parts) != 2 {
			break
		}
		separator, err := parts[0].text()
		if err != nil {
			return "", err
		}
		texts, err := parts[1].texts()
		return strings.Join(texts, separator), err
	}
	return "", fmt.Errorf("%s: %s is not understood here", v.at, name)
}

// substitute resolves the text of Fn::Sub, of pseudo parameters only.
func (v value) substitute() (string, error) {
	s, err := v.text()
	for name, to := range pseudo {
		s = strings.ReplaceAll(s, "${"+name+"}", to)
	}
	if err == nil && strings.Contains(s, "${") {
		err = fmt.Errorf("%s: %q is not understood here", v.at, s)
	}
	return s, err
}

// name is what Ref gives of a resource.
func (d *document) name(id string) (string, error) {
	r, ok := d.Resources[id]
	switch {
	case !ok:
		return "", fmt.Errorf("a resource refers to %s, which the template does not have", id)
	case r.Type != "AWS::S3::Bucket":
		return id, nil
	}
	p := d.properties(id)
	if prefix := p.get("BucketNamePrefix"); !prefix.missing() {
		// A name in the account's regional namespace.
		s, err := prefix.text()
		return strings.Join([]string{s, Account, Region, "an"}, "-"), err
	}
	name, err := p.get("BucketName").text()
	if err == nil && name == "" {
		err = fmt.Errorf("%s has no name", id)
	}
	return name, err
}

// attribute is what Fn::GetAtt gives; it understands ARNs.
func (d *document) attribute(arg value) (string, error) {
	parts, err := arg.texts()
	if err != nil {
		return "", err
	}
	if len(parts) != 2 || parts[1] != "Arn" {
		return "", fmt.Errorf("%s: %v is not understood here", arg.at, parts)
	}
	name, err := d.name(parts[0])
	if err != nil {
		return "", err
	}
	if d.Resources[parts[0]].Type == "AWS::S3::Bucket" {
		return "arn:aws:s3:::" + name, nil
	}
	return arnOf(name), nil
}

// arnOf stands for the ARN of a resource other than a bucket, which nothing here
// looks into.
func arnOf(id string) string { return "arn:aws:local:" + Region + ":" + Account + ":" + id }

// Read reads the template in a file. The error names the file.
func Read(path string) (*Gate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := parse(f)
	if err == nil {
		var g *Gate
		if g, err = d.gate(); err == nil {
			return g, nil
		}
	}
	return nil, fmt.Errorf("template %s: %w", path, err)
}
