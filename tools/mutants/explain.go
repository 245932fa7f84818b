package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// An explanation says why the tests cannot, or need not, tell a mutant from
// the original.
type explanation struct {
	key    string
	line   int
	file   string // of the mutant
	change string
	reason string
}

// The kinds of reasons: the mutant does the same thing; it differs in time or
// memory only; it is where no input leads, kept as a guard.
var reasonKind = regexp.MustCompile(`^(equivalent|speed|guard): \S`)

// readExplanations reads the reviewed file: paragraphs of a line "FILE FUNC",
// then, indented, one or more mutations as the tool prints them, then the
// reason, on one or more lines.
func readExplanations(name string) ([]explanation, error) {
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	var all, open []explanation
	var place, reason string
	var fault error
	end := func(line int) {
		if place != "" && (len(open) == 0 || reason == "") && fault == nil {
			fault = fmt.Errorf("%s:%d: a paragraph is a line FILE FUNC, mutations, and a reason: equivalent: …, speed: … or guard: …", name, line)
		}
		for _, e := range open {
			e.reason = reason
			all = append(all, e)
		}
		open, place, reason = nil, "", ""
	}
	scanner := bufio.NewScanner(f)
	n := 0
	for scanner.Scan() {
		n++
		line := scanner.Text()
		text := strings.TrimSpace(line)
		switch {
		case text == "":
			end(n)
		case strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, " "):
			end(n)
			place = text
		case reason != "":
			reason += " " + text
		case reasonKind.MatchString(text):
			reason = text
		case strings.Contains(text, arrow) && place != "":
			file, _, _ := strings.Cut(place, " ")
			open = append(open, explanation{key: place + "\n" + text, line: n, file: file, change: text})
		case fault == nil:
			fault = fmt.Errorf("%s:%d: neither a mutation (BEFORE%sAFTER) nor a reason (equivalent: …, speed: … or guard: …): %s", name, n, arrow, text)
		}
	}
	end(n)
	if fault != nil {
		return nil, fault
	}
	return all, scanner.Err()
}
