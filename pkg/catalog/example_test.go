package catalog_test

import (
	"fmt"

	"github.com/crlgate/crlgate/pkg/catalog"
)

// The keys of the cache bucket's objects. A CRL's name is its upload key, escaped,
// so that it is one part of a key.
func Example_keys() {
	name := catalog.CRLName("crls/partner a.crl")
	fmt.Println(catalog.Key)
	fmt.Println(name)
	fmt.Println(catalog.JSONKey(name))
	fmt.Println(catalog.ReportKey("crls/partner a.crl"))
	// Output:
	// catalog.json
	// crls_2fpartner_20a.crl
	// sets/crls_2fpartner_20a.crl.cache.json
	// reports/crls/partner a.crl.json
}
