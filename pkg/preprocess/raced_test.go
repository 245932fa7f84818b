//go:build race

package preprocess_test

// raced: the race detector makes everything ten times slower. Tests that try
// every case of something with one goroutine then try some of them; what needs
// the detector is in race_test.go.
const raced = true
