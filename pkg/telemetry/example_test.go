package telemetry_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/telemetry"
)

// However often something is recorded, a flush writes a line for each set of
// dimensions.
func ExampleRecorder() {
	var out strings.Builder
	r := telemetry.NewRecorder(&out, "my-authorizer", 10*time.Second)
	for range 1000 {
		r.Count(telemetry.CRLRejected, telemetry.Labels{Code: "signature_invalid", CA: "partner-a"})
	}
	if err := r.Flush(time.Unix(1780272000, 0)); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	for line := range strings.Lines(out.String()) {
		fmt.Println(line[strings.LastIndex(line, `"function"`) : len(line)-1])
	}
	// Output:
	// "function":"my-authorizer","CRLRejected":1000}
	// "function":"my-authorizer","code":"signature_invalid","CRLRejected":1000}
	// "function":"my-authorizer","ca":"partner-a","CRLRejected":1000}
}
