package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/trail"
)

// readerSeconds is how long one statement of a reader may run. Pages give up before; this
// ends what goes on although nobody waits for it any more.
const readerSeconds = 60

type readerKey struct{}

// AsReader marks what is asked with the context as a report that somebody waits for: it
// reads only, by Options.ReadURL where there is one, for a minute at most and within
// Options.Memory. What jobs ask has no such limits.
func AsReader(ctx context.Context) context.Context { return context.WithValue(ctx, readerKey{}, true) }

// limits are the settings of what a reader asks. The user of Options.ReadURL needs
// readonly=2 in its profile: with 1 not even these may be set.
func limits(memory uint64) clickhouse.Settings {
	s := clickhouse.Settings{"max_execution_time": readerSeconds, "timeout_overflow_mode": "throw"}
	if memory > 0 {
		s["max_memory_usage"] = memory
	}
	return s
}

// reader returns the database that readers ask; nil if it is the same.
func (o Options) reader() (*DB, error) {
	if o.ReadURL == "" {
		return nil, nil
	}
	log := o.Log
	o.Dial, o.Addr, o.URL, o.Database, o.Log = nil, nil, o.ReadURL, "", nil
	d, err := o.driver()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &DB{options: d, log: log, text: readTexts(), limits: limits(o.Memory)}, nil
}

// whom returns who answers, and the context with the limits that hold.
func (db *DB) whom(ctx context.Context) (context.Context, *DB) {
	if ctx.Value(readerKey{}) == nil {
		return ctx, db
	}
	if db.reader != nil {
		db = db.reader
	}
	return clickhouse.Context(ctx, clickhouse.WithSettings(db.limits)), db
}

// Codes of ClickHouse for what was ended because it went beyond a limit.
const (
	timeoutExceeded = 159
	tooSlow         = 160
	memoryExceeded  = 241
)

// beyond makes a Problem of an error because a limit was reached; nil of others.
func beyond(err error) error {
	var e *clickhouse.Exception
	if !errors.As(err, &e) {
		return nil
	}
	switch e.Code {
	case timeoutExceeded, tooSlow:
		return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "This report took longer than %d seconds and was ended. Choose a shorter period or fewer filters, or try again when less is going on.", readerSeconds), err)
	case memoryExceeded:
		return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "This report needs more memory than one may take and was ended. Choose a shorter period, or give the database more memory."), err)
	}
	return nil
}
