package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

// TestWhatTheFetcherMayDo: read the catalog, and write under its two prefixes of the upload bucket, of which none is the
// issuers'.
func TestWhatTheFetcherMayDo(t *testing.T) {
	m := watched(t)
	got := lines(m, rolePolicy(m, "GateFetcherRole"))
	for _, line := range got {
		writes := strings.Contains(line, "s3:PutObject") || strings.Contains(line, "s3:DeleteObject")
		if strings.Contains(line, "issuers/") || strings.Contains(line, "sets/") || writes && !strings.Contains(line, "fetch/*") || strings.Contains(line, "sqs:") || strings.Contains(line, "lambda:") {
			t.Errorf("the fetcher may %s", line)
		}
	}
	for _, want := range []string{
		"Allow s3:GetObject,s3:PutObject on UPLOADS/crls/fetched/*,UPLOADS/fetch/* if ", "Allow s3:DeleteObject on UPLOADS/fetch/* if ",
		"Allow s3:GetObject on CACHE/catalog.json if ", "Allow s3:ListBucket on CACHE if ",
	} {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("the fetcher lacks %q; it has\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// TestWhatInvokesTheFetcher: its timer, and nothing else; and nothing of it waits or is tried again.
func TestWhatInvokesTheFetcher(t *testing.T) {
	for name, c := range map[string]struct {
		m                 template
		schedule, storage string
	}{"watched": {watched(t), "rate(1 minute)", "512"}, "full": {full(t), "rate(2 minutes)", "1280"}} {
		_, rule := c.m.one("AWS::Events::Rule", "GateFetcherTimer")
		if got := text(get(rule, "Properties", "ScheduleExpression")); got != c.schedule {
			t.Errorf("%s: %s, want %s", name, got, c.schedule)
		}
		target := get(rule, "Properties", "Targets").([]any)[0]
		if text(get(target, "Input")) != `{"crlgate":"fetch"}` {
			t.Errorf("%s: the timer sends %s", name, text(get(target, "Input")))
		}
		_, retries := c.m.one("AWS::Lambda::EventInvokeConfig", "GateFetcherRetries")
		if text(get(retries, "Properties", "MaximumRetryAttempts")) != "0" || text(get(retries, "Properties", "MaximumEventAgeInSeconds")) != "60" || get(retries, "Properties", "DestinationConfig") != nil {
			t.Errorf("%s: %v", name, retries)
		}
		_, function := c.m.one("AWS::Lambda::Function", "GateFetcher")
		if got := text(get(function, "Properties", "EphemeralStorage", "Size")); got != c.storage {
			t.Errorf("%s: storage of %s MiB, want %s", name, got, c.storage)
		}
	}
}

// TestWithoutAFetcherThereIsNothingOfIt: requests to the internet are made only where somebody asked for them.
func TestWithoutAFetcherThereIsNothingOfIt(t *testing.T) {
	for id := range synth(t, nil).json["Resources"].(map[string]any) {
		if strings.Contains(id, "Fetch") {
			t.Errorf("%s is there", id)
		}
	}
}

func TestFetcherProps(t *testing.T) {
	minutes := func(n float64) awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(n)) }
	for words, p := range map[string]gate.FetcherProps{
		"Fetcher.Every":                {Every: minutes(61)},
		"give whole minutes":           {Every: awscdk.Duration_Seconds(jsii.Number(90))},
		"Fetcher.DownloadTimeout":      {DownloadTimeout: minutes(15)},
		"Fetcher.IdleTimeout":          {IdleTimeout: minutes(6)},
		"longer than MaxInterval":      {MinInterval: minutes(61)},
		"1 KiB to 5 GiB":               {MaxCRLBytes: awscdk.Size_Gibibytes(jsii.Number(6))},
		`"http://ca.internal"`:         {AllowHosts: []string{"http://ca.internal"}},
		`Fetcher.Prefix is "fetched/"`: {Prefix: jsii.String("fetched/")},
		`Fetcher.Prefix is "issuers/"`: {Prefix: jsii.String("issuers/")},
	} {
		err := (&gate.Props{Fetcher: &p, AssetPath: jsii.String(t.TempDir())}).Validate()
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "the fetcher's binary is not at ") {
			t.Errorf("%s: %v", words, err)
		}
	}
	overlap := &gate.Props{Fetcher: &gate.FetcherProps{}, Preprocessor: &gate.PreprocessorProps{CRLPrefixes: []string{"crls/", "fetch/x/"}}}
	if err := overlap.Validate(); err == nil || !strings.Contains(err.Error(), "overlaps fetch/") {
		t.Errorf("%v", err)
	}
}
