package check_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/crlgate/crlgate/cmd/crlgate/internal/check"
)

const testdata = "../../../../testdata"

var at = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

// folder returns what writes a file into a folder, and returns the file's path.
func folder(t *testing.T, dir string) (put func(name string, data []byte) string) {
	return func(name string, data []byte) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// TestJSONForm holds the form of "crlgate check --json", to the octet: programs
// read it.
func TestJSONForm(t *testing.T) {
	dir := t.TempDir()
	put := folder(t, dir)
	copied := func(name string) string {
		data, err := os.ReadFile(filepath.Join(testdata, name))
		if err != nil {
			t.Fatal(err)
		}
		return put(filepath.Base(name), data)
	}
	ca, sound := copied("issuers/ca.pem"), "der.crl"
	copied("sound/der.crl")
	copied("defects/delta_of_a_newer_base.crl")
	copied("certificates/revoked.pem")
	copied("certificates/good.pem")
	copied("certificates/malformed_empty.pem")
	t.Chdir(dir)
	crl := `{"file":"der.crl","accepted":true,"code":"","detail":"","ca":"ca","number":"42","entries":3}`
	for _, c := range []struct {
		crls []string
		cert string
		want string
	}{
		{nil, "", `{"crls":[],"status":null,"reason":null,"decision":null,"ca":null,"serial":null}`},
		{[]string{sound}, "", `{"crls":[` + crl + `],"status":null,"reason":null,"decision":null,"ca":null,"serial":null}`},
		{nil, "good.pem", `{"crls":[],"status":"unknown","reason":"no_crl","decision":"deny","ca":"ca","serial":"07"}`},
		{[]string{sound}, "good.pem", `{"crls":[` + crl + `],"status":"good","reason":"","decision":"allow","ca":"ca","serial":"07"}`},
		{[]string{sound}, "revoked.pem", `{"crls":[` + crl + `],"status":"revoked","reason":"revoked","decision":"deny","ca":"ca","serial":"0a1b"}`},
		{[]string{sound}, "malformed_empty.pem", `{"crls":[` + crl + `],"status":"unknown","reason":"malformed_certificate","decision":"deny","ca":"","serial":""}`},
	} {
		r, err := check.Run(t.Context(), check.Input{Issuers: []string{ca}, CRLs: c.crls, Cert: c.cert, At: at})
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != c.want {
			t.Errorf("CRLs %v, certificate %q:\n got %s\nwant %s", c.crls, c.cert, got, c.want)
		}
	}
}

// TestJSONKeepsTheOrderGiven: CRLs are taken in another order, and reported in
// the order they were named, accepted or not.
func TestJSONKeepsTheOrderGiven(t *testing.T) {
	files := []string{"defects/delta_of_a_newer_base.crl", "sound/der.crl", "defects/empty_file.crl", "sound/number_zero.crl"}
	in := check.Input{Issuers: []string{filepath.Join(testdata, "issuers/ca.pem")}, At: at}
	for _, f := range files {
		in.CRLs = append(in.CRLs, filepath.Join(testdata, f))
	}
	r, err := check.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	data, err := json.Marshal(r.CRLs)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	accepted := []bool{false, true, false, true}
	for i, c := range got {
		if c["file"] != in.CRLs[i] || c["accepted"] != accepted[i] || (c["code"] == "") != accepted[i] || len(c) != 7 {
			t.Errorf("CRL %d is %v, want file %s, accepted %v", i, c, files[i], accepted[i])
		}
	}
}
