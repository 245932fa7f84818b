// Package e2e holds the end-to-end tests: crlgate whole, on one machine, with
// the binaries that are deployed. See [stack.Start] for what runs.
//
// The tests need the two functions and the crlgate command, whose hidden
// command s3-server is the S3 server. They are built before the first test, or
// taken from CRLGATE_FUNCTIONS, a folder with preprocessor/bootstrap and
// authorizer/bootstrap for this machine, and from CRLGATE_BIN, a path. Nothing
// that is tested is linked into the test itself: what crosses the border is S3,
// Lambda events, TLS, files, and the settings that an operator has.
//
// With -race, the functions that are built here have the race detector too, and
// a race that one of them reports fails the test.
package e2e
