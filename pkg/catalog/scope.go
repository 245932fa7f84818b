package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"github.com/crlgate/crlgate/pkg/crl"
	"github.com/crlgate/crlgate/pkg/issuer"
)

// Scope is the certificates that a CRL speaks of, in canonical form: names
// sorted, each once (RFC 5280 §5.2.5). The zero value is a CRL without issuing
// distribution point, which speaks of every certificate of its CA.
type Scope struct {
	// Points are the names of the distribution point: DER GeneralNames with
	// their context tags, in order. A name relative to the issuer is written
	// out as the canonical name it stands for, behind a tag of its own.
	Points [][]byte `json:"points,omitempty"`
	// IssuerPoint: one of the names is the CRL issuer's own, at which RFC 5280
	// §6.3.3 looks for every certificate. Such a CRL stays out of parts.
	IssuerPoint        bool            `json:"issuer_point,omitempty"`
	OnlyUserCerts      bool            `json:"only_user_certs,omitempty"`
	OnlyCACerts        bool            `json:"only_ca_certs,omitempty"`
	OnlyAttributeCerts bool            `json:"only_attribute_certs,omitempty"`
	OnlySomeReasons    crl.ReasonFlags `json:"only_some_reasons,omitempty"`
	Indirect           bool            `json:"indirect,omitempty"`
}

// Names of directories (GeneralName directoryName, and names relative to the
// CRL's issuer) are compared under RFC 5280 §7.1, so they are kept in canonical
// form behind this octet, which no GeneralName begins with.
const canonicalName = 0x00

// NewScope returns the scope that an issuing distribution point describes; nil
// gives the zero scope.
func NewScope(idp *crl.IssuingDistributionPoint, crlIssuer issuer.Name) (Scope, error) {
	if idp == nil {
		return Scope{}, nil
	}
	s := Scope{
		OnlyUserCerts: idp.OnlyUserCerts, OnlyCACerts: idp.OnlyCACerts, OnlyAttributeCerts: idp.OnlyAttributeCerts,
		OnlySomeReasons: idp.OnlySomeReasons, Indirect: idp.Indirect,
	}
	if s.OnlySomeReasons == crl.AllReasons {
		s.OnlySomeReasons = 0 // naming every reason and naming none are the same
	}
	points, err := Points(idp.FullName, idp.RelativeName, crlIssuer)
	if err != nil {
		return Scope{}, fmt.Errorf("issuing distribution point: %w", err)
	}
	s.Points = points
	s.IssuerPoint = slices.ContainsFunc(points, func(p []byte) bool { return bytes.Equal(p, DirectoryPoint(crlIssuer)) })
	return s, nil
}

// Points returns the names of a distribution point in the form in which
// certificates and CRLs are compared: octet by octet, but directory names
// canonically (RFC 5280 §6.3.3 step b).
func Points(full [][]byte, relative []byte, crlIssuer issuer.Name) ([][]byte, error) {
	var points [][]byte
	for _, name := range full {
		p, err := point(name)
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	if relative != nil {
		n, err := crlIssuer.Relative(relative)
		if err != nil {
			return nil, err
		}
		points = append(points, DirectoryPoint(n))
	}
	slices.SortFunc(points, bytes.Compare)
	return slices.CompactFunc(points, bytes.Equal), nil
}

// DirectoryPoint returns the name of the distribution point that is called as
// a directory name is.
func DirectoryPoint(n issuer.Name) []byte { return append([]byte{canonicalName}, n...) }

const tagDirectoryName = 0xa4 // [4] EXPLICIT Name

func point(general []byte) ([]byte, error) {
	if len(general) == 0 || general[0] != tagDirectoryName {
		return general, nil
	}
	in, name := cryptobyte.String(general), cryptobyte.String(nil)
	if !in.ReadASN1(&name, tagDirectoryName) || !in.Empty() {
		return nil, errors.New("directoryName is not one element")
	}
	n, err := issuer.ParseName(name)
	if err != nil {
		return nil, fmt.Errorf("directoryName: %w", err)
	}
	return DirectoryPoint(n), nil
}

// Line identifies a line of succession: CRLs of one issuer name, one signing
// key, one kind and one scope. It depends on nothing else, so that it is the
// same after a rebuild, and whatever the issuers file is called.
func Line(crlIssuer issuer.Name, key issuer.KeyDigest, kind string, scope Scope) string {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	part([]byte(crlIssuer))
	part(key[:])
	part([]byte(kind))
	flags := byte(0)
	for i, set := range []bool{scope.OnlyUserCerts, scope.OnlyCACerts, scope.OnlyAttributeCerts, scope.Indirect} {
		if set {
			flags |= 1 << i
		}
	}
	part([]byte{flags})
	part(binary.BigEndian.AppendUint16(nil, uint16(scope.OnlySomeReasons)))
	for _, p := range scope.Points {
		part(p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
