package gate_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

// sorted writes a list in order, because CDK's order depends on feature flags.
func sorted(v any) string { return strings.Join(slices.Sorted(slices.Values(texts(v))), ",") }

// lines writes each statement of a policy document as one line, the buckets by their short names.
func lines(m template, document any) []string {
	var out []string
	for _, s := range list(get(document, "Statement")) {
		parts := []string{text(get(s, "Effect"))}
		if principal := get(s, "Principal"); principal != nil {
			for kind, who := range principal.(map[string]any) {
				parts = append(parts, kind+":"+text(who))
			}
		}
		parts = append(parts, sorted(get(s, "Action")), "on", sorted(get(s, "Resource")))
		if condition := get(s, "Condition"); condition != nil {
			parts = append(parts, "if", conditionText(condition.(map[string]any)))
		}
		out = append(out, m.shorten(strings.Join(parts, " ")))
	}
	return out
}

func conditionText(operators map[string]any) string {
	var out []string
	for operator, keys := range operators {
		for key, value := range keys.(map[string]any) {
			out = append(out, fmt.Sprintf("%s(%s,%s)", operator, key, strings.Join(texts(value), "|")))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// shorten writes the ARN of a bucket as UPLOADS or CACHE, and generated logical ids without their hashes.
func (m template) shorten(s string) string {
	for name, logical := range map[string]string{"UPLOADS": "GateUploads", "CACHE": "GateCache", "LOGS": "GateAccessLogs"} {
		for id, bucket := range m.resources("AWS::S3::Bucket") {
			if strings.HasPrefix(id, logical) {
				prefix := text(get(bucket, "Properties", "BucketNamePrefix"))
				s = strings.ReplaceAll(s, "arn:<AWS::Partition>:s3:::"+prefix+"-<AWS::AccountId>-<AWS::Region>-an", name)
				s = strings.ReplaceAll(s, "<"+id+".Arn>", name)
			}
		}
	}
	for id := range m.json["Resources"].(map[string]any) {
		if len(id) > 8 {
			s = strings.ReplaceAll(s, "<"+id+".Arn>", "<"+id[:len(id)-8]+">")
		}
	}
	return s
}

// rolePolicy is the one policy of a function's role.
func rolePolicy(m template, role string) any {
	m.t.Helper()
	_, policy := m.one("AWS::IAM::Policy", role)
	id, r := m.one("AWS::IAM::Role", role)
	if got := texts(get(policy, "Properties", "Roles")); !slices.Equal(got, []string{"<" + id + ">"}) {
		m.t.Errorf("the policy of %s is attached to %v", role, got)
	}
	if managed := get(r, "Properties", "ManagedPolicyArns"); managed != nil {
		m.t.Errorf("%s has managed policies, which are wider than it needs: %v", role, managed)
	}
	if inline := get(r, "Properties", "Policies"); inline != nil {
		m.t.Errorf("%s has inline policies besides: %v", role, inline)
	}
	if trust := lines(m, get(r, "Properties", "AssumeRolePolicyDocument")); !slices.Equal(trust, []string{"Allow Service:lambda.amazonaws.com sts:AssumeRole on "}) {
		m.t.Errorf("who may assume %s: %v", role, trust)
	}
	return get(policy, "Properties", "PolicyDocument")
}

const ours = "StringEquals(aws:ResourceAccount,<AWS::AccountId>)"

func TestWhatTheFunctionsMayDo(t *testing.T) {
	m := synth(t, nil)
	for role, want := range map[string][]string{
		"GatePreprocessorRole": {
			"Allow logs:CreateLogStream,logs:PutLogEvents on <GatePreprocessorLogs>",
			"Allow s3:ListBucket on UPLOADS if " + ours + " StringLikeIfExists(s3:prefix,issuers/*|crls/*|crl/*)",
			"Allow s3:GetObject on UPLOADS/crl/*,UPLOADS/crls/*,UPLOADS/issuers/* if " + ours,
			"Allow s3:ListBucket on CACHE if " + ours,
			"Allow s3:DeleteObject on CACHE/catalog/*,CACHE/sets/* if " + ours,
			"Allow s3:GetObject,s3:PutObject on CACHE/catalog.json,CACHE/catalog/*,CACHE/reports/*,CACHE/sets/* if " + ours,
			"Allow xray:PutTelemetryRecords,xray:PutTraceSegments on *",
			"Allow sqs:SendMessage on <GateFailures>",
		},
		"GateAuthorizerRole": {
			"Allow logs:CreateLogStream,logs:PutLogEvents on <GateAuthorizerLogs>",
			"Allow s3:ListBucket on CACHE if " + ours,
			"Allow s3:GetObject on CACHE/catalog.json,CACHE/catalog/*,CACHE/sets/* if " + ours,
			"Allow xray:PutTelemetryRecords,xray:PutTraceSegments on *",
		},
	} {
		sameSet(t, role, lines(m, rolePolicy(m, role)), want)
	}
	if n := len(m.resources("AWS::IAM::Policy")); n != 2 {
		t.Errorf("%d policies, want those of the two functions only", n)
	}
}

func TestPrefixesReachThePolicy(t *testing.T) {
	m := synth(t, &gate.Props{Preprocessor: &gate.PreprocessorProps{IssuerPrefix: jsii.String("cas/"), CRLPrefixes: []string{"lists/"}}})
	got := strings.Join(lines(m, rolePolicy(m, "GatePreprocessorRole")), "\n")
	for _, want := range []string{
		"Allow s3:GetObject on UPLOADS/cas/*,UPLOADS/lists/* if",
		"StringLikeIfExists(s3:prefix,cas/*|lists/*)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestKeyIsForTheFunctionsThroughS3Only(t *testing.T) {
	var key string
	stack := newStack(t)
	props := &gate.Props{AssetPath: assets(t), EncryptionKey: awskms.Key_FromKeyArn(stack, jsii.String("Key"), jsii.String(keyARN))}
	gate.New(stack, jsii.String("Gate"), props)
	m := read(t, stack)
	key = " on " + keyARN + " if StringEquals(kms:ViaService,s3.<AWS::Region>.<AWS::URLSuffix>)"
	for role, want := range map[string]string{
		"GatePreprocessorRole": "Allow kms:Decrypt,kms:GenerateDataKey" + key,
		"GateAuthorizerRole":   "Allow kms:Decrypt" + key,
	} {
		if got := lines(m, rolePolicy(m, role)); !slices.Contains(got, want) {
			t.Errorf("%s has no statement\n%s\namong\n%s", role, want, strings.Join(got, "\n"))
		}
	}
}

const keyARN = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-0000-0000-000000000000"

// keyPrefix is a bucket and a prefix of at least a folder, with nothing open but its end.
var keyPrefix = regexp.MustCompile(`^(UPLOADS|CACHE|LOGS)/[a-z-]+/[^*]*\*$`)

// TestPoliciesAreNarrow looks at every statement that allows anything, whoever it is for.
func TestPoliciesAreNarrow(t *testing.T) {
	m := full(t)
	checked := 0
	for _, kind := range []string{"AWS::IAM::Policy", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"} {
		for id, policy := range m.resources(kind) {
			for _, line := range lines(m, get(policy, "Properties", "PolicyDocument")) {
				if strings.HasPrefix(line, "Deny") {
					continue
				}
				checked++
				before, resources, _ := strings.Cut(line, " on ")
				resources, _, _ = strings.Cut(resources, " if ")
				if strings.Contains(before, "*") {
					t.Errorf("%s allows by wildcard: %s", id, line)
				}
				for resource := range strings.SplitSeq(resources, ",") {
					tracing := resource == "*" && strings.Contains(before, "xray:Put") // which take no resource
					if strings.Contains(resource, "*") && !tracing && !keyPrefix.MatchString(resource) {
						t.Errorf("%s allows on more than a prefix: %s", id, line)
					}
				}
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d statements were looked at", checked)
	}
}

func sameSet(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s has, beyond what is wanted:\n%s", what, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s lacks:\n%s\nit has:\n%s", what, line, strings.Join(got, "\n"))
		}
	}
}
