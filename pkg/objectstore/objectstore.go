// Package objectstore is conditional GET and PUT on Amazon S3. It is the only
// room that imports the S3 client; everything else sees objects, opaque
// versions and the sentinel errors of this package.
//
// Start with [Open] (from the environment, as in a Lambda function) or [New]
// (around an S3 client that is already there). Then [Bucket.Get] and
// [Bucket.ReadAll] read, with If-None-Match for a warm cache, If-Match or a
// version id to stay with one state of an object, and a byte range for part of
// it; [Bucket.Put] writes only if the object is still the one that was read, or
// only if there is none.
//
// What it promises:
//
//   - A body that ends early is an error, never a short object: what was read is
//     checked against Content-Length, and a ranged answer against the range asked.
//   - What a caller branches on has a sentinel ([ErrNotModified],
//     [ErrNotFound], [ErrPreconditionFailed], [ErrConflict], [ErrForbidden],
//     [ErrUnavailable], …), and each error names the object and what was being done.
//   - A request is bounded in attempts and in time per attempt, besides the
//     caller's context; a connection that died while Lambda was frozen costs an
//     attempt, not the request.
//
// Checksums are the SDK's defaults: a PUT carries a CRC32 (as a trailer over
// TLS, so the body is read once; over plain HTTP the SDK hashes it first and
// reads it twice), and the body of a whole-object GET is compared, when it has
// been read to its end, with the checksum that S3 stored. That costs the CRC of
// every byte: CRC32 runs at memory speed, CRC-64/NVME (what S3 computes for
// uploads that brought none) in the order of 1 GB/s a core. Ranged bodies and
// objects uploaded in parts are not compared; their readers hash what they read.
package objectstore

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Version identifies one state of an object: the ETag exactly as S3 gave it. It
// is opaque, not a hash of the content (under KMS or after a multipart upload
// it is not even derived from it). Equal versions of one key mean equal bytes as far
// as S3 goes: an ETag may be an MD5, so not against somebody who makes collisions.
// The zero Version is none.
type Version string

// Object says what is stored under a key.
type Object struct {
	Key     string
	Version Version
	// VersionID is the id of the object's version in a versioned bucket, else
	// "". A listing does not tell it.
	VersionID string
	// Size is that of the whole object, in bytes, also when part of it was read.
	Size         int64
	LastModified time.Time
}

// Range is a run of bytes of an object. The zero Range is the whole object.
type Range struct {
	Offset int64 // first byte, from 0
	Length int64 // number of bytes; 0 means to the end of the object
}

// GetOptions are the conditions of a read; the zero value has none.
type GetOptions struct {
	// IfNoneMatch reads only if the object is no longer this version; if it
	// still is, the read fails with [ErrNotModified].
	IfNoneMatch Version
	// IfMatch reads only if the object still is this version; if not, the read
	// fails with [ErrPreconditionFailed].
	IfMatch Version
	// VersionID reads this version of the object rather than the newest.
	VersionID string
	Range     Range
}

// PutOptions are the conditions and the metadata of a write. At most one of
// IfMatch and IfNoneMatch is set; with neither the write replaces what is there.
type PutOptions struct {
	// IfMatch writes only if the object still is this version.
	IfMatch Version
	// IfNoneMatch writes only if there is no object under the key (the header
	// If-None-Match: *).
	IfNoneMatch  bool
	ContentType  string
	CacheControl string
	// Metadata is stored with the object (x-amz-meta-…): lower-case names, values
	// of printable ASCII, 2 KB together (Amazon S3 User Guide, "Working with object
	// metadata").
	Metadata map[string]string
}

// DeleteOptions are the conditions of a deletion; the zero value has none.
type DeleteOptions struct {
	// IfMatch deletes only if the object still is this version.
	IfMatch Version
	// VersionID removes this version for good, rather than putting a delete
	// marker (in a versioned bucket) over the newest.
	VersionID string
}

// Bucket reads and writes the objects of one S3 bucket. It is safe for
// concurrent use.
type Bucket struct {
	client *s3.Client
	name   string
	limits limits
}

// limits bound one call, besides its context.
type limits struct {
	maxAttempts    int           // attempts a call; 0: as the client is set
	attemptTimeout time.Duration // for an answer, and between two pieces of a body
}

// New returns the bucket of that name, reached through client. Of the options
// only [WithMaxAttempts] and [WithAttemptTimeout] apply; without them attempts are
// as the client was set, and an attempt has [DefaultAttemptTimeout].
func New(client *s3.Client, name string, opts ...Option) *Bucket {
	set := settings{limits: limits{attemptTimeout: DefaultAttemptTimeout}}
	for _, opt := range opts {
		opt(&set)
	}
	return &Bucket{client: client, name: name, limits: set.limits}
}

// Name is the bucket's name.
func (b *Bucket) Name() string { return b.name }

// Sibling returns another bucket, reached through the same client and with the
// same bounds, so that both share one pool of connections.
func (b *Bucket) Sibling(name string) *Bucket {
	sibling := *b
	sibling.name = name
	return &sibling
}

// attempts is how often ReadAll may start over after a body that broke.
func (b *Bucket) attempts() int {
	if b.limits.maxAttempts > 0 {
		return b.limits.maxAttempts
	}
	return DefaultMaxAttempts
}

// header returns nil for an absent condition, so that no empty header is sent.
func header[S ~string](s S) *string {
	if s == "" {
		return nil
	}
	return aws.String(string(s))
}
