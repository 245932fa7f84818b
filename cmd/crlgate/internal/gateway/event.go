package gateway

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
)

// Layouts of the times in events.
const (
	requestTimeLayout = "02/Jan/2006:15:04:05 -0700"
	validityLayout    = "Jan _2 15:04:05 2006 GMT"
)

// clientCert is the certificate of a mutual-TLS connection as events have it.
type clientCert struct {
	ClientCertPem string `json:"clientCertPem"` // the leaf only
	SubjectDN     string `json:"subjectDN"`
	IssuerDN      string `json:"issuerDN"`
	// SerialNumber is written as pairs of hexadecimal digits with colons, as
	// AWS's reference has it. Real events have been seen with other spellings.
	SerialNumber string   `json:"serialNumber"`
	Validity     validity `json:"validity"`
}

type validity struct {
	NotBefore string `json:"notBefore"`
	NotAfter  string `json:"notAfter"`
}

// clientCert returns nil for a request without certificate.
func (c *call) clientCert() *clientCert {
	if c.leaf == nil {
		return nil
	}
	return &clientCert{
		ClientCertPem: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.leaf.Raw})),
		SubjectDN:     nameText(c.leaf.RawSubject),
		IssuerDN:      nameText(c.leaf.RawIssuer),
		SerialNumber:  colonHex(c.leaf.SerialNumber.Bytes()),
		Validity: validity{
			NotBefore: c.leaf.NotBefore.UTC().Format(validityLayout),
			NotAfter:  c.leaf.NotAfter.UTC().Format(validityLayout),
		},
	}
}

func colonHex(octets []byte) string {
	if len(octets) == 0 {
		return "00"
	}
	return strings.ReplaceAll(fmt.Sprintf("% x", octets), " ", ":")
}

// eventV1 is what REST events and payload format 1.0 have in common.
type eventV1 struct {
	Type                            string              `json:"type"`
	MethodARN                       string              `json:"methodArn"`
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"`
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	RequestContext                  contextV1           `json:"requestContext"`
}

type contextV1 struct {
	ResourceID        string         `json:"resourceId"`
	ResourcePath      string         `json:"resourcePath"`
	HTTPMethod        string         `json:"httpMethod"`
	ExtendedRequestID string         `json:"extendedRequestId"`
	RequestTime       string         `json:"requestTime"`
	Path              string         `json:"path"`
	AccountID         string         `json:"accountId"`
	Protocol          string         `json:"protocol"`
	Stage             string         `json:"stage"`
	DomainPrefix      string         `json:"domainPrefix"`
	RequestTimeEpoch  int64          `json:"requestTimeEpoch"` // milliseconds
	RequestID         string         `json:"requestId"`
	Identity          map[string]any `json:"identity"`
	DomainName        string         `json:"domainName"`
	APIID             string         `json:"apiId"`
}

// eventHTTP1 adds what only payload format 1.0 of an HTTP API has.
type eventHTTP1 struct {
	Version            string  `json:"version"`
	IdentitySource     *string `json:"identitySource"`
	AuthorizationToken *string `json:"authorizationToken"`
	eventV1
}

// event builds the authorizer's event. identity are the values of the identity
// sources, in their order.
func (c *call) event(identity []string) ([]byte, error) {
	var event any
	switch c.cfg.Form {
	case REST:
		event = c.eventV1()
	case HTTP1:
		wrapped := eventHTTP1{Version: "1.0", eventV1: c.eventV1()}
		if len(identity) > 0 {
			joined := strings.Join(identity, ",")
			wrapped.IdentitySource, wrapped.AuthorizationToken = &joined, &joined
		}
		event = wrapped
	case HTTP2:
		event = c.eventHTTP2(identity)
	default:
		return nil, fmt.Errorf("gateway: no event in %s", c.cfg.Form)
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("gateway: encoding the %s event: %w", c.cfg.Form, err)
	}
	return payload, nil
}

func (c *call) eventV1() eventV1 {
	resource, parameters := c.resource()
	event := eventV1{
		Type:              "REQUEST",
		MethodARN:         c.arn(),
		Resource:          resource,
		Path:              c.staged(),
		HTTPMethod:        c.request.Method,
		Headers:           lastValues(c.header),
		MultiValueHeaders: c.header,
		PathParameters:    parameters,
		StageVariables:    c.cfg.StageVariables,
		RequestContext:    c.contextV1(resource),
	}
	// A REST API sends empty objects where an HTTP API sends null.
	if c.cfg.Form == REST || len(c.query) > 0 {
		event.QueryStringParameters = lastValues(c.query)
		event.MultiValueQueryStringParameters = c.query
	}
	if c.cfg.Form == REST && event.StageVariables == nil {
		event.StageVariables = map[string]string{}
	}
	return event
}

func (c *call) contextV1(resource string) contextV1 {
	return contextV1{
		ResourceID:        resourceIDs[resource],
		ResourcePath:      resource,
		HTTPMethod:        c.request.Method,
		ExtendedRequestID: c.extendedID,
		RequestTime:       c.received.UTC().Format(requestTimeLayout),
		Path:              c.staged(),
		AccountID:         c.cfg.AccountID,
		Protocol:          c.request.Proto,
		Stage:             c.cfg.Stage,
		DomainPrefix:      c.domainPrefix(),
		RequestTimeEpoch:  c.received.UnixMilli(),
		RequestID:         c.id,
		Identity:          c.identityV1(),
		DomainName:        c.cfg.DomainName,
		APIID:             c.cfg.APIID,
	}
}

// resourceIDs are identifiers of the shape that API Gateway gives to resources.
var resourceIDs = map[string]string{"/": "r00t5d8k1f", "/{proxy+}": "pr0xy7", "$default": "$default"}

// identityV1 is the caller's identity; what no signature or API key supplies is null.
func (c *call) identityV1() map[string]any {
	identity := map[string]any{
		"sourceIp":  c.sourceIP,
		"userAgent": c.request.UserAgent(),
	}
	for _, absent := range []string{
		"accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
		"cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn",
	} {
		identity[absent] = nil
	}
	if certificate := c.clientCert(); certificate != nil {
		identity["clientCert"] = certificate
	}
	return identity
}

// eventHTTP2 is payload format 2.0.
type eventHTTP2 struct {
	Version               string            `json:"version"`
	Type                  string            `json:"type"`
	RouteARN              string            `json:"routeArn"`
	IdentitySource        []string          `json:"identitySource"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext        contextHTTP2      `json:"requestContext"`
	StageVariables        map[string]string `json:"stageVariables,omitempty"`
}

type contextHTTP2 struct {
	AccountID      string          `json:"accountId"`
	APIID          string          `json:"apiId"`
	Authentication *authentication `json:"authentication,omitempty"`
	DomainName     string          `json:"domainName"`
	DomainPrefix   string          `json:"domainPrefix"`
	HTTP           httpHTTP2       `json:"http"`
	RequestID      string          `json:"requestId"`
	RouteKey       string          `json:"routeKey"`
	Stage          string          `json:"stage"`
	Time           string          `json:"time"`
	TimeEpoch      int64           `json:"timeEpoch"` // milliseconds
}

type authentication struct {
	ClientCert *clientCert `json:"clientCert"`
}

type httpHTTP2 struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

func (c *call) eventHTTP2(identity []string) eventHTTP2 {
	route, _ := c.resource()
	event := eventHTTP2{
		Version:        "2.0",
		Type:           "REQUEST",
		RouteARN:       c.arn(),
		IdentitySource: identity,
		RouteKey:       route,
		RawPath:        c.staged(),
		RawQueryString: c.request.URL.RawQuery,
		Headers:        make(map[string]string, len(c.header)),
		StageVariables: c.cfg.StageVariables,
		RequestContext: contextHTTP2{
			AccountID:    c.cfg.AccountID,
			APIID:        c.cfg.APIID,
			DomainName:   c.cfg.DomainName,
			DomainPrefix: c.domainPrefix(),
			HTTP: httpHTTP2{
				Method:    c.request.Method,
				Path:      c.staged(),
				Protocol:  c.request.Proto,
				SourceIP:  c.sourceIP,
				UserAgent: c.request.UserAgent(),
			},
			RequestID: c.id,
			RouteKey:  route,
			Stage:     c.cfg.Stage,
			Time:      c.received.UTC().Format(requestTimeLayout),
			TimeEpoch: c.received.UnixMilli(),
		},
	}
	if certificate := c.clientCert(); certificate != nil {
		event.RequestContext.Authentication = &authentication{ClientCert: certificate}
	}
	for name, values := range c.header {
		if name == "Cookie" {
			event.Cookies = splitCookies(values)
			continue
		}
		event.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	if len(c.query) > 0 {
		event.QueryStringParameters = make(map[string]string, len(c.query))
		for name, values := range c.query {
			event.QueryStringParameters[name] = strings.Join(values, ",")
		}
	}
	return event
}

// splitCookies separates the cookies of all Cookie headers.
func splitCookies(values []string) []string {
	var cookies []string
	for _, value := range values {
		for cookie := range strings.SplitSeq(value, ";") {
			if cookie = strings.TrimSpace(cookie); cookie != "" {
				cookies = append(cookies, cookie)
			}
		}
	}
	return cookies
}

// lastValues keeps the last of each name's values, as the single-value maps do.
func lastValues(values map[string][]string) map[string]string {
	last := make(map[string]string, len(values))
	for name, list := range values {
		if len(list) > 0 {
			last[name] = list[len(list)-1]
		}
	}
	return last
}
