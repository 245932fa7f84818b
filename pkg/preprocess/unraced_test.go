//go:build !race

package preprocess_test

const raced = false
