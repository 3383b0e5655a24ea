package ingest

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	// linkKey and the hash of a link's token holds what is known of the link, until it expires. The token is kept nowhere.
	linkKey = "dealtrail:link:"
	// linkSeenKey and the hash holds when somebody last read by it.
	linkSeenKey = "dealtrail:link:seen:"
	// linksKey and a budget page's ID is the set of the hashes of its links.
	linksKey = "dealtrail:links:"

	// LinkDays is for how long a link works unless another time is asked for, MaxLinkDays for how long at most.
	LinkDays, MaxLinkDays = 90, 366
)

// Links are the ways to read a budget page without signing in.
type Links struct {
	Redis redis.UniversalClient
	Now   func() time.Time
}

// New makes a link to a budget page that works for so many days, LinkDays if that is
// zero, and returns its token, which nobody can find out again.
func (l *Links) New(ctx context.Context, budget trail.ID, by string, days int) (token string, link trail.Link, err error) {
	if days = cmp.Or(days, LinkDays); days < 1 || days > MaxLinkDays {
		return "", link, trail.Problemf(trail.Invalid, "A link works for 1 to %d days, not %d.", MaxLinkDays, days)
	}
	token = rand.Text() // 130 random bits
	hash := hashOf(token)
	now := l.Now().UTC().Truncate(time.Millisecond)
	link = trail.Link{ID: hash[:12], Budget: budget, By: by, MadeAt: now, ExpiresAt: now.AddDate(0, 0, days)}
	text, err := json.Marshal(link)
	if err != nil {
		return "", link, err
	}
	// Listed first: a link that works and is in no list could not be revoked.
	if err = l.Redis.SAdd(ctx, linksKey+budget.String(), hash).Err(); err == nil {
		err = l.Redis.SetArgs(ctx, linkKey+hash, text, redis.SetArgs{ExpireAt: link.ExpiresAt}).Err()
	}
	if err != nil {
		return "", link, fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "The link was not made, because Redis does not answer; try again in a moment."), err)
	}
	return token, link, nil
}

// Open returns the budget page of a link's token, and notes that somebody read it. ok
// is false if there is no such link, not any more, or not yet.
func (l *Links) Open(ctx context.Context, token string) (budget trail.ID, ok bool, err error) {
	hash := hashOf(token)
	text, err := l.Redis.Get(ctx, linkKey+hash).Result()
	if errors.Is(err, redis.Nil) {
		return budget, false, nil
	}
	if err != nil {
		return budget, false, fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "This cannot be shown at the moment; try again in a few seconds."), err)
	}
	var link trail.Link
	if err := json.Unmarshal([]byte(text), &link); err != nil {
		return budget, false, fmt.Errorf("read a link: %w", err)
	}
	now := l.Now()
	if !now.Before(link.ExpiresAt) { // by our clock, whatever that of Redis says
		return budget, false, nil
	}
	_ = l.Redis.SetArgs(ctx, linkSeenKey+hash, now.UTC().Format(time.RFC3339), redis.SetArgs{ExpireAt: link.ExpiresAt}).Err() // else it is a little older
	return link.Budget, true, nil
}

// Of returns the links to a budget page that work, the newest first.
func (l *Links) Of(ctx context.Context, budget trail.ID) ([]trail.Link, error) {
	hashes, err := l.Redis.SMembers(ctx, linksKey+budget.String()).Result()
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "Redis does not answer, so nothing is known of links; try again in a moment."), err)
	}
	links := []trail.Link{}
	for _, hash := range hashes {
		text, err := l.Redis.Get(ctx, linkKey+hash).Result()
		if errors.Is(err, redis.Nil) { // it expired
			if err := l.Redis.SRem(ctx, linksKey+budget.String(), hash).Err(); err != nil {
				return nil, err
			}
			continue
		}
		var link trail.Link
		if err == nil {
			err = json.Unmarshal([]byte(text), &link)
		}
		if err != nil {
			return nil, fmt.Errorf("read a link: %w", err)
		}
		if !l.Now().Before(link.ExpiresAt) {
			continue
		}
		if seen, err := l.Redis.Get(ctx, linkSeenKey+hash).Result(); err == nil {
			link.SeenAt, _ = time.Parse(time.RFC3339, seen)
		}
		links = append(links, link)
	}
	slices.SortFunc(links, func(a, b trail.Link) int { return cmp.Or(b.MadeAt.Compare(a.MadeAt), cmp.Compare(a.ID, b.ID)) })
	return links, nil
}

// Revoke ends a link to a budget page, by its ID in the list.
func (l *Links) Revoke(ctx context.Context, budget trail.ID, id string) error {
	hashes, err := l.Redis.SMembers(ctx, linksKey+budget.String()).Result()
	if err == nil {
		i := slices.IndexFunc(hashes, func(hash string) bool { return hash[:12] == id })
		if i < 0 {
			return trail.Problemf(trail.NotFound, "This page has no link %q; perhaps it has expired.", id)
		}
		if err = l.Redis.Del(ctx, linkKey+hashes[i]).Err(); err == nil {
			err = l.Redis.Del(ctx, linkSeenKey+hashes[i]).Err()
		}
		if err == nil {
			err = l.Redis.SRem(ctx, linksKey+budget.String(), hashes[i]).Err()
		}
	}
	if err != nil {
		return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "The link was not revoked, because Redis does not answer; try again in a moment."), err)
	}
	return nil
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
