package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Trouble is something that a job cannot do, told by status until it can.
type Trouble struct {
	What  string    `json:"-"` // of which there is one at most, such as "review files"
	Since time.Time `json:"since"`
	Text  string    `json:"text"` // whole sentences for whoever runs this, without secrets
}

// troublesKey is a hash: what cannot be done to a Trouble as JSON.
const troublesKey = "dealtrail:troubles"

// TellTrouble notes that something cannot be done. It keeps since when.
func TellTrouble(ctx context.Context, rdb redis.UniversalClient, what, text string, now time.Time) error {
	t := Trouble{Since: now.UTC().Truncate(time.Second)}
	before, err := rdb.HGet(ctx, troublesKey, what).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("note a trouble: %w", err)
	}
	if err == nil {
		_ = json.Unmarshal([]byte(before), &t) // unreadable: since now
	}
	t.Text = text
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := rdb.HSet(ctx, troublesKey, what, b).Err(); err != nil {
		return fmt.Errorf("note a trouble: %w", err)
	}
	return nil
}

// EndTrouble notes that it can be done.
func EndTrouble(ctx context.Context, rdb redis.UniversalClient, what ...string) error {
	if err := rdb.HDel(ctx, troublesKey, what...).Err(); err != nil {
		return fmt.Errorf("note the end of a trouble: %w", err)
	}
	return nil
}

// Troubles returns what cannot be done at the moment, the oldest first.
func Troubles(ctx context.Context, rdb redis.UniversalClient) (all []Trouble, err error) {
	fields, err := rdb.HGetAll(ctx, troublesKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read troubles: %w", err)
	}
	for what, text := range fields {
		t := Trouble{What: what}
		if json.Unmarshal([]byte(text), &t) == nil {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b Trouble) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.What, b.What)) })
	return all, nil
}
