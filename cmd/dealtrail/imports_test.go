package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed is the dependency rule: which of our packages each may import.
// Arrows point one way; what is not here is not allowed.
var allowed = map[string][]string{
	"trail":                     {},
	"trail/freeport":            {},
	"trail/synth":               {"trail"},
	"trail/workbook":            {},
	"store/chdb":                {},
	"store":                     {"trail", "store/chdb"},
	"store/storetest":           {"trail", "store", "store/chdb"},
	"ingest/track":              {"trail"},
	"ingest/mailbox":            {"trail"},
	"ingest/mailbox/mailtest":   {"trail/freeport"},
	"ingest/crm":                {"trail", "trail/workbook"},
	"ingest/crm/feed":           {"trail", "ingest/crm"},
	"ingest":                    {"trail", "store", "ingest/track"}, // the corrector judges by the tracker's rules
	"ingest/redistest":          {"ingest"},
	"attribution/lift":          {},
	"attribution/lift/lifttest": {"trail", "attribution/lift"},
	"attribution/markov":        {"trail"},
	"attribution":               {"trail", "store", "attribution/lift", "attribution/markov"},
	"outbox/guard":              {},
	"access":                    {"trail"},
	"outbox":                    {"trail", "store", "ingest", "outbox/guard"}, // what it attaches and recommends is handed to it
	"api":                       {"trail", "access", "store", "ingest", "ingest/crm", "ingest/crm/feed", "attribution"},
	"dashboards/browsertest":    {},
	"dashboards":                {"trail", "trail/workbook", "access", "store", "ingest", "ingest/track", "attribution", "attribution/lift"},
}

func TestDependenciesPointOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "dealtrail/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], "dealtrail/")
		may, known := allowed[pkg]
		if strings.HasPrefix(pkg, "cmd/") {
			continue
		}
		if !known {
			t.Errorf("package %s has no place in the dependency rule", pkg)
		}
		for _, imported := range fields[1:] {
			ours, is := strings.CutPrefix(imported, "dealtrail/")
			if is && !slices.Contains(may, ours) {
				t.Errorf("%s must not import %s", pkg, ours)
			}
			if pkg == "trail" && strings.Contains(strings.Split(imported, "/")[0], ".") {
				t.Errorf("trail must import the standard library only, not %s", imported)
			}
		}
	}
}
