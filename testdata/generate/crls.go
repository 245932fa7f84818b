package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/crlgate/crlgate/internal/pki"
)

// The moment of every case, and the validity of every CRL whose dates are not
// what the case is about.
var (
	at         = time.Date(2026, time.November, 15, 12, 0, 0, 0, time.UTC)
	thisUpdate = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	nextUpdate = time.Date(2026, time.December, 1, 0, 0, 0, 0, time.UTC)
)

// crlCase is one line of cases.json. With are other CRLs in hand, which are
// accepted.
type crlCase struct {
	Issuers   []string  `json:"issuers"`
	CRL       string    `json:"crl"`
	With      []string  `json:"with,omitempty"`
	At        time.Time `json:"at"`
	AllowSHA1 bool      `json:"allow_sha1"`
	Accepted  bool      `json:"accepted"`
	Code      string    `json:"code"`
	What      string    `json:"what"`
}

func (c crlCase) expected() string {
	words := "accepted"
	if !c.Accepted {
		words = "`" + c.Code + "`"
	}
	if c.AllowSHA1 {
		words += " (SHA-1 allowed)"
	}
	return words
}

// recipe says how one CRL of the corpus is made and what becomes of it.
type recipe struct {
	name      string   // of the file, without folder and extension
	what      string   // for README.md
	code      string   // expected; empty: accepted
	issuer    string   // issuers file whose first CA signs; "ca" if empty
	checkWith string   // issuers file that is given to the checker; issuer if empty
	alsoWith  string   // another issuers file that is given to the checker
	with      []string // other CRLs in hand
	allowSHA1 bool
	edit      func(o *pki.CRLOptions) // changes the sound options
	file      func(der []byte) []byte // turns the DER into the file
	raw       []byte                  // the whole file, instead of all the above
	// and is a second expectation of the same file under the other setting of
	// allowSHA1.
	and *string
}

func writeCRLs(w *writer, a *authorities) ([]crlCase, error) {
	var cases []crlCase
	for _, group := range []struct {
		dir     string
		recipes []recipe
	}{
		{"sound", signatureRecipes()},
		{"sound", soundRecipes(a)},
		{"sound", kinds(a)},
		{"defects", derDefects(a)},
		{"defects", signatureDefects(a)},
		{"defects", contentDefects(a)},
		{"defects", kindDefects(a)},
		{"defects", extensionDefects()},
	} {
		for _, r := range group.recipes {
			if (r.code == "") != (group.dir == "sound") {
				return nil, fmt.Errorf("%s is in the wrong group", r.name)
			}
			c, err := r.write(w, a, group.dir)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
			cases = append(cases, c...)
		}
	}
	return cases, nil
}

func (r recipe) write(w *writer, a *authorities, dir string) ([]crlCase, error) {
	if r.issuer == "" {
		r.issuer = "ca"
	}
	if r.checkWith == "" {
		r.checkWith = r.issuer
	}
	content := r.raw
	if content == nil {
		o := soundOptions()
		if r.edit != nil {
			r.edit(&o)
		}
		der, err := a.ca[r.issuer].CRL(o)
		if err != nil {
			return nil, err
		}
		content = der
		if r.file != nil {
			content = r.file(der)
		}
	}
	name := dir + "/" + r.name + ".crl"
	if err := w.write(name, content); err != nil {
		return nil, err
	}
	c := crlCase{
		Issuers: []string{"issuers/" + r.checkWith + ".pem"}, CRL: name, With: r.with, At: at,
		AllowSHA1: r.allowSHA1, Accepted: r.code == "", Code: r.code, What: r.what,
	}
	if r.alsoWith != "" {
		c.Issuers = append(c.Issuers, "issuers/"+r.alsoWith+".pem")
	}
	cases := []crlCase{c}
	if r.and != nil {
		c.AllowSHA1, c.Accepted, c.Code = !c.AllowSHA1, *r.and == "", *r.and
		cases = append(cases, c)
	}
	return cases, nil
}

// soundOptions describes the CRL that every recipe starts from: number 42 and
// three entries.
func soundOptions() pki.CRLOptions {
	return pki.CRLOptions{
		Number:     big.NewInt(42),
		ThisUpdate: thisUpdate,
		NextUpdate: nextUpdate,
		Entries: []pki.Entry{
			{Serial: big.NewInt(0x0a1b)},
			{Serial: big.NewInt(255), Reason: pki.KeyCompromise, Date: thisUpdate.AddDate(0, -1, 0)},
			{Serial: new(big.Int).SetBytes(bytes.Repeat([]byte{0x5a}, 16)), Reason: pki.Superseded},
		},
	}
}

// rewrap applies f to the contents of a DER element and returns it with its
// tag and a length that fits again.
func rewrap(der []byte, f func(contents []byte) []byte) []byte {
	head, length := header(der)
	contents := f(bytes.Clone(der[head : head+length]))
	return element(der[0], contents)
}

// header returns the lengths of a DER element's header and contents.
func header(der []byte) (head, length int) {
	if der[1] < 0x80 {
		return 2, int(der[1])
	}
	n := int(der[1] & 0x7f)
	for _, b := range der[2 : 2+n] {
		length = length<<8 | int(b)
	}
	return 2 + n, length
}

// element encodes tag, length and contents.
func element(tag byte, contents ...[]byte) []byte {
	body := bytes.Join(contents, nil)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

// split returns the elements that stand one after another in contents.
func split(contents []byte) [][]byte {
	var out [][]byte
	for len(contents) > 0 {
		head, length := header(contents)
		out = append(out, contents[:head+length])
		contents = contents[head+length:]
	}
	return out
}

// editField returns an edit of a SEQUENCE that replaces its element number n.
func editField(n int, f func(element []byte) []byte) func([]byte) []byte {
	return func(der []byte) []byte {
		return rewrap(der, func(contents []byte) []byte {
			fields := split(contents)
			fields[n] = f(bytes.Clone(fields[n]))
			return bytes.Join(fields, nil)
		})
	}
}

func crlPEM(der []byte) []byte { return pki.CRLPEM(der) }

func labelled(label string) func([]byte) []byte {
	return func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}) }
}
