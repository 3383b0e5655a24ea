package trail

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// RepNames is how people see the numbers of reps other than themselves, a setting of
// the company.
type RepNames string

const (
	RepsAsTeams RepNames = "teams" // in teams of SmallestTeam or more
	RepsByName  RepNames = "names"
)

const (
	// SmallestTeam is how many reps a team has at least whose numbers are shown to others.
	SmallestTeam = 5
	// OtherTeams are the reps of smaller teams, and of none, together.
	OtherTeams = "Other teams"
)

// Viewer is who asks for numbers of reps: what that person may see of the others.
type Viewer struct {
	Rep   string // who asks, by address in lower case; empty: nobody who is a rep
	Names bool   // may see every rep by name
}

// Teams says which rep is shown as part of which team.
type Teams struct {
	of    map[string]string // the team that a rep is shown in; none: that team is too small
	sizes map[string]int
}

// NewTeams puts reps into teams by their own team's name, "" for none. Teams that are
// too small are OtherTeams together. While these are too few, the smallest other team
// joins them, since whoever subtracts the teams from the whole would know them
// otherwise; if they still are, they are shown to nobody.
func NewTeams(reps []string, team map[string]string) Teams {
	members := map[string][]string{}
	for _, rep := range reps {
		members[team[rep]] = append(members[team[rep]], rep)
	}
	t := Teams{map[string]string{}, map[string]int{}}
	var others, names []string
	for name, all := range members {
		if name == "" || len(all) < SmallestTeam {
			others = append(others, all...)
			continue
		}
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(members[a]), len(members[b])), cmp.Compare(a, b))
	})
	for len(names) > 0 && len(others) > 0 && len(others) < SmallestTeam {
		others, names = append(others, members[names[0]]...), names[1:]
	}
	for _, name := range names {
		t.put(name, members[name])
	}
	if len(others) >= SmallestTeam {
		t.put(OtherTeams, others)
	}
	return t
}

func (t Teams) put(name string, reps []string) {
	t.sizes[name] = len(reps)
	for _, rep := range reps {
		t.of[rep] = name
	}
}

// Names are the teams that may be shown, A to Z, OtherTeams last.
func (t Teams) Names() []string {
	return slices.SortedFunc(maps.Keys(t.sizes), func(a, b string) int {
		return cmp.Or(last(a)-last(b), strings.Compare(a, b))
	})
}

func last(team string) int {
	if team == OtherTeams {
		return 1
	}
	return 0
}

// Members are the reps who are shown as a team, A to Z.
func (t Teams) Members(team string) (reps []string) {
	for rep, name := range t.of {
		if name == team {
			reps = append(reps, rep)
		}
	}
	slices.Sort(reps)
	return reps
}

// Of is as what the viewer sees a rep: by address, as a team, or "" as nothing.
func (t Teams) Of(v Viewer, rep string) (name string, byName bool) {
	if v.Names || rep != "" && rep == v.Rep {
		return rep, true
	}
	return t.of[rep], false
}

// Rows are the numbers of reps as the viewer may see them: their own first, then by
// name. left is how many reps are in none of them, because they would be too few to
// hide among. Of people that several reps of a team reached each counts once a rep.
func (t Teams) Rows(v Viewer, rows []RepRow) (shown []RepRow, left int) {
	if v.Names {
		return rows, 0
	}
	sums := map[string]*RepRow{}
	for _, r := range rows {
		name, own := t.Of(v, r.Rep)
		if own {
			shown = append(shown, r)
		}
		team := t.of[r.Rep]
		if team == "" && name == "" {
			left++
		}
		if team == "" {
			continue
		}
		if sums[team] == nil {
			sums[team] = &RepRow{Team: team}
		}
		sums[team].add(r)
	}
	for _, name := range t.Names() {
		switch sum := sums[name]; {
		case sum == nil:
		case sum.Reps < SmallestTeam: // the others of the team did nothing: these would stand alone
			left += int(sum.Reps)
		default:
			shown = append(shown, *sum)
		}
	}
	return shown, left
}

func (r *RepRow) add(o RepRow) {
	r.Reps++
	r.Sent, r.Stale, r.Observable, r.Observed = r.Sent+o.Sent, r.Stale+o.Stale, r.Observable+o.Observable, r.Observed+o.Observed
	r.Content = max(r.Content, o.Content) // different pieces of one rep at most: the same piece is not another one
	r.Reached, r.Clicked, r.Replied, r.Won = r.Reached+o.Reached, r.Clicked+o.Clicked, r.Replied+o.Replied, r.Won+o.Won
}
