package check

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/terminal"
	"github.com/crlgate/crlgate/pkg/preprocess"
	"github.com/crlgate/crlgate/pkg/serialset"
)

// Flattened is what became of one CRL that was to be flattened.
type Flattened struct {
	CRL
	Expired bool   `json:"expired"`
	SHA256  string `json:"sha256"` // of the set's head, hex; "" unless accepted
	Size    int64  `json:"size"`   // of the set, octets

	Image *serialset.Image `json:"-"` // nil unless accepted
}

// Flatten verifies one CRL and flattens it. Succession and nextUpdate are not
// looked at: there is nothing that it would succeed.
func Flatten(issuers []string, file string, allowSHA1 bool, now time.Time) (*Flattened, error) {
	in := Input{Issuers: issuers, At: now, AllowSHA1: allowSHA1}
	cas, _, err := readIssuers(in)
	if err != nil {
		return nil, err
	}
	r := &Flattened{CRL: CRL{File: file}}
	c, err := readCRL(file, in)
	if err == nil {
		r.describe(c)
		var v *preprocess.Verified
		if v, err = c.Verify(cas, now); err == nil {
			r.CA, r.Accepted, r.Image = v.CA.Name, true, v.Image
			r.Expired = now.After(v.List.NextUpdate)
			r.SHA256, r.Size = v.Image.Digest().String(), v.Image.Size()
			return r, nil
		}
	}
	var refusal *preprocess.Refusal
	if errors.As(err, &refusal) {
		r.refuse(err)
		return r, nil
	}
	return nil, fmt.Errorf("%s: %w", file, err)
}

// Print writes the result as people read it.
func (f *Flattened) Print(out io.Writer, path string) error {
	if !f.Accepted {
		_, err := fmt.Fprintf(out, "refused (%s): %s\n", f.Code, terminal.Line(f.Detail))
		return err
	}
	note := ""
	if f.Expired {
		note = "; the CRL is past its nextUpdate"
	}
	_, err := fmt.Fprintf(out, "%s: %d entries of CRL number %s of CA %s, %d bytes, SHA-256 of the head %s%s\n", path, f.Entries, f.Number, f.CA, f.Size, f.SHA256, note)
	return err
}
