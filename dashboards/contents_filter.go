package dashboards

import (
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/store"
	"dealtrail/trail"
)

// contentFilter is what the list of contents is narrowed to, all of it in the URL.
type contentFilter struct {
	Selects      []filterSelect
	Since, Until string   // dates, of what was sent and used
	Kept         []choice // the lens and the order, for the form
	Words        []string // what it is narrowed to, in words; none: nothing
	Open         bool     // the form shows all of its fields
	Clear        string   // the page without it

	row    map[string]string // of the content's own attributes
	narrow store.Narrow
	only   map[string][]string // of credits
}

// OfDeals reports whether credit is of some deals or reps alone.
func (f contentFilter) OfDeals() bool { return len(f.only) > 0 }

// filterSelect is one select of the form; without a choice it is left out.
type filterSelect struct {
	Name, Label, Any, Value string
	Choices                 []choice
}

// contentFilterNames are the parameters of the filter.
var contentFilterNames = []string{"stage", "persona", "kind", "segment", "size", "rep", "team", "since", "until"}

// readContentFilter reads the filter from the URL. Only who may see reps by name can ask
// for one that is not themselves.
func (s *Site) readContentFilter(c echo.Context, there store.ContentChoices) (f contentFilter, err error) {
	value := func(name string) string { return strings.TrimSpace(c.QueryParam(name)) }
	f.row, f.only = map[string]string{}, map[string][]string{}
	for _, name := range []string{"stage", "persona", "kind"} {
		if v := value(name); v != "" {
			f.row[name] = v
		}
	}
	f.narrow.Segment, f.narrow.Size = value("segment"), value("size")
	for name, v := range map[string]string{"segment": f.narrow.Segment, "size": f.narrow.Size} {
		if v != "" {
			f.only[name] = []string{v}
		}
	}
	f.Since, f.Until = value("since"), value("until")
	if f.narrow.Since, err = day(f.Since, s.Zone, 0); err != nil {
		return f, err
	}
	if f.narrow.Until, err = day(f.Until, s.Zone, 1); err != nil {
		return f, err
	}
	if !f.narrow.Since.IsZero() && !f.narrow.Until.IsZero() && !f.narrow.Since.Before(f.narrow.Until) {
		return f, trail.Problemf(trail.Invalid, "The time ends on %s, before it begins on %s.", f.Until, f.Since)
	}
	v := s.viewer(c)
	if f.narrow.Reps, err = askedReps(v, trail.NormalAddress(value("rep")), value("team"), there); err != nil {
		return f, err
	}
	if len(f.narrow.Reps) > 0 {
		f.only["rep"] = f.narrow.Reps
	}
	f.offer(c, v, there)
	return f, nil
}

// askedReps are the reps that a filter means: one by address, or the members of a team.
func askedReps(v trail.Viewer, rep, team string, there store.ContentChoices) ([]string, error) {
	switch {
	case rep != "" && !v.Names && rep != v.Rep:
		return nil, trail.Problemf(trail.Invalid, "The numbers of one rep are for that rep alone; choose a team of five or more.")
	case rep != "":
		return []string{rep}, nil
	case team == "":
		return nil, nil
	}
	reps := teamsOf(there).Members(team)
	if len(reps) == 0 {
		return nil, trail.Problemf(trail.Invalid, "There is no team %q of five or more reps; choose one of the list.", team)
	}
	return reps, nil
}

func teamsOf(there store.ContentChoices) trail.Teams {
	var reps []string
	for rep := range there.Team {
		reps = append(reps, rep)
	}
	return trail.NewTeams(reps, there.Team)
}

// offer fills in what there is to choose, except what is of the contents' own.
func (f *contentFilter) offer(c echo.Context, v trail.Viewer, there store.ContentChoices) {
	var reps []string
	if v.Names {
		reps = there.Reps
	} else if v.Rep != "" {
		reps = []string{v.Rep}
	}
	for _, sel := range []struct {
		name, label, any string
		choices          []string
	}{
		{"segment", "Segment", "Every segment", there.Segments},
		{"size", "Size of deal", "Every size", there.Sizes},
		{"rep", "Rep", "Every rep", reps},
		{"team", "Team", "Every team", teamsOf(there).Names()},
	} {
		f.add(sel.name, sel.label, sel.any, c.QueryParam(sel.name), sel.choices)
	}
	for _, d := range [][2]string{{"sent and used since", f.Since}, {"until", f.Until}} {
		if d[1] != "" {
			f.Words = append(f.Words, d[0]+" "+d[1])
		}
	}
}

func (f *contentFilter) add(name, label, every, value string, choices []string) {
	if value != "" {
		f.Words = append(f.Words, strings.ToLower(label)+" "+value)
		if !slices.Contains(choices, value) {
			choices = append(slices.Clone(choices), value)
		}
	}
	if len(choices) == 0 {
		return
	}
	sel := filterSelect{Name: name, Label: label, Any: every, Value: value}
	for _, ch := range choices {
		sel.Choices = append(sel.Choices, choice{Value: ch, Label: ch})
	}
	f.Selects = append(f.Selects, sel)
}

// offerOwn fills in the choices that the contents themselves have, before the others, and
// returns the contents that pass.
func (f *contentFilter) offerOwn(rows []trail.ContentRow) []trail.ContentRow {
	others, words := f.Selects, f.Words
	f.Selects, f.Words = nil, nil
	of := map[string]func(r trail.ContentRow) string{
		"stage": func(r trail.ContentRow) string { return r.Stage }, "persona": func(r trail.ContentRow) string { return r.Persona }, "kind": func(r trail.ContentRow) string { return r.Kind },
	}
	for _, name := range []string{"stage", "persona", "kind"} {
		var values []string
		for _, r := range rows {
			if v := of[name](r); v != "" {
				values = append(values, v)
			}
		}
		slices.Sort(values)
		label := strings.ToUpper(name[:1]) + name[1:]
		f.add(name, label, "Every "+name, f.row[name], slices.Compact(values))
	}
	f.Selects, f.Words = append(f.Selects, others...), append(f.Words, words...)
	return slices.DeleteFunc(rows, func(r trail.ContentRow) bool {
		for name, want := range f.row {
			if of[name](r) != want {
				return true
			}
		}
		return false
	})
}

// form fills in what the form needs besides: the lens and the order.
func (f *contentFilter) form(l lens, order string) {
	v := l.values()
	for _, name := range []string{"model", "agents", "from", "to"} {
		if v.Get(name) != "" {
			f.Kept = append(f.Kept, choice{Value: name, Label: v.Get(name)})
		}
	}
	f.Kept = append(f.Kept, choice{Value: "sort", Label: order})
	f.Open = len(f.Words) > 0
	f.Clear = string(l.Page("", "sort", order))
}
