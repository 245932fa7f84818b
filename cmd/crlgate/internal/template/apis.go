package template

import (
	"fmt"
	"strings"
	"time"
)

// apis reads the authorizers of APIs.
func (d *document) apis(g *Gate) error {
	for _, kind := range []string{"AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer"} {
		for _, id := range d.of(kind) {
			a, err := d.api(id, kind == "AWS::ApiGatewayV2::Authorizer")
			if err == nil {
				a.RequestParameters, err = d.requestParameters(id, a.HTTP)
			}
			if err != nil {
				return err
			}
			g.APIs = append(g.APIs, a)
		}
	}
	return nil
}

func (d *document) api(id string, http bool) (a API, err error) {
	p := d.properties(id)
	kind, ttl := "Type", 300.0 // API Gateway's own for REST APIs
	if http {
		kind, ttl = "AuthorizerType", 0
	}
	if got, _ := p.get(kind).text(); got != "REQUEST" {
		return a, fmt.Errorf("%s is an authorizer of type %q, which gets no client certificate; crlgate's are of type REQUEST", id, got)
	}
	a = API{HTTP: http}
	if a.IdentitySources, err = p.get("IdentitySource").texts(); err != nil {
		return a, err
	}
	if !http && len(a.IdentitySources) > 0 { // one text, with commas
		a.IdentitySources = strings.FieldsFunc(strings.Join(a.IdentitySources, ","), func(r rune) bool { return r == ',' })
	}
	seconds, err := p.get("AuthorizerResultTtlInSeconds").number(ttl)
	if err != nil {
		return a, err
	}
	a.TTL = time.Duration(seconds) * time.Second
	if a.PayloadFormat, err = p.get("AuthorizerPayloadFormatVersion").text(); err != nil {
		return a, err
	}
	a.SimpleResponses, _ = p.get("EnableSimpleResponses").v.(bool)
	return a, nil
}

var domainTypes = []string{"AWS::ApiGateway::DomainName", "AWS::ApiGatewayV2::DomainName"}

// domain reads the custom domain name.
func (d *document) domain(g *Gate) (err error) {
	for _, kind := range domainTypes {
		for _, id := range d.of(kind) {
			if g.Domain != "" {
				return fmt.Errorf("it has more than one domain name; the local stack knows one")
			}
			p := d.properties(id)
			if g.Domain, err = p.get("DomainName").text(); err != nil {
				return err
			}
			g.MutualTLS = !p.get("MutualTlsAuthentication", "TruststoreUri").missing()
			if !g.MutualTLS {
				return fmt.Errorf("%s has no MutualTlsAuthentication: no client certificate would reach the authorizer", id)
			}
		}
	}
	return nil
}
