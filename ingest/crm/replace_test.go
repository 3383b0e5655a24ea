package crm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"dealtrail/trail"
)

// lists are whole lists of each table that a file may replace, and what the
// report calls the second row.
var lists = []struct {
	table, gone, view string
	rows              []string
}{
	{"deals", "=SUM(A1) (Größe)", dealsNow, []string{"id,name,amount,currency,status", "D1,One,1,EUR,won", "=SUM(A1),Größe,2.5,EUR,open", "größe,Three,,,lost"}},
	{"contacts", "bo@acme.example", contactsNow, []string{"email,name,account", "ann@acme.example,Ann,Acme", "bo@acme.example,=SUM(A1),Größe", "cy@acme.example,,"}},
	{"stages", "2026-01-11 00:00 =SUM(A1) Größe", factsNow, []string{"deal,stage,at", "D1,Demo,2026-01-10", "=SUM(A1),Größe,2026-01-11", "größe,Won,2026-01-12"}},
	{"touches", "2026-01-11 09:00 clicked größe =SUM(A1)", factsNow, []string{
		"at,kind,content,contact,deal",
		"2026-01-10 09:00,clicked,c,ann@acme.example,", "2026-01-11 09:00,clicked,größe,ann@acme.example,=SUM(A1)", "2026-01-10 09:00,clicked,c,ann@acme.example,",
	}},
}

func without(rows []string, i int) []string { return slices.Delete(slices.Clone(rows), i, i+1) }

func TestWhatIsGoneFromTheListIsRetractedAndComesBackWithItsRow(t *testing.T) {
	for _, l := range lists {
		t.Run(l.table, func(t *testing.T) {
			w := newWorld(t)
			w.load(l.table, l.rows...)
			all := w.rows(l.view)
			if len(all) != 3 {
				t.Fatalf("loaded %q", all)
			}
			r, events := w.load(l.table, without(l.rows, 2)...)
			if wantReport(t, r, 0, 0, 2, 0); len(events) != 0 {
				t.Fatalf("a list that does not replace retracted: %+v", events)
			}
			for range 3 { // gone, back, gone again, ...
				r, events = w.put(l.table, without(l.rows, 2)...)
				wantReport(t, r, 0, 0, 2, 1)
				if len(events) != 1 || events[0].Kind != trail.Retracted || events[0].Person != nil || events[0].Source != "csv" || !slices.Equal(r.Gone, []string{l.gone}) {
					t.Fatalf("%q: %+v", r.Gone, events)
				}
				left := w.rows(l.view)
				if len(left) != 2 || slices.ContainsFunc(left, func(s string) bool { return !slices.Contains(all, s) }) {
					t.Fatalf("left is %q of %q", left, all)
				}
				if r, events = w.put(l.table, without(l.rows, 2)...); len(events) != 0 || r.Retracted != 0 || len(r.Gone) != 0 {
					t.Fatalf("the same list again: %+v, %+v", r, events)
				}
				r, events = w.put(l.table, l.rows...)
				if wantReport(t, r, 1, 0, 2, 0); len(events) != 1 {
					t.Fatalf("the row came back as %+v", events)
				}
				if back := w.rows(l.view); !slices.Equal(back, all) {
					t.Fatalf("back is %q, and it was %q", back, all)
				}
				if r, events = w.put(l.table, l.rows...); len(events) != 0 {
					t.Fatalf("the whole list again: %+v, %+v", r, events)
				}
			}
		})
	}
}

func TestARetractedFactIsItsNextRevisionAndSaysNothing(t *testing.T) {
	w := newWorld(t)
	l := lists[3]
	_, loaded := w.load(l.table, l.rows...)
	_, events := w.put(l.table, without(l.rows, 2)...)
	var was trail.Event
	for _, e := range loaded {
		if e.Content == "größe" {
			was = e
		}
	}
	want := trail.Event{ID: was.ID, Revision: 1, Kind: trail.Retracted, At: was.At, ReceivedAt: was.ReceivedAt, RevisedAt: w.clock, Source: "csv"}
	if got := events[0]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
	_, events = w.put(l.table, l.rows...)
	want = was
	want.Revision, want.RevisedAt = 2, w.clock
	if got := events[0]; fmt.Sprint(got.ID, got.Revision, got.Kind, got.Content, got.Deal, got.Contact, got.ReceivedAt, got.RevisedAt) !=
		fmt.Sprint(want.ID, want.Revision, want.Kind, want.Content, want.Deal, want.Contact, want.ReceivedAt, want.RevisedAt) {
		t.Fatalf("came back as %+v\nand was %+v", got, was)
	}
	// One of two equal touches less is one touch less.
	if r, _ := w.put(l.table, without(l.rows, 3)...); r.Retracted != 1 || len(w.rows(factsNow)) != 2 {
		t.Fatalf("%+v, left %q", r, w.rows(factsNow))
	}
}

func TestAThingComesBackWithAllThatWasSaidOfIt(t *testing.T) {
	w := newWorld(t)
	w.load("deals", "id,name,amount,currency,status", "A,Ann's,5,EUR,won", "B,Bo's,6,EUR,open")
	w.load("deals", "id,loss_reason,owner", "A,,mia@us.example", "B,,mia@us.example")
	before, err := w.States(t.Context(), trail.DealKind, []string{"A"})
	if err != nil {
		t.Fatal(err)
	}
	w.put("deals", "id", "B")
	if s, err := w.States(t.Context(), trail.DealKind, []string{"A"}); err != nil || !s["A"].Gone || s["A"].Into != "" {
		t.Fatalf("%v %+v", err, s)
	}
	w.put("deals", "id", "A", "B")
	after, err := w.States(t.Context(), trail.DealKind, []string{"A"})
	if err != nil || after["A"].Gone || show(after["A"].Attrs) != show(before["A"].Attrs) {
		t.Fatalf("%v\n got %s\nwant %s", err, show(after["A"].Attrs), show(before["A"].Attrs))
	}
}

func TestOnlyWhatTheSameListBroughtIsRetracted(t *testing.T) {
	w := newWorld(t)
	w.load("contacts", "email", "ann@acme.example", "bo@acme.example", "cy@acme.example")
	w.load("deals", "id,contacts", "A,ann@acme.example;ofdeal@acme.example", "B,", "C,")
	w.load("stages", "deal,stage,at", "A,Demo,2026-01-10", "B,Demo,2026-01-10", "C,Demo,2026-01-10", "known from stages,Demo,2026-01-10")
	w.load("touches", "at,kind,content,contact,deal", "2026-01-10,clicked,c,ann@acme.example,A", "2026-01-11,clicked,c,oftouch@acme.example,B")
	mailed := key.ID("mailed@acme.example")
	states, err := w.States(t.Context(), trail.DealKind, []string{"C"})
	if err != nil {
		t.Fatal(err)
	}
	hook := trail.Registration("webhook/hubspot", trail.DealKind, "C", states["C"], states["C"].With(map[string]string{"name": "spoke last"}), w.clock)
	other := trail.Event{ID: trail.NewID(w.clock), Kind: trail.Staged, At: w.clock, ReceivedAt: w.clock, Source: "webhook/hubspot", Deal: "B", Stage: "Won"}
	mail := trail.Event{ID: trail.NewID(w.clock), Kind: trail.Sent, At: w.clock, ReceivedAt: w.clock, Source: "mail", Rep: "mia@us.example", Contact: mailed, Person: &trail.Person{Address: "mailed@acme.example"}}
	if err := w.Emit(t.Context(), hook, other, mail); err != nil {
		t.Fatal(err)
	}
	r, _ := w.put("contacts", "email", "ann@acme.example", "cy@acme.example")
	wantReport(t, r, 0, 0, 2, 1)
	w.want("contacts", contactsNow, "ann@acme.example", "cy@acme.example", "mailed@acme.example", "ofdeal@acme.example", "oftouch@acme.example")
	r, _ = w.put("deals", "id", "A")
	wantReport(t, r, 0, 0, 1, 1) // C is the webhook's, and no list of deals ever had the last
	w.want("deals", dealsNow, "A open Demo", "C spoke last open Demo", "known from stages open Demo")
	r, _ = w.put("stages", "deal,stage,at", "A,Demo,2026-01-10", "B,Demo,2026-01-10", "C,Demo,2026-01-10")
	wantReport(t, r, 0, 0, 3, 1)
	if n := len(w.rows(factsNow)); n != 3+1+2+1 {
		t.Fatalf("facts are %q", w.rows(factsNow))
	}
}

func TestAContactThatADealNamesAgainIsBack(t *testing.T) {
	w := newWorld(t)
	w.load("contacts", "email,account", "ann@acme.example,Acme", "bo@acme.example,Acme")
	w.put("contacts", "email", "bo@acme.example")
	w.want("contacts", contactsNow, "bo@acme.example Acme")
	w.load("deals", "id,contacts", "A,ann@acme.example")
	w.want("contacts", contactsNow, "ann@acme.example Acme", "bo@acme.example Acme")
	r, events := w.put("contacts", "email", "bo@acme.example")
	if wantReport(t, r, 0, 0, 1, 0); len(events) != 0 {
		t.Fatalf("what the deal says was retracted: %+v", events)
	}
}

func TestAListThatCannotBeWholeReplacesNothing(t *testing.T) {
	w := newWorld(t)
	w.load("deals", "id,name", "A,", "B,Bo's", "C,", "D,")
	n := len(w.events)
	for _, c := range []struct {
		rows []string
		code trail.Code
		text string
	}{
		{[]string{""}, trail.Invalid, "is empty"},
		{[]string{"id,amount"}, trail.Invalid, "has no rows"},
		{[]string{"id,amount", "A,1", "B,2", "C,3", "D,x"}, trail.Invalid, `1 of 4 rows cannot be read, the first in line 5: amount "x" is not a number.`},
		{[]string{"id,amount", "A,1", "B,2", "B,3", "C,3", "D,3"}, trail.Invalid, `2 of 5 rows cannot be read, the first in line 3`},
		{[]string{"id,amount", "A,9"}, trail.Conflict, "3 of the 4 deals that are there have no row in the file, more than half: B (Bo's), C, D. If the file has all there are"},
	} {
		_, err := w.try("deals", false, c.code == trail.Invalid, c.rows...) // force mends no list
		var p *trail.Problem
		if !errors.As(err, &p) || p.Code != c.code || !strings.Contains(p.Text, c.text) {
			t.Fatalf("%q: %v, want %q", c.rows, err, c.text)
		}
		dry, err := w.try("deals", true, false, c.rows...)
		if c.rows[0] != "" && (err != nil || !strings.Contains(dry.Refused, c.text) || dry.Read != len(c.rows)-1) {
			t.Fatalf("dry run of %q: %v %+v", c.rows, err, dry)
		}
		if len(w.events) != n {
			t.Fatalf("%q: emitted %+v", c.rows, w.events[n:])
		}
	}
	if r, err := w.try("deals", true, false, "id", "A", "B"); err != nil || r.Refused != "" || r.Retracted != 2 || !slices.Equal(r.Gone, []string{"C", "D"}) || len(w.events) != 4 {
		t.Fatalf("dry run of a half: %v %+v", err, r)
	}
	if r, err := w.try("deals", false, true, "id", "D"); err != nil || r.Retracted != 3 {
		t.Fatalf("forced: %v %+v", err, r)
	}
	w.want("deals", dealsNow, "D open")
	_, err := w.try("content", false, true, "id,url", "A,https://x.example/")
	var p *trail.Problem
	if !errors.As(err, &p) || p.Code != trail.Invalid || !strings.Contains(p.Text, "expires_at") {
		t.Fatalf("content: %v", err)
	}
}

func TestOnlyTheFirstOfManyAreNamed(t *testing.T) {
	w := newWorld(t)
	rows := []string{"id"}
	for i := range 60 {
		rows = append(rows, fmt.Sprintf("D%02d", i))
	}
	w.load("deals", rows...)
	if r, _ := w.put("deals", rows[:32]...); r.Retracted != 29 || len(r.Gone) != 20 || r.Gone[0] != "D31" {
		t.Fatalf("%+v", r)
	}
}

// A list that stops half way, wherever, ends the same when it is repeated.
func TestAReplacementThatStoppedIsRepeated(t *testing.T) {
	before := []string{"id,amount,currency,status", "A,1,,", "B,2,,", "C,3,,", "D,4,,"}
	after := []string{"id,amount,currency,status", "A,9,,", "E,5,,", "C,3,,"}
	for at := range 4 {
		w := newWorld(t)
		w.load("deals", before...)
		gone := errors.New("connection refused")
		w.stop = func(n int) error {
			if n == 4+at {
				return gone
			}
			return nil
		}
		_, err := w.try("deals", false, false, after...)
		var p *trail.Problem
		if !errors.Is(err, gone) || !errors.As(err, &p) || p.Code != trail.Unavailable {
			t.Fatalf("stopped at %d: %v", at, err)
		}
		w.stop = nil
		w.put("deals", after...)
		w.want("deals", dealsNow, "A open 9", "C open 3", "E open 5")
		if _, events := w.put("deals", after...); len(events) != 0 {
			t.Fatalf("repeated: %+v", events)
		}
	}
}

// Whatever was there, a list that replaces leaves exactly what it has.
func TestAListThatReplacesIsWhatIsThere(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	for _, l := range lists {
		w := newWorld(t)
		for range 8 {
			rows, want := []string{}, []string{}
			for i := range 9 {
				n := rng.IntN(2)
				if rng.IntN(3) == 0 {
					continue
				}
				row := map[string][2]string{
					"deals":    {fmt.Sprintf("D%d,Name %d,%d,EUR,open", i, n, i), fmt.Sprintf("D%d Name %d open %d EUR", i, n, i)},
					"contacts": {fmt.Sprintf("p%d@acme.example,Name %d,", i, n), fmt.Sprintf("p%d@acme.example Name %d", i, n)},
					"stages":   {fmt.Sprintf("D%d,S%d,2026-01-%02d", i/5, n, 1+i), fmt.Sprintf("2026-01-%02d 00:00:00.000 staged D%d S%d", 1+i, i/5, n)},
					"touches":  {fmt.Sprintf("2026-01-%02d,viewed,c%d,,D%d", 1+i, n, i/5), fmt.Sprintf("2026-01-%02d 00:00:00.000 viewed c%d D%d human", 1+i, n, i/5)},
				}[l.table]
				rows, want = append(rows, row[0]), append(want, row[1])
			}
			if len(rows) == 0 {
				continue
			}
			rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			rows = slices.Insert(rows, 0, l.rows[0])
			for range 2 {
				if _, err := w.try(l.table, false, true, rows...); err != nil {
					t.Fatal(err)
				}
				w.want(l.table, l.view, want...)
			}
		}
	}
}
