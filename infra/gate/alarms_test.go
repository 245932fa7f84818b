package gate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
	"github.com/crlgate/crlgate/pkg/telemetry"
)

// reference is a metric that a template refers to: its namespace, name and the names of its dimensions.
type reference struct {
	namespace, name string
	dimensions      []string
	function        string // value of the dimension "function"
}

// watch is what an alarm of a template watches.
type watch struct {
	metrics   []reference
	statistic string
	condition string
	periods   string
	missing   string
}

// alarms are the alarms of a template by name.
func alarms(m template) map[string]watch {
	out := map[string]watch{}
	for id, a := range m.resources("AWS::CloudWatch::Alarm") {
		p := a["Properties"]
		w := watch{missing: text(get(p, "TreatMissingData"))}
		w.statistic = text(get(p, "Statistic"))
		period := text(get(p, "Period"))
		if name := get(p, "MetricName"); name != nil {
			w.metrics = append(w.metrics, referenceOf(p))
		}
		for _, q := range list(get(p, "Metrics")) {
			if stat := get(q, "MetricStat"); stat != nil {
				w.metrics = append(w.metrics, referenceOf(get(stat, "Metric")))
				w.statistic, period = text(get(stat, "Stat")), text(get(stat, "Period"))
			}
		}
		switch get(p, "ComparisonOperator") {
		case "GreaterThanOrEqualToThreshold":
			w.condition = "≥ " + text(get(p, "Threshold"))
		case "LessThanThreshold":
			w.condition = "< " + text(get(p, "Threshold"))
		case "GreaterThanUpperThreshold":
			band := regexp.MustCompile(`ANOMALY_DETECTION_BAND\(m0, (\d+)\)`).FindStringSubmatch(text(get(p, "Metrics")))
			w.condition = "> usual + " + band[1] + " σ"
		}
		w.periods = text(get(p, "EvaluationPeriods")) + " × " + period + " s"
		out[strings.TrimPrefix(id[:len(id)-8], "Gate")] = w
	}
	return out
}

func referenceOf(metric any) reference {
	r := reference{namespace: text(get(metric, "Namespace")), name: text(get(metric, "MetricName"))}
	for _, d := range list(get(metric, "Dimensions")) {
		r.dimensions = append(r.dimensions, text(get(d, "Name")))
		if get(d, "Name") == "function" {
			r.function = text(get(d, "Value"))
		}
	}
	slices.Sort(r.dimensions)
	return r
}

// dashboardReferences are the crlgate metrics that the dashboard names.
func dashboardReferences(m template) []reference {
	_, dashboard := m.one("AWS::CloudWatch::Dashboard", "")
	body := text(get(dashboard, "Properties", "DashboardBody"))
	var out []reference
	for _, found := range regexp.MustCompile(`\["crlgate","(\w+)","function","([^"]+)"`).FindAllStringSubmatch(body, -1) {
		out = append(out, reference{"crlgate", found[1], []string{"function"}, found[2]})
	}
	for _, found := range regexp.MustCompile(`SEARCH\('\{crlgate,([a-z,]+)\} MetricName=\\"(\w+)\\" function=\\"([^"\\]+)\\"`).FindAllStringSubmatch(body, -1) {
		dimensions := strings.Split(found[1], ",")
		slices.Sort(dimensions)
		out = append(out, reference{"crlgate", found[2], dimensions, found[3]})
	}
	return out
}

// reportedBy are the metrics that the functions report, each with the dimension sets it is reported under.
func reportedBy() map[string][]string {
	out := map[string][]string{}
	for _, d := range telemetry.Metrics() {
		for _, by := range d.By {
			names := []string{"function"}
			for _, dimension := range by {
				names = append(names, dimension.Name())
			}
			slices.Sort(names)
			out[d.Name] = append(out[d.Name], strings.Join(names, ","))
		}
	}
	return out
}

// reportsUnderItsName holds that a function's metrics bear the name that Lambda gives it: the recorder is made
// with the setting Function, which is read from AWS_LAMBDA_FUNCTION_NAME.
func reportsUnderItsName(t *testing.T, function string) {
	t.Helper()
	calls := func(path, method string, arg int) (found []ast.Expr) {
		file, err := parser.ParseFile(token.NewFileSet(), "../../functions/"+function+"/"+path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == method && len(call.Args) > arg {
					found = append(found, call.Args[arg])
				}
			}
			return true
		})
		return found
	}
	// Package invocation makes one of the name that it is given.
	recorders := append(calls("main.go", "NewRecorder", 1), calls("main.go", "Begin", 1)...)
	for _, name := range recorders {
		if setting, ok := name.(*ast.SelectorExpr); !ok || setting.Sel.Name != "Function" {
			t.Errorf("functions/%s makes a recorder under another name than its setting Function; alarms watch its metrics by its name in Lambda", function)
		}
	}
	read := false
	for _, variable := range calls("config.go", "String", 0) {
		literal, ok := variable.(*ast.BasicLit)
		read = read || ok && literal.Value == `"AWS_LAMBDA_FUNCTION_NAME"`
	}
	if len(recorders) == 0 || !read {
		t.Errorf("functions/%s has %d recorders, and reads its name in Lambda: %v", function, len(recorders), read)
	}
}

// functionOf are the functions of a gate, by logical id.
var functionOf = map[string]string{"GateAuthorizer": "authorizer", "GatePreprocessor": "preprocessor", "GateTruststore": "truststore", "GateFetcher": "fetcher"}

// TestAlarmsWatchWhatIsReported: an alarm on a metric that nobody reports never begins.
func TestAlarmsWatchWhatIsReported(t *testing.T) {
	m := watched(t)
	functions := map[string]bool{}
	for id, function := range functionOf {
		reportsUnderItsName(t, function)
		logical, _ := m.one("AWS::Lambda::Function", id)
		functions["<"+logical+">"] = true
	}
	reported := reportedBy()
	references := dashboardReferences(m)
	if len(references) < 15 {
		t.Fatalf("only %d metrics were found on the dashboard", len(references))
	}
	for _, w := range alarms(m) {
		references = append(references, w.metrics...)
	}
	for _, r := range references {
		if r.namespace != telemetry.Namespace {
			continue
		}
		if sets := reported[r.name]; !slices.Contains(sets, strings.Join(r.dimensions, ",")) {
			t.Errorf("%s by %v is watched, and is reported only by %v", r.name, r.dimensions, sets)
		}
		if !functions[r.function] {
			t.Errorf("%s is watched for the function %q, and the functions report as %v", r.name, r.function, functions)
		}
	}
}

// recordedBy are the metrics that a function records: those whose constants it names.
func recordedBy(t *testing.T, function string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../functions/" + function + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "telemetry" {
					out[s.Sel.Name] = true
				}
			}
			return true
		})
	}
	return out
}

// TestEveryMetricIsRecorded: an alarm on a metric that is defined and that nobody records never begins either. The
// metrics' constants bear their names.
func TestEveryMetricIsRecorded(t *testing.T) {
	m := watched(t)
	recorded := map[string]map[string]bool{}
	all := map[string]bool{}
	for id, function := range functionOf {
		logical, _ := m.one("AWS::Lambda::Function", id)
		recorded["<"+logical+">"] = recordedBy(t, function)
		maps.Copy(all, recorded["<"+logical+">"])
	}
	mains, err := filepath.Glob("../../functions/*/main.go") // also of a function that no gate has
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range mains {
		maps.Copy(all, recordedBy(t, filepath.Base(filepath.Dir(path))))
	}
	references := dashboardReferences(m)
	for _, w := range alarms(m) {
		references = append(references, w.metrics...)
	}
	for _, r := range references {
		if r.namespace == telemetry.Namespace && !recorded[r.function][r.name] {
			t.Errorf("%s is watched for %s, which does not record it", r.name, r.function)
		}
	}
	for _, d := range telemetry.Metrics() {
		if !all[d.Name] {
			t.Errorf("%s is in the table and no function records it", d.Name)
		}
	}
}

func TestEveryAlarmSaysWhatToDo(t *testing.T) {
	headings := map[string]bool{}
	for line := range strings.SplitSeq(operations(t), "\n") {
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			headings[strings.ToLower(heading)] = true
		}
	}
	m := watched(t)
	for id, a := range m.resources("AWS::CloudWatch::Alarm") {
		says, link, _ := strings.Cut(text(get(a, "Properties", "AlarmDescription")), " What to do: ")
		page, section, _ := strings.Cut(link, "#")
		if len(says) < 30 || page != "https://github.com/crlgate/crlgate/blob/main/docs/operations.md" || !headings[section] {
			t.Errorf("%s says %q and links to %q, which is no section of the runbook", id, says, link)
		}
	}
	m = synth(t, &gate.Props{Alarms: &gate.AlarmsProps{RunbookURL: jsii.String("https://wiki.example.com/crlgate")}})
	_, a := m.one("AWS::CloudWatch::Alarm", "GateBreakGlass")
	if got := text(get(a, "Properties", "AlarmDescription")); !strings.HasSuffix(got, " https://wiki.example.com/crlgate#breakglass") {
		t.Errorf("with a runbook of the user's: %s", got)
	}
}

func TestAlarmActions(t *testing.T) {
	for id, a := range synth(t, nil).resources("AWS::CloudWatch::Alarm") {
		if get(a, "Properties", "AlarmActions") != nil {
			t.Errorf("%s acts, though nobody said how", id)
		}
	}
	for id, a := range full(t).resources("AWS::CloudWatch::Alarm") {
		for _, when := range []string{"AlarmActions", "OKActions"} {
			if got := texts(get(a, "Properties", when)); !slices.Equal(got, []string{"arn:aws:sns:eu-west-1:111122223333:alarms"}) {
				t.Errorf("%s of %s: %v", when, id, got)
			}
		}
	}
}

// TestEveryReasonToDenyHasAnAlarm reads the reasons where the authorizer has them.
func TestEveryReasonToDenyHasAnAlarm(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../pkg/authorize/decide.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	reasons := []string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
				reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				if reason != "good" {
					reasons = append(reasons, reason)
				}
			}
		}
		return true
	})
	watched := map[string]int{}
	for _, a := range synth(t, nil).resources("AWS::CloudWatch::Alarm") {
		for _, q := range list(get(a, "Properties", "Metrics")) {
			for _, d := range list(get(q, "MetricStat", "Metric", "Dimensions")) {
				if get(d, "Name") == "reason" {
					watched[text(get(d, "Value"))]++
				}
			}
		}
	}
	if len(reasons) < 13 || len(reasons) != len(watched) {
		t.Errorf("the authorizer has %d reasons to deny, %d are watched", len(reasons), len(watched))
	}
	for _, reason := range reasons {
		if watched[reason] != 1 {
			t.Errorf("%s is watched by %d alarms, want 1", reason, watched[reason])
		}
	}
}

func TestThresholdsFollowTheProps(t *testing.T) {
	minutes := func(n float64) awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(n)) }
	got := alarms(synth(t, &gate.Props{
		Authorizer:   &gate.AuthorizerProps{RevalidateAfter: minutes(2), MaxUnvalidated: minutes(10)},
		Preprocessor: &gate.PreprocessorProps{Timeout: minutes(5), ReconcileEvery: minutes(20)},
		Alarms: &gate.AlarmsProps{
			CRLExpiryWarning: minutes(120), CRLExpiryCritical: minutes(60), PendingAfter: minutes(30),
			VanishedSerials: jsii.Number(7), DenialBand: jsii.Number(2),
			VanishedShare: jsii.Number(12), CAExpiryWarning: minutes(600),
		},
	}))
	for name, want := range map[string]string{
		"CRLExpiryWarning":        "< 7200, 1 × 1200 s",
		"CRLExpiryCritical":       "< 3600, 1 × 1200 s",
		"CRLPending":              "≥ 1, 2 × 1200 s", // no sooner than after 30 min
		"SerialsVanished":         "≥ 7, 1 × 300 s",
		"SerialsVanishedShare":    "≥ 12, 1 × 300 s",
		"CAExpiry":                "< 36000, 1 × 1200 s",
		"CatalogNotRevalidated":   "≥ 360, 1 × 300 s",
		"PreprocessorNearTimeout": "≥ 240000, 1 × 300 s",
		"PreprocessorIdle":        "< 1, 3 × 1200 s",
		"DenialsRevoked":          "> usual + 2 σ, 3 × 300 s",
	} {
		if got := got[name].condition + ", " + got[name].periods; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
