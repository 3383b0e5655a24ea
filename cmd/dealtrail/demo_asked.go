package main

import (
	"slices"
	"time"

	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// asked is what the made-up company's reps asked marketing for: one request is late,
// one is new, one was answered and one declined.
func (d *demo) asked() (events []trail.Event, err error) {
	open := slices.DeleteFunc(slices.Clone(d.company.Deals), func(deal *synth.Deal) bool { return deal.Status != "open" })
	now := d.company.Options.End
	for _, a := range []struct {
		text, persona string
		days          int // ago
		answer        *trail.Answer
	}{
		{text: "Nothing for security reviews in banking: they ask where data lies and who can read it.", persona: "IT", days: 20},
		{text: "A price list with the terms for three years.", persona: "purchasing", days: 3},
		{text: "Something short for the plant manager, who does not read decks.", persona: "operations", days: 30, answer: &trail.Answer{Content: synth.Popular, Text: "The film does that in two minutes."}},
		{text: "A comparison with the vendor who left the market.", days: 25, answer: &trail.Answer{Declined: true, Text: "They are gone; nobody compares with them any more."}},
	} {
		at := now.AddDate(0, 0, -a.days)
		i := slices.IndexFunc(open, func(deal *synth.Deal) bool { return deal.Created.Before(at) })
		if i < 0 {
			continue
		}
		deal := open[i]
		open = slices.Delete(open, i, i+1)
		e, q, err := trail.Request{Rep: deal.Owner.Address, Text: a.text, Deal: deal.ID, Stage: deal.Stage, Persona: a.persona}.Event("ui", at)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
		if a.answer == nil {
			continue
		}
		a.answer.By = "marketing@" + d.company.Options.Domain
		if e, _, err = a.answer.Event(q, "ui", at.Add(4*24*time.Hour)); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}
