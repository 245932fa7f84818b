//go:build !linux

package differential

import "syscall"

func childAttributes() *syscall.SysProcAttr { return nil }
