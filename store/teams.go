package store

import (
	"context"

	"dealtrail/trail"
)

// Teams returns in which teams reps are shown, of those who did something, as their
// deals name their teams. With it come the numbers of each, by address.
func (db *DB) Teams(ctx context.Context, f Filter) (trail.Teams, []trail.RepRow, error) {
	rows, err := db.Reps(ctx, f)
	if err != nil {
		return trail.Teams{}, nil, err
	}
	if f, err = f.complete(); err != nil {
		return trail.Teams{}, nil, err
	}
	team, err := db.teamOf(ctx, f)
	reps := make([]string, len(rows))
	for i, r := range rows {
		reps[i] = r.Rep
	}
	return trail.NewTeams(reps, team), rows, err
}
