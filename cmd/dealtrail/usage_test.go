package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrongUsageNamesTheHelpOfItsCommand: the help of all commands says nothing of flags.
func TestWrongUsageNamesTheHelpOfItsCommand(t *testing.T) {
	for _, c := range []struct {
		args string
		help string // "": that of all commands
	}{
		{"content --format xml", "dealtrail content"},
		{"budget link", "dealtrail budget link"},
		{"deal", "dealtrail deal"},
		{"import nosuch x.csv", "dealtrail import"},
		{"serve --role nosuch", "dealtrail serve"},
		{"nosuch", ""},
	} {
		args := append([]string{"--config", writeConfig(t, "")}, strings.Fields(c.args)...)
		err := run(context.Background(), args, &bytes.Buffer{}, &bytes.Buffer{})
		var usage usageError
		var at misused
		if errors.As(err, &at); !errors.As(err, &usage) || at.command != c.help {
			t.Errorf("%s: help of %q, want %q: %v", c.args, at.command, c.help, err)
		}
	}
}

// TestAFileOfAnUnknownEndingIsNotWritten, neither as something else than its name says,
// nor not at all without a word.
func TestAFileOfAnUnknownEndingIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.doc")
	for _, args := range []string{"review", "budget show 01J0000000000000000000000A", "budget show 01J0000000000000000000000A --format table"} {
		err := run(context.Background(), append(strings.Fields(args), "-o", path, "--url", "http://127.0.0.1:1", "--key", "k"), &bytes.Buffer{}, &bytes.Buffer{})
		if usage := (usageError{}); !errors.As(err, &usage) {
			t.Errorf("%s: %v", args, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s wrote a file: %v", args, err)
		}
	}
	for output, want := range map[string]string{"": "csv", "a.XLSX": "xlsx", "/dev/stdout": "csv", "a.b/c": "csv"} {
		if got, err := formatOf(output, "csv", "xlsx"); err != nil || got != want {
			t.Errorf("%q is written as %q, want %q: %v", output, got, want, err)
		}
	}
}

func TestFiltersAreSaidInWords(t *testing.T) {
	o := only{Month: []string{"2026-11"}, Content: []string{"a", "(none)"}}
	if got, want := o.words(), "content a, (none); month 2026-11"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (only{}).words(); got != "" {
		t.Errorf("no filter is %q", got)
	}
}
