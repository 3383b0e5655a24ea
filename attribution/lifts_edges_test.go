package attribution_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"dealtrail/attribution"
	"dealtrail/attribution/lift/lifttest"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestStageEntriesAreAsTheyWereKnown(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, history(t, "D", "open Qualified@0 Demo@2 Proposal@22 a@1.5 b@12 c@21")...)
	insert(t, db, history(t, "E", "open Qualified@13 Demo@20")...)
	run := once(t, job(db), attribution.Request{AsOf: inWeek(20)})
	got := fmt.Sprint(entriesOf(t, db, run, []string{"D", "E"}))
	want := "map[D:[" +
		"Qualified age 0: advanced yes, won no, none before, 2 weeks, advanced; | ! a1 " +
		"Demo age 1: advanced no, won no, fast before, 18 weeks, unknown; a-1 | ! b10] " +
		"E:[Qualified age 0: advanced no, won -, none before, 7 weeks, unknown; | !]]"
	if got != want {
		t.Errorf("entries are\n%s\nwant\n%s", got, want)
	}
}

// walk adds the pairs that deals with these stages, n of them, make.
func walk(before map[[2]string]uint64, n uint64, stages string) {
	names := strings.Fields(stages)
	for i, one := range names {
		for _, other := range names[i:] {
			before[[2]string{one, other}] += n
		}
	}
}

func TestStagesComeInTheOrderInWhichDealsGoThroughThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		paths map[string]uint64
		ended map[string]uint64
		want  string
	}{
		"straight":                      {paths: map[string]uint64{"Z Y X": 10, "Z Y": 5, "Z": 2}, want: "Z Y X"},
		"backwards now and then":        {paths: map[string]uint64{"Z Y X": 10, "X Y Z": 4, "Y X Z": 3}, want: "Z Y X"},
		"skipping":                      {paths: map[string]uint64{"Z X": 10, "Y X": 5, "Z Y": 1}, want: "Z Y X"},
		"only parts are known":          {paths: map[string]uint64{"D C": 3, "C B": 9, "B A": 20}, want: "D C B A"},
		"a late stage that most are in": {paths: map[string]uint64{"M Z": 5, "Z": 100}, want: "M Z"},
		"ends by name":                  {paths: map[string]uint64{"B A closedwon": 4, "B Won": 3, "A Closed-Lost": 9, "Wonder B A": 1}, want: "Wonder B A"},
		"ends by what happens":          {paths: map[string]uint64{"B A Gewonnen": 10, "B Verloren": 7, "B A": 30}, ended: map[string]uint64{"Gewonnen": 9, "Verloren": 7, "A": 5}, want: "B A"},
		"unrelated":                     {paths: map[string]uint64{"B": 3, "A": 3, "C": 4}, want: "C A B"},
		"none":                          {paths: map[string]uint64{"Won": 3}, want: ""},
	} {
		before := map[[2]string]uint64{}
		for p, n := range c.paths {
			walk(before, n, p)
		}
		for range 20 { // maps have no order
			if got := strings.Join(attribution.OrderStages(before, c.ended), " "); got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		}
	}
	crowd := map[[2]string]uint64{}
	for i := range 2000 {
		walk(crowd, uint64(1+i), fmt.Sprintf("free-text-%d", i))
	}
	if got := attribution.OrderStages(crowd, nil); len(got) != 100 || got[0] != "free-text-1999" {
		t.Errorf("of free text there are %d stages from %q on", len(got), got[0])
	}
}

func TestStagesOfMessyHistories(t *testing.T) {
	t.Parallel()
	stages := []string{"Zero", "Yes", "Maybe", "Call", "Offer", "Board"}
	rng := rand.New(rand.NewPCG(6, 6))
	var events []trail.Event
	for i := range 250 {
		at, words := 1+10*rng.Float64(), "open"
		for s, name := range stages {
			if rng.IntN(2) == 0 {
				continue
			}
			words += fmt.Sprintf(" %s@%.1f", name, at)
			if rng.IntN(5) == 0 {
				words += fmt.Sprintf(" %s@%.1f", stages[rng.IntN(s+1)], at+0.1) // back
			}
			at += float64(rng.IntN(3)) // often on the same day
		}
		switch i % 4 {
		case 0:
			words = strings.Replace(words, "open", fmt.Sprintf("won@%.1f", at+1), 1) + fmt.Sprintf(" Abschluss@%.1f Invoiced@%.1f", at+1, at+2)
		case 1:
			words = strings.Replace(words, "open", fmt.Sprintf("lost@%.1f", at+1), 1) + fmt.Sprintf(" Lost_to_others@%.1f", at+0.9)
		case 2:
			words = strings.Replace(words, "open", "won", 1) + fmt.Sprintf(" Abschluss@%.1f", at+1) // without a date
		}
		events = append(events, history(t, fmt.Sprint("D", i), words)...)
	}
	rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	j := job(storetest.Open(t))
	insert(t, j.DB, events...)
	if run := once(t, j, attribution.Request{}); !slices.Equal(run.Stages, stages) {
		t.Errorf("stages are %q, want %q", run.Stages, stages)
	}
	for set, want := range map[string]string{"Won,Closed Lost": "are only those of deals that are won or lost", "Qualified,Won": "was in a stage (Qualified)"} {
		j.Options.Stages = strings.Split(set, ",")
		if why := once(t, j, attribution.Request{}).Reasons["lift"]; !strings.Contains(why, want) {
			t.Errorf("with the stages %s, the reason is %q, want %q", set, why, want)
		}
	}
}

func TestOrderAndRepetitionOfEventsChangeNoBitOfLifts(t *testing.T) {
	t.Parallel()
	w := lifttest.World{Contents: lifttest.Six}
	rng := rand.New(rand.NewPCG(9, 9))
	deals := w.Simulate(600, rng)
	j, run := settle(t, w, deals)
	want := read(t, j.DB, run.ID, "stage")
	events := w.Events(deals, now)
	events = append(events, events...)
	rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	again := job(storetest.Open(t))
	for part := range slices.Chunk(events, 2000) {
		insert(t, again.DB, part...)
	}
	for _, outcome := range attribution.Outcomes {
		got := read(t, again.DB, once(t, again, attribution.Request{}).ID, outcome)
		if outcome == "won" {
			want = read(t, j.DB, run.ID, outcome)
		}
		if len(got) != 7 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: shuffled and doubled events give\n%+v\nnot\n%+v", outcome, got, want)
		}
	}
}

// numbers returns all numbers of a row.
func (r liftRow) numbers() []float64 {
	all := []float64{r.with, r.without, r.lift, r.low, r.high, r.shrunk, r.p, r.q, r.mde, r.evalue, r.limit, r.z, r.zp, r.mean, r.sd}
	return slices.Concat(all, r.odds, r.lost, r.gain)
}

func TestWhatIsNotDefinedIsZeroWithANote(t *testing.T) {
	t.Parallel()
	deals := func(n int, words string) func(t *testing.T) []trail.Event {
		return func(t *testing.T) (all []trail.Event) {
			for i := range n {
				for k, line := range strings.Split(words, ";") {
					all = append(all, history(t, fmt.Sprintf("D%d-%d", k, i), line)...)
				}
			}
			return all
		}
	}
	for name, c := range map[string]struct {
		events func(t *testing.T) []trail.Event
		note   map[string]string // by content, what its note has
	}{
		"all who saw it advanced, nobody else": {deals(60, "won@5 Qualified@0 a@0.5;open Qualified@0"), map[string]string{"a": "too little data"}},
		"in each stage all or nobody advanced": {deals(60, "open Qualified@0 Demo@2 a@0.5 a@2.5 b@2.6;open Qualified@0 Demo@2"), map[string]string{"a": "no odds", "b": "too little data"}},
		"nobody was lost, and there is one content": {
			deals(40, "won@3 Qualified@0 a@0.5;open Qualified@0 a@1.5;won@2 Qualified@0;open Qualified@0"),
			map[string]string{"a": "no odds of being lost"},
		},
		"two contents that are always seen together": {
			deals(40, "won@3 Qualified@0 a@-1 b@-1;lost@4 Qualified@0 a@-1 b@-1;won@2 Qualified@0;open Qualified@0"),
			map[string]string{"a": "its own part cannot be told", "b": "its own part cannot be told"},
		},
		"seen after the landmark only": {deals(40, "won@9 Qualified@0 a@3.5;lost@8 Qualified@0 a@3.5;won@9 Qualified@0;open Qualified@0"), map[string]string{"a": "no odds of being lost"}},
		"one deal":                     {deals(1, "won@9 Qualified@0 a@0.5"), map[string]string{"a": "too little data"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := job(storetest.Open(t))
			insert(t, j.DB, c.events(t)...)
			run := once(t, j, attribution.Request{})
			for _, outcome := range attribution.Outcomes {
				rows := read(t, j.DB, run.ID, outcome)
				if len(rows) != len(c.note)+1 {
					t.Errorf("%s: rows %+v", outcome, rows)
				}
				for content, r := range rows {
					if slices.ContainsFunc(r.numbers(), func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }) {
						t.Errorf("%s: %s has numbers that are none: %+v", outcome, content, r)
					}
					missing := slices.ContainsFunc([][]float64{r.odds, r.lost, r.gain}, func(e []float64) bool { return e[0] == 0 && e[1] == 0 && e[2] == 0 })
					if want := c.note[content]; content != "" && outcome == "stage" && (!strings.Contains(r.note, want) || !missing) {
						t.Errorf("note of %s is %q, want %q: %+v", content, r.note, want, r)
					}
				}
				report, err := j.Lift(t.Context(), attribution.LiftQuestion{Where: attribution.Where{Outcome: outcome}})
				if _, unwritable := json.Marshal(report); err != nil || unwritable != nil {
					t.Errorf("%s: %v, %v", outcome, err, unwritable)
				}
			}
		})
	}
}
