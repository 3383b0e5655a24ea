package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// erasingKey is a hash: a tombstone to what is known of an erasing under way, sealed.
	erasingKey = "dealtrail:erasing"
	// reportsKey is a hash: a tombstone to the signed report of its last erasing.
	reportsKey = "dealtrail:erased:reports"

	// EraseLease is one erasing.
	EraseLease = "dealtrail:lease:erase"
	// erasePoll is how often it is looked whether an erasing waits, because whoever began it is gone or it could not
	// be finished at once.
	erasePoll = 15 * time.Second
	// eraseSettle is for what was accepted before, eraseStale for runs and layouts that were begun before.
	eraseSettle = time.Minute
	eraseStale  = 30 * time.Second
	// ErasePatience is how long whoever asked waits for the report; then it is fetched later.
	ErasePatience = 50 * time.Second
	// eraseTrouble names what status tells while erasings cannot be finished.
	eraseTrouble = "erasing"
	// eraseLate is after how long an erasing that is not complete needs a person.
	eraseLate = time.Hour
)

// Eraser removes people: see docs/privacy.md. Each step may repeat, and one that was cut
// off goes on at the next look of whoever has the jobs.
type Eraser struct {
	Redis      redis.UniversalClient
	DB         *store.DB
	Buffer     *Buffer
	Tombstones *Tombstones
	Mailboxes  *Mailboxes // nil: no rep can have excluded anybody
	Contacts   trail.ContactKey
	Reviews    string                                                                         // folder of the reviews' files; "" for none
	Configured []string                                                                       // addresses and domains that the configuration names, which no program changes
	Own        func(ctx context.Context, address string) bool                                 // somebody on our side: a rep, or who signs in; nil: nobody is
	Others     func(ctx context.Context, contact trail.ContactID) ([]trail.ErasedFrom, error) // what others keep in Redis by their contact; nil: nothing
	Forget     func()                                                                         // called at the end: whoever keeps reports in memory drops them; nil: nobody does
	Elsewhere  bool                                                                           // another process does the jobs: it has the files of reviews and what is about to be mailed, and finishes what is begun here
	Version    string
	Log        *slog.Logger
	Now        func() time.Time
}

// Erase removes a person by address, for ever: what comes of them later is not kept
// either. by is who asked, "" for a program. It waits for ErasePatience; an erasing that
// takes longer goes on, and Report has it later. Erasing somebody again, or somebody of
// whom nothing is known, is no error.
func (x *Eraser) Erase(ctx context.Context, address, by string) (trail.Erasure, error) {
	address = trail.NormalAddress(address)
	if at := strings.LastIndex(address, "@"); at < 1 || at == len(address)-1 || strings.ContainsAny(address, " \t\r\n") {
		return trail.Erasure{}, trail.Problemf(trail.Invalid, "Say whom to erase by a mail address, such as ann@example.com.")
	}
	if x.Own != nil && x.Own(ctx, address) {
		return trail.Erasure{}, trail.Problemf(trail.Invalid, "%s is on your own side, a rep or somebody who signs in. Only people on the other side are erased; remove the mailbox and the user instead.", address)
	}
	contact := x.Contacts.ID(address)
	stone := x.Contacts.Tombstone(contact)
	if err := x.begin(ctx, stone, contact, address, by); err != nil {
		return trail.Erasure{}, err
	}
	done := make(chan error, 1)
	if x.Elsewhere {
		waiting, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { done <- x.finished(waiting, stone) }()
	} else {
		go func() { done <- x.finish(context.WithoutCancel(ctx), stone) }()
	}
	late := time.NewTimer(ErasePatience)
	defer late.Stop()
	select {
	case err := <-done:
		if err != nil && !isWaiting(err) {
			return trail.Erasure{}, err
		}
	case <-late.C:
	case <-ctx.Done():
		return trail.Erasure{}, ctx.Err()
	}
	return x.Report(ctx, stone)
}

// finished waits until another process has finished an erasing.
func (x *Eraser) finished(ctx context.Context, stone string) error {
	for {
		if known, err := x.Redis.HExists(ctx, erasingKey, stone).Result(); err != nil || !known {
			return err
		}
		if !wait(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// begin sets the tombstone and notes what there is to do. From then on nothing new is
// kept of the person.
func (x *Eraser) begin(ctx context.Context, stone string, contact trail.ContactID, address, by string) error {
	known, err := x.Redis.HExists(ctx, erasingKey, stone).Result()
	if err != nil {
		return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "Nobody can be erased while Redis does not answer; try again in a moment."), err)
	}
	now := x.Now().UTC().Truncate(time.Second)
	if !known {
		e := &erasing{Contact: contact, Becomes: trail.NewErased(), Addresses: []string{address}}
		e.Report = trail.Erasure{Tombstone: stone, State: trail.ErasureUnderWay, Asked: now, By: by, Removed: []trail.ErasedFrom{}, Mailed: []trail.MailedReview{}, Left: []string{}, Version: x.Version}
		if before, err := x.Report(ctx, stone); err == nil { // erased before: what was removed then is told again
			e.Report.Removed, e.Report.Known = before.Removed, before.Known
		}
		if err := x.learn(ctx, e); err != nil {
			return err
		}
		if err := x.note(ctx, e); err != nil {
			return err
		}
	}
	if err := x.Tombstones.Add(ctx, map[string]time.Time{stone: now}); err != nil {
		return fmt.Errorf("erase: set the tombstone: %w", err)
	}
	return nil
}

// learn finds out how the person was ever called, while that is known.
func (x *Eraser) learn(ctx context.Context, e *erasing) error {
	people, err := x.DB.NamesOf(ctx, e.Contact)
	if err != nil {
		return err
	}
	for _, p := range people {
		if a := trail.NormalAddress(p.Address); a != "" && !slices.Contains(e.Addresses, a) {
			e.Addresses = append(e.Addresses, a)
		}
		if p.Name != "" && !slices.Contains(e.Names, p.Name) {
			e.Names = append(e.Names, p.Name)
		}
	}
	since, err := x.DB.KnownSince(ctx, e.Contact, e.Becomes)
	if err == nil && !since.IsZero() && (e.Since.IsZero() || since.Before(e.Since)) {
		e.Since = since
	}
	return err
}

// Run finishes erasings that whoever began them did not, and rewrites streams into
// which events of people who had been erased got, until ctx ends. One process does.
func (x *Eraser) Run(ctx context.Context) error {
	for {
		if err := x.Once(ctx); err != nil && ctx.Err() == nil {
			x.Log.Warn("an erasing is not complete yet", "err", err)
		}
		if !wait(ctx, erasePoll) {
			return nil
		}
	}
}

// Once does what Run does every time.
func (x *Eraser) Once(ctx context.Context) error {
	stones, err := x.Redis.HKeys(ctx, erasingKey).Result()
	if err != nil {
		return err
	}
	late := 0
	for _, stone := range stones {
		one := x.finish(ctx, stone)
		if one == nil {
			continue
		}
		err = errors.Join(err, one)
		if at, ok := x.Tombstones.All()[stone]; ok && x.Now().Sub(at) > eraseLate {
			late++
		}
	}
	if late > 0 {
		err = errors.Join(err, TellTrouble(ctx, x.Redis, eraseTrouble, fmt.Sprintf("%d people are not erased everywhere an hour after it was asked for; dealtrail privacy erasures says what is waited for.", late), x.Now()))
	} else {
		err = errors.Join(err, EndTrouble(ctx, x.Redis, eraseTrouble))
	}
	return errors.Join(err, x.sweepNamed(ctx))
}

// finish does what is left of an erasing. An error isWaiting when it goes on by itself.
func (x *Eraser) finish(ctx context.Context, stone string) error {
	held, release, ok := Alone(ctx, x.Redis, EraseLease)
	for ; !ok; held, release, ok = Alone(ctx, x.Redis, EraseLease) { // another is erased right now
		if known, err := x.Redis.HExists(ctx, erasingKey, stone).Result(); err != nil || !known {
			return err // that was ours
		}
		if !wait(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
	defer release()
	ctx = held
	e, err := x.noted(ctx, stone)
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	steps := []func(context.Context, *erasing) error{x.settle, x.fromTables, x.fromDerived, x.fromRedis, x.fromFiles, x.forget, x.fromLog}
	if e.Gone {
		steps = steps[len(steps)-1:]
	}
	for _, step := range steps {
		if err := step(ctx, e); err != nil {
			e.Report.Waiting = "It is not complete yet and goes on by itself."
			if isWaiting(err) {
				e.Report.Waiting = err.Error()
			}
			return errors.Join(err, x.note(ctx, e))
		}
	}
	return x.complete(ctx, e)
}
