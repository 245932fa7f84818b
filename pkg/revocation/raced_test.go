//go:build race

package revocation_test

// raced: the race detector makes everything ten times slower. What one
// goroutine does over and over is then done less often.
const raced = true
