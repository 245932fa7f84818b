package gate

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// PropsError is what New panics with, and Validate returns, when props do not fit together. It lists every
// fault, each with its remedy.
type PropsError struct {
	Faults []string
}

func (e *PropsError) Error() string {
	return "crlgate: the props of gate.New do not work:\n  - " + strings.Join(e.Faults, "\n  - ")
}

// Validate reports what New would refuse: a *PropsError, or nil. It looks for the function assets too.
func (p *Props) Validate() error {
	if p == nil {
		p = &Props{}
	}
	var f faults
	f.general(p)
	f.authorizer(orZero(p.Authorizer))
	f.preprocessor(orZero(p.Preprocessor))
	f.sweeping(p)
	f.buckets(orZero(p.Buckets))
	f.alarms(orZero(p.Alarms))
	f.associations(p)
	f.truststore(p)
	f.fetcher(p)
	if len(f) == 0 {
		return nil
	}
	return &PropsError{Faults: f}
}

// faults collects what is wrong, so that one synth names all of it.
type faults []string

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// number checks that v, when set, is between low and high.
func (f *faults) number(name string, v *float64, low, high float64) {
	if v != nil && !(*v >= low && *v <= high) { // so that NaN is refused too
		f.add("%s is %v: give a number from %v to %v, or leave it out", name, *v, low, high)
	}
}

// whole checks like number, and that v is a whole number.
func (f *faults) whole(name string, v *float64, low, high float64) {
	f.number(name, v, low, high)
	if v != nil && *v != float64(int64(*v)) {
		f.add("%s is %v: give a whole number", name, *v)
	}
}

// duration checks that d, when set, is between low and high.
func (f *faults) duration(name string, d awscdk.Duration, low, high time.Duration) {
	if d == nil {
		return
	}
	if v := goDuration(d); v < low || v > high {
		f.add("%s is %s: give a duration from %s to %s, or leave it out", name, short(v), short(low), short(high))
	}
}

func (f *faults) general(p *Props) {
	switch p.Architecture {
	case "", Arm64, Amd64:
	default:
		f.add("Architecture is %q: give gate.Arm64 or gate.Amd64", p.Architecture)
		return
	}
	functions := []string{preprocessorName, authorizerName}
	if p.Truststore != nil {
		functions = append(functions, truststoreName)
	}
	if p.Fetcher != nil {
		functions = append(functions, fetcherName)
	}
	for _, function := range functions {
		bootstrap := filepath.Join(assetPath(p, function), "bootstrap")
		if info, err := os.Stat(bootstrap); err != nil || !info.Mode().IsRegular() {
			f.add("the %s's binary is not at %s: run `make build`, which makes it, or set AssetPath to the folder that holds %s/bootstrap",
				function, bootstrap, function)
		}
	}
}

func (f *faults) authorizer(p AuthorizerProps) {
	switch p.Mode {
	case "", Enforce, Observe:
	default:
		f.add("Authorizer.Mode is %q: give gate.Enforce or gate.Observe", p.Mode)
	}
	f.duration("Authorizer.RevalidateAfter", p.RevalidateAfter, 0, time.Hour)
	f.duration("Authorizer.MaxUnvalidated", p.MaxUnvalidated, time.Second, 7*24*time.Hour)
	f.duration("Authorizer.Timeout", p.Timeout, time.Second, 10*time.Second)
	f.number("Authorizer.LogAllowed", p.LogAllowed, 0, 1)
	f.whole("Authorizer.MemorySize", p.MemorySize, 128, 10240)
	f.whole("Authorizer.ReservedConcurrency", p.ReservedConcurrency, 1, 1e6)

	revalidate := durationOr(p.RevalidateAfter, functionRevalidateAfter)
	if most := durationOr(p.MaxUnvalidated, functionMaxUnvalidated); most < revalidate {
		f.add("Authorizer.MaxUnvalidated is %s, less than RevalidateAfter, %s: a catalog would be refused before it is revalidated; raise the first or lower the second",
			short(most), short(revalidate))
	}
	if p.MemoryBudget != nil {
		memory := numberOr(p.MemorySize, authorizerMemory)
		budget := *p.MemoryBudget.ToMebibytes(&awscdk.SizeConversionOptions{Rounding: awscdk.SizeRoundingBehavior_NONE})
		if budget < 1 || budget > memory*3/4 {
			f.add("Authorizer.MemoryBudget is %v MiB of %v MiB of memory: give 1 MiB to three quarters of MemorySize, as the rest of the function needs room too", budget, memory)
		}
	}
	f.provisioned(p)
}

var scheduleName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)

func (f *faults) provisioned(p AuthorizerProps) {
	c := p.ProvisionedConcurrency
	if c == nil {
		return
	}
	if c.Executions == nil {
		f.add("Authorizer.ProvisionedConcurrency.Executions is missing: say how many environments to keep")
	}
	f.whole("Authorizer.ProvisionedConcurrency.Executions", c.Executions, 1, 1e5)
	most := numberOr(c.Executions, 0)
	names := map[string]bool{}
	for i, s := range c.Schedule {
		at := fmt.Sprintf("Authorizer.ProvisionedConcurrency.Schedule[%d]", i)
		name := stringOr(s.Name, "")
		if !scheduleName.MatchString(name) || names[name] {
			f.add("%s.Name is %q: give each entry a name of its own, of letters and digits", at, name)
		}
		names[name] = true
		if s.At == nil || s.Executions == nil {
			f.add("%s lacks At or Executions: give both", at)
		}
		f.whole(at+".Executions", s.Executions, 0, 1e5)
		most = max(most, numberOr(s.Executions, 0))
	}
	if p.ReservedConcurrency != nil && most > *p.ReservedConcurrency {
		f.add("Authorizer.ProvisionedConcurrency keeps up to %v environments and ReservedConcurrency allows %v: raise the second", most, *p.ReservedConcurrency)
	}
}

var fingerprint = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)

// sweeping checks that an authorizer finds what the oldest catalog names that it may answer from.
func (f *faults) sweeping(p *Props) {
	keep := durationOr(orZero(p.Preprocessor).SweepAfter, functionSweepAfter)
	held := durationOr(orZero(p.Authorizer).MaxUnvalidated, functionMaxUnvalidated)
	if keep <= held {
		f.add("Preprocessor.SweepAfter is %s, and Authorizer.MaxUnvalidated %s: an authorizer may answer from a catalog so old that what it names was swept; raise the first above the second", short(keep), short(held))
	}
}

func (f *faults) preprocessor(p PreprocessorProps) {
	f.duration("Preprocessor.Timeout", p.Timeout, time.Second, 15*time.Minute)
	f.duration("Preprocessor.MaxEventAge", p.MaxEventAge, time.Minute, 6*time.Hour)
	f.duration("Preprocessor.ReconcileEvery", p.ReconcileEvery, time.Minute, 24*time.Hour)
	f.duration("Preprocessor.SweepAfter", p.SweepAfter, time.Hour, 365*24*time.Hour)
	f.whole("Preprocessor.MemorySize", p.MemorySize, 128, 10240)
	f.whole("Preprocessor.ReservedConcurrency", p.ReservedConcurrency, 1, 1000)
	f.whole("Preprocessor.RetryAttempts", p.RetryAttempts, 0, 2)
	if d := p.ReconcileEvery; d != nil && goDuration(d)%time.Minute != 0 {
		f.add("Preprocessor.ReconcileEvery is %s: give whole minutes", short(goDuration(d)))
	}
	if p.ReservedConcurrency != nil && isTrue(p.Unreserved) {
		f.add("Preprocessor.ReservedConcurrency and Unreserved are both set: keep one of them")
	}
	if p.MaxCRLBytes != nil && *p.MaxCRLBytes.ToBytes(nil) < 1024 {
		f.add("Preprocessor.MaxCRLBytes is %v bytes: a CRL is not that small; give at least 1 KiB", *p.MaxCRLBytes.ToBytes(nil))
	}
	for _, pin := range p.PinnedIssuers {
		if !fingerprint.MatchString(strings.ReplaceAll(pin, ":", "")) {
			f.add("Preprocessor.PinnedIssuers has %q: give a SHA-256 fingerprint, as `openssl x509 -noout -fingerprint -sha256` prints it after the equals sign", pin)
		}
	}
	f.prefixes(p)
}

// prefixes checks that the prefixes are such that S3 takes a notification for each (it refuses overlap) and
// that no CRL can be an issuer.
func (f *faults) prefixes(p PreprocessorProps) {
	if p.CRLPrefixes != nil && len(p.CRLPrefixes) == 0 {
		f.add("Preprocessor.CRLPrefixes is empty: give at least one, or leave it out")
	}
	all := uploadPrefixes(p)
	for i, a := range all {
		if !strings.HasSuffix(a, "/") || strings.HasPrefix(a, "/") || strings.ContainsAny(a, ",*?$\"\\ ") || len(a) > 512 {
			f.add("prefix %q: give one that ends in a slash, does not begin with one, and has no comma, space, quote, dollar sign or wildcard", a)
		}
		for _, b := range all[i+1:] {
			if strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
				f.add("prefixes %q and %q overlap: S3 takes only one notification for a key; give prefixes of which none begins another", a, b)
			}
		}
	}
}

var domainName = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$`)

func (f *faults) truststore(p *Props) {
	t := p.Truststore
	if t == nil {
		return
	}
	if name := stringOr(t.DomainName, ""); name == "" || !*awscdk.Token_IsUnresolved(name) && !domainName.MatchString(name) {
		f.add("Truststore.DomainName is %q: give the custom domain name whose truststore is looked after, such as api.example.com", name)
	}
	switch object := t.Bucket != nil || t.Key != nil; {
	case isTrue(t.Move) && len(orZero(p.Preprocessor).PinnedIssuers) == 0:
		f.add("Truststore.Move is on and Preprocessor.PinnedIssuers is empty: whoever writes issuers would decide who may connect; pin the certificates of all CAs up to their roots, or leave Move out")
	case isTrue(t.Move) && object:
		f.add("Truststore.Move is on and Bucket or Key is set: the domain is moved to the gate's own object; leave both out")
	case !isTrue(t.Move) && (stringOr(t.Bucket, "") == "" || stringOr(t.Key, "") == ""):
		f.add("Truststore.Bucket or Key is missing: name the object that the domain has as its truststore, so that it can be compared with the issuers")
	}
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (f *faults) bucketName(field string, name *string) {
	switch {
	case name == nil:
	case *awscdk.Token_IsUnresolved(name):
		f.add("%s is known only at deployment: give it as plain text, or leave it out", field)
	case !bucketName.MatchString(*name):
		f.add("%s is %q: give 3 to 63 lower-case letters, digits, dots and hyphens", field, *name)
	}
}

func (f *faults) buckets(p BucketsProps) {
	f.whole("Buckets.NoncurrentDays", p.NoncurrentDays, 1, 36500)
	f.whole("Buckets.AccessLogDays", p.AccessLogDays, 1, 36500)
	f.bucketName("Buckets.UploadName", p.UploadName)
	f.bucketName("Buckets.CacheName", p.CacheName)
	if p.UploadName != nil && p.CacheName != nil && *p.UploadName == *p.CacheName {
		f.add("Buckets.UploadName and CacheName are both %q: whoever uploads CRLs would write what the authorizer trusts; give two names", *p.UploadName)
	}
	if p.AccessLogs != nil && p.AccessLogDays != nil {
		f.add("Buckets.AccessLogs and AccessLogDays are both set: the lifecycle of your own bucket is yours; leave AccessLogDays out")
	}
}

func (f *faults) alarms(p AlarmsProps) {
	f.duration("Alarms.CRLExpiryWarning", p.CRLExpiryWarning, time.Minute, 365*24*time.Hour)
	f.duration("Alarms.CRLExpiryCritical", p.CRLExpiryCritical, time.Minute, 365*24*time.Hour)
	f.duration("Alarms.PendingAfter", p.PendingAfter, 5*time.Minute, 24*time.Hour)
	f.whole("Alarms.VanishedSerials", p.VanishedSerials, 1, 1e9)
	f.number("Alarms.VanishedShare", p.VanishedShare, 1, 100)
	f.duration("Alarms.CAExpiryWarning", p.CAExpiryWarning, time.Minute, 10*365*24*time.Hour)
	f.duration("Alarms.FetchOverdue", p.FetchOverdue, 5*time.Minute, 30*24*time.Hour)
	f.number("Alarms.DenialBand", p.DenialBand, 1, 100)
	if d := p.PendingAfter; d != nil && goDuration(d)%(5*time.Minute) != 0 {
		f.add("Alarms.PendingAfter is %s: give a multiple of 5 min, the period of the metric", short(goDuration(d)))
	}
	warning, critical := durationOr(p.CRLExpiryWarning, crlExpiryWarning), durationOr(p.CRLExpiryCritical, crlExpiryCritical)
	if critical >= warning {
		f.add("Alarms.CRLExpiryCritical is %s, not less than CRLExpiryWarning, %s: the warning comes first", short(critical), short(warning))
	}
}

// goDuration is d as Go has it. A duration of milliseconds is kept; a token has no value at synth and panics in CDK.
func goDuration(d awscdk.Duration) time.Duration {
	return time.Duration(*d.ToMilliseconds(nil)) * time.Millisecond
}

// short prints a duration without the zeros that Go adds: 15m and not 15m0s. time.ParseDuration reads it.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func durationOr(d awscdk.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return goDuration(d)
}

func numberOr(v *float64, otherwise float64) float64 {
	if v == nil {
		return otherwise
	}
	return *v
}

func stringOr(v *string, otherwise string) string {
	if v == nil {
		return otherwise
	}
	return *v
}

func isTrue(v *bool) bool { return v != nil && *v }

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func strs(values ...string) *[]*string { return jsii.Strings(values...) }
