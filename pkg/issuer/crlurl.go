package issuer

import (
	"errors"
	"fmt"
	"net/netip"
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

var errNoHost = errors.New("a URL whose host is no name and no address (a name in another script is written with xn--)")

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
	}
	port := u.Port()
	u.Host = strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch {
	case u.Host == "":
		return nil, errors.New("a URL without a host; give one such as http://crl.example.com/ca.crl")
	case strings.Contains(u.Host, ":"):
		if addr, err := netip.ParseAddr(u.Host); err != nil || addr.Zone() != "" {
			return nil, errNoHost
		}
		u.Host = "[" + u.Host + "]"
	case !isHostName(u.Host):
		return nil, errNoHost
	}
	if port != "" {
		u.Host += ":" + port
	}
	if n := len(u.String()); n > MaxCRLURL {
		return nil, fmt.Errorf("a URL of %d octets when its path is escaped: at most %d are taken", n, MaxCRLURL)
	}
	return u, nil
}

// isHostName says whether host is what DNS is asked for: labels of letters,
// digits, hyphens and underscores, none empty (RFC 1123, section 2.1; the
// underscore is no part of it and is met all the same). A name in another
// script is written with xn-- in a certificate (RFC 5280, section 7.4), and so
// it is here.
func isHostName(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
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
