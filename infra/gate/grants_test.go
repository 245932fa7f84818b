package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

// granted is what a role may do after grant.
func granted(t *testing.T, grant func(*gate.Gate, awsiam.IGrantable)) []string {
	t.Helper()
	m := synth(t, nil, func(stack awscdk.Stack, g *gate.Gate) {
		grant(g, awsiam.NewRole(stack, jsii.String("Pipeline"), &awsiam.RoleProps{AssumedBy: awsiam.NewAccountRootPrincipal()}))
	})
	_, policy := m.one("AWS::IAM::Policy", "Pipeline")
	return lines(m, get(policy, "Properties", "PolicyDocument"))
}

func TestGrants(t *testing.T) {
	for _, test := range []struct {
		name  string
		grant func(*gate.Gate, awsiam.IGrantable)
		want  string
	}{
		{"issuer", func(g *gate.Gate, to awsiam.IGrantable) { g.GrantIssuer(to, jsii.String("partner-a")) }, "Allow s3:PutObject on UPLOADS/issuers/partner-a.json,UPLOADS/issuers/partner-a.pem"},
		{"crls", func(g *gate.Gate, to awsiam.IGrantable) { g.GrantCRLs(to, jsii.String("crls/partner-a/")) }, "Allow s3:PutObject on UPLOADS/crls/partner-a/*"},
		{"reports", func(g *gate.Gate, to awsiam.IGrantable) { g.GrantReports(to, jsii.String("crls/partner-a/")) }, "Allow s3:GetObject on CACHE/reports/crls/partner-a/*"},
	} {
		if got := granted(t, test.grant); !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s: %s\nwant %s", test.name, strings.Join(got, "\n"), test.want)
		}
	}
}

func TestGrantsIncludeTheKey(t *testing.T) {
	m := full(t)
	_, policy := m.one("AWS::IAM::Policy", "Pipeline")
	got := strings.Join(lines(m, get(policy, "Properties", "PolicyDocument")), "\n")
	for _, action := range []string{"kms:Decrypt", "kms:GenerateDataKey"} {
		if !strings.Contains(got, action) {
			t.Errorf("the pipeline lacks %s:\n%s", action, got)
		}
	}
}

func TestGrantsOutsideTheirPrefixesPanic(t *testing.T) {
	g := gate.New(newStack(t), jsii.String("Gate"), &gate.Props{AssetPath: assets(t)})
	to := awsiam.NewArnPrincipal(jsii.String("arn:aws:iam::111122223333:role/pipeline"))
	for name, grant := range map[string]func(){
		"a CA with a slash":  func() { g.GrantIssuer(to, jsii.String("a/b")) },
		"every CA":           func() { g.GrantIssuer(to, jsii.String("*")) },
		"no CA":              func() { g.GrantIssuer(to, nil) },
		"CRLs among issuers": func() { g.GrantCRLs(to, jsii.String("issuers/")) },
		"CRLs anywhere":      func() { g.GrantCRLs(to, jsii.String("")) },
		"CRLs by wildcard":   func() { g.GrantCRLs(to, jsii.String("crls/*/a/")) },
		"reports of nothing": func() { g.GrantReports(to, jsii.String("other/")) },
		"not a private CA":   func() { g.AllowPrivateCA(jsii.String("arn:aws:acm:eu-west-1:111122223333:certificate/x")) },
		"no private CA":      func() { g.AllowPrivateCA(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if err, ok := recover().(error); !ok || !strings.HasPrefix(err.Error(), "crlgate: ") {
					t.Errorf("it did not panic with a message of ours: %v", err)
				}
			}()
			grant()
		})
	}
}

func TestPrivateCAMayPublish(t *testing.T) {
	m := synth(t, nil, func(_ awscdk.Stack, g *gate.Gate) { g.AllowPrivateCA(jsii.String(privateCA)) })
	id, _ := m.one("AWS::S3::Bucket", "GateUploads")
	from := " if StringEquals(aws:SourceAccount,<AWS::AccountId>) StringEquals(aws:SourceArn," + privateCA + ")"
	var got []string
	for _, line := range m.bucketPolicy(id) {
		if strings.HasPrefix(line, "Allow") {
			got = append(got, line)
		}
	}
	sameSet(t, "the upload bucket's policy", got, []string{
		"Allow Service:acm-pca.amazonaws.com s3:PutObject,s3:PutObjectAcl on UPLOADS/acm-pca-permission-test-key,UPLOADS/crl/*" + from,
		"Allow Service:acm-pca.amazonaws.com s3:GetBucketAcl,s3:GetBucketLocation on UPLOADS" + from,
	})
}

func TestPrivateCANeedsItsPrefix(t *testing.T) {
	g := gate.New(newStack(t), jsii.String("Gate"), &gate.Props{AssetPath: assets(t), Preprocessor: &gate.PreprocessorProps{CRLPrefixes: []string{"crls/"}}})
	defer func() {
		if err, ok := recover().(error); !ok || !strings.Contains(err.Error(), "CRLPrefixes leaves out") {
			t.Errorf("it did not panic over the prefix: %v", err)
		}
	}()
	g.AllowPrivateCA(jsii.String(privateCA))
}
