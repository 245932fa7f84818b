package main

import "fmt"

// The environment variables by which a test binary learns what to do.
const (
	envMutant = "GO_MUTANT"         // the number of the mutant that is switched on
	envReach  = "GO_MUTANT_REACHED" // the file to which the numbers of reached mutants are appended
)

// runtimeFile is the name of the file added to each mutated package.
const runtimeFile = "zz_mutants_runtime.go"

// runtimeSource returns that file: the switch, and the record of what was
// reached. Numbers run from 1 to count. A write goes straight to the system
// call, so that it is the same inside a testing/synctest bubble.
func runtimeSource(name string, count int) string {
	return fmt.Sprintf(`package %s

import (
	mutOS "os"
	mutStrconv "strconv"
	mutAtomic "sync/atomic"
	mutSyscall "syscall"
)

var (
	mutActive = mutStart()
	mutReach  = mutOpen()
	mutSeen   [%d]mutAtomic.Bool
)

func mutStart() int {
	n, _ := mutStrconv.Atoi(mutOS.Getenv(%q))
	return n
}

func mutOpen() int {
	if name := mutOS.Getenv(%q); name != "" {
		if fd, err := mutSyscall.Open(name, mutSyscall.O_WRONLY|mutSyscall.O_APPEND|mutSyscall.O_CREAT|mutSyscall.O_CLOEXEC, 0o600); err == nil {
			return fd
		}
	}
	return -1
}

func mutOn(id int) bool { return id == mutActive || mutReach >= 0 && mutRecord(id) }

func mutRecord(id int) bool {
	if !mutSeen[id].Load() && mutSeen[id].CompareAndSwap(false, true) {
		mutSyscall.Write(mutReach, append(mutStrconv.AppendInt(nil, int64(id), 10), '\n'))
	}
	return false
}

func mutAdd[T ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr](id int, by int64, v T) T {
	if mutOn(id) {
		return v + T(by)
	}
	return v
}

func mutZero[T any](id int, v T) T {
	if mutOn(id) {
		var zero T
		return zero
	}
	return v
}
`, name, count+1, envMutant, envReach)
}
