//go:build !linux

package main

import "syscall"

// dieWithParent does nothing here: MinIO shares this process's group, which the
// parent ends.
func dieWithParent() *syscall.SysProcAttr { return nil }
