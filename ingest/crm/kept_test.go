package crm_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"dealtrail/trail"
)

// Stages in any order, in any number of imports, each row once or more often:
// the deals are in the same stages, with the same way there.
func TestStagesGiveOneHistoryHoweverTheyAreCutAndShuffled(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 5))
	deals := []string{"id,stage,status", "D0,,open", "D1,,won", "D2,,lost", "D3,,open"}
	var stages []string
	for i := range 40 {
		stages = append(stages, fmt.Sprintf("D%d,Stage %d,2026-01-%02d %02d:00", i%5, rng.IntN(4), 1+rng.IntN(9), 6*rng.IntN(2)))
	}
	const history = "SELECT concat(deal, ' ', toString(at), ' ', stage) FROM facts(as_of = '2200-01-01 00:00:00') WHERE kind = 'staged' ORDER BY deal, at, id"
	whole := newWorld(t)
	whole.load("deals", deals...)
	whole.load("stages", append([]string{"deal,stage,at"}, stages...)...)
	now, way := whole.rows(dealsNow), whole.rows(history)
	if len(now) != 5 || len(way) != len(slices.Compact(slices.Sorted(slices.Values(stages)))) {
		t.Fatalf("%q\n%q", now, way)
	}
	for range 3 {
		w := newWorld(t)
		w.load("deals", deals...)
		rows := slices.Clone(stages)
		for range 15 {
			rows = append(rows, stages[rng.IntN(len(stages))])
		}
		rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		for len(rows) > 0 {
			n := 1 + rng.IntN(len(rows))
			r, _ := w.load("stages", append([]string{"deal,stage,at"}, rows[:n]...)...)
			if r.Accepted != n {
				t.Fatalf("%+v", r)
			}
			rows = rows[n:]
		}
		if got := w.rows(history); !slices.Equal(got, way) {
			t.Fatalf("the way was\n%q\nand is\n%q", way, got)
		}
		if got := w.rows(dealsNow); !slices.Equal(got, now) {
			t.Fatalf("the deals were\n%q\nand are\n%q", now, got)
		}
		// The events themselves, one by one and some twice.
		arrived, events := newWorld(t), slices.Concat(w.events, w.events[:20])
		rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for _, e := range events {
			if err := arrived.db.InsertEvents(t.Context(), []trail.Event{e}); err != nil {
				t.Fatal(err)
			}
		}
		if got := arrived.rows(dealsNow); !slices.Equal(got, now) || !slices.Equal(arrived.rows(history), way) {
			t.Fatalf("by their events the deals are\n%q\nand were\n%q", got, now)
		}
	}
}

// What a CRM may hold is kept with its raw value, however odd: reports say what
// they cannot count.
func TestOddRowsAreKept(t *testing.T) {
	w := newWorld(t)
	r, _ := w.load("deals", "id,name,amount,currency,stage,status,created_at,closed_at",
		"no amount,,,EUR,,won,2026-01-01,2026-02-01",
		"negative,,-5.50,EUR,,won,2026-01-01,2026-02-01",
		"in brackets,,(7),EUR,,won,2026-01-01,2026-02-01",
		"unknown money,,10,xxq,,won,2026-01-01,2026-02-01",
		"no money,,10,,,won,2026-01-01,2026-02-01",
		"closed first,,10,EUR,,won,2026-02-01,2026-01-01",
		"undated,,10,EUR,,won,,",
		"=SUM(A1),=SUM(A1),0,EUR,Größe 5 ★,open,,",
		"größe,größe,99999999999999.9999,EUR,=1+1,lost,2261-12-31,2261-12-31")
	wantReport(t, r, 9, 0, 0, 0)
	if !hasWarning(r, "1 won deals have no close date") {
		t.Fatalf("warnings %q", r.Warnings)
	}
	w.want("deals", "SELECT concat(deal, '|', name, '|', stage, '|', ifNull(toString(amount), 'none'), '|', currency, '|', toString(toDate32(created_at)), '|', toString(toDate32(closed_at))) FROM deals(as_of = '2200-01-01 00:00:00') ORDER BY deal",
		"=SUM(A1)|=SUM(A1)|Größe 5 ★|0|EUR|1970-01-01|1970-01-01",
		"closed first|||10|EUR|2026-02-01|2026-01-01",
		"größe|größe|=1+1|99999999999999.9999|EUR|2261-12-31|2261-12-31",
		"in brackets|||-7|EUR|2026-01-01|2026-02-01",
		"negative|||-5.5|EUR|2026-01-01|2026-02-01",
		"no amount|||none|EUR|2026-01-01|2026-02-01",
		"no money|||10||2026-01-01|2026-02-01",
		"undated|||10|EUR|1970-01-01|1970-01-01",
		"unknown money|||10|XXQ|2026-01-01|2026-02-01")
	r, _ = w.load("touches", "at,kind,content,contact,deal", "2026-12-24,clicked,größe,ann@acme.example,=SUM(A1)", "2261-12-31,viewed,never registered,,never known")
	if wantReport(t, r, 2, 0, 0, 0); !hasWarning(r, "2 rows lie in the future") {
		t.Fatalf("warnings %q", r.Warnings)
	}
	late, _ := w.load("touches", "at,kind,content", "2262-01-01,clicked,c") // the database would keep it as another year
	if late.Rejected != 1 || !strings.Contains(late.Rows[0].Reason, "has a year outside 1970 to 2261") {
		t.Fatalf("%+v", late)
	}
	r, _ = w.load("stages", "deal,stage,at", "größe,nobody set this up,2026-01-01", "never known,=SUM(A1),2261-12-31")
	wantReport(t, r, 2, 0, 0, 0)
	w.want("facts", "SELECT concat(toString(toDate32(at)), '|', kind, '|', content, '|', deal, '|', stage) FROM facts(as_of = '2200-01-01 00:00:00') WHERE kind IN ('clicked', 'viewed', 'staged') ORDER BY at, kind",
		"2026-01-01|staged||größe|nobody set this up", "2026-12-24|clicked|größe|=SUM(A1)|", "2261-12-31|staged||never known|=SUM(A1)", "2261-12-31|viewed|never registered|never known|")
}

func TestOnlyWhatCannotBeAnAddressIsRejected(t *testing.T) {
	w := newWorld(t)
	kept := []string{"ANN@acme.example", "o'brien+tag@acme.example", "größe@acme.example", "bo@bücher.example", "root@localhost", "Cy C <cy@acme.example>"}
	broken := []string{"=SUM(A1)@acme.example", "ann(at)acme.example", "@acme.example", "ann@", "an n@acme.example", "ann@acme.example@acme.example", "ann", "<>", "ann@[", strings.Repeat("a", 320) + "@acme.example"}
	r, _ := w.load("contacts", append([]string{"email,name"}, strings.Split(strings.Join(slices.Concat(kept, broken), ",Größe\n")+",Größe", "\n")...)...)
	if r.New != len(kept) || r.Rejected != len(broken) {
		t.Fatalf("%+v", r)
	}
	for i, row := range r.Rows {
		if row.Line != 2+len(kept)+i || row.Column != "email" || !strings.HasSuffix(row.Reason, "is not a mail address") {
			t.Fatalf("%+v", row)
		}
	}
	w.want("contacts", "SELECT address FROM contacts(as_of = '2200-01-01 00:00:00') ORDER BY address",
		"ann@acme.example", "bo@bücher.example", "cy@acme.example", "größe@acme.example", "o'brien+tag@acme.example", "root@localhost")
}
