// Package browser tests the console in a real browser: "make console-test" starts
// a local stack and a console over it, and drives headless Chromium against them.
// Everything here is a test.
package browser
