package catalog_test

import (
	"fmt"
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
