package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/crlgate/crlgate/pkg/serialset"
)

// Keys of the cache bucket. Every one is built here.
const (
	Key           = "catalog.json" // the catalog
	SetPrefix     = "sets/"
	ReportPrefix  = "reports/"
	TruststoreKey = "truststore/issuers.pem" // the issuers' certificates, as API Gateway's truststore
	maxKey        = 1024                     // octets of an S3 key
	maxEscapedKey = 200                      // octets: well under the 1,024 of an S3 key, and under what file systems allow in one name
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
