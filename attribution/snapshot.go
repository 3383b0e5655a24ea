package attribution

import (
	"context"
	"fmt"
	"time"

	"dealtrail/store"
)

// A snapshot is what was known at one time, laid out for runs: deals by number,
// and their touches in order. Runs at several levels of agents share it, and it
// goes when they are complete. Its parts are the store's own views; those that
// are joined to all events are stored first, and the others read them there.
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

// stored are the views that a snapshot stores, with where they are read from then.
var stored = map[string]string{}

func init() {
	for view, columns := range map[string]string{
		"parties":  "party, told, denied, deals",
		"ties":     "key, told, told_until, theirs, theirs_until, among, sure, only, only_until, only_since, only_rule",
		"bindings": "key, content, rep, deal, share, contacts",
		"crowds":   "share, since, people",
	} {
		stored[view] = "SELECT " + columns + " FROM snapshot_" + view + " WHERE snapshot = {snapshot:String}"
	}
	stored["deals"] = "SELECT deal, domain, status, fromUnixTimestamp64Milli(closed_ms, 'UTC') AS closed_at, contacts FROM snapshot_deals WHERE snapshot = {snapshot:String}"
}

// snapshotTables are the tables that have a part of a snapshot.
var snapshotTables = []string{
	"snapshot_names", "snapshot_deals", "snapshot_leads", "snapshot_parties", "snapshot_ties", "snapshot_bindings", "snapshot_crowds", "snapshot_touches",
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
	parts := []string{"snapshot_names", "snapshot_deals", "snapshot_leads", "snapshot_parties", "snapshot_bindings", "snapshot_crowds", "snapshot_ties", "snapshot_touches", "snapshot_complete"}
	for i, part := range parts {
		instead := stored
		switch part {
		case "snapshot_names", "snapshot_deals":
			instead = nil // there is nothing to read instead
		case "snapshot_parties", "snapshot_bindings", "snapshot_crowds", "snapshot_ties":
			instead = without(stored, part[len("snapshot_"):])
		}
		text, values, err := bind(part, []args{{"snapshot": s.id, "as_of": asOf, "currency": o.Currency, "rates": o.rates(), "minor": minor}})
		started := time.Now()
		if err == nil {
			err = j.DB.Exec(ctx, store.Expand(text, instead), values...)
			j.time(part, started)
		}
		if err != nil {
			return nil, fmt.Errorf("lay out what was known: %s: %w", part, err)
		}
		tick(i+1, len(parts))
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

// without returns the views but one.
func without(views map[string]string, name string) map[string]string {
	rest := map[string]string{}
	for view, text := range views {
		if view != name {
			rest[view] = text
		}
	}
	return rest
}
