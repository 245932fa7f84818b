package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

func TestEveryBucketIsPrivate(t *testing.T) {
	for name, m := range map[string]template{"default": synth(t, nil), "full": full(t)} {
		buckets := m.resources("AWS::S3::Bucket")
		if len(buckets) != 3 {
			t.Errorf("%s: %d buckets, want uploads, cache and access logs", name, len(buckets))
		}
		for id, bucket := range buckets {
			p := bucket["Properties"]
			for path, want := range map[string]string{
				"PublicAccessBlockConfiguration": `{"BlockPublicAcls":true,"BlockPublicPolicy":true,"IgnorePublicAcls":true,"RestrictPublicBuckets":true}`,
				"OwnershipControls":              `{"Rules":[{"ObjectOwnership":"BucketOwnerEnforced"}]}`,
				"VersioningConfiguration":        `{"Status":"Enabled"}`,
			} {
				if got := text(get(p, path)); got != want {
					t.Errorf("%s: %s of %s is %s", name, path, id, got)
				}
			}
			denials := m.bucketPolicy(id)
			for _, want := range []string{
				"Bool(aws:SecureTransport,false)", "NumericLessThan(s3:TlsVersion,1.2)",
			} {
				if !slices.ContainsFunc(denials, func(line string) bool {
					return strings.HasPrefix(line, "Deny AWS:* s3:* on ") && strings.HasSuffix(line, " if "+want)
				}) {
					t.Errorf("%s: the policy of %s does not deny if %s:\n%s", name, id, want, strings.Join(denials, "\n"))
				}
			}
		}
	}
}

// bucketPolicy is the statements of the policy of a bucket.
func (m template) bucketPolicy(id string) []string {
	for _, policy := range m.resources("AWS::S3::BucketPolicy") {
		if text(get(policy, "Properties", "Bucket")) == "<"+id+">" {
			return lines(m, get(policy, "Properties", "PolicyDocument"))
		}
	}
	return nil
}

func TestBucketEncryption(t *testing.T) {
	algorithm := func(m template, bucket string) string {
		_, b := m.one("AWS::S3::Bucket", bucket)
		rules := list(get(b, "Properties", "BucketEncryption", "ServerSideEncryptionConfiguration"))
		if len(rules) != 1 {
			t.Fatalf("%s has %d encryption rules", bucket, len(rules))
		}
		return text(get(rules[0], "ServerSideEncryptionByDefault", "SSEAlgorithm")) + " " + text(get(rules[0], "BucketKeyEnabled"))
	}
	plain, keyed := synth(t, nil), full(t)
	for _, bucket := range []string{"GateUploads", "GateCache", "GateAccessLogs"} {
		if got := algorithm(plain, bucket); got != "AES256 null" {
			t.Errorf("by default %s is encrypted with %s", bucket, got)
		}
	}
	for bucket, want := range map[string]string{"GateUploads": "aws:kms true", "GateCache": "aws:kms true", "GateAccessLogs": "AES256 null"} {
		if got := algorithm(keyed, bucket); got != want {
			t.Errorf("with a key, %s is encrypted with %s, want %s", bucket, got, want)
		}
	}
}

func TestNothingCurrentExpires(t *testing.T) {
	for _, m := range []template{synth(t, nil), full(t)} {
		for _, bucket := range []string{"GateUploads", "GateCache"} {
			_, b := m.one("AWS::S3::Bucket", bucket)
			rules := list(get(b, "Properties", "LifecycleConfiguration", "Rules"))
			if len(rules) != 1 {
				t.Fatalf("%s has %d lifecycle rules, want 1", bucket, len(rules))
			}
			for key := range rules[0].(map[string]any) {
				if !slices.Contains([]string{"Id", "Status", "NoncurrentVersionExpiration", "ExpiredObjectDeleteMarker", "AbortIncompleteMultipartUpload"}, key) {
					t.Errorf("the lifecycle of %s has %s, which may touch current objects", bucket, key)
				}
			}
		}
	}
}

func TestRemovalPolicy(t *testing.T) {
	for _, test := range []struct {
		m    template
		want string
	}{{synth(t, nil), "RetainExceptOnCreate"}, {full(t), "Delete"}} {
		for _, kind := range []string{"AWS::S3::Bucket", "AWS::Logs::LogGroup"} {
			for id, r := range test.m.resources(kind) {
				if got := text(r["DeletionPolicy"]); got != test.want {
					t.Errorf("DeletionPolicy of %s is %s, want %s", id, got, test.want)
				}
			}
		}
	}
}

func TestOnlyThePreprocessorWritesTheCache(t *testing.T) {
	m := synth(t, nil)
	id, _ := m.one("AWS::S3::Bucket", "GateCache")
	want := "Deny AWS:* s3:DeleteObject,s3:DeleteObjectVersion,s3:PutObject on CACHE/* if ArnNotEquals(aws:PrincipalArn,<GatePreprocessorRole>)"
	if got := m.bucketPolicy(id); !slices.Contains(got, want) {
		t.Errorf("no statement\n%s\namong\n%s", want, strings.Join(got, "\n"))
	}
}

func TestBucketNames(t *testing.T) {
	m := synth(t, nil)
	for _, bucket := range []string{"GateUploads", "GateCache", "GateAccessLogs"} {
		_, b := m.one("AWS::S3::Bucket", bucket)
		prefix := text(get(b, "Properties", "BucketNamePrefix"))
		// 63 characters at most, of which "-111122223333-ap-northeast-1-an" takes 31; GovCloud and the sovereign clouds' regions are a few longer.
		if get(b, "Properties", "BucketNamespace") != "account-regional" || len(prefix) > 28 {
			t.Errorf("%s: namespace %v, prefix %q of %d characters", bucket, get(b, "Properties", "BucketNamespace"), prefix, len(prefix))
		}
	}
	m = synth(t, &gate.Props{Buckets: &gate.BucketsProps{UploadName: jsii.String("my-uploads"), CacheName: jsii.String("my-cache")}})
	for bucket, want := range map[string]string{"GateUploads": "my-uploads", "GateCache": "my-cache"} {
		_, b := m.one("AWS::S3::Bucket", bucket)
		if text(get(b, "Properties", "BucketName")) != want || get(b, "Properties", "BucketNamespace") != nil {
			t.Errorf("%s: %s", bucket, text(b["Properties"]))
		}
	}
	if got := environment(m, "GatePreprocessor"); got["UPLOAD_BUCKET"] != "my-uploads" || got["CACHE_BUCKET"] != "my-cache" {
		t.Errorf("the preprocessor is told %v", got)
	}
	if got := strings.Join(lines(m, rolePolicy(m, "GateAuthorizerRole")), "\n"); !strings.Contains(got, "s3:::my-cache/catalog.json") {
		t.Errorf("the authorizer may read\n%s", got)
	}
}

func TestAccessLogs(t *testing.T) {
	m := synth(t, nil)
	id, _ := m.one("AWS::S3::Bucket", "GateAccessLogs")
	_, uploads := m.one("AWS::S3::Bucket", "GateUploads")
	if got := text(get(uploads, "Properties", "LoggingConfiguration", "DestinationBucketName")); got != "<"+id+">" {
		t.Errorf("the upload bucket logs to %s", got)
	}
	want := "Allow Service:logging.s3.amazonaws.com s3:PutObject on LOGS/uploads/* if ArnLike(aws:SourceArn,UPLOADS) StringEquals(aws:SourceAccount,<AWS::AccountId>)"
	if got := m.bucketPolicy(id); !slices.Contains(got, want) {
		t.Errorf("no statement\n%s\namong\n%s", want, strings.Join(got, "\n"))
	}

	stack := newStack(t)
	own := awss3.Bucket_FromBucketName(stack, jsii.String("Own"), jsii.String("central-logs"))
	gate.New(stack, jsii.String("Gate"), &gate.Props{AssetPath: assets(t), Buckets: &gate.BucketsProps{AccessLogs: own}})
	m = read(t, stack)
	_, uploads = m.one("AWS::S3::Bucket", "GateUploads")
	if got := text(get(uploads, "Properties", "LoggingConfiguration", "DestinationBucketName")); got != "central-logs" || len(m.resources("AWS::S3::Bucket")) != 2 {
		t.Errorf("with a bucket of the user's, access logs go to %s, and there are %d buckets", got, len(m.resources("AWS::S3::Bucket")))
	}
}

// TestFeatureFlagsDoNotMatter: the construct is used in apps with any flags.
func TestFeatureFlagsDoNotMatter(t *testing.T) {
	path := assets(t)
	with := func(flags *map[string]any) string {
		app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir()), AnalyticsReporting: jsii.Bool(false), Context: flags})
		stack := awscdk.NewStack(app, jsii.String("Test"), nil)
		gate.New(stack, jsii.String("Gate"), &gate.Props{AssetPath: path})
		m := read(t, stack)
		var out []string
		for _, role := range []string{"GatePreprocessorRole", "GateAuthorizerRole"} {
			statements := lines(m, rolePolicy(m, role))
			slices.Sort(statements)
			out = append(out, statements...)
		}
		for _, kind := range []string{"AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Lambda::EventInvokeConfig"} {
			for _, id := range sortedIDs(m.resources(kind)) {
				out = append(out, id+" "+text(m.resources(kind)[id]["Properties"]))
			}
		}
		return strings.Join(out, "\n")
	}
	if none, all := with(nil), with(cdkFlags(t)); none != all {
		t.Errorf("without flags\n%s\n\nwith the flags of cdk.json\n%s", none, all)
	}
}
