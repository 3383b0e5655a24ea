package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheListNamesTestsThatExist reads the list of docs/security.md: each number stands
// once, and each test that is named is in the source.
func TestTheListNamesTestsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	item, number, named := regexp.MustCompile(`^\| ([^|]+) \|(.*)\|$`), regexp.MustCompile(`^\d+\.\d+\.\d+$`), regexp.MustCompile("`([a-z/]+)\\.(Test\\w+)`")
	seen, items := map[string]bool{}, 0
	for line := range strings.Lines(string(text)) {
		m := item.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || m[1] == "ASVS" {
			continue
		}
		items++
		if !number.MatchString(m[1]) || seen[m[1]] {
			t.Errorf("%q is no number of the standard, or stands twice", m[1])
		}
		seen[m[1]] = true
		tests := named.FindAllStringSubmatch(m[2], -1)
		if len(tests) == 0 || len(tests) != strings.Count(m[2], ".Test") {
			t.Errorf("%s names no test, or one that cannot be read: %s", m[1], m[2])
		}
		for _, one := range tests {
			if !declares(t, one[1], one[2]) {
				t.Errorf("%s names %s.%s, which does not exist", m[1], one[1], one[2])
			}
		}
	}
	if items < 30 {
		t.Errorf("only %d items could be read", items)
	}
	if declares(t, "trail", "TestThatNobodyWrote") {
		t.Error("every test exists")
	}
}

// declares reports whether a package has a test.
func declares(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(dir), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
