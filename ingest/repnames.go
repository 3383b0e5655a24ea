package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// repNamesKey is a list of changes of company.rep_names as JSON, the newest first.
const repNamesKey = "dealtrail:rep-names"

// RepNames is how reps are shown, and since when: a change of the setting is kept in
// Redis and told to everyone, on the pages where it matters.
type RepNames struct {
	Redis redis.UniversalClient // nil: since when is not known
	Mode  trail.RepNames        // company.rep_names; empty: teams
	Now   func() time.Time

	mu    sync.Mutex
	since time.Time
}

// namesChange is one change of the setting.
type namesChange struct {
	Mode  trail.RepNames `json:"mode"`
	Since time.Time      `json:"since"`
}

// Since returns since when the setting is what it is, and keeps that it changed. Of
// processes that begin at once each keeps the same, at most some milliseconds apart.
func (n *RepNames) Since(ctx context.Context) (time.Time, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Redis == nil || !n.since.IsZero() {
		return n.since, nil
	}
	ctx, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	var last namesChange
	text, err := n.Redis.LIndex(ctx, repNamesKey, 0).Bytes()
	if err != nil && !errors.Is(err, redis.Nil) {
		return time.Time{}, err
	}
	if err == nil {
		if err := json.Unmarshal(text, &last); err != nil {
			return time.Time{}, fmt.Errorf("read since when reps are shown so: %w", err)
		}
	}
	if last.Mode != n.Mode {
		last = namesChange{n.Mode, n.Now().UTC().Truncate(time.Millisecond)}
		text, err := json.Marshal(last)
		if err == nil {
			err = n.Redis.LPush(ctx, repNamesKey, text).Err()
		}
		if err != nil {
			return time.Time{}, err
		}
	}
	n.since = last.Since
	return n.since, nil
}

// Viewer says what who asks may see of reps. rep is their address, or "" for who is
// none; roles that may see more are to be asked here.
func (n *RepNames) Viewer(rep string) trail.Viewer {
	return trail.Viewer{Rep: trail.NormalAddress(rep), Names: n != nil && n.Mode == trail.RepsByName}
}
