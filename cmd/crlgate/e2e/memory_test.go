package e2e

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// peakMemory returns the most memory that a process ever had resident, in
// octets; 0 where the system does not say.
func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Logf("%s does not tell the memory of a process in /proc: not held", runtime.GOOS)
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("process %d: no VmHWM", pid)
	return 0
}
