package dashboards

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"math"
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

// holdoutsPage is what every holdout says, and the form that starts one.
type holdoutsPage struct {
	frame
	AsOf     time.Time
	Running  []holdoutRow
	Ended    []holdoutRow
	Scale    string // how far the chart goes to either side, in points
	Contents []trail.ContentRow
	Stages   []store.StageDeals
	Parts    []choice
	Form     holdoutForm
	Said     string // what was just done
}

// holdoutRow is one holdout with its place in the chart, in percent of the width.
type holdoutRow struct {
	trail.Readout
	Lens           lens
	Dot, Low, High string // empty: nothing can be said
}

// holdoutForm is what was typed to start one, and what is wrong with it.
type holdoutForm struct {
	Content, Name, Stage, Part, Outcome, Weeks, EndedAt, Problem string
}

// dealsAtOnce are the deals of a ledger that a page shows; its CSV has all.
const dealsAtOnce = 200

// holdoutRoutes mounts the pages of holdouts.
func (s *Site) holdoutRoutes(in *echo.Group) {
	in.GET("/holdouts", s.holdouts)
	in.POST("/holdouts", s.startHoldout)
	in.GET("/holdouts/:id", s.holdout)
	in.POST("/holdouts/:id/end", s.endHoldout)
}

func (s *Site) holdouts(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	if wantsFile(c) {
		all, err := s.Holdouts.Readouts(c.Request().Context(), l.filter())
		if err != nil {
			return err
		}
		return s.sendRows(c, "holdouts", holdoutsCSV(all))
	}
	return s.renderHoldouts(c, http.StatusOK, l, holdoutForm{Content: c.QueryParam("content")})
}

func (s *Site) renderHoldouts(c echo.Context, status int, l lens, form holdoutForm) error {
	page := holdoutsPage{frame: s.frame(c, "Which content is proven to move deals?", "holdouts", l), AsOf: s.Now(), Form: form}
	page.Form.Part = cmp.Or(form.Part, partText(trail.UsualPart))
	for tenths := 1; tenths <= 9; tenths++ {
		part := partText(float64(tenths) / 10)
		page.Parts = append(page.Parts, choice{Value: part, Label: fmt.Sprintf("%d0%%", tenths)})
	}
	page.Said = map[bool]string{true: "Started. Chance draws for the deals within a minute."}[c.QueryParam("started") != ""]
	if c.QueryParam("ended") != "" {
		page.Said = "Ended: no more deals are drawn. Those that were are watched until their time is over."
	}
	var readouts []trail.Readout
	g, ctx := errgroup.WithContext(c.Request().Context())
	g.Go(func() (err error) { readouts, err = s.Holdouts.Readouts(ctx, l.filter()); return err })
	g.Go(func() (err error) { page.Contents, err = s.source.Shareable(ctx, store.Filter{}); return err })
	g.Go(func() (err error) { page.Stages, err = s.DB.OpenStages(ctx); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	rows, scale := holdoutRows(readouts, l)
	page.Scale = scale
	page.Stages = slices.DeleteFunc(page.Stages, func(d store.StageDeals) bool { return d.Open == 0 && d.Stage != form.Stage })
	for _, r := range rows {
		if r.Holdout.Running(page.AsOf) {
			page.Running = append(page.Running, r)
		} else {
			page.Ended = append(page.Ended, r)
		}
	}
	return s.render(c, status, "holdouts", page)
}

// holdoutRows places effects around zero, on one scale for all.
func holdoutRows(readouts []trail.Readout, l lens) (rows []holdoutRow, scale string) {
	widest := 0.1
	for _, r := range readouts {
		if e := r.Effect; e != nil {
			widest = max(widest, math.Ceil(10*max(-e.Low, e.High))/10)
		}
	}
	x := func(f float64) string { return pct(50 + 48*f/widest) }
	for _, r := range readouts {
		row := holdoutRow{Readout: r, Lens: l}
		if e := r.Effect; e != nil {
			row.Dot, row.Low, row.High = x(e.Difference), x(e.Low), x(e.High)
		}
		rows = append(rows, row)
	}
	return rows, strconv.FormatFloat(100*widest, 'f', 0, 64)
}

// Number writes the effect with its interval in points.
func (r holdoutRow) Number() string {
	e := r.Effect
	if e == nil {
		return "no number yet"
	}
	return points(e.Difference) + " points (" + points(e.Low) + " to " + points(e.High) + ")"
}

// Word says the verdict in a word or two.
func (r holdoutRow) Word() string {
	return map[string]string{
		trail.TooLittle: "not enough data", trail.SoFar: "not decided", trail.ProvenFor: "proven", trail.Against: "proven to harm", trail.NoEffect: "no effect proven",
	}[r.Verdict]
}

// Decided reports whether the verdict is one to go by.
func (r holdoutRow) Decided() bool { return r.Verdict != trail.TooLittle && r.Verdict != trail.SoFar }

// What says what the holdout is about, within a sentence.
func (r holdoutRow) What() string {
	deals, did := "open deals", "advance"
	if r.Stage != "" {
		deals = "open deals in " + r.Stage
	}
	if r.Outcome == trail.ToWin {
		did = "are won"
	}
	return fmt.Sprintf("%s held back from %.0f%% of %s; compared is how many %s within %s of the draw", cmp.Or(r.Title, r.Content), 100*r.Part, deals, did, plural(r.Weeks, "week", "weeks"))
}

// Share writes how many of an arm's deals did something, and their percentage.
func (r holdoutRow) Share(n, of uint64) string { return share(n, of, true) }

// PValues are the test's numbers.
func (r holdoutRow) PValues() string { return "p " + chance(r.Effect.P) + ", q " + chance(r.Effect.Q) }

// chance writes a probability with three decimals.
func chance(p float64) string {
	if p < 0.001 {
		return "below 0.001"
	}
	return strconv.FormatFloat(p, 'f', 3, 64)
}

// Rise is the least rise that would probably have shown.
func (r holdoutRow) Rise() string { return fmt.Sprintf("%.1f points", 100*r.MDE) }

func partText(part float64) string { return strconv.FormatFloat(part, 'f', -1, 64) }

func (s *Site) startHoldout(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	value := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	form := holdoutForm{Content: value("content"), Name: value("name"), Stage: value("stage"), Part: value("part"), Outcome: value("outcome"), Weeks: value("weeks"), EndedAt: value("ended_at")}
	id, err := s.beginHoldout(c.Request().Context(), form, s.who(c))
	if text, ok := problemText(err); ok {
		form.Problem = text
		return s.renderHoldouts(c, http.StatusUnprocessableEntity, l, form)
	}
	if err != nil {
		return err
	}
	return seeOther(c, link("started=1", "holdouts")+"#h-"+template.URL(id))
}

// who is signed in, if anybody has to be.
func (s *Site) who(c echo.Context) string {
	if s.SignedIn == nil {
		return ""
	}
	return s.SignedIn(c)
}

func (s *Site) beginHoldout(ctx context.Context, form holdoutForm, by string) (id string, err error) {
	h := trail.Holdout{Content: form.Content, Name: form.Name, Stage: form.Stage, Outcome: form.Outcome, By: by}
	if h.Part, err = strconv.ParseFloat(cmp.Or(form.Part, partText(trail.UsualPart)), 64); err != nil {
		return "", trail.Problemf(trail.Invalid, "The part held back is %q; it must be a number from 0.1 to 0.9.", form.Part)
	}
	if h.Weeks, err = strconv.Atoi(cmp.Or(form.Weeks, "0")); err != nil {
		return "", trail.Problemf(trail.Invalid, "The horizon is %q; it must be a number of weeks from 1 to 52.", form.Weeks)
	}
	if h.EndedAt, err = day(form.EndedAt, s.Zone, 0); err != nil {
		return "", err
	}
	if h.Content == "" {
		return "", trail.Problemf(trail.Invalid, "Choose the content that the holdout is about.")
	}
	h, _, err = s.Holdouts.Start(ctx, h, "ui")
	return h.ID, err
}

func (s *Site) endHoldout(c echo.Context) error {
	if _, _, err := s.Holdouts.End(c.Request().Context(), param(c, "id"), time.Time{}, "ui"); err != nil {
		return err
	}
	return seeOther(c, link("ended=1", "holdouts"))
}

// holdoutPage is one holdout with the deals behind it.
type holdoutPage struct {
	frame
	Row   holdoutRow
	Scale string
	Deals []trail.HoldoutDeal
	All   uint64
}

func (s *Site) holdout(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	ctx, id := c.Request().Context(), param(c, "id")
	deals, err := s.Holdouts.Deals(ctx, id, l.filter())
	if err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendRows(c, "holdout-"+id, holdoutCSV(deals))
	}
	r, err := s.Holdouts.Readout(ctx, id, l.filter())
	if err != nil {
		return err
	}
	rows, scale := holdoutRows([]trail.Readout{*r}, l)
	page := holdoutPage{frame: s.frame(c, r.Name, "holdouts", l), Row: rows[0], Scale: scale, Deals: deals[:min(len(deals), dealsAtOnce)], All: uint64(len(deals))}
	return s.render(c, http.StatusOK, "holdout", page)
}

func holdoutsCSV(all []trail.Readout) [][]string {
	out := [][]string{{
		"id", "name", "content", "stage", "part", "outcome", "weeks", "by", "started_at", "ended_at", "verdict", "difference", "low", "high", "p", "q", "method", "mde",
		"recommended", "recommended_over", "recommended_reached", "recommended_got", "held_back", "held_back_over", "held_back_reached", "held_back_got", "deals_planned", "deals_more", "expected_at",
	}}
	for _, r := range all {
		effect := make([]string, 6)
		if e := r.Effect; e != nil {
			effect = []string{decimal(e.Difference), decimal(e.Low), decimal(e.High), decimal(e.P), decimal(e.Q), e.Method}
		}
		line := append([]string{r.ID, r.Name, r.Content, r.Stage, partText(r.Part), r.Outcome, strconv.Itoa(r.Weeks), r.By, stamp(r.StartedAt), stamp(r.EndedAt), r.Verdict}, effect...)
		line = append(line, decimal(r.MDE))
		for _, arm := range []trail.ReadoutArm{r.Total.Recommended, r.Total.HeldBack} {
			line = append(line, count(arm.Assigned), count(arm.Over), count(arm.Reached), count(arm.Got))
		}
		out = append(out, append(line, count(r.Plan.Deals), count(r.Plan.More), stamp(r.Plan.Expected)))
	}
	return out
}

func holdoutCSV(deals []trail.HoldoutDeal) [][]string {
	out := [][]string{{"deal", "arm", "stage", "at", "until", "state", "reached_at", "got_at"}}
	for _, d := range deals {
		out = append(out, []string{d.Deal, string(d.Arm), d.Stage, stamp(d.At), stamp(d.Until), d.State, stamp(d.ReachedAt), stamp(d.GotAt)})
	}
	return out
}
