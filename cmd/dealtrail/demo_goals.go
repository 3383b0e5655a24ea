package main

import "dealtrail/trail"

// agreed is what sales and marketing of the made-up company want this quarter together;
// one target was changed on the way.
func (d *demo) agreed() (events []trail.Event, err error) {
	now, domain := d.company.Options.End, d.company.Options.Domain
	quarter, month := trail.PeriodOf(trail.Quarter, now, d.program.zone).Name, trail.PeriodOf(trail.Month, now, d.program.zone).Name
	said := map[string]*trail.Goal{}
	for _, a := range []struct {
		measure, period, target, note string
		days                          int // ago
	}{
		{"new_customers", quarter, "30", "", 50},
		{"won_amount", quarter, "900000", "", 50},
		{"leads_in_time", month, "80", "Half of them waited for two days in summer.", 20},
		{"requests_in_time", quarter, "90", "", 50},
		{"contents_used", month, "30", "", 20},
		{"new_customers", quarter, "24", "Two reps are on leave until December.", 12},
	} {
		g := trail.Goal{Measure: a.measure, Period: a.period, Target: a.target, Sales: d.company.Reps[0].Name, Marketing: d.company.Reps[1].Name, Note: a.note, By: "marketing@" + domain}
		e, g, err := g.Event(said[a.measure], 2, "ui", now.AddDate(0, 0, -a.days))
		if err != nil {
			return nil, err
		}
		said[a.measure] = &g
		events = append(events, e)
	}
	return events, nil
}
