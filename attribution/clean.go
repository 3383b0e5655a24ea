package attribution

import (
	"context"
	"slices"
	"time"

	"dealtrail/trail"
)

// orphanAge is how old the parts of a run must be that is neither complete nor
// under way to count as left behind: far longer than any run takes, and than
// clocks of two machines differ.
const orphanAge = 6 * time.Hour

// endOfTime is after all that can be stored: as of then, all that is known is.
var endOfTime = time.Date(2299, 12, 31, 0, 0, 0, 0, time.UTC)

// clean removes what runs left that failed or were killed, and the paths of those that
// were complete a moment before. Nobody reads it, so it does so seldom. Who calls holds
// the lock.
func (j *Job) clean(ctx context.Context, now time.Time) error {
	if now.Sub(j.cleaned).Abs() < orphanAge {
		return nil
	}
	orphans, err := j.texts(ctx, "orphans", args{"before": trail.NewID(now.Add(-orphanAge)).String(), "before_ms": now.Add(-orphanAge).UnixMilli(), "since": now.Add(-resumeWithin)})
	if err != nil {
		return err
	}
	for _, id := range orphans {
		if err := j.drop(ctx, id, append(slices.Clone(tablesOf), snapshotTables...)...); err != nil {
			return err
		}
	}
	paths, err := j.texts(ctx, "spent_paths")
	if err != nil {
		return err
	}
	for _, id := range paths {
		if err := j.drop(ctx, id, "run_paths"); err != nil {
			return err
		}
	}
	if len(orphans) > 0 {
		j.log().Info("removed what stopped runs left", "n", len(orphans))
	}
	j.cleaned = now
	return nil
}

// thin removes runs that nobody asked for and that newer ones replaced: of each
// level it keeps those of the last day, the last of each day for five weeks, the last
// of each week for ever, and those that a budget page is of.
func (j *Job) thin(ctx context.Context, now time.Time) error {
	replaced := func() ([]string, error) {
		return j.texts(ctx, "replaced", args{"day_ago": now.Add(-24 * time.Hour), "weeks_ago": now.Add(-35 * 24 * time.Hour), "as_of": endOfTime})
	}
	old, err := replaced()
	if err != nil || len(old) == 0 {
		return err
	}
	if err := j.settle(ctx); err != nil { // a budget page may have been accepted a moment ago
		return err
	}
	if old, err = replaced(); err != nil || len(old) == 0 {
		return err
	}
	if err := j.exec(ctx, "forget_runs", args{"runs": old}); err != nil {
		return err
	}
	for _, id := range old {
		if err := j.drop(ctx, id, tablesOf...); err != nil {
			return err
		}
	}
	j.log().Info("removed runs that newer ones replaced", "n", len(old))
	return nil
}

// texts runs sql/name.sql and returns its one column.
func (j *Job) texts(ctx context.Context, name string, given ...args) ([]string, error) {
	rows, err := j.rows(ctx, name, given...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
