package dashboards

import (
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// dictionaryPage is what every number means.
type dictionaryPage struct {
	frame
	Terms []trail.Term
}

func (s *Site) dictionary(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	if wantsFile(c) {
		rows := [][]string{{"id", "name", "means", "formula", "unit", "excludes", "page", "docs"}}
		for _, t := range trail.Terms() {
			rows = append(rows, []string{t.ID, t.Name, t.Means, t.Formula, t.Unit, t.Excludes, t.Page, t.Docs})
		}
		return s.sendRows(c, "dictionary", rows)
	}
	return s.render(c, http.StatusOK, "dictionary", dictionaryPage{frame: s.frame(c, "What does each number mean?", "dictionary", l), Terms: trail.Terms()})
}

// term writes the name of a number, or other words for it, as a link to its entry in the
// dictionary. An ID without an entry is a mistake of ours that every page's test finds.
func term(id string, words ...string) template.HTML {
	t, ok := trail.TermOf(id)
	if !ok {
		return template.HTML("no term " + template.HTMLEscapeString(id))
	}
	name := t.Name
	if len(words) > 0 {
		name = words[0]
	}
	return template.HTML(`<a class="term" href="/dictionary#` + t.ID + `" title="` + template.HTMLEscapeString(t.Means) + `">` + template.HTMLEscapeString(name) + `</a>`)
}
