package store

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"dealtrail/trail"
)

// answerFor is how long an answer over all events of a large company is told again.
const answerFor = 10 * time.Minute

// answers are what was found last by what reads everything. Where a layout takes long
// so do they: a page that waited for one would be given up.
type answers struct {
	mu sync.Mutex
	by map[string]*answer
}

type answer struct {
	layout string        // from which it is, "" for whatever there was
	at     time.Time     // when it was begun
	made   chan struct{} // closed when value and err are set
	value  any
	err    error
	before any // what was found last, to tell meanwhile; nil for nothing
}

// found reports whether there is something to tell that was begun after a time.
func (a *answer) found(after time.Time) bool {
	if a == nil || !a.at.After(after) {
		return false
	}
	return a.done() && a.err == nil
}

func (a *answer) done() bool {
	select {
	case <-a.made:
		return true
	default:
		return false
	}
}

// maxAnswers bounds how many are kept: nearly all who ask ask for the same.
const maxAnswers = 200

// once returns what ask finds. In a large company it is up to ten minutes old: then it
// is asked anew while the old answer is told. What was written here must be seen, so
// that nothing older is, and nothing from before somebody was erased. One asks at a time
// for the same, and others wait. What it returns is everybody's: nobody may change it.
func once[T any](ctx context.Context, db *DB, key string, ask func(context.Context) (T, error)) (T, error) {
	return tell(ctx, db, "", key, ask)
}

// perLayout is once for what is worked out anew with each layout that it is read from.
func perLayout[T any](ctx context.Context, db *DB, f Filter, key string, ask func(context.Context) (T, error)) (T, error) {
	id := db.layoutFor(ctx, []any{instant("as_of", f.AsOf)})
	if id == "" {
		return ask(ctx)
	}
	return tell(ctx, db, id, id+" "+key, ask)
}

func tell[T any](ctx context.Context, db *DB, layout, key string, ask func(context.Context) (T, error)) (none T, err error) {
	large, oldest := db.large(ctx)
	if !large {
		return ask(ctx)
	}
	after := oldest
	if layout == "" { // what was written since is in no layout that is read
		db.layouts.mu.Lock()
		if db.layouts.wrote.After(oldest) {
			after = db.layouts.wrote
		}
		db.layouts.mu.Unlock()
	}
	a := db.answers.of(layout, key, after, func(a *answer) {
		a.value, a.err = ask(context.WithoutCancel(ctx)) // the next reader finds it if this one has no more patience
		close(a.made)
	})
	if !a.done() && a.before != nil {
		return a.before.(T), nil
	}
	select {
	case <-a.made:
		if a.err != nil {
			return none, a.err
		}
		return a.value.(T), nil
	case <-ctx.Done():
		return none, trail.Problemf(trail.Unavailable, "This is counted over all events, which may take a minute. Ask for it again then.")
	}
}

// forget drops what is from layouts that have gone.
func (all *answers) forget(known []layout) {
	all.mu.Lock()
	defer all.mu.Unlock()
	maps.DeleteFunc(all.by, func(_ string, a *answer) bool {
		return a.layout != "" && !slices.ContainsFunc(known, func(l layout) bool { return l.id == a.layout })
	})
}

// of returns the answer for a key, and has one made if there is none that may be told.
func (all *answers) of(layout, key string, after time.Time, ask func(*answer)) *answer {
	all.mu.Lock()
	defer all.mu.Unlock()
	last := all.by[key]
	if last != nil && !last.done() && last.at.After(after) || last.found(after) && time.Since(last.at) < answerFor {
		return last
	}
	next := &answer{layout: layout, at: time.Now(), made: make(chan struct{})}
	if last.found(after) {
		next.before = last.value
	}
	if all.by == nil || len(all.by) >= maxAnswers {
		all.by = map[string]*answer{}
	}
	all.by[key] = next
	go ask(next)
	return next
}

// large reports whether laying out what is known takes so long that what reads
// everything should not be asked for each page, and when the oldest layout was begun.
// Erasing somebody removes all layouts, in whatever process: what was found before the
// oldest may name them.
func (db *DB) large(ctx context.Context) (large bool, oldest time.Time) {
	db.layouts.mu.Lock()
	defer db.layouts.mu.Unlock()
	known, err := db.look(ctx)
	if err != nil || len(known) < 2 {
		return false, oldest
	}
	i := slices.IndexFunc(known, func(one layout) bool { return one.asOf.IsZero() && one.id != "" })
	return i >= 0 && known[i].took > layoutSlow, known[len(known)-2].at
}
