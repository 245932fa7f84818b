package main

import (
	"encoding/json"
	"fmt"
)

// sampleJSON is the cache object of AWS's sample for API Gateway
// (aws-samples/api-gateway-crl-verification): serial numbers in hex as the keys
// of one JSON object, each with an empty string.
func sampleJSON(n int) []byte {
	out := make([]byte, 0, 43*n+2)
	serial := make([]byte, 16)
	out = append(out, '{')
	for i := range n {
		if i > 0 {
			out = append(out, ", "...)
		}
		random.put(serial, uint64(i))
		out = append(out, '"')
		out = hexKey(out, serial)
		out = append(out, `": ""`...)
	}
	return append(out, '}')
}

// decodeSample decodes it as the sample's authorizer does.
func decodeSample(text []byte, n int) error {
	var revoked map[string]string
	if err := json.Unmarshal(text, &revoked); err != nil {
		return err
	}
	if len(revoked) != n {
		return fmt.Errorf("%d of %d keys", len(revoked), n)
	}
	return nil
}
