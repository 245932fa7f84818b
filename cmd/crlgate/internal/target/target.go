// Package target finds the buckets that a command works on: those of the local
// stack that runs in a folder, or a deployment's on AWS. Everything behind
// [Options.Open] is the same for both.
package target

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crlgate/crlgate/pkg/objectstore"
	"github.com/crlgate/crlgate/pkg/revocation"
)

// Options name a target. All empty means the local stack of the current folder.
type Options struct {
	Local       string // folder that "crlgate local" serves
	Upload      string // upload bucket on AWS
	Cache       string // cache bucket on AWS
	Profile     string
	Region      string
	NeedsUpload bool // the command cannot do without the upload bucket
	TakesUpload bool // it can do more with it
}

// Target is the buckets.
type Target struct {
	Uploads *objectstore.Bucket // nil where it was not named
	Cache   *objectstore.Bucket
	Local   *State // nil on AWS
}

// String names the target, for people.
func (t *Target) String() string {
	if t.Local != nil {
		return "local stack in " + t.Local.Folder
	}
	return "s3://" + t.Cache.Name()
}

// RevalidateAfter is the authorizer's REVALIDATE_AFTER, as far as it is known: a local
// stack's own, else the default.
func (t *Target) RevalidateAfter() time.Duration {
	return t.setting("REVALIDATE_AFTER", revocation.DefaultRevalidateAfter)
}

// MaxUnvalidated is the authorizer's MAX_UNVALIDATED, likewise.
func (t *Target) MaxUnvalidated() time.Duration {
	return t.setting("MAX_UNVALIDATED", revocation.DefaultMaxUnvalidated)
}

func (t *Target) setting(name string, otherwise time.Duration) time.Duration {
	if t.Local == nil {
		return otherwise
	}
	d, err := time.ParseDuration(t.Local.Authorizer[name])
	if err != nil {
		return otherwise // the authorizer would not have started with it
	}
	return d
}

// Open finds the target. It asks S3 nothing: a bucket that does not exist shows
// at the first call.
func (o Options) Open(ctx context.Context) (*Target, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Upload != "" || o.Cache != "" {
		return o.openAWS(ctx)
	}
	folder := o.Local
	if folder == "" {
		folder = "."
	}
	s, err := Find(ctx, folder)
	if errors.Is(err, ErrNoLocal) {
		if o.Local == "" {
			return nil, fmt.Errorf("%w; start one with \"crlgate local\", name its folder with --local DIR, or name the deployment's with %s", err, o.buckets())
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	return OpenLocal(ctx, s)
}

// OpenLocal returns the buckets of a local stack.
func OpenLocal(ctx context.Context, s *State) (*Target, error) {
	uploads, err := objectstore.Open(ctx, s.UploadBucket, objectstore.WithEndpoint(s.Endpoint), objectstore.WithRegion(s.Region),
		objectstore.WithStaticCredentials(s.AccessKey, s.SecretKey))
	if err != nil {
		return nil, err
	}
	return &Target{Uploads: uploads, Cache: uploads.Sibling(s.CacheBucket), Local: s}, nil
}

func (o Options) openAWS(ctx context.Context) (*Target, error) {
	var opts []objectstore.Option
	if o.Profile != "" {
		opts = append(opts, objectstore.WithProfile(o.Profile))
	}
	if o.Region != "" {
		opts = append(opts, objectstore.WithRegion(o.Region))
	}
	cache, err := objectstore.Open(ctx, o.Cache, opts...)
	if err != nil {
		return nil, err
	}
	t := &Target{Cache: cache}
	if o.Upload != "" {
		t.Uploads = cache.Sibling(o.Upload)
	}
	return t, nil
}

func (o Options) buckets() string {
	if o.NeedsUpload {
		return "--upload-bucket and --cache-bucket"
	}
	return "--cache-bucket"
}

// check refuses options that contradict each other or say half.
func (o Options) check() error {
	aws := o.Upload != "" || o.Cache != ""
	switch {
	case o.Local != "" && (aws || o.Profile != "" || o.Region != ""):
		return errors.New("--local names a stack on this machine, and the other flags a deployment on AWS: give one or the other")
	case aws && o.Cache == "":
		return errors.New("--upload-bucket without --cache-bucket: name both")
	case aws && o.NeedsUpload && o.Upload == "":
		return errors.New("--cache-bucket without --upload-bucket: name both")
	case !aws && (o.Profile != "" || o.Region != ""):
		var given []string
		for name, value := range map[string]string{"--profile": o.Profile, "--region": o.Region} {
			if value != "" {
				given = append(given, name)
			}
		}
		return fmt.Errorf("%s without buckets: name the deployment's with %s", strings.Join(given, " and "), o.buckets())
	}
	return nil
}
