package main

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"time"
)

const uploadBucket = "crlgate-upload-" + account + "-" + region

var uploaded = received.Add(-time.Minute)

// sequencer has the shape that S3's have: the seconds, then what orders the
// events of one second.
func sequencer(order uint32) string { return fmt.Sprintf("00%08X%08X", uploaded.Unix(), order) }

// s3Event is an S3 event notification
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).
type s3Event struct {
	Records []s3Record `json:"Records"`
}

type s3Record struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      principal         `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                s3Entity          `json:"s3"`
}

type principal struct {
	PrincipalID string `json:"principalId"`
}

type s3Entity struct {
	SchemaVersion   string   `json:"s3SchemaVersion"`
	ConfigurationID string   `json:"configurationId"`
	Bucket          s3Bucket `json:"bucket"`
	Object          s3Object `json:"object"`
}

type s3Bucket struct {
	Name          string    `json:"name"`
	OwnerIdentity principal `json:"ownerIdentity"`
	ARN           string    `json:"arn"`
}

type s3Object struct {
	Key       string `json:"key"` // form-encoded
	Size      int    `json:"size,omitempty"`
	ETag      string `json:"eTag"`
	VersionID string `json:"versionId"`
	Sequencer string `json:"sequencer"`
}

// s3TestEvent is what S3 sends once, when notifications are set up.
type s3TestEvent struct {
	Service   string `json:"Service"`
	Event     string `json:"Event"`
	Time      string `json:"Time"`
	Bucket    string `json:"Bucket"`
	RequestID string `json:"RequestId"`
	HostID    string `json:"HostId"`
}

// s3Events are the preprocessor's events by file name.
func s3Events(crl []byte) map[string]any {
	sum := md5.Sum(crl) // what S3's ETag is for an object put whole without KMS
	etag := hex.EncodeToString(sum[:])
	put := func(key, version string, order uint32) s3Record {
		return record("ObjectCreated:Put", s3Object{
			Key: key, Size: len(crl), ETag: etag, VersionID: version, Sequencer: sequencer(order),
		})
	}
	return map[string]any{
		"s3-put.json": s3Event{Records: []s3Record{
			put("crls/partner-a.crl", "wAqVnVkP3.2kQ8TzYq1dQJv9mXbLr0Hs", 0xa1b2c3d4),
		}},
		"s3-two-records-encoded-key.json": s3Event{Records: []s3Record{
			put("crls/Partner+B+%28EU%29%2B1.crl", "kT7bWq2nZx0.vR5sLd8fYhJ3mCgP6uAe", 0xb2c3d4e5),
			put("issuers/caf%C3%A9.pem", "eN4tGy1oHs.6wUkVp9BzQr0jXiMc5DaF", 0xc3d4e5f6),
		}},
		"s3-delete.json": s3Event{Records: []s3Record{
			record("ObjectRemoved:DeleteMarkerCreated", s3Object{
				Key: "crls/partner-a.crl", ETag: "d41d8cd98f00b204e9800998ecf8427e",
				VersionID: "Yd0nQp5RvGk1uJx7sTzWc2aLbE9mHfKo", Sequencer: sequencer(0xd4e5f607),
			}),
		}},
		"s3-test-event.json": s3TestEvent{
			Service: "Amazon S3", Event: "s3:TestEvent", Time: "2026-11-14T12:00:00.089Z", Bucket: uploadBucket,
			RequestID: "5E4D3C2B1A09F8E7", HostID: "q0Zs6yW2mB8uV4tR1nK7xJ5hG3fD9aPcLeYi+TbXoUvQzHwMgNkSrCdEjAfIl/O=",
		},
	}
}

func record(event string, object s3Object) s3Record {
	return s3Record{
		EventVersion: "2.1",
		EventSource:  "aws:s3",
		AWSRegion:    region,
		EventTime:    uploaded.Format("2006-01-02T15:04:05.000Z"),
		EventName:    event,
		UserIdentity: principal{"AWS:AROAEXAMPLEEXAMPLE123:publisher"},
		RequestParameters: map[string]string{
			"sourceIPAddress": sourceIP,
		},
		ResponseElements: map[string]string{
			"x-amz-request-id": "9F8E7D6C5B4A3021",
			"x-amz-id-2":       "Vq3mT8yK1xW6bN0sR5uJ2hD7gF4aPzLcEoXiYtQvBwHkMnUrCjGdSfAeIl9Z+8/p=",
		},
		S3: s3Entity{
			SchemaVersion:   "1.0",
			ConfigurationID: "crlgate-preprocessor",
			Bucket:          s3Bucket{Name: uploadBucket, OwnerIdentity: principal{"A3EXAMPLEOWNER"}, ARN: "arn:aws:s3:::" + uploadBucket},
			Object:          object,
		},
	}
}
