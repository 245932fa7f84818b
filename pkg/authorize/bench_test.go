package authorize_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/internal/pki/pkitest"
)

// obvious is the handler that one writes first: aws-lambda-go's event,
// encoding/json, crypto/x509, and the serial numbers as sorted hex strings.
type obvious struct {
	serials []string
	issuer  string
}

func (o *obvious) Invoke(payload []byte) ([]byte, error) {
	var e events.APIGatewayCustomAuthorizerRequestTypeRequest
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(e.RequestContext.Identity.ClientCert.ClientCertPem))
	if block == nil {
		return nil, fmt.Errorf("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	serial := cert.SerialNumber.Text(16)
	effect := "Deny"
	if _, listed := slices.BinarySearch(o.serials, serial); !listed && string(cert.RawIssuer) == o.issuer {
		effect = "Allow"
	}
	sum := sha256.Sum256(cert.Raw)
	return json.Marshal(events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: hex.EncodeToString(sum[:]),
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{Version: "2012-10-17", Statement: []events.IAMPolicyStatement{
			{Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{e.MethodArn}},
		}},
		Context: map[string]any{"decision": effect, "serial": serial, "subject": cert.Subject.String()},
	})
}

// benchEntries are how many entries the CRL has; the numbers in
// CRLGATE_BENCH_ENTRIES, with commas between, come instead. Ten million take
// some 2 GB of memory, for the obvious handler's strings.
func benchEntries(b *testing.B) (all []int) {
	for text := range strings.SplitSeq(cmp.Or(os.Getenv("CRLGATE_BENCH_ENTRIES"), "1,1000000"), ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			b.Fatalf("CRLGATE_BENCH_ENTRIES: %q is no number of entries", text)
		}
		all = append(all, n)
	}
	return all
}

// benchWorld has one CA with a CRL of some entries, and events of n clients.
func benchWorld(b *testing.B, entries, n int) (*world, *obvious, [][]byte) {
	b.Helper()
	w := newWorld(b)
	ca := pkitest.CA(b, pki.CAOptions{Name: pkix.Name{Organization: []string{"Bench"}, CommonName: "Bench CA"}})
	w.put(b, "issuers/bench.pem", ca.PEM())
	serial := func(i int) *big.Int {
		h := sha256.Sum256(fmt.Append(nil, i))
		return new(big.Int).SetBytes(append([]byte{0x40 | h[0]&0x3f}, h[1:16]...))
	}
	o := &obvious{issuer: string(ca.Name())}
	w.put(b, "crls/bench.crl", pkitest.CRL(b, ca, pki.CRLOptions{
		Number: big.NewInt(1), ThisUpdate: w.now, NextUpdate: w.now.Add(24 * time.Hour),
		EntrySeq: func(yield func(pki.Entry) bool) {
			for i := range entries {
				s := serial(i)
				o.serials = append(o.serials, s.Text(16))
				if !yield(pki.Entry{Serial: s}) {
					return
				}
			}
		},
	}))
	slices.Sort(o.serials)
	key, err := pki.NewKey(pki.RSA2048)
	if err != nil {
		b.Fatal(err)
	}
	payloads := make([][]byte, n)
	for i := range payloads {
		leaf := pkitest.Leaf(b, ca, pki.LeafOptions{
			Serial: serial(-1 - i), Signer: key, Subject: pkix.Name{Organization: []string{"Partner A"}, CommonName: fmt.Sprintf("client-%d", i)}, CRLDistributionPoints: []string{"http://crl.example.com/bench.crl"},
		})
		payloads[i] = event(b, "rest", leaf.PEM())
	}
	return w, o, payloads
}

// BenchmarkDecide measures a warm decision, from event to answer, for
// certificates never seen before (more of them than are remembered) and for one
// that comes again, beside the obvious handler.
func BenchmarkDecide(b *testing.B) {
	for _, entries := range benchEntries(b) {
		b.Run(strconv.Itoa(entries), func(b *testing.B) { benchDecide(b, entries) })
	}
}

func benchDecide(b *testing.B, entries int) {
	w, o, payloads := benchWorld(b, entries, 4096)
	h := w.handler(io.Discard, nil)
	run := func(name string, invoke func([]byte) ([]byte, error), payloads [][]byte) {
		b.Run(name, func(b *testing.B) {
			for _, p := range payloads { // warm, and right
				if answer, err := invoke(p); err != nil || !strings.Contains(string(answer), `"Allow"`) {
					b.Fatalf("%s %v", answer, err)
				}
			}
			b.ReportAllocs()
			before := cpuTime(b)
			i := 0
			for b.Loop() {
				_, _ = invoke(payloads[i%len(payloads)])
				i++
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
	ours := func(p []byte) ([]byte, error) { return h.Invoke(context.Background(), p) }
	run("first-seen/obvious", o.Invoke, payloads)
	run("seen-before/obvious", o.Invoke, payloads[:1])
	o.serials = nil // so that the collector does not go through them on our account
	runtime.GC()
	run("first-seen/crlgate", ours, payloads)
	run("seen-before/crlgate", ours, payloads[:1])
}

// cpuTime is the processor time of this process, the collector's included:
// unlike the time of day, it tells little of what else the machine does.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
