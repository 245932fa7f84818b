package s3local

import (
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// The names of the events that the server sends, as AWS spells them in
// eventName (without the "s3:" that they have in a bucket's configuration).
const (
	createdPut       = "ObjectCreated:Put"
	createdCopy      = "ObjectCreated:Copy"
	createdMultipart = "ObjectCreated:CompleteMultipartUpload"
	removedDelete    = "ObjectRemoved:Delete"
	removedMarker    = "ObjectRemoved:DeleteMarkerCreated"
)

// eventVersion is the version that S3 uses for the creation and removal of
// objects; 2.2 and 2.3 are for other kinds of event.
const eventVersion = "2.1"

// emptyETag is the ETag that S3 gives a delete marker: the MD5 of nothing.
const emptyETag = "d41d8cd98f00b204e9800998ecf8427e"

// An Event is one S3 event notification, in the form that S3 sends to a
// function: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html.
// aws-lambda-go's events.S3Event decodes it; that type cannot be used to encode
// it, because it adds fields that S3 does not send.
type Event struct {
	Records []Record `json:"Records"`
}

// A Record is what became of one object.
type Record struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      Identity          `json:"userIdentity"`
	RequestParameters RequestParameters `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                Entity            `json:"s3"`
}

// Identity names an account or user.
type Identity struct {
	PrincipalID string `json:"principalId"`
}

// RequestParameters says where the request came from.
type RequestParameters struct {
	SourceIPAddress string `json:"sourceIPAddress"`
}

// Entity is the bucket and the object of a Record.
type Entity struct {
	SchemaVersion   string `json:"s3SchemaVersion"`
	ConfigurationID string `json:"configurationId"`
	Bucket          Bucket `json:"bucket"`
	Object          Object `json:"object"`
}

// Bucket is the bucket of a Record.
type Bucket struct {
	Name          string   `json:"name"`
	OwnerIdentity Identity `json:"ownerIdentity"`
	ARN           string   `json:"arn"`
}

// Object is the object of a Record. Size and ETag are absent where S3 leaves
// them out, VersionID in a bucket without versioning.
type Object struct {
	// Key is the key in form encoding; see encodeKey.
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	VersionID string `json:"versionId,omitempty"`
	// Sequencer is hexadecimal and rises from event to event.
	Sequencer string `json:"sequencer"`
}

// encodeKey encodes a key as S3 does in events: form encoding, so that a space
// becomes "+", except that "/" stays as it is.
func encodeKey(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

// bareETag is an ETag without its quotes, the form it has in events.
func bareETag(etag string) string {
	return strings.Trim(etag, `"`)
}

// arn is the name of a bucket in AWS's notation.
func arn(bucket string) string {
	return "arn:aws:s3:::" + bucket
}

// A sequence makes sequencers. They are taken from the wall clock so that they
// go on rising when the server is started again on the same data.
type sequence struct{ last atomic.Int64 }

// next returns a sequencer greater than all before it. They all have the same
// length, so they compare as text, right-padded or not.
func (s *sequence) next(now time.Time) string {
	for {
		last := s.last.Load()
		n := max(now.UnixNano(), last+1)
		if s.last.CompareAndSwap(last, n) {
			return fmt.Sprintf("%018X", n)
		}
	}
}
