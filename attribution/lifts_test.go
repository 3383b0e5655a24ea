package attribution_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/cespare/xxhash/v2"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

const aWeek = 7 * 24 * time.Hour

// begin is week 0 of the histories below, now is week 40.
var begin = now.Add(-40 * aWeek)

func inWeek(weeks float64) time.Time {
	return begin.Add(time.Duration(weeks * float64(aWeek))).Truncate(time.Minute)
}

// history makes events of one deal from words: open, won or lost, stages in capitals
// and contents in small letters, each with @ and its week. A content may have / and a
// kind or an agent; created@ is when the deal was created, and what has a = is as
// registered. With unregistered the deal is known from its stages only.
func history(t testing.TB, id, words string) []trail.Event {
	t.Helper()
	var all []trail.Event
	attrs := map[string]string{"contacts": "c" + id, "currency": "EUR", "amount": "1000", "segment": "small"}
	add := func(e trail.Event, key ...string) {
		e.ID, e.Source, e.ReceivedAt = trail.IDFrom(e.At, "csv", append(key, id)...), "csv", e.At
		all = append(all, e)
	}
	registered := begin.Add(-50 * aWeek)
	for i, word := range strings.Fields(words) {
		if name, value, is := strings.Cut(word, "="); is {
			attrs[name] = value
			continue
		}
		what, when, dated := strings.Cut(word, "@")
		when, how, _ := strings.Cut(when, "/")
		weeks, err := strconv.ParseFloat(when, 64)
		if dated && err != nil {
			t.Fatal(err)
		}
		at := inWeek(weeks)
		switch {
		case what == "won" || what == "lost" || what == "open":
			attrs["status"] = what
			if dated {
				attrs["closed_at"] = at.Format(time.RFC3339)
				registered = at
			}
		case what == "unregistered":
			attrs = nil
		case what == "created":
			attrs["created_at"] = at.Format(time.RFC3339)
		case what[0] >= 'A' && what[0] <= 'Z':
			add(trail.Event{Kind: trail.Staged, At: at, Deal: id, Stage: strings.ReplaceAll(what, "_", " ")}, "staged", what)
		default:
			e := trail.Event{Kind: trail.Clicked, At: at, Contact: trail.ContactID("c" + id), Content: what}
			switch agent := trail.Agent(how); {
			case how == "viewed" || how == "opened" || how == "sent":
				e.Kind = trail.Kind(how)
			case how == "":
				e.Verdict = trail.Verdict{Agent: trail.Human, Probability: 0.95}
			default:
				e.Verdict = trail.Verdict{Agent: agent, Probability: 0.6}
			}
			if e.Kind == trail.Sent {
				e.Rep = "rep@example.com"
			}
			add(e, "touched", what, fmt.Sprint(i))
		}
	}
	if attrs != nil {
		if registered.After(now) {
			registered = now
		}
		add(trail.Event{Kind: trail.DealKind, At: registered, Deal: id, Attrs: attrs}, "deal")
	}
	return all
}

// entry is a row of the table lift_entries.
type entry struct {
	deal                                      string // only the oracle sets it
	stage, segment, size, owner, team, source string
	age                                       uint8
	advanced, won                             string // yes, no, or - if it is not known
	before                                    string
	weeks                                     uint16
	ended                                     string
	contents                                  []string
	seen                                      []int16
	atEntry, atLandmark                       uint16
}

// String says an entry in one line: of what was seen, | stands where the stage began
// and ! at the landmark.
func (e entry) String() string {
	s := fmt.Sprintf("%s age %d: advanced %s, won %s, %s before, %d weeks, %s;", e.stage, e.age, e.advanced, e.won, e.before, e.weeks, e.ended)
	for i := range len(e.contents) + 1 {
		if i == int(e.atEntry) {
			s += " |"
		}
		if i == int(e.atLandmark) {
			s += " !"
		}
		if i < len(e.contents) {
			s += fmt.Sprintf(" %s%d", e.contents[i], e.seen[i])
		}
	}
	return s
}

// entriesOf returns the stage entries of a run by deal, each in the order of stages.
func entriesOf(t testing.TB, db *store.DB, run *trail.Run, deals []string) map[string][]entry {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT deal, stage, segment, size, owner, team, source, age, known, advanced, won_known, won, before, weeks, ended, contents, seen, at_entry, at_landmark
		FROM lift_entries WHERE run = {run:String} ORDER BY deal, indexOf({stages:Array(String)}, stage)`, clickhouse.Named("run", run.ID), clickhouse.Named("stages", run.Stages))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	named := map[uint64]string{}
	for _, id := range deals {
		named[xxhash.Sum64String(id)] = id
	}
	all := map[string][]entry{}
	word := func(known, is bool) string {
		return map[[2]bool]string{{true, true}: "yes", {true, false}: "no"}[[2]bool{known, is}] + map[bool]string{false: "-"}[known]
	}
	for rows.Next() {
		var deal uint64
		var e entry
		var known, advanced, wonKnown, won bool
		if err := rows.Scan(&deal, &e.stage, &e.segment, &e.size, &e.owner, &e.team, &e.source, &e.age, &known, &advanced, &wonKnown, &won, &e.before, &e.weeks, &e.ended, &e.contents, &e.seen, &e.atEntry, &e.atLandmark); err != nil {
			t.Fatal(err)
		}
		e.advanced, e.won = word(known, advanced), word(wonKnown, won)
		all[named[deal]] = append(all[named[deal]], e)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// histories are deals with the stage entries that come of them, a line each.
var histories = []struct{ name, history, want string }{
	{"straight to a win", "won@9 created@-3 Qualified@0 Demo@2 Proposal@5 a@0.5 b@2.5", `
		Qualified age 1: advanced yes, won yes, none before, 2 weeks, advanced; | a0 !
		Demo age 2: advanced yes, won yes, fast before, 3 weeks, advanced; a-1 | b0 !
		Proposal age 4: advanced yes, won yes, fast before, 4 weeks, advanced; a-1 b-1 | !`},
	{"a stage is skipped; the one before took long", "open Qualified@0 Proposal@6", `
		Qualified age 0: advanced yes, won no, none before, 6 weeks, advanced; | !
		Proposal age 3: advanced no, won no, slow before, 34 weeks, unknown; | !`},
	{"four weeks are fast", "lost@8 Qualified@0 Demo@4", `
		Qualified age 0: advanced yes, won no, none before, 4 weeks, advanced; | !
		Demo age 2: advanced no, won no, fast before, 4 weeks, lost; | !`},
	{"it goes back, and forth again", "won@20 Qualified@0 Proposal@2 Demo@4.5 Proposal@6 a@3 b@5 c@7", `
		Qualified age 0: advanced yes, won no, none before, 2 weeks, advanced; | !
		Demo age 2: advanced yes, won no, none before, 2 weeks, advanced; a-1 | b0 !
		Proposal age 1: advanced no, won no, fast before, 2 weeks, unknown; | ! a1`},
	{"it goes back and is won within the horizon", "won@8 Qualified@0 Demo@2 Qualified@4", `
		Qualified age 0: advanced yes, won yes, none before, 2 weeks, advanced; | !
		Demo age 1: advanced yes, won yes, fast before, 2 weeks, unknown; | !`},
	{"a stage is entered while in it", "open Qualified@0 Qualified@3 Demo@5", `
		Qualified age 0: advanced yes, won no, none before, 5 weeks, advanced; | !
		Demo age 2: advanced no, won no, slow before, 35 weeks, unknown; | !`},
	{"two stages at one time are in their order", "open Proposal@3 Demo@3 Qualified@0", `
		Qualified age 0: advanced yes, won no, none before, 3 weeks, advanced; | !
		Demo age 1: advanced -, won -, fast before, 1 weeks, advanced; |` + " !" + `
		Proposal age 1: advanced no, won no, fast before, 37 weeks, unknown; | !`},
	{"created after its first stage", "open created@5 Qualified@1 Demo@3", `
		Qualified age 0: advanced yes, won no, none before, 2 weeks, advanced; | !
		Demo age 1: advanced no, won no, fast before, 37 weeks, unknown; | !`},
	{"old age has a class of its own", "open created@-60 Qualified@0", `
		Qualified age 15: advanced no, won no, none before, 40 weeks, unknown; | !`},
	{"won and lost are no stages", "won@8 Qualified@0 Demo@3 Closed_Won@7.5", `
		Qualified age 0: advanced yes, won yes, none before, 3 weeks, advanced; | !
		Demo age 1: advanced yes, won yes, fast before, 5 weeks, advanced; | !`},
	{"a date closes at the end of its day", "lost Qualified@0 Demo@3 Closed_Lost@7 closed_at=" + inWeek(7).Format(time.DateOnly) + "T23:59:59Z", `
		Qualified age 0: advanced yes, won no, none before, 3 weeks, advanced; | !
		Demo age 1: advanced no, won no, fast before, 5 weeks, lost; | !`},
	{"closed without a date", "won Qualified@0 Demo@3", ``},
	{"lost, and reopened", "open Qualified@0 Closed_Lost@3 Demo@5", `
		Qualified age 0: advanced yes, won no, none before, 5 weeks, advanced; | !
		Demo age 2: advanced no, won no, slow before, 35 weeks, unknown; | !`},
	{"what is entered when it is over is nothing", "won@9 Qualified@0 Demo@9 Proposal@10", `
		Qualified age 0: advanced no, won yes, none before, 9 weeks, advanced; | !`},
	{"left before the landmark", "open Qualified@0 Demo@0.5", `
		Qualified age 0: advanced -, won -, none before, 1 weeks, advanced; | !
		Demo age 0: advanced no, won no, fast before, 39 weeks, unknown; | !`},
	{"left at the landmark", "open Qualified@0 Demo@1", `
		Qualified age 0: advanced -, won -, none before, 1 weeks, advanced; | !
		Demo age 0: advanced no, won no, fast before, 39 weeks, unknown; | !`},
	{"seen at the landmark, at the first instant, before the deal, at its end, twice", "lost@4 Qualified@0 Demo@2 a@1 b@2 c@-10 d@4 e@1.5 e@3", `
		Qualified age 0: advanced yes, won no, none before, 2 weeks, advanced; c-1 | ! a1 e1
		Demo age 1: advanced no, won no, fast before, 2 weeks, lost; c-1 a-1 e-1 | b0 !`},
	{"advanced at the end of the horizon", "open Qualified@0 Demo@7", `
		Qualified age 0: advanced yes, won no, none before, 7 weeks, advanced; | !
		Demo age 3: advanced no, won no, slow before, 33 weeks, unknown; | !`},
	{"advanced later", "open Qualified@0 Demo@7.1", `
		Qualified age 0: advanced no, won no, none before, 8 weeks, advanced; | !
		Demo age 3: advanced no, won no, slow before, 32 weeks, unknown; | !`},
	{"won at the end of its horizon", "won@13 Qualified@0", `
		Qualified age 0: advanced no, won yes, none before, 13 weeks, advanced; | !`},
	{"the horizon is over now", "open Qualified@33", `
		Qualified age 0: advanced no, won -, none before, 7 weeks, unknown; | !`},
	{"the horizon is not over", "open Qualified@33.1 a@33.2 b@39.9", `
		Qualified age 0: advanced -, won -, none before, 6 weeks, unknown; | a0 ! b6`},
	{"too young for a week", "open Qualified@39.1", ``},
	{"won on a day to come", "won@41 Qualified@30", `
		Qualified age 0: advanced no, won -, none before, 10 weeks, advanced; | !`},
	{"opens, sends and machines do not count, proxies do", "open Qualified@30 a@30.1/opened b@30.1/sent c@30.1/scanner d@30.1/self e@30.1/proxy f@30.1/viewed", `
		Qualified age 0: advanced no, won -, none before, 10 weeks, unknown; | e0 f0 !`},
	{"known from its stages only", "Qualified@0 Demo@3 unregistered", `
		Qualified age 0: advanced yes, won no, none before, 3 weeks, advanced; | !
		Demo age 1: advanced no, won no, fast before, 37 weeks, unknown; | !`},
	{"without stages", "won@9 a@3", ``},
}

func TestStageEntriesAreCountedAsDefined(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	var deals []string
	for i, c := range histories {
		id := fmt.Sprintf("D%02d", i)
		deals = append(deals, id)
		insert(t, db, history(t, id, c.history)...)
	}
	run := once(t, job(db), attribution.Request{})
	if want := []string{"Qualified", "Demo", "Proposal"}; !slices.Equal(run.Stages, want) {
		t.Fatalf("stages are %q, want %q", run.Stages, want)
	}
	got := entriesOf(t, db, run, deals)
	for i, c := range histories {
		var want, have []string
		for line := range strings.Lines(c.want) {
			if line = strings.TrimSpace(line); line != "" {
				want = append(want, line)
			}
		}
		for _, e := range got[deals[i]] {
			have = append(have, e.String())
		}
		if !slices.Equal(have, want) {
			t.Errorf("%s: %s\n\t%s\nwant\n\t%s", c.name, c.history, strings.Join(have, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
}
