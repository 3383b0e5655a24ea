package attribution

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"dealtrail/store"
	"dealtrail/trail"
)

// SendQuestion says for what something to send is looked for: a deal, or deals in a
// stage, or a persona. Without a stage it is the deal's.
type SendQuestion struct {
	Deal, Stage, Persona string
}

// standing is what is known of one content, and where that puts it.
type standing struct {
	trail.Recommendation
	class  int
	lift   float64 // shrunken; 0 where it decides nothing
	value  *big.Rat
	credit float64
	reps   uint64
	sent   uint64
}

// The classes, the first to be recommended first. That no effect shows is no reason to
// send something: such content stands where its credit or use puts it, and says so.
const (
	moves     = iota // enough evidence that it moves deals
	credited         // part of won deals
	used             // reps send it
	unused           // nobody does
	holdsBack        // enough evidence that it holds deals back
)

// evidence is what the newest run knows of contents.
type evidence struct {
	here     map[trail.ContentID]trail.LiftRow // at the stage that was asked for, or at all
	anywhere map[trail.ContentID]trail.LiftRow // at all stages together
	visible  bool                              // selection shows in the lifts: none is to be believed
	credits  map[trail.ContentID]trail.CreditRow
}

// WhatToSend ranks the contents that can be sent now by evidence: lift, then credit
// under the filter's model in the newest run, then use. What a holdout holds back from
// the deal is not there; without a deal, nothing is that a holdout may hold back from
// some. A *trail.Problem says that there is no such deal, or that nothing was asked.
func WhatToSend(ctx context.Context, j *Job, x *Holdouts, q SendQuestion, f store.Filter) (*trail.Recommendations, error) {
	if q.Deal == "" && q.Stage == "" && q.Persona == "" {
		return nil, trail.Problemf(trail.Invalid, "Say for which deal something to send is looked for, or for which stage or persona.")
	}
	var err error
	if f.Agents, err = trail.ParseLevel(string(f.Agents)); err != nil {
		return nil, err
	}
	f.Model = cmp.Or(f.Model, store.UsualModel)
	answer := &trail.Recommendations{Deal: q.Deal, Stage: q.Stage, Persona: q.Persona, Agents: f.Agents, Model: f.Model, Notes: []string{}, Rows: []trail.Recommendation{}}
	if q.Deal != "" {
		known, err := j.DB.DealsOf(ctx, f, []string{q.Deal})
		if err != nil {
			return nil, err
		}
		d, ok := known[q.Deal]
		if !ok {
			return nil, trail.Problemf(trail.NotFound, "There is no deal %q; its ID is the CRM's own, as on the deal's page.", q.Deal)
		}
		answer.DealName, answer.Stage = d.Name, cmp.Or(q.Stage, d.Stage)
		if d.Status != "open" {
			answer.Notes = append(answer.Notes, fmt.Sprintf("This deal is %s already.", d.Status))
		}
	}
	var contents []trail.ContentRow
	var stages []store.StageDeals
	var known evidence
	had := map[trail.ContentID]time.Time{}
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(3)
	if q.Deal != "" { // first, as it takes longest
		g.Go(func() (err error) { had, err = j.DB.Had(asking, q.Deal, f); return err })
	}
	g.Go(func() (err error) { contents, err = j.DB.Sendable(asking, x.now(), f); return err })
	g.Go(func() (err error) { stages, err = j.DB.OpenStages(asking); return err })
	g.Go(func() (err error) { known, err = j.readEvidence(asking, answer.Stage, f); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	contents = slices.DeleteFunc(contents, func(c trail.ContentRow) bool { return !fits(c, answer.Stage, q.Persona, stages, known) })
	allowed, err := x.among(ctx, q.Deal, contents)
	if err != nil {
		return nil, err
	}
	if q.Deal == "" && len(allowed) < len(contents) {
		answer.Notes = append(answer.Notes, "Content that is being tested is recommended only where a deal is named.")
	}
	if known.visible {
		answer.Notes = append(answer.Notes, "Lift is left out: selection is visible in this data, so it may be that of the deals and not of the content.")
	}
	answer.Rows = ranked(allowed, known, answer.Stage, had)
	return answer, nil
}

// among returns those of the contents that may be recommended.
func (x *Holdouts) among(ctx context.Context, deal string, contents []trail.ContentRow) ([]trail.ContentRow, error) {
	ids := make([]trail.ContentID, len(contents))
	for i, c := range contents {
		ids[i] = c.ID
	}
	may := x.RecommendToAny
	if deal != "" {
		may = func(ctx context.Context, ids ...trail.ContentID) ([]trail.ContentID, error) {
			return x.Recommend(ctx, deal, ids...)
		}
	}
	allowed, err := may(ctx, ids...)
	return slices.DeleteFunc(slices.Clone(contents), func(c trail.ContentRow) bool { return !slices.Contains(allowed, c.ID) }), err
}

// forEverybody are the personas by which people say that there is none.
var forEverybody = []string{"", "all", "any", "anybody", "anyone", "everybody", "everyone"}

// fits reports whether a content is for the stage and persona. One that was registered
// for another stage fits where deals saw it in this one; where marketing's words for
// stages are not the CRM's, they say nothing.
func fits(c trail.ContentRow, stage, persona string, stages []store.StageDeals, known evidence) bool {
	if persona != "" && !slices.Contains(forEverybody, strings.ToLower(c.Persona)) && !strings.EqualFold(c.Persona, persona) {
		return false
	}
	if stage == "" || c.Stage == "" || strings.EqualFold(c.Stage, stage) || known.here[c.ID].Seen > 0 {
		return true
	}
	return !slices.ContainsFunc(stages, func(s store.StageDeals) bool { return strings.EqualFold(s.Stage, c.Stage) })
}

// readEvidence reads what the newest run knows. Without a run nothing is known, which is
// no error: then use is left.
func (j *Job) readEvidence(ctx context.Context, stage string, f store.Filter) (evidence, error) {
	known := evidence{here: map[trail.ContentID]trail.LiftRow{}, anywhere: map[trail.ContentID]trail.LiftRow{}, credits: map[trail.ContentID]trail.CreditRow{}}
	read := func(ctx context.Context, stage string, into map[trail.ContentID]trail.LiftRow) (visible bool, err error) {
		report, err := j.Lift(ctx, LiftQuestion{Where: Where{Outcome: "stage", Stage: stage}, Agents: f.Agents})
		if err != nil {
			return false, unlessNoRun(err)
		}
		for _, row := range report.Rows {
			into[row.Content] = row
		}
		return report.Warning != "", nil
	}
	var report *trail.Attribution
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) { // one lift after the other: each asks several things at once, and others want to be answered too
		if known.visible, err = read(asking, "", known.anywhere); err == nil && stage != "" {
			_, err = read(asking, stage, known.here)
		}
		return err
	})
	g.Go(func() (err error) { report, err = j.DB.Attribution(asking, "content", f); return unlessNoRun(err) })
	if err := g.Wait(); err != nil {
		return known, err
	}
	if stage == "" {
		known.here = known.anywhere
	}
	if report != nil {
		for _, row := range report.Rows {
			known.credits[row.Key] = row
		}
	}
	return known, nil
}

func unlessNoRun(err error) error {
	if p := (*trail.Problem)(nil); errors.As(err, &p) && p.Code == trail.NoRun {
		return nil
	}
	return err
}

// ranked puts contents in the order of what is known of them.
func ranked(contents []trail.ContentRow, known evidence, stage string, had map[trail.ContentID]time.Time) []trail.Recommendation {
	all := make([]standing, len(contents))
	for i, c := range contents {
		all[i] = known.of(c, stage)
		all[i].HadAt = had[c.ID]
	}
	slices.SortStableFunc(all, func(a, b standing) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(b.lift, a.lift), b.value.Cmp(a.value), cmp.Compare(b.credit, a.credit),
			cmp.Compare(b.reps, a.reps), cmp.Compare(b.sent, a.sent), cmp.Compare(a.Title, b.Title), cmp.Compare(a.Content, b.Content))
	})
	rows := make([]trail.Recommendation, len(all))
	for i, s := range all {
		rows[i] = s.Recommendation
	}
	return rows
}

// of says what is known of a content, the strongest evidence that there is.
func (known evidence) of(c trail.ContentRow, stage string) standing {
	s := standing{value: new(big.Rat), reps: c.Reps, sent: c.Sent, Recommendation: trail.Recommendation{
		Content: c.ID, Title: cmp.Or(c.Title, c.ID), Kind: c.Kind, Stage: c.Stage, Persona: c.Persona, Version: c.Version,
	}}
	credit := known.credits[c.ID]
	if value, ok := new(big.Rat).SetString(credit.Value.Amount); ok {
		s.value, s.Credit = value, &credit.Value
	}
	s.credit = credit.Credit
	switch {
	case credit.Deals > 0:
		s.class, s.Evidence, s.Why = credited, trail.ByCredit, "It was part of "+many(int(credit.Deals), "won deal", "won deals")
	case c.Reps > 0:
		s.class, s.Evidence, s.Why = used, trail.ByUse, verb(int(c.Reps), "1 rep sends it", fmt.Sprintf("%d reps send it", c.Reps))
	case c.Sent > 0:
		s.class, s.Evidence, s.Why = used, trail.ByUse, "It has been sent"
	default:
		s.class, s.Evidence, s.Why = unused, trail.ByNone, "Nobody has sent it yet"
	}
	switch row := known.lift(c.ID, stage); {
	case known.visible || row.Shrunk == nil:
		s.Why += "."
	case row.Verdict == trail.NoEffect:
		s.Why += "; there is no evidence of an effect."
	default:
		s.Evidence, s.Why, s.lift = trail.ByLift, row.Text, *row.Shrunk
		s.class = map[string]int{trail.For: moves, trail.Against: holdsBack}[row.Verdict]
	}
	return s
}

// lift is what is known of a content's lift at the stage that was asked for, or of all
// stages together where that says more: few deals are in one stage.
func (known evidence) lift(content trail.ContentID, stage string) trail.LiftRow {
	here, anywhere := known.here[content], known.anywhere[content]
	decided := func(row trail.LiftRow) bool { return row.Verdict == trail.For || row.Verdict == trail.Against }
	if stage == "" || decided(here) || !decided(anywhere) && here.Shrunk != nil {
		return here
	}
	anywhere.Text = "In all stages together: " + anywhere.Text
	return anywhere
}
