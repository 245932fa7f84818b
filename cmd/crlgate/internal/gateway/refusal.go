package gateway

import (
	"net/http"
	"strconv"
)

// refusal is a response that the gateway makes itself.
type refusal int

const (
	noRefusal refusal = iota
	refuseUnauthorized
	refuseExplicitDeny
	refuseImplicitDeny
	refuseAuthorizerFault
	refuseUntrusted
	refuseBadRequest
	refuseNoRoute
	refuseURITooLong
	refuseHeaderTooLarge
	refusePayloadTooLarge
	refuseIntegrationTimeout
	refuseIntegrationFailure
)

// response is a refusal as a client sees it.
type response struct {
	status    int
	body      string
	errorType string // x-amzn-ErrorType, of REST APIs only
}

// restResponses are API Gateway's default gateway responses of REST APIs.
var restResponses = map[refusal]response{
	refuseUnauthorized:       {http.StatusUnauthorized, `{"message":"Unauthorized"}`, "UnauthorizedException"},
	refuseExplicitDeny:       {http.StatusForbidden, `{"Message":"User is not authorized to access this resource with an explicit deny"}`, "AccessDeniedException"},
	refuseImplicitDeny:       {http.StatusForbidden, `{"Message":"User is not authorized to access this resource"}`, "AccessDeniedException"},
	refuseAuthorizerFault:    {http.StatusInternalServerError, `{"message":null}`, "AuthorizerConfigurationException"},
	refuseUntrusted:          {http.StatusForbidden, `{"message":"Forbidden"}`, "ForbiddenException"},
	refuseBadRequest:         {http.StatusBadRequest, `{"message":"Bad Request"}`, "BadRequestException"},
	refuseNoRoute:            {http.StatusForbidden, `{"message":"Missing Authentication Token"}`, "MissingAuthenticationTokenException"},
	refuseURITooLong:         {http.StatusRequestURITooLong, `{"message":"Request URI too long"}`, "RequestTooLongException"},
	refuseHeaderTooLarge:     {http.StatusRequestHeaderFieldsTooLarge, `{"message":"Request Header Fields Too Large"}`, ""},
	refusePayloadTooLarge:    {http.StatusRequestEntityTooLarge, `{"message":"HTTP content length exceeded ` + strconv.Itoa(MaxPayloadBytes) + ` bytes."}`, "RequestTooLargeException"},
	refuseIntegrationTimeout: {http.StatusGatewayTimeout, `{"message":"Endpoint request timed out"}`, "InternalServerErrorException"},
	refuseIntegrationFailure: {http.StatusGatewayTimeout, `{"message":"Network error communicating with endpoint"}`, "InternalServerErrorException"},
}

// httpResponses are those of HTTP APIs.
var httpResponses = map[refusal]response{
	refuseUnauthorized:       {status: http.StatusUnauthorized, body: `{"message":"Unauthorized"}`},
	refuseExplicitDeny:       {status: http.StatusForbidden, body: `{"message":"Forbidden"}`},
	refuseImplicitDeny:       {status: http.StatusForbidden, body: `{"message":"Forbidden"}`},
	refuseAuthorizerFault:    {status: http.StatusInternalServerError, body: `{"message":"Internal Server Error"}`},
	refuseUntrusted:          {status: http.StatusForbidden, body: `{"message":"Forbidden"}`},
	refuseBadRequest:         {status: http.StatusBadRequest, body: `{"message":"Bad Request"}`},
	refuseNoRoute:            {status: http.StatusNotFound, body: `{"message":"Not Found"}`},
	refuseURITooLong:         {status: http.StatusRequestURITooLong, body: `{"message":"Request URI Too Long"}`},
	refuseHeaderTooLarge:     {status: http.StatusRequestHeaderFieldsTooLarge, body: `{"message":"Request Header Fields Too Large"}`},
	refusePayloadTooLarge:    {status: http.StatusRequestEntityTooLarge, body: `{"message":"Request Entity Too Large"}`},
	refuseIntegrationTimeout: {status: http.StatusServiceUnavailable, body: `{"message":"Service Unavailable"}`},
	refuseIntegrationFailure: {status: http.StatusServiceUnavailable, body: `{"message":"Service Unavailable"}`},
}

// write sends the refusal in the form's words.
func (r refusal) write(w http.ResponseWriter, form Form) {
	responses := httpResponses
	if form == REST {
		responses = restResponses
	}
	answer, ok := responses[r]
	if !ok {
		answer = responses[refuseAuthorizerFault]
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(answer.body)))
	if answer.errorType != "" {
		header.Set("X-Amzn-Errortype", answer.errorType)
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write([]byte(answer.body)) // a client that has gone away is no fault of ours
}
