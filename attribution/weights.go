package attribution

import (
	"fmt"
	"strings"
)

// Model returns the model of a name, also one that runs compute only when it is
// asked for. A name that is not known is a trail.Invalid problem.
func (o Options) Model(name string) (Model, error) {
	found, err := o.choose([]string{name})
	if err != nil {
		return Model{}, err
	}
	return found[0], nil
}

// Weighs says in a few words by what a model divides a deal under these settings, to
// stand beside its name: "40 first, 40 last, 20 others".
func (o Options) Weighs(m Model) string {
	if n, err := o.normal(); err == nil {
		o = n
	}
	switch {
	case m.decay:
		return fmt.Sprintf("half for each %g days before the last touch", o.HalfLife.Hours()/24)
	case m.Driven && m.order > 1:
		return fmt.Sprintf("from all won and lost deals, by kinds of content, %d steps back", m.order)
	case m.Driven:
		return "from all won and lost deals"
	}
	w := m.rule
	var parts []string
	for _, p := range []struct {
		weight float64
		place  string
	}{{w.First, "first"}, {w.Lead, "lead"}, {w.Opportunity, "opportunity"}, {w.Last, "last"}, {w.Others, "others"}} {
		if p.weight > 0 {
			parts = append(parts, fmt.Sprintf("%g %s", p.weight, p.place))
		}
	}
	switch {
	case len(w.Kinds)+len(w.Contents) > 0:
	case len(parts) == 1 && w.Others > 0:
		return "all equal"
	case len(parts) == 1:
		return "all to the " + strings.Fields(parts[0])[1] + " touch"
	}
	text := strings.Join(parts, ", ")
	if len(w.Kinds)+len(w.Contents) > 0 {
		text += ", times factors of your own"
	}
	return text
}
