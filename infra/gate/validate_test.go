package gate_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapplicationautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

func seconds(n float64) awscdk.Duration { return awscdk.Duration_Seconds(jsii.Number(n)) }

func TestWhatIsRefused(t *testing.T) {
	n := func(v float64) *float64 { return jsii.Number(v) }
	always := awsapplicationautoscaling.Schedule_Expression(jsii.String("cron(0 7 * * ? *)"))
	provisioned := func(executions *float64, schedule ...gate.ProvisionedSchedule) *gate.AuthorizerProps {
		return &gate.AuthorizerProps{ProvisionedConcurrency: &gate.ProvisionedConcurrencyProps{Executions: executions, Schedule: schedule}}
	}
	own := awss3.Bucket_FromBucketName(newStack(t), jsii.String("Own"), jsii.String("own"))
	for _, test := range []struct {
		name  string
		props gate.Props
		want  string
	}{
		{"architecture", gate.Props{Architecture: "arm"}, `Architecture is "arm": give gate.Arm64 or gate.Amd64`},
		{"mode", gate.Props{Authorizer: &gate.AuthorizerProps{Mode: "off"}}, `Authorizer.Mode is "off"`},
		{"unvalidated", gate.Props{Authorizer: &gate.AuthorizerProps{MaxUnvalidated: seconds(5)}}, "MaxUnvalidated is 5s, less than RevalidateAfter, 10s"},
		{"revalidate", gate.Props{Authorizer: &gate.AuthorizerProps{RevalidateAfter: seconds(3600)}}, "MaxUnvalidated is 15m, less than RevalidateAfter, 1h"},
		{"budget", gate.Props{Authorizer: &gate.AuthorizerProps{MemoryBudget: awscdk.Size_Mebibytes(n(385))}}, "Authorizer.MemoryBudget is 385 MiB of 512 MiB"},
		{"log allowed", gate.Props{Authorizer: &gate.AuthorizerProps{LogAllowed: n(1.5)}}, "Authorizer.LogAllowed is 1.5"},
		{"not a number", gate.Props{Authorizer: &gate.AuthorizerProps{LogAllowed: n(math.NaN())}}, "Authorizer.LogAllowed is NaN"},
		{"authorizer memory", gate.Props{Authorizer: &gate.AuthorizerProps{MemorySize: n(64)}}, "Authorizer.MemorySize is 64"},
		{"half a mebibyte", gate.Props{Authorizer: &gate.AuthorizerProps{MemorySize: n(512.5)}}, "Authorizer.MemorySize is 512.5: give a whole number"},
		{"authorizer timeout", gate.Props{Authorizer: &gate.AuthorizerProps{Timeout: seconds(29)}}, "Authorizer.Timeout is 29s: give a duration from 1s to 10s"},
		{"authorizer reserved", gate.Props{Authorizer: &gate.AuthorizerProps{ReservedConcurrency: n(0)}}, "Authorizer.ReservedConcurrency is 0"},
		{"provisioned none", gate.Props{Authorizer: provisioned(nil)}, "ProvisionedConcurrency.Executions is missing"},
		{"schedule unnamed", gate.Props{Authorizer: provisioned(n(1), gate.ProvisionedSchedule{At: always, Executions: n(1)})}, `Schedule[0].Name is ""`},
		{"schedule twice", gate.Props{Authorizer: provisioned(n(1),
			gate.ProvisionedSchedule{Name: jsii.String("A"), At: always, Executions: n(1)},
			gate.ProvisionedSchedule{Name: jsii.String("A"), At: always, Executions: n(1)})}, `Schedule[1].Name is "A"`},
		{"schedule empty", gate.Props{Authorizer: provisioned(n(1), gate.ProvisionedSchedule{Name: jsii.String("A")})}, "Schedule[0] lacks At or Executions"},
		{"provisioned past reserved", gate.Props{Authorizer: &gate.AuthorizerProps{
			ReservedConcurrency: n(3), ProvisionedConcurrency: &gate.ProvisionedConcurrencyProps{Executions: n(4)},
		}}, "keeps up to 4 environments and ReservedConcurrency allows 3"},

		{"preprocessor timeout", gate.Props{Preprocessor: &gate.PreprocessorProps{Timeout: seconds(901)}}, "Preprocessor.Timeout is 15m1s"},
		{"preprocessor memory", gate.Props{Preprocessor: &gate.PreprocessorProps{MemorySize: n(20000)}}, "Preprocessor.MemorySize is 20000"},
		{"event age", gate.Props{Preprocessor: &gate.PreprocessorProps{MaxEventAge: seconds(30)}}, "Preprocessor.MaxEventAge is 30s"},
		{"retries", gate.Props{Preprocessor: &gate.PreprocessorProps{RetryAttempts: n(3)}}, "Preprocessor.RetryAttempts is 3"},
		{"sweeping", gate.Props{Preprocessor: &gate.PreprocessorProps{SweepAfter: seconds(3600)}, Authorizer: &gate.AuthorizerProps{MaxUnvalidated: seconds(7200)}}, "Preprocessor.SweepAfter is 1h, and Authorizer.MaxUnvalidated 2h"},
		{"swept", gate.Props{Preprocessor: &gate.PreprocessorProps{SweepAfter: seconds(60)}}, "Preprocessor.SweepAfter"},
		{"timer", gate.Props{Preprocessor: &gate.PreprocessorProps{ReconcileEvery: seconds(90)}}, "Preprocessor.ReconcileEvery is 1m30s: give whole minutes"},
		{"reserved zero", gate.Props{Preprocessor: &gate.PreprocessorProps{ReservedConcurrency: n(0)}}, "Preprocessor.ReservedConcurrency is 0"},
		{"reserved twice", gate.Props{Preprocessor: &gate.PreprocessorProps{ReservedConcurrency: n(2), Unreserved: jsii.Bool(true)}}, "ReservedConcurrency and Unreserved are both set"},
		{"tiny crl", gate.Props{Preprocessor: &gate.PreprocessorProps{MaxCRLBytes: awscdk.Size_Bytes(n(8))}}, "Preprocessor.MaxCRLBytes is 8 bytes"},
		{"pin", gate.Props{Preprocessor: &gate.PreprocessorProps{PinnedIssuers: []string{"ab:cd"}}}, `PinnedIssuers has "ab:cd"`},
		{"no prefix", gate.Props{Preprocessor: &gate.PreprocessorProps{CRLPrefixes: []string{}}}, "CRLPrefixes is empty"},
		{"no slash", gate.Props{Preprocessor: &gate.PreprocessorProps{IssuerPrefix: jsii.String("issuers")}}, `prefix "issuers": give one that ends in a slash`},
		{"whole bucket", gate.Props{Preprocessor: &gate.PreprocessorProps{IssuerPrefix: jsii.String("")}}, `prefix "": give one that ends in a slash`},
		{"comma", gate.Props{Preprocessor: &gate.PreprocessorProps{CRLPrefixes: []string{"a,b/"}}}, `prefix "a,b/"`},
		{"overlap", gate.Props{Preprocessor: &gate.PreprocessorProps{CRLPrefixes: []string{"crls/", "crls/a/"}}}, `prefixes "crls/" and "crls/a/" overlap`},
		{"crls among issuers", gate.Props{Preprocessor: &gate.PreprocessorProps{IssuerPrefix: jsii.String("crls/issuers/")}}, `prefixes "crls/issuers/" and "crls/" overlap`},

		{"no domain", gate.Props{Truststore: &gate.TruststoreProps{Bucket: jsii.String("b"), Key: jsii.String("k")}}, `Truststore.DomainName is ""`},
		{"no domain name", gate.Props{Truststore: &gate.TruststoreProps{DomainName: jsii.String("https://api.example.com"), Bucket: jsii.String("b"), Key: jsii.String("k")}}, `Truststore.DomainName is "https://api.example.com"`},
		{"moves unpinned", gate.Props{Truststore: &gate.TruststoreProps{DomainName: jsii.String("api.example.com"), Move: jsii.Bool(true)}}, "Truststore.Move is on and Preprocessor.PinnedIssuers is empty"},
		{"moves elsewhere", gate.Props{
			Truststore:   &gate.TruststoreProps{DomainName: jsii.String("api.example.com"), Move: jsii.Bool(true), Key: jsii.String("k")},
			Preprocessor: &gate.PreprocessorProps{PinnedIssuers: []string{strings.Repeat("0", 64)}},
		}, "Truststore.Move is on and Bucket or Key is set"},
		{"no object", gate.Props{Truststore: &gate.TruststoreProps{DomainName: jsii.String("api.example.com"), Bucket: jsii.String("b")}}, "Truststore.Bucket or Key is missing"},

		{"bucket name", gate.Props{Buckets: &gate.BucketsProps{UploadName: jsii.String("My_Bucket")}}, `Buckets.UploadName is "My_Bucket"`},
		{"bucket name token", gate.Props{Buckets: &gate.BucketsProps{CacheName: awscdk.Aws_STACK_NAME()}}, "Buckets.CacheName is known only at deployment"},
		{"one bucket", gate.Props{Buckets: &gate.BucketsProps{UploadName: jsii.String("same"), CacheName: jsii.String("same")}}, `UploadName and CacheName are both "same"`},
		{"noncurrent", gate.Props{Buckets: &gate.BucketsProps{NoncurrentDays: n(0)}}, "Buckets.NoncurrentDays is 0"},
		{"own logs", gate.Props{Buckets: &gate.BucketsProps{AccessLogs: own, AccessLogDays: n(3)}}, "AccessLogs and AccessLogDays are both set"},

		{"expiry", gate.Props{Alarms: &gate.AlarmsProps{CRLExpiryWarning: seconds(3600)}}, "CRLExpiryCritical is 4h, not less than CRLExpiryWarning, 1h"},
		{"pending", gate.Props{Alarms: &gate.AlarmsProps{PendingAfter: seconds(400)}}, "Alarms.PendingAfter is 6m40s"},
		{"vanished", gate.Props{Alarms: &gate.AlarmsProps{VanishedSerials: n(0)}}, "Alarms.VanishedSerials is 0"},
		{"share", gate.Props{Alarms: &gate.AlarmsProps{VanishedShare: n(101)}}, "Alarms.VanishedShare is 101"},
		{"CA expiry", gate.Props{Alarms: &gate.AlarmsProps{CAExpiryWarning: seconds(1)}}, "Alarms.CAExpiryWarning is 1s"},
		{"band", gate.Props{Alarms: &gate.AlarmsProps{DenialBand: n(0)}}, "Alarms.DenialBand is 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.props.AssetPath = assets(t)
			var refused *gate.PropsError
			if err := test.props.Validate(); !errors.As(err, &refused) {
				t.Fatalf("not refused: %v", err)
			}
			if !strings.Contains(refused.Faults[0], test.want) {
				t.Errorf("refused as\n%s\nwant\n%s", strings.Join(refused.Faults, "\n"), test.want)
			}
		})
	}
}

func TestAllFaultsAreNamedAtOnceAndNewPanicsWithThem(t *testing.T) {
	props := &gate.Props{
		AssetPath:    jsii.String(t.TempDir()),
		Truststore:   compared(),
		Authorizer:   &gate.AuthorizerProps{Mode: "off", LogAllowed: jsii.Number(-1)},
		Preprocessor: &gate.PreprocessorProps{RetryAttempts: jsii.Number(9)},
	}
	defer func() {
		var refused *gate.PropsError
		if err, ok := recover().(error); !ok || !errors.As(err, &refused) || len(refused.Faults) != 6 {
			t.Errorf("New panicked with %v, want six faults", err)
		}
		for _, want := range []string{"the preprocessor's binary is not at ", "the authorizer's binary is not at ", "the truststore's binary is not at ", "run `make build`"} {
			if !strings.Contains(refused.Error(), want) {
				t.Errorf("no %q in %s", want, refused)
			}
		}
	}()
	gate.New(newStack(t), jsii.String("Gate"), props)
	t.Error("New did not panic")
}

func TestTheBoundsThemselvesAreAllowed(t *testing.T) {
	props := &gate.Props{
		AssetPath:    assets(t),
		Authorizer:   &gate.AuthorizerProps{RevalidateAfter: seconds(60), MaxUnvalidated: seconds(60), MemoryBudget: awscdk.Size_Mebibytes(jsii.Number(384)), Timeout: seconds(10)},
		Preprocessor: &gate.PreprocessorProps{ReconcileEvery: seconds(60), MaxEventAge: seconds(21600), Timeout: seconds(900)},
	}
	if err := props.Validate(); err != nil {
		t.Error(err)
	}
}
