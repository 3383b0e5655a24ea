package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// Terms are what data is held against.
type Terms struct {
	Currencies []string  // that have a rate, in capitals, and that of the reports
	Stages     []string  // of a deal, in order; none: every stage is right
	Now        time.Time // zones and clocks may be a day ahead
}

// NewTerms returns the terms of the company's settings: the reporting currency, what
// others are worth in it, and the stages of a deal in order.
func NewTerms(currency string, rates map[string]string, stages []string, now time.Time) Terms {
	t := Terms{Currencies: []string{strings.ToUpper(strings.TrimSpace(currency))}, Stages: stages, Now: now}
	for c := range rates {
		t.Currencies = append(t.Currencies, strings.ToUpper(strings.TrimSpace(c)))
	}
	return t
}

const qualityLimit = 50 // rows of each group, and doubts of each kind

// Quality returns what is wrong with the data and what a person may decide.
// In a large company it is up to ten minutes old.
func (db *DB) Quality(ctx context.Context, t Terms, f Filter) (*trail.Quality, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	found, err := once(ctx, db, fmt.Sprintf("quality %s %q %q", f.key(), t.Currencies, t.Stages), func(ctx context.Context) (*trail.Quality, error) { return db.quality(ctx, t, f) })
	if err != nil {
		return nil, err
	}
	// The caller may write other words in the place of people.
	own := *found
	own.Groups, own.Review = slices.Clone(own.Groups), slices.Clone(own.Review)
	for i := range own.Groups {
		own.Groups[i].Rows = slices.Clone(own.Groups[i].Rows)
	}
	for i := range own.Review {
		own.Review[i].People = slices.Clone(own.Review[i].People)
	}
	return &own, nil
}

func (db *DB) quality(ctx context.Context, t Terms, f Filter) (*trail.Quality, error) {
	args := f.args(clickhouse.Named("limit", uint64(qualityLimit)), instant("tomorrow", t.Now.Add(24*time.Hour)),
		clickhouse.Named("currencies", list(t.Currencies)), clickhouse.Named("stages", list(t.Stages)))
	var deals, untouched, stages, events, contacts []wrong
	var doubts []doubt
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(2) // each reads everything: more at once only take turns, and memory
	g.Go(func() (err error) { doubts, err = query(asking, db, "QualityTouches", scanDoubt, args...); return err })
	g.Go(func() (err error) { deals, err = query(asking, db, "QualityDeals", scanWrongDeal, args...); return err })
	g.Go(func() (err error) {
		events, err = query(asking, db, "QualityEvents", scanWrongEvents, args...)
		return err
	})
	g.Go(func() (err error) {
		contacts, err = query(asking, db, "QualityContacts", scanWrongContact, args...)
		return err
	})
	g.Go(func() (err error) {
		untouched, err = query(asking, db, "QualityUntouched", scanWrongDeal, args...)
		return err
	})
	if len(t.Stages) > 0 {
		g.Go(func() (err error) {
			stages, err = query(asking, db, "QualityStages", scanWrongStage, args...)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	found := slices.Concat(deals, untouched, stages, events, contacts)
	q := &trail.Quality{At: t.Now.UTC().Truncate(time.Millisecond), Agents: f.Agents, Review: []trail.Doubt{}}
	totals := map[string]uint64{}
	for _, d := range doubts {
		if d.why == "none" {
			found = append(found, wrong{what: "contact_without_deal", total: d.total, row: trail.QualityRow{Contact: d.subject, Detail: d.account, Events: d.touches, At: d.last}})
		} else {
			totals[d.why] = d.total
		}
	}
	for _, n := range totals {
		q.Open += n
	}
	if err := db.nameWrongs(ctx, f, found); err != nil {
		return nil, err
	}
	q.Groups = grouped(found)
	var err error
	q.Review, err = db.review(ctx, f, doubts)
	return q, err
}

// wrong is a row of one of the Quality queries: what is wrong, and how many rows
// have the same wrong.
type wrong struct {
	what  string
	row   trail.QualityRow
	total uint64
}

func scanWrongDeal(rows driver.Rows, w *wrong) error {
	return rows.Scan(&w.what, &w.row.Deal, &w.row.Name, &w.row.Status, &w.row.Detail, &w.total)
}

func scanWrongStage(rows driver.Rows, w *wrong) error {
	return rows.Scan(&w.what, &w.row.Deal, &w.row.Name, &w.row.Status, &w.row.Detail, &w.row.Events, &w.total)
}

func scanWrongEvents(rows driver.Rows, w *wrong) error {
	var subject, kind, deal, content, contact string
	err := rows.Scan(&w.what, &subject, &w.row.Events, when{&w.row.At}, &kind, &deal, &content, &contact, &w.total)
	w.row.Deal, w.row.Content, w.row.Contact, w.row.Detail = deal, content, contact, kind
	switch w.what { // the others are of one event of many
	case "unknown_deal":
		w.row.Content, w.row.Contact, w.row.Detail = "", "", ""
	case "unknown_content":
		w.row.Deal, w.row.Contact, w.row.Detail = "", "", ""
	}
	return err
}

func scanWrongContact(rows driver.Rows, w *wrong) error {
	w.what = "broken_address"
	return rows.Scan(&w.row.Contact, &w.row.Detail, &w.total)
}

// nameWrongs puts addresses in the place of contacts, as far as they are known.
func (db *DB) nameWrongs(ctx context.Context, f Filter, found []wrong) error {
	var contacts []string
	for _, w := range found {
		if w.row.Contact != "" {
			contacts = append(contacts, w.row.Contact)
		}
	}
	people, err := db.People(ctx, contacts)
	for i := range found {
		if p, ok := people[found[i].row.Contact]; ok {
			found[i].row.Contact = p.Address
		}
	}
	return err
}

// grouped puts what was found into the groups that there are.
func grouped(found []wrong) []trail.QualityGroup {
	groups := trail.Wrongs()
	for i := range groups {
		for _, w := range found {
			if w.what == groups[i].Code {
				groups[i].Count = w.total
				groups[i].Rows = append(groups[i].Rows, w.row)
			}
		}
	}
	return groups
}

// doubt is a row of QualityTouches.
type doubt struct {
	why, kind, subject string
	people             []string
	account            string
	touches            uint64
	last               time.Time
	candidates         []string
	total              uint64
}

func scanDoubt(rows driver.Rows, d *doubt) error {
	return rows.Scan(&d.why, &d.kind, &d.subject, &d.people, &d.account, &d.touches, when{&d.last}, &d.candidates, &d.total)
}

// review returns the doubts that a person may decide, the newest touch first, with
// their people and candidates.
func (db *DB) review(ctx context.Context, f Filter, doubts []doubt) ([]trail.Doubt, error) {
	var people, deals []string
	for _, d := range doubts {
		people, deals = append(people, d.people...), append(deals, d.candidates...)
	}
	known, err := db.People(ctx, people)
	if err != nil {
		return nil, err
	}
	slices.Sort(deals)
	deals = slices.Compact(deals)
	byID := map[string]trail.DealRow{}
	for chunk := range slices.Chunk(deals, idsAtOnce) {
		states, err := db.dealStates(ctx, f, "id", clickhouse.Named("limit", uint64(len(chunk))), chunk...)
		if err != nil {
			return nil, err
		}
		for _, s := range states {
			byID[s.ID] = s.DealRow
		}
	}
	rows := []trail.Doubt{}
	for _, d := range doubts {
		if d.why == "none" {
			continue
		}
		addresses(d.people, known)
		row := trail.Doubt{Why: d.why, Kind: d.kind, Subject: d.subject, People: d.people, Account: d.account, Touches: d.touches, LastTouch: d.last}
		for _, id := range d.candidates {
			row.Candidates = append(row.Candidates, byID[id])
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b trail.Doubt) int {
		return cmp.Or(b.LastTouch.Compare(a.LastTouch), strings.Compare(a.Subject, b.Subject))
	})
	return rows, nil
}

// CheckAssignment returns a Problem when the deal or the contact of an assignment is
// not known: a word about nobody would wait for somebody to be called so.
func (db *DB) CheckAssignment(ctx context.Context, a trail.Assignment) error {
	f, err := Filter{}.complete()
	if err != nil {
		return err
	}
	deals, err := db.dealStates(ctx, f, "id", clickhouse.Named("limit", uint64(1)), a.Deal)
	if err != nil {
		return err
	}
	if len(deals) == 0 {
		return trail.Problemf(trail.NotFound, "There is no deal %q.", a.Deal)
	}
	if a.Contact == "" {
		return nil
	}
	rows, err := db.contacts(ctx, f, "contact", string(a.Contact))
	if err == nil && len(rows) == 0 {
		err = trail.Problemf(trail.NotFound, "There is no such contact.")
	}
	return err
}
