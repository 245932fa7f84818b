package gate

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

// The functions' metrics that alarms and dashboard use. This package does not import the functions' code; a test
// compares these with its table.
const (
	namespace = "crlgate"

	metricDecisions           = "Decisions"
	metricWouldDeny           = "WouldDeny"
	metricDecideLatency       = "DecideLatency"
	metricRefreshLatency      = "RefreshLatency"
	metricCatalogAge          = "CatalogAge"
	metricStaleServed         = "StaleServed"
	metricHashFailures        = "HashFailures"
	metricCatalogRefused      = "CatalogRefused"
	metricObserveMode         = "ObserveMode"
	metricBreakGlass          = "BreakGlass"
	metricCRLAccepted         = "CRLAccepted"
	metricCRLRejected         = "CRLRejected"
	metricCRLPending          = "CRLPending"
	metricSecondsToNextUpdate = "SecondsToNextUpdate"
	metricSerialsAdded        = "SerialsAdded"
	metricSerialsVanished     = "SerialsVanished"
	metricVanishedShare       = "SerialsVanishedShare"
	metricSecondsToNotAfter   = "SecondsToNotAfter"
	metricIssuersChanged      = "IssuersChanged"
	metricIssuersVanished     = "IssuersVanished"
	metricPreprocessLatency   = "PreprocessLatency"
	metricTruststoreOutOfStep = "TruststoreOutOfStep"
	metricTruststoreWarnings  = "TruststoreWarnings"
	metricTruststoreMoved     = "TruststoreMoved"
	metricCRLFetched          = "CRLFetched"
	metricCRLUnchanged        = "CRLUnchanged"
	metricFetchFailures       = "FetchFailures"
	metricFetchAge            = "FetchAge"
)

const (
	dimensionFunction = "function" // its name in Lambda, so that two gates in one account are told apart
	dimensionDecision = "decision"
	dimensionReason   = "reason"
	dimensionCA       = "ca"
	dimensionCRL      = "crl"
)

// The reasons of denials that are nobody's fault but the gate's or its publishers': requests are refused that
// should perhaps be let in.
var reasonsOfOurs = []string{"internal_error", "cache_unavailable", "cache_stale", "crl_expired"}

// The reasons of denials whose number is usual or not.
var reasonsOfClients = []string{
	"no_client_certificate", "malformed_certificate", "unknown_issuer", "ca_not_associated", "revoked", "issuer_revoked",
	"no_crl", "out_of_scope", "chain_unknown", "denied_by_rule",
}

// series is a metric of one function, in one of the dimension sets that the function reports it under.
func series(function awslambda.IFunction, name, statistic string, period awscdk.Duration, dimensions ...string) awscloudwatch.Metric {
	by := map[string]*string{dimensionFunction: function.FunctionName()}
	for i := 0; i+1 < len(dimensions); i += 2 {
		by[dimensions[i]] = jsii.String(dimensions[i+1])
	}
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String(namespace), MetricName: jsii.String(name),
		Statistic: jsii.String(statistic), Period: period, DimensionsMap: &by,
	})
}

// denials is the number of denials for a reason.
func (g *Gate) denials(reason string) awscloudwatch.Metric {
	return series(g.Authorizer, metricDecisions, "Sum", fiveMinutes(), dimensionDecision, "deny", dimensionReason, reason)
}

// sum adds metrics, of which a missing one counts nothing.
func sum(label string, metrics map[string]awscloudwatch.IMetric, names []string) awscloudwatch.MathExpression {
	terms := make([]string, len(names))
	for i, name := range names {
		terms[i] = "FILL(" + name + ",0)"
	}
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: jsii.String(strings.Join(terms, "+")), UsingMetrics: &metrics, Label: jsii.String(label), Period: fiveMinutes(),
	})
}

// search is every series of a metric of a function that is told apart by those dimensions, with the values
// that where asks for.
func search(function awslambda.IFunction, name, statistic, where string, dimensions ...string) awscloudwatch.MathExpression {
	expression := fmt.Sprintf(`SEARCH('{%s} MetricName="%s" %s="%s" %s', '%s', 300)`,
		strings.Join(append([]string{namespace, dimensionFunction}, dimensions...), ","), name, dimensionFunction, *function.FunctionName(), where, statistic)
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: jsii.String(expression), UsingMetrics: &map[string]awscloudwatch.IMetric{}, Label: jsii.String(""), Period: fiveMinutes(),
	})
}

func fiveMinutes() awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(5)) }
