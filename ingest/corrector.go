package ingest

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest/track"
	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// dueKey is a sorted set of shares whose requests are to be judged again, by when.
	dueKey = "dealtrail:{judge}:due"
	// underwayKey are those taken from it and not done yet.
	underwayKey = "dealtrail:{judge}:underway"
	// judgeAfter is how long others of a burst may come before one is judged beside them.
	judgeAfter = 2 * time.Second
	judgePoll  = 500 * time.Millisecond
	// lateAfter is how old a request may be when it is loaded. Those of shares marked late had to wait for Redis or
	// the store, and can still be corrected however old they are.
	lateAfter  = time.Minute
	late       = "late "
	judgeBatch = 200  // shares at once
	maxSeen    = 5000 // requests of them; a link that is passed around has its newest judged
)

// The scripts may run when Redis is out of memory: loading must go on.
var (
	// dueScript enters shares that are not in yet. KEYS[1] is the set; ARGV are the time and the shares.
	dueScript = redis.NewScript(`#!lua flags=allow-oom
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'NX', ARGV[1], ARGV[i]) end`)
	// takeScript moves what is due to the set of what is under way and returns it. KEYS are both; ARGV are the time
	// and how many at most.
	takeScript = redis.NewScript(`#!lua flags=allow-oom
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, s in ipairs(due) do
  redis.call('ZREM', KEYS[1], s)
  redis.call('ZADD', KEYS[2], ARGV[1], s)
end
return due`)
)

// noteDue has the requests judged again that new requests or a mail just found
// belong to. It is told of what was loaded, and never holds loading up: what it
// cannot note is judged by itself only.
func noteDue(ctx context.Context, rdb redis.UniversalClient, events []trail.Event) error {
	now := time.Now()
	shares := map[string]bool{}
	for i := range events {
		switch e := &events[i]; {
		case e.Share == "" || e.Revision > 0:
		case e.RuleSet > 0 && now.Sub(e.ReceivedAt) > lateAfter:
			shares[late+string(e.Share)] = true
		case e.RuleSet > 0 || e.Kind == trail.Sent:
			shares[string(e.Share)] = true
		}
	}
	at := now.Add(judgeAfter).UnixMilli()
	for chunk := range slices.Chunk(slices.Collect(maps.Keys(shares)), 1000) {
		args := []any{at}
		for _, s := range chunk {
			args = append(args, s)
		}
		if err := dueScript.Run(ctx, rdb, []string{dueKey}, args...).Err(); ignoreNil(err) != nil {
			return err
		}
	}
	return nil
}

// Corrector judges requests again when others of the same mail or from the same
// place have come, or when the mail itself was found: on every node's requests,
// from what is stored. A verdict that changes is a correction, the event's next
// revision. One process runs it at a time.
type Corrector struct {
	Redis redis.UniversalClient
	DB    *store.DB
	Emit  trail.Emit
	Log   *slog.Logger
	Now   func() time.Time

	Settle func(ctx context.Context) error // returns when all that was accepted before is loaded; Say alone needs it

	saying sync.Mutex // from reading a request to accepting a person's word on it
}

// Run judges what is due until ctx ends. It returns nil.
func (c *Corrector) Run(ctx context.Context) error {
	failing := !c.resume(ctx)
	for wait(ctx, judgePoll) {
		if failing && !c.resume(ctx) {
			continue
		}
		_, err := c.Once(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			c.Log.Warn("requests are not judged again at the moment", "err", err)
		}
		failing = err != nil
	}
	return nil
}

// resume makes due again what was under way when its process died.
func (c *Corrector) resume(ctx context.Context) bool {
	left, err := c.Redis.ZRange(ctx, underwayKey, 0, -1).Result()
	if err == nil && len(left) > 0 {
		args := []any{c.Now().UnixMilli()}
		for _, s := range left {
			args = append(args, s)
		}
		err = ignoreNil(dueScript.Run(ctx, c.Redis, []string{dueKey}, args...).Err())
		if err == nil {
			err = c.Redis.Del(ctx, underwayKey).Err()
		}
	}
	return err == nil
}

// Once judges what is due now and returns how many verdicts changed.
func (c *Corrector) Once(ctx context.Context) (changed int, err error) {
	for {
		due, err := takeScript.Run(ctx, c.Redis, []string{dueKey, underwayKey}, c.Now().UnixMilli(), judgeBatch).StringSlice()
		if ignoreNil(err) != nil || len(due) == 0 {
			return changed, ignoreNil(err)
		}
		shares := map[trail.ShareID]bool{} // and whether its requests came late
		members := make([]any, len(due))
		for i, s := range due {
			share, isLate := strings.CutPrefix(s, late)
			shares[trail.ShareID(share)] = shares[trail.ShareID(share)] || isLate
			members[i] = s
		}
		n, err := c.judge(ctx, shares)
		if changed += n; err != nil {
			return changed, err
		}
		if err := c.Redis.ZRem(ctx, underwayKey, members...).Err(); err != nil {
			return changed, err
		}
	}
}

// judge corrects the requests of shares, and of others in the same mails, whose
// verdict is another now, and returns how many those are. Requests from the same
// places are looked at beside them; if one of those is seen in another light, it is
// due itself, with all that belongs to it.
func (c *Corrector) judge(ctx context.Context, shares map[trail.ShareID]bool) (int, error) {
	m, err := c.mails(ctx, slices.Collect(maps.Keys(shares)))
	if err != nil {
		return 0, err
	}
	mailed, unmailed := m.shares()
	requests, err := c.DB.Fetches(ctx, mailed, unmailed, maxSeen)
	if err != nil || len(requests) == 0 {
		return 0, err
	}
	if len(requests) == maxSeen && len(shares) > 1 { // some would be judged without the others of their mail
		n := 0
		for share, isLate := range shares {
			one, err := c.judge(ctx, map[trail.ShareID]bool{share: isLate})
			if n += one; err != nil {
				return n, err
			}
		}
		return n, nil
	}
	open := map[trail.ID]bool{}
	for i := range requests {
		if e := &requests[i]; c.open(e, shares, m) {
			open[e.ID] = true
		}
	}
	if len(requests) == maxSeen { // what came around the oldest is not all here
		oldest := requests[len(requests)-1].At
		for _, e := range requests {
			if e.At.Sub(oldest) < track.Settled {
				delete(open, e.ID)
			}
		}
	}
	if len(open) == 0 {
		return 0, nil
	}
	own := len(requests)
	if requests, err = c.withNeighbours(ctx, requests, open); err != nil {
		return 0, err
	}
	if len(requests) > own {
		if m, err = c.mails(ctx, sharesOf(requests)); err != nil {
			return 0, err
		}
	}
	return c.correct(ctx, m, requests, open)
}

// open reports whether a request's verdict can still change: for a while after
// it, or after its mail was found.
func (c *Corrector) open(e *trail.Event, shares map[trail.ShareID]bool, m *mails) bool {
	since := c.Now().Add(-track.Settled)
	return e.ReceivedAt.After(since) || m.found[e.Share].After(since) || shares[e.Share]
}

// correct emits what changed of the open requests.
func (c *Corrector) correct(ctx context.Context, m *mails, requests []trail.Event, open map[trail.ID]bool) (int, error) {
	slices.SortFunc(requests, func(a, b trail.Event) int { return a.At.Compare(b.At) })
	seen := make([]track.Seen, len(requests))
	for i := range requests {
		seen[i] = m.seen(&requests[i])
	}
	verdicts := track.Together(seen)
	for i, e := range requests {
		if e.Said() { // no rule contradicts a person
			verdicts[i] = e.Verdict
		}
	}
	m.passedOn(requests, verdicts)
	now := c.Now().UTC().Truncate(time.Millisecond)
	var corrections []trail.Event
	due := []any{now.UnixMilli()}
	for i, e := range requests {
		v := verdicts[i]
		switch {
		case v.Agent == e.Agent && v.Signal == e.Signal && sure(v) == sure(e.Verdict):
		case open[e.ID]:
			e.Verdict = v
			e.Revision++
			e.RevisedAt = now
			corrections = append(corrections, e)
		case v.Agent == trail.Scanner && e.ReceivedAt.After(now.Add(-track.Settled)):
			due = append(due, string(e.Share)) // a neighbour of a crowd
		}
	}
	if len(due) > 1 {
		if err := ignoreNil(dueScript.Run(ctx, c.Redis, []string{dueKey}, due...).Err()); err != nil {
			return 0, err
		}
	}
	return len(corrections), c.Emit(ctx, corrections...)
}

// sure is what the strict level asks.
func sure(v trail.Verdict) bool { return v.Agent == trail.Human && v.Probability >= 0.9 }

// withNeighbours adds what came from the same origins around the open requests.
func (c *Corrector) withNeighbours(ctx context.Context, requests []trail.Event, open map[trail.ID]bool) ([]trail.Event, error) {
	var around []store.Window
	known := map[trail.ID]bool{}
	for _, e := range requests {
		known[e.ID] = true
		if e.Origin != "" && open[e.ID] {
			around = append(around, store.Window{Origin: e.Origin, From: e.At.Add(-track.Nearby), To: e.At.Add(track.Nearby)})
		}
	}
	for chunk := range slices.Chunk(around, 500) {
		more, err := c.DB.Neighbours(ctx, chunk, maxSeen)
		if err != nil {
			return nil, err
		}
		for _, e := range more {
			if !known[e.ID] {
				known[e.ID] = true
				requests = append(requests, e)
			}
		}
	}
	return requests, nil
}

func sharesOf(events []trail.Event) []trail.ShareID {
	all := map[trail.ShareID]bool{}
	for _, e := range events {
		if e.Share != "" {
			all[e.Share] = true
		}
	}
	return slices.Collect(maps.Keys(all))
}
