package gate

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

var caName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// GrantIssuer lets grantee write one CA: its certificates, issuers/<ca>.pem, and its settings,
// issuers/<ca>.json. Whoever holds this grant decides whose CRLs are believed for that CA. It panics if ca is
// not a plain file name.
func (g *Gate) GrantIssuer(grantee awsiam.IGrantable, ca *string) awsiam.Grant {
	name := stringOr(ca, "")
	if !caName.MatchString(name) {
		panic(fmt.Errorf("crlgate: GrantIssuer for the CA %q: give the name of its file in the issuers' prefix without .pem, of letters, digits, dots, hyphens and underscores", name))
	}
	prefix := uploadPrefixes(orZero(g.props.Preprocessor))[0]
	return g.grantWrite(grantee, prefix+name+".pem", prefix+name+".json")
}

// GrantCRLs lets grantee write the CRLs under a prefix, such as crls/partner-a/, and nothing else. A CRL is
// believed only if an issuer's key signed it, so this is the grant for a CA's or a pipeline's own upload. It
// panics if prefix does not lie within one of the CRL prefixes.
func (g *Gate) GrantCRLs(grantee awsiam.IGrantable, prefix *string) awsiam.Grant {
	wanted := stringOr(prefix, "")
	crls := uploadPrefixes(orZero(g.props.Preprocessor))[1:]
	for _, within := range crls {
		if strings.HasPrefix(wanted, within) && !strings.ContainsAny(wanted, "*?$") {
			return g.grantWrite(grantee, wanted+"*")
		}
	}
	panic(fmt.Errorf("crlgate: GrantCRLs for the prefix %q: the preprocessor does not look there; give one that begins with %s and has no wildcard",
		wanted, strings.Join(crls, " or ")))
}

// GrantReports lets grantee read what became of the uploads under a prefix, such as crls/partner-a/: the
// reports that `crlgate put` waits for. It panics if prefix is not under an upload prefix.
func (g *Gate) GrantReports(grantee awsiam.IGrantable, prefix *string) awsiam.Grant {
	wanted := stringOr(prefix, "")
	prefixes := uploadPrefixes(orZero(g.props.Preprocessor))
	for _, within := range prefixes {
		if strings.HasPrefix(wanted, within) && !strings.ContainsAny(wanted, "*?$") {
			g.grantKey(grantee, "kms:Decrypt")
			return awsiam.Grant_AddToPrincipalOrResource(&awsiam.GrantWithResourceOptions{
				Grantee: grantee, Actions: strs("s3:GetObject"),
				ResourceArns: g.arns(g.cache, "reports/"+wanted+"*"), Resource: g.CacheBucket,
			})
		}
	}
	panic(fmt.Errorf("crlgate: GrantReports for the prefix %q: nothing uploaded there is reported; give one that begins with %s and has no wildcard",
		wanted, strings.Join(prefixes, " or ")))
}

func (g *Gate) grantWrite(grantee awsiam.IGrantable, keyPatterns ...string) awsiam.Grant {
	g.grantKey(grantee, "kms:GenerateDataKey", "kms:Decrypt") // Decrypt is for the parts of a multipart upload
	return awsiam.Grant_AddToPrincipalOrResource(&awsiam.GrantWithResourceOptions{
		Grantee: grantee, Actions: strs("s3:PutObject"),
		ResourceArns: g.arns(g.uploads, keyPatterns...), Resource: g.UploadBucket,
	})
}

func (g *Gate) grantKey(grantee awsiam.IGrantable, actions ...string) {
	if g.key != nil {
		g.key.Grant(grantee, *strs(actions...)...)
	}
}

// AllowPrivateCA lets an AWS Private CA publish its CRLs to the upload bucket: complete ones are
// crl/<CA-ID>.crl, and any key under crl/ is allowed for partitions. The CA's settings must say S3ObjectAcl BUCKET_OWNER_FULL_CONTROL,
// as the bucket is private. AWS Private CA first writes the object acm-pca-permission-test-key, which no event
// brings to the preprocessor. With an EncryptionKey, the key's policy must let AWS Private CA use it, which is not
// done here. It panics if the preprocessor does not look under crl/, or an ARN is not one.
//
// Source: AWS Private CA User Guide, "Access policies for CRLs in Amazon S3".
func (g *Gate) AllowPrivateCA(arn *string) {
	const prefix = "crl/"
	if !g.hasCRLPrefix(prefix) {
		panic(fmt.Errorf("crlgate: AllowPrivateCA: AWS Private CA writes under %s, which Preprocessor.CRLPrefixes leaves out; add it", prefix))
	}
	if !*awscdk.Token_IsUnresolved(arn) && !strings.Contains(stringOr(arn, ""), ":acm-pca:") {
		panic(fmt.Errorf("crlgate: AllowPrivateCA for %q: give the ARN of an AWS Private CA, arn:aws:acm-pca:…:certificate-authority/…", stringOr(arn, "")))
	}
	service := &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("acm-pca.amazonaws.com"), nil)}
	from := &map[string]any{
		"StringEquals": map[string]any{"aws:SourceAccount": g.stack.Account(), "aws:SourceArn": arn},
	}
	g.UploadBucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: service, Actions: strs("s3:PutObject", "s3:PutObjectAcl"),
		Resources: g.arns(g.uploads, prefix+"*", "acm-pca-permission-test-key"), Conditions: from,
	}))
	g.UploadBucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: service, Actions: strs("s3:GetBucketAcl", "s3:GetBucketLocation"),
		Resources: &[]*string{g.arn(g.uploads)}, Conditions: from,
	}))
}

func (g *Gate) hasCRLPrefix(prefix string) bool {
	for _, p := range uploadPrefixes(orZero(g.props.Preprocessor))[1:] {
		if strings.HasPrefix(prefix, p) {
			return true
		}
	}
	return false
}
