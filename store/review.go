package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// WeekReview returns the weekly lead review of an ISO week, "2026-W47", in a zone;
// empty means the last complete week before now. Once it was due it tells what had
// been received by then, unless the filter says as of when. A week of which nothing
// was known when its review was due had none, and is told by what is known now.
// Decisions are always those of now.
func (db *DB) WeekReview(ctx context.Context, week string, zone *time.Location, now time.Time, f Filter) (*trail.Review, error) {
	from, to, err := trail.ParseWeek(week, zone, now)
	if err != nil {
		return nil, err
	}
	r := &trail.Review{Week: trail.WeekOf(from, zone), From: from, To: to, AsOf: in(f.AsOf, zone), Zone: zone.String()}
	if due := db.ReviewAt.After(to); f.AsOf.IsZero() && !now.Before(due) {
		known, err := db.knownBy(ctx, due)
		if err != nil {
			return nil, err
		}
		if known {
			if err := db.awaitReview(ctx, due); err != nil {
				return nil, err
			}
			r.AsOf, f.AsOf = due, due
		}
	}
	if f, err = f.complete(); err != nil {
		return nil, err
	}
	r.Agents, r.Model = f.Agents, f.Model
	until := to
	if now.Before(to) {
		until = now
	}
	key := fmt.Sprint("review ", from.UnixMilli(), to.UnixMilli(), until.Truncate(answerFor).UnixMilli(), f.key())
	found, err := perLayout(ctx, db, f, key, func(ctx context.Context) (talk, error) { return db.talk(ctx, f, from, to, until) })
	if err != nil {
		return nil, err
	}
	r.Rows, r.Leads, r.Run = found.copied()
	if err := db.decide(ctx, r, f, now); err != nil {
		return nil, err
	}
	local(r, zone)
	return r, nil
}

// knownBy reports whether anything of the CRM was known by a time.
func (db *DB) knownBy(ctx context.Context, at time.Time) (bool, error) {
	rows, err := query(ctx, db, "KnownBy", func(rows driver.Rows, one *uint8) error { return rows.Scan(one) }, instant("as_of", at))
	return len(rows) > 0, err
}

// local writes the times of a review in its zone, so that each reads as the day that
// it was.
func local(r *trail.Review, zone *time.Location) {
	deal := func(d *trail.DealRow) {
		d.CreatedAt, d.ClosedAt, d.LastTouch = in(d.CreatedAt, zone), in(d.ClosedAt, zone), in(d.LastTouch, zone)
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		deal(&row.Deal)
		row.LastTouch, row.LastMail = in(row.LastTouch, zone), in(row.LastMail, zone)
	}
	for i := range r.Leads {
		l := &r.Leads[i]
		if l.Deal != nil {
			deal(l.Deal)
		}
		l.CreatedAt, l.LastTouch, l.LastMail = in(l.CreatedAt, zone), in(l.LastTouch, zone), in(l.LastMail, zone)
		for j := range l.Seen {
			l.Seen[j].Last = in(l.Seen[j].Last, zone)
		}
	}
}

// crm returns the address of a deal's record in the CRM, "" when nobody said where
// that is.
func (db *DB) crm(deal string) string {
	if db.CRM == "" {
		return ""
	}
	return strings.ReplaceAll(db.CRM, "{id}", url.PathEscape(deal))
}

// silence is how long nothing must have happened for an open deal to be silent.
const silence = 30 * 24 * time.Hour

// sections are those of the review, the strongest first.
var sections = [...]string{"won", "lost", "moved", "new", "silent"}

// section returns the strongest section of the week that applies to a deal, ""
// for none. A deal whose only stage is that of its creation is new, not moved.
// A deal that is still open is silent when it was known for 30 days at the end
// of the week and in them nothing was seen of it: no touch, no mail in either
// direction, with content or without, and no stage.
func (d *dealState) section(from, to time.Time, stages []string, seen ...time.Time) string {
	in := func(t time.Time) bool { return !t.Before(from) && t.Before(to) }
	created := d.CreatedAt
	if created.IsZero() {
		created = d.known
	}
	first := 0
	if in(d.CreatedAt) {
		first = 1
	}
	open := created.Before(to) && (d.Status == "open" || !d.ClosedAt.Before(to))
	before := to.Add(-silence)
	switch {
	case in(d.ClosedAt) && (d.Status == "won" || d.Status == "lost"):
		return d.Status
	case open && len(stages) > first:
		return "moved"
	case in(d.CreatedAt):
		return "new"
	case d.Status == "open" && !slices.ContainsFunc(append(seen, created), func(t time.Time) bool { return !t.Before(before) }):
		return "silent"
	}
	return ""
}

// Review returns the deals of one week, from Monday to the next, each in its
// strongest section (won, lost, moved, new, silent), and the run that their
// credit is from, empty without one. Sections come in that order, within them
// the highest amounts first. Touches are those before the end of the week.
func (db *DB) Review(ctx context.Context, from, to time.Time, f Filter) ([]trail.ReviewRow, string, error) {
	f, err := f.complete()
	if err != nil {
		return nil, "", err
	}
	rows, _, run, err := db.reviewRows(ctx, from, to, f)
	return rows, run, err
}

// talk is what a review is about, without what was decided.
type talk struct {
	rows  []trail.ReviewRow
	leads []trail.Lead
	run   string // that credits are from
}

// copied returns what a review may write into, as others read it too.
func (t talk) copied() ([]trail.ReviewRow, []trail.Lead, string) {
	rows, leads := slices.Clone(t.rows), slices.Clone(t.leads)
	for i := range rows {
		rows[i].Contacts, rows[i].Contributed = slices.Clone(rows[i].Contacts), slices.Clone(rows[i].Contributed)
	}
	for i := range leads {
		l := &leads[i]
		l.Seen, l.Contributed = slices.Clone(l.Seen), slices.Clone(l.Contributed)
		if l.Deal != nil {
			deal := *l.Deal
			l.Deal = &deal
		}
	}
	return rows, leads, t.run
}

// talk finds the deals and the leads of a week; until is its end or, while it runs, now.
func (db *DB) talk(ctx context.Context, f Filter, from, to, until time.Time) (t talk, err error) {
	var states []dealState
	var leads []lead
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) { t.rows, states, t.run, err = db.reviewRows(asking, from, to, f); return err })
	g.Go(func() (err error) { leads, err = db.candidates(asking, f, from, to, until); return err })
	if err := g.Wait(); err != nil {
		return t, err
	}
	t.leads, err = db.leads(ctx, f, from, to, until, leads, states, t.rows)
	return t, err
}

// reviewRows is Review, with all deals.
func (db *DB) reviewRows(ctx context.Context, from, to time.Time, f Filter) ([]trail.ReviewRow, []dealState, string, error) {
	f.After = ""
	type entered struct {
		deal   string
		stages []string
		last   time.Time
	}
	var states []dealState
	var touches map[string]dealTouches
	stages := map[string]entered{}
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		states, err = db.dealStates(asking, f, "all", clickhouse.Named("limit", uint64(math.MaxInt64)))
		return err
	})
	g.Go(func() (err error) { touches, err = db.dealTouches(asking, f, from, to); return err })
	g.Go(func() error {
		_, err := query(asking, db, "Stages", func(rows driver.Rows, e *entered) error {
			err := rows.Scan(&e.deal, &e.stages, when{&e.last})
			stages[e.deal] = *e
			return err
		}, f.args(instant("from", from), instant("to", to))...)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, nil, "", err
	}
	rows, contacts := []trail.ReviewRow{}, map[string][]string{}
	for i, d := range states {
		t, e := touches[d.ID], stages[d.ID]
		states[i].Touches, states[i].LastTouch = t.touches, t.last
		section := d.section(from, to, e.stages, e.last, t.last, t.mailed)
		if section == "" {
			continue
		}
		d.Touches, d.LastTouch = t.touches, t.last
		contacts[d.ID] = d.contacts
		rows = append(rows, trail.ReviewRow{
			Section: section, Deal: d.DealRow, Stages: list(e.stages), Clicks: t.clicks, Replies: t.replies, Sent: t.sends, LastTouch: t.last, LastMail: t.mailed, CRM: db.crm(d.ID),
		})
	}
	slices.SortStableFunc(rows, byWeight)
	if err := db.name(ctx, rows, contacts); err != nil {
		return nil, nil, "", err
	}
	id, err := db.contribute(ctx, f, rows, to)
	return rows, states, id, err
}

// byWeight orders the rows of a review: by section, then the highest amounts
// first, whatever their currency.
func byWeight(a, b trail.ReviewRow) int {
	return cmp.Or(
		cmp.Compare(slices.Index(sections[:], a.Section), slices.Index(sections[:], b.Section)),
		cmp.Compare(worth(&b.Deal), worth(&a.Deal)))
}

// name writes the names of contacts, else their addresses, into the rows.
func (db *DB) name(ctx context.Context, rows []trail.ReviewRow, contacts map[string][]string) error {
	var all []string
	for _, r := range rows {
		all = append(all, contacts[r.Deal.ID]...)
	}
	people, err := db.People(ctx, all)
	for i := range rows {
		r := &rows[i]
		r.Contacts = []string{}
		for _, contact := range contacts[r.Deal.ID] {
			r.Contacts = append(r.Contacts, cmp.Or(people[contact].Name, people[contact].Address, contact))
			r.People = append(r.People, people[contact].Address)
		}
	}
	return err
}

// contribute writes into the rows which contents contributed to their deals. It
// returns the run that credits are from, "" without one.
func (db *DB) contribute(ctx context.Context, f Filter, rows []trail.ReviewRow, to time.Time) (string, error) {
	r, err := db.newestRun(ctx, f)
	if err != nil {
		return "", err
	}
	earned, id := map[string]map[string]sum{}, "" // by deal and content
	if r != nil {
		id = r.ID
		var won []string
		for _, row := range rows {
			if row.Deal.Status == "won" {
				won = append(won, row.Deal.ID)
				earned[row.Deal.ID] = map[string]sum{}
			}
		}
		credits, err := db.credits(ctx, r, []string{f.Model}, won...)
		if err != nil {
			return "", err
		}
		for _, c := range credits {
			s := earned[c.deal][c.content]
			s.add(c.sum)
			earned[c.deal][c.content] = s
		}
	}
	var deals, contents []string
	for _, row := range rows {
		deals = append(deals, row.Deal.ID)
	}
	touches, err := db.dealContents(ctx, f, to, deals)
	if err != nil {
		return "", err
	}
	for i := range rows {
		deal := rows[i].Deal.ID
		rows[i].Contributed = contributed(touches[deal], earned[deal], r)
		for _, c := range rows[i].Contributed {
			contents = append(contents, c.Content)
		}
	}
	titles, err := db.titles(ctx, f, contents)
	for _, row := range rows {
		for i := range row.Contributed {
			row.Contributed[i].Title = titles[row.Contributed[i].Content]
		}
	}
	return id, err
}

// contributed returns the contents that touched a deal or, by the run's kinds of
// touches, earned of it, with both, the most touched first.
func contributed(touches map[string]uint64, earned map[string]sum, r *run) []trail.Touched {
	var all []trail.Touched
	for content := range earned {
		if _, ok := touches[content]; !ok && content != "" {
			all = append(all, trail.Touched{Content: content})
		}
	}
	for content, n := range touches {
		all = append(all, trail.Touched{Content: content, Touches: n})
	}
	for i := range all {
		if s, ok := earned[all[i].Content]; ok {
			in := s.in(r)
			all[i].Credit, all[i].Value = in.Credit, &in.Value
		}
	}
	slices.SortFunc(all, func(a, b trail.Touched) int {
		return cmp.Or(cmp.Compare(b.Touches, a.Touches), cmp.Compare(b.Credit, a.Credit), cmp.Compare(a.Content, b.Content))
	})
	return all
}
