package attribution

import (
	"context"
	"fmt"
	"strings"
	"time"

	"dealtrail/store"
)

// A snapshot is what was known at one time, laid out for runs: deals by a hash,
// and their touches in order. Runs at several levels of agents share it, and it
// goes when they are complete. It says what the store's views say, most of it by a
// shorter way; a test holds the two together.
type snapshot struct {
	id     string
	asOf   time.Time
	deals  uint32
	events uint64
}

// snapshotID names the snapshot of a time under settings, by their hash, so that a
// run that is taken up again finds its own.
func snapshotID(asOf time.Time, config string) string {
	return fmt.Sprintf("%013d-%.12s", asOf.UnixMilli(), config)
}

// snapshotParts are the statements that make a snapshot, in order: of sql/ those that begin with snapshot_, and of the
// store, which lays out the same for pages.
var snapshotParts = []string{
	"snapshot_names", "snapshot_deals", "snapshot_stages", "snapshot_unregistered", "snapshot_leads",
	"words", "parties", "bindings", "bindings_others", "crowds", "crowd", "links",
	"snapshot_touches", "snapshot_people", "companies", "snapshot_decided", "snapshot_complete",
}

// snapshotTables are the tables that have a part of a snapshot.
var snapshotTables = []string{
	"snapshot_names", "snapshot_deals", "snapshot_stages", "snapshot_leads", "snapshot_words", "snapshot_parties", "snapshot_people", "snapshot_companies", "snapshot_bindings", "snapshot_crowds", "snapshot_touches",
}

// take makes the snapshot, or finds it complete. tick is told after each part.
func (j *Job) take(ctx context.Context, asOf time.Time, o Options, tick func(done, of int)) (*snapshot, error) {
	s := &snapshot{id: snapshotID(asOf, o.hash()), asOf: asOf}
	complete, err := j.found(ctx, s)
	if complete || err != nil {
		return s, err
	}
	if err := j.forget(ctx, s.id); err != nil {
		return nil, err
	}
	minor := int64(1)
	for range Digits(o.Currency) {
		minor *= 10
	}
	for i, part := range snapshotParts {
		started := time.Now()
		var err error
		if strings.HasPrefix(part, "snapshot_") {
			var text string
			var values []any
			if text, values, err = bind(part, []args{{"snapshot": s.id, "as_of": asOf, "currency": o.Currency, "rates": o.rates(), "minor": minor}}); err == nil {
				err = j.DB.Exec(ctx, store.ExpandLaid(text), values...)
			}
		} else {
			err = j.DB.LayOut(ctx, part, s.id, asOf)
		}
		j.time(part, started)
		if err != nil {
			return nil, fmt.Errorf("lay out what was known: %s: %w", part, err)
		}
		tick(i+1, len(snapshotParts))
	}
	_, err = j.found(ctx, s)
	return s, err
}

// found fills in what a snapshot has, and reports whether it is complete.
func (j *Job) found(ctx context.Context, s *snapshot) (complete bool, err error) {
	err = j.one(ctx, "snapshot_state", []any{&complete, &s.deals, &s.events}, args{"snapshot": s.id})
	return complete, err
}

// forget removes a snapshot, whatever there is of it.
func (j *Job) forget(ctx context.Context, id string) error {
	return j.drop(ctx, id, snapshotTables...)
}
