package lambdaruntime

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// Options of waitid(2), which package syscall does not define.
const (
	waitidPID     = 1 // P_PID
	waitidStopped = 0x2
	waitidExited  = 0x4
	waitidNoReap  = 0x01000000 // WNOWAIT
)

// parentDeathSignal is what the kernel sends to a child when the thread that
// started it ends, as it does with the parent (PR_SET_PDEATHSIG). A variable, so
// that a test can do without it, as on other systems.
var parentDeathSignal = syscall.SIGKILL

func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: parentDeathSignal}
}

// waitExited blocks until the child has ended, without reaping it.
func waitExited(pid int) bool {
	return waitFor(pid, waitidExited)
}

// waitStopped blocks until the child, which was sent SIGSTOP, has stopped or ended.
func waitStopped(pid int) {
	waitFor(pid, waitidStopped|waitidExited)
}

func waitFor(pid int, states uintptr) bool {
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, waitidPID, uintptr(pid), 0, states|waitidNoReap, 0, 0)
		if errno != syscall.EINTR {
			return errno == 0
		}
	}
}

// Memory returns how much memory a process has resident now, and the most that it
// ever had, in octets, by the operating system's account (VmRSS and VmHWM of
// proc(5)); zeros if that cannot be found.
func Memory(pid int) (resident, peak int64) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, 0
	}
	for line := range bytes.Lines(status) {
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			continue
		}
		kib, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		switch string(fields[0]) {
		case "VmRSS:":
			resident = kib << 10
		case "VmHWM:":
			peak = kib << 10
		}
	}
	return resident, peak
}
