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
	// recipientsPrefix begins the key of a set that says whose link a share is: "c CONTACT DOMAIN" and "d DEAL".
	recipientsPrefix = "dealtrail:share:"
	// sharesPrefix begins the key of a bucket of links.
	sharesPrefix = "dealtrail:shares:"
	// recipientsReady is there once the sets hold all that the store knows.
	recipientsReady = "dealtrail:shares:ready"
)

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
	members, err := c.Redis.SMembers(ctx, recipientsPrefix+string(share)).Result()
	if err != nil {
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

// recipientsOf returns what events say of whose links shares are, by key.
func recipientsOf(events []trail.Event) map[string][]any {
	sets := map[string][]any{}
	for i := range events {
		e := &events[i]
		if e.Share == "" || e.Kind != trail.Sent && e.Kind != trail.Shared {
			continue
		}
		key := recipientsPrefix + string(e.Share)
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
	recipientsScript = redis.NewScript(`#!lua flags=allow-oom
return redis.call('SADD', KEYS[1], unpack(ARGV))`)
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
	answers := make([]*redis.Cmd, 0, len(sets))
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for key, members := range sets {
			for chunk := range slices.Chunk(members, 1000) {
				answers = append(answers, recipientsScript.Eval(ctx, p, []string{key}, chunk...))
			}
		}
		return nil
	})
	for _, a := range answers {
		err = errors.Join(err, ignoreNil(a.Err()))
	}
	if err != nil {
		err = errors.Join(err, rdb.Del(ctx, recipientsReady).Err())
	}
	return err
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
