package catalog_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/catalog"
	"github.com/crlgate/crlgate/pkg/serialset"
)

func ExampleCRLName() {
	fmt.Println(catalog.CRLName("crls/partner-a.crl"))
	fmt.Println(catalog.CRLName("crl/8b2c_d4 é+.crl"))
	fmt.Println(catalog.CRLName("crls/" + strings.Repeat("long", 60) + ".crl"))
	// Output:
	// crls_2fpartner-a.crl
	// crl_2f8b2c_5fd4_20_c3_a9_2b.crl
	// crls_2flonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglon_.e23c6d4d8ebc4da71adce21da2fa4a1a
}

func ExampleSetKey() {
	digest, _ := serialset.ParseDigest("986949080c731f2b5a1f1317c42550b4cd72c785dd8da0174f8cdc1c72b9104d")
	fmt.Println(catalog.SetKey(catalog.CRLName("crls/partner-a.crl"), digest))
	// Output:
	// sets/crls_2fpartner-a.crl/986949080c731f2b5a1f1317c42550b4cd72c785dd8da0174f8cdc1c72b9104d.cache
}

func ExampleJSONKey() {
	fmt.Println(catalog.JSONKey(catalog.CRLName("crls/partner-a.crl")))
	// Output:
	// sets/crls_2fpartner-a.crl.cache.json
}

func ExampleReportKey() {
	fmt.Println(catalog.ReportKey("crls/partner-a.crl"))
	fmt.Println(catalog.ReportKey("issuers/partner-a.pem"))
	// Output:
	// reports/crls/partner-a.crl.json
	// reports/issuers/partner-a.pem.json
}

// TestNamesAreDistinct: no two uploads share a name, cut or not.
func TestNamesAreDistinct(t *testing.T) {
	long := "crls/" + strings.Repeat("x", 300)
	seen := map[string]string{}
	for _, key := range []string{
		"crls/a", "crls_a", "crls_2fa", "crls_5f2fa", "crls/a.", "crls/A", "crls//a", "crls/a/", "crls/\xff", "crls/ÿ",
		long, long + "x", "y" + long, catalog.CRLName(long), catalog.CRLName(long + "x"),
	} {
		name := catalog.CRLName(key)
		if other, ok := seen[name]; ok {
			t.Errorf("%q and %q are both called %s", key, other, name)
		}
		seen[name] = key
		if len(name) > 200 {
			t.Errorf("%q has a name of %d octets", key, len(name))
		}
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != "" {
			t.Errorf("%q has the name %q", key, name)
		}
	}
}

// TestNameEscapes: letters, digits, dots and hyphens stand for themselves, every
// other octet is escaped.
func TestNameEscapes(t *testing.T) {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
	for i := range 256 {
		key := string([]byte{byte(i)})
		want := fmt.Sprintf("_%02x", i)
		if strings.Contains(plain, key) {
			want = key
		}
		if name := catalog.CRLName(key); name != want {
			t.Errorf("octet %#x is written as %q", i, name)
		}
	}
	for n, cut := range map[int]bool{199: false, 200: false, 201: true, 202: true} {
		key := strings.Repeat("k", n)
		if name := catalog.CRLName(key); (name != key) != cut || cut && len(name) != 200 {
			t.Errorf("%d octets are called %s", n, name)
		}
	}
}

// TestReportKeyCut: only what would not fit is cut, at the end of a character,
// and as little as can be.
func TestReportKeyCut(t *testing.T) {
	const ends = len("~") + 32
	for _, tt := range []struct {
		upload string
		kept   int // octets of it in the report's key
	}{
		{strings.Repeat("k", 1010), 1010},
		{strings.Repeat("k", 1011), 1011},
		{strings.Repeat("k", 1012), 1011 - ends},
		{strings.Repeat("é", 506), 1011 - ends},
		{"k" + strings.Repeat("é", 506), 1011 - ends - 1},
		{"kk" + strings.Repeat("€", 506), 1011 - ends - 1},
		{strings.Repeat("\x80", 1012), 0}, // octets of no character
		{"k" + strings.Repeat("\x80", 1012), 0},
	} {
		key := catalog.ReportKey(tt.upload)
		upload, ok := catalog.UploadKey(key)
		cut := len(tt.upload) != tt.kept
		if !ok || cut && len(upload) != tt.kept+ends || !strings.HasPrefix(upload, tt.upload[:tt.kept]) || cut && upload[tt.kept] != '~' {
			t.Errorf("%.3q…, %d octets: the report is on %.3q…, %d octets", tt.upload, len(tt.upload), upload, len(upload))
		}
	}
}

// TestUploadKey reads back what a report is on.
func TestUploadKey(t *testing.T) {
	for _, upload := range []string{"crls/a.crl", "issuers/a.json", ".json", "", "reports/x.json"} {
		if got, ok := catalog.UploadKey(catalog.ReportKey(upload)); !ok || got != upload {
			t.Errorf("%q: %q, %v", upload, got, ok)
		}
	}
	for _, key := range []string{"crls/a.crl.json", "report/a.json", "reports/a", "reports/a.jso", "x/reports/a.json", ""} {
		if got, ok := catalog.UploadKey(key); ok {
			t.Errorf("%q is a report on %q", key, got)
		}
	}
}

func ExampleGenerationKey() {
	fmt.Println(catalog.GenerationKey(7, []byte("the catalog")))
	// Output:
	// catalog/generations/00000000000000000007-5e5eb74534841d945d0687fd6ef241f0362e3e3b1e65c3815439d390b677e5e4.json
}

// TestParseGenerationKey reads back which generation a key is of, and refuses
// every other key.
func TestParseGenerationKey(t *testing.T) {
	data := []byte("the catalog")
	hash := fmt.Sprintf("%x", sha256.Sum256(data))
	last := ""
	for _, n := range []uint64{0, 1, 10, 1 << 20, math.MaxInt64 + 1, math.MaxUint64} {
		key := catalog.GenerationKey(n, data)
		got, sum, ok := catalog.ParseGenerationKey(key)
		if !ok || got != n || sum != hash || key <= last {
			t.Errorf("generation %d, %s: %d, %s, %v", n, key, got, sum, ok)
		}
		last = key
	}
	for what, key := range map[string]string{
		"elsewhere":         "generations/00000000000000000007-" + hash + ".json",
		"a part":            catalog.PartKey(hash),
		"without prefix":    "00000000000000000007-" + hash + ".json",
		"without suffix":    "catalog/generations/00000000000000000007-" + hash,
		"without hash":      "catalog/generations/00000000000000000007.json",
		"hash too short":    "catalog/generations/00000000000000000007-" + hash[1:] + ".json",
		"hash too long":     "catalog/generations/00000000000000000007-" + hash + "0.json",
		"number too short":  "catalog/generations/0000000000000000007-" + hash + ".json",
		"number too long":   "catalog/generations/000000000000000000007-" + hash + ".json",
		"number not a one":  "catalog/generations/0000000000000000000a-" + hash + ".json",
		"number beyond all": "catalog/generations/18446744073709551616-" + hash + ".json",
		"negative":          "catalog/generations/-0000000000000000007-" + hash + ".json",
		"nothing":           "",
	} {
		if n, sum, ok := catalog.ParseGenerationKey(key); ok || n != 0 || sum != "" {
			t.Errorf("%s: %q is generation %d, %q", what, key, n, sum)
		}
	}
}
