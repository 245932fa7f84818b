package s3local

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc/wire"
)

// notifier is a storage backend that reports what changed. It emits an event
// after the backend below has returned success, and before the client has its
// answer: whoever sees an event can read what it tells of.
//
// The sequencers of writes to one key rise in the order in which the writes
// returned. For writes that overlap in time, that is not always the order in
// which they took effect.
type notifier struct {
	backend.Backend
	region  string
	filters []wire.EventFilter
	emit    func(Event)
	seq     sequence
}

// wanted says whether any filter asks for this object.
func (n *notifier) wanted(bucket, key string) bool {
	return slices.ContainsFunc(n.filters, func(f wire.EventFilter) bool {
		if f.Bucket != bucket {
			return false
		}
		return len(f.Prefixes) == 0 || slices.ContainsFunc(f.Prefixes, func(p string) bool {
			return strings.HasPrefix(key, p)
		})
	})
}

// notify emits one event for one object, whose key is not yet encoded.
func (n *notifier) notify(ctx context.Context, name, bucket, key string, object Object) {
	if !n.wanted(bucket, key) {
		return
	}
	now := time.Now()
	object.Key = encodeKey(key)
	object.Sequencer = n.seq.next(now)
	caller := Identity{PrincipalID: principal(ctx)}
	n.emit(Event{Records: []Record{{
		EventVersion:      eventVersion,
		EventSource:       "aws:s3",
		AWSRegion:         n.region,
		EventTime:         now.UTC().Format("2006-01-02T15:04:05.000Z"),
		EventName:         name,
		UserIdentity:      caller,
		RequestParameters: RequestParameters{SourceIPAddress: sourceIP(ctx)},
		ResponseElements:  requestIDs(ctx),
		S3: Entity{
			SchemaVersion:   "1.0",
			ConfigurationID: "crlgate-local",
			Bucket:          Bucket{Name: bucket, OwnerIdentity: caller, ARN: arn(bucket)},
			Object:          object,
		},
	}}})
}

// PutObject stores an object and reports ObjectCreated:Put.
func (n *notifier) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	out, err := n.Backend.PutObject(ctx, in)
	if err != nil {
		return out, err
	}
	n.notify(ctx, createdPut, aws.ToString(in.Bucket), aws.ToString(in.Key), Object{
		Size: new(aws.ToInt64(in.ContentLength)), ETag: bareETag(out.ETag), VersionID: out.VersionID,
	})
	return out, nil
}

// CompleteMultipartUpload joins the parts of an upload and reports
// ObjectCreated:CompleteMultipartUpload.
func (n *notifier) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	out, version, err := n.Backend.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return out, version, err
	}
	bucket, key := aws.ToString(in.Bucket), aws.ToString(in.Key)
	n.notify(ctx, createdMultipart, bucket, key, Object{
		Size: n.size(ctx, bucket, key, version), ETag: bareETag(aws.ToString(out.ETag)), VersionID: version,
	})
	return out, version, nil
}

// CopyObject copies an object and reports ObjectCreated:Copy for the copy.
func (n *notifier) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	out, err := n.Backend.CopyObject(ctx, in)
	if err != nil {
		return out, err
	}
	bucket, key, version := aws.ToString(in.Bucket), aws.ToString(in.Key), aws.ToString(out.VersionId)
	object := Object{Size: n.size(ctx, bucket, key, version), VersionID: version}
	if out.CopyObjectResult != nil {
		object.ETag = bareETag(aws.ToString(out.CopyObjectResult.ETag))
	}
	n.notify(ctx, createdCopy, bucket, key, object)
	return out, nil
}

// DeleteObject removes an object, or covers it with a delete marker, and
// reports which of the two it was. A key that held nothing is not reported:
// the backend changes nothing then. (S3 makes a delete marker even so.)
func (n *notifier) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	bucket, key := aws.ToString(in.Bucket), aws.ToString(in.Key)
	existed := n.exists(ctx, bucket, key, in.VersionId)
	out, err := n.Backend.DeleteObject(ctx, in)
	if err != nil || !existed && !aws.ToBool(out.DeleteMarker) {
		return out, err
	}
	n.notifyDeleted(ctx, bucket, key, aws.ToString(in.VersionId), aws.ToBool(out.DeleteMarker), aws.ToString(out.VersionId))
	return out, nil
}

// DeleteObjects does what DeleteObject does for each key that it could delete.
func (n *notifier) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	type object struct{ key, version string }
	bucket := aws.ToString(in.Bucket)
	existed := map[object]bool{}
	if in.Delete != nil {
		for _, o := range in.Delete.Objects {
			k := object{aws.ToString(o.Key), aws.ToString(o.VersionId)}
			existed[k] = n.exists(ctx, bucket, k.key, o.VersionId)
		}
	}
	out, err := n.Backend.DeleteObjects(ctx, in)
	for _, d := range out.Deleted {
		k := object{aws.ToString(d.Key), aws.ToString(d.VersionId)}
		if existed[k] || aws.ToBool(d.DeleteMarker) {
			n.notifyDeleted(ctx, bucket, k.key, k.version, aws.ToBool(d.DeleteMarker), aws.ToString(d.DeleteMarkerVersionId))
		}
		existed[k] = false // named twice in one request, it is deleted once
	}
	return out, err
}

// notifyDeleted reports a deletion. asked is the version that the client named,
// if any; marker says that a delete marker was made (or, where a version was
// named, that this version was one), made is the marker's own version.
func (n *notifier) notifyDeleted(ctx context.Context, bucket, key, asked string, marker bool, made string) {
	if asked == "" && marker {
		n.notify(ctx, removedMarker, bucket, key, Object{ETag: emptyETag, VersionID: made})
		return
	}
	n.notify(ctx, removedDelete, bucket, key, Object{VersionID: asked})
}

// exists says whether a delete would change anything in a bucket without
// versioning, where the backend's answer is the same for a key that is absent.
func (n *notifier) exists(ctx context.Context, bucket, key string, version *string) bool {
	if !n.wanted(bucket, key) {
		return false
	}
	if aws.ToString(version) != "" {
		return true // a delete marker has a version but no HEAD
	}
	_, err := n.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	return err == nil
}

// size asks the backend how long an object is, where the answer to a write does
// not say. It is nil if the object is gone by then.
func (n *notifier) size(ctx context.Context, bucket, key, version string) *int64 {
	if !n.wanted(bucket, key) {
		return nil
	}
	in := &s3.HeadObjectInput{Bucket: &bucket, Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	out, err := n.HeadObject(ctx, in)
	if err != nil {
		return nil
	}
	return out.ContentLength
}

// principal is the access key that signed the request.
func principal(ctx context.Context) string {
	account, _ := ctx.Value("account").(auth.Account)
	return account.Access
}

// sourceIP is the client's address.
func sourceIP(ctx context.Context) string {
	if c, ok := ctx.(interface{ RemoteIP() net.IP }); ok {
		return c.RemoteIP().String()
	}
	return ""
}

// requestIDs are the ids that the answer to the request bears.
func requestIDs(ctx context.Context) map[string]string {
	ids := map[string]string{}
	for header, value := range map[string]any{"x-amz-request-id": "request-id", "x-amz-id-2": "host-id"} {
		if id, ok := ctx.Value(value).(string); ok {
			ids[header] = id
		}
	}
	return ids
}
