package dashboards

import (
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

// lens is what a page looks through: the model, who counts, and when deals
// closed. All of it is in the URL of every page, so that a link shows others
// the same numbers.
type lens struct {
	Model  string // the name of a credit model
	Agents trail.Level
	From   string // first day, as 2026-01-31; empty: no bound
	To     string // last day, included; empty: no bound

	Orders []choice // of the page's table, offered where its heads have no room
	Order  string

	models   []model  // that there are to choose from
	path     string   // of the page that the form leads to
	keep     []string // other parameters of this page, as name, value, name, value
	from, to time.Time
	zone     *time.Location
}

// usual is the model of a page whose URL names none.
const usual = "linear"

var levels = []choice{
	{"likely", "Likely people", "likely people"},
	{"strict", "Surely people", "surely people"},
	{"all", "Everyone", "everyone"},
}

// model is one way to give credit, with what it weighs in a few words and, on some
// pages, why it has no result.
type model struct {
	attribution.Model
	Weighs string
	Reason string
}

// modelList returns the models that there are under the company's settings.
func (s *Site) modelList() (all []model) {
	o := s.options()
	for _, m := range o.Models() {
		all = append(all, model{Model: m, Weighs: o.Weighs(m)})
	}
	return all
}

// options are the company's settings of models.
func (s *Site) options() attribution.Options {
	if s.Job == nil {
		return attribution.Options{}
	}
	return s.Job.Options
}

// choice is one option of a select: its value, its words in the form and its
// words in a sentence.
type choice struct{ Value, Label, Phrase string }

func phrase(list []choice, value string) string {
	i := slices.IndexFunc(list, func(c choice) bool { return c.Value == value })
	return list[max(i, 0)].Phrase
}

// readLens reads the four from the URL; what is absent has its default, what is
// wrong is a problem. The other parameters named are kept in the page's links.
func (s *Site) readLens(c echo.Context, keep ...string) (lens, error) {
	l := lens{path: c.Request().URL.EscapedPath(), zone: s.Zone, Model: c.FormValue("model"), From: c.FormValue("from"), To: c.FormValue("to")}
	if l.Model == "" {
		l.Model = usual
	}
	asked, err := s.options().Model(l.Model)
	if err != nil {
		return l, err
	}
	if l.models = s.modelList(); l.model() < 0 { // one that is computed only when it is asked for by name
		l.models = append(l.models, model{Model: asked, Weighs: s.options().Weighs(asked)})
	}
	for _, name := range keep {
		if v := c.QueryParam(name); v != "" {
			l.keep = append(l.keep, name, v)
		}
	}
	if l.Agents, err = trail.ParseLevel(c.FormValue("agents")); err != nil {
		return l, err
	}
	if l.from, err = day(l.From, s.Zone, 0); err != nil {
		return l, err
	}
	if l.to, err = day(l.To, s.Zone, 1); err != nil {
		return l, err
	}
	if !l.from.IsZero() && !l.to.IsZero() && !l.from.Before(l.to) {
		return l, trail.Problemf(trail.Invalid, "The period ends on %s, before it begins on %s.", l.To, l.From)
	}
	return l, nil
}

// day returns the midnight that begins a date in the zone, plus so many days;
// the zero time for no date.
func day(date string, zone *time.Location, plus int) (time.Time, error) {
	if date == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, date, zone)
	if err != nil {
		return t, trail.Problemf(trail.Invalid, "%q is not a date; write it as 2026-01-31.", date)
	}
	return t.AddDate(0, 0, plus), nil
}

func (l lens) filter() store.Filter {
	return store.Filter{Model: l.Model, Agents: l.Agents, From: l.from, To: l.to}
}

// request asks for all models of the lens's period and level, so that changing
// the model afterwards needs no other calculation; for one that no run computes
// unless it is named, for it alone.
func (l lens) request() attribution.Request {
	r := attribution.Request{Agents: l.Agents, From: l.from, To: l.to}
	if strings.Contains(l.Model, ":") {
		r.Models = []string{l.Model}
	}
	return r
}

func (l lens) values() url.Values {
	v := url.Values{"model": {l.Model}, "agents": {string(l.Agents)}}
	if l.From != "" {
		v.Set("from", l.From)
	}
	if l.To != "" {
		v.Set("to", l.To)
	}
	return v
}

// Link returns a path of this site with the lens in its query. The segments are
// joined by slashes and escaped: Link("deals", id).
func (l lens) Link(segments ...string) template.URL {
	return template.URL(join(segments...) + "?" + l.values().Encode())
}

// With returns this page's path with the lens, its other parameters and those
// given as name, value, name, value; an empty value removes one.
func (l lens) With(pairs ...string) template.URL {
	v := l.values()
	all := slices.Concat(l.keep, pairs)
	for i := 0; i+1 < len(all); i += 2 {
		v.Set(all[i], all[i+1])
		if all[i+1] == "" {
			v.Del(all[i])
		}
	}
	return template.URL(l.path + "?" + v.Encode())
}

// Why returns the link to what a credit is made of, with what it is filtered by as
// name, value, name, value.
func (l lens) Why(pairs ...string) template.URL { return l.Page("why", pairs...) }

// Page returns the link to a page with parameters of its own as name, value, name, value.
func (l lens) Page(page string, pairs ...string) template.URL {
	v := l.values()
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return template.URL(join(page) + "?" + v.Encode())
}

// Using returns this page's link under another model.
func (l lens) Using(model string) template.URL {
	return l.With("model", model)
}

func join(segments ...string) string {
	if len(segments) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// Path is this page's own path, for the form.
func (l lens) Path() string { return l.path }

// Kept are the page's other parameters, for the form. The order is a select of
// its own.
func (l lens) Kept() (all []choice) {
	for i := 0; i+1 < len(l.keep); i += 2 {
		if l.keep[i] != "sort" {
			all = append(all, choice{Value: l.keep[i], Label: l.keep[i+1]})
		}
	}
	return all
}

// Models are the options of how credit is given.
func (l lens) Models() []model { return l.models }

// model is the place of the lens's model among those that there are, -1 for none.
func (l lens) model() int {
	return slices.IndexFunc(l.models, func(m model) bool { return m.Name == l.Model })
}

// ModelTitle names the model.
func (l lens) ModelTitle() string {
	if i := l.model(); i >= 0 {
		return l.models[i].Title
	}
	return l.Model
}

// ModelWeighs says in a few words what the model weighs.
func (l lens) ModelWeighs() string {
	if i := l.model(); i >= 0 {
		return l.models[i].Weighs
	}
	return ""
}

// Levels are the options of who counts.
func (l lens) Levels() []choice { return levels }

// LevelWords says who counts within a sentence.
func (l lens) LevelWords() string { return phrase(levels, string(l.Agents)) }

// Period says when the deals closed, within a sentence.
func (l lens) Period() string {
	from, to := l.from.Format("2 Jan 2006"), l.to.AddDate(0, 0, -1).Format("2 Jan 2006")
	switch {
	case l.From == "" && l.To == "":
		return "closed at any time"
	case l.To == "":
		return "closed since " + from
	case l.From == "":
		return "closed until " + to
	}
	return "closed from " + from + " to " + to
}
