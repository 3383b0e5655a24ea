package dashboards

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"dealtrail/trail"
)

var noAnchor = regexp.MustCompile(`[^a-z0-9 -]`)

// checkSection looks for the section of the documents that an entry names.
func checkSection(t *testing.T, x trail.Term) {
	t.Helper()
	file, section, _ := strings.Cut(x.Docs, "#")
	text, err := os.ReadFile("../" + file)
	if err != nil {
		t.Errorf("%s: %v", x.ID, err)
		return
	}
	for line := range strings.Lines(string(text)) {
		if title := strings.TrimLeft(line, "#"); title != line {
			if strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-") == section {
				return
			}
		}
	}
	t.Errorf("%s: %s has no section %q", x.ID, file, section)
}
