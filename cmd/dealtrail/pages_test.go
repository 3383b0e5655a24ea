package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"dealtrail/api"
)

// alike are numbers that a page's file and the API's list call differently.
var alike = map[string]string{"/deals amount": "value_amount", "/requests amount": "deal_value_amount", "/ value": "credit_value_amount", "/reps contents": "content"}

// pagesDiffer compares the main tables of pages, as the browser that is signed in gets
// them, with the API's lists of the same: each row is in both, and whatever both name is
// the same. It returns what differs, for events may be on their way to one of the two.
func pagesDiffer(t *testing.T, browser context.Context, client *api.Client) (differ []string) {
	t.Helper()
	for page, list := range map[string]string{"/": "content", "/deals": "deals", "/reps": "reps", "/requests": "requests", "/notes": "notes"} {
		text, err := chromedp.Run(browser, chromedp.Evaluate[string](`fetch("`+page+`?format=csv").then(r => r.text())`, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		shown, listed, compared := byKey(t, text), byKey(t, apiCSV(t, client, "/v1/"+list)), 0
		for key, row := range shown {
			if listed[key] == nil {
				differ = append(differ, fmt.Sprintf("%s shows %s, the API does not", page, key))
			}
			for name, cell := range row {
				want, named := listed[key][cmp.Or(alike[page+" "+name], name)]
				if compared++; named && want != cell && !(isNothing(want) && isNothing(cell)) {
					differ = append(differ, fmt.Sprintf("%s: %s of %s is %q, the API says %q", page, name, key, cell, want))
				}
			}
		}
		for key := range listed {
			if shown[key] == nil && page != "/" { // which lists apart what was never used
				differ = append(differ, fmt.Sprintf("the API lists %s, %s does not", key, page))
			}
		}
		if compared == 0 {
			differ = append(differ, page+" shows nothing")
		}
	}
	return differ
}

func isNothing(cell string) bool { return cell == "" || cell == "0" || cell == "0.00" }

// apiCSV asks the API for a list as a file.
func apiCSV(t *testing.T, client *api.Client, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", client.URL+path+"?format=csv", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+client.Key)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", path, answer.Status, text, err)
	}
	return string(text)
}

// byKey reads a CSV's rows by their first column, and their cells by the head.
func byKey(t *testing.T, text string) map[string]map[string]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\uFEFF"))).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("%.300s: %v", text, err)
	}
	all := map[string]map[string]string{}
	for _, row := range rows[1:] {
		if row[0] == "" {
			continue // a total
		}
		cells := map[string]string{}
		for x, name := range rows[0] {
			cells[name] = row[x]
		}
		all[row[0]] = cells
	}
	return all
}
