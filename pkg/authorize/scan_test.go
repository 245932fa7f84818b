package authorize

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// richEvent has every kind of token, some of them where the event is read.
const richEvent = `{"version":"1.0","x":[null,true,-90.5e+19,{"a":"\u00e9\n"},[],{}],"requestContext": {"domainName":"d","identity":{"clientCert":{"clientCertPem":"P\u00aF\ud83d\ude00\\"}}}}`

// TestTruncatedEvents: no event ends before its end, and none makes the scanner
// read beyond it.
func TestTruncatedEvents(t *testing.T) {
	if _, err := ParseEvent([]byte(richEvent)); err != nil {
		t.Fatal(err)
	}
	whole := []byte(richEvent)
	for n := range whole {
		if r, err := ParseEvent(whole[:n:n]); !errors.Is(err, ErrEvent) || r.CertificatePEM != "" {
			t.Errorf("%q: %+v %v", richEvent[:n], r, err)
		}
	}
}

// TestFaultsAreNamed: an error says what is wrong, and at which byte.
func TestFaultsAreNamed(t *testing.T) {
	for payload, want := range map[string]string{
		``:                                      "expected { at byte 0",
		`[]`:                                    "expected { at byte 0",
		`{"a"`:                                  "expected : at byte 4",
		`{"a" 1}`:                               "expected : at byte 5",
		`{x}`:                                   `expected " at byte 1`,
		`{"a":1 2}`:                             "expected , or } at byte 7",
		`{"a":1`:                                "expected , or } at byte 6",
		`{"a":null`:                             "expected , or } at byte 9",
		`{"a":1}x`:                              "something follows the event at byte 7",
		`{"a":"b`:                               "string without end at byte 7",
		`{"a":"b\n`:                             "string without end at byte 9",
		`{"a":"\`:                               "escape that JSON does not have at byte 6",
		`{"a":"\q"}`:                            "escape that JSON does not have at byte 6",
		`{"a":"\u12`:                            "escape that JSON does not have at byte 6",
		"{\"a\":\"\n\"}":                        "control character in a string at byte 6",
		`{"a":x}`:                               "expected a value at byte 5",
		`{"a":/}`:                               "expected a value at byte 5",
		`{"a"::}`:                               "expected a value at byte 5",
		`{"a":!}`:                               "expected a value at byte 5",
		`{"a":[1 2]}`:                           "expected , or ] at byte 8",
		`{"a":[1,]}`:                            "expected a value at byte 8",
		`{"a":-}`:                               "expected a digit at byte 6",
		`{"a":1.}`:                              "expected a digit behind the point at byte 7",
		`{"a":1e}`:                              "expected a digit of the exponent at byte 7",
		`{"a":{"b":x}}`:                         "expected a value at byte 10",
		`{"version":2.0,"requestContext":{}}`:   `version: not JSON: expected " at byte 11`,
		`{"version":"1.0","version":"2.0"}`:     "version comes twice",
		`{"version":"1.0"}`:                     "it has no requestContext",
		`{"version":"3.0","requestContext":{}}`: `version "3.0" is not 1.0 or 2.0`,
		`{"methodArn":1}`:                       `methodArn: not JSON: expected "`,
		`{"methodArn":"a","methodArn":"b"}`:     "methodArn comes twice",
		`{"routeArn":"a","routeArn":"b"}`:       "routeArn comes twice",
		`{"requestContext":[]}`:                 "expected { at byte 18",
		`{"requestContext":{},"requestContext":{}}`:                                       "requestContext comes twice",
		`{"requestContext":{"domainName":1}}`:                                             `requestContext.domainName: not JSON: expected "`,
		`{"requestContext":{"requestId":1}}`:                                              `requestContext.requestId: not JSON: expected "`,
		`{"requestContext":{"x":x}}`:                                                      "expected a value at byte 23",
		`{"requestContext":{"identity":null,"identity":{}}}`:                              "requestContext.identity comes twice",
		`{"requestContext":{"authentication":null,"authentication":{}}}`:                  "requestContext.authentication comes twice",
		`{"requestContext":{"identity":{"x":x}}}`:                                         "expected a value at byte 35",
		`{"requestContext":{"authentication":{"x":x}}}`:                                   "expected a value at byte 41",
		`{"requestContext":{"identity":{"clientCert":null,"clientCert":{}}}}`:             "clientCert comes twice",
		`{"requestContext":{"identity":{"clientCert":"P"}}}`:                              "expected { at byte 44",
		`{"requestContext":{"identity":{"clientCert":{"x":x}}}}`:                          "expected a value at byte 49",
		`{"requestContext":{"identity":{"clientCert":{"clientCertPem":{}}}}}`:             `clientCertPem: not JSON: expected " at byte 61`,
		`{"requestContext":{"authentication":{"clientCert":{"clientCertPem":"\x"}}}}`:     "clientCertPem: not JSON: escape that JSON does not have",
		`{"requestContext":{"identity":{"clientCert":{"clientCertPem":"P","y":1,"y":x}}}`: "expected a value",
	} {
		if _, err := ParseEvent([]byte(payload)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", payload, err, want)
		}
	}
}

// TestDepth: a hundred objects and arrays may be open at once, however they are
// mixed, and one that was closed counts no longer.
func TestDepth(t *testing.T) {
	nested := func(open, end string, n int) string { return strings.Repeat(open, n) + "1" + strings.Repeat(end, n) }
	for _, place := range []string{`{"x":%,"requestContext":{}}`, `{"requestContext":{"x":%}}`, `{"requestContext":{"identity":{"x":%}}}`, `{"requestContext":{"identity":{"clientCert":{"x":%}}}}`} {
		above := strings.Count(place[:strings.Index(place, "%")], "{")
		for _, b := range [][2]string{{"[", "]"}, {`{"y":`, "}"}} {
			fits := nested(b[0], b[1], maxDepth-above)
			if _, err := ParseEvent([]byte(strings.Replace(place, "%", fits, 1))); err != nil {
				t.Errorf("%s, %d deep: %v", place, maxDepth, err)
			}
			if _, err := ParseEvent([]byte(strings.Replace(place, "%", "["+fits+","+fits+"]", 1))); err == nil || !strings.Contains(err.Error(), "nested too deep") {
				t.Errorf("%s, one deeper: %v", place, err)
			}
		}
	}
	wide := "[" + strings.TrimSuffix(strings.Repeat(`[],{},[1],{"a":1},`, maxDepth), ",") + "]"
	if _, err := ParseEvent([]byte(`{"x":` + wide + `,"requestContext":{}}`)); err != nil {
		t.Error(err)
	}
}

// TestOctetsOfStrings: whatever octets a text has, it is written as valid JSON,
// and only those are escaped that must be.
func TestOctetsOfStrings(t *testing.T) {
	for c := range 256 {
		for at := range 17 {
			s := strings.Repeat("y", at) + string([]byte{byte(c)}) + strings.Repeat("z", 16-at)
			if got := appendString(nil, s); !utf8.Valid(got) {
				t.Fatalf("%q is written as %q", s, got)
			}
		}
	}
	if got := appendString([]byte("x"), "\x01 \x1f\x7f\"é"); !bytes.Equal(got, []byte(`x"\u0001 \u001f`+"\x7f"+`\"é"`)) {
		t.Errorf("%s", got)
	}
}
