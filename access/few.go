package access

import "dealtrail/trail"

// fewestShown is how many people a number is of at least, where it tells what they did and
// who asks may not see them by name. It is the number that keeps reps apart in teams.
const fewestShown = 5

// Response leaves out of how a list responded what would tell what single people did: who
// makes a list of one address knows whose clicks are counted. Who sees everybody by name
// sees all numbers.
func (v View) Response(r *trail.ListResponse) {
	if v.everyone() {
		return
	}
	tells := func(n *uint64, of uint64) bool { return n == nil || *n < fewestShown || *n == of }
	for i := range r.Rows {
		row := &r.Rows[i]
		few := tells(row.Engaged, row.Sent)
		if few || tells(row.CompEng, row.Compared) || tells(row.RestEng, row.Rest) {
			row.CompEng, row.RestEng, row.RestRate, row.Diff, row.DiffLow, row.DiffHigh = nil, nil, nil, nil, nil, nil
			switch row.Verdict {
			case "higher":
				row.Sentence = "The list responded more than comparable contacts."
			case "lower":
				row.Sentence = "The list responded less than comparable contacts."
			}
		}
		if few {
			row.Engaged, row.Clicked, row.Replied, row.Rate, row.Low, row.High, row.Verdict = nil, nil, nil, nil, nil, nil, "too_little"
			row.Sentence = "Fewer than five of them responded, or all did: who does not see people by name sees no numbers of so few."
			continue
		}
		for _, n := range []**uint64{&row.Clicked, &row.Replied} {
			if tells(*n, row.Sent) {
				*n = nil
			}
		}
	}
}

// ByAddress is a Problem if who asks sees people as job role and account alone. Whether an
// address is somebody's here is for them no answer, so they name people by their IDs.
func (v View) ByAddress() error {
	if v.All && !v.everyone() {
		return trail.Problemf(trail.Forbidden, "You see people as job role and account, and name them by the ID that lists have of them, not by address. An admin can grant you their names.")
	}
	return nil
}

// Warned returns what is to be said to who made a link of whom else sent the same to the
// people it is for: it tells who is known here. It is for who sees everybody by name, and for
// reps, who write to them.
func (a Asker) Warned(warnings []string) []string {
	if a.View.everyone() || (a.Roles | a.owner).Has(Rep|Manager) {
		return warnings
	}
	return nil
}

// Decision masks the lead that a decision is about, in the answer to who made it.
func (v View) Decision(d *trail.Decision) {
	switch {
	case d.Contact == "" || d.Address == "":
	case v.All && !v.everyone():
		d.Address, d.Title = "", ""
	default:
		v.seen.add(d.Address)
	}
}
