package oracle

import (
	"fmt"
	"strings"
)

// Violations are what a run found wrong, each as it was said.
type Violations []string

// WrongAllows is how many answers let somebody in who must not be.
func (v Violations) WrongAllows() (n int) {
	for _, what := range v {
		if strings.Contains(what, WrongAllow) {
			n++
		}
	}
	return n
}

// String has the first of them, a line each, and how many more there are.
func (v Violations) String() string {
	const most = 40
	out := strings.Join(v[:min(most, len(v))], "\n")
	if more := len(v) - most; more > 0 {
		out += fmt.Sprintf("\n… and %d more", more)
	}
	return out
}
