package preprocess

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Request is what an invocation asks for.
type Request struct {
	// Keys of the upload bucket at which something changed, each once, in the
	// order they were named.
	Keys []string
	// Reconcile: look at everything.
	Reconcile bool
	// Repair: look at everything, and mend what is damaged; nil: not asked for.
	Repair *Repair
	// Forget: let go of something; nil: not asked for.
	Forget *Forget
	// Test: S3 says that notifications work; there is nothing to do.
	Test bool
}

// ReconcileRequest is the input that makes the preprocessor look at everything,
// as the timer sends it.
const ReconcileRequest = `{"crlgate":"reconcile"}`

// Repair asks the preprocessor to mend what a reconciliation does not look at:
// a damaged catalog, sets whose octets have changed, reports that are lost.
type Repair struct {
	// Keys are the uploads to be looked at again, CRLs with every octet of their
	// sets; null: all CRLs that are in force.
	Keys []string `json:"keys"`
}

// ParseEvent reads an invocation's payload: an S3 event notification with one
// or more records, S3's test event, the timer's [ReconcileRequest], or an
// EventBridge scheduled event. Records of other buckets than bucket are an
// error: the function is wired wrongly. An event is a hint that something
// changed; of what it says, only the keys are used.
func ParseEvent(payload []byte, bucket string) (Request, error) {
	var event struct {
		Crlgate string `json:"crlgate"`
		Repair
		Event      string `json:"Event"`
		DetailType string `json:"detail-type"`
		Source     string `json:"source"`
		Records    []struct {
			EventSource string `json:"eventSource"`
			EventName   string `json:"eventName"`
			S3          struct {
				Bucket struct {
					Name string `json:"name"`
				} `json:"bucket"`
				Object struct {
					Key string `json:"key"`
				} `json:"object"`
			} `json:"s3"`
		} `json:"Records"`
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return Request{}, fmt.Errorf("the event is not JSON: %w", err)
	}
	switch {
	case event.Crlgate == "reconcile", event.Source == "aws.events" && event.DetailType == "Scheduled Event":
		return Request{Reconcile: true}, nil
	case event.Crlgate == "repair":
		return Request{Repair: &event.Repair}, nil
	case event.Crlgate == "forget":
		return forgetRequest(payload)
	case event.Event == "s3:TestEvent":
		return Request{Test: true}, nil
	case event.Crlgate != "":
		return Request{}, fmt.Errorf("the event asks for %q; the preprocessor knows \"reconcile\", \"repair\" and \"forget\"", event.Crlgate)
	case len(event.Records) == 0:
		return Request{}, fmt.Errorf("the event is neither an S3 event notification nor %s", ReconcileRequest)
	}
	var r Request
	for i, rec := range event.Records {
		if rec.EventSource != "aws:s3" && rec.EventSource != "minio:s3" || rec.S3.Object.Key == "" {
			return Request{}, fmt.Errorf("record %d is of %q and names no S3 object", i, rec.EventSource)
		}
		if rec.S3.Bucket.Name != bucket {
			return Request{}, fmt.Errorf("record %d is of bucket %q, and this function reads %q (UPLOAD_BUCKET)", i, rec.S3.Bucket.Name, bucket)
		}
		key, err := url.QueryUnescape(rec.S3.Object.Key)
		if err != nil {
			return Request{}, fmt.Errorf("record %d: key %q is not form-encoded: %w", i, rec.S3.Object.Key, err)
		}
		if !slices.Contains(r.Keys, key) {
			r.Keys = append(r.Keys, key)
		}
	}
	return r, nil
}

// forgetRequest reads a Forget. It must name one thing, and nothing unknown: what
// was misspelt must not be taken for a request for something else.
func forgetRequest(payload []byte) (Request, error) {
	var f struct {
		Crlgate string `json:"crlgate"`
		Forget
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Request{}, fmt.Errorf("the event asks to forget: %w", err)
	}
	n := 0
	for _, s := range []string{f.CRL, f.CA, f.Floor} {
		if s != "" {
			n++
		}
	}
	if n != 1 {
		return Request{}, errors.New("the event asks to forget, and must name one of \"crl\", \"ca\" and \"floor\"")
	}
	return Request{Forget: &f.Forget}, nil
}

// caName reports whether a CA may be called so: its name goes into logs,
// metrics and what backends are told.
func caName(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == '/' || !unicode.IsPrint(r) })
}

// Class says what an upload key is for: one of the kinds, and of issuers and
// settings the CA's name; "" where it is for nothing.
func (c *Config) Class(key string) (kind, ca string) {
	if name, ok := strings.CutPrefix(key, c.IssuerPrefix); ok {
		if ca, ok := strings.CutSuffix(name, ".pem"); ok && caName(ca) {
			return KindIssuer, ca
		}
		if ca, ok := strings.CutSuffix(name, ".json"); ok && caName(ca) {
			return KindSettings, ca
		}
		return "", ""
	}
	for _, prefix := range c.CRLPrefixes {
		name, ok := strings.CutPrefix(key, prefix)
		// AWS Private CA probes the bucket with an object of this name.
		if ok && name != "" && !strings.HasSuffix(key, "/") && !strings.HasSuffix(key, "acm-pca-permission-test-key") {
			return KindCRL, ""
		}
	}
	return "", ""
}
