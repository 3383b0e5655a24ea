package attribution_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// TestAListIsHeldAgainstComparableContacts counts by hand. Twelve leads are on the list and
// twelve contacts are not, all were sent the deck on the 5th, but R12 in March.
//
//	L01–L10, R01–R10, R12  on an open deal of 500 in Demo
//	L11, L12, R11          on no deal
//
// L01–L06, L11, R01, R02 and R12 clicked after that; L07 before it was sent; at L08 a machine did.
func TestAListIsHeldAgainstComparableContacts(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	date := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	var events []trail.Event
	add := func(kind trail.Kind, who string, at time.Time, change func(e *trail.Event)) {
		e := trail.Event{ID: trail.IDFrom(at, "test", string(kind), who), Kind: kind, Source: "test", At: at, ReceivedAt: at}
		change(&e)
		events = append(events, e)
	}
	add(trail.ContentKind, "deck", date(1), func(e *trail.Event) { e.Content, e.Attrs = "deck", map[string]string{"title": "The Deck"} })
	human := trail.Verdict{Agent: trail.Human, Probability: 0.99}
	var onList []trail.ContactID
	for i := 1; i <= 24; i++ {
		who, n := fmt.Sprintf("L%02d", i), i
		if i > 12 {
			who, n = fmt.Sprintf("R%02d", i-12), i-12
		} else {
			onList = append(onList, trail.ContactID(who))
		}
		sent := date(5)
		if who == "R12" {
			sent = date(80)
		}
		if n <= 10 || who == "R12" {
			add(trail.DealKind, who, date(2), func(e *trail.Event) {
				e.Deal, e.Attrs = "D-"+who, map[string]string{"amount": "500", "currency": "EUR", "status": "open", "contacts": who, "created_at": "2026-01-02T00:00:00Z"}
			})
			add(trail.Staged, who, date(3), func(e *trail.Event) { e.Deal, e.Stage = "D-"+who, "Demo" })
		}
		add(trail.Sent, who, sent, func(e *trail.Event) {
			e.Content, e.Contact, e.Rep, e.Share, e.Message = "deck", trail.ContactID(who), "rita@us.example", trail.ShareID("s"+who), "m"+who
		})
		click := func(at time.Time, v trail.Verdict) {
			add(trail.Clicked, who, at, func(e *trail.Event) { e.Content, e.Share, e.Verdict = "deck", trail.ShareID("s"+who), v })
		}
		switch {
		case strings.Contains("L01 L02 L03 L04 L05 L06 L11 R01 R02 R12", who):
			click(sent.AddDate(0, 0, 3), human)
		case who == "L07":
			click(date(4), human)
		case who == "L08":
			click(date(6), trail.Verdict{Agent: trail.Scanner, Probability: 0.99})
		}
	}
	kept, list, err := trail.LeadList{Name: "  Fair,\n April ", How: "fair.csv"}.Events(append(onList, "L01", ""), "ui", date(6))
	if err != nil || list.Leads != 12 || len(kept) != 13 || list.Name != "Fair, April" {
		t.Fatalf("%+v, %d events, %v", list, len(kept), err)
	}
	if err := db.InsertEvents(t.Context(), append(events, kept...)); err != nil {
		t.Fatal(err)
	}
	for _, laidOut := range []bool{false, true} {
		if laidOut {
			if _, err := db.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r, err := attribution.ResponseOf(t.Context(), db, list.ID.String(), store.Filter{})
		if err != nil || len(r.Rows) != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		row := r.Rows[0]
		if got := fmt.Sprint(row.Sent, *row.Engaged, *row.Clicked, *row.Replied, row.Compared, *row.CompEng, row.Rest, *row.RestEng, " ", row.Title); got != "12 7 7 0 12 7 11 2 The Deck" {
			t.Errorf("counts %s", got)
		}
		// Wilson for 7 of 12; Mantel and Haenszel: (2 + 1/3) / (5 + 2/3).
		for what, x := range map[string][2]float64{"rate": {*row.Rate, 7.0 / 12}, "low": {*row.Low, 0.3195}, "high": {*row.High, 0.8067}, "difference": {*row.Diff, 0.41176}} {
			if math.Abs(x[0]-x[1]) > 5e-5 {
				t.Errorf("%s is %.5f, want %.5f", what, x[0], x[1])
			}
		}
		if row.Verdict != "higher" || row.Sentence != "The list responded 41.2 points more than comparable contacts." || r.Name != "Fair, April" || r.How != "fair.csv" || r.Leads != 12 {
			t.Errorf("%+v", r)
		}
	}
	if _, err := attribution.ResponseOf(t.Context(), db, trail.NewID(date(1)).String(), store.Filter{}); !isProblem(err, trail.NotFound) {
		t.Errorf("an unknown list: %v", err)
	}
	if found, err := db.FindLeads(t.Context(), trail.LeadFilter{Stage: "Demo", Size: "under 10k"}, store.Filter{}); err != nil || len(found) != 0 {
		t.Errorf("%v, %v: nobody's address is known", found, err)
	}
}

func isProblem(err error, code trail.Code) bool {
	p := (*trail.Problem)(nil)
	return errors.As(err, &p) && p.Code == code
}

func TestTooFewLeadsAreNotHeldAgainstAnybody(t *testing.T) {
	t.Parallel()
	if _, _, err := (trail.LeadList{Name: "x"}).Events(nil, "ui", time.Now()); !isProblem(err, trail.Invalid) {
		t.Errorf("an empty list: %v", err)
	}
	if _, _, err := (trail.LeadList{}).Events([]trail.ContactID{"a"}, "ui", time.Now()); !isProblem(err, trail.Invalid) {
		t.Errorf("a list without a name: %v", err)
	}
}

// Where all of one side did and none of the other, strata have no variance, and still say the most that they can.
func TestAListThatRespondsAsNobodyElseDoesIsNotAlike(t *testing.T) {
	t.Parallel()
	stratum := func(stage string, engaged, restEngaged int64) store.Response {
		return store.Response{Content: "deck", Stage: stage, Sent: 10, Engaged: engaged, Rest: 12, RestEngaged: restEngaged}
	}
	for name, x := range map[string]struct {
		strata []store.Response
		want   string
	}{
		"all and none":                 {[]store.Response{stratum("A", 10, 0), stratum("B", 10, 0)}, "The list responded 100.0 points more than comparable contacts."},
		"none and all":                 {[]store.Response{stratum("A", 0, 12), stratum("B", 0, 12)}, "The list responded 100.0 points less than comparable contacts."},
		"all in one, none in another":  {[]store.Response{stratum("A", 10, 12), stratum("B", 0, 0)}, "Everybody responded alike, which says nothing."},
		"nobody anywhere":              {[]store.Response{stratum("A", 0, 0), stratum("B", 0, 0)}, "Everybody responded alike, which says nothing."},
		"the same, with some variance": {[]store.Response{stratum("A", 9, 0), stratum("B", 10, 1)}, "The list responded 90.8 points more than comparable contacts."},
	} {
		row, err := attribution.Respond(x.strata)
		if err != nil || row.Sentence != x.want {
			t.Errorf("%s: %q, %v; want %q", name, row.Sentence, err, x.want)
		}
	}
}
