package dashboards

import (
	"cmp"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"dealtrail/store"
	"dealtrail/trail"
)

// numbersPage is the goals that both teams chose, how fast leads are answered, and the
// form to agree on a goal.
type numbersPage struct {
	frame
	Now      []goalCard // of periods that are not over
	Over     []goalCard
	Dropped  []trail.Goal
	Changes  []goalChange // on all goals, the newest first
	Measures []trail.Measure
	Periods  []choice // that a goal is likely for
	Form     goalForm
	Said     string
	Service  serviceView
	Currency string
}

// goalForm is what was typed to agree on a goal, and what is wrong with it.
type goalForm struct {
	Measure, Period, Target, Sales, Marketing, Note, By, Problem string
}

// goalCard is one goal as the page shows it.
type goalCard struct {
	trail.Goal
	Words  string // of the period
	Word   string // the state in words
	Good   bool   // it is reached or likely so
	Bad    bool
	Link   template.URL // the events behind it
	Chart  *goalChart
	Form   goalForm
	Anchor string
}

// goalChart is how a goal came where it is, for an SVG of 100 by 100.
type goalChart struct {
	Actual, Pace template.HTMLAttr // points of lines
	Target       string            // height of the target
	Label        string            // all of it in words
}

// goalChange is one word on a goal and what it changed.
type goalChange struct {
	trail.GoalChange
	Title, Words, What string
}

// changesAtFirst is how many changes of goals the page shows.
const changesAtFirst = 12

// numberRoutes mounts the pages of shared numbers.
func (s *Site) numberRoutes(in *echo.Group) {
	in.GET("/numbers", s.numbers)
	in.POST("/numbers/goals", s.agree)
	in.GET("/dictionary", s.dictionary)
	in.GET("/month", s.month)
}

// terms are what shared numbers are held against.
func (s *Site) terms() store.NumberTerms {
	return s.options().NumberTerms(s.Zone, s.Service, s.Registry.AnswerDays)
}

func (s *Site) numbers(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	if wantsFile(c) {
		goals, err := s.DB.Goals(c.Request().Context(), s.terms(), s.Now())
		if err != nil {
			return err
		}
		return s.sendRows(c, "goals", trail.GoalsTable(goals))
	}
	return s.renderNumbers(c, http.StatusOK, l, goalForm{})
}

func (s *Site) renderNumbers(c echo.Context, status int, l lens, form goalForm) error {
	t, now := s.terms(), s.Now()
	page := numbersPage{frame: s.frame(c, "Are we on course for what we agreed?", "numbers", l), Measures: trail.Measures(), Periods: likelyPeriods(now, s.Zone), Form: form, Currency: t.Rates.Currency}
	if c.QueryParam("agreed") != "" {
		page.Said = "Written down. Everybody sees it here, with who changed it and when."
	}
	var goals []trail.Goal
	var service *trail.Service
	g, ctx := errgroup.WithContext(c.Request().Context())
	g.Go(func() (err error) { goals, err = s.DB.Goals(ctx, t, now); return err })
	g.Go(func() (err error) { service, err = s.recentService(c); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	for _, goal := range goals {
		card := newGoalCard(goal, l, s.Zone, page.User)
		switch {
		case goal.Dropped:
			page.Dropped = append(page.Dropped, goal)
		case now.Before(goal.Result.To):
			page.Now = append(page.Now, card)
		default:
			page.Over = append(page.Over, card)
		}
		page.Changes = append(page.Changes, changesOf(card)...)
	}
	slices.SortStableFunc(page.Over, func(a, b goalCard) int { return b.Result.To.Compare(a.Result.To) })
	slices.SortStableFunc(page.Changes, func(a, b goalChange) int { return b.At.Compare(a.At) })
	page.Changes = page.Changes[:min(len(page.Changes), changesAtFirst)]
	page.Form.By = cmp.Or(page.User, form.By)
	page.Service = serviceView{Service: *service, Terms: t.Service.Words(), Lens: l}
	return s.render(c, status, "numbers", page)
}

// agree takes what both teams agreed on.
func (s *Site) agree(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	l.path = join("numbers") // also for the form that is shown again
	value := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	form := goalForm{Measure: value("measure"), Period: value("period"), Target: value("target"), Sales: value("sales"), Marketing: value("marketing"), Note: value("note"), By: cmp.Or(s.who(c), value("by"))}
	g := trail.Goal{Measure: form.Measure, Period: form.Period, Target: form.Target, Sales: form.Sales, Marketing: form.Marketing, Note: form.Note, By: form.By, Dropped: value("dropped") != ""}
	g, _, err = s.Registry.Agree(c.Request().Context(), g, int(s.terms().Rates.Digits), "ui")
	if text, ok := problemText(err); ok {
		form.Problem = text
		return s.renderNumbers(c, http.StatusUnprocessableEntity, l, form)
	}
	if err != nil {
		return err
	}
	return seeOther(c, link("agreed=1", "numbers")+"#"+template.URL(goalAnchor(g)))
}

func goalAnchor(g trail.Goal) string { return "g-" + g.Measure + "-" + g.Period }

// likelyPeriods are this and the next month, quarter and year.
func likelyPeriods(now time.Time, zone *time.Location) (all []choice) {
	for _, unit := range []string{trail.Quarter, trail.Month, trail.Year} {
		p := trail.PeriodOf(unit, now, zone)
		for _, p := range []trail.Period{p, p.After()} {
			all = append(all, choice{Value: p.Name, Label: p.Words()})
		}
	}
	return all
}

// stateWords say how a goal stands.
var stateWords = map[trail.GoalState]string{
	trail.GoalReached: "✓ reached", trail.GoalMissed: "✕ not reached", trail.GoalAhead: "↑ likely reached", trail.GoalBehind: "! likely missed",
	trail.GoalUnclear: "○ cannot be told yet", trail.GoalEarly: "○ no projection", trail.GoalFuture: "○ not begun",
}

func newGoalCard(g trail.Goal, l lens, zone *time.Location, user string) goalCard {
	p, _ := trail.ParsePeriod(g.Period, zone) // it was checked when it was agreed
	card := goalCard{Goal: g, Words: p.Words(), Anchor: goalAnchor(g), Form: goalForm{Measure: g.Measure, Period: g.Period, Target: g.Target, Sales: g.Sales, Marketing: g.Marketing, By: user}}
	r := g.Result
	if r == nil {
		return card
	}
	card.Word = stateWords[r.State]
	card.Good = r.State == trail.GoalReached || r.State == trail.GoalAhead
	card.Bad = r.State == trail.GoalMissed || r.State == trail.GoalBehind
	card.Chart = newGoalChart(card)
	switch r.Page {
	case "deals":
		l.From, l.To = p.From.Format(time.DateOnly), p.To.AddDate(0, 0, -1).Format(time.DateOnly)
		card.Link = l.Page("deals", "status", "won")
	case "content":
		card.Link = l.Link()
	case "numbers":
		card.Link = l.Link("numbers") + "#service"
	default:
		card.Link = l.Link(r.Page)
	}
	return card
}

// Show writes a number of the goal.
func (g goalCard) Show(text string) template.HTML {
	m, _ := trail.MeasureOf(g.Measure)
	switch {
	case text == "":
		return `<span class="zero">–</span>`
	case m.Unit == "money":
		return money(trail.Money{Amount: text, Currency: g.Unit})
	case m.Unit == "percent":
		return template.HTML(template.HTMLEscapeString(text) + "%")
	}
	whole, part, _ := strings.Cut(text, ".")
	if text = group(whole); part != "" {
		text += "." + part
	}
	return template.HTML(template.HTMLEscapeString(text))
}

// MeasureTerm is the entry of the measure in the dictionary.
func (g goalCard) MeasureTerm() string {
	m, _ := trail.MeasureOf(g.Measure)
	return m.Term
}

// About writes a number of the goal that is not known to the cent.
func (g goalCard) About(text string) template.HTML {
	if m, _ := trail.MeasureOf(g.Measure); m.Unit == "money" {
		text, _, _ = strings.Cut(text, ".")
	}
	return g.Show(text)
}

// DaysOf says how much of the period has passed.
func (g goalCard) DaysOf() string {
	one := func(f float64) string {
		return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0")
	}
	return one(g.Result.Elapsed) + " of " + one(g.Result.Days) + " working days"
}

// newGoalChart draws a goal; nil when there is nothing to draw.
func newGoalChart(g goalCard) *goalChart {
	steps := g.Result.Steps
	top := 1.0
	for _, s := range steps {
		top = max(top, s.Share, s.PaceShare)
	}
	at := func(i int, share float64) string {
		return pct(100*float64(i)/float64(len(steps))) + "," + pct(100-95*share/top)
	}
	m, _ := trail.MeasureOf(g.Measure)
	var actual, pace []string
	if m.Course != trail.Steady { // a sum begins at nothing
		actual = append(actual, at(0, 0))
	}
	if m.Course == trail.Even {
		pace = append(pace, at(0, 0))
	}
	for i, s := range steps {
		if s.Share >= 0 {
			actual = append(actual, at(i+1, s.Share))
		}
		if s.Pace != "" {
			pace = append(pace, at(i+1, s.PaceShare))
		}
	}
	if len(actual) < 2 {
		return nil
	}
	points := func(list []string) template.HTMLAttr {
		return template.HTMLAttr(`points="` + strings.Join(list, " ") + `"`)
	}
	return &goalChart{Actual: points(actual), Pace: points(pace), Target: pct(100 - 95/top), Label: g.Title + ", " + g.Words + ": " + g.Result.Says}
}

// changesOf are the words on a goal, with what each changed.
func changesOf(g goalCard) (all []goalChange) {
	for i, c := range g.History {
		var before *trail.GoalChange
		if i+1 < len(g.History) {
			before = &g.History[i+1]
		}
		all = append(all, goalChange{GoalChange: c, Title: g.Title, Words: g.Words, What: c.Changed(before)})
	}
	return all
}

// AllChanges are the words on the goal, with what each changed.
func (g goalCard) AllChanges() []goalChange { return changesOf(g) }

// goalPart is one goal on the page.
type goalPart struct {
	Page numbersPage
	Goal goalCard
}

// Card prepares one goal for its template.
func (p numbersPage) Card(g goalCard) goalPart { return goalPart{p, g} }

// goalFields is the form of a goal: a new one, or a change of one that there is.
type goalFields struct {
	Page  numbersPage
	Form  goalForm
	Fixed bool // which goal it is stands
	Label string
}

// Filled is the form that changes a goal.
func (p numbersPage) Filled(g goalCard) goalFields {
	return goalFields{p, g.Form, true, "Change " + g.Goal.Title + ", " + g.Words}
}

// New is the form of a new goal, as it was typed.
func (p numbersPage) New() goalFields { return goalFields{p, p.Form, false, "Agree on a goal"} }
