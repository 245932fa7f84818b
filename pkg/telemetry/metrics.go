package telemetry

import "slices"

// Metric is one of crlgate's metrics; [Metrics] lists them all.
type Metric uint8

// The metrics. Their names in CloudWatch, units, dimensions and meanings are in
// the table below.
const (
	Decisions Metric = iota
	WouldDeny
	DecideLatency
	RefreshLatency
	CatalogAge
	CacheBytesFetched
	RangeReads
	SetLoads
	HashFailures
	StaleServed
	CatalogRefused
	ObserveMode
	BreakGlass
	CRLAccepted
	CRLRejected
	CRLPending
	CRLEntries
	SecondsToNextUpdate
	SerialsAdded
	SerialsVanished
	SerialsVanishedShare
	IssuersChanged
	IssuersVanished
	UploadsGone
	SecondsToNotAfter
	PreprocessLatency
	CRLFetched
	CRLUnchanged
	FetchFailures
	FetchBytes
	FetchAge
	FetchLatency
	TruststoreOutOfStep
	TruststoreWarnings
	TruststoreMoved

	numMetrics
)

// Unit is a unit of CloudWatch's (API Reference, MetricDatum).
type Unit string

// The units in use.
const (
	Count        Unit = "Count"
	Bytes        Unit = "Bytes"
	Seconds      Unit = "Seconds"
	Milliseconds Unit = "Milliseconds"
	Percent      Unit = "Percent"
)

// Kind says what becomes of several values of a series within one flush.
type Kind uint8

const (
	// Counter adds them up.
	Counter Kind = iota + 1
	// Distribution keeps how they are distributed, so that percentiles work.
	Distribution
	// Lowest keeps the lowest: for what has one value at a time, of which the worst
	// is to be seen. Such a series is reported when it was recorded since the last
	// flush, so it is recorded again at each refresh.
	Lowest
	// Highest keeps the highest, likewise.
	Highest
)

// Dimension is what a metric is told apart by, besides the function, which all are.
type Dimension uint8

// The dimensions, each with a field in [Labels].
const (
	ByDecision Dimension = iota
	ByReason
	ByCA
	ByCRL
	ByCode

	numDimensions
)

// dimensionFunction is the name of the dimension that every metric has.
const dimensionFunction = "function"

var dimensionNames = [numDimensions]string{
	ByDecision: KeyDecision, ByReason: KeyReason, ByCA: KeyCA, ByCRL: KeyCRL, ByCode: KeyCode,
}

// Name is the dimension's name in CloudWatch, the same as the log key's.
func (d Dimension) Name() string { return dimensionNames[d] }

// Definition is what there is to know about a metric.
type Definition struct {
	Name string // in CloudWatch
	Unit Unit
	Kind Kind
	// By are the dimension sets under which the metric is reported, each with the
	// function; an empty one is the function's total, for alarms.
	By      [][]Dimension
	Meaning string
}

var (
	total        = []Dimension{}
	byCA         = []Dimension{ByCA}
	byReason     = []Dimension{ByReason}
	byCode       = []Dimension{ByCode}
	inTotal      = [][]Dimension{total}
	inTotalAndCA = [][]Dimension{total, byCA}
)

var definitions = [numMetrics]Definition{
	Decisions: {
		"Decisions", Count, Counter,
		[][]Dimension{{ByDecision, ByReason}, {ByCA, ByDecision}},
		"Requests decided, by decision and reason, and by CA and decision.",
	},
	WouldDeny: {
		"WouldDeny", Count, Counter,
		[][]Dimension{total, byReason, byCA},
		"Requests allowed only because of observe mode, by the reason for which they would be denied, and by CA.",
	},
	DecideLatency: {
		"DecideLatency", Milliseconds, Distribution, inTotal,
		"Time from event to response, without the Lambda runtime's own.",
	},
	RefreshLatency: {
		"RefreshLatency", Milliseconds, Distribution, inTotal,
		"Time that one revalidation of the catalog took, with the loading of what it changed.",
	},
	CatalogAge: {
		"CatalogAge", Seconds, Distribution, inTotal,
		"Time since the catalog that answered was last revalidated.",
	},
	CacheBytesFetched: {
		"CacheBytesFetched", Bytes, Counter, inTotal,
		"Bytes of bodies read from the cache bucket.",
	},
	RangeReads: {
		"RangeReads", Count, Counter, inTotal,
		"Ranged reads of sets that are searched where they lie: heads, pages of the index and blocks.",
	},
	SetLoads: {
		"SetLoads", Count, Counter, inTotalAndCA,
		"Sets loaded, whole or their index.",
	},
	HashFailures: {
		"HashFailures", Count, Counter, inTotalAndCA,
		"Objects of the cache bucket whose bytes do not match their hash. The log says which.",
	},
	StaleServed: {
		"StaleServed", Count, Counter, inTotal,
		"Requests answered from a catalog that was due for revalidation and could not be in time.",
	},
	CatalogRefused: {
		"CatalogRefused", Count, Counter,
		[][]Dimension{total, byReason},
		"Catalogs that were fetched and not taken: of a newer format, of a lower generation, or malformed.",
	},
	ObserveMode: {
		"ObserveMode", Count, Highest, inTotalAndCA,
		"1 while observe mode is on, for a CA or (CA none) for the whole; in the total, for any. Recorded while requests come.",
	},
	BreakGlass: {
		"BreakGlass", Count, Highest, inTotalAndCA,
		"1 while a CA's allow_until lies in the future; in the total, any CA's. Recorded while requests come.",
	},
	CRLAccepted: {
		"CRLAccepted", Count, Counter, inTotalAndCA,
		"CRLs accepted and published.",
	},
	CRLRejected: {
		"CRLRejected", Count, Counter,
		[][]Dimension{total, byCode, byCA},
		"CRLs refused, by the report's code, and by CA where it is known.",
	},
	CRLPending: {
		"CRLPending", Count, Counter,
		[][]Dimension{total, byCode},
		"CRLs that wait for time, an issuer or a base CRL, by the report's code; counted again each time they are looked at.",
	},
	CRLEntries: {
		"CRLEntries", Count, Highest,
		[][]Dimension{{ByCA, ByCRL}},
		"Entries of the CRL that serves.",
	},
	SecondsToNextUpdate: {
		"SecondsToNextUpdate", Seconds, Lowest,
		[][]Dimension{total, {ByCA, ByCRL}},
		"Time left until the CRL's nextUpdate, negative when it is past; in the total, of the CRL with the least.",
	},
	SerialsAdded: {
		"SerialsAdded", Count, Counter, inTotalAndCA,
		"Serials in an accepted CRL that its predecessor does not have.",
	},
	SerialsVanished: {
		"SerialsVanished", Count, Counter, inTotalAndCA,
		"Serials of the predecessor that an accepted CRL does not have any more: expired certificates, or revocations lost.",
	},
	SerialsVanishedShare: {
		"SerialsVanishedShare", Percent, Highest, inTotalAndCA,
		"SerialsVanished as a share of the serials that the predecessor had; of several CRLs, the greatest.",
	},
	IssuersChanged: {
		"IssuersChanged", Count, Counter, inTotalAndCA,
		"CAs whose certificates changed. Whoever writes issuers can sign CRLs.",
	},
	IssuersVanished: {
		"IssuersVanished", Count, Counter, inTotalAndCA,
		"CAs that are not withdrawn although their issuers file is gone, because too many went at once; counted again each time they are looked at.",
	},
	UploadsGone: {
		"UploadsGone", Count, Counter, inTotalAndCA,
		"CRLs in force whose upload is gone, at each reconciliation.",
	},
	SecondsToNotAfter: {
		"SecondsToNotAfter", Seconds, Lowest, inTotalAndCA,
		"Time left until a key of the CA has no valid certificate in its issuers file, negative when it has none; in the total, of the CA with the least.",
	},
	PreprocessLatency: {
		"PreprocessLatency", Milliseconds, Distribution, inTotal,
		"Time that one run of the preprocessor took.",
	},
	CRLFetched: {
		"CRLFetched", Count, Counter, inTotalAndCA,
		"Looks at a URL that brought new bytes, written to the upload bucket.",
	},
	CRLUnchanged: {
		"CRLUnchanged", Count, Counter, inTotalAndCA,
		"Looks at a URL that brought nothing new.",
	},
	FetchFailures: {
		"FetchFailures", Count, Counter,
		[][]Dimension{total, byCode, byCA},
		"Looks at a URL that failed, by the state's code, and by CA.",
	},
	FetchBytes: {
		"FetchBytes", Bytes, Counter, inTotalAndCA,
		"Bytes of bodies read from the servers of CAs.",
	},
	FetchAge: {
		"FetchAge", Seconds, Highest, inTotalAndCA,
		"Time since a URL last answered as it should or, if it never did, since it was first asked; of several, the greatest. Recorded at each run.",
	},
	FetchLatency: {
		"FetchLatency", Milliseconds, Distribution, inTotal,
		"Time that one run of the fetcher took.",
	},
	TruststoreOutOfStep: {
		"TruststoreOutOfStep", Count, Highest, inTotal,
		"1 while the domain's truststore holds other CAs than the issuers, or cannot be told; 0 while it is in step. The log names the certificates.",
	},
	TruststoreWarnings: {
		"TruststoreWarnings", Count, Highest, inTotal,
		"Faults of the domain's truststore that API Gateway warns of: some clients may not be able to connect.",
	},
	TruststoreMoved: {
		"TruststoreMoved", Count, Counter, inTotal,
		"Times that the domain was moved to a newer truststore.",
	},
}

// Metrics lists every metric, in the order of the constants.
func Metrics() []Definition { return slices.Clone(definitions[:]) }

// Definition is the metric's entry in the table; the zero Definition for a number
// that is no metric.
func (m Metric) Definition() Definition {
	if m >= numMetrics {
		return Definition{}
	}
	return definitions[m]
}

// String is the metric's name in CloudWatch.
func (m Metric) String() string { return m.Definition().Name }
