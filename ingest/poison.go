package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

// patience is how often a batch is tried before the loader looks for one event
// that the store refuses.
const patience = 4

// store inserts events until the store has taken them or ctx ends. A single
// event that the store refuses while it takes others becomes a bad entry.
func (l *Loader) store(ctx context.Context, events []trail.Event, arrivals []store.Arrival) error {
	for try := 1; ; try++ {
		err := l.insertOnce(ctx, events, arrivals)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("insert: %w", err)
		}
		l.failing(err)
		if try == 1 {
			l.Log.Warn("insert did not work, trying again", "err", err, "n", len(events))
		}
		if try >= patience && !passing(err) {
			if err = l.isolate(ctx, events, arrivals); err == nil {
				return nil
			}
			l.failing(err)
		}
		if !wait(ctx, min(50*time.Millisecond<<min(try, 7), 5*time.Second)) {
			return fmt.Errorf("insert: %w", err)
		}
	}
}

// insertOnce stores events, then where they came from: whoever counts arrivals
// finds their events.
func (l *Loader) insertOnce(ctx context.Context, events []trail.Event, arrivals []store.Arrival) error {
	ctx, cancel := context.WithTimeout(ctx, insertWait)
	defer cancel()
	leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	err = l.DB.InsertEvents(ctx, events)
	leave(err)
	if err != nil {
		return err
	}
	if err := l.DB.InsertArrivals(ctx, arrivals); err != nil {
		return err
	}
	l.count(func(s *LoaderStats) { s.Loaded += uint64(len(events)) })
	return nil
}

// isolate inserts the halves of a batch that the store refuses, down to the
// events that it refuses alone, and sets those aside. It gives up when the
// store seems to be in trouble itself: then no event is to blame.
func (l *Loader) isolate(ctx context.Context, events []trail.Event, arrivals []store.Arrival) error {
	err := l.insertOnce(ctx, events, arrivals)
	if err == nil {
		good := events[0]
		l.good = &good
		return nil
	}
	if passing(err) {
		return err
	}
	if half := len(events) / 2; half > 0 {
		if err := l.isolate(ctx, events[:half], arrivals[:half]); err != nil {
			return err
		}
		return l.isolate(ctx, events[half:], arrivals[half:])
	}
	if err := l.probe(ctx); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	if err = l.insertOnce(ctx, events, arrivals); err == nil || passing(err) {
		return err
	}
	fields, errRead := l.accepted(ctx, arrivals[0].Entry, &events[0])
	if errRead != nil {
		return fmt.Errorf("read a bad entry again: %w", errRead)
	}
	bad := []store.Bad{badEntry(arrivals[0].Entry, fields, "insert", err.Error(), events[0].Source)}
	if err := l.insertBad(ctx, bad); err != nil {
		return fmt.Errorf("set a bad entry aside: %w", err)
	}
	l.setAside(bad)
	return nil
}

// accepted returns an entry as it was accepted, since what we made of it may be why
// the store refuses it. One that somebody trimmed meanwhile is made from its event.
func (l *Loader) accepted(ctx context.Context, entry store.Entry, e *trail.Event) (fields map[string]any, err error) {
	id := streamID{entry.Ms, entry.Seq}.String()
	found, err := l.Buffer.rdb.XRange(ctx, streamKey(int(entry.Partition)), id, id).Result()
	if err != nil {
		return nil, err
	}
	if len(found) > 0 {
		return found[0].Values, nil
	}
	raw, err := json.Marshal(e)
	return map[string]any{streamField: string(raw)}, err
}

// passing reports whether an insert failed for a reason that no event has caused
// and that passes.
func passing(err error) bool {
	var p *trail.Problem
	return errors.As(err, &p) && p.Code == trail.Unavailable || isContextError(err)
}

// probe asks whether the store takes events at all. It loads one again that it
// took before, which is harmless; without one it can only ask whether the store
// answers.
func (l *Loader) probe(ctx context.Context) error {
	if l.good != nil {
		leave, err := l.enter(ctx)
		if err != nil {
			return err
		}
		if l.good != nil { // who it names was not erased meanwhile
			err = l.DB.InsertEvents(ctx, []trail.Event{*l.good})
			leave(err)
			return err
		}
		leave(nil)
	}
	_, err := l.DB.Counts(ctx)
	return err
}

// keepBad sets entries aside, with their bytes, so that they can be replayed.
func (l *Loader) keepBad(ctx context.Context, bad []store.Bad) error {
	for try := 1; ; try++ {
		err := l.insertBad(ctx, bad)
		if err == nil {
			break
		}
		l.failing(err)
		if ctx.Err() != nil || !wait(ctx, min(50*time.Millisecond<<min(try, 7), 5*time.Second)) {
			return fmt.Errorf("set bad entries aside: %w", err)
		}
	}
	l.setAside(bad)
	return nil
}

// insertBad stores bad entries without who was erased.
func (l *Loader) insertBad(ctx context.Context, bad []store.Bad) error {
	ctx, cancel := context.WithTimeout(ctx, insertWait)
	defer cancel()
	leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	for i := range bad {
		bad[i] = l.clean(bad[i])
	}
	err = l.DB.InsertBad(ctx, bad)
	leave(err)
	return err
}

func (l *Loader) setAside(bad []store.Bad) {
	l.count(func(s *LoaderStats) { s.Bad += uint64(len(bad)) })
	l.Log.Warn("entries are no valid events and were set aside", "n", len(bad), "stage", bad[0].Stage)
}

// badEntry keeps the event as it came, or all fields of an entry without one.
func badEntry(entry store.Entry, fields map[string]any, stage, reason, origin string) store.Bad {
	raw, ok := fields[streamField].(string)
	if !ok {
		text, err := json.Marshal(fields)
		if err != nil {
			text = fmt.Append(nil, fields)
		}
		raw = string(text)
	}
	return store.Bad{Entry: entry, At: time.UnixMilli(int64(entry.Ms)).UTC(), Stage: stage, Reason: reason, Origin: origin, Raw: raw}
}
