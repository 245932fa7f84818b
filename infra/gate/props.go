package gate

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapplicationautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
)

// Props are the settings of a gate. Nil, and every nil field, means the default that the field names.
type Props struct {
	// Authorizer sets the function that API Gateway asks on every request.
	Authorizer *AuthorizerProps
	// Preprocessor sets the function that verifies and flattens CRLs.
	Preprocessor *PreprocessorProps
	// Buckets sets names, access logs and lifecycles of the buckets.
	Buckets *BucketsProps
	// Alarms sets the thresholds of the alarms and whom they tell.
	Alarms *AlarmsProps
	// Truststore has the truststore of the APIs' custom domain compared with the issuers, and if wanted kept in
	// step with them. Default: nobody looks at it.
	Truststore *TruststoreProps
	// Domains are the domain names that the APIs are called by, as far as the app knows them: what the CAs'
	// settings are held against at synth.
	Domains []string
	// CASettings are files with settings of CAs, as they are uploaded under issuers/. Synth refuses one whose
	// domains name none of Domains. Nothing is uploaded.
	CASettings []string
	// Fetcher has CRLs fetched from the crl_urls of CAs' settings, and from what their certificates name. It makes
	// requests to the internet. Default: none; CRLs are uploaded by others.
	Fetcher *FetcherProps
	// AssetPath is the folder with authorizer/bootstrap, preprocessor/bootstrap and, with Truststore,
	// truststore/bootstrap, with Fetcher, fetcher/bootstrap, built for Architecture.
	// A relative path starts at the working directory. Default: build/lambda/arm64, or build/lambda/amd64
	// when Architecture is Amd64.
	AssetPath *string
	// Architecture of the functions. Default: Arm64.
	Architecture Architecture
	// EncryptionKey encrypts both buckets in place of keys that S3 manages. The functions' roles may use it
	// through S3 only; whoever uploads needs kms:GenerateDataKey on it, which the grant methods add.
	EncryptionKey awskms.IKey
	// LogRetention of the functions' logs. Default: one year.
	LogRetention awslogs.RetentionDays
	// RemovalPolicy of buckets and logs. The default, RETAIN_ON_UPDATE_OR_DELETE, keeps them when the stack
	// is deleted, but not when their creation is rolled back. The cache bucket holds the CRL numbers below
	// which no CRL is accepted again; with DESTROY an old CRL may be replayed after a new start.
	RemovalPolicy awscdk.RemovalPolicy
}

// Architecture is the instruction set of the functions, named as Go names it.
type Architecture string

const (
	// Arm64 is Graviton, the default: the same speed for a lower price.
	Arm64 Architecture = "arm64"
	// Amd64 is x86-64.
	Amd64 Architecture = "amd64"
)

// Mode says what the authorizer does with a decision to deny for revocation.
type Mode string

const (
	// Enforce denies. The functions' default.
	Enforce Mode = "enforce"
	// Observe allows what the status would deny, and says so in context, logs and metrics.
	Observe Mode = "observe"
)

// AuthorizerProps are the settings of the authorizer. Comments name the environment variable that a field
// sets; a nil field sets none.
type AuthorizerProps struct {
	// Mode sets MODE.
	Mode Mode
	// RevalidateAfter sets REVALIDATE_AFTER: the age from which the warm catalog is revalidated. 0 asks S3 on
	// every request; at most 1 h. The function's default is 10 s.
	RevalidateAfter awscdk.Duration
	// MaxUnvalidated sets MAX_UNVALIDATED: the age past which an unvalidated catalog answers nothing but
	// denials. At least RevalidateAfter, 1 s to 7 days. The function's default is 15 min.
	MaxUnvalidated awscdk.Duration
	// MemoryBudget sets MEMORY_BUDGET: how much memory sets may use, at most three quarters of MemorySize.
	// The function's default is half of its memory.
	MemoryBudget awscdk.Size
	// RequireChain sets REQUIRE_CHAIN: deny while the status of the CA's own chain is unknown.
	RequireChain *bool
	// LogAllowed sets LOG_ALLOWED: the share of allowed requests that are logged, 0 to 1.
	LogAllowed *float64

	// MemorySize in MiB, 128 to 10240. Default: 512.
	MemorySize *float64
	// Timeout of one answer, 1 to 10 s: an HTTP API waits no longer than 10 s. Default: 10 s.
	Timeout awscdk.Duration
	// ReservedConcurrency caps and keeps free this many environments. Default: none, as a request past the
	// cap is refused with a 500.
	ReservedConcurrency *float64
	// ProvisionedConcurrency keeps environments warm. Default: none.
	ProvisionedConcurrency *ProvisionedConcurrencyProps
}

// ProvisionedConcurrencyProps keep environments of the authorizer initialized, behind the alias "live".
type ProvisionedConcurrencyProps struct {
	// Executions is how many environments are kept, at least 1. Required.
	Executions *float64
	// Schedule changes the number by time.
	Schedule []ProvisionedSchedule
	// TimeZone of the schedule. Default: UTC.
	TimeZone awscdk.TimeZone
}

// ProvisionedSchedule sets the number of environments that are kept from a time on.
type ProvisionedSchedule struct {
	// Name tells the entries apart; letters and digits. Required.
	Name *string
	// At says when, such as Schedule_Cron. Required.
	At awsapplicationautoscaling.Schedule
	// Executions is how many environments are kept from then on, at least 0. Required.
	Executions *float64
}

// PreprocessorProps are the settings of the preprocessor. Comments name the environment variable that a
// field sets; a nil field sets none.
type PreprocessorProps struct {
	// IssuerPrefix sets ISSUER_PREFIX, which ends in a slash. The function's default is issuers/.
	IssuerPrefix *string
	// CRLPrefixes sets CRL_PREFIXES; each ends in a slash and none is a prefix of another or of IssuerPrefix.
	// The function's default is crls/ and crl/.
	CRLPrefixes []string
	// MaxCRLBytes sets MAX_CRL_BYTES. The function's default is 8 GiB.
	MaxCRLBytes awscdk.Size
	// AllowSHA1 sets ALLOW_SHA1 for the signatures of CRLs and issuers.
	AllowSHA1 *bool
	// PinnedIssuers sets PINNED_ISSUERS: SHA-256 fingerprints of issuer certificates, 64 hexadecimal digits,
	// with or without colons. Any other issuer is refused.
	PinnedIssuers []string
	// CacheJSON sets CACHE_JSON: publish each CRL as JSON too.
	CacheJSON *bool
	// SweepAfter sets SWEEP_AFTER: how long sets and parts of the catalog are kept that nothing refers to any
	// more, 1 h to 365 d, and longer than the authorizer's MaxUnvalidated. The function's default is 24 h.
	SweepAfter awscdk.Duration

	// MemorySize in MiB, 128 to 10240. Default: 1769, one whole virtual CPU.
	MemorySize *float64
	// Timeout of one run, 1 s to 15 min. Default: 15 min.
	Timeout awscdk.Duration
	// ReservedConcurrency is how many preprocessors may run at once, at least 1. Default: 2. Few, so that they
	// seldom meet on the catalog.
	ReservedConcurrency *float64
	// Unreserved leaves the preprocessor without reserved concurrency. A new AWS account has a quota that
	// allows no reservation at all.
	Unreserved *bool
	// ReconcileEvery is the period of the timer on which the preprocessor compares the catalog with the
	// upload bucket, in whole minutes, 1 to 1440. It bounds how long a lost event goes unnoticed. Default: 5 min.
	ReconcileEvery awscdk.Duration
	// RetryAttempts of a failed event before it goes to the failure queue, 0 to 2. Default: 2.
	RetryAttempts *float64
	// MaxEventAge is how long an event may wait, 1 min to 6 h. Default: 6 h.
	MaxEventAge awscdk.Duration
}

// TruststoreProps are the settings of the function that looks after the truststore of a custom domain name: who
// may connect at all. Every five minutes it holds what the domain trusts against the issuers, and an alarm tells
// of a difference.
type TruststoreProps struct {
	// DomainName is the regional custom domain name with mutual TLS, of REST or HTTP APIs. Required.
	DomainName *string
	// Move publishes the issuers' certificates as truststore/issuers.pem in the cache bucket, and moves the domain
	// to each new version. Whoever writes issuers then decides who may connect, so it needs
	// Preprocessor.PinnedIssuers. Default: false, a difference is only told.
	Move *bool
	// Bucket and Key are the object that the domain has as its truststore, so that the function may read it.
	// Required without Move; with Move it is the gate's own, whatever the domain was made with.
	Bucket, Key *string
}

// FetcherProps are the settings of the fetcher. Comments name the environment variable that a field sets; a nil
// field sets none.
type FetcherProps struct {
	// Every is the period of its timer, in whole minutes, 1 to 60. Default: 1 min.
	Every awscdk.Duration
	// Prefix sets FETCH_PREFIX: where fetched CRLs go, within one of Preprocessor.CRLPrefixes. Default: crls/fetched/.
	Prefix *string
	// CDP sets FETCH_CDP: fetch the CRLs that the certificates of CAs name too, where the CA above is one of the
	// gate's. The function's default is true.
	CDP *bool
	// AllowHosts sets ALLOW_HOSTS: hosts, exactly as URLs name them, that may be at private, loopback and
	// link-local addresses. Default: none.
	AllowHosts []string
	// MaxCRLBytes sets MAX_CRL_BYTES, and sizes the function's storage: 1 KiB to 5 GiB. The function's default is 256 MiB.
	MaxCRLBytes awscdk.Size
	// DownloadTimeout sets TIMEOUT: of one look at a URL, 1 s to 14 min. The function's default is 5 min.
	DownloadTimeout awscdk.Duration
	// IdleTimeout sets IDLE_TIMEOUT: how long a server may be silent, 1 s to 5 min. The function's default is 20 s.
	IdleTimeout awscdk.Duration
	// MinInterval and MaxInterval set MIN_INTERVAL and MAX_INTERVAL: the shortest and longest time between two looks
	// at a URL. The function's defaults are 1 min and 1 h.
	MinInterval, MaxInterval awscdk.Duration
}

// BucketsProps are the settings of the buckets.
type BucketsProps struct {
	// UploadName and CacheName name the buckets. Default: a name in the account's regional namespace, in
	// which no other account can create a bucket.
	UploadName, CacheName *string
	// AccessLogs receives the server access logs of the upload bucket, whose writers are the root of trust.
	// Its policy must let logging.s3.amazonaws.com put objects. Default: a bucket made for them.
	AccessLogs awss3.IBucket
	// NoncurrentDays is how long replaced and deleted uploads are kept, at least 1. Default: 90.
	NoncurrentDays *float64
	// AccessLogDays is how long access logs are kept in the bucket made for them, at least 1. Default: 365.
	AccessLogDays *float64
}

// AlarmsProps are the settings of the alarms.
type AlarmsProps struct {
	// Actions are taken when an alarm begins and when it ends, such as awscloudwatchactions.NewSnsAction.
	// Default: none; an alarm then only shows.
	Actions []awscloudwatch.IAlarmAction
	// RunbookURL is the page that an alarm's description links to, without fragment. Default: operations.md
	// of crlgate's main branch.
	RunbookURL *string
	// CRLExpiryWarning and CRLExpiryCritical are the times before nextUpdate at which the two alarms begin,
	// the first longer than the second. Defaults: 24 h and 4 h.
	CRLExpiryWarning, CRLExpiryCritical awscdk.Duration
	// PendingAfter is how long a CRL may be pending, in multiples of 5 min, up to 24 h. Default: 60 min.
	PendingAfter awscdk.Duration
	// VanishedSerials is how many serials may be missing from newly accepted CRLs within 5 min that their
	// predecessors had. Serials of expired certificates leave a CRL too. Default: 100.
	VanishedSerials *float64
	// VanishedShare is how many percent of a CRL's serials may be missing from its successor, 1 to 100. Default: 50.
	VanishedShare *float64
	// CAExpiryWarning is the time before notAfter at which the alarm for a CA's certificates begins. Default: 30 days.
	CAExpiryWarning awscdk.Duration
	// FetchOverdue is how long a URL may go without an answer as it should be, before the alarm begins. Default: 6 h.
	FetchOverdue awscdk.Duration
	// DenialBand is how many standard deviations above the usual the number of denials of one reason may be,
	// 1 to 100. Default: 4.
	DenialBand *float64
}
