package attribution_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"dealtrail/attribution"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// The oracle follows each deal through its weeks in plain Go and counts what it finds. It shares nothing with the SQL.

// past is a deal as it went, in weeks.
type past struct {
	id, status       string
	closed, created  float64 // 0: not known
	attrs            map[string]string
	stages, contents []dated
}

// dated is when something happened.
type dated struct {
	what string // a stage or content
	week float64
	how  string // as in history
}

// words says a past as history reads it.
func (p past) words() string {
	s := p.status
	if p.closed != 0 {
		s += fmt.Sprintf("@%v", p.closed)
	}
	if p.created != 0 {
		s += fmt.Sprintf(" created@%v", p.created)
	}
	for name, value := range p.attrs {
		s += fmt.Sprintf(" %s=%s", name, value)
	}
	for _, m := range append(slices.Clone(p.stages), p.contents...) {
		s += fmt.Sprintf(" %s@%v", m.what, m.week)
		if m.how != "" {
			s += "/" + m.how
		}
	}
	return s
}

// messy makes up what CRMs tell of n deals: stages skipped, entered again and left
// backwards, days without times, closings without days.
func messy(n int, rng *rand.Rand) []past {
	stages := []string{"Qualified", "Demo", "Proposal", "Negotiation"}
	half := func(from, to float64) float64 { return float64(int(2*(from+rng.Float64()*(to-from)))) / 2 } // many at one time
	pasts := make([]past, n)
	for i := range pasts {
		p := past{id: fmt.Sprintf("D%04d", i), status: "open", attrs: map[string]string{"owner": fmt.Sprintf("rep%d@us.example", i%3), "segment": []string{"small", "large", ""}[i%3]}}
		at := half(0.5, 36)
		if rng.IntN(4) > 0 {
			p.created = at - half(0.5, 6)
		}
		for s := range stages {
			if rng.IntN(6) == 0 {
				continue
			}
			p.stages = append(p.stages, dated{what: stages[s], week: at})
			if rng.IntN(8) == 0 {
				p.stages = append(p.stages, dated{what: stages[rng.IntN(4)], week: at + half(0, 2)})
			}
			if rng.IntN(3) == 0 {
				break
			}
			at += half(0, 8)
		}
		switch rng.IntN(8) {
		case 0, 1, 2:
			p.status, p.closed = "won", at+half(0.5, 5)
			p.stages = append(p.stages, dated{what: "Closed_Won", week: p.closed})
		case 3, 4:
			p.status, p.closed = "lost", at+half(0.5, 5)
		case 5:
			if rng.IntN(3) == 0 {
				p.status = "lost"
			}
		}
		for range rng.IntN(7) {
			m := dated{what: string(rune('a' + rng.IntN(6)*rng.IntN(2))), week: half(0, 39)}
			if rng.IntN(4) == 0 {
				m.how = []string{"viewed", "opened", "scanner", "proxy"}[rng.IntN(4)]
			}
			p.contents = append(p.contents, m)
		}
		pasts[i] = p
	}
	return pasts
}

// liftRules are what the oracle counts by; times are in weeks.
type liftRules struct {
	stages                        []string
	counts                        func(how string) bool
	landmark, horizon, wonHorizon float64
	asOf, from, to                float64 // to 0: no bound
}

// stop is a stage that a deal was in, and since when.
type stop struct {
	stage int
	week  float64
}

// way returns the stages that a deal was in one after the other until it was over,
// and when it was; over is 0 if nobody knows.
func (r liftRules) way(p past) (stops []stop, over float64) {
	if over = r.asOf; p.status != "open" {
		over = min(over, p.closed)
	}
	for _, m := range p.stages {
		if at := slices.Index(r.stages, strings.ReplaceAll(m.what, "_", " ")); at >= 0 && m.week < over {
			stops = append(stops, stop{at, m.week})
		}
	}
	slices.SortFunc(stops, func(a, b stop) int { return cmp.Or(cmp.Compare(a.week, b.week), a.stage-b.stage) })
	return slices.CompactFunc(stops, func(a, b stop) bool { return a.stage == b.stage }), over
}

// entries returns the stage entries of a deal.
func (r liftRules) entries(p past) []entry {
	way, over := r.way(p)
	created := p.created
	for _, m := range p.stages {
		if created == 0 || m.week < created {
			created = m.week
		}
	}
	been := map[int]bool{}
	var all []entry
	for i, s := range way {
		if first := !been[s.stage]; first && s.week >= r.from && (r.to == 0 || s.week < r.to) {
			e := entry{deal: p.id, stage: r.stages[s.stage], segment: cmp.Or(p.attrs["segment"], "under 10k"), owner: p.attrs["owner"], size: "under 10k", age: uint8(min(int(s.week-created)/2, 15))}
			left := e.end(p, way, i, over)
			r.judge(&e, p, way, i, over, left)
			e.see(r.firsts(p), s.week, s.week+r.landmark, left)
			if e.advanced != "-" || e.won != "-" || e.weeks > 0 {
				all = append(all, e)
			}
		}
		been[s.stage] = true
	}
	return all
}

// end says how the stage ended, and returns when.
func (e *entry) end(p past, way []stop, i int, over float64) (left float64) {
	s := way[i]
	e.before, e.ended, left = "none", "unknown", over
	if i > 0 && way[i-1].stage < s.stage {
		e.before = map[bool]string{true: "fast", false: "slow"}[s.week-way[i-1].week <= 4]
	}
	switch {
	case i+1 < len(way):
		if left = way[i+1].week; way[i+1].stage > s.stage {
			e.ended = "advanced"
		}
	case p.status == "won":
		e.ended = "advanced"
	case p.status == "lost":
		e.ended = "lost"
	}
	for float64(e.weeks)+1 <= left-s.week || e.ended != "unknown" && (e.weeks == 0 || float64(e.weeks) < left-s.week) {
		e.weeks++
	}
	return left
}

// judge says what came of an entry.
func (r liftRules) judge(e *entry, p past, way []stop, i int, over, left float64) {
	word := map[bool]string{true: "yes", false: "no"}
	mark := way[i].week + r.landmark
	wonBy := func(week float64) bool { return p.status == "won" && over <= week }
	e.advanced, e.won = "-", "-"
	if by := mark + r.horizon; left > mark && by <= r.asOf {
		later := slices.ContainsFunc(way[i:], func(s stop) bool { return s.stage > way[i].stage && s.week <= by })
		e.advanced = word[later || wonBy(by)]
	}
	if by := mark + r.wonHorizon; left > mark && by <= r.asOf {
		e.won = word[wonBy(by)]
	}
}

// firsts returns when each content was first seen.
func (r liftRules) firsts(p past) map[string]float64 {
	seen := map[string]float64{}
	for _, m := range p.contents {
		if before, ok := seen[m.what]; r.counts(m.how) && (!ok || m.week < before) {
			seen[m.what] = m.week
		}
	}
	return seen
}

// see says what was seen in a stage and before.
func (e *entry) see(firsts map[string]float64, began, mark, left float64) {
	e.contents = slices.SortedFunc(maps.Keys(firsts), func(a, b string) int { return cmp.Compare(firsts[a], firsts[b]) })
	e.contents = slices.DeleteFunc(e.contents, func(c string) bool { return firsts[c] >= left })
	for _, c := range e.contents {
		at := int16(-1)
		if firsts[c] >= began {
			at = int16(firsts[c] - began)
		} else {
			e.atEntry++
		}
		e.seen = append(e.seen, at)
		if firsts[c] < mark {
			e.atLandmark++
		}
	}
}

func buyers(how string) bool { return how == "" || how == "viewed" || how == "proxy" }

var fourStages = []string{"Qualified", "Demo", "Proposal", "Negotiation"}

// messyRuns are runs over one company, with the rules by which the oracle counts.
var messyRuns = map[string]struct {
	rules   liftRules
	request attribution.Request
	change  func(o *attribution.Options)
	parts   int // how many deals at a time; 0: all
}{
	"as they come": {rules: liftRules{stages: fourStages, counts: buyers, landmark: 1, horizon: 6, wonHorizon: 12, asOf: 40}},
	"some stages, other weeks": {
		rules: liftRules{stages: []string{"Qualified", "Proposal"}, counts: buyers, landmark: 2, horizon: 5, wonHorizon: 3, asOf: 40},
		change: func(o *attribution.Options) {
			o.Stages, o.Landmark, o.Horizon, o.WonHorizon = []string{"Qualified", "Proposal", "Closed Won", "Never"}, 2, 5, 3
		},
		parts: 97,
	},
	"in another order, all kinds and agents": {
		rules:   liftRules{stages: []string{"Negotiation", "Demo", "Proposal", "Qualified"}, counts: func(string) bool { return true }, landmark: 1, horizon: 6, wonHorizon: 12, asOf: 40},
		request: attribution.Request{Agents: trail.All},
		change: func(o *attribution.Options) {
			o.Stages, o.Kinds = []string{"Negotiation", "Demo", "Proposal", "Qualified"}, []trail.Kind{trail.Clicked, trail.Opened, trail.Viewed}
		},
	},
	"of a period, at the strict level": {
		rules:   liftRules{stages: fourStages, counts: func(how string) bool { return how == "" || how == "viewed" }, landmark: 1, horizon: 6, wonHorizon: 12, asOf: 40, from: 10, to: 20},
		request: attribution.Request{Agents: trail.Strict, From: inWeek(10), To: inWeek(20)},
	},
}

func TestMessyHistoriesAreCountedAsTheOracleDoes(t *testing.T) {
	t.Parallel()
	pasts := messy(either(400, 4000), rand.New(rand.NewPCG(40, 2026)))
	db := storetest.Open(t)
	var deals []string
	var events []trail.Event
	for _, p := range pasts {
		deals = append(deals, p.id)
		events = append(events, history(t, p.id, p.words())...)
	}
	insert(t, db, events...)
	for name, c := range messyRuns {
		t.Run(name, func(t *testing.T) {
			j := job(db)
			if c.change != nil {
				c.change(&j.Options)
			}
			if c.parts > 0 {
				j.InChunksOf(c.parts)
			}
			run := once(t, j, c.request)
			got := entriesOf(t, db, run, deals)
			var all []entry
			wrong := 0
			for _, p := range pasts {
				want := c.rules.entries(p)
				slices.SortFunc(want, func(a, b entry) int {
					return slices.Index(c.rules.stages, a.stage) - slices.Index(c.rules.stages, b.stage)
				})
				all = append(all, want...)
				if have := got[p.id]; words(have) != words(want) {
					if wrong++; wrong < 4 {
						t.Errorf("%s:\n%s\nwant\n%s", p.words(), words(have), words(want))
					}
				}
			}
			if wrong > 0 {
				t.Fatalf("%d of %d deals are wrong", wrong, len(pasts))
			}
			sumsUp(t, j, run.ID, all)
		})
	}
}

// words says entries in a line each; contents first seen in one week have no order.
func words(all []entry) string {
	var lines []string
	for _, e := range all {
		var seen []string
		for i, c := range e.contents {
			seen = append(seen, fmt.Sprintf("%03d %s", e.seen[i]+1, c))
		}
		slices.Sort(seen)
		e.contents, e.seen = nil, nil
		lines = append(lines, fmt.Sprint(e, e.segment, e.size, e.owner, e.team, e.source, e.atEntry, e.atLandmark, seen))
	}
	return strings.Join(lines, "\n")
}
