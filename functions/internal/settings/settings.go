// Package settings reads a function's settings from its environment, gathering
// every fault, so that an operator sees all of them at once.
package settings

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/issuer"
)

// Reader reads settings. Its zero value is not of use; see [From].
type Reader struct {
	lookup func(string) (string, bool)
	faults []error
}

// From returns a reader of the variables that lookup knows, such as
// os.LookupEnv does.
func From(lookup func(string) (string, bool)) *Reader { return &Reader{lookup: lookup} }

// Err returns every fault found, each naming its setting and the remedy; nil:
// none.
func (r *Reader) Err() error {
	if len(r.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%d settings cannot be used:\n%w", len(r.faults), errors.Join(r.faults...))
}

// Fault adds a fault of a setting: its value, and what it must be.
func (r *Reader) Fault(name, value, want string) {
	r.faults = append(r.faults, fmt.Errorf("%s is %q; %s", name, value, want))
}

// value returns a setting's text; ok is false where it is not set, or empty.
func (r *Reader) value(name string) (string, bool) {
	v, ok := r.lookup(name)
	v = strings.TrimSpace(v)
	return v, ok && v != ""
}

// Required reads a setting that must be there.
func (r *Reader) Required(name, what string) string {
	v, ok := r.value(name)
	if !ok {
		r.faults = append(r.faults, fmt.Errorf("%s is not set; it must be %s", name, what))
	}
	return v
}

// String reads a text.
func (r *Reader) String(name, otherwise string) string {
	if v, ok := r.value(name); ok {
		return v
	}
	return otherwise
}

// OneOf reads one of some words; the first is the default.
func (r *Reader) OneOf(name string, words ...string) string {
	v, ok := r.value(name)
	if !ok {
		return words[0]
	}
	for _, w := range words {
		if v == w {
			return v
		}
	}
	r.Fault(name, v, "it must be one of "+strings.Join(words, ", "))
	return words[0]
}

// Bool reads true or false.
func (r *Reader) Bool(name string) bool { return r.OneOf(name, "false", "true") == "true" }

// Duration reads a duration such as 10s or 15m, or a plain 0.
func (r *Reader) Duration(name string, otherwise, least, most time.Duration) time.Duration {
	v, ok := r.value(name)
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < least || d > most {
		r.Fault(name, v, fmt.Sprintf("it must be a duration such as 10s or 15m, from %v to %v", least, most))
		return otherwise
	}
	return d
}

// Bytes reads a number of octets such as 1048576, 64MiB or 8GiB.
func (r *Reader) Bytes(name string, otherwise int64) int64 {
	v, ok := r.value(name)
	if !ok {
		return otherwise
	}
	n, ok := parseBytes(v)
	if !ok || n <= 0 {
		r.Fault(name, v, "it must be a number of bytes such as 1048576, 64MiB or 8GiB")
		return otherwise
	}
	return n
}

func parseBytes(v string) (int64, bool) {
	shift := 0
	for suffix, s := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if rest, ok := strings.CutSuffix(v, suffix); ok {
			v, shift = strings.TrimSpace(rest), s
			break
		}
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}

// Share reads a number from 0 to 1.
func (r *Reader) Share(name string) float64 {
	v, ok := r.value(name)
	if !ok {
		return 0
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		r.Fault(name, v, "it must be a share from 0 to 1, such as 0.01")
		return 0
	}
	return f
}

// Prefix reads a key prefix, which ends in a slash.
func (r *Reader) Prefix(name, otherwise string) string {
	p := r.Prefixes(name, otherwise)
	if len(p) != 1 {
		r.Fault(name, strings.Join(p, ","), "it must be one key prefix")
		return otherwise
	}
	return p[0]
}

// Prefixes reads key prefixes, separated by commas, each ending in a slash.
func (r *Reader) Prefixes(name string, otherwise ...string) []string {
	v, ok := r.value(name)
	if !ok {
		return otherwise
	}
	var out []string
	for p := range strings.SplitSeq(v, ",") {
		p = strings.TrimSpace(p)
		if len(p) < 2 || !strings.HasSuffix(p, "/") || strings.HasPrefix(p, "/") {
			r.Fault(name, v, "it must be key prefixes that end in a slash, such as crls/")
			return otherwise
		}
		out = append(out, p)
	}
	return out
}

// Fingerprints reads SHA-256 fingerprints in hex, with or without colons,
// separated by commas.
func (r *Reader) Fingerprints(name string) []issuer.Fingerprint {
	v, ok := r.value(name)
	if !ok {
		return nil
	}
	var out []issuer.Fingerprint
	for f := range strings.SplitSeq(v, ",") {
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(f), ":", ""))
		if err != nil || len(b) != len(issuer.Fingerprint{}) {
			r.Fault(name, f, "it must be SHA-256 fingerprints of certificates, 64 hex digits each, separated by commas")
			continue
		}
		out = append(out, issuer.Fingerprint(b))
	}
	return out
}

// Hosts reads host names and addresses as URLs name them, separated by commas,
// in lower case and without a final dot; an IPv6 address may have its brackets.
func (r *Reader) Hosts(name string) []string {
	v, ok := r.value(name)
	if !ok {
		return nil
	}
	var out []string
	for h := range strings.SplitSeq(v, ",") {
		h = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(h)), ".")
		bare := strings.TrimSuffix(strings.TrimPrefix(h, "["), "]")
		if _, err := netip.ParseAddr(bare); err == nil {
			out = append(out, bare)
			continue
		}
		if h == "" || strings.ContainsFunc(h, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_'
		}) {
			r.Fault(name, v, "it must be host names or addresses, as URLs name them, separated by commas: no scheme, no port, no wildcard")
			return nil
		}
		out = append(out, h)
	}
	return out
}
