package issuer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/crlgate/crlgate/pkg/issuer"
)

func TestCRLURLs(t *testing.T) {
	s, err := issuer.ParseSettings([]byte(`{"crl_urls":["http://crl.example.com/a.crl","https://[2001:db8::1]:8443/b?x=1"]}`), now)
	if err != nil || !slices.Equal(s.CRLURLs, []string{"http://crl.example.com/a.crl", "https://[2001:db8::1]:8443/b?x=1"}) {
		t.Errorf("%v, %v", s.CRLURLs, err)
	}
	for _, c := range []struct{ url, words string }{
		{"ldap://dir.example.com/cn=a", `scheme "ldap": only http and https are fetched`},
		{"file:///etc/passwd", "only http and https"},
		{"crl.example.com/a.crl", "only http and https"},
		{"http://user:secret@crl.example.com/", "credentials"},
		{"http:///a.crl", "without a host"},
		{"http://./a.crl", "without a host"},
		{"http://crl.example.com/a.crl#top", "fragment"},
		{"http://[fe80::1%25eth0]/", "no name and no address"},
		{"http://../a.crl", "no name and no address"},
		{"http://crl..example.com/", "no name and no address"},
		{"http://crl.example.com../", "no name and no address"},
		{"http://crl example.com/", ""},
		{"http://crl\\@example.com/", ""},
		{"http://höst.example/", "no name and no address"},
		{"http://%ff/", "no name and no address"},
		{"http://crl.example.com/" + strings.Repeat("é", 500), "when its path is escaped: at most 2048"},
		{"http://crl.example.com:port/", "not a URL"},
		{"http://crl.example.com/" + strings.Repeat("x", issuer.MaxCRLURL), "at most 2048"},
	} {
		data, err := json.Marshal(map[string][]string{"crl_urls": {c.url}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = issuer.ParseSettings(data, now)
		var r *issuer.Refusal
		if !errors.As(err, &r) || r.Code != issuer.SettingsInvalidValue || !strings.Contains(r.Detail, "crl_urls[0]") || !strings.Contains(r.Detail, c.words) || strings.Contains(r.Detail, "secret") {
			t.Errorf("%s: %v", c.url, err)
		}
	}
	for text, words := range map[string]string{
		`{"crl_urls":["http://a/","http://a/"]}`: "twice", `{"crl_urls":[null]}`: "null", `{"crl_urls":"http://a/"}`: "",
		`{"crl_urls":[` + strings.Repeat(`"http://a/",`, issuer.MaxCRLURLs) + `"http://b/"]}`: "more than 1000",
	} {
		if _, err := issuer.ParseSettings([]byte(text), now); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%.80s: %v", text, err)
		}
	}
}

func ExampleParseCRLURL() {
	u, err := issuer.ParseCRLURL("HTTP://CRL.example.com./ca.crl")
	fmt.Println(u, err)
	// Output: http://crl.example.com/ca.crl <nil>
}
