// Command alwaysallow is a Lambda authorizer that looks at nothing and allows
// everything: what a gateway with an authorizer takes at the least.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

const answer = `{"principalId":"anyone","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"*"}]}}`

type handler struct{}

func (handler) Invoke(context.Context, []byte) ([]byte, error) { return []byte(answer), nil }

func main() { lambda.Start(handler{}) }
