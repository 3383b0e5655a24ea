package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// part is one thing of somebody else's that the program is made of.
type part struct {
	Purl     string // what it is, as pkg:golang/example.com/m@v1.2.3
	Name     string
	Version  string
	Hash     string   // SHA-512 in base64, of an npm package
	Licence  string   // its SPDX name, "" if it is not known
	Dir      string   // where its files are
	Licences []string // the files that say so
}

// allowed are the licences under which others' work may be in the program: all let
// it be passed on under Apache-2.0. MPL-2.0 covers its own files
// alone, and CC-BY-4.0, of a data list, asks for the credit that the bundled licences give.
var allowed = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC-BY-4.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "PDDL-1.0", "Unlicense"}

// phrases tell a licence by its own words, the more particular first.
var phrases = []struct {
	licence string
	words   []string
}{
	{"MPL-2.0", []string{"mozilla public license", "2.0"}}, // it mentions those below
	{"AGPL", []string{"gnu affero general public license"}},
	{"LGPL", []string{"gnu lesser general public license"}},
	{"GPL", []string{"gnu general public license"}},
	{"Apache-2.0", []string{"apache license", "version 2.0"}},
	{"BSL-1.0", []string{"boost software license"}},
	{"Unlicense", []string{"this is free and unencumbered software"}},
	{"MIT", []string{"permission is hereby granted, free of charge", "the above copyright notice and this permission notice"}},
	{"MIT-0", []string{"permission is hereby granted, free of charge"}},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"}},
	{"ISC", []string{"permission to use, copy, modify, and distribute this software for any purpose with or without fee"}},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "neither the name"}},
	{"BSD-2-Clause", []string{"redistribution and use in source and binary forms"}},
}

var spaces = regexp.MustCompile(`[\s*#/]+`)

// licenceOf returns the SPDX name of the licence that a text is, "" if it is none that
// we know. A text that holds several is the one that stands first in phrases, which
// has those that are not allowed in front.
func licenceOf(text []byte) string {
	plain := spaces.ReplaceAllString(strings.ToLower(string(text)), " ")
	for _, p := range phrases {
		if !slices.ContainsFunc(p.words, func(w string) bool { return !strings.Contains(plain, w) }) {
			return p.licence
		}
	}
	return ""
}

// licenceFile is what a file with a licence is called.
var licenceFile = regexp.MustCompile(`(?i)^([a-z]+[-_])?(licen[cs]e|copying|unlicense|notice)([.-].*)?$`)

// readLicence finds the licence in a part's files, unless it is known.
func (p *part) readLicence() error {
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return fmt.Errorf("licence of %s: %w", p.Name, err)
	}
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(p.Dir, e.Name())
		p.Licences = append(p.Licences, path)
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("licence of %s: %w", p.Name, err)
		}
		if found := licenceOf(text); found != "" && p.Licence == "" {
			p.Licence = found
		}
	}
	return nil
}

// goParts are the modules whose packages are in the program of a package path, in
// the order of names. They must have been downloaded.
func goParts(program string) ([]part, error) {
	out, err := exec.Command("go", "list", "-deps", "-json=Module", program).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("list modules: %w", err)
	}
	seen := map[string]bool{}
	var parts []part
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := d.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("list modules: %w", err)
		}
		m := pkg.Module
		if m == nil || m.Main || seen[m.Path] {
			continue
		}
		seen[m.Path] = true
		p := part{Purl: "pkg:golang/" + m.Path + "@" + m.Version, Name: m.Path, Version: m.Version, Dir: m.Dir}
		if err := p.readLicence(); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.Name, b.Name) })
	return parts, nil
}

// npmParts are the packages of the lockfile that get into the program or beside it.
// Each has an integrity hash, or it is an error.
func npmParts(root string) ([]part, error) {
	text, err := os.ReadFile(filepath.Join(root, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct {
			Version, License, Integrity string
			Dev                         bool
		}
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("package-lock.json: %w", err)
	}
	var parts []part
	for _, path := range slices.Sorted(maps.Keys(lock.Packages)) {
		if path == "" {
			continue
		}
		l := lock.Packages[path]
		name := strings.TrimPrefix(path, "node_modules/")
		hash, is512 := strings.CutPrefix(l.Integrity, "sha512-")
		if !is512 {
			return nil, fmt.Errorf("package-lock.json: %s has no SHA-512; run npm install --package-lock-only", name)
		}
		if l.Dev {
			continue // tests use it, nobody gets it
		}
		p := part{
			Purl: "pkg:npm/" + strings.Replace(name, "@", "%40", 1) + "@" + l.Version, Name: name, Version: l.Version, Hash: hash,
			Licence: npmLicence(l.License), Dir: filepath.Join(root, path),
		}
		if err := p.readLicence(); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.Name, b.Name) })
	return parts, nil
}

// refused says which parts may not be in the program, one line each.
func refused(parts []part) (lines []string) {
	for _, p := range parts {
		switch {
		case p.Licence == "":
			lines = append(lines, fmt.Sprintf("%s %s: no licence was recognized; read it, and add its words to cmd/audit/licence.go or do without the package", p.Name, p.Version))
		case !slices.Contains(allowed, p.Licence):
			lines = append(lines, fmt.Sprintf("%s %s: %s is not allowed; do without the package", p.Name, p.Version, p.Licence))
		}
	}
	return lines
}

// inBrackets is a licence that an npm package names after the files it points to.
var inBrackets = regexp.MustCompile(`^SEE LICENSE IN .*\(([A-Za-z0-9.-]+)\)$`)

func npmLicence(said string) string {
	if m := inBrackets.FindStringSubmatch(said); m != nil {
		return m[1]
	}
	return said
}
