//go:build unix && !linux

package s3local

import "syscall"

// redirect makes the file descriptor to stand for what from stands for.
func redirect(from, to int) error {
	return syscall.Dup2(from, to)
}
