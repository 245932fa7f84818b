package gate

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// associations refuses settings of a CA whose domains name none of the domain names that the gate's APIs are
// called by: every client of that CA would be denied with ca_not_associated, and that shows only when one comes.
func (f *faults) associations(p *Props) {
	if len(p.CASettings) == 0 {
		return
	}
	if len(p.Domains) == 0 {
		f.add("CASettings is set and Domains is not: name the domain names that the APIs are called by, or leave CASettings out")
		return
	}
	for _, path := range p.CASettings {
		domains, err := domainsOf(path)
		switch {
		case err != nil:
			f.add("CASettings: %v", err)
		case len(domains) > 0 && !slices.ContainsFunc(domains, func(d string) bool { return servesAny(d, p.Domains) }):
			f.add("CASettings: %s associates its CA with %s, and the APIs are called by %s: every client of that CA would be denied; add one of these to its domains, or leave domains out to allow all",
				path, strings.Join(domains, ", "), strings.Join(p.Domains, ", "))
		}
	}
}

// domainsOf reads the domains of a CA's settings file. The preprocessor judges the rest of it.
func domainsOf(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a CA's settings: %w", err)
	}
	var settings struct {
		Domains []string `json:"domains"`
	}
	if err := json.Unmarshal(data, &settings); err != nil {
		return nil, fmt.Errorf("%s is no settings file of a CA, such as {\"domains\":[\"api.example.com\"]}: %w", path, err)
	}
	return settings.Domains, nil
}

// servesAny reports whether a CA's domain names one of the APIs' domain names. Either may be a wildcard.
func servesAny(domain string, apis []string) bool {
	return slices.ContainsFunc(apis, func(api string) bool { return covers(domain, api) || covers(api, domain) })
}

// covers reports whether a domain name is named by another, in which a wildcard may stand for the first label:
// the authorizer's rule.
func covers(pattern, name string) bool {
	pattern, name = plainDomain(pattern), plainDomain(name)
	label, parent, _ := strings.Cut(name, ".")
	rest, wildcard := strings.CutPrefix(pattern, "*.")
	return pattern == name || wildcard && rest == parent && label != ""
}

func plainDomain(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
