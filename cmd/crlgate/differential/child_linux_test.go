package differential

import "syscall"

// childAttributes has the kernel end nginx with a test that is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
