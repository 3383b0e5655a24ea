package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/store"
	"dealtrail/trail"
)

// ReviewFiles writes the review of each week into a folder once it is due, once
// among all processes. A file that is there stays: people may have written into it.
type ReviewFiles struct {
	DB     *store.DB
	Redis  redis.UniversalClient
	Dir    string
	At     trail.WeekTime
	Zone   *time.Location
	Settle func(ctx context.Context) error // returns when all that was accepted before is loaded; nil: it is at once
	Write  []ReviewFormat                  // in this order
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
	Every  time.Duration    // between two looks whether one is due; default a minute

	none string // the week that had no review, when we looked last
}

// ReviewFormat writes a review as a file.
type ReviewFormat struct {
	Ending string // of the file's name, such as xlsx
	Write  func(w io.Writer, r trail.Review) error
}

// ReviewFilesTrouble names what status tells until the files are written.
const ReviewFilesTrouble = "review files"

// reviewsWritten holds, by week, when its files were written and where.
const reviewsWritten = "dealtrail:reviews"

const (
	reviewEvery    = time.Minute
	reviewPatience = time.Minute // for what was accepted before the review was due
	reviewLatest   = time.Hour   // after it was due it is written without what is not loaded
)

// Run writes what is due until ctx ends: also what fell due while nothing ran, but
// only the last week's.
func (x *ReviewFiles) Run(ctx context.Context) error {
	for {
		if _, err := x.Once(ctx); err != nil && ctx.Err() == nil {
			x.Log.Error("the review cannot be written; trying again", "dir", x.Dir, "err", err)
			text := fmt.Sprintf("The files of the weekly review cannot be written into %s: %v. It is tried again every minute.", x.Dir, err)
			if err := TellTrouble(ctx, x.Redis, ReviewFilesTrouble, text, x.now()); err != nil {
				x.Log.Warn("status does not tell of it", "err", err)
			}
		}
		if !wait(ctx, cmp.Or(x.Every, reviewEvery)) {
			return nil
		}
	}
}

// Once writes the files of the last review that is due, if nobody did, and returns
// those that it wrote. A week of which nothing was known by then had no review.
func (x *ReviewFiles) Once(ctx context.Context) (written []string, err error) {
	now := x.now()
	week, since := x.At.Due(now, x.Zone)
	if week == x.none {
		return nil, nil
	}
	if done, err := x.done(ctx, week); err != nil || done {
		return nil, errors.Join(err, x.endTrouble(ctx, done))
	}
	ctx, release, ok := Alone(ctx, x.Redis, ReviewLease)
	if !ok {
		return nil, nil // another is at it, or the next look finds Redis again
	}
	defer release()
	if done, err := x.done(ctx, week); err != nil || done { // meanwhile
		return nil, err
	}
	if err := x.settle(ctx); err != nil && now.Sub(since) < reviewLatest {
		return nil, fmt.Errorf("wait for what came before the review: %w", err)
	}
	// An erasing goes through the files once: what is read before and written after it would name the person.
	ctx, free, ok := Alone(ctx, x.Redis, EraseLease)
	if !ok {
		return nil, nil // the next look
	}
	defer free()
	// A page may ask for it meanwhile, and all that this reads is laid out for both.
	if err := x.DB.FreezeReview(ctx, since); err != nil {
		return nil, err
	}
	r, err := x.DB.WeekReview(ctx, week, x.Zone, now, store.Filter{})
	if err != nil {
		return nil, err
	}
	if r.AsOf.IsZero() {
		x.none = week
		return nil, x.endTrouble(ctx, true)
	}
	if err := os.MkdirAll(x.Dir, 0o700); err != nil {
		return nil, err
	}
	for _, f := range x.Write {
		if err := context.Cause(ctx); err != nil {
			return written, err
		}
		path := filepath.Join(x.Dir, "review-"+week+"."+f.Ending)
		fresh, err := x.write(path, f, *r)
		if err != nil {
			return written, err
		}
		if fresh {
			written = append(written, path)
		}
	}
	if err := x.Redis.HSet(ctx, reviewsWritten, week, now.UTC().Format(time.RFC3339)+" "+x.Dir).Err(); err != nil {
		return written, fmt.Errorf("note that the review of %s is written: %w", week, err)
	}
	x.Log.Info("review written", "week", week, "files", written)
	return written, x.endTrouble(ctx, true)
}

func (x *ReviewFiles) now() time.Time {
	if x.Now != nil {
		return x.Now()
	}
	return time.Now()
}

// endTrouble has status say no more that the files cannot be written, once they are.
func (x *ReviewFiles) endTrouble(ctx context.Context, done bool) error {
	if !done {
		return nil
	}
	return EndTrouble(ctx, x.Redis, ReviewFilesTrouble)
}

func (x *ReviewFiles) done(ctx context.Context, week string) (bool, error) {
	done, err := x.Redis.HExists(ctx, reviewsWritten, week).Result()
	if err != nil {
		return false, fmt.Errorf("look whether the review of %s is written: %w", week, err)
	}
	return done, nil
}

func (x *ReviewFiles) settle(ctx context.Context) error {
	if x.Settle == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reviewPatience)
	defer cancel()
	return x.Settle(ctx)
}

// write writes one file whole or not at all, and reports whether it was not there.
func (x *ReviewFiles) write(path string, f ReviewFormat, r trail.Review) (fresh bool, err error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	temp, err := os.CreateTemp(x.Dir, ".review-*."+f.Ending)
	if err != nil {
		return false, err
	}
	defer os.Remove(temp.Name()) // it is gone once it has its name
	err = errors.Join(f.Write(temp, r), temp.Sync(), temp.Close())
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	return true, os.Rename(temp.Name(), path)
}
