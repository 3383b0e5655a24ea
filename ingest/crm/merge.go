package crm

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"dealtrail/trail"
)

// circles returns the deals that were merged into each other, if into says where
// each went: no deal is left of them.
func circles(into map[string]string) map[string]bool {
	found := map[string]bool{}
	walk := map[string]int{} // which walk came by first
	n := 0
	for start := range into {
		n++
		at := start
		for ; at != "" && walk[at] == 0; at = into[at] {
			walk[at] = n
		}
		if at != "" && walk[at] == n {
			for ; !found[at]; at = into[at] {
				found[at] = true
			}
		}
	}
	return found
}

// seekSurvivors warns of deals that others were merged into and that are not
// there: what names the others counts for no deal then.
func (j *job) seekSurvivors(ctx context.Context, twins *twins) error {
	survivors := slices.Sorted(maps.Keys(twins.survivors))
	var gone, missing []string
	if j.replace != nil {
		gone = j.replace.subjects
	}
	for part := range slices.Chunk(survivors, chunk) {
		states, err := j.States(ctx, trail.DealKind, part)
		if err != nil {
			return fmt.Errorf("look up deals: %w", err)
		}
		for _, s := range part {
			state := states[s]
			_, retracted := slices.BinarySearch(gone, s)
			back := state.Into != "" && twins.into[state.Into] == s
			if state.Event.IsZero() || state.Gone && state.Into == "" || back || retracted {
				missing = append(missing, s)
			}
		}
	}
	if len(missing) > 0 {
		j.report.Warnings = append(j.report.Warnings, fmt.Sprintf("Deals were merged into deals that no list of deals has: %s.", list(missing)))
	}
	return nil
}
