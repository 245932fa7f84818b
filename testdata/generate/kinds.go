package main

import (
	"crypto/x509/pkix"
	"math/big"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// Reasons that one CRL of the corpus covers, and the others.
const (
	keyReasons   = pki.FlagKeyCompromise | pki.FlagCACompromise
	otherReasons = pki.FlagAffiliationChanged | pki.FlagSuperseded | pki.FlagCessationOfOperation | pki.FlagCertificateHold | pki.FlagPrivilegeWithdrawn | pki.FlagAACompromise
)

// addChain adds CAs that "ca" has certified, under serial numbers that
// sound/der.crl lists or not: one revoked, one whose key has a newer
// certificate, one whose key was compromised though it has.
func (a *authorities) addChain() error {
	listed := soundOptions().Entries
	for name, serials := range map[string][]*big.Int{
		"below":             {big.NewInt(8)},
		"below_revoked":     {listed[0].Serial},
		"below_superseded":  {listed[2].Serial, big.NewInt(9)},
		"below_compromised": {listed[1].Serial, big.NewInt(10)},
	} {
		o := pki.CAOptions{Name: testName("Test CA " + name), Parent: a.ca["ca"]}
		for i, serial := range serials {
			o.SerialNumber = serial
			ca, err := pki.NewCA(o)
			if err != nil {
				return err
			}
			o.Signer = ca.Key
			if i == 0 {
				a.ca[name] = ca
			} else {
				a.with[name] = append(a.with[name], ca)
			}
		}
	}
	return nil
}

// delta makes the sound CRL a delta CRL, number 43, to number base.
func delta(base int64, entries ...pki.Entry) func(o *pki.CRLOptions) {
	return func(o *pki.CRLOptions) {
		o.Number, o.BaseNumber, o.Entries = big.NewInt(43), big.NewInt(base), entries
	}
}

// kinds are delta CRLs, indirect CRLs, CRLs of some reasons, and CRLs of CAs
// below another.
func kinds(a *authorities) []recipe {
	base := []string{"sound/der.crl"}
	seven := pki.Entry{Serial: big.NewInt(7), Reason: pki.KeyCompromise}
	indirect := func(entries ...pki.Entry) func(o *pki.CRLOptions) {
		return func(o *pki.CRLOptions) { o.IDP, o.Entries = &pki.IDP{Indirect: true}, entries }
	}
	idp := func(i pki.IDP) func(o *pki.CRLOptions) { return func(o *pki.CRLOptions) { o.IDP = &i } }
	of := func(name string, serial int64) pki.Entry {
		return pki.Entry{Serial: big.NewInt(serial), Reason: pki.KeyCompromise, CertificateIssuer: a.ca[name].Name()}
	}
	out := []recipe{
		{name: "delta", with: base, what: "a delta CRL, number 43, to number 42 (RFC 5280 §5.2.4); it lists one more", edit: delta(42, seven)},
		{name: "delta_of_an_older_base", with: base, what: "a delta CRL to number 40, where number 42 is in hand", edit: delta(40, seven)},
		{name: "delta_remove_from_crl", with: base, what: "a delta CRL that takes an entry of its base back", edit: delta(42, pki.Entry{Serial: big.NewInt(0x0a1b), Reason: pki.RemoveFromCRL})},
		{name: "delta_no_entries", with: base, what: "a delta CRL without entries", edit: delta(42)},
		{name: "delta_issued_with_a_complete_crl", with: base, what: "a delta CRL to number 40 that was issued with complete CRL number 42, so has that number (RFC 5280 §5.2.4)", edit: func(o *pki.CRLOptions) {
			delta(40)(o)
			o.Number = big.NewInt(42)
		}},
		{name: "delta_number_is_base", with: base, what: "a delta CRL, number 42, to number 42, with which it was issued, and without entries: it says nothing beyond it (RFC 5280 §5.2.3)", edit: func(o *pki.CRLOptions) {
			delta(42)(o)
			o.Number = big.NewInt(42)
		}},
		{name: "delta_number_is_base_and_entries", with: base, what: "the same with entries that its base does not have, against RFC 5280 §5.2.3: what is listed is revoked, and nothing is taken back", edit: func(o *pki.CRLOptions) {
			delta(42, seven, pki.Entry{Serial: big.NewInt(0x0a1b), Reason: pki.RemoveFromCRL})(o)
			o.Number = big.NewInt(42)
		}},
		{name: "delta_not_critical", with: base, what: "a delta CRL indicator that is not critical, against RFC 5280 §5.2.4; it is obeyed all the same", edit: func(o *pki.CRLOptions) {
			o.Number, o.Entries = big.NewInt(43), []pki.Entry{seven}
			o.ExtraExtensions = []pkix.Extension{{Id: oidDeltaIndicator, Value: []byte{2, 1, 42}}}
		}},
		{name: "delta_next_update_in_the_past", with: base, what: "a delta CRL past its nextUpdate: what it lists is revoked, and its base is current", edit: func(o *pki.CRLOptions) {
			delta(42, seven)(o)
			o.NextUpdate = at.Add(-time.Minute)
		}},
		{name: "indirect", what: "an indirect CRL with entries of its own issuer only (RFC 5280 §5.2.5)", edit: func(o *pki.CRLOptions) { o.IDP = &pki.IDP{Indirect: true} }},
		{name: "indirect_two_issuers", what: "an indirect CRL: an entry of its own issuer, two of another CA, of which the second names nobody, one of a third (RFC 5280 §5.3.3)", edit: indirect(
			seven, of("other", 11), pki.Entry{Serial: big.NewInt(12), Reason: pki.KeyCompromise}, of("p384", 13))},
		{name: "indirect_own_issuer_named", what: "an indirect CRL that names its own issuer behind an entry of another CA", edit: indirect(of("other", 11), of("ca", 7))},
		{name: "indirect_name_other_string_type", what: "an indirect CRL that names a certificate issuer in another string type, case and spacing (RFC 5280 §7.1)", edit: indirect(
			pki.Entry{Serial: big.NewInt(11), Reason: pki.KeyCompromise, CertificateIssuer: must(pki.RawName(
				[]pki.Attribute{{Type: pki.OIDOrganization, Value: "CRLGATE  test"}}, []pki.Attribute{{Type: pki.OIDCommonName, Value: " test CA OTHER"}}))})},
		{name: "idp_other_reasons", what: "IDP with onlySomeReasons of all reasons but keyCompromise and cACompromise", edit: idp(pki.IDP{Reasons: otherReasons})},
		{name: "idp_some_reasons_as_well", what: "a CRL of keyCompromise and cACompromise beside one of the other reasons", with: []string{"sound/idp_other_reasons.crl"}, edit: idp(pki.IDP{Reasons: keyReasons})},
	}
	for _, name := range []string{"below", "below_revoked", "below_superseded", "below_compromised"} {
		out = append(out, recipe{name: "issuer_" + name, what: "of a CA below another (issuers/" + name + ".pem)", issuer: name, alsoWith: "ca"})
	}
	return out
}

// kindDefects are delta and indirect CRLs that cannot be used.
func kindDefects(a *authorities) []recipe {
	base := []string{"sound/der.crl"}
	return []recipe{
		{name: "delta_without_base", code: "delta_base_missing", what: "a delta CRL without the complete CRL that it is a delta to (RFC 5280 §5.2.4)", edit: delta(42)},
		{name: "delta_of_a_newer_base", with: base, code: "delta_base_missing", what: "a delta CRL to number 43, where number 42 is in hand", edit: func(o *pki.CRLOptions) {
			delta(43)(o)
			o.Number = big.NewInt(44)
		}},
		{name: "delta_of_another_scope", with: base, code: "delta_base_missing", what: "a delta CRL with an IDP, which its base has not (RFC 5280 §6.3.3 c)", edit: func(o *pki.CRLOptions) {
			delta(42)(o)
			o.IDP = &pki.IDP{OnlyUser: true}
		}},
		{name: "delta_of_another_key", with: []string{"sound/issuer_old_key.crl"}, code: "delta_base_missing", issuer: "two_keys", what: "a delta CRL that another key of the CA signed than its base (RFC 5280 §6.3.3 c)", edit: func(o *pki.CRLOptions) {
			delta(42)(o)
			second := a.with["two_keys"][0]
			o.SignWith, o.AuthorityKeyID = second.Key, second.SubjectKeyID
		}},
		{name: "delta_number_below_base", with: base, code: "delta_number_conflict", what: "a delta CRL, number 41, to number 42: it cannot be older than what it is a delta to", edit: func(o *pki.CRLOptions) {
			delta(42)(o)
			o.Number = big.NewInt(41)
		}},
	}
}

// kindCertificates are certificates that depend on more than one complete CRL.
func kindCertificates(a *authorities) []request {
	serial := func(n int64) pki.LeafOptions { return pki.LeafOptions{Serial: big.NewInt(n)} }
	at := func(n int64, points ...pki.DistributionPoint) pki.LeafOptions {
		return pki.LeafOptions{Serial: big.NewInt(n), RawCDP: must(pki.CDP(points...))}
	}
	delta := func(name string) []string { return []string{"sound/" + name + ".crl"} }
	delegated := pki.DistributionPoint{CRLIssuer: a.ca["ca"].Name()}
	const uri = "http://crl.example.com/ca.crl"
	part := must(pki.RelativeName([]pki.Attribute{{Type: pki.OIDCommonName, Value: "PART  1"}}))
	return []request{
		{name: "revoked_by_delta", what: "a serial that the delta CRL lists", with: delta("delta"), reason: "revoked", options: serial(7)},
		{name: "revoked_by_base", what: "a serial that its base lists", with: delta("delta"), reason: "revoked", options: serial(255)},
		{name: "good_beside_delta", what: "a serial that neither the delta CRL nor its base lists", with: delta("delta"), options: serial(6)},
		{name: "good_taken_back", what: "a serial that the delta CRL takes back", with: delta("delta_remove_from_crl"), options: serial(0x0a1b)},
		{name: "revoked_not_taken_back", what: "a serial that the delta CRL does not take back", with: delta("delta_remove_from_crl"), reason: "revoked", options: serial(255)},
		{name: "revoked_by_delta_out_of_date", what: "a serial that a delta CRL past its nextUpdate lists", with: delta("delta_next_update_in_the_past"), reason: "revoked", options: serial(7)},
		{name: "good_beside_delta_out_of_date", what: "a current base beside a delta CRL past its nextUpdate", with: delta("delta_next_update_in_the_past"), options: serial(6)},
		{name: "good_beside_delta_of_its_own_number", what: "a serial that neither the base nor a delta CRL of the same number lists", with: delta("delta_number_is_base"), options: serial(7)},
		{name: "revoked_beside_delta_of_its_own_number", what: "a serial that the base lists, beside a delta CRL of the same number", with: delta("delta_number_is_base"), reason: "revoked", options: serial(255)},
		{name: "revoked_by_delta_of_its_own_number", what: "a serial that a delta CRL of its base's number lists, and the base does not", with: delta("delta_number_is_base_and_entries"), reason: "revoked", options: serial(7)},
		{name: "revoked_not_taken_back_by_delta_of_its_own_number", what: "a serial that a delta CRL of its base's number takes back, which it cannot", with: delta("delta_number_is_base_and_entries"), reason: "revoked", options: serial(0x0a1b)},
		{name: "good_beside_delta_of_its_own_number_and_entries", what: "a serial that neither lists", with: delta("delta_number_is_base_and_entries"), options: serial(6)},
		{name: "revoked_by_indirect", what: "an entry of an indirect CRL that names the issuer", issuer: "other", alsoWith: "ca", crl: "indirect_two_issuers", reason: "revoked", options: at(11, delegated)},
		{name: "revoked_by_indirect_carried", what: "an entry behind it that names nobody", issuer: "other", alsoWith: "ca", crl: "indirect_two_issuers", reason: "revoked", options: at(12, delegated)},
		{name: "good_beside_indirect_of_third", what: "a serial that the indirect CRL lists for a third CA", issuer: "other", alsoWith: "ca", crl: "indirect_two_issuers", options: at(13, delegated)},
		{name: "good_beside_indirect_of_its_issuer", what: "a serial that the indirect CRL lists for its own issuer", issuer: "other", alsoWith: "ca", crl: "indirect_two_issuers", options: at(7, delegated)},
		{name: "revoked_by_own_indirect", what: "a certificate of the indirect CRL's own issuer", crl: "indirect_two_issuers", reason: "revoked", options: serial(7)},
		{name: "good_beside_own_indirect", what: "a serial that the indirect CRL lists for another CA", crl: "indirect_two_issuers", options: serial(11)},
		{name: "revoked_own_issuer_named", what: "an entry that names the CRL's own issuer", crl: "indirect_own_issuer_named", reason: "revoked", options: serial(7)},
		{name: "revoked_by_indirect_other_string_type", what: "an entry that names the issuer in another string type", issuer: "other", alsoWith: "ca", crl: "indirect_name_other_string_type", reason: "revoked", options: at(11, delegated)},
		{name: "indirect_without_crl_issuer", what: "an indirect CRL lists it, but the certificate does not name that CRL's issuer (RFC 5280 §6.3.3 b 1)", issuer: "other", alsoWith: "ca", crl: "indirect_two_issuers", reason: "no_crl", options: serial(11)},
		{name: "crl_issuer_not_indirect", what: "the certificate names a CRL issuer whose CRL is not indirect", issuer: "other", alsoWith: "ca", reason: "no_crl", options: at(7, delegated)},
		{name: "some_reasons_only", what: "a CRL of some reasons, and none of the others", crl: "idp_some_reasons_as_well", reason: "out_of_scope", options: serial(7)},
		{name: "good_reasons_add_up", what: "two CRLs that cover all reasons together", crl: "idp_some_reasons_as_well", with: delta("idp_other_reasons"), options: serial(7)},
		{name: "revoked_reasons_add_up", what: "two CRLs that cover all reasons together; it is listed", crl: "idp_some_reasons_as_well", with: delta("idp_other_reasons"), reason: "revoked", options: serial(255)},
		{name: "cdp_some_reasons", what: "the CDP is the CRL's IDP, for some reasons only", crl: "idp_full_name", reason: "out_of_scope", options: at(7, pki.DistributionPoint{FullNames: []string{uri}, Reasons: keyReasons})},
		{name: "good_cdps_of_all_reasons", what: "two CDPs that are the CRL's IDP, for all reasons together", crl: "idp_full_name", options: at(7,
			pki.DistributionPoint{FullNames: []string{uri}, Reasons: keyReasons}, pki.DistributionPoint{FullNames: []string{uri}, Reasons: otherReasons})},
		{name: "good_relative_name", what: "the CDP is relative to the issuer, as the CRL's IDP is, in other case and spacing", crl: "idp_relative_name", options: at(7, pki.DistributionPoint{Relative: part})},
		{name: "good_below", what: "of a CA below another whose CRL does not list it", issuer: "below", alsoWith: "ca", crl: "issuer_below", with: delta("der"), options: serial(7)},
		{name: "issuer_revoked", what: "of a CA below another whose CRL lists it", issuer: "below_revoked", alsoWith: "ca", crl: "issuer_below_revoked", with: delta("der"), reason: "issuer_revoked", options: serial(7)},
		{name: "good_issuer_superseded", what: "of a CA whose one certificate is superseded and whose other is not", issuer: "below_superseded", alsoWith: "ca", crl: "issuer_below_superseded", with: delta("der"), options: serial(7)},
		{name: "issuer_compromised", what: "of a CA whose one certificate is revoked for keyCompromise and whose other is not", issuer: "below_compromised", alsoWith: "ca", crl: "issuer_below_compromised", with: delta("der"), reason: "issuer_revoked", options: serial(7)},
	}
}
