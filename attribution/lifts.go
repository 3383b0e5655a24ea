package attribution

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"dealtrail/attribution/lift"
)

// Outcomes are what a lift may be about: advancing to a later stage or a win, and
// being won.
var Outcomes = []string{"stage", "won"}

// compare counts stage entries with and without each content and judges all
// contents as one family, for each outcome.
func (c *computation) compare(ctx context.Context) error {
	if !c.lifts {
		return nil
	}
	if err := c.job.drop(ctx, c.run.ID, "lift_entries", "lifts"); err != nil {
		return err
	}
	stages, err := c.stages(ctx)
	if err != nil {
		return fmt.Errorf("order the stages: %w", err)
	}
	c.run.Stages = stages
	if len(stages) == 0 {
		c.reasons["lift"] = "No deal has a history of stages yet; import stages or connect the CRM's."
		if len(c.options.Stages) > 0 {
			c.reasons["lift"] = fmt.Sprintf("The stages that are set (%s) are only those of deals that are won or lost.", strings.Join(c.options.Stages, ", "))
		}
		return nil
	}
	if err := c.job.one(ctx, "closed", []any{&c.closedDeals}, c.args); err != nil {
		return err
	}
	if err := c.inChunks(ctx, 4, "lift_entries", args{
		"stages": stages, "as_of_ms": c.run.AsOf.UnixMilli(), "kinds": texts(c.options.Kinds), "level": levels[c.run.Agents],
		"landmark": int64(c.options.Landmark), "horizon": int64(c.options.Horizon), "won_horizon": int64(c.options.WonHorizon),
	}); err != nil {
		return err
	}
	var entries uint64
	if err := c.job.one(ctx, "lift_count", []any{&entries}, c.args); err != nil {
		return err
	}
	if entries == 0 {
		c.reasons["lift"] = fmt.Sprintf("No deal that is open or has a closing date was in a stage (%s) for a week yet.", strings.Join(stages, ", "))
		return nil
	}
	return c.judge(ctx)
}

// judge says what the entries bear.
func (c *computation) judge(ctx context.Context) error {
	started := time.Now()
	before, err := c.job.placebos(ctx, c.run.ID)
	if err != nil {
		return err
	}
	placebo, err := lift.Pool(before)
	if err != nil {
		return err
	}
	c.job.time("placebo", started)
	started = time.Now()
	hazards, err := c.hazards(ctx)
	if err != nil {
		return err
	}
	c.job.time("hazards", started)
	defer c.job.time("judge", time.Now())
	for _, outcome := range Outcomes {
		evidence, err := c.job.evidence(ctx, c.run.ID, Where{Outcome: outcome})
		if err != nil {
			return err
		}
		has := map[string]bool{}
		for _, e := range evidence {
			has[e.Content] = true
		}
		for content := range hazards {
			if !has[content] { // nobody had seen it by a landmark, but later
				evidence = append(evidence, lift.Evidence{Content: content})
			}
		}
		findings, _, err := lift.Judge(evidence)
		if err != nil {
			return fmt.Errorf("judge %s: %w", outcome, err)
		}
		if err := c.storeLifts(ctx, outcome, findings, placebo, hazards); err != nil {
			return err
		}
	}
	return nil
}

// Where says which stage entries a lift compares; empty fields do not restrict.
type Where struct {
	Outcome                                   string // stage or won
	Content                                   string
	Stage, Segment, Size, Owner, Team, Source string
}

func (w Where) args(run string) args {
	return args{"run": run, "outcome": w.Outcome, "content": w.Content, "stage": w.Stage, "segment": w.Segment, "size": w.Size, "owner": w.Owner, "team": w.Team, "source": w.Source}
}

// stratum is what entries of one table have in common.
type stratum struct {
	content, stage, segment string
	age, class              uint8
	lift.Table
}

// tables returns the two-by-two tables of a run.
func (j *Job) tables(ctx context.Context, run string, w Where) ([]stratum, error) {
	rows, err := j.rows(ctx, "lift_tables", w.args(run))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []stratum
	for rows.Next() {
		var s stratum
		if err := rows.Scan(&s.content, &s.stage, &s.segment, &s.age, &s.class, &s.Exposed, &s.ExposedAdvanced, &s.Control, &s.ControlAdvanced); err != nil {
			return nil, err
		}
		s.Stratum = strings.Join([]string{s.stage, s.segment, strconv.Itoa(int(s.age)), strconv.Itoa(int(s.class))}, "\x00")
		all = append(all, s)
	}
	return all, rows.Err()
}

// evidence is tables by content.
func (j *Job) evidence(ctx context.Context, run string, w Where) ([]lift.Evidence, error) {
	all, err := j.tables(ctx, run, w)
	if err != nil {
		return nil, fmt.Errorf("read tables: %w", err)
	}
	var evidence []lift.Evidence
	for _, s := range all {
		evidence = with(evidence, s.content, s.Table)
	}
	return evidence, nil
}

// placebos is the same for the outcome that no content can have had, over all deals.
func (j *Job) placebos(ctx context.Context, run string) ([]lift.Evidence, error) {
	rows, err := j.rows(ctx, "placebo_tables", args{"run": run})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var evidence []lift.Evidence
	for rows.Next() {
		var content, stage, segment string
		var t lift.Table
		if err := rows.Scan(&content, &stage, &segment, &t.Exposed, &t.ExposedAdvanced, &t.Control, &t.ControlAdvanced); err != nil {
			return nil, err
		}
		t.Stratum = stage + "\x00" + segment
		evidence = with(evidence, content, t)
	}
	return evidence, rows.Err()
}

// with adds a table of the last content or of a new one.
func with(all []lift.Evidence, content string, t lift.Table) []lift.Evidence {
	if n := len(all); n == 0 || all[n-1].Content != content {
		all = append(all, lift.Evidence{Content: content})
	}
	e := &all[len(all)-1]
	e.Tables = append(e.Tables, t)
	return all
}

// storeLifts writes what was found of each content, and of the library.
func (c *computation) storeLifts(ctx context.Context, outcome string, findings []lift.Finding, placebo lift.Placebo, hazards map[string]hazard) error {
	batch, err := c.job.DB.Batch(ctx, `INSERT INTO lifts (run, outcome, content, verdict, sentence, seen, exposed, exposed_advanced, control, control_advanced,
		with_rate, without_rate, lift, low, high, shrunk, p, q, mde, evalue, evalue_limit,
		hazard, hazard_low, hazard_high, lost, lost_low, lost_high, gain, gain_low, gain_high, hazard_note, placebo_z, placebo_p, placebo_mean, placebo_sd, placebo_banner, more_deals)`)
	if err != nil {
		return err
	}
	defer batch.Abort()
	add := func(f lift.Finding, h hazard, p lift.PlaceboTest, library lift.Placebo) error {
		more, _ := lift.MoreDeals(f.Short, c.closedDeals)
		return batch.Append(c.run.ID, outcome, f.Content, string(f.Verdict), f.Sentence(c.closedDeals), uint64(f.Total.Exposed),
			uint64(f.Compared.Exposed), uint64(f.Compared.ExposedAdvanced), uint64(f.Compared.Control), uint64(f.Compared.ControlAdvanced),
			f.With, f.Without, f.Difference.Value, f.Difference.Low, f.Difference.High, f.Shrunk.Value, f.P, f.Q, f.MDE, f.EValue.Point, f.EValue.Bound,
			h.odds.Value, h.odds.Low, h.odds.High, h.lost.Value, h.lost.Low, h.lost.High, h.gain.Value, h.gain.Low, h.gain.High, h.note,
			p.Z, p.P, library.Mean, library.SD, library.Banner, uint64(max(more, 0)))
	}
	tests := map[string]lift.PlaceboTest{}
	for _, p := range placebo.Contents {
		tests[p.Content] = p
	}
	for _, f := range findings {
		var h hazard
		if outcome == "stage" { // which is what the weekly model is about
			var fitted bool
			if h, fitted = hazards[f.Content]; !fitted {
				h.note = "too little data: no deal was in a stage for a full week after it had seen it"
			}
		}
		if err := add(f, h, tests[f.Content], lift.Placebo{}); err != nil {
			return err
		}
	}
	if err := add(lift.Finding{Verdict: "library"}, hazard{}, lift.PlaceboTest{}, placebo); err != nil {
		return err
	}
	return batch.Send()
}
