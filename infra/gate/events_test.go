package gate_test

import (
	"slices"
	"strings"
	"testing"
)

func TestUploadsInvokeThePreprocessor(t *testing.T) {
	for _, test := range []struct {
		m        template
		prefixes []string
	}{
		{synth(t, nil), []string{"issuers/", "crls/", "crl/"}},
		{full(t), []string{"cas/", "lists/", "crl/"}},
	} {
		m := test.m
		function, _ := m.one("AWS::Lambda::Function", "GatePreprocessor")
		_, bucket := m.one("AWS::S3::Bucket", "GateUploads")
		var got, wanted []string
		for _, c := range list(get(bucket, "Properties", "NotificationConfiguration", "LambdaConfigurations")) {
			rule := list(get(c, "Filter", "S3Key", "Rules"))
			if len(rule) != 1 || text(get(c, "Function")) != "<"+function+".Arn>" {
				t.Fatalf("notification %s", text(c))
			}
			got = append(got, text(get(c, "Event"))+" "+text(get(rule[0], "Name"))+"="+text(get(rule[0], "Value")))
		}
		for _, prefix := range test.prefixes {
			wanted = append(wanted, "s3:ObjectCreated:* prefix="+prefix, "s3:ObjectRemoved:* prefix="+prefix)
		}
		sameSet(t, "the upload bucket's notifications", got, wanted)

		// S3 refuses the notification if the permission is not there first.
		id, permission := m.one("AWS::Lambda::Permission", "GateUploadsInvoke")
		if !slices.Contains(texts(bucket["DependsOn"]), id) {
			t.Errorf("the bucket is made after %v, not after %s", bucket["DependsOn"], id)
		}
		p := permission["Properties"]
		if text(get(p, "Principal")) != "s3.amazonaws.com" || text(get(p, "SourceAccount")) != "<AWS::AccountId>" || m.shorten(text(get(p, "SourceArn"))) != "UPLOADS" {
			t.Errorf("the permission: %s", text(p))
		}
	}
}

// TestNothingTriggersItself: no function can write where what invokes it is: the preprocessor not the uploads, and
// the truststore's, which the cache bucket may invoke, nothing at all.
func TestNothingTriggersItself(t *testing.T) {
	for _, m := range []template{synth(t, nil), watched(t), moved(t), full(t)} {
		uploads, _ := m.one("AWS::S3::Bucket", "GateUploads")
		for id, bucket := range m.resources("AWS::S3::Bucket") {
			for _, c := range list(get(bucket, "Properties", "NotificationConfiguration", "LambdaConfigurations")) {
				if id != uploads && !(strings.HasPrefix(id, "GateCache") && strings.HasPrefix(text(get(c, "Function")), "<GateTruststore")) {
					t.Errorf("%s notifies %s", id, text(c))
				}
			}
		}
		if len(m.resources("AWS::Lambda::Function")) == 3 {
			for _, line := range lines(m, rolePolicy(m, "GateTruststoreRole")) {
				if action, _, _ := strings.Cut(line, " on "); strings.Contains(action, "s3:Put") || strings.Contains(action, "s3:Delete") || strings.Contains(action, "lambda:") {
					t.Errorf("the truststore's function may write or invoke: %s", line)
				}
			}
		}
		for _, line := range lines(m, rolePolicy(m, "GatePreprocessorRole")) {
			action, resource, _ := strings.Cut(line, " on ")
			if strings.Contains(resource, "UPLOADS") && (strings.Contains(action, "Put") || strings.Contains(action, "Delete")) {
				t.Errorf("the preprocessor may write uploads: %s", line)
			}
		}
		for id, config := range m.resources("AWS::Lambda::EventInvokeConfig") {
			if get(config, "Properties", "DestinationConfig", "OnSuccess") != nil {
				t.Errorf("%s sends successes somewhere", id)
			}
		}
		for kind := range map[string]bool{"AWS::Lambda::EventSourceMapping": true, "AWS::S3::BucketNotification": true, "Custom::S3BucketNotifications": true} {
			if len(m.resources(kind)) > 0 {
				t.Errorf("there is a %s", kind)
			}
		}
	}
}

func TestFailuresAreRetriedAndKept(t *testing.T) {
	for _, test := range []struct {
		m            template
		retries, age string
	}{{synth(t, nil), "2", "21600"}, {full(t), "1", "3600"}} {
		m := test.m
		queue, q := m.one("AWS::SQS::Queue", "GateFailures")
		function, _ := m.one("AWS::Lambda::Function", "GatePreprocessor")
		_, config := m.one("AWS::Lambda::EventInvokeConfig", "GateRetries")
		p := config["Properties"]
		for path, want := range map[string]string{
			"MaximumRetryAttempts": test.retries, "MaximumEventAgeInSeconds": test.age, "FunctionName": "<" + function + ">", "Qualifier": "$LATEST",
		} {
			if got := text(get(p, path)); got != want {
				t.Errorf("%s is %s, want %s", path, got, want)
			}
		}
		if got := text(get(p, "DestinationConfig", "OnFailure", "Destination")); got != "<"+queue+".Arn>" {
			t.Errorf("failures go to %s", got)
		}
		policy, _ := m.one("AWS::IAM::Policy", "GatePreprocessorRole")
		if !slices.Contains(texts(config["DependsOn"]), policy) {
			t.Errorf("the destination is set before the role may send to it: %v", config["DependsOn"])
		}
		if get(q, "Properties", "SqsManagedSseEnabled") != true || text(get(q, "Properties", "MessageRetentionPeriod")) != "1209600" {
			t.Errorf("the failure queue: %s", text(q["Properties"]))
		}
		_, qp := m.one("AWS::SQS::QueuePolicy", "GateFailures")
		if got := lines(m, get(qp, "Properties", "PolicyDocument")); !slices.Contains(got, "Deny AWS:* sqs:* on <GateFailures> if Bool(aws:SecureTransport,false)") {
			t.Errorf("the failure queue takes messages without TLS:\n%s", strings.Join(got, "\n"))
		}
	}
}

func TestTimer(t *testing.T) {
	for _, test := range []struct {
		m    template
		rate string
	}{{synth(t, nil), "rate(5 minutes)"}, {full(t), "rate(1 minute)"}} {
		m := test.m
		function, _ := m.one("AWS::Lambda::Function", "GatePreprocessor")
		id, rule := m.one("AWS::Events::Rule", "GateTimer")
		targets := list(get(rule, "Properties", "Targets"))
		if text(get(rule, "Properties", "ScheduleExpression")) != test.rate || get(rule, "Properties", "State") != "ENABLED" || len(targets) != 1 {
			t.Fatalf("the timer: %s", text(rule["Properties"]))
		}
		if got := get(targets[0], "Input"); got != `{"crlgate":"reconcile"}` {
			t.Errorf("the timer says %v", got)
		}
		if text(get(targets[0], "Arn")) != "<"+function+".Arn>" {
			t.Errorf("the timer invokes %s", text(get(targets[0], "Arn")))
		}
		_, permission := m.one("AWS::Lambda::Permission", "GateTimer")
		if p := permission["Properties"]; text(get(p, "Principal")) != "events.amazonaws.com" || text(get(p, "SourceArn")) != "<"+id+".Arn>" {
			t.Errorf("the timer's permission: %s", text(p))
		}
	}
}
