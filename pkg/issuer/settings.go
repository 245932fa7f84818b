package issuer

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// MaxAllowAhead is how far ahead allow_until may lie.
const MaxAllowAhead = 7 * 24 * time.Hour

// Settings are what an administrator sets for one CA, in issuers/<ca>.json.
// The zero value is the default of every setting.
type Settings struct {
	// Domains are the domain names that this CA's clients may call, in lower
	// case; none: all.
	// A wildcard may stand for the first label.
	Domains []string `json:"domains,omitempty"`
	// Mode is "", "enforce" or "observe": observe lets through what revocation
	// would deny, and says so.
	Mode string `json:"mode,omitempty"`
	// Grace is how long after nextUpdate a CRL still counts as current.
	Grace Duration `json:"grace,omitempty"`
	// MaxCRLAge is how old a CRL's thisUpdate may be; 0: no bound of its own.
	MaxCRLAge Duration `json:"max_crl_age,omitempty"`
	// CRL is "", "required" or "optional": what a CA without any CRL means.
	CRL string `json:"crl,omitempty"`
	// Deny lists serial numbers that are denied before any CRL says so.
	Deny []Serial `json:"deny,omitempty"`
	// AllowUntil lets this CA's clients through until then, all but hits.
	AllowUntil time.Time `json:"allow_until,omitzero"`
	// CRLURLs are where the fetcher gets this CA's CRLs: http or https.
	CRLURLs []string `json:"crl_urls,omitempty"`
}

// Observe reports whether denials of this CA's clients are only reported.
func (s *Settings) Observe() bool { return s.Mode == "observe" }

// CRLOptional reports whether the CA's clients are let in while it has no CRL.
func (s *Settings) CRLOptional() bool { return s.CRL == "optional" }

// BreakGlass reports whether now lies before allow_until. A moment further
// ahead than [MaxAllowAhead] counts as none: it was never accepted.
func (s *Settings) BreakGlass(now time.Time) bool {
	return now.Before(s.AllowUntil) && s.AllowUntil.Sub(now) <= MaxAllowAhead+time.Hour
}

// Denies reports whether the deny list holds the serial number, given as DER
// INTEGER contents.
func (s *Settings) Denies(serial []byte) bool {
	return slices.ContainsFunc(s.Deny, func(d Serial) bool { return bytes.Equal(d, serial) })
}

// ServesDomain reports whether the CA is associated with a domain name. A
// wildcard stands for exactly one label, as it does in a wildcard custom domain
// name of API Gateway: "*.example.com" is api.example.com, and neither
// example.com nor a.b.example.com.
func (s *Settings) ServesDomain(domain string) bool {
	if len(s.Domains) == 0 {
		return true
	}
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	label, parent, _ := strings.Cut(domain, ".")
	return slices.ContainsFunc(s.Domains, func(d string) bool {
		rest, wildcard := strings.CutPrefix(d, "*.")
		return d == domain || wildcard && rest == parent && label != ""
	})
}

// Duration is a time.Duration written as Go writes it, such as "36h" or "1h30m".
type Duration time.Duration

// MarshalText writes the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a duration; negative ones are refused.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration such as \"36h\" or \"90m\"", b)
	}
	*d = Duration(v)
	return nil
}

// Serial is a serial number: DER INTEGER contents, minimally encoded.
type Serial []byte

// String returns lower-case hex of the value, with a minus sign where it is
// negative and an even number of digits: "0a1b", "ff", "-01".
func (s Serial) String() string { return string(s.AppendTo(make([]byte, 0, 64))) }

// AppendTo appends what String returns.
func (s Serial) AppendTo(b []byte) []byte {
	if len(s) == 0 {
		return b
	}
	if s[0] < 0x80 {
		if len(s) > 1 && s[0] == 0 {
			s = s[1:]
		}
		return hex.AppendEncode(b, s)
	}
	// Two's complement of a negative number: invert and add one.
	magnitude := make([]byte, len(s))
	carry := true
	for i := len(s) - 1; i >= 0; i-- {
		magnitude[i] = ^s[i]
		if carry {
			magnitude[i]++
			carry = magnitude[i] == 0
		}
	}
	for len(magnitude) > 1 && magnitude[0] == 0 {
		magnitude = magnitude[1:]
	}
	return hex.AppendEncode(append(b, '-'), magnitude)
}

// ParseSerial reads what [Serial.String] writes, and also upper case, colons,
// spaces and a leading 0x, as other tools print serial numbers.
func ParseSerial(text string) (Serial, error) {
	t := strings.NewReplacer(":", "", " ", "").Replace(strings.ToLower(text))
	t, negative := strings.CutPrefix(t, "-")
	t = strings.TrimPrefix(t, "0x")
	if len(t)%2 == 1 {
		t = "0" + t
	}
	b, err := hex.DecodeString(t)
	if err != nil || len(b) == 0 || len(b) > 64 {
		return nil, fmt.Errorf("%q is not a serial number in hex, such as \"0a1b\" or \"0A:1B\"", text)
	}
	if b[0] >= 0x80 || negative {
		b = append([]byte{0}, b...)
	}
	if negative {
		carry := true
		for i := len(b) - 1; i >= 0; i-- {
			b[i] = ^b[i]
			if carry {
				b[i]++
				carry = b[i] == 0
			}
		}
	}
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b, nil
}

// MarshalText writes the serial number in hex.
func (s Serial) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a serial number in hex.
func (s *Serial) UnmarshalText(b []byte) error {
	v, err := ParseSerial(string(b))
	*s = v
	return err
}

// ParseSettings reads a settings file strictly: an unknown key, a key given
// twice or a bad value refuses the whole file. now bounds allow_until. The
// error is a *[Refusal] that names every fault found.
func ParseSettings(data []byte, now time.Time) (Settings, error) {
	var s Settings
	if len(data) > MaxFile {
		return s, &Refusal{SettingsMalformed, fmt.Sprintf("the file has %d bytes, more than %d", len(data), MaxFile)}
	}
	keys, err := objectKeys(data)
	if err != nil {
		return s, &Refusal{SettingsMalformed, "the file is not one JSON object: " + err.Error()}
	}
	known := []string{"domains", "mode", "grace", "max_crl_age", "crl", "deny", "allow_until", "crl_urls"}
	var unknown []string
	for i, k := range keys {
		switch {
		case !slices.Contains(known, k):
			unknown = append(unknown, fmt.Sprintf("%q", k))
		case slices.Contains(keys[:i], k):
			return s, &Refusal{SettingsMalformed, fmt.Sprintf("key %q is given twice", k)}
		}
	}
	if len(unknown) > 0 {
		return s, &Refusal{SettingsUnknownKey, fmt.Sprintf("unknown %s; the keys are %s", strings.Join(unknown, ", "), strings.Join(known, ", "))}
	}
	if key := nullIn(data); key != "" {
		// encoding/json would pass over it, and leave a serial number without
		// digits in the deny list.
		return s, &Refusal{SettingsInvalidValue, fmt.Sprintf("%q holds null; leave the key out, or give it a value", key)}
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return Settings{}, &Refusal{SettingsInvalidValue, err.Error()}
	}
	if err := s.validate(now); err != nil {
		return Settings{}, &Refusal{SettingsInvalidValue, strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	return s, nil
}

// objectKeys returns the keys of the one JSON object that data is.
func objectKeys(data []byte) ([]string, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil {
		return nil, err
	} else if t != json.Delim('{') {
		return nil, fmt.Errorf("it begins with %v", t)
	}
	var keys []string
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return nil, err
		}
		keys = append(keys, t.(string))
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return keys, nil
}

// nullIn returns a key of the object whose value is null, or a list with null
// in it; "" where there is none.
func nullIn(data []byte) string {
	var values map[string]any
	if err := json.Unmarshal(data, &values); err != nil {
		return "" // said by the caller
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		list, _ := values[key].([]any)
		if values[key] == nil || slices.Contains(list, nil) {
			return key
		}
	}
	return ""
}

func (s *Settings) validate(now time.Time) error {
	var faults []error
	if !slices.Contains([]string{"", "enforce", "observe"}, s.Mode) {
		faults = append(faults, fmt.Errorf("mode is %q; it is \"enforce\" or \"observe\"", s.Mode))
	}
	if !slices.Contains([]string{"", "required", "optional"}, s.CRL) {
		faults = append(faults, fmt.Errorf("crl is %q; it is \"required\" or \"optional\"", s.CRL))
	}
	for i, d := range s.Domains {
		d = strings.ToLower(strings.TrimSuffix(d, "."))
		if !domainName(d) {
			faults = append(faults, fmt.Errorf("domains: %q is not a domain name such as api.example.com or *.example.com", s.Domains[i]))
		}
		s.Domains[i] = d
	}
	if s.AllowUntil.After(now.Add(MaxAllowAhead)) {
		faults = append(faults, fmt.Errorf("allow_until %s lies more than %d days ahead", s.AllowUntil.Format(time.RFC3339), MaxAllowAhead/(24*time.Hour)))
	}
	return errors.Join(append(faults, s.crlURLs()...)...)
}

// domainName accepts what can be a custom domain name of API Gateway, a
// wildcard in the first label included.
func domainName(d string) bool {
	if len(d) == 0 || len(d) > 253 {
		return false
	}
	labels := strings.Split(d, ".")
	for i, label := range labels {
		if i == 0 && label == "*" && len(labels) > 1 {
			continue
		}
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}
