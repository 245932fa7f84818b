package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/s3proc"
	"github.com/crlgate/crlgate/internal/pki"
	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// repairRequest asks the preprocessor to look at every octet.
const repairRequest = `{"crlgate":"repair"}`

// deliver delivers a request and waits until it is done.
func (s *scenario) deliver(payload string) {
	s.t.Helper()
	s.Deliver([]byte(payload))
	s.drain()
}

// lose has an object of the cache bucket be gone with all its versions, as after
// a loss, which leaves no delete marker.
func (s *scenario) lose(key string) {
	s.t.Helper()
	client := s3.New(s3.Options{
		BaseEndpoint: &s.S3.Endpoint, Region: s.S3.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.S3.AccessKey, s.S3.SecretKey, ""),
	})
	found, err := client.ListObjectVersions(s.t.Context(), &s3.ListObjectVersionsInput{Bucket: &s.cacheBucket, Prefix: &key})
	if err != nil {
		s.t.Fatal(err)
	}
	lost := 0
	for _, v := range found.Versions {
		if *v.Key != key {
			continue
		}
		if _, err := client.DeleteObject(s.t.Context(), &s3.DeleteObjectInput{Bucket: &s.cacheBucket, Key: &key, VersionId: v.VersionId}); err != nil {
			s.t.Fatal(err)
		}
		lost++
	}
	if lost == 0 {
		s.t.Fatalf("%s has no version that could be lost", key)
	}
}

// tampering has the catalog say of a CRL what it does not say itself.
func (s *scenario) tampering() {
	s.t.Helper()
	s.drain()
	c := s.catalog()
	for _, l := range c.CAs[s.ca.name].CRLs {
		l.Entries++
	}
	data, _, err := c.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	s.overwrite(catalog.Key, data)
	s.deliver(repairRequest)
	s.awaitLog(`"CRL entered anew"`, "crls/alpha.crl")
}

// repairs loses and damages what the preprocessor mends.
func (s *scenario) repairs() {
	s.t.Helper()
	s.drain()
	lost := s.catalog().CAs[s.ca.name].CRLs[0].Set.Key
	s.lose(lost)
	s.deliver(preprocess.ReconcileRequest)
	s.awaitLog(`"set written anew"`, lost, "it is not there")

	older := s.object(catalog.Key)
	s.upload("crls/alpha.crl", s.large(), preprocess.OutcomeAccepted)
	s.drain()
	s.overwrite(catalog.Key, older)
	s.deliver(preprocess.ReconcileRequest)
	s.awaitLog("the catalog is older than the newest copy of it")

	generation := s.catalog().Generation
	s.lose(catalog.Key)
	s.deliver(preprocess.ReconcileRequest)
	s.awaitLog("the catalog is lost")
	if c := s.catalog(); c.Generation < generation {
		s.t.Errorf("generation %d after the catalog was lost, %d before", c.Generation, generation)
	}

	// As where a store takes a key under a delete marker for one that exists.
	s.lose(catalog.Key)
	remove := s.PreprocessorProxy.Inject(s3proc.Object(http.MethodPut, s.cacheBucket, catalog.Key), s3proc.Answer(http.StatusPreconditionFailed).Times(3))
	s.deliver(preprocess.ReconcileRequest)
	s.awaitLog("the store says that the catalog is there, and does not have it")
	remove()
	if c := s.catalog(); c.Generation < generation {
		s.t.Errorf("generation %d after the catalog was deleted, %d before", c.Generation, generation)
	}

	copies, err := preprocess.Generations(s.t.Context(), s.Cache)
	if err != nil {
		s.t.Fatal(err)
	}
	s.overwrite(copies[0].Object.Key, []byte("{}"))
	s.overwrite(catalog.Key, []byte("{"))
	s.deliver(repairRequest)
	s.awaitLog("the catalog is damaged")
	s.awaitLog("a copy of the catalog is damaged", copies[0].Object.Key)

	parts := slices.Sorted(slices.Values(s.catalog().PartKeys()))
	if len(parts) == 0 {
		s.t.Fatal("the catalog is not kept in parts")
	}
	s.lose(parts[0])
	s.deliver(repairRequest)
	s.awaitLog("a part of the catalog is lost", parts[0], "it is not there")
}

// sweeping leaves a set that nothing refers to, and two days go by.
func (s *scenario) sweeping() {
	s.t.Helper()
	const unused = catalog.SetPrefix + "unused.cache"
	s.overwrite(unused, []byte("of no use"))
	isUnused := func(r s3proc.Request) bool { return r.Key == unused || r.Query.Get("prefix") == catalog.SetPrefix }
	remove := s.PreprocessorProxy.Inject(isUnused, s3proc.Aged(time.Now(), 48*time.Hour))
	s.deliver(preprocess.ReconcileRequest)
	remove()
	s.awaitLog(`"object swept"`, unused)
	s.awaitLog(`"swept"`, `"objects":1`)
}

// forgets asks for what would be lost, and then for losing it.
func (s *scenario) forgets(request map[string]any) {
	s.t.Helper()
	ask := func(more map[string]any) (answer preprocess.Forgotten) {
		s.t.Helper()
		asked := map[string]any{"crlgate": "forget", "reason": "ticket 4711", "by": "an operator"}
		maps.Copy(asked, request)
		maps.Copy(asked, more)
		payload, err := json.Marshal(asked)
		if err != nil {
			s.t.Fatal(err)
		}
		out, err := s.Preprocessor.Invoke(s.t.Context(), payload)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal(out.Payload, &answer); err != nil {
			s.t.Fatalf("%v: %s", err, out.Payload)
		}
		return answer
	}
	shown := ask(map[string]any{"dry_run": true})
	if shown.Done || shown.Refused != "" {
		s.t.Fatalf("shown: %+v", shown)
	}
	if done := ask(map[string]any{"seen": shown.Seen}); !done.Done {
		s.t.Fatalf("asked for: %+v", done)
	}
}

// objects lists a bucket's keys.
func (s *scenario) objects(bucket preprocess.ListsObjects, prefix string) (keys []string) {
	s.t.Helper()
	for object, err := range bucket.List(s.t.Context(), prefix) {
		if err != nil {
			s.t.Fatal(err)
		}
		keys = append(keys, object.Key)
	}
	return keys
}

// ending removes what was uploaded, at last all of it at once.
func (s *scenario) ending() {
	s.t.Helper()
	s.upload("crls/alpha.crl", s.ca.crl(func(o *pki.CRLOptions) { o.EntrySeq = serials(1_000_001) }), preprocess.OutcomeAccepted)
	s.awaitLog("too many entries")
	s.remove("crls/alpha.crl")
	s.awaitLog(`"CRL deleted"`, "crls/alpha.crl")
	s.drain()
	s.forgets(map[string]any{"crl": "crls/alpha.crl"})
	s.remove("issuers/alpha.pem")
	s.awaitLog(`"issuer deleted"`, `"issuers/alpha.pem"`)
	s.drain() // its truststore is not published: it would be empty
	s.upload("issuers/alpha.pem", s.ca.PEM(), preprocess.OutcomeAccepted)
	s.drain()

	for _, key := range s.objects(s.Uploads, "crls/") {
		s.remove(key)
	}
	s.drain()
	for _, key := range s.objects(s.Cache, catalog.SetPrefix) {
		s.lose(key)
	}
	s.deliver(preprocess.ReconcileRequest)
	s.awaitLog(`"UploadsGone"`)
	s.awaitLog(`"set lost, and its upload is gone"`)

	s.remove("issuers/notes.txt")
	s.awaitLog(`"file deleted"`, "issuers/notes.txt")
	for _, key := range s.objects(s.Uploads, "") {
		if key != "issuers/alpha.pem" {
			s.remove(key)
		}
	}
	s.drain()
	s.remove("issuers/alpha.pem") // the last
	s.deliver(preprocess.ReconcileRequest)
	s.awaitLog(`"IssuersVanished"`)
	s.forgets(map[string]any{"ca": s.ca.name})
	s.drain()
}
