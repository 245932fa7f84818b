package emergency

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// member is one member of a JSON object, or one element of a list, as offsets.
type member struct {
	key        string // of an object
	start, end int    // of the whole member
	value      int    // where its value begins
}

// container is a JSON object or list as it stands in a file.
type container struct {
	open, shut int // offsets of its brackets
	members    []member
}

// parse reads where the members of an object or list stand. at is the offset of
// its opening bracket.
func parse(data []byte, at int) (*container, error) {
	dec := json.NewDecoder(bytes.NewReader(data[at:]))
	first, err := dec.Token()
	if err != nil {
		return nil, err
	}
	object := first == json.Delim('{')
	if !object && first != json.Delim('[') {
		return nil, fmt.Errorf("it begins with %v", first)
	}
	c := &container{open: at}
	last := at + int(dec.InputOffset())
	for dec.More() {
		m := member{start: last + len(data[last:]) - len(bytes.TrimLeft(data[last:], " \t\r\n,"))}
		if object {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			m.key = key.(string) // the names of an object's members are strings
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		m.end = at + int(dec.InputOffset())
		m.value = m.end - len(raw)
		c.members = append(c.members, m)
		last = m.end
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	c.shut = at + int(dec.InputOffset()) - 1
	return c, nil
}

func (c *container) find(key string) (member, bool) {
	for _, m := range c.members {
		if m.key == key {
			return m, true
		}
	}
	return member{}, false
}

// splice replaces data[from:to].
func splice(data []byte, from, to int, with string) []byte {
	out := append([]byte{}, data[:from]...)
	return append(append(out, with...), data[to:]...)
}

// remove takes member i out, with the white space and the comma that belong to it.
func (c *container) remove(data []byte, i int) []byte {
	switch {
	case i > 0:
		return splice(data, c.members[i-1].end, c.members[i].end, "")
	case len(c.members) > 1:
		return splice(data, c.members[0].start, c.members[1].start, "")
	}
	return splice(data, c.open+1, c.shut, "")
}

// add puts a member behind the others, laid out as they are; in an empty container
// between before and behind.
func (c *container) add(data []byte, text, before, behind string) []byte {
	n := len(c.members)
	if n == 0 {
		return splice(data, c.open+1, c.shut, before+text+behind)
	}
	gap := string(data[c.open+1 : c.members[0].start])
	if n > 1 {
		between := string(data[c.members[n-2].end:c.members[n-1].start])
		gap = between[strings.IndexByte(between, ',')+1:]
	} else if gap == "" {
		gap = " "
	}
	return splice(data, c.members[n-1].end, c.members[n-1].end, ","+gap+text)
}

// empty is a settings file without settings.
var empty = []byte("{}\n")

var errNotObject = errors.New("it is not one JSON object")

func object(data []byte) (*container, error) {
	at := bytes.IndexByte(data, '{')
	if at < 0 || len(bytes.TrimSpace(data[:at])) > 0 {
		return nil, errNotObject
	}
	return parse(data, at)
}

// set gives a key of a settings file a value (JSON); "" takes the key out. Nothing
// else in the file changes.
func set(data []byte, key, value string) ([]byte, error) {
	c, err := object(data)
	if err != nil {
		return nil, err
	}
	for i, m := range c.members {
		switch {
		case m.key != key:
		case value == "":
			return c.remove(data, i), nil
		default:
			return splice(data, m.value, m.end, value), nil
		}
	}
	if value == "" {
		return data, nil
	}
	name, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	return c.add(data, string(name)+": "+value, "\n  ", "\n"), nil
}
