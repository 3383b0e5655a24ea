package dashboards

import "dealtrail/trail"

// judged says in words whose requests a verdict stands for.
func judged(verdict trail.Agent) string {
	switch verdict {
	case trail.Human:
		return "A person"
	case trail.Proxy:
		return "The mail provider, for a person"
	case trail.Scanner:
		return "A machine"
	case trail.Self:
		return "Our own rep"
	case trail.Unknown:
		return "Cannot be told"
	}
	return "No request: a receipt, or history from a file"
}

// machineShares are the shares of machines, in the order of the table's columns.
func machineShares(h *trail.Health) (all []choice) {
	for _, column := range []struct {
		label string
		of    func(trail.Traffic) uint64
	}{
		{"Clicks, 7 days", func(t trail.Traffic) uint64 { return t.Clicks7 }},
		{"Opens, 7 days", func(t trail.Traffic) uint64 { return t.Opens7 }},
		{"Clicks, 30 days", func(t trail.Traffic) uint64 { return t.Clicks30 }},
		{"Opens, 30 days", func(t trail.Traffic) uint64 { return t.Opens30 }},
	} {
		n, of := h.Share(column.of)
		all = append(all, choice{Value: outOf(n, of), Label: column.label})
	}
	return all
}
