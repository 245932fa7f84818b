// Package emergency changes a CA's settings in the upload bucket when there is no
// time: a serial number denied now, a CA's clients let in for a while. It changes
// the keys that it is told to and nothing else, writes only what the preprocessor
// will accept, and only in place of what it read.
package emergency
