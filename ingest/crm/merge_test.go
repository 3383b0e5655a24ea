package crm_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"dealtrail/trail"
)

func TestAMergedDealIsGoneIntoTheOneThatGoesOn(t *testing.T) {
	w := newWorld(t)
	w.load("deals", "id,name,amount", "größe,Size,1", "=SUM(A1),Sum,2", "C,Third,3")
	rows := []string{"id,name,amount,contacts,merged_into", "größe,Size,1,ann@acme.example,=SUM(A1)", "=SUM(A1),Sum,2,,", "never known,,,,C"}
	r, events := w.load("deals", rows...)
	wantReport(t, r, 0, 2, 1, 0)
	for i, want := range [][2]string{{"größe", "=SUM(A1)"}, {"never known", "C"}} {
		if e := events[i]; e.Kind != trail.Retracted || e.Deal != want[0] || e.Attrs["into"] != want[1] || len(e.Attrs) != 1 || e.Person != nil {
			t.Fatalf("%+v", e)
		}
	}
	if len(events) != 2 || len(r.Warnings) != 0 {
		t.Fatalf("%+v, %q", events, r.Warnings)
	}
	w.want("deals", dealsNow, "=SUM(A1) Sum open 2", "C Third open 3")
	for _, load := range []func(string, ...string) (string, int){
		func(table string, rows ...string) (string, int) {
			_, e := w.load(table, rows...)
			return "load", len(e)
		},
		func(table string, rows ...string) (string, int) {
			_, e := w.put(table, append(rows, "C,Third,3,,")...)
			return "put", len(e)
		},
	} {
		if how, n := load("deals", rows...); n != 0 {
			t.Fatalf("%s again: %d events", how, n)
		}
	}
	// Merged on, then told of as a deal of its own.
	if _, events = w.load("deals", "id,merged_into", "größe,C"); len(events) != 1 || events[0].Attrs["into"] != "C" {
		t.Fatalf("%+v", events)
	}
	r, _ = w.load("deals", "id,amount", "größe,7")
	wantReport(t, r, 1, 0, 0, 0)
	w.want("deals", dealsNow, "=SUM(A1) Sum open 2", "C Third open 3", "größe Size open 7")
	// A stage that it entered does not bring a merged deal back.
	w.load("deals", "id,merged_into", "größe,C")
	w.load("stages", "deal,stage,at", "größe,Demo,2026-01-10", "größe,Demo,2027-01-10")
	w.want("deals", dealsNow, "=SUM(A1) Sum open 2", "C Third open 3")
}

func TestMergesThatLeaveNoDealAreRejected(t *testing.T) {
	w := newWorld(t)
	r, events := w.load("deals", "id,name,Merged Into", "A,,B", "B,,C", "C,,A", "D,,A", "E,,E", "F,,G", "G,,H")
	if r.Rejected != 4 || len(events) != 3 {
		t.Fatalf("%+v", r)
	}
	for i, want := range []string{`Merged Into "B" leads back to this deal`, `Merged Into "C" leads back`, `Merged Into "A" leads back`, `Merged Into "E" is the deal itself`} {
		if row := r.Rows[i]; !strings.HasPrefix(row.Reason, want) || row.Column != "Merged Into" || row.Line != []int{2, 3, 4, 6}[i] {
			t.Fatalf("%+v, want %q", row, want)
		}
	}
	if !hasWarning(r, `Deals were merged into deals that no list of deals has: "A", "H".`) {
		t.Fatalf("warnings %q", r.Warnings)
	}
}

func TestAMergeIntoADealThatIsNotThereIsToldOf(t *testing.T) {
	w := newWorld(t)
	w.load("deals", "id", "A", "B", "C", "D")
	r, _ := w.put("deals", "id,merged_into", "A,B", "C,", "D,") // B has no row
	if wantReport(t, r, 0, 1, 2, 1); !hasWarning(r, `"B"`) {
		t.Fatalf("%+v", r)
	}
	w.want("deals", dealsNow, "C open", "D open")
	w.load("deals", "id,merged_into", "C,D")
	if r, _ = w.load("deals", "id,merged_into", "D,C"); !hasWarning(r, `"C"`) { // each into the other
		t.Fatalf("%+v", r)
	}
}

// The events of a deal's life are told in any order, some twice, and each report
// says what was known by its time.
func TestADealIsWhatItsNewestWordSaysInAnyOrderOfArrival(t *testing.T) {
	const header = "id,status,stage,amount,created_at,closed_at,loss_reason,merged_into"
	orders := permutations(5)
	told, asOf := newWorld(t), []string{}
	tell := func(put bool, row string) {
		rows := []string{header}
		for i := range orders {
			if row != "" {
				rows = append(rows, strings.Replace(row, "D", "D"+string(rune('A'+i/26))+string(rune('a'+i%26)), 1))
			}
		}
		if put {
			rows = append(rows, "keep,,,,,,,")
			if _, err := told.try("deals", false, true, rows...); err != nil {
				t.Fatal(err)
			}
		} else {
			told.load("deals", rows...)
		}
		asOf = append(asOf, told.clock.Format("2006-01-02 15:04:05"))
	}
	tell(false, "D,won,Closed Won,10,2026-01-01,2026-03-01,,")
	tell(false, "D,open,Demo,10,2026-01-01,2026-03-01,,") // reopened
	tell(true, "")
	tell(false, "D,lost,Lost,11,2026-01-01,2026-04-01,price,")
	tell(false, "D,,,,,,,keep")
	byDeal := map[string][]trail.Event{}
	for _, e := range told.events {
		if e.Deal != "keep" {
			byDeal[e.Deal] = append(byDeal[e.Deal], e)
		}
	}
	arrived := newWorld(t)
	batches := make([][]trail.Event, 5)
	for i, deal := range slices.Sorted(maps.Keys(byDeal)) {
		if n := len(byDeal[deal]); n != 5 {
			t.Fatalf("%s has %d events", deal, n)
		}
		for n, at := range orders[i] {
			batches[n] = append(batches[n], byDeal[deal][at])
			if n == 3 {
				batches[n] = append(batches[n], byDeal[deal][orders[i][0]]) // a copy
			}
		}
	}
	for _, b := range batches {
		if err := arrived.db.InsertEvents(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	const view = "SELECT DISTINCT concat(status, ' ', stage, ' ', attrs['amount'], ' ', if(closed_at = toDateTime64(0, 3), '', toString(toDate(closed_at))), ' ', loss_reason, ' ', toString(count())) FROM deals(as_of = 'AT') GROUP BY ALL"
	for n, want := range [][]string{{"won Closed Won 10 2026-03-01  120"}, {"open Demo 10   120"}, {}, {"lost Lost 11 2026-04-01 price 120"}, {}} {
		if got := arrived.rows(strings.Replace(view, "AT", asOf[n], 1)); !slices.Equal(got, want) {
			t.Fatalf("as of word %d: %q, want %q", n, got, want)
		}
	}
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var all [][]int
	for _, p := range permutations(n - 1) {
		for at := range n {
			all = append(all, slices.Insert(slices.Clone(p), at, n-1))
		}
	}
	return all
}
