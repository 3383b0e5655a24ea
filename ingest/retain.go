package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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
	release, ok := Alone(ctx, r.Redis, EraseLease)
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
	if err := r.files(); err != nil {
		return fmt.Errorf("remove files of reviews: %w", err)
	}
	return r.Redis.Set(ctx, retainedKey, today, 0).Err()
}

func (r *Retention) people(ctx context.Context) error {
	if r.PersonMonths <= 0 {
		return nil
	}
	gone, err := r.DB.Expire(ctx, r.Now().UTC().AddDate(0, -r.PersonMonths, 0))
	if err != nil || len(gone) == 0 {
		return err
	}
	forgotten := map[string]bool{}
	for _, c := range gone {
		forgotten[string(c)] = true
	}
	_, err = SweepState(ctx, r.Redis, func(s string) string {
		return contactLike.ReplaceAllStringFunc(s, func(c string) string {
			if forgotten[c] {
				return string(trail.NewErased())
			}
			return c
		})
	})
	if err != nil {
		return err
	}
	now, err := r.DB.Time(ctx)
	if err != nil {
		return err
	}
	left, err := r.DB.DropStale(ctx, now.Add(time.Second))
	r.Log.Info("forgot people of whom nothing was heard for long", "n", len(gone), "stale", len(left)) // what is left goes as it is replaced
	return err
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

func (r *Retention) files() error {
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
