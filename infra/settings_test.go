package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestContextReachesTheFunctions(t *testing.T) {
	context := maps.Clone(alone)
	maps.Copy(context, map[string]any{
		"crlgate:stack": "crlgate", "crlgate:architecture": "amd64",
		"crlgate:mode": "observe", "crlgate:revalidateAfter": "30s", "crlgate:maxUnvalidated": "20m", "crlgate:memoryBudget": "64MiB",
		"crlgate:requireChain": true, "crlgate:logAllowed": 0.5, "crlgate:authorizerMemory": "256",
		"crlgate:issuerPrefix": "cas/", "crlgate:crlPrefixes": "lists/,crl/", "crlgate:maxCrlBytes": "2GiB", "crlgate:allowSha1": "true",
		"crlgate:pinnedIssuers": []any{strings.Repeat("0", 64)}, "crlgate:cacheJson": "false", "crlgate:preprocessorMemory": 2048,
		"crlgate:unreserved": "true", "crlgate:reconcileEvery": "10m",
		"crlgate:truststoreDomain": "pay.example.com", "crlgate:truststoreObject": "s3://pay-truststore/a/pay.pem", "crlgate:moveTruststore": "false",
	})
	got := string(synth(t, context))
	for _, want := range []string{
		`"MODE": "observe"`, `"REVALIDATE_AFTER": "30s"`, `"MAX_UNVALIDATED": "20m"`, `"MEMORY_BUDGET": "64MiB"`, `"REQUIRE_CHAIN": "true"`,
		`"LOG_ALLOWED": "0.5"`, `"MemorySize": 256`, `"ISSUER_PREFIX": "cas/"`, `"CRL_PREFIXES": "lists/,crl/"`, `"MAX_CRL_BYTES": "2GiB"`,
		`"ALLOW_SHA1": "true"`, `"PINNED_ISSUERS": "` + strings.Repeat("0", 64) + `"`, `"CACHE_JSON": "false"`, `"MemorySize": 2048`,
		`"x86_64"`, `"rate(10 minutes)"`, `"DOMAIN_NAME": "pay.example.com"`, `"MOVE_DOMAIN": "false"`, `:s3:::pay-truststore/a/pay.pem"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in the template", want)
		}
	}
	if strings.Contains(got, "ReservedConcurrentExecutions") {
		t.Error("concurrency is reserved though unreserved is set")
	}
}

func TestContextIsChecked(t *testing.T) {
	for name, test := range map[string]struct {
		context map[string]any
		want    string
	}{
		"misspelt":          {map[string]any{"crlgate:reconcileEach": "5m"}, "crlgate:reconcileEach is not a setting"},
		"flag":              {map[string]any{"crlgate:allowSha1": "yes"}, `crlgate:allowSha1 is "yes": give true or false`},
		"number":            {map[string]any{"crlgate:logAllowed": "half"}, `crlgate:logAllowed is "half": give a number`},
		"duration":          {map[string]any{"crlgate:maxUnvalidated": "15"}, `crlgate:maxUnvalidated is "15": give a duration`},
		"negative duration": {map[string]any{"crlgate:maxUnvalidated": "-15m"}, `crlgate:maxUnvalidated is "-15m"`},
		"size":              {map[string]any{"crlgate:maxCrlBytes": "8GB"}, `crlgate:maxCrlBytes is "8GB": give bytes`},
		"list":              {map[string]any{"crlgate:mode": []any{"observe"}}, "crlgate:mode is a []interface"},
		"no list":           {map[string]any{"crlgate:crlPrefixes": []any{1}}, "crlgate:crlPrefixes holds a float64"},
		"props":             {map[string]any{"crlgate:mode": "off"}, `Authorizer.Mode is "off"`},
		"half an example":   {map[string]any{"crlgate:domainName": "api.example.com"}, "set crlgate:example=true too"},
		"two topics":        {map[string]any{"crlgate:alarmTopicArn": "arn:aws:sns:x", "crlgate:alarmEmail": "a@example.com"}, "alarmTopicArn and alarmEmail are both set"},
		"no binaries":       {map[string]any{"crlgate:assets": "testdata/none"}, "run `make build`"},
		"empty example":     {map[string]any{"crlgate:example": true}, `crlgate:domainName is "": give the name`},
		"no certificate":    {map[string]any{"crlgate:example": true, "crlgate:domainName": "api.example.com"}, `crlgate:certificateArn is ""`},
		"no association":    {map[string]any{"crlgate:domains": "pay.example.com,api.example.org", "crlgate:caSettings": "testdata/ca-settings.json"}, "testdata/ca-settings.json associates its CA with api.example.com, *.partner.example, and the APIs are called by pay.example.com, api.example.org"},
		"no domains":        {map[string]any{"crlgate:caSettings": "testdata/ca-settings.json"}, "CASettings is set and Domains is not"},
		"no settings file":  {map[string]any{"crlgate:domains": "api.example.com", "crlgate:caSettings": "testdata/absent.json"}, "reading a CA's settings"},
		"no backend":        {map[string]any{"crlgate:example": true, "crlgate:backend": "http://backend.example.com"}, `crlgate:backend is "http://backend.example.com": give the https URL`},
		"no domain":         {map[string]any{"crlgate:moveTruststore": "true"}, "truststoreDomain is not"},
		"no object":         {map[string]any{"crlgate:truststoreDomain": "pay.example.com"}, "Truststore.Bucket or Key is missing"},
		"no S3 object":      {map[string]any{"crlgate:truststoreDomain": "pay.example.com", "crlgate:truststoreObject": "pay.pem"}, `crlgate:truststoreObject is "pay.pem"`},
		"moves without pin": {map[string]any{"crlgate:truststoreDomain": "pay.example.com", "crlgate:moveTruststore": "true"}, "Preprocessor.PinnedIssuers is empty"},
		"two domains":       {with(complete, map[string]any{"crlgate:truststoreDomain": "pay.example.com"}), "the example's is looked after"},
		"no truststore":     {map[string]any{"crlgate:example": "true"}, "crlgate:truststore: give the file"},
	} {
		t.Run(name, func(t *testing.T) {
			context := maps.Clone(alone)
			maps.Copy(context, test.context)
			err := build(newApp(t, context))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestAllFaultsOfTheContextAreNamedAtOnce(t *testing.T) {
	err := build(newApp(t, map[string]any{
		"crlgate:assets": "testdata/none", "crlgate:allowSha1": "yes", "crlgate:mode": "off", "crlgate:typo": 1, "crlgate:example": true,
	}))
	for _, want := range []string{"allowSha1", `Authorizer.Mode is "off"`, "crlgate:typo", "certificateArn", "the preprocessor's binary"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in %v", want, err)
		}
	}
}

func TestTruststore(t *testing.T) {
	good, err := os.ReadFile("testdata/truststore.pem")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ content, want string }{
		"one":     {string(good), ""},
		"two":     {string(good) + "\nthe second\n" + string(good), ""},
		"nothing": {"", "holds no PEM certificate"},
		"text":    {"hello", "holds no PEM certificate"},
		"a key":   {string(good) + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds a PRIVATE KEY: leave only certificates in it"},
		"damaged": {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1 of"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "truststore.pem")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			err := checkTruststore(path)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if err := checkTruststore(filepath.Join(t.TempDir(), "none.pem")); err == nil {
		t.Error("a file that is not there is taken")
	}
}
