package dashboards

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"dealtrail/store"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

func TestADealsPeopleAreMetOrMissing(t *testing.T) {
	t.Parallel()
	who := func(address, role string) trail.ContactRow { return trail.ContactRow{Address: address, Role: role} }
	event := func(kind trail.Kind, v trail.Agent, content string, people ...string) trail.TrailRow {
		return trail.TrailRow{Kind: kind, Verdict: v, Content: content, Contacts: people}
	}
	d := &trail.DealDetail{Contacts: []trail.ContactRow{who("a", "CFO"), who("b", "cto"), who("c", ""), who("d", "")}, Events: []trail.TrailRow{
		event(trail.Sent, "", "deck", "a"), event(trail.Clicked, trail.Scanner, "deck", "a"),
		event(trail.Replied, "", "case", "b"), event(trail.Clicked, trail.Human, "deck", "c", "d"), event(trail.Sent, "", "deck", "c"),
	}}
	var got []string
	for _, m := range peopleOf(d, trail.Likely) {
		got = append(got, m.Address+" "+m.How)
	}
	if want := "b answered, a was sent mail, c was sent mail, d never reached"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	found := store.Similar{
		Size: "under 10k", Won: 6, Seen: []store.SimilarContent{{Content: "case", Deals: 6}, {Content: "faq", Deals: 3}},
		Roles: []store.SimilarRole{{Role: "CFO", Deals: 6}, {Role: "CTO", Deals: 5}, {Role: "Legal", Deals: 3}, {Role: "IT", Deals: 2}},
	}
	s := newSimilar(found, d, trail.Likely)
	if got := fmt.Sprint(s.Missing, s.Rows[0].Here, s.Rows[1].Here, s.Rows[1].Width); got != "[{Legal 3}] true false50.00" {
		t.Errorf("similar: %s", got)
	}
	found.Won = 4
	if s := newSimilar(found, d, trail.Likely); s.Few() != "4 won deals are of the size under 10k: it takes 5 to tell anything." || s.Rows != nil || s.Missing != nil {
		t.Errorf("%q, %+v", s.Few(), s)
	}
}

func TestEveryModelsColumnAddsUpToTheDeal(t *testing.T) {
	t.Parallel()
	sum := func(credit float64, amount string) trail.Sum {
		return trail.Sum{Credit: credit, Value: trail.Money{Amount: amount, Currency: "EUR"}}
	}
	first, linear, none := model{}, model{}, model{}
	first.Name, first.Title, linear.Name, linear.Title, none.Name = "first", "First", "linear", "Linear", "shapley"
	table := newCreditsTable([]model{first, linear, none}, map[string]map[string]trail.Sum{
		"first": {"deck": sum(1, "100.01")}, "linear": {"deck": sum(1.0/3, "33.33"), "case": sum(1.0/3, "33.34"), "": sum(1.0/3, "33.34")},
	}, map[string]string{"deck": "The Deck"})
	want := "[First Linear] [{deck The Deck [{100.01 EUR} {33.33 EUR}] [100.0% 33.3%]} {case case [{0.00 EUR} {33.34 EUR}] [0.0% 33.3%]} { No content seen [{0.00 EUR} {33.34 EUR}] [0.0% 33.3%]}] [{100.01 EUR} {100.01 EUR}]"
	if got := fmt.Sprint(table.Models, table.Rows, table.Total.Values); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if newCreditsTable([]model{first}, nil, nil) != nil {
		t.Error("a deal that no run divided has a table")
	}
}

func TestPagesOfOneContentAndOneDealSayWhatIsAround(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	d := wonDeal(t)
	body := html.UnescapeString(read(t, e, "/deals/"+d.ID))
	foot := regexp.MustCompile(`(?s)data-file="credit-by-model".*?<tfoot>(.*?)</tfoot>`).FindStringSubmatch(body)
	if len(foot) == 0 || strings.Count(foot[1], string(money(d.Value))) < 5 || strings.Count(foot[1], string(money(d.Value))) != strings.Count(foot[1], "<td") {
		t.Errorf("not every model's column adds up to %s: %q", d.Value.Amount, foot)
	}
	for _, want := range []string{"What similar won deals had seen by this stage", "each until it was won", "this deal"} {
		if !strings.Contains(strings.ToLower(body), strings.ToLower(want)) {
			t.Errorf("the deal's page lacks %q", want)
		}
	}
	body = html.UnescapeString(read(t, e, "/content/"+synth.Popular))
	for _, want := range []string{"It was sent ", "That says what was part of wins, not what caused them.", "Moved on in 30 days", trail.OtherTeams, "not because of it"} {
		if !strings.Contains(body, want) {
			t.Errorf("the content's page lacks %q", want)
		}
	}
	// Notes are signed; nothing else names who sends it.
	for _, to := range []string{"?format=csv", "?format=csv&table=who-sends-it"} {
		for _, row := range readCSV(t, e, "/content/"+synth.Popular+to) {
			if strings.Contains(strings.Join(row, " "), "@lumen.example") {
				t.Fatalf("by default %s names a rep: %q", to, row)
			}
		}
	}
}
