package store_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func holdout(id, stage string) trail.Holdout {
	return trail.Holdout{ID: id, Name: "Does it?", Content: "case", Stage: stage, Part: 0.5, Outcome: trail.ToAdvance, Weeks: 6, By: "mia@us.example", StartedAt: day(11)}
}

func TestAHoldoutIsItsLatestStateInWhateverOrderItsEventsCome(t *testing.T) {
	db := storetest.Open(t)
	h, other := holdout("H1", ""), holdout("H2", "Demo")
	other.StartedAt, other.EndedAt = day(12), day(20)
	insert(t, db, registered(trail.ContentKind, "case", day(1), "title", "The Case"))
	var events []trail.Event
	for i, end := range []time.Time{{}, day(20), day(21), day(20)} { // the same end again is another state
		h.EndedAt = end
		e := h.Registration("api", day(11+i))
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
		h.Event, h.At = e.ID, e.At
		events = append(events, e)
	}
	events = append(events, other.Registration("ui", day(12)))
	events = append(events, events...)
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for _, e := range events {
		insert(t, db, e)
	}
	all := must(db.Holdouts(t.Context(), store.Filter{}))(t)
	other.Event, other.At = events[slices.IndexFunc(events, func(e trail.Event) bool { return e.Attrs["id"] == "H2" })].ID, day(12)
	h.Title, other.Title = "The Case", "The Case"
	check(t, "holdouts", all, []trail.Holdout{other, h})
	early := must(db.Holdouts(t.Context(), store.Filter{AsOf: day(11)}))(t)
	if len(early) != 1 || !early[0].EndedAt.IsZero() {
		t.Errorf("as of the start: %+v", early)
	}
}

func TestEligibleAreOpenDealsThatHadNotTheContent(t *testing.T) {
	db := openCompany(t) // Cara of D2 had the case by mail; D1 is won, D3 lost, D6 won
	deals := func(h trail.Holdout, deal string) (ids []string) {
		for _, d := range must(db.HoldoutEligible(t.Context(), h, deal))(t) {
			ids = append(ids, d.Deal+" "+d.Stage)
		}
		return ids
	}
	h := holdout("H", "")
	check(t, "every open deal", deals(h, ""), []string{"D4 First", "D5 "})
	check(t, "one deal", deals(h, "D4"), []string{"D4 First"})
	check(t, "a deal that had it", deals(h, "D2"), nil)
	check(t, "a stage", deals(holdout("H", "First"), ""), []string{"D4 First"})
	h.Content = "brand new"
	check(t, "a content that nobody had", deals(h, ""), []string{"D2 Proposal", "D4 First", "D5 "})
	insert(t, db, h.Assignment("D4", "First", day(14)))
	check(t, "but one that is drawn", deals(h, ""), []string{"D2 Proposal", "D5 "})
	check(t, "another holdout draws it all the same", deals(holdout("H2", ""), "D4"), []string{"D4 First"})
	// What is drawn is for the ledger: thousands of draws would hide what happened.
	trails := append(must(db.Content(t.Context(), "case", store.Filter{}))(t).Events, must(db.Deal(t.Context(), "D4", store.Filter{}))(t).Events...)
	for _, e := range append(trails, must(db.Account(t.Context(), "delta.example", store.Filter{}))(t).Events...) {
		if e.Kind == trail.Assigned {
			t.Errorf("a trail has %+v", e)
		}
	}
	check(t, "stages", must(db.OpenStages(t.Context()))(t), []store.StageDeals{{"First", 1}, {"Proposal", 1}, {"Won", 0}})
}

// The ledger says what was drawn first, whatever comes twice, late or in another
// order, and beside it what became of the deal.
func TestTheLedgerIsImmuneToCopiesAndOrder(t *testing.T) {
	h := holdout("H", "")
	first := h.Assignment("D2", "Demo", day(11))
	again := h.Assignment("D2", "Proposal", day(13)) // by another process, which had not seen it
	if first.ID != again.ID || first.Attrs["arm"] != again.Attrs["arm"] {
		t.Fatal("a second draw of the deal is another")
	}
	if err := first.Validate(); err != nil {
		t.Fatal(err)
	}
	machine := clicked("s7", day(12))
	machine.Content, machine.Verdict = "case", trail.Verdict{Agent: trail.Scanner, Probability: 1}
	events := append(company(), first, again, first, machine, h.Assignment("D3", "", day(11)), h.Assignment("gone", "", day(11)))
	var want []store.HoldoutEntry
	for round := range 2 {
		rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		db := storetest.Open(t)
		for some := range slices.Chunk(events, 15) {
			insert(t, db, some...)
			insert(t, db, some[:1]...)
		}
		got := must(db.HoldoutLedger(t.Context(), store.Filter{}, "H"))(t)
		if round == 0 {
			want = got
			check(t, "a deal that moved", got[0], store.HoldoutEntry{
				Holdout: "H", Deal: "D2", Arm: h.Arm("D2"), Stage: "Demo", At: day(11), Stages: []string{"Proposal"}, Times: []time.Time{day(13)}, GotAt: day(14), // Cara answered
			})
			check(t, "a deal that was lost", got[1], store.HoldoutEntry{
				Holdout: "H", Deal: "D3", Arm: h.Arm("D3"), At: day(11), Status: "lost", EndedAt: day(14), Stages: []string{}, Times: []time.Time{},
			})
			check(t, "a deal that nobody knows", got[2].Deal, "gone")
			all := must(db.HoldoutLedger(t.Context(), store.Filter{Agents: trail.All}, ""))(t)
			check(t, "with machines", all[0].GotAt, day(12))
			check(t, "another holdout's", must(db.HoldoutLedger(t.Context(), store.Filter{}, "X"))(t), []store.HoldoutEntry{})
			draws := must(db.HoldoutDraws(t.Context(), "D2"))(t)
			check(t, "draws of one deal", draws, []store.HoldoutDraw{{"H", h.Arm("D2"), day(11)}})
		}
		check(t, "the ledger", got, want)
	}
}

func TestTheOrderOfStagesIsThatOfMostDeals(t *testing.T) {
	db := storetest.Open(t)
	for i, path := range [][]string{{"Demo", "Proposal", "Won"}, {"Demo", "Proposal", "Lost"}, {"Proposal", "Demo"}, {"Demo", "Won"}} {
		for j, stage := range path {
			e := event(trail.Staged, string(rune('a'+i))+stage, day(2+j))
			e.Deal, e.Stage = string(rune('a'+i)), stage
			insert(t, db, e)
		}
	}
	// What the CRM says of the stage as such counts too.
	insert(t, db, registered(trail.DealKind, "e", day(2), "stage", "First"), registered(trail.DealKind, "e", day(3), "stage", "Demo"))
	o := must(db.StageOrder(t.Context(), store.Filter{}))(t)
	for pair, want := range map[[2]string]bool{
		{"Demo", "Proposal"}: true, {"Proposal", "Demo"}: false, {"Proposal", "Won"}: true, {"Won", "Demo"}: false, {"Demo", "Demo"}: false,
		{"First", "Demo"}: true, {"Demo", "First"}: false, {"Won", "never seen"}: true, {"Lost", "Won"}: true, {"Won", "Lost"}: true,
	} {
		if o.Later(pair[0], pair[1]) != want {
			t.Errorf("%v is forward: %v", pair, !want)
		}
	}
}
