package main

import "syscall"

// dieWithParent has the kernel end MinIO with this process, however it ends.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
