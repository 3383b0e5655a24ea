package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

const (
	whyLimit = 50  // deals of a page unless asked for more
	whyMost  = 500 // and at most: each comes with its touches
)

// Why returns the deals and touches that a credit is made of: of all credits of
// the newest run of the filter or, with f.Only, of those that pass it, the deals
// with the most money first. What no touch earned is there only if it is asked for,
// as that of the content Nobody. f.After is the Next of the page before. Without a
// run it returns a Problem no_run.
func (db *DB) Why(ctx context.Context, f Filter) (*trail.Why, error) {
	if err := checkKeys("content", f.Only); err != nil {
		return nil, err
	}
	r, err := db.mustRun(ctx, f)
	if err != nil {
		return nil, err
	}
	f, _ = f.complete()
	limit, offset := uint64(whyLimit), uint64(0)
	if f.Limit > 0 {
		limit = uint64(min(f.Limit, whyMost))
	}
	if f.After != "" {
		if offset, err = strconv.ParseUint(f.After, 10, 32); err != nil {
			return nil, trail.Problemf(trail.Invalid, "after is %q; it is what the page before gave as next.", f.After)
		}
	}
	page, err := db.earnings(ctx, f, r, "deal", limit, offset)
	if err != nil {
		return nil, err
	}
	why := &trail.Why{
		Run: r.ID, Model: f.Model, Only: f.Only, Agents: r.Agents, AsOf: r.AsOf, Note: trail.CreditNote, Reason: r.Reasons[f.Model],
		Total: *sum{}.in(r), Rows: []trail.WhyDeal{},
	}
	if len(page) == 0 {
		if offset == 0 && why.Reason == "" {
			err = db.checkValues(ctx, f, r)
		}
		return why, err
	}
	all := page[0].inAll
	why.Deals, why.Total = all.rows, *all.sum.in(r)
	if offset += uint64(len(page)); offset < all.rows {
		why.Next = strconv.FormatUint(offset, 10)
	}
	why.Rows, err = db.whyDeals(ctx, f, r, page)
	return why, err
}

// runDeal is one deal as a run knew it.
type runDeal struct {
	deal    string
	value   int64 // minor units
	closed  time.Time
	owner   string
	touches uint64 // that could earn
	reason  string // why it was left out
}

// runDeals returns deals as a run knew them.
func (db *DB) runDeals(ctx context.Context, r *run, ids ...string) (map[string]runDeal, error) {
	known := map[string]runDeal{}
	_, err := query(ctx, db, "RunDeals", func(rows driver.Rows, d *runDeal) error {
		var touches uint32
		err := rows.Scan(&d.deal, &d.value, when{&d.closed}, &d.owner, &touches, &d.reason)
		d.touches = uint64(touches)
		known[d.deal] = *d
		return err
	}, r.param(), clickhouse.Named("deals", list(ids)))
	return known, err
}

// whyDeals returns the deals of a page with their touches.
func (db *DB) whyDeals(ctx context.Context, f Filter, r *run, page []earning) ([]trail.WhyDeal, error) {
	ids := make([]string, len(page))
	for i, e := range page {
		ids[i] = e.key
	}
	var known map[string]runDeal
	var states []dealState
	var credits []credit
	contents := map[string]trail.ContentRow{}
	models := []string{f.Model}
	if slices.Contains(r.Models, UsualModel) && f.Model != UsualModel {
		models = append(models, UsualModel) // under which each touch of a path earns
	}
	now := Filter{AsOf: f.AsOf}
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) { known, err = db.runDeals(asking, r, ids...); return err })
	g.Go(func() (err error) {
		states, err = db.dealStates(asking, now, "id", clickhouse.Named("limit", uint64(len(ids))), ids...)
		return err
	})
	g.Go(func() (err error) { credits, err = db.credits(asking, r, models, ids...); return err })
	g.Go(func() (err error) { contents, err = db.registered(asking, Filter{AsOf: r.AsOf}, ""); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	facts, err := db.touchFacts(ctx, r, credits)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, d := range states {
		names[d.ID] = d.Name
	}
	rows := make([]trail.WhyDeal, len(page))
	for i, e := range page {
		d, earned := known[e.key], e.sum.in(r)
		rows[i] = trail.WhyDeal{
			Deal: e.key, Name: names[e.key], Owner: d.owner, ClosedAt: d.closed, Value: r.money(d.value),
			Share: earned.Credit, Amount: earned.Value, Path: d.touches, Touches: []trail.WhyTouch{},
		}
		places := placesOf(credits, e.key, models, facts, d.touches)
		for _, c := range credits {
			if c.deal != e.key || c.model != f.Model || c.touch.IsZero() || !passes(f.Only, c, contents[c.content]) {
				continue
			}
			fact, earned := facts[c.touch], c.sum.in(r)
			rows[i].Touches = append(rows[i].Touches, trail.WhyTouch{
				ID: c.touch, At: fact.at, Kind: c.kind, Content: c.content, Title: contents[c.content].Title, Rep: c.rep, Contacts: fact.contacts, Withheld: fact.withheld,
				Rule: c.rule, Confidence: c.confidence, Place: places[place{c.touch, c.content}], Share: earned.Credit, Amount: earned.Value,
			})
		}
		slices.SortFunc(rows[i].Touches, func(a, b trail.WhyTouch) int {
			return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID.String(), b.ID.String()), strings.Compare(a.Content, b.Content))
		})
	}
	return rows, nil
}

// passes reports whether a credit passes what a filter says of touches and contents.
func passes(only map[string][]string, c credit, content trail.ContentRow) bool {
	for name, value := range map[string]string{"content": c.content, "rep": c.rep, "kind": content.Kind, "persona": content.Persona} {
		if wanted := only[name]; len(wanted) > 0 {
			if value == "" {
				value = trail.Nobody
			}
			if !slices.Contains(wanted, value) || c.content == "" && name != "content" {
				return false
			}
		}
	}
	return true
}

// place is what a place in a path is taken by.
type place struct {
	touch   trail.ID
	content string
}

// placesOf returns the places in a deal's path, from 1, if one of the models gave
// each touch of it something, so that the whole path is known.
func placesOf(credits []credit, deal string, models []string, facts map[trail.ID]touchFact, touches uint64) map[place]uint64 {
	for _, model := range models {
		var path []place
		for _, c := range credits {
			if c.deal == deal && c.model == model && !c.touch.IsZero() {
				path = append(path, place{c.touch, c.content})
			}
		}
		if uint64(len(path)) != touches {
			continue
		}
		slices.SortFunc(path, func(a, b place) int {
			return cmp.Or(facts[a.touch].at.Compare(facts[b.touch].at), strings.Compare(a.touch.String(), b.touch.String()), strings.Compare(a.content, b.content))
		})
		places := map[place]uint64{}
		for i, p := range path {
			places[p] = uint64(i + 1)
		}
		return places
	}
	return nil
}

// touchFact is what a credit itself does not say of a touch.
type touchFact struct {
	id       trail.ID
	at       time.Time
	contacts []string // addresses
	withheld trail.Withheld
}

// touchFacts returns what was known of the touches of credits when the run was made.
func (db *DB) touchFacts(ctx context.Context, r *run, credits []credit) (map[trail.ID]touchFact, error) {
	var ids, contacts []string
	for _, c := range credits {
		if !c.touch.IsZero() {
			ids = append(ids, hex.EncodeToString(c.touch[:]))
		}
	}
	slices.Sort(ids)
	facts := map[trail.ID]touchFact{}
	for chunk := range slices.Chunk(slices.Compact(ids), idsAtOnce) {
		_, err := query(ctx, db, "TouchFacts", func(rows driver.Rows, t *touchFact) error {
			err := rows.Scan(&t.id, when{&t.at}, &t.contacts, (*string)(&t.withheld))
			facts[t.id], contacts = *t, append(contacts, t.contacts...)
			return err
		}, instant("as_of", r.AsOf), clickhouse.Named("ids", chunk))
		if err != nil {
			return nil, err
		}
	}
	people, err := db.People(ctx, contacts)
	for _, t := range facts {
		addresses(t.contacts, people)
	}
	return facts, err
}
