package attribution

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"dealtrail/attribution/lift"
	"dealtrail/store"
	"dealtrail/trail"
)

// LiftQuestion says which lifts are asked for; what is empty does not restrict.
// Kind and Persona choose the family of contents that are judged together.
// Content only chooses what is shown of it.
type LiftQuestion struct {
	Where
	Kind, Persona string
	Agents        trail.Level
	Run           string // one run; empty: the newest that compared contents
}

// pace is the time over which it is counted how many deals a company closes.
const pace = 26 * 7 * 24 * time.Hour

// liftReading is what one run knows for one question.
type liftReading struct {
	job      *Job
	question LiftQuestion
	run      *trail.Run
	head     trail.LiftHead
	contents []knownContent
	choices  trail.LiftChoices
	won      uint64
	stored   []found // of all deals and contents
	banner   bool
	reason   string // why the run compared nothing: a sentence
	unknown  string // what was asked for and is not there: a sentence
}

// knownContent is one content as it was registered.
type knownContent struct{ id, title, kind, persona string }

// found is what is known of one content: its finding, and what only runs compute.
type found struct {
	lift.Finding
	text             string
	more             int64
	odds, lost, gain [3]float64
	note             string
	placebo          trail.Placebo
}

// Lift returns what is known of each content: of all deals as the run found it, of
// some deals or contents judged anew from what the run counted. Without a run that
// compared contents it returns a trail.NoRun problem. Values that no deal or
// content has give no rows, and the headline says so.
func (j *Job) Lift(ctx context.Context, q LiftQuestion) (*trail.LiftReport, error) {
	r, err := j.readLift(ctx, q)
	if err != nil {
		return nil, err
	}
	family, err := r.rows(ctx)
	if err != nil {
		return nil, err
	}
	report := &trail.LiftReport{LiftHead: r.head, Leading: r.leading(family), Won: r.won, Choices: r.choices, Rows: []trail.LiftRow{}, PartOfWon: []trail.PartOfWon{}}
	for _, row := range family {
		if q.Content == "" || q.Content == row.Content {
			report.Rows = append(report.Rows, row)
		}
		if row.MoreDeals > 0 && (report.Soonest == nil || row.MoreDeals < report.Soonest.MoreDeals) {
			report.Soonest = &row
		}
	}
	if r.unknown == "" {
		report.PartOfWon, err = r.partOfWon(ctx)
	}
	return report, err
}

// LiftOf returns one content's row of Lift and the table behind it. A content that
// nobody registered and no deal saw is a trail.NotFound problem.
func (j *Job) LiftOf(ctx context.Context, content string, q LiftQuestion) (*trail.LiftDetail, error) {
	q.Content = ""
	r, err := j.readLift(ctx, q)
	if err != nil {
		return nil, err
	}
	family, err := r.rows(ctx)
	if err != nil {
		return nil, err
	}
	d := &trail.LiftDetail{LiftHead: r.head, Formula: formula, Table: []trail.LiftTable{}}
	i := slices.IndexFunc(family, func(row trail.LiftRow) bool { return row.Content == content })
	if i < 0 {
		known, ok := r.content(content)
		if !ok {
			return nil, trail.Problemf(trail.NotFound, "There is no content %q.", content)
		}
		d.Row = r.row(found{Finding: lift.Finding{Content: content, Verdict: lift.TooLittle}, text: r.whyNot(known)})
		return d, nil
	}
	d.Row = family[i]
	q.Where.Content = content
	all, err := j.tables(ctx, r.run.ID, q.Where)
	d.Table = r.table(all)
	return d, err
}

// readLift finds the run and reads what is needed whatever is asked of it.
func (j *Job) readLift(ctx context.Context, q LiftQuestion) (*liftReading, error) {
	q.Outcome = cmp.Or(q.Outcome, "stage")
	if !slices.Contains(Outcomes, q.Outcome) {
		return nil, trail.Problemf(trail.Invalid, "outcome is %q; it must be one of %s.", q.Outcome, strings.Join(Outcomes, ", "))
	}
	var err error
	if q.Agents, err = trail.ParseLevel(string(q.Agents)); err != nil {
		return nil, err
	}
	r := &liftReading{job: j, question: q}
	if err := r.findRun(ctx); err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.readContents(ctx) })
	g.Go(func() error { return r.readChoices(ctx) })
	g.Go(func() error { return r.readStored(ctx) })
	g.Go(func() error { return r.countDeals(ctx) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r.chooseContents()
	if r.reason = r.run.Reasons["lift"]; r.reason == "" {
		r.unknown = r.notThere()
	}
	if r.banner {
		r.head.Warning = visible
	}
	return r, nil
}

// findRun finds the run and says what it is about.
func (r *liftReading) findRun(ctx context.Context) error {
	q, j := r.question, r.job
	var id string
	var compared bool
	if err := j.one(ctx, "lift_run", []any{&id, &compared}, args{"run": q.Run, "definition": j.DB.Definition, "agents": string(q.Agents)}); err != nil {
		return err
	}
	var err error
	if id != "" {
		r.run, err = j.DB.NewestRun(ctx, store.Filter{Run: id})
	}
	if err != nil {
		return err
	}
	if r.run == nil || !compared && r.run.Reasons["lift"] == "" {
		return trail.Problemf(trail.NoRun, "No attribution run over all time has compared deals with and without each content yet (agents %s); start one with `dealtrail attribute` or POST /v1/runs.", q.Agents)
	}
	horizon := "horizon"
	if q.Outcome == "won" {
		horizon = "won horizon"
	}
	r.head = trail.LiftHead{
		Run: r.run.ID, Outcome: q.Outcome, Agents: r.run.Agents, AsOf: r.run.AsOf, From: r.run.From, To: r.run.To, Stages: append([]string{}, r.run.Stages...), Filter: q.words(), Caution: lift.Observational,
		Landmark: setting(r.run.Settings, "landmark"), Horizon: setting(r.run.Settings, horizon),
	}
	return nil
}

// setting reads one number of a run's settings.
func setting(settings, name string) int {
	for line := range strings.Lines(settings) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(value)) // written by us
			return n
		}
	}
	return 0
}

func (r *liftReading) readContents(ctx context.Context) error {
	rows, err := r.job.rows(ctx, "lift_contents", args{"as_of": r.run.AsOf})
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var c knownContent
		if err := rows.Scan(&c.id, &c.title, &c.kind, &c.persona); err != nil {
			return err
		}
		r.contents = append(r.contents, c)
	}
	return rows.Err()
}

// readChoices reads what deals can be told apart by, stages in their order.
func (r *liftReading) readChoices(ctx context.Context) error {
	c := &r.choices
	err := r.job.one(ctx, "lift_choices", []any{&c.Stage, &c.Segment, &c.Size, &c.Owner, &c.Team, &c.Source}, args{"run": r.run.ID})
	slices.SortStableFunc(c.Stage, r.stageOrder)
	for _, list := range [][]string{c.Segment, c.Size} {
		slices.SortStableFunc(list, func(a, b string) int { return cmp.Compare(slices.Index(sizes, a), slices.Index(sizes, b)) })
	}
	return err
}

// sizes are the classes of deals by their value, where nobody said a size.
var sizes = []string{"under 10k", "10k to 100k", "100k and over"}

func (r *liftReading) stageOrder(a, b string) int {
	return cmp.Compare(slices.Index(r.run.Stages, a), slices.Index(r.run.Stages, b))
}

// readStored reads what the run found over all deals.
func (r *liftReading) readStored(ctx context.Context) error {
	rows, err := r.job.rows(ctx, "lift_rows", args{"run": r.run.ID, "outcome": r.question.Outcome})
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var f found
		var seen, exposed, exposedAdvanced, control, controlAdvanced, more uint64
		var odds, lost, gain []float64
		var mean, sd float64
		var banner bool
		err := rows.Scan(&f.Content, (*string)(&f.Verdict), &f.text, &seen, &exposed, &exposedAdvanced, &control, &controlAdvanced,
			&f.With, &f.Without, &f.Difference.Value, &f.Difference.Low, &f.Difference.High, &f.Shrunk.Value, &f.P, &f.Q, &f.MDE, &f.EValue.Point, &f.EValue.Bound,
			&odds, &lost, &gain, &f.note, &f.placebo.Z, &f.placebo.P, &mean, &sd, &banner, &more)
		if err != nil {
			return err
		}
		if f.Content == "" { // the library
			r.banner = banner
			continue
		}
		f.Total.Exposed, f.more = int64(seen), int64(more)
		f.Compared = lift.Table{Exposed: int64(exposed), ExposedAdvanced: int64(exposedAdvanced), Control: int64(control), ControlAdvanced: int64(controlAdvanced)}
		f.odds, f.lost, f.gain = [3]float64(odds), [3]float64(lost), [3]float64(gain)
		r.stored = append(r.stored, f)
	}
	return rows.Err()
}

// deals are the arguments that choose closed deals; they may have been in any stage.
func (r *liftReading) deals() args {
	q := r.question
	return args{"run": r.run.ID, "segment": q.Segment, "size": q.Size, "owner": q.Owner, "team": q.Team, "source": q.Source}
}

func (r *liftReading) countDeals(ctx context.Context) error {
	asOf := r.run.AsOf
	return r.job.one(ctx, "lift_deals", []any{&r.head.Closed, &r.head.Lately, &r.won}, r.deals(), args{"as_of": asOf, "since": asOf.Add(-pace)})
}

// partOfWon counts won deals by content.
func (r *liftReading) partOfWon(ctx context.Context) ([]trail.PartOfWon, error) {
	rows, err := r.job.rows(ctx, "part_of_won", r.deals())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []trail.PartOfWon{}
	for rows.Next() {
		var p trail.PartOfWon
		if err := rows.Scan(&p.Content, &p.Deals); err != nil {
			return nil, err
		}
		c, _ := r.content(p.Content)
		if p.Title = c.title; r.question.shows(c) {
			all = append(all, p)
		}
	}
	return all, rows.Err()
}

// content returns what is known of a content; of one that nobody registered only
// its ID.
func (r *liftReading) content(id string) (knownContent, bool) {
	i, ok := slices.BinarySearchFunc(r.contents, id, func(c knownContent, id string) int { return cmp.Compare(c.id, id) })
	if !ok {
		return knownContent{id: id, title: id}, slices.ContainsFunc(r.stored, func(f found) bool { return f.Content == id })
	}
	c := r.contents[i]
	c.title = cmp.Or(c.title, id)
	return c, true
}

// inFamily reports whether a content is judged with the others.
func (q LiftQuestion) inFamily(c knownContent) bool {
	return (q.Kind == "" || q.Kind == c.kind) && (q.Persona == "" || q.Persona == c.persona)
}

func (q LiftQuestion) shows(c knownContent) bool {
	return q.inFamily(c) && (q.Content == "" || q.Content == c.id)
}

// ofSome reports whether the question is about some deals only.
func (w Where) ofSome() bool {
	return w.Stage+w.Segment+w.Size+w.Owner+w.Team+w.Source != ""
}

// rows returns the rows of the family.
func (r *liftReading) rows(ctx context.Context) ([]trail.LiftRow, error) {
	q, all := r.question, r.stored
	if r.reason+r.unknown != "" {
		return nil, nil
	}
	if q.ofSome() || q.Kind+q.Persona != "" {
		var err error
		if all, err = r.judge(ctx); err != nil {
			return nil, err
		}
	}
	rows := make([]trail.LiftRow, len(all))
	for i, f := range all {
		rows[i] = r.row(f)
	}
	slices.SortFunc(rows, byShrunk)
	bracket(rows)
	return rows, nil
}
