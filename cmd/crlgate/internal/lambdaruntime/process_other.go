//go:build unix && !linux

package lambdaruntime

import "syscall"

// processAttributes puts the child in its own process group. There is no
// parent-death signal here. Instead, when the parent dies, a running bootstrap
// loses its connection to the Runtime API, at which aws-lambda-go exits; and a
// stopped one belongs to a process group that just became orphaned, to which
// POSIX has the kernel send SIGHUP and SIGCONT.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// waitExited cannot wait without reaping here; the caller does so with Wait.
func waitExited(int) bool { return false }

// waitStopped does not wait: SIGSTOP takes effect soon.
func waitStopped(int) {}

// Memory knows nothing here.
func Memory(int) (resident, peak int64) { return 0, 0 }
