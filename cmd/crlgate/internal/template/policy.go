package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Policy is what a role may do: the statements of its own policies and those of
// the buckets' policies.
type Policy struct {
	Role       string // its ARN
	Statements []Statement
}

// Statement is one statement of a policy.
type Statement struct {
	Sid                string
	Allow              bool
	Actions, Resources []string
	// Conditions are operator, key, values.
	Conditions map[string]map[string][]string
}

// Call is one call of an AWS service, as IAM sees it.
type Call struct {
	Action   string
	Resource string
	// Context holds condition keys; one that is missing is not in the request.
	Context map[string]string
}

// Grant is one action on one resource that a statement allows.
type Grant struct{ Sid, Action, Resource string }

// Grants are all that the role is allowed of a service, such as s3.
func (p *Policy) Grants(service string) []Grant {
	var out []Grant
	for _, s := range p.Statements {
		for _, action := range s.Actions {
			if !s.Allow || !strings.HasPrefix(action, service+":") {
				continue
			}
			for _, resource := range s.Resources {
				out = append(out, Grant{s.Sid, action, resource})
			}
		}
	}
	return out
}

// Evaluate decides on a call as IAM does: what no statement allows is denied,
// and so is what any denies. It returns the grants that allow it; none: denied.
func (p *Policy) Evaluate(c Call) (by []Grant, err error) {
	c.Context = maps.Clone(c.Context)
	if c.Context == nil {
		c.Context = map[string]string{}
	}
	c.Context["aws:PrincipalArn"] = p.Role
	for _, s := range p.Statements {
		holds, err := s.holds(c.Context)
		if err != nil {
			return nil, err
		}
		for _, action := range s.Actions {
			for _, resource := range s.Resources {
				if !holds || !like(action, c.Action) || !like(resource, c.Resource) {
					continue
				}
				if !s.Allow {
					return nil, nil
				}
				by = append(by, Grant{s.Sid, action, resource})
			}
		}
	}
	return by, nil
}

// holds reports whether every condition does.
func (s *Statement) holds(context map[string]string) (bool, error) {
	for operator, keys := range s.Conditions {
		base, ifExists := strings.CutSuffix(operator, "IfExists")
		compare, known := operators[base]
		if !known {
			return false, fmt.Errorf("statement %s: the condition operator %s is not understood here", s.Sid, operator)
		}
		for key, values := range keys {
			got, there := context[key]
			negative := strings.Contains(base, "Not")
			matches := slices.ContainsFunc(values, func(want string) bool { return compare(got, want) })
			switch {
			case !there && !ifExists && !negative, there && matches == negative:
				return false, nil
			}
		}
	}
	return true, nil
}

// operators compare the request's value with one of a condition's; one with Not
// in its name holds where none compares.
var operators = map[string]func(got, want string) bool{
	"StringEquals": func(got, want string) bool { return got == want },
	"StringLike":   func(got, want string) bool { return like(want, got) },
	"ArnNotEquals": func(got, want string) bool { return like(want, got) },
	"Bool":         strings.EqualFold,
	"NumericLessThan": func(got, want string) bool {
		a, err1 := strconv.ParseFloat(got, 64)
		b, err2 := strconv.ParseFloat(want, 64)
		return err1 == nil && err2 == nil && a < b
	},
}

// like reports whether text is as a pattern says, in which * stands for any
// text and ? for any one character.
func like(pattern, text string) bool {
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '*':
			for rest := range len(text) - i + 1 {
				if like(pattern[i+1:], text[i+rest:]) {
					return true
				}
			}
			return false
		case i >= len(text), pattern[i] != '?' && pattern[i] != text[i]:
			return false
		}
	}
	return len(pattern) == len(text)
}

// policy gathers the statements that decide on what a role does with buckets.
func (d *document) policy(role value, buckets ...string) (p Policy, err error) {
	if p.Role, err = role.text(); err != nil {
		return p, err
	}
	for _, id := range d.of("AWS::IAM::Policy") {
		for _, holder := range d.properties(id).get("Roles").items() {
			name, err := holder.text()
			if err != nil {
				return p, err
			}
			if arnOf(name) == p.Role {
				if err := p.add(d.properties(id).get("PolicyDocument", "Statement")); err != nil {
					return p, err
				}
			}
		}
	}
	if len(p.Statements) == 0 {
		return p, fmt.Errorf("the role %s has no policy", p.Role)
	}
	for _, id := range d.of("AWS::S3::BucketPolicy") {
		bucket, err := d.properties(id).get("Bucket", "Ref").text()
		if err != nil {
			return p, err
		}
		if !slices.Contains(buckets, bucket) {
			continue
		}
		for _, s := range d.properties(id).get("PolicyDocument", "Statement").items() {
			// What a bucket's policy allows, it allows to services of AWS; what it
			// denies, it denies to all.
			if effect, _ := s.get("Effect").text(); effect == "Deny" {
				if who, _ := s.get("Principal", "AWS").text(); who != "*" {
					return p, fmt.Errorf("%s: a denial to some only is not understood here", s.at)
				}
				if err := p.add(s); err != nil {
					return p, err
				}
			}
		}
	}
	return p, nil
}

// add adds statements.
func (p *Policy) add(statements value) error {
	for _, v := range statements.items() {
		var s Statement
		var err error
		if s.Sid, err = v.get("Sid").text(); err != nil {
			return err
		}
		effect, _ := v.get("Effect").text()
		s.Allow = effect == "Allow"
		if s.Actions, err = v.get("Action").texts(); err != nil {
			return err
		}
		if s.Resources, err = v.get("Resource").texts(); err != nil {
			return err
		}
		if !s.Allow && effect != "Deny" || len(s.Actions) == 0 || len(s.Resources) == 0 {
			return fmt.Errorf("%s: the statement is not understood here", v.at)
		}
		if s.Conditions, err = v.get("Condition").conditions(); err != nil {
			return err
		}
		p.Statements = append(p.Statements, s)
	}
	return nil
}

func (v value) conditions() (map[string]map[string][]string, error) {
	out := map[string]map[string][]string{}
	operators, _ := v.v.(map[string]any)
	for operator, keys := range operators {
		out[operator] = map[string][]string{}
		names, _ := keys.(map[string]any)
		for key := range names {
			values, err := v.get(operator, key).texts()
			if err != nil {
				return nil, err
			}
			out[operator][key] = values
		}
	}
	return out, nil
}
