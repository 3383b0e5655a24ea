package dashboards

import (
	"cmp"
	"errors"
	"html/template"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/trail"
)

// liftsPage is what similar deals say of each content, what the data can bear first.
type liftsPage struct {
	frame
	Report *trail.LiftReport // nil: no run compared contents yet
	Form   liftForm
	Parts  []liftPart // by verdict, those without any left out
	Few    []liftRow  // too little data
	FewAll int        // how many these are when only the first are shown
	Scale  string     // how far the charts go to either side, in points
	Won    []wonRow
	More   []wonRow // those that fewer won deals had

	Decided bool // there is enough evidence of some: that leads, else what was part of won deals
}

// liftPart are the contents of one verdict, in groups that cannot be told apart.
type liftPart struct {
	Title, Hint string
	Groups      [][]liftRow
	N           int
}

// liftRow is one content with its place in the chart, in percent of the width.
type liftRow struct {
	trail.LiftRow
	words          liftWords
	Href           template.URL
	Dot, Near, Far string // empty: there is no number
}

// wonRow is one content with its part of the won deals, in percent.
type wonRow struct {
	trail.PartOfWon
	Of   uint64
	Href template.URL
	Part string
}

// liftForm are the choices of the page.
type liftForm struct {
	Agents, Outcome string
	First, Others   []liftSelect // the usual ones, and those that are folded away
	Open            bool         // one that is folded away is set
	Kept            []choice     // model and period, which lead back to other pages
}

// liftSelect is one select; without a choice it is left out.
type liftSelect struct {
	Name, Label, Any, Value string
	Choices                 []string
}

// liftNames are the parameters of the page, besides the lens.
var liftNames = []string{"outcome", "stage", "segment", "size", "owner", "team", "source", "kind", "persona"}

// wonAtOnce are the contents that the list of won deals shows unfolded.
const wonAtOnce = 12

func (s *Site) lifts(c echo.Context) error {
	l, err := s.readLens(c, liftNames...)
	if err != nil {
		return err
	}
	page := liftsPage{frame: s.frame(c, "Which content makes a difference?", "lift", l)}
	q := liftQuestion(c, l)
	page.Report, err = s.Job.Lift(c.Request().Context(), q)
	if p := (*trail.Problem)(nil); errors.As(err, &p) && p.Code == trail.NoRun {
		return s.render(c, http.StatusOK, "lifts", page)
	}
	if err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendRows(c, "lift", liftsCSV(page.Report))
	}
	page.Form = newLiftForm(q, l, page.Report.Choices)
	page.fill(l)
	page.Few, page.FewAll = firstRows(c, page.Few, rowsAtFirst)
	return s.render(c, http.StatusOK, "lifts", page)
}

// liftQuestion reads what is asked; of the lens only who counts matters here.
func liftQuestion(c echo.Context, l lens) attribution.LiftQuestion {
	q := attribution.LiftQuestion{Kind: c.QueryParam("kind"), Persona: c.QueryParam("persona"), Agents: l.Agents}
	q.Outcome, q.Stage, q.Segment, q.Size = c.QueryParam("outcome"), c.QueryParam("stage"), c.QueryParam("segment"), c.QueryParam("size")
	q.Owner, q.Team, q.Source = c.QueryParam("owner"), c.QueryParam("team"), c.QueryParam("source")
	return q
}

// newLiftForm offers what there is; a value that is not there stays chosen, so that
// the form says what the page shows.
func newLiftForm(q attribution.LiftQuestion, l lens, there trail.LiftChoices) liftForm {
	form := liftForm{Agents: string(l.Agents), Outcome: cmp.Or(q.Outcome, "stage"), Kept: []choice{{Value: "model", Label: l.Model}}}
	for _, k := range []choice{{Value: "from", Label: l.From}, {Value: "to", Label: l.To}} {
		if k.Label != "" {
			form.Kept = append(form.Kept, k)
		}
	}
	add := func(to *[]liftSelect, name, label, all, value string, choices []string) {
		if value != "" && !slices.Contains(choices, value) {
			choices = append(slices.Clone(choices), value)
		}
		if len(choices) > 0 {
			*to = append(*to, liftSelect{Name: name, Label: label, Any: all, Value: value, Choices: choices})
		}
	}
	segment := "Segment"
	if slices.Equal(there.Segment, there.Size) { // where nobody said segments, sizes stand for them
		there.Segment = nil
	}
	add(&form.First, "stage", "Stage", "Every stage", q.Stage, there.Stage)
	add(&form.First, "segment", segment, "Every segment", q.Segment, there.Segment)
	add(&form.First, "size", "Deal size", "Every size", q.Size, there.Size)
	add(&form.First, "kind", "Kind of content", "Every kind", q.Kind, there.Kind)
	add(&form.Others, "owner", "Owner", "Everybody", q.Owner, there.Owner)
	add(&form.Others, "team", "Team", "Every team", q.Team, there.Team)
	add(&form.Others, "source", "Source", "Every source", q.Source, there.Source)
	add(&form.Others, "persona", "Persona", "Every persona", q.Persona, there.Persona)
	form.Open = q.Owner+q.Team+q.Source+q.Persona != ""
	return form
}

// Levels are the options of who counts.
func (f liftForm) Levels() []choice { return levels }

// fill divides the rows by verdict and places them on one scale.
func (p *liftsPage) fill(l lens) {
	r := p.Report
	words := liftWords{won: r.Outcome == "won", selected: r.Warning != ""}
	rows, scale := liftRows(r.Rows, words, l)
	p.Scale = scale
	for _, verdict := range []string{trail.For, trail.Against, trail.NoEffect} {
		part := liftPart{Title: words.heading(verdict), Hint: words.hint(verdict)}
		for _, row := range rows {
			if row.Verdict != verdict {
				continue
			}
			at := slices.IndexFunc(part.Groups, func(g []liftRow) bool { return g[0].Group == row.Group })
			if at < 0 {
				part.Groups, at = append(part.Groups, nil), len(part.Groups)
			}
			part.Groups[at] = append(part.Groups[at], row)
			part.N++
		}
		p.Decided = p.Decided || part.N > 0 && verdict != trail.NoEffect
		if part.N > 0 {
			p.Parts = append(p.Parts, part)
		}
	}
	p.Few = slices.DeleteFunc(rows, func(r liftRow) bool { return r.Verdict != trail.TooLittle })
	for i, won := range r.PartOfWon {
		row := wonRow{PartOfWon: won, Of: r.Won, Href: l.Link("content", won.Content), Part: "0"}
		if r.Won > 0 {
			row.Part = pct(100 * float64(won.Deals) / float64(r.Won))
		}
		if i < wonAtOnce {
			p.Won = append(p.Won, row)
		} else {
			p.More = append(p.More, row)
		}
	}
}

// liftRows places lifts around zero, on one scale for all.
func liftRows(all []trail.LiftRow, words liftWords, l lens) (rows []liftRow, scale string) {
	widest := 0.1
	for _, r := range all {
		if r.Lift != nil {
			widest = max(widest, math.Ceil(10*max(-*r.Low, *r.High)-1e-9)/10)
		}
	}
	x := func(f float64) string { return pct(50 + 48*f/widest) }
	for _, r := range all {
		row := liftRow{LiftRow: r, words: words, Href: l.at("lift", r.Content)}
		if r.Lift != nil {
			row.Dot, row.Near, row.Far = x(*r.Lift), x(*r.Low), x(*r.High)
		}
		rows = append(rows, row)
	}
	return rows, strconv.FormatFloat(100*widest, 'f', 0, 64)
}

// at is another page with the lens and the other parameters of this one.
func (l lens) at(segments ...string) template.URL {
	l.path = join(segments...)
	return l.With()
}

// liftPage is one content with the table behind its lift.
type liftPage struct {
	frame
	*trail.LiftDetail
	Back  template.URL
	Shown liftRow
	Scale string
	Rows  []stratumRow // the heaviest first
	More  []stratumRow
	All   int
	Sum   stratumRow // of those that are compared
	Left  uint64     // stage entries that had seen it and have nobody to compare with
}

// stratumRow is one stratum with its difference in points.
type stratumRow struct{ trail.LiftTable }

// strataAtOnce are the rows of a table that a page shows unfolded.
const strataAtOnce = 25

func (s *Site) lift(c echo.Context) error {
	l, err := s.readLens(c, liftNames...)
	if err != nil {
		return err
	}
	content := param(c, "content")
	d, err := s.Job.LiftOf(c.Request().Context(), content, liftQuestion(c, l))
	if err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendRows(c, "lift-"+content, strataCSV(d.Table))
	}
	rows, scale := liftRows([]trail.LiftRow{d.Row}, liftWords{won: d.Outcome == "won", selected: d.Warning != ""}, l)
	page := liftPage{frame: s.frame(c, "Does “"+d.Row.Title+"” move deals?", "lift", l), LiftDetail: d, Shown: rows[0], Scale: scale, All: len(d.Table), Left: d.Row.Seen - d.Row.Exposed}
	page.Back = l.at("lift")
	slices.SortStableFunc(d.Table, func(a, b trail.LiftTable) int { return cmp.Compare(b.Weight, a.Weight) })
	for i, t := range d.Table {
		to := &page.Rows
		if i >= strataAtOnce {
			to = &page.More
		}
		*to = append(*to, stratumRow{t})
		if sum := &page.Sum; t.Control > 0 {
			sum.Exposed, sum.ExposedAdvanced = sum.Exposed+t.Exposed, sum.ExposedAdvanced+t.ExposedAdvanced
			sum.Control, sum.ControlAdvanced = sum.Control+t.Control, sum.ControlAdvanced+t.ControlAdvanced
		}
	}
	return s.render(c, http.StatusOK, "lift", page)
}

func liftsCSV(r *trail.LiftReport) [][]string {
	out := [][]string{{
		"content", "title", "kind", "persona", "verdict", "sentence", "group", "lift", "low", "high", "shrunk", "with", "without", "p", "q", "minimum_detectable", "e_value", "e_value_limit",
		"seen", "exposed", "exposed_advanced", "control", "control_advanced", "more_deals", "expected_at", "hazard_odds", "hazard_low", "hazard_high", "hazard_note", "placebo_z", "placebo_p",
	}}
	for _, row := range r.Rows {
		line := []string{row.Content, row.Title, row.Kind, row.Persona, row.Verdict, row.Text, strconv.Itoa(row.Group)}
		for _, f := range []*float64{row.Lift, row.Low, row.High, row.Shrunk, row.With, row.Without, row.P, row.Q, row.MDE, row.EValue, row.ELimit} {
			line = append(line, decimalOf(f))
		}
		line = append(line, count(row.Seen), count(row.Exposed), count(row.ExposedAdvanced), count(row.Control), count(row.ControlAdvanced), count(row.MoreDeals), stamp(row.Expected))
		hazard, placebo := []string{"", "", "", ""}, []string{"", ""}
		if h := row.Hazard; h != nil {
			if hazard[3] = h.Note; h.Odds != nil {
				hazard = []string{decimal(h.Odds[0]), decimal(h.Odds[1]), decimal(h.Odds[2]), h.Note}
			}
		}
		if p := row.Placebo; p != nil {
			placebo = []string{decimal(p.Z), decimal(p.P)}
		}
		out = append(out, slices.Concat(line, hazard, placebo))
	}
	return out
}

// decimalOf leaves empty what is not known.
func decimalOf(f *float64) string {
	if f == nil {
		return ""
	}
	return decimal(*f)
}

func strataCSV(table []trail.LiftTable) [][]string {
	out := [][]string{{"stage", "segment", "age", "others", "exposed", "exposed_advanced", "control", "control_advanced", "weight"}}
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	for _, t := range table {
		out = append(out, []string{t.Stage, t.Segment, t.Age, t.Others, whole(t.Exposed), whole(t.ExposedAdvanced), whole(t.Control), whole(t.ControlAdvanced), decimal(t.Weight)})
	}
	return out
}
