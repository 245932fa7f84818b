package e2e

import (
	"runtime"
	"testing"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/lambdaruntime"
)

// peakMemory returns the most memory that a process ever had resident, in
// octets; 0 where the system does not say.
func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Logf("%s does not tell the memory of a process in /proc: not held", runtime.GOOS)
		return 0
	}
	_, peak := lambdaruntime.Memory(pid)
	if peak == 0 {
		t.Fatalf("process %d: the system does not say how much memory it has", pid)
	}
	return peak
}
