package dashboards

import (
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// byOtherWays are pages that the navigation does not lead to: what a number is made of,
// and what belongs to signing in, to a rep's mailbox or to the demo.
var byOtherWays = []string{"/why", "/signin", "/opensearch.xml", "/demo", "/own-data", "/me", "/signin/oidc/callback"}

var navLinks = regexp.MustCompile(`<a href="([^"]+)"(?: aria-current="(page|true)")?>([^<]+)</a>`)

// navOf returns the links of a page's header and of the line below it.
func navOf(body string) (header, below [][]string) {
	part := func(from string) [][]string {
		_, rest, found := strings.Cut(body, from)
		nav, _, _ := strings.Cut(rest, "</nav>")
		if !found {
			return nil
		}
		return navLinks.FindAllStringSubmatch(nav, -1)
	}
	return part(`aria-label="Main"`), part(`<nav class="pages"`)
}

// TestEveryPageIsTwoStepsAway follows the header and the line below it: between them
// they lead to every page that needs no name of a thing, and say where one is.
func TestEveryPageIsTwoStepsAway(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	path := func(link []string) string {
		p, _, _ := strings.Cut(html.UnescapeString(link[1]), "?")
		return p
	}
	reached := map[string]bool{}
	header, _ := navOf(read(t, e, "/reps"))
	if len(header) != len(sections) {
		t.Fatalf("the header has %d entries", len(header))
	}
	for i, part := range header {
		body := read(t, e, html.UnescapeString(part[1]))
		now, below := navOf(body)
		if now[i][2] != "true" {
			t.Errorf("%s does not say that it is part of %s", part[1], part[3])
		}
		if reached[path(part)] = true; len(below) == 0 {
			continue
		}
		for j, link := range below {
			r := get(t, e, html.UnescapeString(link[1]))
			if !slices.Contains([]string{"/outbox", "/people", "/access"}, link[1]) && r.Code != http.StatusOK { // which this site has not
				t.Errorf("%s leads to %s: %d", part[3], link[1], r.Code)
				continue
			}
			reached[path(link)] = true
			if _, again := navOf(r.Body.String()); r.Code == http.StatusOK && (len(again) != len(below) || again[j][2] != "page") {
				t.Errorf("%s does not say that one is there", link[1])
			}
		}
	}
	_, all := newSite(t, readCompany(t), nil)
	for _, r := range all.Routes() {
		if r.Method == http.MethodGet && !strings.ContainsAny(r.Path, ":*") && !strings.HasPrefix(r.Path, "/connect") && !reached[r.Path] && !slices.Contains(byOtherWays, r.Path) {
			t.Errorf("nothing leads to %s: add it to sections in nav.go", r.Path)
		}
	}
	// What is deeper down belongs to the page that lists it.
	header, below := navOf(read(t, e, "/deals/"+wonDeal(t).ID))
	if header[1][2] != "true" || below[0][2] != "true" {
		t.Errorf("a deal is not part of the deals: %q, %q", header, below)
	}
}
