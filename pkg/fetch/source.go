package fetch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/clientcert"
	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// Kinds of source: who named the URL.
const (
	FromSettings = "settings"     // crl_urls of the CA's settings
	FromCDP      = "cdp"          // a certificate that the CA issued to another CA
	FromFreshest = "freshest_crl" // a base CRL of the CA that was fetched
)

// Source is one CRL to fetch for a CA.
type Source struct {
	CA   string
	Kind string
	// URLs are names of one and the same CRL, tried in order until one answers.
	// The first gives the source its name.
	URLs []string
}

// maxAlternatives and maxDeltas bound what a certificate or a CRL can have
// fetched.
const (
	maxAlternatives = 4
	maxDeltas       = 8
)

// name is what the source's objects are called: something that people recognize,
// and a hash that tells two apart.
func (s *Source) name() string {
	text := s.URLs[0]
	sum := sha256.Sum256([]byte(text))
	if u, err := issuer.ParseCRLURL(text); err == nil {
		text = u.Hostname()
		if i := strings.LastIndexByte(strings.TrimSuffix(u.Path, "/"), '/'); i >= 0 {
			if last := strings.TrimSuffix(u.Path, "/")[i+1:]; last != "" {
				text += "-" + strings.TrimSuffix(strings.TrimSuffix(last, ".crl"), ".pem")
			}
		}
	}
	return plain(text, 80) + "-" + hex.EncodeToString(sum[:8])
}

// plain keeps of a text what needs no escaping in a key.
func plain(text string, most int) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			b.WriteByte('_')
		}
	}
	return b.String()[:min(b.Len(), most)]
}

// folder is what a CA's objects lie under. A name of nothing but dots would be
// another folder to some.
func folder(ca string) string {
	name := catalog.CRLName(ca)
	if strings.Trim(name, ".") == "" {
		name = strings.ReplaceAll(name, ".", "_2e")
	}
	return name
}

// CRLKey is the upload key of what is fetched from a source.
func (s *Source) CRLKey(prefix string) string { return prefix + folder(s.CA) + "/" + s.name() + ".crl" }

// StateKey is the key of the source's state.
func (s *Source) StateKey(prefix string) string {
	return prefix + folder(s.CA) + "/" + s.name() + ".json"
}

// Sources lists what there is to fetch for the CAs of a catalog: the URLs of
// their settings and, if cdp, those that certificates of other CAs name for their
// CRLs. states are those of what was fetched before, which name deltas.
func Sources(c *catalog.Catalog, cdp bool, states []*State) []Source {
	var out []Source
	seen := map[string]bool{}
	add := func(s Source) {
		if id := s.CA + "\x00" + s.URLs[0]; !seen[id] {
			seen[id] = true
			out = append(out, s)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.CAs)) {
		for _, u := range c.CAs[name].Settings.CRLURLs {
			add(Source{name, FromSettings, []string{u}})
		}
	}
	if cdp {
		for _, s := range pointSources(c) {
			add(s)
		}
	}
	// Deltas last, and only of sources that are still there.
	base := slices.Clone(out)
	for _, state := range states {
		if !slices.ContainsFunc(base, func(s Source) bool { return s.CA == state.CA && s.URLs[0] == state.URLs[0] }) {
			continue
		}
		for i, uris := range state.Freshest {
			if i < maxDeltas {
				add(Source{state.CA, FromFreshest, alternatives(uris)})
			}
		}
	}
	return out
}

// alternatives puts what can be fetched first; a name of a CRL that no URL of
// these schemes gives is kept, so that it is reported on.
func alternatives(uris []string) []string {
	out := slices.Clone(uris)
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return out[:min(len(out), maxAlternatives)]
}

func rank(uri string) int {
	if _, err := issuer.ParseCRLURL(uri); err != nil {
		return 1
	}
	return 0
}

// pointSources lists the distribution points of the catalog's CA certificates.
// What they name is the CRL of the CA that issued them, which says whether their
// own key is revoked; so it is fetched for that CA, where the catalog has it.
func pointSources(c *catalog.Catalog) []Source {
	byName := map[issuer.Name][]string{}
	names := slices.Sorted(maps.Keys(c.CAs))
	for _, name := range names {
		for _, cert := range c.CAs[name].Certificates {
			if parsed, err := issuer.ParseCertificate(cert.DER); err == nil && !slices.Contains(byName[parsed.Name], name) {
				byName[parsed.Name] = append(byName[parsed.Name], name)
			}
		}
	}
	var out []Source
	for _, name := range names {
		for _, cert := range c.CAs[name].Certificates {
			out = append(out, pointsOf(cert.DER, byName)...)
		}
	}
	return out
}

func pointsOf(der []byte, byName map[issuer.Name][]string) []Source {
	cert, err := clientcert.Parse(der)
	if err != nil {
		return nil
	}
	parent, err := issuer.ParseName(cert.Issuer)
	if err != nil {
		return nil
	}
	var out []Source
	for _, p := range cert.DistributionPoints {
		if p.CRLIssuer != nil {
			continue // an indirect CRL of another issuer
		}
		uris := crl.URIs(p.FullName)
		if len(uris) == 0 {
			continue
		}
		for _, ca := range byName[parent] {
			out = append(out, Source{ca, FromCDP, alternatives(uris)})
		}
	}
	return out
}

// String names the source, for people.
func (s *Source) String() string { return fmt.Sprintf("%s for %s", s.URLs[0], s.CA) }
