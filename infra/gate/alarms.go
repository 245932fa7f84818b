package gate

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/internal/checks"
)

const (
	crlExpiryWarning  = 24 * time.Hour
	crlExpiryCritical = 4 * time.Hour
	caExpiryWarning   = 30 * 24 * time.Hour
	pendingAfter      = time.Hour
	runbookURL        = "https://github.com/crlgate/crlgate/blob/main/docs/operations.md"
)

// alarm is one alarm: what it watches and what its message says first.
type alarm struct {
	name   string // a section of the runbook is named so
	says   string
	metric awscloudwatch.IMetric
	// below and atLeast are the threshold; one of them is set.
	below, atLeast float64
	// periods are how many in a row must be so. Default: 1.
	periods float64
	missing awscloudwatch.TreatMissingData
}

const (
	// quiet is for what is counted only when it happens.
	quiet = awscloudwatch.TreatMissingData_NOT_BREACHING
	// unchanged is for what is measured now and then.
	unchanged = awscloudwatch.TreatMissingData_IGNORE
	// silent is for what must be there.
	silent = awscloudwatch.TreatMissingData_BREACHING
)

func (g *Gate) addAlarms() {
	for _, list := range [][]alarm{g.crlAlarms(), g.preprocessorAlarms(), g.authorizerAlarms(), g.trustAlarms(), g.truststoreAlarms(), g.fetcherAlarms()} {
		for _, a := range list {
			g.addAlarm(a)
		}
	}
	for _, reason := range reasonsOfClients {
		g.addUnusualDenials(reason)
	}
}

// beat is how often the preprocessor measures at least: the period of its alarms.
func (g *Gate) beat() time.Duration {
	return max(5*time.Minute, durationOr(orZero(g.props.Preprocessor).ReconcileEvery, reconcileEvery))
}

func (g *Gate) crlAlarms() []alarm {
	p := orZero(g.props.Alarms)
	beat := awscdk.Duration_Seconds(jsii.Number(g.beat().Seconds()))
	warning, critical := durationOr(p.CRLExpiryWarning, crlExpiryWarning), durationOr(p.CRLExpiryCritical, crlExpiryCritical)
	pending := durationOr(p.PendingAfter, pendingAfter)
	left := series(g.Preprocessor, metricSecondsToNextUpdate, "Minimum", beat)
	return []alarm{
		{
			name: "CRLExpiryWarning", says: "A CRL reaches its nextUpdate within " + short(warning) + ".",
			metric: left, below: warning.Seconds(), missing: unchanged,
		},
		{
			name: "CRLExpiryCritical", says: "A CRL reaches its nextUpdate within " + short(critical) + "; after that and the CA's grace its clients are denied.",
			metric: left, below: critical.Seconds(), missing: unchanged,
		},
		{
			name: "CRLRejected", says: "A CRL was refused; what served before goes on serving.",
			metric: series(g.Preprocessor, metricCRLRejected, "Sum", fiveMinutes()), atLeast: 1, missing: quiet,
		},
		{
			name: "CRLPending", says: "A CRL has been waiting for an issuer, for time or for a base CRL for " + short(pending) + ".",
			metric: series(g.Preprocessor, metricCRLPending, "Sum", beat), atLeast: 1,
			periods: math.Ceil(pending.Seconds() / g.beat().Seconds()), missing: quiet,
		},
		{
			name: "SerialsVanished", says: "Many serials of a CRL are missing from its successor: expired certificates, or revocations lost.",
			metric: series(g.Preprocessor, metricSerialsVanished, "Sum", fiveMinutes()), atLeast: numberOr(p.VanishedSerials, 100), missing: quiet,
		},
		{
			name: "SerialsVanishedShare", says: "A large share of a CRL's serials is missing from its successor: expired certificates, or revocations lost.",
			metric: series(g.Preprocessor, metricVanishedShare, "Maximum", fiveMinutes()), atLeast: numberOr(p.VanishedShare, 50), missing: quiet,
		},
	}
}

func (g *Gate) preprocessorAlarms() []alarm {
	beat := awscdk.Duration_Seconds(jsii.Number(g.beat().Seconds()))
	timeout := durationOr(orZero(g.props.Preprocessor).Timeout, preprocessorTimeout)
	return []alarm{
		{
			name: "FailureQueueNotEmpty", says: "A function failed on an event at every try.",
			metric:  g.FailureQueue.MetricApproximateNumberOfMessagesVisible(&awscloudwatch.MetricOptions{Statistic: jsii.String("Maximum"), Period: fiveMinutes()}),
			atLeast: 1, missing: quiet,
		},
		{
			name: "PreprocessorIdle", says: "The preprocessor has not run, though its timer should have run it three times: nothing that it measures is known.",
			metric: g.Preprocessor.MetricInvocations(&awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: beat}),
			below:  1, periods: 3, missing: silent,
		},
		{
			name: "PreprocessorNearTimeout", says: "A run of the preprocessor took four fifths of its timeout of " + short(timeout) + ".",
			metric:  g.Preprocessor.MetricDuration(&awscloudwatch.MetricOptions{Statistic: jsii.String("Maximum"), Period: fiveMinutes()}),
			atLeast: float64(timeout.Milliseconds()) * 0.8, missing: quiet,
		},
	}
}

func (g *Gate) authorizerAlarms() []alarm {
	p := orZero(g.props.Authorizer)
	young, old := durationOr(p.RevalidateAfter, functionRevalidateAfter), durationOr(p.MaxUnvalidated, functionMaxUnvalidated)
	midway := young + (old-young)/2
	ours := map[string]awscloudwatch.IMetric{}
	for _, reason := range reasonsOfOurs {
		ours[reason] = g.denials(reason)
	}
	statistic := func(name string) *awscloudwatch.MetricOptions {
		return &awscloudwatch.MetricOptions{Statistic: jsii.String(name), Period: fiveMinutes()}
	}
	return []alarm{
		{
			name: "AuthorizerErrors", says: "The authorizer failed: API Gateway answered those requests with 500.",
			metric: g.Authorizer.MetricErrors(statistic("Sum")), atLeast: 1, missing: quiet,
		},
		{
			name: "AuthorizerThrottled", says: "The authorizer was not run for want of concurrency: API Gateway answered those requests with 500.",
			metric: g.Authorizer.MetricThrottles(statistic("Sum")), atLeast: 1, missing: quiet,
		},
		{
			name: "CatalogNotRevalidated", says: "Requests were answered from a catalog not revalidated for " + short(midway) + "; after " + short(old) + " all but hits are denied.",
			metric: series(g.Authorizer, metricCatalogAge, "Maximum", fiveMinutes()), atLeast: midway.Seconds(), missing: quiet,
		},
		{
			name: "CatalogRefused", says: "The authorizer refused the catalog that it fetched and goes on with the one before.",
			metric: series(g.Authorizer, metricCatalogRefused, "Sum", fiveMinutes()), atLeast: 1, missing: quiet,
		},
		{
			name: "HashFailures", says: "An object of the cache bucket does not match its hash.",
			metric: series(g.Authorizer, metricHashFailures, "Sum", fiveMinutes()), atLeast: 1, missing: quiet,
		},
		{
			name: "DenialsOfOurs", says: "Requests were denied for a reason that is not the client's: " + strings.Join(reasonsOfOurs, ", ") + ".",
			metric: sum("denials that are not the clients' doing", ours, reasonsOfOurs), atLeast: 1, missing: quiet,
		},
	}
}

// trustAlarms tell of what changes who is let in.
func (g *Gate) trustAlarms() []alarm {
	beat := awscdk.Duration_Seconds(jsii.Number(g.beat().Seconds()))
	expiry := durationOr(orZero(g.props.Alarms).CAExpiryWarning, caExpiryWarning)
	return []alarm{
		{
			name: "CAExpiry", says: "A key of a CA will have no valid certificate within " + short(expiry) + ".",
			metric: series(g.Preprocessor, metricSecondsToNotAfter, "Minimum", beat), below: expiry.Seconds(), missing: unchanged,
		},
		{
			name: "IssuersChanged", says: "The certificates of a CA changed: whoever writes issuers decides whose CRLs are believed.",
			metric: series(g.Preprocessor, metricIssuersChanged, "Sum", fiveMinutes()), atLeast: 1, missing: quiet,
		},
		{
			name: "IssuersVanished", says: "Most issuers files are gone at once, or all uploads: the CAs go on as they were until that is confirmed.",
			metric: series(g.Preprocessor, metricIssuersVanished, "Sum", beat), atLeast: 1, missing: quiet,
		},
		{
			name: "ObserveMode", says: "Observe mode is on, for the whole or for a CA: revoked certificates are let in.",
			metric: series(g.Authorizer, metricObserveMode, "Maximum", fiveMinutes()), atLeast: 1, missing: quiet,
		},
		{
			name: "BreakGlass", says: "A CA's allow_until lies in the future: all its certificates but known revoked ones are let in.",
			metric: series(g.Authorizer, metricBreakGlass, "Maximum", fiveMinutes()), atLeast: 1, missing: quiet,
		},
	}
}

func (g *Gate) addAlarm(a alarm) {
	props := &awscloudwatch.AlarmProps{
		Metric:             a.metric,
		AlarmDescription:   g.description(a.says, a.name),
		EvaluationPeriods:  jsii.Number(max(a.periods, 1)),
		Threshold:          jsii.Number(a.atLeast),
		ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
		TreatMissingData:   a.missing,
	}
	if a.below > 0 {
		props.Threshold = jsii.Number(a.below)
		props.ComparisonOperator = awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD
	}
	g.register(a.name, awscloudwatch.NewAlarm(g, jsii.String(a.name), props))
}

// addUnusualDenials adds an alarm on denials for one reason, of which there are always some: what is usual,
// CloudWatch learns.
func (g *Gate) addUnusualDenials(reason string) {
	name := "Denials" + camel(reason)
	g.register(name, awscloudwatch.NewAnomalyDetectionAlarm(g, jsii.String(name), &awscloudwatch.AnomalyDetectionAlarmProps{
		Metric:             g.denials(reason),
		AlarmDescription:   g.description(fmt.Sprintf("Far more requests than usual were denied for the reason %s.", reason), "DenialsUnusual"),
		StdDevs:            jsii.Number(numberOr(orZero(g.props.Alarms).DenialBand, 4)),
		ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_UPPER_THRESHOLD,
		EvaluationPeriods:  jsii.Number(3),
		TreatMissingData:   quiet,
	}))
}

func (g *Gate) register(name string, a awscloudwatch.Alarm) {
	actions := orZero(g.props.Alarms).Actions
	if len(actions) == 0 {
		checks.Suppress(a, noAction)
	} else {
		a.AddAlarmAction(actions...)
		a.AddOkAction(actions...)
	}
	g.Alarms[name] = a
}

// description is what the alarm's message says, with the section of the runbook.
func (g *Gate) description(says, section string) *string {
	url := stringOr(orZero(g.props.Alarms).RunbookURL, runbookURL)
	return jsii.String(says + " What to do: " + url + "#" + strings.ToLower(section))
}

// camel writes no_client_certificate as NoClientCertificate.
func camel(s string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(s, "_") {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}
