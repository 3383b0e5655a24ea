package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

const (
	oldFor = 90 * 24 * time.Hour // for so long an old version counts as still sent
	manyBy = 3                   // reps who must send something unregistered
)

// Sighted returns what reps send and nobody keeps up to date: older versions in
// the 90 days before now, near copies, and what is not registered. Of each kind
// what most reps send is first. What was dismissed is there and says so; what has
// been registered since is not.
func (db *DB) Sighted(ctx context.Context, now time.Time, f Filter) ([]trail.SightedRow, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	var old, seen []trail.SightedRow
	var targets []trail.Target
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		old, err = perLayout(asking, db, f, fmt.Sprint("old versions ", f.AsOf, now.Format(time.DateOnly)), func(ctx context.Context) ([]trail.SightedRow, error) {
			return query(ctx, db, "OldVersions", func(rows driver.Rows, r *trail.SightedRow) error {
				r.Found = trail.OldVersion
				return rows.Scan(&r.Content, &r.Mails, &r.Reps, when{&r.At})
			}, f.args(instant("since", now.Add(-oldFor)))...)
		})
		return err
	})
	g.Go(func() (err error) {
		seen, err = query(asking, db, "Sighted", func(rows driver.Rows, r *trail.SightedRow) error {
			var dismissed uint8
			err := rows.Scan(&r.What, &r.URL, &r.Name, &r.Size, &r.Content, &r.Reps, when{&r.At}, &dismissed)
			r.Dismissed = dismissed == 1
			return err
		}, f.args()...)
		return err
	})
	g.Go(func() (err error) { targets, err = db.Targets(asking); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := append(slices.Clone(old), unregistered(seen, targets)...)
	titles := map[string]string{}
	for _, t := range targets {
		titles[t.Content] = t.Title
	}
	for i := range all {
		all[i].Title = titles[all[i].Content]
	}
	slices.SortStableFunc(all, func(a, b trail.SightedRow) int {
		return cmp.Or(cmp.Compare(b.Reps, a.Reps), cmp.Compare(b.Mails, a.Mails), b.At.Compare(a.At), cmp.Compare(a.Content+a.URL+a.Name, b.Content+b.URL+b.Name), cmp.Compare(a.Size, b.Size))
	})
	return all, nil
}

// asMailed reports whether a file of a size may be what was mailed in so many
// bytes: base64 with its line ends makes 1.37 of one, and mail programs differ.
func asMailed(size int64, mailed uint64) bool {
	return math.Abs(float64(mailed)/1.37-float64(size)) <= 0.05*float64(size)
}

// unregistered returns what of the seen is nobody's content, now or before. A
// near copy of a content may bear the very name of its file and yet be another; it
// stays one until a file of its name and size is registered, it is dismissed, or
// its content is gone.
func unregistered(seen []trail.SightedRow, targets []trail.Target) (rows []trail.SightedRow) {
	urls, names, contents, sizes := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string][]int64{}
	for _, t := range targets {
		contents[t.Content] = true
		for _, f := range append([]trail.Former{{FileName: t.FileName, FileSize: t.FileSize}}, t.Former...) {
			name := strings.ToLower(f.FileName)
			sizes[name] = append(sizes[name], f.FileSize)
		}
		names[strings.ToLower(t.FileName)] = true
		for _, u := range append([]string{t.URL}, t.OtherURLs...) {
			urls[trail.NormalURL(u)] = true
		}
		for _, f := range t.Former {
			names[strings.ToLower(f.FileName)] = true
			urls[trail.NormalURL(f.URL)] = true
		}
	}
	for _, r := range seen {
		if !contents[r.Content] {
			r.Content = ""
		}
		switch {
		case r.Content != "" && slices.ContainsFunc(sizes[strings.ToLower(r.Name)], func(size int64) bool { return asMailed(size, r.Size) }):
			continue
		case r.Content != "":
			r.Found = trail.NearCopy
		case r.Reps < manyBy || r.What == "link" && urls[trail.NormalURL(r.URL)] || r.What == "file" && names[strings.ToLower(r.Name)]:
			continue
		default:
			r.Found = trail.Unregistered
		}
		rows = append(rows, r)
	}
	return rows
}
