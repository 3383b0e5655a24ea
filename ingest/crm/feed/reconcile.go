package feed

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// ledgerLine is what the CRM last said of a deal.
type ledgerLine struct {
	Pipeline string `json:"p,omitempty"`
	Status   string `json:"s"`
	Closed   string `json:"c,omitempty"` // RFC 3339 or a day
	Name     string `json:"n,omitempty"`
}

// statuses in the order in which they are listed.
var statuses = []string{"won", "lost", "open"}

// Reconcile compares what the CRM said when it was last asked with what is here: deals won
// and lost within the period, and all that are open. Zero times are open ends.
func (f *Feeds) Reconcile(ctx context.Context, name string, from, to time.Time) (*trail.Reconciliation, error) {
	s, err := f.source(name)
	if err != nil {
		return nil, err
	}
	if !s.Pulls() {
		return nil, trail.Problemf(trail.Invalid, "%s is not asked, so there is nothing to compare with: give it a token in the configuration.", name)
	}
	status, err := f.StatusOf(ctx, name)
	if err != nil {
		return nil, err
	}
	if status.FullAt.IsZero() {
		return nil, trail.Problemf(trail.Conflict, "%s has not been read in full yet, so there is nothing to compare with; look at its page for how far that is.", name)
	}
	r := &trail.Reconciliation{Source: name, From: from, To: to, AsOf: status.PulledAt, FullAt: status.FullAt, Rows: []trail.ReconciledDeal{}}
	m := newMeanings(status.Pipelines, nil)
	there, here, err := f.bothSides(ctx, s)
	if err != nil {
		return nil, err
	}
	counts := map[[2]string]*trail.ReconciledCount{}
	count := func(pipeline, status string) *trail.ReconciledCount {
		k := [2]string{pipeline, status}
		if counts[k] == nil {
			counts[k] = &trail.ReconciledCount{Pipeline: pipeline, Status: status}
		}
		return counts[k]
	}
	in := func(status, closed string) bool {
		at := text(closed).when()
		return status != "" && (status == "open" || (from.IsZero() || !at.Before(from)) && (to.IsZero() || at.Before(to)))
	}
	for id := range union(there, here) {
		crm, inCRM := there[id]
		ours := here[id]
		pipeline := cmp.Or(m.names[crm.Pipeline], crm.Pipeline)
		if !inCRM {
			pipeline = "(not in the CRM)"
		}
		if ours.Closed != "" && crm.Status == ours.Status {
			crm.Closed = ours.Closed // a day there is a moment here
		}
		a, b := in(crm.Status, crm.Closed), in(ours.Status, ours.Closed)
		if a {
			count(pipeline, crm.Status).CRM++
		}
		if b {
			count(pipeline, ours.Status).Here++
		}
		if (a || b) && (a != b || crm.Status != ours.Status) {
			r.Rows = append(r.Rows, trail.ReconciledDeal{
				ID: id, Name: cmp.Or(crm.Name, ours.Name), Pipeline: pipeline, CRM: crm.Status, Here: ours.Status, Reason: reason(inCRM, crm, ours),
			})
		}
	}
	for _, c := range counts {
		r.Counts = append(r.Counts, *c)
	}
	slices.SortFunc(r.Counts, func(a, b trail.ReconciledCount) int {
		return cmp.Or(strings.Compare(a.Pipeline, b.Pipeline), slices.Index(statuses, a.Status)-slices.Index(statuses, b.Status))
	})
	slices.SortFunc(r.Rows, func(a, b trail.ReconciledDeal) int {
		return cmp.Or(strings.Compare(a.Pipeline, b.Pipeline), strings.Compare(a.CRM, b.CRM), strings.Compare(a.ID, b.ID))
	})
	return r, nil
}

func reason(inCRM bool, crm, ours ledgerLine) string {
	switch {
	case !inCRM:
		return "It is here by the CRM's word, and the CRM does not have it any more or closed it before what was read."
	case ours.Status == "":
		return "It is not here: it was deleted, merged or retracted, or could not be taken."
	case crm.Status != ours.Status:
		return fmt.Sprintf("The CRM says %s, here it is %s: another source, such as a file, spoke of it later.", cmp.Or(crm.Status, "nothing"), ours.Status)
	}
	return "The two have it closed on different days."
}

// bothSides returns what the CRM said of deals and how they are here, by ID.
func (f *Feeds) bothSides(ctx context.Context, s *Source) (there, here map[string]ledgerLine, err error) {
	lines, err := f.Redis.HGetAll(ctx, s.key("deals")).Result()
	if err != nil {
		return nil, nil, unavailable(err)
	}
	there, here = map[string]ledgerLine{}, map[string]ledgerLine{}
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(lines)) {
		var line ledgerLine
		if err := json.Unmarshal([]byte(lines[id]), &line); err != nil {
			return nil, nil, fmt.Errorf("read what a CRM said of deal %s: %w", id, err)
		}
		there[id] = line
		ids = append(ids, id)
	}
	known, err := f.Importer.SubjectsOf(ctx, s.from(), trail.DealKind)
	if err != nil {
		return nil, nil, fmt.Errorf("look up deals: %w", err)
	}
	states, err := f.Importer.States(ctx, trail.DealKind, unique(append(ids, known...)))
	if err != nil {
		return nil, nil, fmt.Errorf("look up deals: %w", err)
	}
	for id, state := range states {
		if !state.Gone {
			here[id] = ledgerLine{Status: cmp.Or(state.Attrs["status"], "open"), Closed: state.Attrs["closed_at"], Name: state.Attrs["name"]}
		}
	}
	return there, here, nil
}

func union(a, b map[string]ledgerLine) map[string]bool {
	all := map[string]bool{}
	for id := range a {
		all[id] = true
	}
	for id := range b {
		all[id] = true
	}
	return all
}
