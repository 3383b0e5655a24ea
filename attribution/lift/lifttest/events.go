package lifttest

import (
	"fmt"
	"time"

	"dealtrail/trail"
)

const week = 7 * 24 * time.Hour

// Events returns the history of deals that ends at a time, as a CRM and the tracker
// tell it: each deal with one contact, the stages that it entered, and a click at some
// time of each week in which a content was first seen.
func (w World) Events(deals []Deal, end time.Time) []trail.Event {
	start := end.Add(-Weeks * week)
	var all []trail.Event
	for i, d := range deals {
		id, contact := fmt.Sprintf("D%05d", i), fmt.Sprintf("c%d", i)
		at := func(weeks int) time.Time { return start.Add(time.Duration(weeks) * week) }
		add := func(e trail.Event, key ...string) {
			e.ID, e.Source, e.ReceivedAt = trail.IDFrom(e.At, "csv", append(key, id)...), "csv", e.At
			all = append(all, e)
		}
		attrs := map[string]string{
			"status": "open", "amount": fmt.Sprint(1000 + 37*i%9000), "currency": "EUR", "segment": SegmentNames[d.Segment],
			"created_at": start.Format(time.RFC3339), "contacts": contact,
		}
		if won := d.Stage == Stages; won || d.Lost {
			attrs["status"], attrs["closed_at"] = "lost", at(d.End).Format(time.RFC3339)
			if won {
				attrs["status"] = "won"
			}
		}
		add(trail.Event{Kind: trail.DealKind, At: at(d.End), Deal: id, Attrs: attrs}, "deal")
		for s := range min(d.Stage+1, Stages) {
			add(trail.Event{Kind: trail.Staged, At: at(d.Enter[s]), Deal: id, Stage: StageNames[s]}, "staged", StageNames[s])
		}
		for k, seen := range d.Seen {
			if seen == Never {
				continue
			}
			minute := time.Duration((i*7919+k*104729)%(7*24*60)) * time.Minute // 0 is the week's first instant, which is within it
			add(trail.Event{
				Kind: trail.Clicked, At: at(int(seen)).Add(minute), Contact: trail.ContactID(contact), Content: w.Contents[k].ID,
				Verdict: trail.Verdict{Agent: trail.Human, Probability: 0.95},
			}, "clicked", w.Contents[k].ID)
		}
	}
	return all
}
