//go:build !race

package e2e

// raceDetector says whether the tests run with -race.
const raceDetector = false
