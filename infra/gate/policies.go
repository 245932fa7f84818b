package gate

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// conditions are the condition block of a statement: operator, key, value.
type conditions map[string]map[string]any

func allow(sid string, actions, resources *[]*string, when conditions) awsiam.PolicyStatement {
	props := &awsiam.PolicyStatementProps{Sid: jsii.String(sid), Actions: actions, Resources: resources}
	if when != nil {
		block := map[string]any{}
		for operator, keys := range when {
			block[operator] = keys
		}
		props.Conditions = &block
	}
	return awsiam.NewPolicyStatement(props)
}

// ours limits a statement to buckets of this account: were a bucket ever deleted and its name taken by
// another account, the functions would not read what that account puts there.
func (g *Gate) ours() conditions {
	return conditions{"StringEquals": {"aws:ResourceAccount": g.stack.Account()}}
}

// preprocessorStatements let the preprocessor read uploads and read and write the cache. It may not write or
// delete uploads.
func (g *Gate) preprocessorStatements(p PreprocessorProps) []awsiam.PolicyStatement {
	prefixes := uploadPrefixes(p)
	objects := make([]string, len(prefixes))
	for i, prefix := range prefixes {
		objects[i] = prefix + "*"
	}
	// S3 answers a read of a missing key with 404 only to those who may list, and 403 to others. Such a read
	// names no prefix to list, so a list must name one of ours only if it names any.
	listed := g.ours()
	listed["StringLikeIfExists"] = map[string]any{"s3:prefix": objects}
	cacheObjects := []string{"catalog.json", "catalog/*", "sets/*", "reports/*"}
	if g.movesTruststore() {
		cacheObjects = append(cacheObjects, truststoreKey)
	}
	statements := []awsiam.PolicyStatement{
		allow("ListUploads", strs("s3:ListBucket"), &[]*string{g.arn(g.uploads)}, listed),
		allow("ReadUploads", strs("s3:GetObject"), g.arns(g.uploads, objects...), g.ours()),
		allow("ListCache", strs("s3:ListBucket"), &[]*string{g.arn(g.cache)}, g.ours()),
		allow("WriteCache", strs("s3:GetObject", "s3:PutObject"), g.arns(g.cache, cacheObjects...), g.ours()),
		// What nothing refers to any more. The catalog and the reports are never deleted, and the bucket keeps
		// what is.
		allow("SweepCache", strs("s3:DeleteObject"), g.arns(g.cache, "catalog/*", "sets/*"), g.ours()),
	}
	return append(statements, g.keyStatements("kms:Decrypt", "kms:GenerateDataKey")...)
}

// authorizerStatements let the authorizer read the catalog and the sets, and nothing else.
func (g *Gate) authorizerStatements() []awsiam.PolicyStatement {
	statements := []awsiam.PolicyStatement{
		allow("ListCache", strs("s3:ListBucket"), &[]*string{g.arn(g.cache)}, g.ours()), // a missing key is 404, not 403
		allow("ReadCache", strs("s3:GetObject"), g.arns(g.cache, "catalog.json", "catalog/*", "sets/*"), g.ours()),
	}
	return append(statements, g.keyStatements("kms:Decrypt")...)
}

// keyStatements let a role use the buckets' key, through S3 only. There is none without a key.
func (g *Gate) keyStatements(actions ...string) []awsiam.PolicyStatement {
	if g.key == nil {
		return nil
	}
	throughS3 := conditions{"StringEquals": {"kms:ViaService": "s3." + *g.stack.Region() + "." + *g.stack.UrlSuffix()}}
	return []awsiam.PolicyStatement{allow("UseKey", strs(actions...), &[]*string{g.key.KeyArn()}, throughS3)}
}
