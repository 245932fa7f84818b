package emergency

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/crlgate/crlgate/pkg/issuer"
)

func serial(tb testing.TB, text string) issuer.Serial {
	tb.Helper()
	s, err := issuer.ParseSerial(text)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestOnlyTheKeyChanges(t *testing.T) {
	until := time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC)
	deny, undo := &Deny{Serials: []issuer.Serial{serial(t, "0a1b")}}, &Deny{Serials: []issuer.Serial{serial(t, "0a1b")}, Undo: true}
	allow, end := &Allow{until}, &Allow{}
	for _, c := range []struct {
		name           string
		change         Change
		before, after  string
		nothingChanges bool
	}{
		{"a new file", deny, "{}\n", "{\n  \"deny\": [\"0a1b\"]\n}\n", false},
		{"another key", deny, "{\n\t\"mode\":\"observe\"\n}", "{\n\t\"mode\":\"observe\",\n\t\"deny\": [\"0a1b\"]\n}", false},
		{"on one line", deny, `{"mode": "observe", "grace":"1h" }`, `{"mode": "observe", "grace":"1h", "deny": ["0a1b"] }`, false},
		{"without any space", deny, `{"mode":"observe"}`, `{"mode":"observe", "deny": ["0a1b"]}`, false},
		{"a list", deny, `{"deny":["ff"],"mode":"observe"}`, `{"deny":["ff", "0a1b"],"mode":"observe"}`, false},
		{"a list of lines", deny, "{\"deny\": [\n    \"ff\",\n    \"FE\"\n  ]}", "{\"deny\": [\n    \"ff\",\n    \"FE\",\n    \"0a1b\"\n  ]}", false},
		{"an empty list", deny, `{"deny": [ ]}`, `{"deny": ["0a1b"]}`, false},
		{"there, written otherwise", deny, `{"deny": ["0A:1B"]}`, `{"deny": ["0A:1B"]}`, true},
		{"off the list", undo, `{"deny": ["ff", "0A:1B", "fe"]}`, `{"deny": ["ff", "fe"]}`, false},
		{"the first off", undo, "{\"deny\": [\n \"0a1b\",\n \"fe\"\n]}", "{\"deny\": [\n \"fe\"\n]}", false},
		{"twice on it", undo, `{"deny": ["0a1b", "ff", "0A1B"]}`, `{"deny": ["ff"]}`, false},
		{"the only one", undo, "{\n  \"mode\": \"observe\",\n  \"deny\": [\"0a1b\"]\n}\n", "{\n  \"mode\": \"observe\"\n}\n", false},
		{"the only key", undo, "{\n  \"deny\": [\"0a1b\"]\n}\n", "{}\n", false},
		{"not on it", undo, `{"deny": ["ff"]}`, `{"deny": ["ff"]}`, true},
		{"no list", undo, `{"mode": "observe"}`, `{"mode": "observe"}`, true},
		{"allow", allow, `{ "grace" : "1h" , "max_crl_age":"36h"}`, `{ "grace" : "1h" , "max_crl_age":"36h", "allow_until": "2026-01-31T06:00:00Z"}`, false},
		{"allow longer", allow, `{"allow_until" :  "2026-01-30T00:00:00Z" ,"crl":"optional"}`, `{"allow_until" :  "2026-01-31T06:00:00Z" ,"crl":"optional"}`, false},
		{"allow as it is", allow, `{"allow_until":"2026-01-31T06:00:00Z"}`, `{"allow_until":"2026-01-31T06:00:00Z"}`, true},
		{"end", end, `{"allow_until":"2026-01-31T06:00:00Z","crl":"optional"}`, `{"crl":"optional"}`, false},
		{"nothing to end", end, `{"crl":"optional"}`, `{"crl":"optional"}`, true},
	} {
		got, notes, err := c.change.Apply([]byte(c.before))
		if err != nil || string(got) != c.after || (len(notes) > 0) != c.nothingChanges {
			t.Errorf("%s: %s becomes\n%s, %q, %v; want\n%s", c.name, c.before, got, notes, err, c.after)
		}
		if err := check(got, until.Add(-time.Hour)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, bad := range []string{"", "[]", "null", `"x"`, `{"deny":`, `{"deny":3}`, "x{}"} {
		if got, _, err := deny.Apply([]byte(bad)); err == nil && check(got, until) == nil {
			t.Errorf("%q is taken for a settings file, and becomes %s", bad, got)
		}
	}
}

func TestUntil(t *testing.T) {
	now := time.Date(2026, 1, 31, 2, 0, 0, 123, time.UTC)
	for text, want := range map[string]string{
		"4h": "2026-01-31T06:00:00Z", "90m": "2026-01-31T03:30:00Z", "2026-01-31T08:00:00+02:00": "2026-01-31T06:00:00Z", "168h": "2026-02-07T02:00:00Z",
		"169h": "", "0s": "", "-1h": "", "2026-01-31T01:00:00Z": "", "2027-01-01T00:00:00Z": "", "tomorrow": "", "": "", "4": "",
	} {
		got, err := Until(text, now)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}

func TestDiff(t *testing.T) {
	before := "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3,\n  \"d\": 4\n}\n"
	after := strings.Replace(before, `"c": 3`, `"c": 33`, 1)
	if got, want := Diff([]byte(before), []byte(after), false), "    \"a\": 1,\n    \"b\": 2,\n-   \"c\": 3,\n+   \"c\": 33,\n    \"d\": 4\n  }\n"; got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	if got := Diff(nil, []byte("{}\n"), true); !strings.Contains(got, "+ {}") || !strings.Contains(got, "\x1b[32m") {
		t.Errorf("a new file is shown as %q", got)
	}
}

// FuzzDeny: whatever a settings file looks like, a denial changes the deny list
// alone, and taking it back leaves the same settings.
func FuzzDeny(f *testing.F) {
	for _, s := range []string{"{}", `{"deny":["ff"]}`, "{\n \"mode\" : \"observe\" ,\n \"deny\": [ \"01\" ,\n\"0a1b\"]\n}\n", `{"domains":["a.example.com"],"grace":"1h"}`, `{"\u0064eny":["ff"]}`} {
		f.Add([]byte(s))
	}
	one := issuer.Serial{0x0a, 0x1b}
	f.Fuzz(func(t *testing.T, file []byte) {
		now := time.Date(2026, 1, 31, 2, 0, 0, 0, time.UTC)
		before, err := issuer.ParseSettings(file, now)
		if err != nil {
			return
		}
		denied, _, err := (&Deny{Serials: []issuer.Serial{one}}).Apply(file)
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		after, err := issuer.ParseSettings(denied, now)
		if err != nil || !after.Denies(one) {
			t.Fatalf("%q becomes %q: %v, %v", file, denied, after.Deny, err)
		}
		if !maps.EqualFunc(others(t, file), others(t, denied), bytes.Equal) {
			t.Fatalf("%q becomes %q: another key has changed", file, denied)
		}
		undone, _, err := (&Deny{Serials: []issuer.Serial{one}, Undo: true}).Apply(denied)
		if err != nil {
			t.Fatal(err)
		}
		again, err := issuer.ParseSettings(undone, now)
		if err != nil || again.Denies(one) || !maps.EqualFunc(others(t, file), others(t, undone), bytes.Equal) {
			t.Fatalf("%q becomes %q: %v, %v", denied, undone, again.Deny, err)
		}
		for _, s := range before.Deny {
			if !bytes.Equal(s, one) && !again.Denies(s) {
				t.Fatalf("%q becomes %q: %s was lost", file, undone, s)
			}
		}
	})
}

// others are the values of the other keys, as they stand in the file.
func others(t *testing.T, file []byte) map[string][]byte {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(file, &raw); err != nil {
		t.Fatal(err)
	}
	delete(raw, "deny")
	out := map[string][]byte{}
	for k, v := range raw {
		out[k] = v
	}
	return out
}
