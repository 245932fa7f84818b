package gate

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/interfaces/interfacesawscloudwatch"
	"github.com/aws/jsii-runtime-go"
)

// addDashboard shows, from the top: which alarms are on, what clients are told, how far the catalog is from
// denying, and what becomes of CRLs.
func (g *Gate) addDashboard() {
	g.Dashboard = awscloudwatch.NewDashboard(g, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{
		Start: jsii.String("-P1D"),
	})
	row := func(widgets ...awscloudwatch.IWidget) { g.Dashboard.AddWidgets(widgets...) }
	row(g.alarmStatus())
	row(
		graph("Denials by reason", search(g.Authorizer, metricDecisions, "Sum", `decision="deny"`, dimensionDecision, dimensionReason)),
		graph("Would deny (observe mode), stale served",
			series(g.Authorizer, metricWouldDeny, "Sum", fiveMinutes()), series(g.Authorizer, metricStaleServed, "Sum", fiveMinutes())),
		graph("Authorizer: time to decide, p50 and p99; refresh p99, ms",
			series(g.Authorizer, metricDecideLatency, "p50", fiveMinutes()), series(g.Authorizer, metricDecideLatency, "p99", fiveMinutes()),
			series(g.Authorizer, metricRefreshLatency, "p99", fiveMinutes())),
	)
	row(
		graph("Seconds to nextUpdate, by CRL", search(g.Preprocessor, metricSecondsToNextUpdate, "Minimum", "", dimensionCA, dimensionCRL)),
		graph("Age of the catalog that answered, s", series(g.Authorizer, metricCatalogAge, "Maximum", fiveMinutes())),
		graph("Cache faults", series(g.Authorizer, metricHashFailures, "Sum", fiveMinutes()), series(g.Authorizer, metricCatalogRefused, "Sum", fiveMinutes())),
	)
	row(
		graph("CRLs", series(g.Preprocessor, metricCRLAccepted, "Sum", fiveMinutes()), series(g.Preprocessor, metricCRLRejected, "Sum", fiveMinutes()),
			series(g.Preprocessor, metricCRLPending, "Sum", fiveMinutes()), series(g.Preprocessor, metricIssuersChanged, "Sum", fiveMinutes())),
		graph("Seconds to notAfter, by CA", search(g.Preprocessor, metricSecondsToNotAfter, "Minimum", "", dimensionCA)),
	)
	row(
		graph("Serials added and vanished",
			series(g.Preprocessor, metricSerialsAdded, "Sum", fiveMinutes()), series(g.Preprocessor, metricSerialsVanished, "Sum", fiveMinutes())),
		graph("Preprocessor: time of a run, p99 ms; failed events",
			series(g.Preprocessor, metricPreprocessLatency, "p99", fiveMinutes()), g.FailureQueue.MetricApproximateNumberOfMessagesVisible(nil)),
	)
	if g.Truststore != nil {
		row(g.truststoreGraph())
	}
	if g.Fetcher != nil {
		row(g.fetcherGraphs()...)
	}
}

// truststoreGraph shows whether the domain trusts whom the issuers say.
func (g *Gate) truststoreGraph() awscloudwatch.IWidget {
	return graph("Truststore: out of step, warnings, moves",
		series(g.Truststore, metricTruststoreOutOfStep, "Maximum", fiveMinutes()), series(g.Truststore, metricTruststoreWarnings, "Maximum", fiveMinutes()),
		series(g.Truststore, metricTruststoreMoved, "Sum", fiveMinutes()))
}

func (g *Gate) alarmStatus() awscloudwatch.IWidget {
	var alarms []interfacesawscloudwatch.IAlarmRef
	for _, name := range slices.Sorted(maps.Keys(g.Alarms)) { // so that the template is always the same
		alarms = append(alarms, g.Alarms[name])
	}
	return awscloudwatch.NewAlarmStatusWidget(&awscloudwatch.AlarmStatusWidgetProps{
		Title: jsii.String("Alarms"), Alarms: &alarms, Width: jsii.Number(24), Height: jsii.Number(5),
	})
}

func graph(title string, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
	return awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
		Title: jsii.String(title), Left: &metrics, Width: jsii.Number(8), Height: jsii.Number(6),
	})
}
