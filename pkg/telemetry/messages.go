package telemetry

import "slices"

// Message is a log message, the value of msg: its level, which functions log it,
// and what it says.
type Message struct {
	Text, Level string
	By          []string
	Meaning     string
}

const (
	info  = "INFO"
	warn  = "WARN"
	fault = "ERROR"
)

var messages = []Message{
	{"allow", info, auth, "A request was let in: a share of them, `LOG_ALLOWED`. As WARN with `would_deny`, one that would be denied; of those every one."},
	{"deny", warn, auth, "A request was denied; every one. As ERROR, for `internal_error`."},
	{"catalog in force", info, auth, "Another catalog answers from now on."},
	{"catalog not revalidated", fault, auth, "S3 did not answer, or with what is not taken. What is warm goes on answering."},
	{"part of the catalog not loaded", fault, auth, "As above, for a part of a large catalog."},
	{"set loaded", info, auth, "A set is in memory."},
	{"set not loaded", fault, auth, "S3 did not answer, or the set does not fit `MEMORY_BUDGET`, in which case it is searched where it lies."},
	{"set fails its hash", fault, auth, "A set is not what the catalog says: damage or tampering."},
	{"done", info, prepAndFetcher, "A run has ended."},
	{"not done", fault, []string{preprocessor, truststore, fetcher}, "A run has failed; Lambda tries the event again, or the timer does."},
	{"reading CRL", info, prep, "A CRL is being read; a run that ends here hit its timeout."},
	{"CRL accepted", info, prep, "A CRL is in force."},
	{"CRL pending", warn, prep, "A CRL waits; `code` says for what."},
	{"CRL refused", warn, prep, "A CRL was refused for good; `code` and `detail` say why."},
	{"CRL deleted", info, prep, "An upload is gone; `detail` says what goes on serving."},
	{"compared with the CRL before", info, prep, "How a CRL differs from the one that it replaced."},
	{"not compared with the CRL before", warn, prep, "The comparison failed, and no more than that."},
	{"not published as JSON: too many entries", warn, prep, "`CACHE_JSON` stops at a million entries."},
	{"issuer accepted", info, prep, "A CA's certificates, or its settings, are in force."},
	{"issuer pending", info, prep, "Settings wait for their CA's certificates; or a CA goes on as it was although its file is gone (`issuers_vanished`)."},
	{"issuer refused", info, prep, "Certificates or settings were refused; `code` and `detail` say why."},
	{"issuer deleted", info, prep, "A CA's certificates, or its settings, are gone."},
	{"catalog written", info, prep, "A new generation of the catalog is published."},
	{"catalog written, though S3's answer was lost", info, prep, "The same, found out by reading it again."},
	{"truststore published", info, prep, "The truststore for API Gateway was written (`PUBLISH_TRUSTSTORE`)."},
	{"truststore not published", warn, prep, "It was not; `code` and `detail` say why."},
	{"truststore in step", info, trus, "The domain's truststore is what the preprocessor published."},
	{"truststore out of step", fault, trus, "It is not; `detail` says why."},
	{"moving the domain", info, trus, "The domain was told of a newer truststore."},
	{"API Gateway warns of the truststore", warn, trus, "Some clients may not be able to connect; `detail` has API Gateway's words."},
	{"CRL fetched", info, fet, "A URL brought new bytes; the preprocessor's lines say what became of them."},
	{"CRL not fetched", warn, fet, "A URL brought nothing; `code` and `detail` say why."},
	{"CRL no longer fetched", info, fet, "Nothing names the URL any more; what it brought goes on serving."},
	{"file refused", warn, prep, "A file lies where issuers do, and its name is for nothing there; `detail` says how it would have to be called."},
	{"file deleted", warn, prep, "Such a file is gone."},
	{"set written anew", warn, prep, "A set was lost or damaged, and was made again of the upload; `detail` says what was wrong with it."},
	{"set lost, and its upload is gone", fault, prep, "A set of a CRL in force is lost or damaged, and cannot be made again: upload the CRL, or a newer one."},
	{"CRL entered anew", warn, prep, "What the catalog said of a CRL is not what the upload says: another version wrote it, or it was tampered with."},
	{"the catalog is older than the newest copy of it, which is put in its place", warn, prep, "`catalog.json` was put back, or a run ended before it wrote it."},
	{"the catalog is lost; the newest copy of it is put in its place", warn, prep, "`catalog.json` was deleted."},
	{"the store says that the catalog is there, and does not have it; it is put back without a condition", fault, prep, "Three times the store refused to write a lost `catalog.json` because it exists (412), and then had none. Amazon S3 does not do so; other stores do under a delete marker. The newest copy is put in its place; delete the marker if it comes again."},
	{"the catalog is damaged; the newest copy of it is put in its place", warn, prep, "`catalog.json` cannot be read, and a repair was asked for."},
	{"a copy of the catalog is damaged", fault, prep, "A copy of the catalog is not what its name says: damage or tampering. The newest whole one is taken."},
	{"a part of the catalog is lost, and made anew of what is uploaded", fault, prep, "A repair found a part of a large catalog missing or damaged; `detail` says which of the two."},
	{"forget", warn, prep, "An operator had something forgotten, or looked at what that would do (`dry_run`); with who and why."},
	{"object swept", info, prep, "An object that nothing had referred to for `SWEEP_AFTER` was deleted."},
	{"swept", info, prep, "How many were, in this run."},
	{"ignored: not an issuer, settings or CRL", info, prep, "An event names an object under no prefix that is read."},
	{"S3 test event: notifications are wired", info, prep, "S3 sends one when notifications are set up."},
	{"metrics not recorded", fault, auth, "A fault inside crlgate: report it."},
	{"set not reported", fault, auth, "A fault inside crlgate: report it."},
}

// Messages lists every log message.
func Messages() []Message { return slices.Clone(messages) }
