package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/crlgate/crlgate/pkg/serialset"
)

// Keys of the cache bucket. Every one is built here.
const (
	Key          = "catalog.json" // the catalog
	SetPrefix    = "sets/"
	ReportPrefix = "reports/"
	// TruststoreKey holds the issuers' certificates, as API Gateway's truststore.
	TruststoreKey = "truststore/issuers.pem"
	PartPrefix    = "catalog/" // parts, and below it the generations
	// GenerationPrefix is where every catalog lies that was, or was about to be, Key.
	GenerationPrefix = "catalog/generations/"

	maxKey        = 1024 // octets of an S3 key
	maxEscapedKey = 200  // octets: well under the 1,024 of an S3 key, and under what file systems allow in one name
)

// CRLName is the name of the CRL uploaded under a key: the key with every
// octet escaped that is not a letter, a digit, a dot or a hyphen ("_" and two
// hex digits). Very long ones are cut and end in a hash.
func CRLName(uploadKey string) string {
	var b strings.Builder
	for _, c := range []byte(uploadKey) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	name := b.String()
	if len(name) > maxEscapedKey {
		sum := sha256.Sum256([]byte(uploadKey))
		name = name[:maxEscapedKey-34] + "_." + hex.EncodeToString(sum[:16])
	}
	return name
}

// SetKey is where a set lies; it is named by its content.
func SetKey(crlName string, digest serialset.Digest) string {
	return SetPrefix + crlName + "/" + digest.String() + ".cache"
}

// JSONKey is where the same CRL lies as JSON, for readers in other languages.
func JSONKey(crlName string) string { return SetPrefix + crlName + ".cache.json" }

// ReportKey is where the report on the last upload under a key lies. An upload
// key that would make it longer than a key of S3 may be is cut and ends in a
// hash.
func ReportKey(uploadKey string) string {
	const most = maxKey - len(ReportPrefix) - len(".json")
	if len(uploadKey) > most {
		sum := sha256.Sum256([]byte(uploadKey))
		end := "~" + hex.EncodeToString(sum[:16])
		cut := most - len(end)
		for cut > 0 && !utf8.RuneStart(uploadKey[cut]) {
			cut-- // not in the middle of a character: keys are UTF-8
		}
		uploadKey = uploadKey[:cut] + end
	}
	return ReportPrefix + uploadKey + ".json"
}

// UploadKey is the upload key that a report is on; the reverse of [ReportKey], but
// for very long keys, which that cuts: then it is another key of the same report.
func UploadKey(reportKey string) (string, bool) {
	key, ok := strings.CutPrefix(reportKey, ReportPrefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(key, ".json")
}

// GenerationKey is where the catalog of a generation with these octets lies
// before it becomes [Key]. Keys are in the order of generations.
func GenerationKey(generation uint64, data []byte) string {
	sum := sha256.Sum256(data)
	return fmt.Sprintf("%s%020d-%s.json", GenerationPrefix, generation, hex.EncodeToString(sum[:]))
}

// ParseGenerationKey returns the generation that a key of [GenerationKey] names,
// and the SHA-256 of the octets; false: it is none.
func ParseGenerationKey(key string) (generation uint64, sum string, ok bool) {
	name, ok := strings.CutPrefix(key, GenerationPrefix)
	if !ok {
		return 0, "", false
	}
	name, ok = strings.CutSuffix(name, ".json")
	number, sum, _ := strings.Cut(name, "-")
	generation, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || len(number) != 20 || len(sum) != 2*sha256.Size {
		return 0, "", false
	}
	return generation, sum, true
}
