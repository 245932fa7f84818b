//go:build !race

package revocation_test

const raced = false
