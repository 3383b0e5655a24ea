package dashboards

import (
	"cmp"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/store"
	"dealtrail/trail"
)

// diffDealsAtOnce are the deals of a page; the CSV has all.
const diffDealsAtOnce = 100

// noContent names what no content earned.
const noContent = "No content seen"

// inputWords are the counts of what went into a run, in order.
var inputWords = []choice{
	{Value: "events", Label: "Events"},
	{Value: "deals", Label: "Deals known"},
	{Value: "won", Label: "Won deals divided"},
	{Value: "touches", Label: "Touches on won deals"},
	{Value: "left_out", Label: "Won deals left out"},
	{Value: "tied", Label: "Won deals with touches of one time"},
	{Value: "lost", Label: "Lost deals"},
	{Value: "touches_of_lost", Label: "Touches on lost deals"},
}

// byWords are what a difference can be grouped by.
var byWords = map[string]string{
	"content": "Content", "rep": "Rep", "kind": "Kind of content", "persona": "Persona", "owner": "Owner of the deal", "team": "Team", "source": "Source",
	"stage": "Stage", "segment": "Segment", "size": "Size", "account": "Company", "month": "Month of the close",
}

// causeWords say what changed, as a marketer would.
var causeWords = map[trail.Cause]string{
	trail.CauseDealWon: "Deals won since", trail.CauseDealGone: "Deals that count no more", trail.CauseAmount: "Amounts or rates changed",
	trail.CauseLate: "Events that came late", trail.CauseVerdict: "Events judged again or corrected", trail.CauseRemoved: "Events that are gone",
	trail.CauseClosed: "Closing dates changed", trail.CauseMoved: "Touches tied to other deals", trail.CauseContent: "Content registered anew",
	trail.CauseRegrouped: "Under another owner, team or the like", trail.CauseSettings: "Settings or version changed",
	trail.CauseWeights: "The model learned from other deals", trail.CauseMilestones: "Leads or deals began at another time", trail.CauseOther: "Not explained: a mistake of dealtrail",
}

// diffPage is why numbers changed between two runs.
type diffPage struct {
	frame
	trail.Diff
	Total  diffRow
	Rows   []diffRow
	Same   int // rows that did not change
	Bys    []choice
	Models []choice
	Inputs []trail.InputChange

	Cause, Key string // what the deals are of, in words; empty: all
	Deals      []trail.DiffDeal
	Next       template.URL
}

// diffRow is one row with its causes.
type diffRow struct {
	Title string
	Href  template.URL // to what the key is about, if it has a page
	trail.Change
	Causes []diffCause
}

type diffCause struct {
	trail.CauseChange
	Word string
	Href template.URL // to the deals behind it
}

// causeWord says a cause in words.
func causeWord(c trail.Cause) string { return cmp.Or(causeWords[c], string(c)) }

func (s *Site) diff(c echo.Context) error {
	l, err := s.readLens(c, "by", "cause", "key")
	if err != nil {
		return err
	}
	ctx, a, b, by := c.Request().Context(), param(c, "a"), param(c, "b"), cmp.Or(c.QueryParam("by"), "content")
	if err := s.by(c, by); err != nil {
		return err
	}
	f := l.filter()
	f.Zone = s.Zone
	d, err := s.DB.Diff(ctx, a, b, by, f)
	if p := (*trail.Problem)(nil); a == store.PreviousRun && errors.As(err, &p) && p.Code == trail.NoRun {
		return trail.Problemf(trail.NoRun, "There is no earlier calculation of these numbers to compare with. The next one comes by itself, with the next event that can change them.")
	}
	if err != nil {
		return err
	}
	l = l.of(d)
	page := s.diffPage(c, l, d)
	cause, key := trail.Cause(c.QueryParam("cause")), c.QueryParam("key")
	if wantsFile(c) && access.From(ctx).View.All {
		return s.diffCSV(c, d, cause, key)
	}
	if (cause != "" || key != "") && !access.From(ctx).View.All {
		return trail.Problemf(trail.Forbidden, "Which deals a number changed by is for who sees all deals.")
	}
	if cause != "" || key != "" {
		if cause != "" {
			page.Cause = causeWord(cause)
		}
		page.Key = page.named(key)
		f.Limit, f.After = diffDealsAtOnce, c.QueryParam("after")
		deals, next, err := s.DB.DiffDeals(ctx, d.A.ID, d.B.ID, by, cause, key, f)
		if err != nil {
			return err
		}
		for i := range deals {
			if deals[i].Key == trail.Unattributed {
				deals[i].Title = noContent
			}
		}
		if page.Deals = deals; next != "" {
			page.Next = l.With("after", next) + "#deals"
		}
	}
	return s.render(c, http.StatusOK, "run", page)
}

// by refuses to break numbers down by what tells of reps or deals that who asks does not see.
func (s *Site) by(c echo.Context, by string) error {
	if err := s.byRep(c, by); err != nil {
		return err
	}
	return access.From(c.Request().Context()).View.Narrows(by, nil, nil)
}

// of returns the lens of a difference: its level and period are those of the runs,
// and its path names them.
func (l lens) of(d *trail.Diff) lens {
	l.Agents = d.Agents
	l.path = join("runs", d.A.ID, "diff", d.B.ID)
	return l.over(d.From, d.To)
}

func (s *Site) diffPage(c echo.Context, l lens, d *trail.Diff) diffPage {
	page := diffPage{frame: s.frame(c, "Why did the numbers change?", "runs", l), Diff: *d}
	for _, by := range store.Keys() {
		if s.by(c, by) != nil {
			continue
		}
		page.Bys = append(page.Bys, choice{Value: by, Label: cmp.Or(byWords[by], by)})
	}
	for _, m := range d.A.Models {
		if slices.Contains(d.B.Models, m) && d.A.Reasons[m]+d.B.Reasons[m] == "" {
			page.Models = append(page.Models, choice{Value: m, Label: s.modelTitle(m)})
		}
	}
	for _, word := range inputWords {
		for _, in := range d.Inputs {
			if in.Name == word.Value {
				in.Name = word.Label
				page.Inputs = append(page.Inputs, in)
			}
		}
	}
	row := func(title, key string, r trail.DiffRow) diffRow {
		out := diffRow{Title: title, Change: r.Change}
		for _, x := range r.Causes {
			out.Causes = append(out.Causes, diffCause{x, causeWord(x.Cause), l.With("cause", string(x.Cause), "key", key) + "#deals"})
		}
		return out
	}
	for _, r := range d.Rows {
		if len(r.Causes) == 0 {
			page.Same++
			continue
		}
		out := row(r.Title, r.Key, r)
		if d.By == "content" {
			out.Href = l.Link("content", r.Key)
		}
		page.Rows = append(page.Rows, out)
	}
	if len(d.Unattributed.Causes) > 0 {
		page.Rows = append(page.Rows, row(noContent, trail.Unattributed, d.Unattributed))
	}
	page.Total = row("All", "", d.Total)
	return page
}

// named is a key in words.
func (p diffPage) named(key string) string {
	if key == trail.Unattributed {
		return noContent
	}
	for _, r := range p.Diff.Rows {
		if r.Key == key {
			return r.Title
		}
	}
	return key
}

// CauseWord says the cause of a deal in words.
func (p diffPage) CauseWord(c trail.Cause) string { return causeWord(c) }

// ByWord says what the rows are.
func (p diffPage) ByWord() string { return cmp.Or(byWords[p.By], p.By) }

// Touched says how many touches entered or left a deal's path.
func (p diffPage) Touched(d trail.DiffDeal) string { return plural(len(d.Touches), "touch", "touches") }

// modelTitle is a model's name as pages show it.
func (s *Site) modelTitle(name string) string {
	if m, err := s.options().Model(name); err == nil {
		return m.Title
	}
	return name
}

// gain writes a change of money with its sign.
func gain(m trail.Money) template.HTML {
	if strings.Trim(m.Amount, "-0.") == "" {
		return `<span class="zero">±0</span>`
	}
	sign := "+"
	if rest, less := strings.CutPrefix(m.Amount, "-"); less {
		sign, m.Amount = "−", rest
	}
	return template.HTML(`<span class="money">` + sign + template.HTMLEscapeString(moneyText(m)) + `</span>`)
}

// Gain writes the change with its sign.
func (r diffRow) Gain() template.HTML { return gain(r.Change.Change) }

// diffCSV answers with the deals behind a difference, all of them.
func (s *Site) diffCSV(c echo.Context, d *trail.Diff, cause trail.Cause, key string) error {
	out := [][]string{{"deal", d.By, "title", "cause", "before", "after", "change", "currency", "credit_before", "credit_after", "why"}}
	f := store.Filter{Model: d.Model, Zone: s.Zone, Limit: 5000}
	for {
		deals, next, err := s.DB.DiffDeals(c.Request().Context(), d.A.ID, d.B.ID, d.By, cause, key, f)
		if err != nil {
			return err
		}
		for _, x := range deals {
			out = append(out, []string{x.Deal, x.Key, x.Title, string(x.Cause), x.Before.Amount, x.After.Amount, x.Change.Change.Amount, x.Before.Currency, decimal(x.CreditBefore), decimal(x.CreditAfter), x.Why})
		}
		if f.After = next; next == "" {
			return s.sendRows(c, "changes", out)
		}
	}
}

// Gain writes the change with its sign.
func (c diffCause) Gain() template.HTML { return gain(c.Change) }

// GainOf writes a deal's change with its sign.
func (p diffPage) GainOf(d trail.DiffDeal) template.HTML { return gain(d.Change.Change) }
