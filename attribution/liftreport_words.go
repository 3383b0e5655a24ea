package attribution

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dealtrail/trail"
)

// visible is the warning while the placebo's banner is up.
const visible = "Selection is visible in this data: content seems to have changed how fast deals went before anybody saw it, which it cannot have. " +
	"So the deals that saw it were different from the start, and the numbers here may be theirs, not the content's. Believe none of them as it stands; a holdout can tell."

// formula is how a lift comes from its table.
const formula = "In each row the share of those that had seen it less the share of those that had not is a difference; the lift is their mean, " +
	"each weighted by (seen × not seen) / (seen + not seen), as Mantel and Haenszel do; rows without anybody to compare with weigh nothing."

// sentence says a row's verdict, and with too little data when there may be enough.
func (r *liftReading) sentence(row trail.LiftRow) string {
	if row.MoreDeals > 0 {
		return "Too little data: " + moreDeals(row) + "."
	}
	text := row.Text
	if r.question.Outcome == "won" {
		text = strings.Replace(text, "advanced", "were won", 1)
	}
	if r.banner { // then a difference is evidence of how deals were chosen, if of anything
		text = strings.Replace(text, "Enough evidence "+row.Verdict, "More than chance makes, but selection is visible", 1)
	}
	return text
}

// moreDeals says what is missing, within a sentence.
func moreDeals(row trail.LiftRow) string {
	s := fmt.Sprintf("about %d more closed deals", row.MoreDeals)
	if row.MoreDeals == 1 {
		s = "about 1 more closed deal"
	}
	if !row.Expected.IsZero() {
		s += row.Expected.Format(", January 2006") + " at this pace"
	}
	return s
}

// leading says what the data can bear. "Move" is said of a lift only, and not
// while selection is visible.
func (r *liftReading) leading(rows []trail.LiftRow) string {
	if said := cmp.Or(r.reason, r.unknown); said != "" {
		return said
	}
	n := map[string]int{}
	var soonest trail.LiftRow
	for _, row := range rows {
		n[row.Verdict]++
		if soonest.MoreDeals == 0 || row.MoreDeals > 0 && row.MoreDeals < soonest.MoreDeals {
			soonest = row
		}
	}
	few, measured := n[trail.TooLittle], len(rows)-n[trail.TooLittle]
	all := many(len(rows), "content", "contents")
	goal := ""
	if r.question.Outcome == "won" {
		goal = " to a win"
	}
	switch {
	case len(rows) == 0 && r.question.restricted():
		return "No deal of this selection had seen any of these contents by the landmark."
	case len(rows) == 0:
		return "No deal had seen any content by the landmark yet, so there is nothing to compare."
	case measured == 0:
		s := fmt.Sprintf("Not enough deals yet to say of any of %s whether %s deals%s", all, verb(len(rows), "it moves", "they move"), goal)
		if soonest.MoreDeals > 0 {
			s += "; the first can be told after " + moreDeals(soonest)
		}
		return s + ". Until then this data can bear which content was part of won deals."
	}
	return r.measured(n, all, goal) + need(few) + "."
}

// measured is leading where some contents have a number.
func (r *liftReading) measured(n map[string]int, all, goal string) string {
	up, down := n[trail.For], n[trail.Against]
	switch {
	case r.banner && up+down > 0:
		did := "advance"
		if goal != "" {
			did = "are won"
		}
		return fmt.Sprintf("Of %s, %d %s with deals that %s more often and %d with deals that %s less often; since selection is visible in this data, whether %s the cause cannot be told",
			all, up, verb(up, "goes", "go"), did, down, did, verb(up+down, "it is", "they are"))
	case up+down == 0 && r.banner:
		return fmt.Sprintf("None of %s goes with a difference that chance does not make; %d could be compared", all, n[trail.NoEffect])
	case up+down == 0:
		return fmt.Sprintf("None of %s has enough evidence that it moves deals%s; %d could be compared and %s none", all, goal, n[trail.NoEffect], verb(n[trail.NoEffect], "shows", "show"))
	}
	s := fmt.Sprintf("%d of %s %s enough evidence that %s deals%s", up, all, verb(up, "has", "have"), verb(up, "it moves", "they move"), goal)
	if up == 0 {
		s = fmt.Sprintf("None of %s has enough evidence that it moves deals%s", all, goal)
	}
	if down > 0 {
		s += fmt.Sprintf("; %d %s enough that %s deals back", down, verb(down, "has", "have"), verb(down, "it holds", "they hold"))
	}
	return s
}

func need(few int) string {
	if few == 0 {
		return ""
	}
	return fmt.Sprintf("; %d %s more deals", few, verb(few, "needs", "need"))
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func many(n int, one, more string) string { return fmt.Sprintf("%d %s", n, verb(n, one, more)) }

// filters are the parts of a question that restrict, with their words.
func (q LiftQuestion) filters() []filterWords {
	return []filterWords{
		{"stage", "in the stage", q.Stage},
		{"segment", "of the segment", q.Segment},
		{"size", "of the size", q.Size},
		{"owner", "owned by", q.Owner},
		{"team", "of the team", q.Team},
		{"source", "from the source", q.Source},
		{"kind", "of the kind", q.Kind},
		{"persona", "for the persona", q.Persona},
	}
}

type filterWords struct{ name, words, value string }

// words says what a question is restricted to.
func (q LiftQuestion) words() []string {
	all := []string{}
	for _, f := range q.filters() {
		if f.value != "" {
			all = append(all, cmp.Or(map[string]string{"kind": "contents ", "persona": "contents "}[f.name], "deals ")+f.words+" "+f.value)
		}
	}
	return all
}

// whyNot says why a content has no row.
func (r *liftReading) whyNot(c knownContent) string {
	if !r.question.inFamily(c) {
		return "It is not among the contents that are compared here."
	}
	return cmp.Or(r.reason, r.unknown, "Too little data: no deal of this selection had seen it by the landmark.")
}

func (q LiftQuestion) restricted() bool { return q.ofSome() || q.Kind+q.Persona != "" }

// chooseContents sets what kinds and personas there are.
func (r *liftReading) chooseContents() {
	var kinds, personas []string
	for _, c := range r.contents {
		if c.kind != "" {
			kinds = append(kinds, c.kind)
		}
		if c.persona != "" {
			personas = append(personas, c.persona)
		}
	}
	slices.Sort(kinds)
	slices.Sort(personas)
	r.choices.Kind, r.choices.Persona = append([]string{}, slices.Compact(kinds)...), append([]string{}, slices.Compact(personas)...)
}

// notThere says that no deal or content has a value that was asked for, and what
// there is.
func (r *liftReading) notThere() string {
	q, c := r.question, r.choices
	for _, f := range q.filters() {
		there := map[string][]string{
			"stage": c.Stage, "segment": c.Segment, "size": c.Size, "owner": c.Owner, "team": c.Team, "source": c.Source, "kind": c.Kind, "persona": c.Persona,
		}[f.name]
		if f.value == "" || slices.ContainsFunc(there, func(v string) bool { return v == f.value || f.name == "owner" && strings.EqualFold(v, f.value) }) {
			continue
		}
		what := "No deal that is compared here is "
		if f.name == "kind" || f.name == "persona" {
			what = "No content is "
		}
		return fmt.Sprintf("%s%s %q; %s.", what, f.words, f.value, someOf("there are", there))
	}
	if q.Content != "" {
		if _, ok := r.content(q.Content); !ok {
			return fmt.Sprintf("There is no content %q.", q.Content)
		}
	}
	return ""
}
