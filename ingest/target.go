package ingest

import (
	"strings"

	"golang.org/x/net/idna"

	"dealtrail/trail"
)

// cleanTargets checks the URLs of a content and writes them as they are stored
// and sent, see [trail.CleanTarget].
func cleanTargets(attrs map[string]string) error {
	if attrs["url"] != "" {
		url, err := cleanTarget(attrs["url"])
		if err != nil {
			return err
		}
		attrs["url"] = url
	}
	if attrs["other_urls"] == "" {
		return nil
	}
	urls := strings.Fields(attrs["other_urls"])
	for i, u := range urls {
		url, err := cleanTarget(u)
		if err != nil {
			return err
		}
		urls[i] = url
	}
	attrs["other_urls"] = strings.Join(urls, " ")
	// What is kept must be taken again when something else is changed.
	if n := len(attrs["other_urls"]); n > maxAttr {
		return trail.Problemf(trail.Invalid, "The other_urls have %d bytes as they are stored; at most %d are allowed.", n, maxAttr)
	}
	return nil
}

// cleanTarget returns a target as it is stored and sent.
func cleanTarget(raw string) (string, error) {
	return trail.CleanTarget(raw, idna.Lookup.ToASCII)
}
