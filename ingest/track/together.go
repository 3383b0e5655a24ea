package track

import (
	"slices"
	"time"

	"dealtrail/trail"
)

// Seen is one request among others.
type Seen struct {
	Kind trail.Kind
	At   time.Time
	trail.Evidence
	Circumstances // as far as known without the other requests

	Mail  string // the mail that it belongs to; "": not known
	Links int    // how many different links that mail has; 0: not known
	Link  string // which of them was asked for; "": not known
	For   string // the one person whose link it is: the same for all links of a person; "": not known, or several
	Trap  bool   // it is the link that no person sees
}

const (
	// Settled is how long after a request, or after its mail was found if that
	// was later, other requests can change what it is taken for.
	Settled = 15 * time.Minute

	// Nearby is how far apart requests of several mails from one place can be and
	// still tell of each other.
	Nearby = crowdWithin

	burstLinks, burstWithin  = 3, 5 * time.Second
	crowdPeople, crowdWithin = 3, 10 * time.Second
	mostLinks, mostWithin    = 3, 2 * time.Minute // links that a mail has at least for all of them to be evidence
	repeatWithin             = 10 * time.Second
)

// Together judges requests beside each other and returns their verdicts in the
// same order. It is a pure function: the order in which requests became known,
// and when, change nothing.
func Together(seen []Seen) []trail.Verdict {
	all := slices.Clone(seen)
	type group struct {
		mail, origin, device string
		signs                uint32
	}
	groups := map[group][]int{}
	for i, s := range all {
		join := func(g group) { groups[g] = append(groups[g], i) }
		if s.Origin != "" {
			join(group{origin: s.Origin})
		}
		if s.Origin != "" && s.Mail != "" {
			join(group{mail: s.Mail, origin: s.Origin})
		}
		if s.Device != "" && s.Mail != "" {
			// A scanner with many addresses asks with one program and the same headers.
			join(group{mail: s.Mail, device: s.Device, signs: s.Signs})
		}
	}
	repeats := map[int]bool{}
	for g, members := range groups {
		slices.SortFunc(members, func(a, b int) int { return all[a].At.Compare(all[b].At) })
		switch {
		case g.mail == "":
			within := windows(all, members, crowdWithin, crowdPeople, func(s Seen) string { return s.For })
			mark(within, func(i int) { all[i].Crowd = true })
			findRepeats(all, members, repeats)
		case g.origin == "":
			mark(windows(all, members, burstWithin, burstLinks, clickedLink), func(i int) { all[i].Burst = true })
		default:
			mark(windows(all, members, burstWithin, burstLinks, clickedLink), func(i int) { all[i].Burst = true })
			if links := all[members[0]].Links; links >= mostLinks {
				mark(windows(all, members, mostWithin, links, clickedLink), func(i int) { all[i].AllLinks = true })
			}
			trapAll(all, members)
		}
	}
	verdicts := make([]trail.Verdict, len(all))
	for i, s := range all {
		verdicts[i] = Judge(s.Kind, s.Evidence, s.Circumstances)
		if repeats[i] {
			verdicts[i].Rules = append(verdicts[i].Rules, duplicate)
		}
	}
	return verdicts
}

// duplicate is the rule that a program asked again at once. It does not change who asked.
const duplicate = "duplicate"

// clickedLink is what a burst counts: opens are fetched all together by everybody.
func clickedLink(s Seen) string {
	if s.Kind == trail.Opened {
		return ""
	}
	return s.Link
}

// windows returns the members, which are in order of time, that lie in some
// stretch of the given length in which at least so many different values occur.
// A member without a value counts for nothing.
func windows(all []Seen, members []int, length time.Duration, different int, value func(Seen) string) (found []int) {
	in := map[string]int{}
	from, marked := 0, 0
	for to, i := range members {
		if v := value(all[i]); v != "" {
			in[v]++
		}
		for all[i].At.Sub(all[members[from]].At) > length {
			if v := value(all[members[from]]); v != "" {
				if in[v]--; in[v] == 0 {
					delete(in, v)
				}
			}
			from++
		}
		if len(in) >= different {
			for marked = max(marked, from); marked <= to; marked++ {
				if value(all[members[marked]]) != "" {
					found = append(found, members[marked])
				}
			}
		}
	}
	return found
}

func mark(members []int, set func(i int)) {
	for _, i := range members {
		set(i)
	}
}

// trapAll marks what came from one address, of one mail, around a visit to the
// link that no person sees.
func trapAll(all []Seen, members []int) {
	for _, trap := range members {
		if !all[trap].Trap {
			continue
		}
		for _, i := range members {
			if d := all[i].At.Sub(all[trap].At); d.Abs() <= Settled {
				all[i].Trapped = true
			}
		}
	}
}

// findRepeats finds the requests that one program made again within seconds.
func findRepeats(all []Seen, members []int, repeats map[int]bool) {
	type what struct {
		kind               trail.Kind
		mail, link, device string
	}
	last := map[what]time.Time{}
	for _, i := range members {
		s := all[i]
		w := what{s.Kind, s.Mail, s.Link, s.Device}
		if at, ok := last[w]; ok && s.At.Sub(at) <= repeatWithin {
			repeats[i] = true
		}
		last[w] = s.At
	}
}
