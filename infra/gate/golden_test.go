package gate_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
)

var update = flag.Bool("update", false, "write the golden template anew")

// TestFullTemplate keeps the template of a gate with every optional part on, for review and for the template
// checks. The default gate's and the example's are in infra/testdata.
func TestFullTemplate(t *testing.T) {
	const golden = "testdata/full.template.json"
	render := func() []byte {
		stack, _ := fullGate(t, jsii.String("../testdata/assets"))
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", " ")
		if err := encoder.Encode(*assertions.Template_FromStack(stack, nil).ToJSON()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	got := render()
	if !bytes.Equal(got, render()) {
		t.Error("two runs differ")
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the template has changed; if it is meant, run go test ./infra/gate -update, and review the difference of %s", golden)
	}
}
