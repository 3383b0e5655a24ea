package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/store"
	"dealtrail/trail"
)

// sweepNamed rewrites streams whose entries named people that had been erased.
func (x *Eraser) sweepNamed(ctx context.Context) error {
	const now = "{" + namedKey + "}:now" // in the same slot of a Cluster
	if there, err := x.Redis.Exists(ctx, namedKey, now).Result(); err != nil || there == 0 {
		return err
	}
	ctx, release, ok := Alone(ctx, x.Redis, EraseLease)
	if !ok {
		return nil
	}
	defer release()
	// What is noted meanwhile is for the next time; what this time does not end is, too.
	var named *redis.StringSliceCmd
	_, err := x.Redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.SUnionStore(ctx, now, now, namedKey)
		p.Del(ctx, namedKey)
		named = p.SMembers(ctx, now)
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range allPartitions {
		if !slices.Contains(named.Val(), fmt.Sprint(p)) {
			continue
		}
		if _, err := sweepStream(ctx, x.Redis, streamKey(p), x.cleanEntry(func(s string) string { return s })); err != nil {
			return err
		}
	}
	if err := rewriteLog(ctx, x.Redis); err != nil {
		return err
	}
	return x.Redis.Del(ctx, now).Err()
}

// cleanEntry returns a function that leaves out of a raw event who was erased, and what
// text finds.
func (x *Eraser) cleanEntry(text func(string) string) func(raw string) (string, bool) {
	return func(raw string) (string, bool) {
		was := raw
		var e trail.Event
		if json.Unmarshal([]byte(raw), &e) == nil {
			if clean, changed := x.Tombstones.Clean(e); changed {
				if b, err := json.Marshal(&clean); err == nil {
					raw = string(b)
				}
			}
		}
		raw = text(raw)
		return raw, raw != was
	}
}

// settle waits until everything that was accepted before the tombstone is loaded.
func (x *Eraser) settle(ctx context.Context, e *erasing) error {
	x.Tombstones.becomes.Store(e.Report.Tombstone, e.Becomes)
	if err := x.Tombstones.Add(ctx, map[string]time.Time{e.Report.Tombstone: e.Report.Asked}); err != nil {
		return err // whoever began it may have been killed before
	}
	// Other processes read tombstones every second; what they let in until then is loaded without the person.
	if nodes, err := x.Redis.HLen(ctx, nodesKey).Result(); err == nil && nodes > 1 && x.Now().Sub(e.Report.Asked) < 3*tombstonesPoll {
		wait(ctx, 2*tombstonesPoll)
	}
	ctx, cancel := context.WithTimeout(ctx, eraseSettle)
	defer cancel()
	if err := x.fence(ctx); err != nil {
		return err
	}
	if err := x.Buffer.Settle(ctx); err != nil {
		return errors.Join(&waiting{"What was accepted before is not loaded yet."}, err)
	}
	return nil
}

// fromTables rewrites the tables. Who it is may have been learned meanwhile.
func (x *Eraser) fromTables(ctx context.Context, e *erasing) error {
	if err := x.learn(ctx, e); err != nil {
		return err
	}
	e.Report.Known = e.Report.Known || !e.Since.IsZero() || len(e.Names) > 0
	if err := x.note(ctx, e); err != nil {
		return err
	}
	n, err := x.DB.Erase(ctx, store.Trace{Contact: e.Contact, Becomes: e.Becomes, Pattern: e.pattern()})
	if err != nil {
		return err
	}
	e.Report.Known = e.Report.Known || n != (store.Erased{})
	e.count("database: people", "who they are: address, name and title", n.People)
	e.count("database: events", "events of theirs, which name a random contact now", n.Events)
	e.count("database: events", "events that named them: deals, notes, decisions, requests", n.Texts)
	e.count("database: bad_entries", "entries that could not become events, and named them", n.Bad)
	if e.Rewritten.IsZero() || n != (store.Erased{}) {
		now, err := x.DB.Time(ctx)
		if err != nil {
			return err
		}
		e.Rewritten = now.Add(time.Second) // times of parts are whole seconds
	}
	return x.note(ctx, e)
}

// fromDerived removes layouts and snapshots that were begun before the tables were
// rewritten; they are made anew.
func (x *Eraser) fromDerived(ctx context.Context, e *erasing) error {
	for until := time.Now().Add(eraseStale); ; {
		left, err := x.DB.DropStale(ctx, e.Rewritten)
		if err != nil || len(left) == 0 {
			return err
		}
		if time.Now().After(until) {
			return &waiting{"An attribution run, or a layout of what pages read, began before and is not complete yet."}
		}
		if !wait(ctx, 250*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// fromRedis rewrites what Redis has: streams, and every other key that names them.
func (x *Eraser) fromRedis(ctx context.Context, e *erasing) error {
	mailed, err := x.mailed(ctx, e.Since)
	if err != nil {
		return err
	}
	e.Report.Mailed = mailed
	if x.Mailboxes != nil {
		n, err := x.Mailboxes.forgetExcluded(ctx, e.Addresses)
		if err != nil {
			return err
		}
		e.count("redis: exclusions", "reps had excluded them from being read; mail of theirs leaves no trace without it", n)
	}
	if x.Others != nil {
		removed, err := x.Others(ctx, e.Contact)
		if err != nil {
			return err
		}
		for _, r := range removed {
			e.count(r.Where, r.What, r.N)
		}
	}
	text := e.text()
	for _, p := range allPartitions {
		n, err := sweepStream(ctx, x.Redis, streamKey(p), x.cleanEntry(text))
		if err != nil {
			return err
		}
		e.count("redis: streams", "entries that are kept for a while after they were loaded", n)
	}
	n, err := SweepState(ctx, x.Redis, text)
	if err != nil {
		return err
	}
	e.count("redis: state", "links made for them, mail that was read, what CRMs delivered, who saw them, and what is about to be sent", n)
	// All processes read again what people chose, and write it to their files without them.
	if err := choicesScript.Run(ctx, x.Redis, []string{choicesKey}).Err(); err != nil {
		return err
	}
	return x.note(ctx, e)
}

// mailed returns the reviews that were mailed since a time: a workbook that was
// attached may name the person, and is beyond our reach.
func (x *Eraser) mailed(ctx context.Context, since time.Time) ([]trail.MailedReview, error) {
	const prefix = "dealtrail:outbox:review:"
	all := []trail.MailedReview{}
	if since.IsZero() {
		return all, nil
	}
	err := eachKey(ctx, x.Redis, prefix+"*", func(key string) error {
		text, err := x.Redis.Get(ctx, key).Bytes()
		if err != nil {
			return ignoreNil(err)
		}
		sent := map[string]struct {
			Sent time.Time `json:"sent"`
		}{}
		if json.Unmarshal(text, &sent) != nil {
			return nil
		}
		m := trail.MailedReview{Week: strings.TrimPrefix(key, prefix), To: []string{}}
		for to, a := range sent {
			if a.Sent.After(since) && !slices.Contains(m.To, to) {
				m.To = append(m.To, to)
			}
		}
		slices.Sort(m.To)
		if len(m.To) > 0 {
			all = append(all, m)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b trail.MailedReview) int { return cmp.Compare(a.Week, b.Week) })
	return all, err
}

// fromFiles rewrites the files of reviews that name the person.
func (x *Eraser) fromFiles(ctx context.Context, e *erasing) error {
	names, err := redactFiles(ctx, x.Reviews, e.text())
	if err != nil {
		return err
	}
	e.count("files: reviews", "files of weekly reviews, in which they read "+trail.ErasedText+" now: "+strings.Join(names, ", "), uint64(len(names)))
	return nil
}

// forget has everything else dropped that is kept in memory or of the erasing itself.
func (x *Eraser) forget(ctx context.Context, e *erasing) error {
	if x.Forget != nil {
		x.Forget()
	}
	left := []string{
		"A tombstone: a keyed hash by which it is known, when something of the person comes again, that it is not to be kept.",
		"Backups made before. Restoring one heeds the tombstones: keep the file tombstones apart from them, and delete backups when they are no longer needed.",
	}
	for _, c := range x.Configured {
		if slices.Contains(e.Addresses, c) {
			left = append(left, "dealtrail.toml names the person, in mailboxes.exclude: remove that by hand.")
		}
	}
	if len(e.Report.Mailed) > 0 {
		left = append(left, "Reviews that were mailed: ask those who got a workbook with one to delete it.")
	}
	e.Report.Left = left
	// From here on nothing that is kept of the erasing names anybody, sealed or not.
	*e = erasing{Gone: true, Report: e.Report}
	return x.note(ctx, e)
}

// fromLog has Redis write its files anew, without what was noted until now.
func (x *Eraser) fromLog(ctx context.Context, _ *erasing) error {
	if err := rewriteLog(ctx, x.Redis); err != nil {
		return errors.Join(&waiting{"Redis did not rewrite its append-only file: BGREWRITEAOF must be allowed."}, err)
	}
	return nil
}

// complete signs the report and forgets the rest.
func (x *Eraser) complete(ctx context.Context, e *erasing) error {
	r := e.Report
	r.State, r.Waiting, r.Finished = trail.ErasureComplete, "", x.Now().UTC().Truncate(time.Second)
	signed, err := x.Contacts.Sign(r)
	if err != nil {
		return err
	}
	text, err := json.Marshal(signed)
	if err != nil {
		return err
	}
	if err = x.Redis.HSet(ctx, reportsKey, r.Tombstone, text).Err(); err == nil {
		err = x.Redis.HDel(ctx, erasingKey, r.Tombstone).Err()
	}
	x.Tombstones.becomes.Delete(r.Tombstone)
	x.Log.Info("erased a person", "tombstone", r.Tombstone, "took", r.Finished.Sub(r.Asked))
	return err
}
