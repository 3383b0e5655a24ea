package feed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// acceptScript puts a delivery into the inbox, unless it was there before. KEYS are
// inbox, the delivery's name and status; ARGV are the hash of the body, the body, the time
// in milliseconds, how long a name is remembered, and how many deliveries and bytes may
// wait. It returns 0 for a delivery that came again, 1 for a new one, 2 for one whose name
// another body had, and 3 if there is no room.
var acceptScript = redis.NewScript(`
local was = redis.call('GET', KEYS[2])
if was == ARGV[1] then return 0 end
local n = redis.call('XLEN', KEYS[1])
if n == 0 then redis.call('HSET', KEYS[3], 'bytes', 0) end
local bytes = tonumber(redis.call('HGET', KEYS[3], 'bytes') or '0')
if n >= tonumber(ARGV[5]) or bytes + #ARGV[2] > tonumber(ARGV[6]) then return 3 end
redis.call('XADD', KEYS[1], '*', 'body', ARGV[2], 'at', ARGV[3], 'again', was and '1' or '')
if not was then redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[4]) end
redis.call('HSET', KEYS[3], 'delivered_at', ARGV[3])
redis.call('HINCRBY', KEYS[3], 'bytes', #ARGV[2])
redis.call('HINCRBY', KEYS[3], 'accepted', 1)
return was and 2 or 1`)

// againScript moves a delivery that was not understood into the inbox, under the same
// bounds as one that comes. KEYS are inbox, aside and status; ARGV are its ID, and how many
// deliveries and bytes may wait. It returns 0 if it is gone, 1, or 3 if there is no room.
var againScript = redis.NewScript(`
local found = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])
if #found == 0 then return 0 end
local x = {}
for i = 1, #found[1][2], 2 do x[found[1][2][i]] = found[1][2][i + 1] end
local n = redis.call('XLEN', KEYS[1])
if n == 0 then redis.call('HSET', KEYS[3], 'bytes', 0) end
local bytes = tonumber(redis.call('HGET', KEYS[3], 'bytes') or '0')
if n >= tonumber(ARGV[2]) or bytes + #x.body > tonumber(ARGV[3]) then return 3 end
redis.call('XADD', KEYS[1], '*', 'body', x.body, 'at', x.at, 'again', '')
redis.call('XDEL', KEYS[2], ARGV[1])
redis.call('HINCRBY', KEYS[3], 'bytes', #x.body)
return 1`)

// sessions are what Salesforce may send although it is asked not to: who has one can act
// as its user.
var sessions = regexp.MustCompile(`(?s)(<[^<>/]*SessionId[^<>]*>)[^<]*<`)

// Receive verifies a delivery to a source and accepts it: nil means that it is durable.
// A *trail.Problem Unauthorized says that it is not the CRM's, Unavailable that the CRM
// should try again.
func (f *Feeds) Receive(ctx context.Context, name string, d Delivery) error {
	s, err := f.source(name)
	if err != nil || s.Secrets == nil {
		return trail.Problemf(trail.NotFound, "Nothing is delivered here: no CRM of this name is set up to.")
	}
	secrets, err := s.Secrets()
	if err != nil {
		f.Log.Error("a CRM's secret cannot be read", "crm", name, "err", err)
		return trail.Problemf(trail.Unavailable, "The secret of this CRM cannot be read; the log of dealtrail says why.")
	}
	now := f.now()
	if err := s.vendor().verify(d, secrets, now); err != nil {
		f.tellRefused(name, err.Error(), len(d.Body), now)
		if err := f.refused(ctx, s, now); err != nil && ctx.Err() == nil {
			f.Log.Debug("a refused delivery is not counted", "err", err)
		}
		return trail.Problemf(trail.Unauthorized, "This delivery is not proven to come from the CRM; see that secret and address are the same on both sides.")
	}
	body := d.Body
	if s.Kind == Salesforce {
		body = sessions.ReplaceAll(body, []byte("$1<"))
	}
	hash := sha256.Sum256(d.Body)
	known := hash
	if id := s.vendor().name(d); id != "" {
		known = sha256.Sum256([]byte("name\x00" + id))
	}
	keys := []string{s.key("inbox"), s.key("seen:" + hex.EncodeToString(known[:16])), s.key("status")}
	became, err := acceptScript.Run(ctx, f.Redis, keys, hex.EncodeToString(hash[:16]), body, ms(now), seenLife.Milliseconds(), inboxSize, inboxBytes).Int()
	switch {
	case err != nil:
		return unavailable(fmt.Errorf("accept a delivery of %s: %w", name, err))
	case became == 3:
		f.Log.Warn("a delivery was refused since too many wait", "crm", name, "bytes", len(d.Body))
		return trail.Problemf(trail.Unavailable, "Too many deliveries wait to be read; try again later.")
	case became == 0:
		f.Log.Info("a delivery came again and changes nothing", "crm", name, "bytes", len(d.Body))
	}
	f.nudge(name)
	return nil
}

// tellRefused logs a refused delivery, or later how many more there were.
func (f *Feeds) tellRefused(name, reason string, bytes int, now time.Time) {
	more := func(name string, n int, since time.Time) {
		f.Log.Warn("more deliveries were refused", "crm", name, "n", n, "since", since)
	}
	if f.refusals.Add(name, now, more) {
		f.Log.Warn("a delivery is not the CRM's and was refused", "crm", name, "reason", reason, "bytes", bytes)
	}
}

func (f *Feeds) refused(ctx context.Context, s *Source, now time.Time) error {
	_, err := f.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, s.key("status"), "refused_at", ms(now))
		p.HIncrBy(ctx, s.key("status"), "refused", 1)
		return nil
	})
	return err
}

// entry is a delivery of the inbox.
type entry struct {
	id    string
	body  []byte
	at    time.Time
	again bool // its name was another delivery's
}

func (f *Feeds) waiting(ctx context.Context, s *Source) ([]entry, error) {
	found, err := f.Redis.XRangeN(ctx, s.key("inbox"), "-", "+", atOnce).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	entries := make([]entry, len(found))
	for i, x := range found {
		body, _ := x.Values["body"].(string)
		at, _ := x.Values["at"].(string)
		n, _ := strconv.ParseInt(at, 10, 64) // ours
		entries[i] = entry{x.ID, []byte(body), time.UnixMilli(n).UTC(), x.Values["again"] == "1"}
	}
	return entries, nil
}

// done takes deliveries out of the inbox.
func (f *Feeds) done(ctx context.Context, s *Source, entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	ids, bytes := make([]string, len(entries)), 0
	for i, e := range entries {
		ids[i] = e.id
		bytes += len(e.body)
	}
	_, err := f.Redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.XDel(ctx, s.key("inbox"), ids...)
		p.HIncrBy(ctx, s.key("status"), "bytes", -int64(bytes))
		return nil
	})
	return err
}

// setAside moves a delivery from the inbox to those that were not understood. There are
// few of them, and they do not stay: they name people.
func (f *Feeds) setAside(ctx context.Context, s *Source, e entry, reason string) error {
	f.Log.Warn("a delivery was not understood and was set aside", "crm", s.Name, "reason", reason, "bytes", len(e.body))
	oldest := strconv.FormatInt(f.now().Add(-asideLife).UnixMilli(), 10)
	_, err := f.Redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.XAdd(ctx, &redis.XAddArgs{Stream: s.key("aside"), MaxLen: asideSize, Values: []any{"body", e.body, "at", ms(e.at), "reason", reason}})
		p.XTrimMinID(ctx, s.key("aside"), oldest)
		p.Expire(ctx, s.key("aside"), asideLife) // when no other comes
		p.XDel(ctx, s.key("inbox"), e.id)
		p.HIncrBy(ctx, s.key("status"), "bytes", -int64(len(e.body)))
		return nil
	})
	return err
}

// sweep removes, once an hour, what was set aside too long ago: another may never come
// and push it out.
func (f *Feeds) sweep(ctx context.Context, s *Source) error {
	now := f.now()
	if last, ok := f.swept.Load(s.Name); ok && now.Sub(last.(time.Time)) < time.Hour {
		return nil
	}
	if err := f.Redis.XTrimMinID(ctx, s.key("aside"), ms(now.Add(-asideLife))).Err(); err != nil {
		return unavailable(err)
	}
	f.swept.Store(s.Name, now)
	return nil
}

// Aside returns the deliveries that were not understood, the newest first.
func (f *Feeds) Aside(ctx context.Context, name string) ([]trail.CRMAside, error) {
	s, err := f.source(name)
	if err != nil {
		return nil, err
	}
	found, err := f.Redis.XRevRangeN(ctx, s.key("aside"), "+", "-", asideSize).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	rows := []trail.CRMAside{}
	for _, x := range found {
		text := func(k string) string { v, _ := x.Values[k].(string); return v }
		n, _ := strconv.ParseInt(text("at"), 10, 64) // ours
		rows = append(rows, trail.CRMAside{ID: x.ID, At: time.UnixMilli(n).UTC(), Reason: text("reason"), Body: text("body")})
	}
	return rows, nil
}

// Again puts the deliveries that were not understood into the inbox once more, after an
// update that may understand them, and returns how many.
func (f *Feeds) Again(ctx context.Context, name string) (int, error) {
	s, err := f.source(name)
	if err != nil {
		return 0, err
	}
	found, err := f.Redis.XRangeN(ctx, s.key("aside"), "-", "+", asideSize).Result()
	if err != nil {
		return 0, unavailable(err)
	}
	n := 0
	for _, x := range found {
		became, err := againScript.Run(ctx, f.Redis, []string{s.key("inbox"), s.key("aside"), s.key("status")}, x.ID, inboxSize, inboxBytes).Int()
		if err != nil {
			return n, unavailable(err)
		}
		if became == 3 {
			f.nudge(name)
			return n, trail.Problemf(trail.Unavailable, "Too many deliveries wait to be read, so that %d of %d stay where they are; try again later.", len(found)-n, len(found))
		}
		n += became
	}
	f.nudge(name)
	return n, nil
}

// Forget removes by what IDs CRMs know a contact, and returns how many those were. It is a
// part of an erasing; text of theirs in deliveries is not its.
func (f *Feeds) Forget(ctx context.Context, contact trail.ContactID) (removed int, err error) {
	for _, s := range f.Sources {
		people, err := f.Redis.HGetAll(ctx, s.key("people")).Result()
		if err != nil {
			return removed, unavailable(err)
		}
		for id, c := range people {
			if c == string(contact) {
				if err := f.Redis.HDel(ctx, s.key("people"), id).Err(); err != nil {
					return removed, unavailable(err)
				}
				removed++
			}
		}
	}
	return removed, nil
}
