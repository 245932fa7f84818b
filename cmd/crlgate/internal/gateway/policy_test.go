package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const testARN = "arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/GET/pets/1"

func TestMatchARN(t *testing.T) {
	for pattern, want := range map[string]bool{
		"*":     true,
		testARN: true,
		"arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/*":           true,
		"arn:aws:execute-api:eu-west-1:111122223333:abcdef123/*/GET/*":          true,
		"arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/GET/*":       true,
		"arn:aws:execute-api:eu-west-1:111122223333:abcdef123/*":                true,
		"arn:aws:execute-api:eu-west-1:111122223333:*":                          true,
		"arn:aws:execute-api:*:*:*":                                             true,
		"arn:aws:execute-api:eu-west-?:*:abcdef123/prod/GET/pets/?":             true,
		"arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/G?T/p*s/1*":  true,
		"arn:*:execute-api:eu-west-1:*:*/prod/*":                                true,
		"arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/POST/*":      false,
		"arn:aws:execute-api:eu-west-1:111122223333:abcdef123/dev/*":            false,
		"arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/GET/pets":    false,
		"arn:aws:execute-api:eu-west-1:111122223333:abcdef123/prod/GET/pets/?1": false,
		"arn:aws:execute-api:eu-west-1:999999999999:abcdef123/*":                false,
		"arn:aws:execute-api:us-*:*:*":                                          false,
		"arn:aws:s3:*:*:*":                                                      false,
		"arn:aws:execute-api:*":                                                 false, // too few parts
		"arn:aws:execute-api:eu-west-1:111122223333:ABCDEF123/prod/GET/pets/1":  false, // case counts
		"":                   false,
		"**":                 false,
		testARN + "*":        true,
		testARN + "?":        false,
		strings.ToUpper("*"): true,
	} {
		if got := matchARN(pattern, testARN); got != want {
			t.Errorf("matchARN(%q) is %v, want %v", pattern, got, want)
		}
	}
}

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"?", "", false},
		{"?", "é", true}, // one character, two bytes
		{"a*b*c", "aXbXc", true},
		{"a*b*c", "abcb", false},
		{"*aab", "aaaab", true},
		{"*a?c", "abcabdc", false},
		{"*a?c", "abdabc", true},
		{"a.c", "abc", false}, // no regular expression
		{"[a]", "a", false},
		{strings.Repeat("*a", 200), strings.Repeat("a", 5000) + "b", false}, // must end soon
	} {
		if got := wildcard(c.pattern, c.s); got != c.want {
			t.Errorf("wildcard(%.20q, %.20q) is %v, want %v", c.pattern, c.s, got, c.want)
		}
	}
}

// document is a policy document of statements, each "Effect Action Resource".
func document(statements ...string) json.RawMessage {
	parts := make([]string, 0, len(statements))
	for _, s := range statements {
		f := strings.Fields(s)
		parts = append(parts, fmt.Sprintf(`{"Effect":%q,"Action":%q,"Resource":%q}`, f[0], f[1], f[2]))
	}
	return json.RawMessage(`{"Version":"2012-10-17","Statement":[` + strings.Join(parts, ",") + `]}`)
}

func TestEvaluate(t *testing.T) {
	const here, elsewhere = testARN, "arn:aws:execute-api:eu-west-1:111122223333:other/*"
	for name, c := range map[string]struct {
		document json.RawMessage
		want     verdict
	}{
		"allow":                       {document("Allow execute-api:Invoke " + here), allow},
		"allow elsewhere":             {document("Allow execute-api:Invoke " + elsewhere), implicitDeny},
		"deny":                        {document("Deny execute-api:Invoke " + here), explicitDeny},
		"deny elsewhere":              {document("Deny execute-api:Invoke "+elsewhere, "Allow execute-api:Invoke *"), allow},
		"deny after allow":            {document("Allow execute-api:Invoke *", "Deny execute-api:Invoke *"), explicitDeny},
		"deny before allow":           {document("Deny execute-api:Invoke *", "Allow execute-api:Invoke *"), explicitDeny},
		"second allows":               {document("Allow execute-api:Invoke "+elsewhere, "Allow execute-api:Invoke "+here), allow},
		"any action":                  {document("Allow * *"), allow},
		"action with wildcard":        {document("Allow execute-api:* *"), allow},
		"action in other case":        {document("Allow Execute-API:invoke *"), allow},
		"other action":                {document("Allow execute-api:InvalidateCache *"), implicitDeny},
		"deny of other action":        {document("Deny s3:GetObject *", "Allow execute-api:Invoke *"), allow},
		"one statement, not in list":  {json.RawMessage(`{"Statement":{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}}`), allow},
		"lists":                       {json.RawMessage(`{"Statement":[{"Effect":"Allow","Action":["a:b","execute-api:Invoke"],"Resource":["` + elsewhere + `","` + here + `"]}]}`), allow},
		"lists where none is matched": {json.RawMessage(`{"Statement":[{"Effect":"Allow","Action":["a:b"],"Resource":["` + here + `"]}]}`), implicitDeny},
	} {
		t.Run(name, func(t *testing.T) {
			statements, err := parsePolicy(c.document, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := evaluate(statements, testARN); got != c.want {
				t.Errorf("verdict is %d, want %d", got, c.want)
			}
		})
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	statement := func(s string) string { return `{"Statement":[` + s + `]}` }
	for name, c := range map[string]struct{ document, says string }{
		"nothing":              {``, "missing"},
		"null":                 {`null`, "null"},
		"a list":               {`[]`, "not a JSON object"},
		"no statement":         {`{}`, "no Statement"},
		"empty statement":      {`{"Statement":[]}`, "empty Statement"},
		"statement in text":    {`{"Statement":"x"}`, "not a JSON object"},
		"null statement":       {statement(`null`), "null"},
		"name in other case":   {`{"statement":[]}`, "no Statement"},
		"no effect":            {statement(`{"Action":"*","Resource":"*"}`), "Effect: missing"},
		"other effect":         {statement(`{"Effect":"allow","Action":"*","Resource":"*"}`), `Effect is "allow"`},
		"no action":            {statement(`{"Effect":"Allow","Resource":"*"}`), "Action: missing"},
		"no resource":          {statement(`{"Effect":"Allow","Action":"*"}`), "Resource: missing"},
		"empty resources":      {statement(`{"Effect":"Allow","Action":"*","Resource":[]}`), "empty list"},
		"resource is a number": {statement(`{"Effect":"Allow","Action":"*","Resource":1}`), "not a string"},
		"resource in list":     {statement(`{"Effect":"Allow","Action":"*","Resource":["*",null]}`), "not a string"},
		"resource is no ARN":   {statement(`{"Effect":"Deny","Action":"*","Resource":"arn:aws:execute-api:*"}`), "no ARN"},
		"condition":            {statement(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}`), "Condition"},
		"not resource":         {statement(`{"Effect":"Allow","Action":"*","NotResource":"*"}`), "NotResource"},
		"long resource":        {statement(`{"Effect":"Allow","Action":"*","Resource":"` + testARN + strings.Repeat("é", 513-len(testARN)) + `"}`), "513 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parsePolicy(json.RawMessage(c.document), MaxResourceLength)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v, want one that says %q", err, c.says)
			}
		})
	}
}

// A resource of exactly the limit is accepted, counted in characters.
func TestParsePolicyAcceptsLongestResource(t *testing.T) {
	resource := testARN + strings.Repeat("é", MaxResourceLength-len(testARN))
	if _, err := parsePolicy(document("Allow * "+resource), MaxResourceLength); err != nil {
		t.Error(err)
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"principalId":"x","policyDocument":{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]},"context":{"a":1}}`))
	f.Add([]byte(`{"isAuthorized":true,"context":{"a":[1,{"b":null}]}}`))
	f.Add([]byte(`{"principalId":"x","policyDocument":{"Statement":{"Effect":"Deny","Action":["a"],"Resource":["arn:aws:execute-api:a:b:c/*"]}}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		for form := range formNames {
			a, err := parseAnswer(form, true, payload)
			if (a == nil) == (err == nil) {
				t.Fatalf("answer %v with error %v", a, err)
			}
			if a != nil && a.decide(testARN) == allow && !json.Valid(payload) {
				t.Fatal("allowed by what is not JSON")
			}
		}
	})
}
