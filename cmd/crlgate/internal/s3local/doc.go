// Package s3local is a real S3 server on this machine: versitygw, linked into
// this program, over a folder, on 127.0.0.1. It verifies signatures, knows
// conditional requests, versions, ranges and multipart uploads, and reports
// changes as S3 event notifications.
//
// Only the crlgate binary may import it, because versitygw is large. It allows
// one server a process and changes the process's working directory, so it runs
// as a child process: see [Main] for the child and package s3proc for the
// parent.
//
// # Where it differs from Amazon S3
//
// A test that passes here says nothing about S3 in these points. Each has a test
// of its own, so that a newer versitygw that changes one is noticed.
//
//   - Keys are paths. A key cannot be a prefix, up to a slash, of another
//     ("a" and "a/b"); no part between slashes may be longer than 255 bytes; and
//     "a//b" and "a/x/../b" name the same object as "a/b".
//   - Under a delete marker a key counts as existing: PUT with If-None-Match: *
//     is refused with 412 where S3 accepts it, and PUT with If-Match and the
//     ETag from before the deletion is accepted where S3 answers 404.
//   - Deleting an absent key in a versioned bucket makes no delete marker.
//   - A 304 bears no ETag and no Last-Modified.
//   - The only account may do everything. So an absent key is always 404
//     NoSuchKey, never the 403 that S3 gives to one who may not list the bucket.
//   - A conditional PUT that loses a race gets 412, never 409
//     ConditionalRequestConflict. (That race is tested, but a rare answer cannot
//     be ruled out by a test.)
//
// Events arrive once, at once and in order; S3 promises none of the three. The
// sequencers of two writes to one key that overlap in time may be the wrong way
// round. An upload through an HTML form is reported as ObjectCreated:Put.
package s3local
