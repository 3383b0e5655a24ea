package feed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// The same truth, told by deliveries in any order, some twice and in parts, gives the same
// deals: where the CRM is never asked by its own times of change, and where it is by what
// it says when it is asked, between the deliveries too.
func TestAnyOrderOfDeliveriesAndPullsGivesTheSameDeals(t *testing.T) {
	h := newHubspotServer(t)
	asked, shop, pipe := h.source(), standardSource("shop"), &Source{Name: "pipe", Kind: Pipedrive}
	w := newWorld(t, asked, shop, pipe)
	random := rand.New(rand.NewPCG(1, 2))
	base := day("2026-11-01 09:00")
	at := func(hours int) string { return base.Add(time.Duration(hours) * time.Hour).Format(time.RFC3339) }

	// One deal's life in three CRMs; ID is the deal's.
	standardLife := []string{
		`{"type":"deal.created","timestamp":"` + at(0) + `","data":{"deal_id":"ID","name":"Acme","stage":"Demo","status":"open","amount":"100","currency":"EUR","contacts":[{"email":"bo@acme.example"}]}}`,
		`{"type":"deal.amount_changed","timestamp":"` + at(1) + `","data":{"deal_id":"ID","amount":"150"}}`,
		`{"type":"deal.deleted","timestamp":"` + at(2) + `","data":{"deal_id":"ID"}}`,
		`{"type":"deal.stage_changed","timestamp":"` + at(3) + `","data":{"deal_id":"ID","name":"Acme again","stage":"Offer","status":"open","amount":"170","currency":"USD"}}`,
		`{"type":"deal.amount_changed","timestamp":"` + at(4) + `","data":{"deal_id":"ID","amount":"150"}}`,
		`{"type":"deal.closed","timestamp":"` + at(5) + `","data":{"deal_id":"ID","status":"won","closed_at":"` + at(5) + `"}}`,
	}
	pipedriveLife := func(id string) []string {
		life := []string{}
		for i, step := range []struct {
			stage  int
			status string
			value  int
		}{{1, "open", 100}, {2, "open", 100}, {1, "open", 120}, {2, "won", 120}} {
			life = append(life, fmt.Sprintf(`{"meta":{"action":"change","entity":"deal","id":"%s-%d","entity_id":"%s","timestamp":"%s"},"data":{"id":"%s","title":"Beta","value":%d,"currency":"EUR","status":"%s","stage_id":%d,"pipeline_id":1,"add_time":"%s","update_time":"%s","stage_change_time":"%s","won_time":%s}}`,
				id, i, id, at(i), id, step.value, step.status, step.stage, at(0), at(i), at(i), map[bool]string{true: `"` + at(i) + `"`, false: "null"}[step.status == "won"]))
		}
		return life
	}
	pipe.User, pipe.Secrets = "pipe", shop.Secrets

	const lives = 5
	type word struct{ source, id, body string }
	for n := range lives {
		id, deal := fmt.Sprintf("S-%02d", n), 100+n
		var words []word
		for i, body := range standardLife {
			words = append(words, word{"shop", fmt.Sprintf("%s-%d", id, i), strings.ReplaceAll(body, `"ID"`, `"`+id+`"`)})
		}
		for i, body := range pipedriveLife(fmt.Sprint(7000 + n)) {
			words = append(words, word{"pipe", fmt.Sprint(i), body})
		}
		for i, stage := range []string{"demo", "offer", "demo", "closedwon"} {
			words = append(words, word{"hubspot", stage, fmt.Sprint(i)})
		}
		if n > 0 { // the first life is told as it was
			random.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
			for range 5 {
				again := words[random.IntN(len(words))]
				if again.source != "hubspot" {
					words = slices.Insert(words, random.IntN(len(words)), again)
				}
			}
		}
		changes := 0
		for _, x := range words {
			switch x.source {
			case "shop":
				w.send("shop", x.id, x.body)
			case "pipe":
				w.accept(pipe, x.body)
			default: // in HubSpot itself things happen in order; what it delivers is late, early or lost
				h.set(deal, base.Add(time.Duration(changes)*time.Hour), "dealname", "Gamma", "amount", "10", "dealstage", []string{"demo", "offer", "demo", "closedwon"}[changes])
				changes++
				if n == 0 || random.IntN(2) == 0 {
					if err := w.deliver(events(w.clock.Add(time.Duration(n)*time.Second), deal)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if n == 0 || random.IntN(4) == 0 {
				for _, s := range w.Sources {
					w.turn(s)
				}
			}
			if random.IntN(6) == 0 {
				if err := w.Ask(t.Context(), "hubspot", true); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Ask(t.Context(), "hubspot", true); err != nil {
			t.Fatal(err)
		}
		for _, s := range w.Sources {
			w.turn(s)
		}
	}
	for _, statement := range []string{dealsNow, stagesNow} {
		told := map[string][]string{}
		for _, row := range w.rows(statement) {
			id, rest, _ := strings.Cut(row, " ")
			told[id] = append(told[id], rest)
		}
		for n := range lives {
			for _, ids := range [][2]string{{"S-00", fmt.Sprintf("S-%02d", n)}, {"7000", fmt.Sprint(7000 + n)}, {"100", fmt.Sprint(100 + n)}} {
				if len(told[ids[0]]) == 0 || !slices.Equal(told[ids[0]], told[ids[1]]) {
					t.Errorf("%s told in another order is %q, not %q", ids[1], told[ids[1]], told[ids[0]])
				}
			}
		}
	}
	w.accept(pipe, `{"meta":{"action":"delete","entity":"deal","entity_id":7001,"merged_to_id":7000,"timestamp":"2026-11-02T09:00:00Z"},"data":null}`)
	w.turn(pipe)
	if rows := w.rows(dealsNow); slices.ContainsFunc(rows, func(r string) bool { return strings.HasPrefix(r, "7001 ") }) || w.status("pipe").Aside != 0 {
		t.Errorf("a merged deal is there: %q", rows)
	}
	w.want("the first life", dealsNow+" LIMIT 1", "100 Gamma won Won 10 EUR Acme 2026-11-01 2")
	if rows := w.rows(dealsNow); !slices.Contains(rows, "S-00 Acme again won Offer 150 USD 2026-11-01 0") || !slices.Contains(rows, "7000 Beta won 2 120 EUR 2026-11-01 0") {
		t.Errorf("%q", rows)
	}
}

// accept hands a body over as Pipedrive does.
func (w *world) accept(s *Source, body string) {
	w.t.Helper()
	d := Delivery{Header: basicHeader(s.User, standardSecret), Body: []byte(body)}
	if err := w.Receive(w.t.Context(), s.Name, d); err != nil {
		w.t.Fatal(err)
	}
}
