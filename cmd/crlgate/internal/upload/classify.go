package upload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crlgate/crlgate/pkg/issuer"
	"github.com/crlgate/crlgate/pkg/preprocess"
)

// Layout is where uploads lie in the upload bucket: the preprocessor's
// ISSUER_PREFIX and CRL_PREFIXES.
type Layout struct {
	IssuerPrefix string
	CRLPrefixes  []string // at least one; a CRL without a key of its own goes under the first
}

// Standard is the layout of a preprocessor without settings.
var Standard = Layout{IssuerPrefix: "issuers/", CRLPrefixes: []string{"crls/", "crl/"}}

// File is a file to upload, and where.
type File struct {
	Path string
	Kind string // preprocess.KindCRL, KindIssuer or KindSettings
	Key  string
	Size int64
}

// Plan looks at what the files hold and says where each goes: a CRL (DER or
// PEM), certificates of a CA (PEM, or one in DER), or settings of a CA (JSON).
// as, if not "", is the key of the only file. Nothing is uploaded yet; issuers
// come first in the plan, so that CRLs find them.
func (l Layout) Plan(paths []string, as string) ([]File, error) {
	if as != "" && len(paths) != 1 {
		return nil, fmt.Errorf("--as names one key, and %d files are given: upload them one by one", len(paths))
	}
	var files []File
	var faults []error
	taken := map[string]string{}
	for _, p := range paths {
		f, err := l.place(p, as)
		if other, ok := taken[f.Key]; ok && err == nil {
			err = fmt.Errorf("%s and %s would both become %s: rename one, or upload it by itself with --as", other, p, f.Key)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		taken[f.Key] = p
		files = append(files, f)
	}
	order := []string{preprocess.KindIssuer, preprocess.KindSettings, preprocess.KindCRL}
	slices.SortStableFunc(files, func(a, b File) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	return files, errors.Join(faults...)
}

func (l Layout) place(p, as string) (File, error) {
	f := File{Path: p}
	kind, size, err := classify(p)
	if errors.Is(err, ErrUnknown) && as != "" {
		// Whatever it is, the preprocessor will say what is wrong with it.
		kind, err = l.kindAt(as), nil
	}
	if err != nil {
		return f, err
	}
	f.Kind, f.Size, f.Key = kind, size, as
	base := filepath.Base(p)
	name := strings.TrimSuffix(base, filepath.Ext(base))
	switch {
	case as != "":
		return f, l.fits(f)
	case kind == preprocess.KindCRL:
		f.Key = l.CRLPrefixes[0] + base
	case kind == preprocess.KindIssuer:
		f.Key = l.IssuerPrefix + name + ".pem"
	default:
		f.Key = l.IssuerPrefix + name + ".json"
	}
	return f, nil
}

// fits refuses a key at which the preprocessor would not look for such a file.
func (l Layout) fits(f File) error {
	want, ext := []string{l.IssuerPrefix}, ".pem"
	switch f.Kind {
	case preprocess.KindCRL:
		want, ext = l.CRLPrefixes, ""
	case preprocess.KindSettings:
		ext = ".json"
	}
	for _, prefix := range want {
		name, ok := strings.CutPrefix(f.Key, prefix)
		if ok && name != "" && name != ext && !strings.HasSuffix(name, "/") && strings.HasSuffix(name, ext) && (ext == "" || path.Base(name) == name) {
			return nil
		}
	}
	return fmt.Errorf("--as %s: %s holds %s, and those lie at %s", f.Key, f.Path, kindWords[f.Kind], strings.Join(want, "… or ")+"…"+ext)
}

var kindWords = map[string]string{
	preprocess.KindCRL: "a CRL", preprocess.KindIssuer: "certificates of a CA", preprocess.KindSettings: "settings of a CA",
}

// headSize is how much of a file is looked at: as much as an issuers file may
// have, and more than the text that may stand before a CRL in PEM.
const headSize = issuer.MaxFile

// classify tells by its content what a file is for.
func classify(p string) (kind string, size int64, err error) {
	f, err := os.Open(p)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		return "", 0, fmt.Errorf("%s is not a file", p)
	}
	head, err := io.ReadAll(io.LimitReader(f, headSize))
	if err != nil {
		return "", 0, err
	}
	kind, err = KindOf(head)
	if err != nil {
		err = fmt.Errorf("%s %w", p, err)
	}
	return kind, info.Size(), err
}

// KindOf tells what a file is for, one of preprocess's kinds, by its first octets;
// all of them, where it is no longer than an issuers file may be. The error says
// in words what it is instead, and is [ErrUnknown] where that cannot be told.
func KindOf(head []byte) (string, error) {
	if len(head) > 0 && head[0] == 0x30 && !bytes.Contains(head, []byte("-----BEGIN ")) {
		if derCertificate(head) {
			return preprocess.KindIssuer, nil
		}
		return preprocess.KindCRL, nil
	}
	crl := bytes.Contains(head, []byte("-----BEGIN X509 CRL-----"))
	cert := bytes.Contains(head, []byte("-----BEGIN CERTIFICATE-----"))
	switch {
	case bytes.Contains(head, []byte("PRIVATE KEY-----")):
		return "", errors.New("holds a private key, which belongs in no bucket: upload the certificate alone")
	case crl && cert:
		return "", errors.New("holds a CRL and certificates: give each a file of its own")
	case crl:
		return preprocess.KindCRL, nil
	case cert:
		return preprocess.KindIssuer, nil
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) && json.Valid(head):
		return preprocess.KindSettings, nil
	}
	return "", ErrUnknown
}

// ErrUnknown says that a file is nothing that is uploaded.
var ErrUnknown = errors.New("is neither a CRL (DER or PEM), nor certificates of a CA (PEM), nor settings (JSON); if it is meant to be one, name its key with --as and the preprocessor will say what is wrong with it")

// kindAt is what the preprocessor takes an upload under this key for.
func (l Layout) kindAt(key string) string {
	switch {
	case !strings.HasPrefix(key, l.IssuerPrefix):
		return preprocess.KindCRL
	case strings.HasSuffix(key, ".json"):
		return preprocess.KindSettings
	}
	return preprocess.KindIssuer
}

// derCertificate tells a certificate from a CRL: its tbsCertificate begins with
// an explicit version, which a tbsCertList does not have (RFC 5280 §4.1, §5.1).
func derCertificate(der []byte) bool {
	for range 2 { // into the outer SEQUENCE, and into the first inner one
		if len(der) < 2 || der[0] != 0x30 {
			return false
		}
		head := 2
		if der[1] >= 0x80 {
			head += int(der[1] & 0x7f)
		}
		if head >= len(der) {
			return false
		}
		der = der[head:]
	}
	return der[0] == 0xa0
}
