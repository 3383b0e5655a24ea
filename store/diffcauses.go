package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// dealChange is one deal of which two runs say different things, and why.
type dealChange struct {
	deal          string
	keys          []keyChange
	had, hasNow   bool  // it was divided
	was, now      int64 // its value then, in minor units
	then, here    dealFact
	before, after []pathStep
	moves         []move
	cause         trail.Cause
	regrouped     bool // a touch of both paths is under another key
}

// keyChange is what one key got of a deal.
type keyChange struct {
	unattributed  bool
	key           string
	before, after sum
}

// by is the change.
func (k keyChange) by() sum {
	return sum{k.after.credit - k.before.credit, k.after.value - k.before.value}
}

// dealFact is a deal as a run knew it.
type dealFact struct {
	status, reason string // reason: why it has no value
	closed         int64  // milliseconds since 1970, 0 if not known
	path           uint64
}

// pathStep is one touch in the path of a deal.
type pathStep struct {
	id            trail.ID
	content, kind string
}

// move is a touch that entered or left the path of a deal, and why.
type move struct {
	trail.DiffTouch
	why     trail.Cause
	burst   bool // not the touch itself is why, but one before it
	contact string
	other   bool // the other path has it too, of another content or kind
}

// partDeals is how many deals of a run one statement looks at when more changed than
// can be named.
const partDeals = 100_000

// eachChanged hands over every deal of which the two runs say different things,
// with its cause.
func (db *DB) eachChanged(ctx context.Context, p *pair, take func(*dealChange)) error {
	named, err := query(ctx, db, "DiffChanged", func(rows driver.Rows, deal *string) error { return rows.Scan(deal) }, p.args(clickhouse.Named("limit", uint64(idsAtOnce+1)))...)
	if err != nil || len(named) == 0 {
		return err
	}
	parts := uint64(1)
	if len(named) > idsAtOnce {
		named, parts = nil, max(p.a.Deals, p.b.Deals)/partDeals+1
	}
	for part := range parts {
		deals, err := db.changed(ctx, p, named, part, parts)
		if err != nil {
			return err
		}
		if err := db.explain(ctx, p, deals); err != nil {
			return err
		}
		for i := range deals {
			take(&deals[i])
		}
	}
	return nil
}

// args are the parameters of all statements that compare runs, and more.
func (p *pair) args(more ...any) []any {
	return append([]any{
		clickhouse.Named("a", p.a.ID), clickhouse.Named("b", p.b.ID), clickhouse.Named("model", p.model), clickhouse.Named("by", p.by),
		instant("a_as_of", p.a.AsOf), instant("b_as_of", p.b.AsOf),
		clickhouse.Named("of_content", slices.Contains(ofContents, p.by)), clickhouse.Named("of_deal", slices.Contains(ofDeals, p.by)),
	}, more...)
}

// changed returns the deals that changed, without causes: of those that are named or,
// if none are, of a part of all.
func (db *DB) changed(ctx context.Context, p *pair, named []string, part, parts uint64) ([]dealChange, error) {
	return query(ctx, db, "DiffDeals", func(rows driver.Rows, d *dealChange) error {
		var unattributed []uint8 // 1 for yes
		var keys []string
		var values, credits [2][]int64
		var paths [2]struct{ ids, contents, kinds, keys []string }
		err := rows.Scan(&d.deal, &unattributed, &keys, &values[0], &values[1], &credits[0], &credits[1], &d.had, &d.hasNow, &d.was, &d.now,
			&d.then.status, &d.then.reason, &d.then.closed, &d.then.path, &d.here.status, &d.here.reason, &d.here.closed, &d.here.path,
			&paths[0].ids, &paths[0].contents, &paths[0].kinds, &paths[0].keys, &paths[1].ids, &paths[1].contents, &paths[1].kinds, &paths[1].keys)
		if err != nil {
			return err
		}
		for i, key := range keys {
			d.keys = append(d.keys, keyChange{unattributed[i] == 1, key, sum{credits[0][i], values[0][i]}, sum{credits[1][i], values[1][i]}})
		}
		under := map[pathStep]string{} // in the first path
		for i, path := range paths {
			for k, text := range path.ids {
				s := pathStep{content: path.contents[k], kind: path.kinds[k]}
				if _, err := hex.Decode(s.id[:], []byte(text)); err != nil {
					return fmt.Errorf("read the ID of a touch: %w", err)
				}
				if i == 0 {
					d.before = append(d.before, s)
					under[s] = path.keys[k]
					continue
				}
				d.after = append(d.after, s)
				if key, both := under[s]; both && key != path.keys[k] {
					d.regrouped = true
				}
			}
		}
		return nil
	}, p.args(clickhouse.Named("path_model", p.rules.path), clickhouse.Named("zone", p.zone), clickhouse.Named("deals", list(named)), clickhouse.Named("parts", parts), clickhouse.Named("part", part))...)
}

// explain finds the causes of deals.
func (db *DB) explain(ctx context.Context, p *pair, deals []dealChange) error {
	var ids []string
	for i := range deals {
		d := &deals[i]
		if d.cause = d.outright(); d.cause == "" && (p.rules.whole || d.then.path != d.here.path) {
			d.moves = movesOf(d.before, d.after)
		}
		for _, m := range d.moves {
			ids = append(ids, hex.EncodeToString(m.ID[:]))
		}
	}
	events, err := db.diffEvents(ctx, ids)
	if err != nil {
		return err
	}
	for i := range deals {
		d := &deals[i]
		for k := range d.moves {
			d.moves[k].why = p.whyMoved(d, &d.moves[k], events)
		}
		if d.cause == "" {
			d.cause = p.causeOf(d)
		}
	}
	return db.explainBursts(ctx, p, deals)
}

// outright returns the cause that the deal itself is, whatever its path.
func (d *dealChange) outright() trail.Cause {
	const undated = "no closing date"
	switch {
	case d.hasNow && !d.had && d.then.status != "won":
		return trail.CauseDealWon
	case d.had && !d.hasNow && d.here.status != "won":
		return trail.CauseDealGone
	case d.had && d.hasNow && d.was == d.now:
		return ""
	case d.then.reason == undated || d.here.reason == undated:
		return trail.CauseClosed
	}
	return trail.CauseAmount
}

// movesOf returns the touches that are in one of two paths only, in order.
func movesOf(before, after []pathStep) (all []move) {
	for _, side := range []struct {
		own, other []pathStep
		entered    bool
	}{{after, before, true}, {before, after, false}} {
		has, ids := map[pathStep]bool{}, map[trail.ID]bool{}
		for _, s := range side.other {
			has[s], ids[s.id] = true, true
		}
		for _, s := range side.own {
			if !has[s] {
				all = append(all, move{DiffTouch: trail.DiffTouch{ID: s.id, At: s.id.Time(), Kind: trail.Kind(s.kind), Content: s.content, Entered: side.entered}, other: ids[s.id]})
			}
		}
	}
	slices.SortFunc(all, func(x, y move) int { return slices.Compare(x.ID[:], y.ID[:]) })
	return all
}

// diffEvent is an event as far as it tells why a touch entered or left a path. Times
// are in milliseconds since 1970.
type diffEvent struct {
	kind              trail.Kind
	contact           string
	at                int64
	received, revised int64
	revision          uint16
	came, corrected   int64 // into the streams, 0 if that was not noted
}

// diffEvents returns the events that are stored, by ID.
func (db *DB) diffEvents(ctx context.Context, ids []string) (map[trail.ID]diffEvent, error) {
	events := map[trail.ID]diffEvent{}
	slices.Sort(ids)
	for chunk := range slices.Chunk(slices.Compact(ids), idsAtOnce) {
		_, err := query(ctx, db, "DiffEvents", func(rows driver.Rows, e *diffEvent) error {
			var text string
			var id trail.ID
			err := rows.Scan(&text, (*string)(&e.kind), &e.contact, &e.at, &e.received, &e.revision, &e.revised, &e.came, &e.corrected)
			if err == nil {
				_, err = hex.Decode(id[:], []byte(text))
			}
			events[id] = *e
			return err
		}, clickhouse.Named("ids", chunk))
		if err != nil {
			return nil, err
		}
	}
	return events, nil
}

// whyMoved says why a touch is in one path only. The run whose path has it is its
// own, the other is the other.
func (p *pair) whyMoved(d *dealChange, m *move, events map[trail.ID]diffEvent) trail.Cause {
	own, other := diffSide{p.a, p.rules.a, d.then.closed}, diffSide{p.b, p.rules.b, d.here.closed}
	if m.Entered {
		own, other = other, own
	}
	e, stored := events[m.ID]
	if stored {
		m.At, m.contact = time.UnixMilli(e.at).UTC(), e.contact
	}
	at := m.At.UnixMilli()
	earlier := min(p.a.AsOf.UnixMilli(), p.b.AsOf.UnixMilli())
	began := min(p.a.StartedAt.UnixMilli(), p.b.StartedAt.UnixMilli())
	ended := max(p.a.FinishedAt.UnixMilli(), p.b.FinishedAt.UnixMilli())
	switch {
	case stored && (e.received > other.run.AsOf.UnixMilli() || e.came > other.run.StartedAt.UnixMilli()):
		return trail.CauseLate
	case stored && e.kind == trail.Retracted, !stored && !m.Entered:
		return trail.CauseRemoved
	// A revision that is newer than both runs is none that they differ by, unless there was one before it.
	case e.revision > 0 && e.revised > earlier && (e.revised <= ended || e.revision > 1), e.corrected > began:
		return trail.CauseVerdict
	case own.closed != other.closed && (!own.reaches(at, other.closed) || own.begins(at) && other.closed < own.closed):
		return trail.CauseClosed
	case m.other:
		return trail.CauseContent
	case p.rules.touches, own.rules.burst != other.rules.burst,
		len(other.rules.kinds) > 0 && !slices.Contains(other.rules.kinds, string(m.Kind)),
		own.rules.window != other.rules.window && (!other.reaches(at, own.closed) || own.begins(at)):
		return trail.CauseSettings
	}
	return trail.CauseMoved
}

// diffSide is one of two runs with its rules and when it took a deal to have closed.
type diffSide struct {
	run    *run
	rules  rules
	closed int64
}

// reaches reports whether the window of a closing date has a time.
func (s diffSide) reaches(at, closed int64) bool {
	return at <= closed && (s.rules.window == 0 || at >= closed-s.rules.window)
}

// begins reports whether a burst that a time is in may begin before the window.
func (s diffSide) begins(at int64) bool {
	return s.rules.window > 0 && at-s.rules.burst < s.closed-s.rules.window
}

// causeOf returns the first cause that applies to a deal that both runs divided,
// at one value.
func (p *pair) causeOf(d *dealChange) trail.Cause {
	has := func(cause trail.Cause) bool {
		return slices.ContainsFunc(d.moves, func(m move) bool { return m.why == cause })
	}
	for _, cause := range []trail.Cause{trail.CauseLate, trail.CauseVerdict, trail.CauseRemoved, trail.CauseClosed, trail.CauseMoved, trail.CauseContent} {
		if has(cause) {
			return cause
		}
	}
	switch {
	case d.regrouped && slices.Contains(ofContents, p.by):
		return trail.CauseContent
	case d.regrouped:
		return trail.CauseRegrouped
	case has(trail.CauseSettings), p.rules.settings:
		return trail.CauseSettings
	case p.rules.driven:
		return trail.CauseWeights
	case p.rules.placed:
		return trail.CauseMilestones
	}
	return trail.CauseOther
}
