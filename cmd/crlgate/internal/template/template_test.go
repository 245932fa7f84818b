package template_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/template"
)

const (
	example = "../../../../infra/testdata/example.template.json"
	full    = "../../../../infra/gate/testdata/full.template.json"
)

func read(t *testing.T, path string) *template.Gate {
	t.Helper()
	g, err := template.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestReadTheExample(t *testing.T) {
	g := read(t, example)
	for what, pair := range map[string][2]any{
		"authorizer's settings":   {len(g.Authorizer.Environment), 1},
		"the cache's name":        {strings.HasSuffix(g.Cache.Name, "-123456789012-us-east-1-an"), true},
		"CACHE_BUCKET":            {g.Preprocessor.Environment["CACHE_BUCKET"], g.Cache.Name},
		"UPLOAD_BUCKET":           {g.Preprocessor.Environment["UPLOAD_BUCKET"], g.Uploads.Name},
		"versions":                {[2]bool{g.Uploads.Versioned, g.Cache.Versioned}, [2]bool{true, true}},
		"authorizer's memory":     {g.Authorizer.MemoryMB, 512},
		"authorizer's timeout":    {g.Authorizer.Timeout, 10 * time.Second},
		"preprocessor's memory":   {g.Preprocessor.MemoryMB, 1769},
		"preprocessor's timeout":  {g.Preprocessor.Timeout, 15 * time.Minute},
		"preprocessors at once":   {g.Preprocessor.Reserved, 2},
		"logs":                    {[2]string{g.Authorizer.LogFormat, g.Authorizer.LogLevel}, [2]string{"JSON", "INFO"}},
		"prefixes":                {g.Prefixes, []string{"crl/", "crls/", "issuers/"}},
		"retries":                 {g.Retries, 2},
		"age of events":           {g.MaxEventAge, 6 * time.Hour},
		"timer":                   {g.TimerEvery, 5 * time.Minute},
		"timer's event":           {g.TimerInput, `{"crlgate":"reconcile"}`},
		"domain":                  {g.Domain, "api.example.com"},
		"mutual TLS":              {g.MutualTLS, true},
		"the truststore's":        {[2]string{g.Truststore.Bucket, g.Truststore.Environment["DOMAIN_NAME"]}, [2]string{"cdk-hnb659fds-assets-123456789012-us-east-1", "api.example.com"}},
		"its events":              {[]any{g.Truststore.Prefixes, g.Truststore.Retries, g.Truststore.MaxEventAge}, []any{[]string(nil), 2, time.Hour}},
		"its timer":               {[]any{g.Truststore.TimerEvery, g.Truststore.TimerInput}, []any{5 * time.Minute, `{"crlgate":"truststore"}`}},
		"its rights":              {[]any{len(g.Truststore.Policy.Grants("s3")), len(g.Truststore.Policy.Grants("apigateway"))}, []any{4, 1}},
		"APIs":                    {withoutParameters(g.APIs), []template.API{{}, {HTTP: true, PayloadFormat: "2.0", SimpleResponses: true}}},
		"REST parameters":         {len(g.APIs[0].RequestParameters), 0},
		"HTTP parameters":         {g.APIs[1].RequestParameters["overwrite:header.x-client-cert-serial"], "$context.authorizer.serial"},
		"preprocessor's S3 rooms": {len(g.Preprocessor.Policy.Grants("s3")), 15},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
		}
	}
}

func withoutParameters(apis []template.API) []template.API {
	out := slices.Clone(apis)
	for i := range out {
		out[i].RequestParameters = nil
	}
	return out
}

func TestReadTheBackend(t *testing.T) {
	g := read(t, "../../../../infra/testdata/backend.template.json")
	if len(g.APIs) != 2 || len(g.APIs[0].RequestParameters) != len(g.APIs[1].RequestParameters) ||
		g.APIs[0].RequestParameters["integration.request.header.x-client-cert-serial"] != "context.authorizer.serial" ||
		g.APIs[0].RequestParameters["integration.request.path.proxy"] != "" {
		t.Errorf("%+v", g.APIs)
	}
	for old, test := range map[string]struct{ with, says string }{
		`"HTTP_PROXY",
     "Uri"`: {`"AWS_PROXY", "Uri"`, "hands the request on as it came"},
		`"overwrite:header.x-client-cert-ca": "$context.authorizer.ca"`: {`"overwrite:header.x-client-cert-ca": {"Ref": "Absent"}`, "does not have"},
	} {
		if err := changed(t, "../../../../infra/testdata/backend.template.json", old, test.with); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.with, err)
		}
	}
}

// TestIntegrationsThatDiffer: the local stack has one integration for each API.
func TestIntegrationsThatDiffer(t *testing.T) {
	b, err := os.ReadFile("../../../../infra/testdata/backend.template.json")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "t.json")
	once := strings.Replace(string(b), `"overwrite:header.x-client-cert-ca": "$context`, `"overwrite:header.x-client-cert-ca": "x$context`, 1)
	if err := os.WriteFile(file, []byte(once), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := template.Read(file); err == nil || !strings.Contains(err.Error(), "one integration for each API") {
		t.Errorf("%v", err)
	}
}

func TestReadEverythingOn(t *testing.T) {
	g := read(t, full)
	want := map[string]string{
		"CACHE_BUCKET": g.Cache.Name, "MODE": "observe", "REVALIDATE_AFTER": "0s", "MAX_UNVALIDATED": "1h",
		"MEMORY_BUDGET": "600MiB", "REQUIRE_CHAIN": "true", "LOG_ALLOWED": "0.25",
	}
	if !reflect.DeepEqual(g.Authorizer.Environment, want) {
		t.Errorf("the authorizer's settings %v, want %v", g.Authorizer.Environment, want)
	}
	if ts := g.Truststore; ts == nil || ts.Bucket != "" || ts.Environment["MOVE_DOMAIN"] != "true" || !slices.Equal(ts.Prefixes, []string{"truststore/"}) || g.Domain != "api.example.com" {
		t.Errorf("the truststore's function: %+v", ts)
	}
	if f := g.Fetcher; f == nil || f.Environment["FETCH_PREFIX"] != "lists/fetched/" || f.TimerEvery != 2*time.Minute || f.TimerInput != `{"crlgate":"fetch"}` || f.Retries != 0 || f.MaxEventAge != time.Minute || f.MemoryMB != 256 {
		t.Errorf("the fetcher: %+v", f)
	}
	if !slices.Equal(g.Prefixes, []string{"cas/", "crl/", "lists/"}) || g.Retries != 1 || g.MaxEventAge != time.Hour || g.Authorizer.Timeout != 5*time.Second || g.Authorizer.Reserved != 100 {
		t.Errorf("%+v", g)
	}
}

// changed reads a template after a change, which a test makes to its text.
func changed(t *testing.T, path, old, with string) error {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("%s does not contain %s", path, old)
	}
	file := filepath.Join(t.TempDir(), "t.json")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(b), old, with)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = template.Read(file)
	return err
}

// TestWhatIsNotUnderstoodIsRefused rather than left out.
func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ old, with, says string }{
		"no gate":                 {`"UPLOAD_BUCKET"`, `"UPLOADS"`, "must have one gate"},
		"a filter by suffix":      {`"Name": "prefix"`, `"Name": "suffix"`, "only filters by prefix"},
		"another event":           {`"s3:ObjectRemoved:*"`, `"s3:ObjectRemoved:Delete"`, "the local stack knows"},
		"a schedule by cron":      {`"rate(5 minutes)"`, `"cron(0 * * * ? *)"`, "knows rate"},
		"a token authorizer":      {`"Type": "REQUEST"`, `"Type": "TOKEN"`, `type "TOKEN"`},
		"a domain without TLS":    {`"MutualTlsAuthentication"`, `"Mutual"`, "no MutualTlsAuthentication"},
		"an unknown function":     {`"Fn::Join"`, `"Fn::Transform"`, "is not understood here"},
		"a bucket that is no one": {`"AWS::S3::Bucket"`, `"AWS::S3Express::DirectoryBucket"`, "no bucket of the template"},
		"another domain":          {`"DOMAIN_NAME": "api.example.com"`, `"DOMAIN_NAME": "pay.example.com"`, "looks after the domain pay.example.com, and the template's is api.example.com"},
		"no JSON":                 {`{`, `<`, "no CloudFormation template in JSON"},
		"memory of no number":     {`"MemorySize": 1769`, `"MemorySize": "much"`, "no number"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := changed(t, example, test.old, test.with); err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "t.json") {
				t.Errorf("%v, want one that names the file and says %q", err, test.says)
			}
		})
	}
	for _, text := range []string{`{}`, `{"Resources":{}}`, `[]`, ``} {
		file := filepath.Join(t.TempDir(), "t.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := template.Read(file); err == nil {
			t.Errorf("%q was read", text)
		}
	}
	if _, err := template.Read(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("a file that is not there was read")
	}
}

// TestPoliciesDecide: what the policies of the example deny, and why.
func TestPoliciesDecide(t *testing.T) {
	g := read(t, example)
	uploads, cache := "arn:aws:s3:::"+g.Uploads.Name, "arn:aws:s3:::"+g.Cache.Name
	const authorizer, preprocessor = 0, 1
	policies := []template.Policy{g.Authorizer.Policy, g.Preprocessor.Policy}
	for name, test := range map[string]struct {
		who              int
		action, resource string
		change           map[string]string
		sid              string // that allows it; "": denied
	}{
		"read the catalog":                {authorizer, "s3:GetObject", cache + "/catalog.json", nil, "ReadCache"},
		"read a set":                      {authorizer, "s3:GetObject", cache + "/sets/a/b.cache", nil, "ReadCache"},
		"read a report":                   {authorizer, "s3:GetObject", cache + "/reports/a.json", nil, ""},
		"read uploads":                    {authorizer, "s3:GetObject", uploads + "/crls/a.crl", nil, ""},
		"write the cache":                 {authorizer, "s3:PutObject", cache + "/catalog.json", nil, ""},
		"tell 404 from 403":               {authorizer, "s3:ListBucket", cache, nil, "ListCache"},
		"write a set":                     {preprocessor, "s3:PutObject", cache + "/sets/a/b.cache", nil, "WriteCache"},
		"write elsewhere in the cache":    {preprocessor, "s3:PutObject", cache + "/other", nil, ""},
		"write uploads":                   {preprocessor, "s3:PutObject", uploads + "/crls/a.crl", nil, ""},
		"delete uploads":                  {preprocessor, "s3:DeleteObject", uploads + "/crls/a.crl", nil, ""},
		"list a prefix":                   {preprocessor, "s3:ListBucket", uploads, map[string]string{"s3:prefix": "crls/"}, "ListUploads"},
		"list another prefix":             {preprocessor, "s3:ListBucket", uploads, map[string]string{"s3:prefix": "private/"}, ""},
		"list no prefix":                  {preprocessor, "s3:ListBucket", uploads, nil, "ListUploads"},
		"a bucket of another account":     {preprocessor, "s3:GetObject", uploads + "/crls/a.crl", map[string]string{"aws:ResourceAccount": "999999999999"}, ""},
		"without TLS":                     {preprocessor, "s3:GetObject", uploads + "/crls/a.crl", map[string]string{"aws:SecureTransport": "false"}, ""},
		"with an old TLS":                 {authorizer, "s3:GetObject", cache + "/catalog.json", map[string]string{"s3:TlsVersion": "1.1"}, ""},
		"a service that nobody allows of": {preprocessor, "iam:PassRole", "*", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			context := map[string]string{"aws:ResourceAccount": template.Account, "aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
			for k, v := range test.change {
				context[k] = v
			}
			by, err := policies[test.who].Evaluate(template.Call{Action: test.action, Resource: test.resource, Context: context})
			sid := ""
			if len(by) == 1 {
				sid = by[0].Sid
			}
			if err != nil || len(by) > 1 || sid != test.sid {
				t.Errorf("allowed by %+v, %v; want %q", by, err, test.sid)
			}
		})
	}
}

// TestTheCacheIsGuarded: the bucket's own policy denies writes to any role but
// the preprocessor's, though the role's policy allows them.
func TestTheCacheIsGuarded(t *testing.T) {
	g := read(t, example)
	p := g.Preprocessor.Policy
	write := template.Call{Action: "s3:PutObject", Resource: "arn:aws:s3:::" + g.Cache.Name + "/catalog.json", Context: map[string]string{
		"aws:ResourceAccount": template.Account, "aws:SecureTransport": "true", "s3:TlsVersion": "1.3",
	}}
	if by, err := p.Evaluate(write); err != nil || len(by) != 1 {
		t.Errorf("the preprocessor's write: %v, %v", by, err)
	}
	p.Role = "arn:aws:iam::123456789012:role/other"
	if by, err := p.Evaluate(write); err != nil || len(by) != 0 {
		t.Errorf("another role's write: %v, %v", by, err)
	}
}

func TestUnknownConditionsAreAnError(t *testing.T) {
	p := template.Policy{Statements: []template.Statement{{
		Allow: true, Actions: []string{"s3:GetObject"}, Resources: []string{"*"},
		Conditions: map[string]map[string][]string{"DateLessThan": {"aws:CurrentTime": {"2026-01-01T00:00:00Z"}}},
	}}}
	if by, err := p.Evaluate(template.Call{Action: "s3:GetObject", Resource: "x"}); err == nil {
		t.Errorf("decided: %v", by)
	}
}

// TestTheTemplateHasNoMore: what the template says of the functions beyond what is
// read here is known, so that a new property is not overlooked.
func TestTheTemplateHasNoMore(t *testing.T) {
	known := []string{
		"Architectures", "Code", "Description", "Environment", "EphemeralStorage", "Handler", "LoggingConfig", "MemorySize",
		"ReservedConcurrentExecutions", "Role", "Runtime", "Timeout", "TracingConfig",
	}
	for _, path := range []string{example, full} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Resources map[string]struct {
				Type       string
				Properties map[string]any
			}
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for id, r := range doc.Resources {
			if r.Type != "AWS::Lambda::Function" || !strings.HasPrefix(id, "Gate") {
				continue
			}
			seen++
			for name := range r.Properties {
				if !slices.Contains(known, name) {
					t.Errorf("%s of %s is not known to the local stack", name, id)
				}
			}
		}
		if want := map[string]int{example: 3, full: 4}[path]; seen != want {
			t.Errorf("%s: %d functions of the gate", path, seen)
		}
	}
}
