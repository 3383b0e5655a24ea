package trail_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

func refused(t *testing.T, err error, want string) {
	t.Helper()
	var p *trail.Problem
	if !errors.As(err, &p) || !strings.Contains(p.Text, want) {
		t.Errorf("refused with %v, want a problem that says %q", err, want)
	}
}

func TestARequestSaysWhoWantsWhatForWhichDealOrStage(t *testing.T) {
	e, q, err := trail.Request{Rep: " Anna@Us.example ", Text: "nothing for\r\nsecurity reviews ", Deal: "D 1", Persona: "  CISO  of a bank "}.Event("ui", noon)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	if e.ID != q.ID || e.Rep != "anna@us.example" || e.Note != "nothing for\nsecurity reviews" || e.Deal != "D 1" || e.Attrs["persona"] != "CISO of a bank" || e.Kind != trail.Requested {
		t.Errorf("%+v", e)
	}
	good := trail.Request{Rep: "a@b.example", Text: "x", Stage: "Demo"}
	for want, change := range map[string]func(*trail.Request){
		"who asks":              func(q *trail.Request) { q.Rep = " " },
		"is not an address":     func(q *trail.Request) { q.Rep = "anna" },
		`"a b@c.example" is`:    func(q *trail.Request) { q.Rep = "a b@c.example" },
		"what is missing":       func(q *trail.Request) { q.Text = "\r\n\t \x00" },
		"has 2001 characters":   func(q *trail.Request) { q.Text = strings.Repeat("ü", 2001) },
		"or for which stage":    func(q *trail.Request) { q.Stage = "" },
		"The stage has 201":     func(q *trail.Request) { q.Stage = strings.Repeat("s", 201) },
		"The persona has 300":   func(q *trail.Request) { q.Persona = strings.Repeat("s", 300) },
		"no deal with such":     func(q *trail.Request) { q.Deal = strings.Repeat("9", 300) },
		"no deal with such an ": func(q *trail.Request) { q.Deal = "\xff" },
	} {
		q := good
		change(&q)
		_, _, err := q.Event("ui", noon)
		refused(t, err, want)
	}
	good.Text = strings.Repeat("ü", trail.MaxText)
	if _, _, err := good.Event("ui", noon); err != nil {
		t.Errorf("the longest text: %v", err)
	}
	good.Text = "bad \xff bytes"
	if e, _, err := good.Event("ui", noon); err != nil || e.Note != "bad \uFFFD bytes" {
		t.Errorf("%q, %v", e.Note, err)
	}
}

func TestAnAnswerNamesItsRequestAndIsLaterThanTheOneBefore(t *testing.T) {
	q := trail.Request{ID: trail.NewID(noon), At: noon, Deal: "D1"}
	e, a, err := trail.Answer{By: "Mia@Us.example", Content: " case "}.Event(q, "api", noon)
	if err != nil || e.Validate() != nil || e.Attrs["request"] != q.ID.String() || e.Deal != "D1" || e.Content != "case" || a.Text != "Here it is." || e.Rep != "mia@us.example" || a.Declined {
		t.Errorf("%+v, %+v, %v", e, a, err)
	}
	q.Answer = &a
	again, _, err := trail.Answer{Declined: true, Text: "no budget"}.Event(q, "api", noon.Add(-time.Hour))
	if err != nil || !again.At.After(e.At) || again.Attrs["declined"] != "yes" || again.ID == e.ID {
		t.Errorf("on a slow clock: %+v, %v", again, err)
	}
	for want, a := range map[string]trail.Answer{
		"Say why there will be no": {Declined: true}, "Give an answer": {Text: "  "}, "not both": {Declined: true, Text: "x", Content: "case"},
		"at most 2000": {Text: strings.Repeat("a", 2001)}, "is not an address": {Text: "x", By: "Mia"},
	} {
		_, _, err := a.Event(q, "api", noon)
		refused(t, err, want)
	}
}

func TestARequestIsLateOnlyWhileItIsOpen(t *testing.T) {
	answered := &trail.Answer{At: noon}
	for _, x := range []struct {
		q     trail.Request
		days  int
		now   time.Time
		state trail.RequestState
		late  bool
	}{
		{trail.Request{At: noon}, 0, noon.AddDate(0, 0, 14), trail.RequestOpen, false},
		{trail.Request{At: noon}, 0, noon.AddDate(0, 0, 14).Add(time.Second), trail.RequestOpen, true},
		{trail.Request{At: noon}, 3, noon.AddDate(0, 0, 4), trail.RequestOpen, true},
		{trail.Request{At: noon, Answer: answered}, 3, noon.AddDate(1, 0, 0), trail.RequestAnswered, false},
		{trail.Request{At: noon, Answer: &trail.Answer{At: noon, Declined: true}}, 3, noon.AddDate(1, 0, 0), trail.RequestDeclined, false},
	} {
		if x.q.Judge(x.days, x.now); x.q.State != x.state || x.q.Late != x.late {
			t.Errorf("%+v is %s, late %v", x, x.q.State, x.q.Late)
		}
	}
}

func TestADealWaitsOnceAndOnlyWhileItIsOpen(t *testing.T) {
	row := func(deal, status, amount, currency string, state trail.RequestState) trail.Request {
		return trail.Request{Deal: deal, DealStatus: status, DealValue: trail.Money{Amount: amount, Currency: currency}, State: state}
	}
	got := trail.AmountWaiting([]trail.Request{
		row("D1", "open", "1000.10", "EUR", trail.RequestOpen), row("D1", "open", "1000.10", "EUR", trail.RequestOpen),
		row("D2", "open", "0.20", "EUR", trail.RequestOpen), row("D3", "open", "70000", "JPY", trail.RequestOpen),
		row("D4", "won", "5", "EUR", trail.RequestOpen), row("D5", "open", "5", "EUR", trail.RequestAnswered),
		row("", "", "", "", trail.RequestOpen), row("D6", "open", "", "EUR", trail.RequestOpen),
	})
	if want := []trail.Money{{Amount: "1000.30", Currency: "EUR"}, {Amount: "70000", Currency: "JPY"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if none := trail.AmountWaiting(nil); none == nil || len(none) != 0 {
		t.Errorf("of nothing: %v", none)
	}
}

func TestOpenRequestsComeFirstAndTheOldestOfThem(t *testing.T) {
	at := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	all := []trail.Request{
		{Text: "answered", At: at(0), Answer: &trail.Answer{At: at(5)}},
		{Text: "new", At: at(4)},
		{Text: "answered later", At: at(1), Answer: &trail.Answer{At: at(6)}},
		{Text: "old", At: at(2)},
	}
	trail.SortRequests(all)
	order := ""
	for _, q := range all {
		order += q.Text + ", "
	}
	if order != "old, new, answered later, answered, " {
		t.Error(order)
	}
}

func TestANoteIsAboutAContentAndAVoteAboutANote(t *testing.T) {
	e, n, err := trail.Note{Rep: "anna@us.example", Text: "Page 3 convinces lawyers", Content: "case"}.Event("ui", noon)
	if err != nil || e.Validate() != nil || e.Content != "case" || e.Note != n.Text || e.ID != n.ID {
		t.Errorf("%+v, %v", e, err)
	}
	for want, n := range map[string]trail.Note{
		"which content": {Rep: "a@b.example", Text: "x"}, "Say what worked": {Rep: "a@b.example", Content: "case"}, "whose note": {Text: "x", Content: "case"},
	} {
		_, _, err := n.Event("ui", noon)
		refused(t, err, want)
	}
	n.Voted = noon.Add(time.Hour)
	v, err := trail.Vote{By: "Ben@us.example", Not: true}.Event(n, "ui", noon)
	if err != nil || v.Validate() != nil || v.Attrs["note"] != n.ID.String() || v.Attrs["not"] != "yes" || !v.At.After(n.Voted) || v.Content != "" {
		t.Errorf("%+v, %v", v, err)
	}
	_, err = trail.Vote{}.Event(n, "ui", noon)
	refused(t, err, "whose vote")
	for search, want := range map[string]bool{"": true, "LAWYERS page": true, "anna lawyers": true, "lawyers ben": false} {
		if n.Has(search) != want {
			t.Errorf("%q is found: %v", search, !want)
		}
	}
	q := trail.Request{Text: "Sicherheit für Banken", Stage: "Demo", Answer: &trail.Answer{Title: "Übersicht"}}
	if !q.Has("BANKEN demo") || !q.Has("übersicht") || q.Has("übersicht versicherung") {
		t.Error("a search of requests does not find words in whatever case")
	}
}
