package store

import (
	"context"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// maxVersions is how many versions of a content are told, the newest.
const maxVersions = 50

// versions returns what a content was, the newest first. A registration that changes
// neither version nor file nor where it leads is no version of its own. What was sent
// before the first was registered counts with it.
func (db *DB) versions(ctx context.Context, f Filter, id trail.ContentID) ([]trail.ContentVersion, error) {
	type state struct {
		trail.ContentVersion
		file string
	}
	states, err := query(ctx, db, "ContentStates", func(rows driver.Rows, s *state) error {
		return rows.Scan(when{&s.Since}, &s.Version, &s.URL, &s.FileName, &s.file)
	}, f.args(clickhouse.Named("content", id))...)
	if err != nil {
		return nil, err
	}
	states = slices.CompactFunc(states, func(a, b state) bool {
		return a.Version == b.Version && a.URL == b.URL && a.file == b.file
	})
	states = states[max(len(states)-maxVersions, 0):]
	versions, starts := make([]trail.ContentVersion, len(states)), make([]string, len(states))
	for i, s := range states {
		versions[i], starts[i] = s.ContentVersion, moment(s.Since).Format("2006-01-02 15:04:05.000")
	}
	if len(versions) == 0 {
		return versions, nil
	}
	_, err = query(ctx, db, "VersionSends", func(rows driver.Rows, n *uint8) error {
		var sent, stale uint64
		err := rows.Scan(n, &sent, &stale)
		v := &versions[max(int(*n), 1)-1]
		v.Sent, v.Stale = v.Sent+sent, v.Stale+stale
		return err
	}, f.args(clickhouse.Named("content", id), clickhouse.Named("starts", starts))...)
	slices.Reverse(versions)
	return versions, err
}
