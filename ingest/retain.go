package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// retainedKey holds the day on which retention was last done.
	retainedKey = "dealtrail:retained"
	retainPoll  = time.Hour
	// expiringKey is a set of the contacts who are being forgotten, or of logLeft once Redis's files alone have them.
	expiringKey = "dealtrail:expiring"
	logLeft     = "log"
)

// Retention forgets what is older than it need be, once a day, in one process.
type Retention struct {
	Redis        redis.UniversalClient
	DB           *store.DB
	PersonMonths int    // retention.person_months; 0 is never
	FileMonths   int    // retention.file_months; 0 is never
	BadMonths    int    // retention.bad_months; 0 is never
	Reviews      string // folder of the reviews' files; "" for none
	Log          *slog.Logger
	Now          func() time.Time
}

// Run does what is due until ctx ends. It returns nil.
func (r *Retention) Run(ctx context.Context) error {
	for {
		if err := r.Once(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("what is old is not forgotten yet, trying again in an hour", "err", err)
		}
		if !wait(ctx, retainPoll) {
			return nil
		}
	}
}

// Once does it unless it was done today. While somebody is erased it waits.
func (r *Retention) Once(ctx context.Context) error {
	today := r.Now().UTC().Format(time.DateOnly)
	done, err := r.Redis.Get(ctx, retainedKey).Result()
	if err = ignoreNil(err); err != nil || done == today {
		return err
	}
	ctx, release, ok := Alone(ctx, r.Redis, EraseLease)
	if !ok {
		return nil
	}
	defer release()
	if err := r.people(ctx); err != nil {
		return fmt.Errorf("forget people: %w", err)
	}
	if err := r.bad(ctx); err != nil {
		return fmt.Errorf("forget what could not be understood: %w", err)
	}
	if err := r.files(ctx); err != nil {
		return fmt.Errorf("remove files of reviews: %w", err)
	}
	return r.Redis.Set(ctx, retainedKey, today, 0).Err()
}

// people forgets who people are. Whom is noted first: when it is cut off in between, nothing
// else tells of whom something is left.
func (r *Retention) people(ctx context.Context) error {
	noted, err := r.Redis.SMembers(ctx, expiringKey).Result()
	if err != nil {
		return err
	}
	switch {
	case slices.Contains(noted, logLeft):
		if err := r.fromLog(ctx); err != nil {
			return err
		}
	case len(noted) > 0:
		gone := make([]trail.ContactID, len(noted))
		for i, c := range noted {
			gone[i] = trail.ContactID(c)
		}
		if err := r.forget(ctx, gone); err != nil {
			return err
		}
	}
	for r.PersonMonths > 0 {
		gone, err := r.DB.Expired(ctx, r.Now().UTC().AddDate(0, -r.PersonMonths, 0))
		if err != nil || len(gone) == 0 {
			return err
		}
		for some := range slices.Chunk(gone, sweepChunk) {
			members := make([]any, len(some))
			for i, c := range some {
				members[i] = string(c)
			}
			if err := r.Redis.SAdd(ctx, expiringKey, members...).Err(); err != nil {
				return err
			}
		}
		if err := r.forget(ctx, gone); err != nil || len(gone) < store.ExpireAtOnce {
			return err
		}
	}
	return nil
}

// forget leaves some contacts out of the tables and of all that Redis holds.
func (r *Retention) forget(ctx context.Context, gone []trail.ContactID) error {
	forgotten := map[string]bool{}
	for _, c := range gone {
		forgotten[string(c)] = true
	}
	if err := r.DB.Expire(ctx, gone); err != nil {
		return err
	}
	text := func(s string) string {
		return contactLike.ReplaceAllStringFunc(s, func(c string) string {
			if forgotten[c] {
				return string(trail.NewErased())
			}
			return c
		})
	}
	// Loaded events may lie in the streams for longer than people are remembered.
	clean := func(raw string) (string, bool) {
		was := raw
		var e trail.Event
		if json.Unmarshal([]byte(raw), &e) == nil && e.Person != nil && forgotten[string(e.Contact)] {
			e.Person = nil
			if b, err := json.Marshal(&e); err == nil {
				raw = string(b)
			}
		}
		raw = text(raw)
		return raw, raw != was
	}
	for _, p := range allPartitions {
		if _, err := sweepStream(ctx, r.Redis, streamKey(p), clean); err != nil {
			return err
		}
	}
	if _, err := SweepState(ctx, r.Redis, text); err != nil {
		return err
	}
	now, err := r.DB.Time(ctx)
	if err != nil {
		return err
	}
	left, err := r.DB.DropStale(ctx, now.Add(time.Second))
	r.Log.Info("forgot people of whom nothing was heard for long", "n", len(gone), "stale", len(left)) // what is left goes as it is replaced
	if err != nil {
		return err
	}
	_, err = r.Redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Del(ctx, expiringKey)
		p.SAdd(ctx, expiringKey, logLeft)
		return nil
	})
	return errors.Join(err, r.fromLog(ctx))
}

// fromLog has Redis write its files anew, now that no key names the forgotten.
func (r *Retention) fromLog(ctx context.Context) error {
	if err := rewriteLog(ctx, r.Redis); err != nil {
		return err
	}
	return r.Redis.Del(ctx, expiringKey).Err()
}

// bad forgets what could not become events long ago: it may name people.
func (r *Retention) bad(ctx context.Context) error {
	if r.BadMonths <= 0 {
		return nil
	}
	n, err := r.DB.ExpireBad(ctx, r.Now().UTC().AddDate(0, -r.BadMonths, 0))
	if n > 0 {
		r.Log.Info("forgot old entries that could not become events", "n", n)
	}
	return err
}

func (r *Retention) files(ctx context.Context) error {
	if r.FileMonths <= 0 || r.Reviews == "" {
		return nil
	}
	before := r.Now().AddDate(0, -r.FileMonths, 0)
	entries, err := os.ReadDir(r.Reviews)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range entries {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasPrefix(f.Name(), "review-") || !info.ModTime().Before(before) {
			continue
		}
		if err := os.Remove(filepath.Join(r.Reviews, f.Name())); err != nil {
			return err
		}
		r.Log.Info("removed an old file of a review", "file", f.Name())
	}
	return nil
}
