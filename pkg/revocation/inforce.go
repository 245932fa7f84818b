package revocation

import "github.com/crlgate/crlgate/pkg/catalog"

// Catalog returns the catalog in force, which nobody may change; nil: there is
// none yet. [Metrics] that are told of a refresh find what it brought here.
func (c *Cache) Catalog() *catalog.Catalog {
	if s := c.current.Load(); s != nil {
		return s.catalog
	}
	return nil
}
