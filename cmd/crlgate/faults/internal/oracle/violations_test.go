package oracle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/faults/internal/oracle"
)

func TestViolations(t *testing.T) {
	v := oracle.Violations{"x: " + oracle.WrongAllow + ": y", "z"}
	if n := v.WrongAllows(); n != 1 {
		t.Errorf("%d wrong allows", n)
	}
	if got := v.String(); got != "x: "+oracle.WrongAllow+": y\nz" {
		t.Errorf("%q", got)
	}
	for i := range 40 {
		v = append(v, fmt.Sprint(i))
	}
	if got := v.String(); strings.Count(got, "\n") != 40 || !strings.HasSuffix(got, "\n37\n… and 2 more") {
		t.Errorf("%q", got)
	}
}
