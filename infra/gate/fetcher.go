package gate

import (
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/internal/checks"
)

const (
	fetcherName    = "fetcher"
	fetcherMemory  = 256.0 // MiB
	fetcherTimeout = 15 * time.Minute
	fetchEvery     = time.Minute
	fetchOverdue   = 6 * time.Hour

	functionFetchPrefix = "crls/fetched/"
	functionStatePrefix = "fetch/"
	functionFetchBytes  = 256 << 20
	// fetchSpare is what the function's storage has room for beside the largest CRL: smaller bodies at the same time.
	fetchSpare = 256 << 20
)

func fetchPrefix(p FetcherProps) string { return stringOr(p.Prefix, functionFetchPrefix) }

// addFetcher adds the function that fetches CRLs, if it is asked for.
func (g *Gate) addFetcher() {
	p := g.props.Fetcher
	if p == nil {
		return
	}
	g.Fetcher = g.newFunction("Fetcher", fetcherName, functionSettings{
		description: "crlgate: fetches CRLs from where CAs publish them, for the preprocessor to verify",
		environment: g.fetcherEnvironment(*p),
		statements:  g.fetcherStatements(*p),
		memory:      fetcherMemory,
		timeout:     fetcherTimeout,
		reserved:    g.reserved(1), // two at once would fetch the same twice
		storage:     fetcherStorage(*p),
		systemLog:   awslambda.SystemLogLevel_WARN,
	})
	checks.Suppress(g.Fetcher, nextMinute)
}

// fetcherStorage is the size of /tmp: room for the largest CRL and some smaller ones. 512 MiB cost nothing.
func fetcherStorage(p FetcherProps) awscdk.Size {
	largest := float64(functionFetchBytes)
	if p.MaxCRLBytes != nil {
		largest = *p.MaxCRLBytes.ToBytes(nil)
	}
	mib := float64(int64(largest+fetchSpare+(1<<20)-1) >> 20)
	return awscdk.Size_Mebibytes(jsii.Number(max(512, mib)))
}

func (g *Gate) fetcherEnvironment(p FetcherProps) environment {
	e := environment{}
	e.set("UPLOAD_BUCKET", g.uploads.name)
	e.set("CACHE_BUCKET", g.cache.name)
	e.set("FETCH_PREFIX", fetchPrefix(p))
	e.set("STATE_PREFIX", functionStatePrefix)
	e.flag("FETCH_CDP", p.CDP)
	e.list("ALLOW_HOSTS", p.AllowHosts)
	e.size("MAX_CRL_BYTES", p.MaxCRLBytes)
	e.duration("TIMEOUT", p.DownloadTimeout)
	e.duration("IDLE_TIMEOUT", p.IdleTimeout)
	e.duration("MIN_INTERVAL", p.MinInterval)
	e.duration("MAX_INTERVAL", p.MaxInterval)
	return e
}

// fetcherStatements let the fetcher read the catalog, and read and write its two prefixes of the upload bucket. It
// may write neither issuers nor what others upload.
func (g *Gate) fetcherStatements(p FetcherProps) []awsiam.PolicyStatement {
	// As with the preprocessor: a missing key is 404 only to those who may list.
	listed := g.ours()
	listed["StringLikeIfExists"] = map[string]any{"s3:prefix": []string{functionStatePrefix + "*"}}
	statements := []awsiam.PolicyStatement{
		allow("ListStates", strs("s3:ListBucket"), &[]*string{g.arn(g.uploads)}, listed),
		allow("WriteFetched", strs("s3:GetObject", "s3:PutObject"), g.arns(g.uploads, fetchPrefix(p)+"*", functionStatePrefix+"*"), g.ours()),
		allow("ForgetStates", strs("s3:DeleteObject"), g.arns(g.uploads, functionStatePrefix+"*"), g.ours()),
		allow("ListCache", strs("s3:ListBucket"), &[]*string{g.arn(g.cache)}, g.ours()),
		allow("ReadCatalog", strs("s3:GetObject"), g.arns(g.cache, "catalog.json"), g.ours()),
	}
	return append(statements, g.keyStatements("kms:Decrypt", "kms:GenerateDataKey")...)
}

// addFetcherEvents invokes the fetcher by time. What fails is not tried again, and what waits for a long run is
// dropped: the next minute looks anyway. So it has no failure destination either, which would take every minute
// of a long run for a failure; an alarm counts the errors.
func (g *Gate) addFetcherEvents() {
	if g.Fetcher == nil {
		return
	}
	retries := awslambda.NewCfnEventInvokeConfig(g, jsii.String("FetcherRetries"), &awslambda.CfnEventInvokeConfigProps{
		FunctionName:             g.Fetcher.FunctionName(),
		Qualifier:                jsii.String("$LATEST"),
		MaximumRetryAttempts:     jsii.Number(0),
		MaximumEventAgeInSeconds: jsii.Number(60),
	})
	checks.Suppress(retries, nextMinuteRetries)
	g.addTimer(timer{
		id: "FetcherTimer", description: "crlgate: has the fetcher look for CRLs that are due",
		function: g.Fetcher, asks: "fetch", every: durationOr(g.props.Fetcher.Every, fetchEvery),
		retries: 0, age: time.Minute,
	})
}

// fetcherAlarms tell that CRLs do not come by themselves any more.
func (g *Gate) fetcherAlarms() []alarm {
	if g.Fetcher == nil {
		return nil
	}
	overdue := durationOr(orZero(g.props.Alarms).FetchOverdue, fetchOverdue)
	return []alarm{
		{
			name: "FetchOverdue", says: "A URL has not answered as it should for " + short(overdue) + ": its CRL does not come by itself any more.",
			metric: series(g.Fetcher, metricFetchAge, "Maximum", fiveMinutes()), atLeast: overdue.Seconds(), missing: quiet,
		},
		{
			name: "FetcherErrors", says: "The fetcher failed: it could not read or write the buckets.",
			metric: g.Fetcher.MetricErrors(sumOfFiveMinutes()), atLeast: 1, periods: 3, missing: quiet,
		},
		{
			name: "FetcherIdle", says: "The fetcher has not run, though its timer should have run it: no CRL comes by itself.",
			metric: g.Fetcher.MetricInvocations(sumOfFiveMinutes()), below: 1, periods: fetcherIdlePeriods(durationOr(g.props.Fetcher.Every, fetchEvery)), missing: silent,
		},
	}
}

func sumOfFiveMinutes() *awscloudwatch.MetricOptions {
	return &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: fiveMinutes()}
}

// fetcherGraph shows what the fetcher brings, and for how long a URL has not answered.
func (g *Gate) fetcherGraphs() []awscloudwatch.IWidget {
	return []awscloudwatch.IWidget{
		graph("Fetcher: new CRLs, nothing new, failures", series(g.Fetcher, metricCRLFetched, "Sum", fiveMinutes()),
			series(g.Fetcher, metricCRLUnchanged, "Sum", fiveMinutes()), series(g.Fetcher, metricFetchFailures, "Sum", fiveMinutes())),
		graph("Fetcher: seconds since a URL answered, by CA", search(g.Fetcher, metricFetchAge, "Maximum", "", dimensionCA)),
	}
}

// fetcherIdlePeriods is how many periods of five minutes three of the timer's are, and one run at its longest.
func fetcherIdlePeriods(every time.Duration) float64 {
	return float64((3*every + fetcherTimeout + 5*time.Minute - 1) / (5 * time.Minute))
}

// fetcher checks the fetcher's props against each other and against the preprocessor's.
func (f *faults) fetcher(p *Props) {
	t := p.Fetcher
	if t == nil {
		return
	}
	f.duration("Fetcher.Every", t.Every, time.Minute, time.Hour)
	f.duration("Fetcher.DownloadTimeout", t.DownloadTimeout, time.Second, 14*time.Minute)
	f.duration("Fetcher.IdleTimeout", t.IdleTimeout, time.Second, 5*time.Minute)
	f.duration("Fetcher.MinInterval", t.MinInterval, time.Second, 24*time.Hour)
	f.duration("Fetcher.MaxInterval", t.MaxInterval, time.Second, 7*24*time.Hour)
	if t.Every != nil && goDuration(t.Every)%time.Minute != 0 {
		f.add("Fetcher.Every is %s: give whole minutes", short(goDuration(t.Every)))
	}
	if least, most := durationOr(t.MinInterval, time.Minute), durationOr(t.MaxInterval, time.Hour); least > most {
		f.add("Fetcher.MinInterval is %s, longer than MaxInterval, %s", short(least), short(most))
	}
	if t.MaxCRLBytes != nil && (*t.MaxCRLBytes.ToBytes(nil) < 1024 || *t.MaxCRLBytes.ToBytes(nil) > 5<<30) {
		f.add("Fetcher.MaxCRLBytes is %v bytes: give 1 KiB to 5 GiB, which is what S3 takes in one piece", *t.MaxCRLBytes.ToBytes(nil))
	}
	for _, host := range t.AllowHosts {
		if host == "" || strings.ContainsAny(host, "/*, @") || strings.Contains(host, "://") {
			f.add("Fetcher.AllowHosts has %q: give host names or addresses exactly as URLs name them, without scheme, port or wildcard", host)
		}
	}
	prefix, within := fetchPrefix(*t), false
	all := uploadPrefixes(orZero(p.Preprocessor))
	for i, allowed := range all {
		within = within || i > 0 && strings.HasPrefix(prefix, allowed)
		if strings.HasPrefix(functionStatePrefix, allowed) || strings.HasPrefix(allowed, functionStatePrefix) {
			f.add("prefix %q overlaps %s, where the fetcher keeps its states; give another", allowed, functionStatePrefix)
		}
	}
	if !within || !strings.HasSuffix(prefix, "/") || strings.ContainsAny(prefix, ",*?$\"\\ ") {
		f.add("Fetcher.Prefix is %q: the preprocessor does not look there; give one that ends in a slash and begins with %s", prefix, strings.Join(all[1:], " or "))
	}
}
