package fsck

import (
	"maps"
	"slices"
)

// Code names a kind of difference.
type Code string

// The kinds of difference. docs/codes.md lists them, and a test compares the two.
const (
	CatalogMissing    Code = "catalog_missing"
	CatalogMalformed  Code = "catalog_malformed"
	CatalogNewer      Code = "catalog_newer_format"
	CatalogRolledBack Code = "catalog_rolled_back"
	CatalogAltered    Code = "catalog_altered"
	PartMissing       Code = "part_missing"
	PartDamaged       Code = "part_damaged"
	SetMissing        Code = "set_missing"
	SetResized        Code = "set_resized"
	SetDamaged        Code = "set_damaged"
	CRLDiffers        Code = "crl_differs"
	ReportMissing     Code = "report_missing"
	ReportStale       Code = "report_stale"
	UploadUnseen      Code = "upload_unseen"
	UploadGone        Code = "upload_gone"
	NotInForce        Code = "not_in_force"
	IssuerDiffers     Code = "issuer_differs"
	IssuerGone        Code = "issuer_gone"
	SettingsDiffer    Code = "settings_differ"
	FloorLow          Code = "floor_low"
	Unreferenced      Code = "unreferenced"
)

// kind is what there is to know of a kind of difference.
type kind struct {
	code Code
	// mends says whether the preprocessor can mend it; most does it where the
	// upload is still there.
	mends  bool
	remedy string
}

const repair = "crlgate fsck --repair"

var kinds = func() map[Code]kind {
	out := map[Code]kind{}
	for _, k := range []kind{
		{CatalogMissing, true, repair + " puts the newest copy of it in its place; where there is none it is made anew of the uploads"},
		{CatalogMalformed, true, repair + " puts the newest copy of it in its place; keep the damaged one if you want to find out who wrote it"},
		{CatalogNewer, false, "use the crlgate that wrote it, or a newer one"},
		{CatalogRolledBack, true, repair + ", or the next timer, puts the newest copy of it in its place"},
		{CatalogAltered, false, "find out who wrote it (CloudTrail); if it was not meant, put the newest object under catalog/generations/ in its place"},
		{PartMissing, true, repair + " makes it anew of the uploads; put back the version that the bucket kept if a CRL of it is uploaded no more"},
		{PartDamaged, true, repair + " makes it anew of the uploads; put back the version that the bucket kept if a CRL of it is uploaded no more"},
		{SetMissing, true, repair + " writes it anew of the upload; where that is gone, upload the CRL again, or a newer one"},
		{SetResized, true, repair + " writes it anew of the upload; where that is gone, upload the CRL again, or a newer one"},
		{SetDamaged, true, repair + " writes it anew of the upload; where that is gone, upload the CRL again, or a newer one"},
		{CRLDiffers, true, repair + " enters the CRL anew of the upload; find out who wrote the catalog (CloudTrail)"},
		{ReportMissing, true, repair + " writes it"},
		{ReportStale, true, repair + " writes it"},
		{UploadUnseen, true, "an event was lost, or is late: " + repair + ", or the next timer, looks at it"},
		{UploadGone, false, "upload a current CRL again; or, if that was meant, end it: crlgate forget KEY"},
		{NotInForce, true, repair + " enters it again"},
		{IssuerDiffers, true, repair + ", or the next timer, takes the file for good"},
		{IssuerGone, true, repair + ", or the next timer, withdraws the CA; if its report says issuers_vanished, upload the file again, or confirm: crlgate forget --ca NAME"},
		{SettingsDiffer, true, repair + " takes the file for good"},
		{FloorLow, true, repair + " raises it"},
		{Unreferenced, true, "the timer sweeps it; if it does not, look at the preprocessor's log and its right to delete"},
	} {
		out[k.code] = k
	}
	return out
}()

// Codes returns every kind of difference, in order.
func Codes() []Code { return slices.Sorted(maps.Keys(kinds)) }

// Mends reports whether the preprocessor can mend a kind of difference, as a rule.
func Mends(code Code) bool { return kinds[code].mends }
