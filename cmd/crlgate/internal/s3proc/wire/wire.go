// Package wire is the contract between the local S3 server, which runs as a
// child process, and its parent: the configuration that the parent writes as
// the first line of the child's standard input, and the messages that the
// child writes, one JSON object a line, to its standard output.
//
// It is a package of its own so that the parent knows the contract without
// linking the S3 server.
package wire

import "encoding/json"

// Config is what the child reads, as one line of JSON. It travels over
// standard input because it holds the secret key, which must not appear in the
// list of processes.
type Config struct {
	// DataDir is the folder that holds everything the server stores. It is
	// created if missing. Two servers must not share one.
	DataDir string `json:"dataDir"`
	// Port is the TCP port on 127.0.0.1; 0 takes a free one.
	Port int `json:"port"`
	// Region is the one region the server accepts in signatures and names in
	// events; us-east-1 if empty.
	Region string `json:"region"`
	// AccessKey and SecretKey are the only credentials the server accepts.
	AccessKey string `json:"accessKey"`
	SecretKey string `json:"secretKey"`
	// Buckets are created before the server is ready; those that exist stay.
	Buckets []Bucket `json:"buckets"`
	// Events are the notifications that are asked for. An object that several
	// filters match is reported once.
	Events []EventFilter `json:"events"`
}

// Bucket is a bucket to create.
type Bucket struct {
	Name string `json:"name"`
	// Versioned turns versioning on. It is never turned off again.
	Versioned bool `json:"versioned"`
}

// EventFilter asks for the events of one bucket.
type EventFilter struct {
	Bucket string `json:"bucket"`
	// Prefixes are prefixes of the decoded key; none means every key.
	Prefixes []string `json:"prefixes,omitempty"`
}

// Message is one line from the child. Exactly one field is set.
type Message struct {
	// Ready comes first, once, when the server accepts requests.
	Ready *Ready `json:"ready,omitempty"`
	// Event is one S3 event notification, {"Records":[…]}, as S3 would send it.
	Event json.RawMessage `json:"event,omitempty"`
	// Error says why the server could not start or why it ended.
	Error string `json:"error,omitempty"`
}

// Ready says where the server listens.
type Ready struct {
	// Endpoint is the base URL, without a slash at the end.
	Endpoint string `json:"endpoint"`
}
