package s3local

import "syscall"

// redirect makes the file descriptor to stand for what from stands for. Linux
// on arm64 has no dup2.
func redirect(from, to int) error {
	return syscall.Dup3(from, to, 0)
}
