package dashboards

import (
	"fmt"
	"slices"
	"strings"

	"dealtrail/store"
	"dealtrail/trail"
)

// met is how far somebody on a deal was reached: the strongest sign that there is.
type met struct {
	trail.ContactRow
	How    string // in words
	Missed bool   // no mail, no click, no answer
}

// peopleOf says of each contact of a deal how they were reached. What may be of several
// people is of none.
func peopleOf(d *trail.DealDetail, level trail.Level) []met {
	signs := map[trail.Kind]int{trail.Sent: 1, trail.Opened: 2, trail.Viewed: 3, trail.Clicked: 4, trail.Replied: 5}
	words := []string{"never reached", "was sent mail", "opened a mail", "viewed content", "clicked", "answered"}
	strongest := map[string]int{}
	for _, e := range d.Events {
		if len(e.Contacts) == 1 && !discounted(e, level) {
			strongest[e.Contacts[0]] = max(strongest[e.Contacts[0]], signs[e.Kind])
		}
	}
	var all []met
	for _, c := range d.Contacts {
		n := strongest[c.Address]
		all = append(all, met{c, words[n], n == 0})
	}
	slices.SortStableFunc(all, func(a, b met) int { return strongest[b.Address] - strongest[a.Address] })
	return all
}

// fewestSimilar is how many similar won deals it takes before they are held up as a model.
const fewestSimilar = 5

// similarDeals is what won deals like one had seen by its stage, and what it lacks.
type similarDeals struct {
	store.Similar
	Rows    []similarRow
	Missing []store.SimilarRole // roles on half of them and more, and on none of this deal's people
}

// Like says in words what the deals have in common.
func (s similarDeals) Like() string {
	if s.Segment != "" {
		return "in the segment " + s.Segment
	}
	return "of the size " + s.Size
}

// Few says why there is no comparison; "" if there is one.
func (s similarDeals) Few() string {
	switch {
	case s.Segment+s.Size == "":
		return "This deal has neither a segment nor an amount, so no deal is known to be like it."
	case s.Won < fewestSimilar:
		return fmt.Sprintf("%s %s: it takes %d to tell anything.", plural(s.Won, "won deal is", "won deals are"), s.Like(), fewestSimilar)
	}
	return ""
}

// similarRow is one content that similar deals had seen.
type similarRow struct {
	store.SimilarContent
	Of    int
	Width string // percent of the bar
	Here  bool   // somebody on this deal has seen it
}

// similarAtFirst is how many contents are named.
const similarAtFirst = 12

func newSimilar(found store.Similar, d *trail.DealDetail, level trail.Level) similarDeals {
	s := similarDeals{Similar: found}
	if s.Few() != "" {
		return s
	}
	here := map[string]bool{}
	for _, e := range d.Events {
		if slices.Contains([]trail.Kind{trail.Clicked, trail.Viewed, trail.Replied}, e.Kind) && !discounted(e, level) {
			here[e.Content] = true
		}
	}
	for _, c := range found.Seen[:min(len(found.Seen), similarAtFirst)] {
		s.Rows = append(s.Rows, similarRow{c, found.Won, pct(100 * float64(c.Deals) / float64(found.Won)), here[c.Content]})
	}
	roles := map[string]bool{}
	for _, c := range d.Contacts {
		roles[strings.ToLower(c.Role)] = true
	}
	for _, r := range found.Roles {
		if 2*int(r.Deals) >= found.Won && !roles[strings.ToLower(r.Role)] {
			s.Missing = append(s.Missing, r)
		}
	}
	return s
}
