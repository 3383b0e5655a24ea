package dashboards

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"dealtrail/attribution"
	"dealtrail/trail"
)

//go:embed templates/print/review.html
var printText string

//go:embed templates/print/review.css
var printStyle string

// printPolicy lets a browser apply the one style sheet that is in the file, and
// nothing else.
var printPolicy = func() string {
	sum := sha256.Sum256([]byte(printStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

var printPage = template.Must(template.New("print").Funcs(template.FuncMap{
	"day": func(t time.Time) string { return clock(t, "2 Jan 2006") }, "time": func(t time.Time) string { return clock(t, "Monday, 2 Jan 2006, 15:04 MST") },
	"money": moneyText, "level": func(l trail.Level) string { return phrase(levels, string(l)) }, "model": modelTitle, "plural": plural[uint64],
	"join": strings.Join, "leadName": leadName, "leadAccount": leadAccount,
	"seen": func(all []trail.LeadContent) string { return andMore(seenTexts(all[:min(len(all), 6)]), len(all)-6) },
	"contributed": func(all []trail.Touched) string {
		return andMore(contributedTexts(firstTouched(all)), len(all)-len(firstTouched(all)))
	},
}).Parse(printText))

// modelTitle is what a model is called.
func modelTitle(name string) string {
	if m, err := (attribution.Options{}).Model(name); err == nil {
		return m.Title
	}
	return name
}

// andMore ends a list that paper has no room for.
func andMore(text string, more int) string {
	if more > 0 {
		return fmt.Sprintf("%s; and %d more", text, more)
	}
	return text
}

// clock writes a time in its own zone, a dash for none.
func clock(t time.Time, layout string) string {
	if t.IsZero() {
		return "–"
	}
	return t.Format(layout)
}

// ReviewHTML writes the weekly lead review as one file that needs nothing else and
// prints on A4. Times are those of the company's zone.
func ReviewHTML(w io.Writer, r trail.Review) error {
	sections := reviewSections()
	for i := range sections {
		for _, row := range r.Rows {
			if row.Section == sections[i].Name {
				sections[i].Rows = append(sections[i].Rows, row)
			}
		}
	}
	return printPage.Execute(w, map[string]any{
		"Review": r, "Last": r.To.AddDate(0, 0, -1), "Sections": sections, "Style": template.CSS(printStyle), "Policy": printPolicy,
	})
}
