package s3local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/utils"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc/wire"
)

// The folders inside the data folder. None is a prefix of another: versitygw
// takes a sidecar folder whose name starts with the root's for one inside it.
const (
	objectsDir  = "objects"
	versionsDir = "versions"
	sidecarDir  = "metadata"
)

// What the gateway is given; it refuses to start without. A stack on one
// machine stays far below.
const (
	maxConnections = 16384
	maxRequests    = 8192
	maxParts       = 10000   // S3's own limit
	maxCopy        = 5 << 30 // S3's own limit, in bytes
)

// portAttempts is how often a free port is looked for: between the moment it is
// found and the moment the gateway binds it, another process may take it.
const portAttempts = 20

// Config is what [Serve] needs to know.
type Config struct {
	wire.Config
	// OnReady is called once, with the base URL, when the server listens.
	OnReady func(endpoint string)
	// OnEvent is called for each event that a filter asks for, after the write
	// took effect and before the client is answered; it delays that answer. It
	// may be called from several goroutines at once.
	OnEvent func(Event)
}

// Serve runs the server until ctx ends, and then returns nil. It changes the
// process's working directory to a folder inside DataDir, and versitygw prints
// to os.Stdout; [Main] sees to both. Only one server may run in a process.
func Serve(ctx context.Context, cfg Config) error {
	if err := check(cfg); err != nil {
		return err
	}
	dataDir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return fmt.Errorf("finding the S3 data folder %s: %w", cfg.DataDir, err)
	}
	cfg.DataDir = dataDir
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Port != 0 {
		return serveOn(ctx, cfg, cfg.Port)
	}
	for range portAttempts {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		if err = serveOn(ctx, cfg, port); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return err
}

// check reports every fault of a configuration at once.
func check(cfg Config) error {
	var errs []error
	if cfg.DataDir == "" {
		errs = append(errs, errors.New("no data folder: set dataDir"))
	}
	if cfg.Port < 0 || cfg.Port > 65535 {
		errs = append(errs, fmt.Errorf("port %d: must be 0 (any) to 65535", cfg.Port))
	}
	if cfg.AccessKey == "" || cfg.SecretKey == "" {
		errs = append(errs, errors.New("no credentials: set accessKey and secretKey"))
	}
	known := map[string]bool{}
	for _, b := range cfg.Buckets {
		known[b.Name] = true
		if !utils.IsValidBucketName(b.Name) {
			errs = append(errs, fmt.Errorf("bucket %q: not a name that S3 allows (3 to 63 lower-case letters, digits, hyphens and dots)", b.Name))
		}
	}
	for _, f := range cfg.Events {
		if !known[f.Bucket] {
			errs = append(errs, fmt.Errorf("events of bucket %q: not among the buckets", f.Bucket))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("configuration of the local S3 server: %w", errors.Join(errs...))
	}
	return nil
}

// freePort finds a TCP port on 127.0.0.1 that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port on 127.0.0.1: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// serveOn runs the server on one port.
func serveOn(ctx context.Context, cfg Config, port int) error {
	store, err := openStore(cfg.DataDir)
	if err != nil {
		return err
	}
	if err := createBuckets(ctx, store, cfg); err != nil {
		store.Shutdown()
		return err
	}
	be := &notifier{Backend: store, region: cfg.Region, filters: cfg.Events, emit: cfg.OnEvent}
	if be.emit == nil {
		be.emit = func(Event) {}
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	err = embedgw.RunVersityGW(ctx, be, &embedgw.Config{
		RootUserAccess:    cfg.AccessKey,
		RootUserSecret:    cfg.SecretKey,
		Region:            cfg.Region,
		Ports:             []string{address},
		MaxConnections:    maxConnections,
		MaxRequests:       maxRequests,
		MultipartMaxParts: maxParts,
		Quiet:             true,
		KeepAlive:         true,
		DisableACLs:       true,
		IAMService:        newAccounts(cfg),
		S3Options: []s3api.Option{s3api.WithOnListen(func() {
			if cfg.OnReady != nil {
				cfg.OnReady("http://" + address)
			}
		})},
	})
	if err != nil {
		return fmt.Errorf("serving S3 on %s: %w", address, err)
	}
	return nil
}

// accounts knows one account. versitygw's own service for that answers an
// unknown access key with 404 and a code of its own; this one lets it answer as
// S3 does, with 403 InvalidAccessKeyId.
type accounts struct{ auth.IAMService }

func newAccounts(cfg Config) accounts {
	return accounts{auth.NewIAMServiceSingle(auth.Account{
		Access: cfg.AccessKey, Secret: cfg.SecretKey, Role: auth.RoleAdmin,
	})}
}

// GetUserAccount finds the account of an access key.
func (a accounts) GetUserAccount(access string) (auth.Account, error) {
	account, err := a.IAMService.GetUserAccount(access)
	if err != nil {
		return auth.Account{}, auth.ErrNoSuchUser
	}
	return account, nil
}

// openStore opens the data folder, making it if it is missing.
func openStore(dataDir string) (backend.Backend, error) {
	objects, versions := filepath.Join(dataDir, objectsDir), filepath.Join(dataDir, versionsDir)
	for _, dir := range []string{objects, versions} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("making the S3 data folder: %w", err)
		}
	}
	opts := posix.PosixOpts{VersioningDir: versions, CopyObjectThreshold: maxCopy}
	storer, sidecar, err := openMetadata(dataDir)
	if err != nil {
		return nil, err
	}
	opts.SideCarDir = sidecar
	store, err := posix.New(objects, storer, opts)
	if err != nil {
		return nil, fmt.Errorf("opening the S3 data folder %s: %w", dataDir, err)
	}
	return store, nil
}

// openMetadata decides where ETags, checksums and the like are kept: in the
// files' extended attributes or, where the file system has none, in a folder
// beside them, whose name it then returns. A data folder keeps to what it
// started with.
func openMetadata(dataDir string) (meta.MetadataStorer, string, error) {
	sidecar := filepath.Join(dataDir, sidecarDir)
	if _, err := os.Stat(sidecar); errors.Is(err, os.ErrNotExist) {
		if hasXattr(dataDir) {
			return meta.XattrMeta{}, "", nil
		}
	}
	if err := os.MkdirAll(sidecar, 0o755); err != nil {
		return nil, "", fmt.Errorf("making the S3 metadata folder: %w", err)
	}
	storer, err := meta.NewSideCar(sidecar)
	if err != nil {
		return nil, "", fmt.Errorf("opening the S3 metadata folder %s: %w", sidecar, err)
	}
	return storer, sidecar, nil
}

// hasXattr says whether files in dir can bear user attributes. It writes one to
// find out: some file systems answer a read and refuse the write.
func hasXattr(dir string) bool {
	f, err := os.CreateTemp(dir, ".xattr-*")
	if err != nil {
		return false
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return meta.XattrMeta{}.StoreAttribute(f, "", "", "crlgate.test", []byte("1")) == nil
}

// createBuckets makes the buckets that are missing, and versioned where asked.
func createBuckets(ctx context.Context, store backend.Backend, cfg Config) error {
	acl, err := json.Marshal(auth.ACL{Owner: cfg.AccessKey})
	if err != nil {
		return fmt.Errorf("encoding the buckets' access control list: %w", err)
	}
	for _, b := range cfg.Buckets {
		if err := createBucket(ctx, store, b, acl); err != nil {
			return err
		}
	}
	return nil
}

func createBucket(ctx context.Context, store backend.Backend, b wire.Bucket, acl []byte) error {
	if _, err := store.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.Name}); err != nil {
		err := store.CreateBucket(ctx, &s3.CreateBucketInput{
			Bucket:                    &b.Name,
			ObjectOwnership:           types.ObjectOwnershipBucketOwnerEnforced,
			CreateBucketConfiguration: &types.CreateBucketConfiguration{},
		}, acl)
		if err != nil {
			return fmt.Errorf("creating bucket %q: %w", b.Name, err)
		}
	}
	if b.Versioned {
		if err := store.PutBucketVersioning(ctx, b.Name, types.BucketVersioningStatusEnabled); err != nil {
			return fmt.Errorf("turning on versioning for bucket %q: %w", b.Name, err)
		}
	}
	return nil
}
