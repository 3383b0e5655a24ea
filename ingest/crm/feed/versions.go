package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// version is when each column of a deal last changed, in milliseconds since 1970, for a
// source that is never asked. stage, status, pipeline and contacts are columns here, and
// gone is when it was deleted or merged. So deliveries may come in any order: each column
// has its newest word.
type version map[string]int64

const goneColumn = "gone"

// newer returns what of a deal is news, and takes it down. What it entered is a fact and
// always stays. What was said before a deal was deleted is forgotten should it come back,
// whichever was heard first.
func (v version) newer(d Deal) Deal {
	at := int64(0)
	if !d.Modified.IsZero() {
		at = d.Modified.UnixMilli()
	}
	kept := Deal{ID: d.ID, Entered: d.Entered, Modified: d.Modified, Cells: map[string]string{}}
	if at < v[goneColumn] {
		return kept
	}
	if d.Gone || d.Into != "" {
		v[goneColumn] = at
		for column, t := range v {
			if column != goneColumn && t > at {
				v.forget(&kept)
				return kept
			}
		}
		kept.Gone, kept.Into = d.Gone, d.Into
		return kept
	}
	v.forget(&kept)
	news := func(column string) bool {
		if t, known := v[column]; known && at < t {
			return false
		}
		v[column] = at
		return true
	}
	for _, c := range sortedKeys(d.Cells) {
		if news(c) {
			kept.Cells[c] = d.Cells[c]
		}
	}
	if d.Stage != "" && news("stage") {
		kept.Stage, kept.Pipeline = d.Stage, d.Pipeline
	}
	if d.Status != "" && news("status") {
		kept.Status = d.Status
	}
	if d.Contacts != nil && news("contacts") {
		kept.Contacts = d.Contacts
	}
	return kept
}

// forget clears the columns that were last told before the deal was gone.
func (v version) forget(d *Deal) {
	for column, t := range v {
		if column != goneColumn && t < v[goneColumn] {
			d.Cells[column], v[column] = "", v[goneColumn]
		}
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range maps.Keys(m) {
		keys = append(keys, k)
	}
	return unique(keys)
}

func (f *Feeds) versions(ctx context.Context, s *Source, deals []Deal) (map[string]version, error) {
	var ids []string
	for _, d := range deals {
		ids = append(ids, d.ID)
	}
	ids = unique(ids)
	all := map[string]version{}
	if len(ids) == 0 {
		return all, nil
	}
	found, err := f.Redis.HMGet(ctx, s.key("versions"), ids...).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	for i, text := range found {
		if text, ok := text.(string); ok {
			v := version{}
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				return nil, fmt.Errorf("read when deal %s changed: %w", ids[i], err)
			}
			all[ids[i]] = v
		}
	}
	return all, nil
}

func (f *Feeds) keepVersions(ctx context.Context, s *Source, versions map[string]version) error {
	var pairs []any
	for id, v := range versions {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		pairs = append(pairs, id, text)
	}
	if len(pairs) == 0 {
		return nil
	}
	if err := f.Redis.HSet(ctx, s.key("versions"), pairs...).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// months is how far back closed deals are taken at first.
func (s *Source) closedAfter(now time.Time) time.Time {
	months := s.Months
	if months <= 0 {
		months = 24
	}
	return now.AddDate(0, -months, 0)
}
