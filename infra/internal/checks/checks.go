// Package checks records why a finding of a template check is not a fault, beside the code that makes the
// resource. infra/check reads the records and leaves no finding without one, nor a record without a finding.
package checks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Suppression says why findings of some rules are not faults.
type Suppression struct {
	// Rules are the rules' names: cdk-nag's own, or CT.X.PR.n for a proactive control of AWS Control Tower.
	Rules []string
	// Reason is a sentence for whoever reviews the template.
	Reason string
	// Findings, for a rule that reports several on one resource, are regular expressions of those meant.
	Findings []string
}

// metadataKey is where cdk-nag has kept suppressions in a template since its first version.
const metadataKey = "cdk_nag"

// Suppress records suppressions on a resource, or on the resource that a construct mainly is: in the template's
// metadata, and in the construct tree for a cdk-nag in the user's own app.
func Suppress(c constructs.IConstruct, suppressions ...Suppression) {
	resource := resourceOf(c)
	recorded := recordedOn(resource)
	for _, s := range suppressions {
		for _, rule := range s.Rules {
			entry := map[string]any{"id": rule, "reason": s.Reason}
			if len(s.Findings) > 0 {
				entry["applies_to"] = s.Findings
			} else {
				awscdk.Validations_Of(c).Acknowledge(&awscdk.Acknowledgment{Id: jsii.String(rule), Reason: jsii.String(s.Reason)})
			}
			recorded = append(recorded, entry)
		}
	}
	resource.AddMetadata(jsii.String(metadataKey), map[string]any{"rules_to_suppress": recorded})
}

// Recorded tells whether any suppression is recorded on the resource that c mainly is.
func Recorded(c constructs.IConstruct) bool { return len(recordedOn(resourceOf(c))) > 0 }

func resourceOf(c constructs.IConstruct) awscdk.CfnResource {
	if resource, ok := c.(awscdk.CfnResource); ok {
		return resource
	}
	return c.Node().DefaultChild().(awscdk.CfnResource)
}

func recordedOn(resource awscdk.CfnResource) []any {
	earlier, _ := resource.GetMetadata(jsii.String(metadataKey)).(map[string]any)
	recorded, _ := earlier["rules_to_suppress"].([]any)
	return recorded
}

// SourceNamed is for a permission whose source is named by intrinsic functions.
var SourceNamed = Suppression{
	Rules:  []string{"CT.LAMBDA.PR.2"},
	Reason: "SourceArn names the one caller that may invoke; the rule reads only literal ARNs, and this one is known at deployment.",
}

// LogsWithoutKMS is for log groups.
var LogsWithoutKMS = Suppression{
	Rules:  []string{"CT.CLOUDWATCH.PR.3"},
	Reason: "CloudWatch Logs encrypts with a key of its own; the logs name certificates by serial and subject and hold no secret.",
}

// Tracing is for the policy of a role whose function is traced.
var Tracing = Suppression{
	Rules:    []string{"AwsSolutions-IAM5"},
	Reason:   "X-Ray's PutTraceSegments and PutTelemetryRecords take no resource.",
	Findings: []string{`^Resource::\*$`},
}
