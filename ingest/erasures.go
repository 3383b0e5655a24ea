package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// Report returns the report of an erasing by its tombstone, as far as it is by now.
func (x *Eraser) Report(ctx context.Context, stone string) (trail.Erasure, error) {
	e, err := x.noted(ctx, stone)
	if err == nil {
		return e.Report, nil
	}
	if !errors.Is(err, redis.Nil) {
		return trail.Erasure{}, err
	}
	signed, err := x.Signed(ctx, stone)
	if err != nil {
		return trail.Erasure{}, err
	}
	return signed.Open()
}

// Signed returns the signed report of a complete erasing.
func (x *Eraser) Signed(ctx context.Context, stone string) (s trail.SignedErasure, err error) {
	text, err := x.Redis.HGet(ctx, reportsKey, stone).Bytes()
	if errors.Is(err, redis.Nil) {
		return s, trail.Problemf(trail.NotFound, "There is no complete erasing %q.", stone)
	}
	if err != nil {
		return s, fmt.Errorf("read a report: %w", err)
	}
	return s, json.Unmarshal(text, &s)
}

// Reports returns all erasings, the newest first.
func (x *Eraser) Reports(ctx context.Context) ([]trail.Erasure, error) {
	all := []trail.Erasure{}
	under, err := x.Redis.HKeys(ctx, erasingKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read erasings: %w", err)
	}
	done, err := x.Redis.HKeys(ctx, reportsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read erasings: %w", err)
	}
	stones := append(under, done...)
	slices.Sort(stones)
	for _, stone := range slices.Compact(stones) {
		r, err := x.Report(ctx, stone)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b trail.Erasure) int {
		return cmp.Or(b.Asked.Compare(a.Asked), cmp.Compare(a.Tombstone, b.Tombstone))
	})
	return all, nil
}
