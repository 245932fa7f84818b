package emergency

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crlgate/crlgate/pkg/issuer"
)

// Change is a change of a CA's settings file.
type Change interface {
	// Apply returns the file with the change made; the same bytes where there is
	// nothing to change. Notes say what was so already.
	Apply(file []byte) (changed []byte, notes []string, err error)
	// Words name the change, for the audit line: "deny 0a1b".
	Words() string
}

// Deny puts serial numbers on the CA's deny list, or takes them off.
type Deny struct {
	Serials []issuer.Serial
	Undo    bool
}

// Words name the change.
func (d *Deny) Words() string {
	text := "deny"
	if d.Undo {
		text = "deny --undo"
	}
	for _, s := range d.Serials {
		text += " " + s.String()
	}
	return text
}

// Apply makes the change.
func (d *Deny) Apply(file []byte) ([]byte, []string, error) {
	var notes []string
	for _, s := range d.Serials {
		next, err := d.one(file, s)
		if err != nil {
			return nil, nil, err
		}
		if bytes.Equal(next, file) {
			notes = append(notes, s.String()+map[bool]string{true: " is not on the deny list", false: " is on the deny list already"}[d.Undo])
		}
		file = next
	}
	return file, notes, nil
}

func (d *Deny) one(file []byte, serial issuer.Serial) ([]byte, error) {
	c, err := object(file)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("%q", serial.String())
	key, there := c.find("deny")
	if !there {
		if d.Undo {
			return file, nil
		}
		return set(file, "deny", "["+text+"]")
	}
	list, err := parse(file, key.value)
	if err != nil {
		return nil, fmt.Errorf("deny: %w", err)
	}
	at := slices.IndexFunc(list.members, func(m member) bool {
		var have issuer.Serial
		return json.Unmarshal(file[m.value:m.end], &have) == nil && bytes.Equal(have, serial)
	})
	switch {
	case d.Undo && at >= 0 && len(list.members) == 1:
		return set(file, "deny", "")
	case d.Undo && at >= 0:
		return d.one(list.remove(file, at), serial) // it may stand there twice
	case d.Undo || at >= 0:
		return file, nil
	}
	return list.add(file, text, "", ""), nil
}

// Allow lets the CA's clients in until then, all but revoked ones; the zero Until
// ends that.
type Allow struct{ Until time.Time }

// Words name the change.
func (a *Allow) Words() string {
	if a.Until.IsZero() {
		return "allow --end"
	}
	return "allow --until " + a.Until.UTC().Format(time.RFC3339)
}

// Apply makes the change.
func (a *Allow) Apply(file []byte) ([]byte, []string, error) {
	value := ""
	if !a.Until.IsZero() {
		value = fmt.Sprintf("%q", a.Until.UTC().Format(time.RFC3339))
	}
	out, err := set(file, "allow_until", value)
	if err == nil && bytes.Equal(out, file) {
		return out, []string{map[bool]string{true: "allow_until is not set", false: "allow_until is that already"}[a.Until.IsZero()]}, nil
	}
	return out, nil, err
}

// Until reads when a permission ends: a time in RFC 3339, or how long from now, such
// as 4h. It is in whole seconds, later than now, and at most
// [issuer.MaxAllowAhead] ahead.
func Until(text string, now time.Time) (time.Time, error) {
	until, err := time.Parse(time.RFC3339, text)
	if err != nil {
		d, wrong := time.ParseDuration(text)
		if wrong != nil {
			return until, fmt.Errorf("%q is neither a time such as %s nor how long from now, such as 4h", text, now.Add(4*time.Hour).UTC().Format(time.RFC3339))
		}
		until = now.Add(d)
	}
	until = until.UTC().Truncate(time.Second)
	switch {
	case !until.After(now):
		return until, fmt.Errorf("%s is not ahead: --end ends what was allowed", until.Format(time.RFC3339))
	case until.After(now.Add(issuer.MaxAllowAhead)):
		return until, fmt.Errorf("%s lies more than %d days ahead, which the preprocessor refuses: name an earlier time, and allow again if need be", until.Format(time.RFC3339), issuer.MaxAllowAhead/(24*time.Hour))
	}
	return until, nil
}

// check holds a settings file against the rules of the preprocessor.
func check(file []byte, now time.Time) error {
	var refusal *issuer.Refusal
	if _, err := issuer.ParseSettings(file, now); errors.As(err, &refusal) {
		return fmt.Errorf("%s: %s", refusal.Code, refusal.Detail)
	} else if err != nil {
		return err
	}
	return nil
}
