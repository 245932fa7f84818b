package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc/wire"
)

// target is the name of MinIO's webhook target, and the last part of its ARN.
const target = "CRLGATE"

// prepare waits until MinIO answers and creates what the configuration asks for.
func prepare(ctx context.Context, m *minio, cfg wire.Config) error {
	if err := m.awaitReady(ctx); err != nil {
		return err
	}
	client := s3.New(s3.Options{
		BaseEndpoint: &m.endpoint, Region: cfg.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(cfg.AccessKey, cfg.SecretKey, ""),
	})
	for _, b := range cfg.Buckets {
		if err := createBucket(ctx, client, b); err != nil {
			return fmt.Errorf("creating bucket %s: %w", b.Name, err)
		}
	}
	for _, e := range cfg.Events {
		if err := awaitEvents(ctx, client, e, cfg.Region); err != nil {
			return fmt.Errorf("asking for events of bucket %s: %w", e.Bucket, err)
		}
	}
	return nil
}

// awaitEvents asks for events until MinIO knows its own webhook: it says that it
// is ready before it does.
func awaitEvents(ctx context.Context, client *s3.Client, e wire.EventFilter, region string) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := askForEvents(ctx, client, e, region)
		var answer smithy.APIError
		if !errors.As(err, &answer) || answer.ErrorCode() != "InvalidArgument" || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
	}
}

func (m *minio) awaitReady(ctx context.Context) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.endpoint+"/minio/health/ready", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("told to end before MinIO was ready")
		case <-m.done:
			return fmt.Errorf("MinIO ended before it was ready: %w", m.err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func createBucket(ctx context.Context, client *s3.Client, b wire.Bucket) error {
	var owned *types.BucketAlreadyOwnedByYou
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b.Name}); err != nil && !errors.As(err, &owned) {
		return err
	}
	if !b.Versioned {
		return nil
	}
	_, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &b.Name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	return err
}

// askForEvents asks for creations and deletions under each prefix, or under all.
func askForEvents(ctx context.Context, client *s3.Client, e wire.EventFilter, region string) error {
	prefixes := e.Prefixes
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	var queues []types.QueueConfiguration
	for _, prefix := range prefixes {
		queues = append(queues, types.QueueConfiguration{
			QueueArn: aws.String("arn:minio:sqs:" + region + ":" + target + ":webhook"),
			Events:   []types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"},
			Filter: &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{
				FilterRules: []types.FilterRule{{Name: types.FilterRuleNamePrefix, Value: &prefix}},
			}},
		})
	}
	_, err := client.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: &e.Bucket, NotificationConfiguration: &types.NotificationConfiguration{QueueConfigurations: queues},
	})
	return err
}

// hook is the webhook that MinIO sends its notifications to.
type hook struct {
	url    string
	server *http.Server
}

// maxEvent is the size that no notification comes near, in bytes.
const maxEvent = 1 << 20

// listenForEvents passes on each notification as it comes. MinIO's has two keys
// of its own beside "Records", which a reader of S3's passes over.
func listenForEvents(out *wire.Messages) (*hook, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hook{url: "http://" + l.Addr().String() + "/"}
	h.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
			switch {
			case err != nil:
				http.Error(w, err.Error(), http.StatusBadRequest)
			case len(body) == 0: // MinIO asks whether anybody is there
			case !json.Valid(body):
				http.Error(w, "this is not JSON", http.StatusBadRequest)
			default:
				out.Send(wire.Message{Event: body})
			}
		}),
	}
	go func() { _ = h.server.Serve(l) }()
	return h, nil
}

func (h *hook) close() { _ = h.server.Close() }
