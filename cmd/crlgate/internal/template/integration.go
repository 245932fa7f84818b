package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// requestParameters reads the mappings of request parameters of the integrations
// behind an authorizer. The local stack has one integration for each API, so
// they must be the same in all.
func (d *document) requestParameters(authorizer string, http bool) (map[string]string, error) {
	kind, of := "AWS::ApiGateway::Method", "RestApiId"
	if http {
		kind, of = "AWS::ApiGatewayV2::Integration", "ApiId"
	}
	api, err := d.properties(authorizer).get(of).text()
	if err != nil {
		return nil, err
	}
	var out map[string]string
	from := ""
	for _, id := range d.of(kind) {
		p := d.properties(id)
		if owner, err := p.get(of).text(); err != nil || owner != api {
			continue
		}
		if !http {
			if p = p.get("Integration"); p.missing() {
				continue
			}
		}
		found, err := p.headerMappings(http)
		switch {
		case err != nil:
			return nil, err
		case from != "" && !maps.Equal(out, found):
			return nil, fmt.Errorf("%s and %s map request parameters differently; the local stack knows one integration for each API", from, id)
		}
		out, from = found, id
	}
	return out, nil
}

// headerMappings are the mappings of one integration, but for path parameters
// of a REST API, which differ by the resource and go on as they came.
func (v value) headerMappings(http bool) (map[string]string, error) {
	var out map[string]string
	names, _ := v.get("RequestParameters").v.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !http && strings.HasPrefix(name, "integration.request.path.") {
			continue
		}
		text, err := v.get("RequestParameters", name).text()
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = text
	}
	if kind, _ := v.get("Type").text(); !http && kind == "AWS_PROXY" && len(out) > 0 {
		return nil, fmt.Errorf("%s maps request parameters, and a Lambda proxy integration of a REST API hands the request on as it came", v.at)
	}
	return out, nil
}
