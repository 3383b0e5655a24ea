package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	// sharesPrefix begins the key of a bucket of links: a hash of the rest of a share to whose link it is. Millions of
	// small keys would take all of Redis's memory; in hashes this small, which Redis packs, a link takes a quarter.
	sharesPrefix = "dealtrail:shares:"
	// bucketed is how many characters of a share name its bucket: 32,768 buckets, of some hundred links each where
	// there are millions.
	bucketed = 3
	// recipientsPrefix begins the key of a set that says whose link a share is, where that does not fit into a bucket:
	// "c CONTACT DOMAIN" and "d DEAL".
	recipientsPrefix = "dealtrail:share:"
	// elsewhere stands in a bucket for such a set. fits is how many bytes of a value Redis packs.
	elsewhere = "+"
	fits      = 64
	// recipientsReady is there once the buckets hold all that the store knows.
	recipientsReady = "dealtrail:shares:ready:2"
)

// bucketOf returns where a link's people are: the key of its bucket, and its field.
func bucketOf(share trail.ShareID) (key, field string) {
	n := min(bucketed, len(share))
	return sharesPrefix + string(share[:n]), string(share[n:])
}

// recipients are the people whose link a share may be.
type recipients struct {
	contacts map[trail.ContactID]string // with the company's domain or ""
	deal     string
}

// account is the people's company, if they are all of one.
func (r recipients) account() string {
	companies := map[string]bool{}
	for _, a := range r.contacts {
		companies[a] = true
	}
	if len(companies) != 1 {
		return ""
	}
	return slices.Collect(maps.Keys(companies))[0]
}

// whose returns whose link a share may be.
func (c *Consents) whose(ctx context.Context, share trail.ShareID) (recipients, error) {
	r := recipients{contacts: map[trail.ContactID]string{}}
	if share == "" {
		return r, nil
	}
	ctx, cancel := context.WithTimeout(ctx, recipientsWait)
	defer cancel()
	key, field := bucketOf(share)
	packed, err := c.Redis.HGet(ctx, key, field).Result()
	var members []string
	if err == nil && packed != elsewhere {
		members = strings.Split(packed, "\n")
	} else if err == nil {
		members, err = c.Redis.SMembers(ctx, recipientsPrefix+string(share)).Result()
	}
	if ignoreNil(err) != nil {
		return r, fmt.Errorf("look up the people of a share: %w", err)
	}
	for _, m := range members {
		what, rest, _ := strings.Cut(m, " ")
		if what == "d" {
			r.deal = rest
			continue
		}
		contact, account, _ := strings.Cut(rest, " ")
		id := trail.ContactID(contact)
		if c.Tombstones.Has(id) {
			id = trail.NewErased()
		}
		if known := r.contacts[id]; known == "" {
			r.contacts[id] = account
		}
	}
	return r, nil
}

// recipientsOf returns what events say of whose links shares are, by share.
func recipientsOf(events []trail.Event) map[trail.ShareID][]any {
	sets := map[trail.ShareID][]any{}
	for i := range events {
		e := &events[i]
		if e.Share == "" || e.Kind != trail.Sent && e.Kind != trail.Shared {
			continue
		}
		key := e.Share
		if e.Contact != "" {
			sets[key] = append(sets[key], "c "+string(e.Contact)+" "+e.Account)
		}
		if e.Deal != "" {
			sets[key] = append(sets[key], "d "+e.Deal)
		}
	}
	return sets
}

// The scripts may run when Redis is out of memory: what they note is needed most
// when something is wrong, and is small.
var (

	// packScript adds lines to what a bucket (KEYS[1]) has of a share: ARGV are its field, how many bytes fit, and the
	// lines. It returns 1 if they are there now, and 0 if they do not fit: they go into a set of their own then, first.
	packScript = redis.NewScript(`#!lua flags=allow-oom
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old == '+' then return 0 end
local seen, lines = {}, {}
local function add(line)
  if line ~= '' and not seen[line] then
    seen[line] = true
    lines[#lines + 1] = line
  end
end
for line in string.gmatch(old or '', '[^\n]+') do add(line) end
local before = #lines
for i = 3, #ARGV do add(ARGV[i]) end
if old and #lines == before then return 1 end
local all = table.concat(lines, '\n')
if #all > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], all)
return 1`)
	recipientsScript = redis.NewScript(`#!lua flags=allow-oom
return redis.call('SADD', KEYS[1], unpack(ARGV))`)
	// spillScript says that a share's people are in a set of their own, and returns those that the bucket had.
	spillScript = redis.NewScript(`#!lua flags=allow-oom
local old = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], '+')
return old or ''`)
	choicesScript = redis.NewScript(`#!lua flags=allow-oom
return redis.call('INCR', KEYS[1])`)
	stopScript = redis.NewScript(`#!lua flags=allow-oom
return redis.call('ZADD', KEYS[1], unpack(ARGV))`)
)

// noteRecipients keeps whose links shares are. It is told of what is about to be
// loaded: who sees an event in a report may count on it. What cannot be noted is
// asked of the store again.
func noteRecipients(ctx context.Context, rdb redis.UniversalClient, events []trail.Event) error {
	sets := recipientsOf(events)
	if len(sets) == 0 {
		return nil
	}
	shares := slices.Sorted(maps.Keys(sets))
	answers := make([]*redis.Cmd, len(shares))
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, share := range shares {
			key, field := bucketOf(share)
			lines := sets[share]
			if len(lines) > 8 { // they will not fit
				continue
			}
			answers[i] = packScript.Eval(ctx, p, []string{key}, append([]any{field, fits}, lines...)...)
		}
		return nil
	})
	for i, share := range shares {
		fit := false
		if answers[i] != nil {
			n, failed := answers[i].Int()
			if failed != nil {
				err = errors.Join(err, failed)
				continue
			}
			fit = n == 1
		}
		if !fit {
			err = errors.Join(err, spill(ctx, rdb, share, sets[share]))
		}
	}
	if err != nil {
		err = errors.Join(err, rdb.Del(ctx, recipientsReady).Err())
	}
	return err
}

// spill keeps whose link a share is in a set of its own. The set is there before the
// bucket says so; what the bucket had is added right after.
func spill(ctx context.Context, rdb redis.UniversalClient, share trail.ShareID, lines []any) error {
	set := []string{recipientsPrefix + string(share)}
	key, field := bucketOf(share)
	old, err := rdb.HGet(ctx, key, field).Result()
	if ignoreNil(err) != nil {
		return err
	}
	add := func(packed string) {
		for line := range strings.SplitSeq(packed, "\n") {
			if line != "" && line != elsewhere {
				lines = append(lines, line)
			}
		}
	}
	lines = slices.Clone(lines)
	add(old)
	for chunk := range slices.Chunk(lines, 1000) {
		if err := recipientsScript.Run(ctx, rdb, set, chunk...).Err(); err != nil {
			return err
		}
	}
	late, err := spillScript.Run(ctx, rdb, []string{key}, field).Text()
	if err != nil || late == old || late == elsewhere || late == "" {
		return ignoreNil(err)
	}
	lines = lines[:0]
	add(late)
	return recipientsScript.Run(ctx, rdb, set, lines...).Err()
}

// noteChoices tells all nodes when somebody may have chosen something. It is told
// of what was loaded.
func noteChoices(ctx context.Context, rdb redis.UniversalClient, events []trail.Event) error {
	for i := range events {
		switch e := &events[i]; {
		case e.Kind == trail.Consented, e.Kind == trail.OptedOut, e.Kind == trail.ContactKind:
			return choicesScript.Run(ctx, rdb, []string{choicesKey}).Err()
		}
	}
	return nil
}

// fillRecipients gives Redis what the store knows, once: after an update, or
// when Redis has lost its data.
func (c *Consents) fillRecipients(ctx context.Context) error {
	if ready, err := c.Redis.Exists(ctx, recipientsReady).Result(); err != nil || ready == 1 {
		return err
	}
	if err := c.dropSets(ctx); err != nil {
		return err
	}
	rows, err := c.DB.Recipients(ctx)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(rows, 5000) {
		events := make([]trail.Event, len(chunk))
		for i, r := range chunk {
			events[i] = trail.Event{Kind: trail.Sent, Share: r.Share, Contact: r.Contact, Account: r.Account, Deal: r.Deal}
		}
		if err := noteRecipients(ctx, c.Redis, events); err != nil {
			return err
		}
	}
	return c.Redis.Set(ctx, recipientsReady, 1, 0).Err()
}

// dropSets removes the sets of before links were packed, when each had one, and before
// the buckets are filled: Redis has no room for both.
func (c *Consents) dropSets(ctx context.Context) error {
	return eachKey(ctx, c.Redis, recipientsPrefix+"*", func(key string) error {
		bucket, field := bucketOf(trail.ShareID(strings.TrimPrefix(key, recipientsPrefix)))
		if packed, err := c.Redis.HGet(ctx, bucket, field).Result(); ignoreNil(err) != nil || packed == elsewhere {
			return ignoreNil(err)
		}
		return c.Redis.Unlink(ctx, key).Err()
	})
}

func readChoices(path string) (*choices, error) {
	c := newChoices(-1)
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, c)
	}
	c.Version = -1 // whatever it says, the store knows better
	c.count()
	return c, err
}

func writeChoices(path string, c *choices) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return writeFile(path, data)
}
