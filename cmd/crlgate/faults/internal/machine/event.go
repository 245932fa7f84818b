package machine

import (
	"encoding/json"
	"net/url"
)

// Timer is the payload that the schedule sends.
const Timer = `{"crlgate":"reconcile"}`

// Changed is an S3 event notification about a key of the pair's upload bucket.
func (p *Pair) Changed(key string, removed bool) []byte {
	name := "ObjectCreated:Put"
	if removed {
		name = "ObjectRemoved:DeleteMarkerCreated"
	}
	return mustJSON(map[string]any{"Records": []any{map[string]any{
		"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": name,
		"s3": map[string]any{"bucket": map[string]any{"name": p.Uploads.Name()}, "object": map[string]any{"key": url.QueryEscape(key)}},
	}}})
}

// Request is an authorizer's event of an HTTP API, payload format 2.0, from a
// client with this certificate in PEM.
func Request(clientCertPEM []byte) []byte {
	return mustJSON(map[string]any{
		"version": "2.0", "type": "REQUEST", "routeArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/$default/GET/",
		"identitySource": []string{}, "routeKey": "GET /", "rawPath": "/", "rawQueryString": "", "headers": map[string]string{},
		"requestContext": map[string]any{
			"accountId": "123456789012", "apiId": "a1b2c3d4e5", "domainName": "api.faults.test", "requestId": "r", "stage": "$default",
			"http":           map[string]any{"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
			"authentication": map[string]any{"clientCert": map[string]any{"clientCertPem": string(clientCertPEM)}},
		},
	})
}

// Answer reads the authorizer's simple response.
func Answer(payload []byte) (allowed bool, reason string, err error) {
	var a struct {
		IsAuthorized bool `json:"isAuthorized"`
		Context      struct {
			Reason string `json:"reason"`
		} `json:"context"`
	}
	err = json.Unmarshal(payload, &a)
	return a.IsAuthorized, a.Context.Reason, err
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // it is made of strings
	}
	return data
}
