package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
)

// A product is something that is built and handed on, with the licences that
// what it links may have (SPDX identifiers). Functions stay with the
// permissive ones; the command line also links files under the MPL 2.0, whose
// source anybody can get from the module named.
type product struct {
	name     string
	packages []string
	allowed  []string
}

var permissive = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "ISC", "MIT", "MIT-0", "0BSD", "Unlicense", "Zlib"}

var products = []product{
	{"functions", []string{"./functions/..."}, permissive},
	{"command line", []string{"./cmd/crlgate"}, append([]string{"MPL-2.0"}, permissive...)},
	{"CDK app", []string{"./infra/..."}, permissive},
}

// also are texts that stand beside a licence and do not restrict it: a patent
// grant, and licences that a module's file of notices quotes for parts that it
// lists as permissive itself.
var also = []string{"Google-Patents-Golang", "GooglePatentsFile", "GooglePatentClause"}

const header = `# Licences of linked modules

Every module of others that is linked into something of crlgate's, with the licences found in it. "make licences"
writes this page; CI fails where it is out of date, where a module has no licence that is known, or one that is not
allowed: functions and the CDK app link permissive licences only, the command line MPL 2.0 too (by way of the local S3
server). The texts themselves are in THIRD_PARTY_NOTICES, which a release carries beside each binary. Modules that only
tests and tools use are not handed on and not listed.

| module | version | licence | linked into |
|---|---|---|---|
`

// licences writes the table to out, or compares it with the file check.
func licences(out, check string) error {
	table, err := licenceTable()
	if err != nil {
		return err
	}
	if check != "" {
		have, err := os.ReadFile(check)
		if err != nil {
			return err
		}
		if !bytes.Equal(have, table) {
			return fmt.Errorf("%s is out of date: run make licences, and look at what has changed", check)
		}
		return nil
	}
	if out == "" {
		_, err := os.Stdout.Write(table)
		return err
	}
	return replace(out, func(w io.Writer) error { _, err := w.Write(table); return err })
}

func licenceTable() ([]byte, error) {
	into := map[string][]string{}
	all := map[string]module{}
	var faults []string
	for _, p := range products {
		mods, err := linked(p.packages...)
		if err != nil {
			return nil, err
		}
		for _, m := range mods {
			all[m.path] = m
			into[m.path] = append(into[m.path], p.name)
			if fault := judge(m, p.allowed); fault != "" {
				faults = append(faults, fmt.Sprintf("%s %s, linked into the %s: %s", m.path, m.version, p.name, fault))
			}
		}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("licences to look at:\n  %s", strings.Join(faults, "\n  "))
	}
	paths := make([]string, 0, len(all))
	for path := range all {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	var b bytes.Buffer
	b.WriteString(header)
	for _, path := range paths {
		m := all[path]
		name, version := "`"+m.path+"`", m.version
		if m.path == "std" {
			name, version = "Go's standard library", "of the Go that builds"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, version, strings.Join(licencesOf(m), ", "), strings.Join(into[path], ", "))
	}
	return b.Bytes(), nil
}

// judge says what is wrong with a module's licences, or "".
func judge(m module, allowed []string) string {
	ids := licencesOf(m)
	if len(ids) == 0 {
		return "no licence that is known was found in its folder"
	}
	for _, id := range ids {
		if !slices.Contains(allowed, id) {
			return id + " is not on the list of allowed licences (tools/release/licences.go)"
		}
	}
	return ""
}

func licencesOf(m module) []string {
	var ids []string
	for _, id := range m.licences {
		if !slices.Contains(also, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
