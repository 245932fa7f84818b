package issuer

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Limits on the URLs that a CA's settings name.
const (
	MaxCRLURLs = 1000
	MaxCRLURL  = 2048 // octets of one
)

// ErrURLScheme says that a URL is of a scheme other than http and https.
var ErrURLScheme = errors.New("only http and https are fetched")

// ParseCRLURL reads a URL that a CRL may be fetched from: absolute, http or
// https (else the error wraps [ErrURLScheme]), with a host, without credentials
// and without a fragment. Scheme and host come back in lower case, the host
// without a final dot.
func ParseCRLURL(text string) (*url.URL, error) {
	if len(text) > MaxCRLURL {
		return nil, fmt.Errorf("a URL of %d octets: at most %d are taken", len(text), MaxCRLURL)
	}
	u, err := url.Parse(text)
	if err != nil {
		// url.Error repeats the URL, credentials included.
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return nil, fmt.Errorf("not a URL: %w", err)
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.User != nil:
		return nil, errors.New("a URL with credentials in it: CRLs are public, so leave out what stands before the @")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("a URL of scheme %q: %w", u.Scheme, ErrURLScheme)
	case u.Opaque != "" || u.Hostname() == "":
		return nil, errors.New("a URL without a host; give one such as http://crl.example.com/ca.crl")
	case u.Fragment != "" || u.RawFragment != "":
		return nil, errors.New("a URL with a fragment: leave out what follows the #")
	case strings.ContainsAny(u.Host, " \t\r\n\\") || strings.Contains(u.Hostname(), "%"):
		return nil, errors.New("a URL whose host is no name and no address")
	}
	port := u.Port()
	u.Host = strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch {
	case u.Host == "":
		return nil, errors.New("a URL without a host; give one such as http://crl.example.com/ca.crl")
	case slices.Contains(strings.Split(u.Host, "."), ""): // ".." and "a..b" (RFC 1035, section 2.3.1: a label is not empty)
		return nil, errors.New("a URL whose host is no name and no address")
	}
	if strings.Contains(u.Host, ":") {
		u.Host = "[" + u.Host + "]"
	}
	if port != "" {
		u.Host += ":" + port
	}
	return u, nil
}

// crlURLs returns what is wrong with the URLs of a settings file.
func (s *Settings) crlURLs() []error {
	var faults []error
	if len(s.CRLURLs) > MaxCRLURLs {
		return []error{fmt.Errorf("crl_urls has %d URLs, more than %d", len(s.CRLURLs), MaxCRLURLs)}
	}
	for i, text := range s.CRLURLs {
		switch _, err := ParseCRLURL(text); {
		case err != nil:
			faults = append(faults, fmt.Errorf("crl_urls[%d] is %w", i, err))
		case slices.Contains(s.CRLURLs[:i], text):
			faults = append(faults, fmt.Errorf("crl_urls: %q is given twice", text))
		}
	}
	return faults
}
