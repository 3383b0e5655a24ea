package synth

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

func TestSameOptionsGiveTheSameCompany(t *testing.T) {
	a, err := json.Marshal(New(Options{Seed: 7}).Events())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(New(Options{Seed: 7}).Events())
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Error("two companies of one seed differ")
	}
	c, err := json.Marshal(New(Options{Seed: 8}).Events())
	if err != nil {
		t.Fatal(err)
	}
	if string(a) == string(c) {
		t.Error("two seeds give one company")
	}
}

func TestEventsAreValidAndInOrder(t *testing.T) {
	for _, o := range []Options{{}, {Seed: 1, Reps: 1, Contents: 1, Deals: 1}, {Seed: 2, Contents: 95, Deals: 400}, {Seed: 3, End: time.Date(2026, 11, 22, 3, 0, 0, 0, time.FixedZone("", 7200))}} {
		c := New(o)
		ids := map[trail.ID]bool{}
		var before time.Time
		for _, e := range c.Events() {
			if err := e.Validate(); err != nil {
				t.Fatal(err)
			}
			if ids[e.ID] {
				t.Fatalf("ID of %+v comes twice", e)
			}
			ids[e.ID] = true
			if e.At.Before(before) || e.At.After(c.Options.End) || e.At.Before(c.Options.Start) || !e.ReceivedAt.Equal(e.At) || !e.At.Equal(e.At.Truncate(time.Millisecond)) || e.At.Location() != time.UTC {
				t.Fatalf("%+v after %v", e, before)
			}
			before = e.At
			if tm := e.ID.Time(); !tm.IsZero() && !tm.Equal(e.At) {
				t.Fatalf("ID of %+v carries %v", e, tm)
			}
		}
	}
}

func TestTheDefaultCompanyIsOneThatADemoCanShow(t *testing.T) {
	for seed := range uint64(5) {
		c := New(Options{Seed: seed, Contacts: trail.ContactKey("key")})
		if len(c.Reps) != 8 || len(c.Contents) != 40 || len(c.Deals) != 150 {
			t.Fatalf("%d reps, %d contents, %d deals", len(c.Reps), len(c.Contents), len(c.Deals))
		}
		status, kinds, agents := map[string]int{}, map[trail.Kind]int{}, map[trail.Agent]int{}
		for _, d := range c.Deals {
			status[d.Status]++
			if amount := len(d.Amount); amount < len("5000.00") || amount > len("200000.00") || len(d.Contacts) < 1 || len(d.Contacts) > 4 || !strings.HasSuffix(d.Domain, ".example") {
				t.Errorf("%+v", d)
			}
		}
		for _, e := range c.Events() {
			kinds[e.Kind]++
			if e.Kind == trail.Clicked {
				agents[e.Agent]++
			}
		}
		if seed == 0 {
			t.Logf("%v %v %v", status, kinds, agents)
		}
		for _, s := range []string{"won", "lost", "open"} {
			if status[s] < 20 {
				t.Errorf("seed %d: %v", seed, status)
			}
		}
		for kind, least := range map[trail.Kind]int{
			trail.ContentKind: 40, trail.ContactKind: 200, trail.DealKind: 300, trail.Staged: 300, trail.Shared: 400, trail.Sent: 400,
			trail.Opened: 300, trail.Clicked: 300, trail.Replied: 40, trail.Noted: 5,
		} {
			if kinds[kind] < least {
				t.Errorf("seed %d: %d %s, want at least %d", seed, kinds[kind], kind, least)
			}
		}
		if agents[trail.Human] < 200 || agents[trail.Scanner] < 100 || agents[trail.Unknown] < 3 {
			t.Errorf("seed %d: clicks %v", seed, agents)
		}
	}
}

// The last deal event of each deal says what Deals says.
func TestEventsEndWhereDealsStand(t *testing.T) {
	c := New(Options{Seed: 4})
	last := map[string]map[string]string{}
	stage := map[string]string{}
	for _, e := range c.Events() {
		switch e.Kind {
		case trail.DealKind:
			last[e.Deal] = e.Attrs
		case trail.Staged:
			stage[e.Deal] = e.Stage
		}
	}
	for _, d := range c.Deals {
		a := last[d.ID]
		if a["status"] != d.Status || a["stage"] != d.Stage || stage[d.ID] != d.Stage || a["amount"] != d.Amount || a["loss_reason"] != d.LossReason || len(strings.Fields(a["contacts"])) != len(d.Contacts) {
			t.Errorf("%s: %v, stage %s, want %+v", d.ID, a, stage[d.ID], d)
		}
		if (a["closed_at"] == "") != (d.Status == "open") || d.Closed.IsZero() != (d.Status == "open") {
			t.Errorf("%s is %s and closed at %q", d.ID, d.Status, a["closed_at"])
		}
	}
}

// Every mail to a company with a scanner gets its clicks within seconds.
func TestScannersClickWithinSeconds(t *testing.T) {
	c := New(Options{Seed: 5})
	scanned := map[string]bool{}
	for _, d := range c.Deals {
		scanned[d.Domain] = d.scanned
	}
	sent, to := map[trail.ShareID]time.Time{}, map[trail.ShareID]string{}
	hit := map[trail.ShareID]bool{}
	for _, e := range c.Events() {
		switch {
		case e.Kind == trail.Sent:
			sent[e.Share], to[e.Share] = e.At, e.Account
		case e.Kind == trail.Clicked && e.Agent == trail.Scanner && e.Signal == "":
			if wait := e.At.Sub(sent[e.Share]); wait <= 0 || wait > 10*time.Second || !scanned[to[e.Share]] {
				t.Errorf("scanner of %s after %v", to[e.Share], wait)
			}
			hit[e.Share] = true
		}
	}
	for s, account := range to {
		if scanned[account] && !hit[s] && c.Options.End.Sub(sent[s]) > time.Minute {
			t.Errorf("share to %s was not scanned", account)
		}
	}
}

func TestWhatEverybodyLovesIsWhatItSays(t *testing.T) {
	for seed := range uint64(5) {
		c := New(Options{Seed: seed})
		sent, clicked := map[trail.ContentID]int{}, map[trail.ContentID]int{}
		for _, e := range c.Events() {
			switch {
			case e.Kind == trail.Sent:
				sent[e.Content]++
			case e.Kind == trail.Clicked && e.Agent == trail.Human:
				clicked[e.Content]++
			}
		}
		for _, content := range c.Contents {
			if content.ID != Popular && (sent[content.ID] >= sent[Popular] || clicked[content.ID] >= clicked[Popular]) {
				t.Errorf("seed %d: %s has %d sent, %d clicked; %s %d, %d", seed, content.ID, sent[content.ID], clicked[content.ID], Popular, sent[Popular], clicked[Popular])
			}
			if never := content.weight == 0; never != (sent[content.ID] == 0) && never {
				t.Errorf("seed %d: %s was sent", seed, content.ID)
			}
		}
		truth := c.Truth()
		if len(truth) != 40 || truth[Popular] != 0 || truth[LateNull] != 0 || truth[Best] <= 0 {
			t.Errorf("truth %v", truth)
		}
	}
}

// The truth is in the events: within stage, segment and what else was clicked,
// the odds of advancing in a week differ by the effect (Mantel-Haenszel over
// deal-weeks, read from the events alone but for the segment).
func TestTruthShowsInAdvanceRates(t *testing.T) {
	c := New(Options{Seed: 11, Deals: 3000, Start: time.Date(2025, 11, 24, 0, 0, 0, 0, time.UTC)})
	clicks, moves := history(c)
	truth := c.Truth()
	type stratum struct {
		stage   string
		segment int
		other   float64 // sum of the effects of what else was clicked
	}
	for _, id := range []trail.ContentID{Popular, LateNull, Best, "case-pump-maker", "implementation-plan", "technical-reference", "comparison"} {
		cells := map[stratum]*[2][2]float64{} // by seen, then by advanced
		for _, d := range c.Deals {
			for _, w := range weeksOf(moves[d.ID], c.Options.End) {
				seen, s := 0, stratum{w.stage, d.Segment, 0}
				for content, at := range clicks[d.ID] {
					if at.Before(w.start) && content == id {
						seen = 1
					} else if at.Before(w.start) {
						s.other += truth[content]
					}
				}
				s.other = math.Round(s.other*10) / 10
				if cells[s] == nil {
					cells[s] = &[2][2]float64{}
				}
				cells[s][seen][w.advanced]++
			}
		}
		var up, down, pr, psqr, qs float64
		for _, n := range cells {
			total := n[0][0] + n[0][1] + n[1][0] + n[1][1]
			p, q := (n[1][1]+n[0][0])/total, (n[1][0]+n[0][1])/total
			r, s := n[1][1]*n[0][0]/total, n[1][0]*n[0][1]/total
			up, down, pr, psqr, qs = up+r, down+s, pr+p*r, psqr+p*s+q*r, qs+q*s
		}
		// Robins, Breslow and Greenland 1986: the variance of its logarithm.
		got, se := math.Log(up/down), math.Sqrt(pr/(2*up*up)+psqr/(2*up*down)+qs/(2*down*down))
		if math.Abs(got-truth[id]) > 4*se || se > 0.15 {
			t.Errorf("%s: log-odds ratio %.3f, standard error %.3f, want %.2f", id, got, se, truth[id])
		}
		t.Logf("%s: %.3f, standard error %.3f, truth %.2f", id, got, se, truth[id])
	}
}

// weekAtRisk is one full week that a deal began in a stage.
type weekAtRisk struct {
	stage    string
	start    time.Time
	advanced int // 1 if the deal left the stage forward
}

func weeksOf(steps []trail.Event, end time.Time) (weeks []weekAtRisk) {
	for i, step := range steps {
		if step.Stage == "Won" || step.Stage == "Lost" {
			break
		}
		until, leaves := end, i+1 < len(steps)
		if leaves {
			until = steps[i+1].At
		}
		for start := monday(step.At).Add(week); start.Before(until); start = start.Add(week) {
			w := weekAtRisk{stage: step.Stage, start: start}
			last := leaves && until.Before(start.Add(week))
			if !last && start.Add(week).After(end) {
				break // it is not over
			}
			if last && steps[i+1].Stage != "Lost" {
				w.advanced = 1
			}
			weeks = append(weeks, w)
		}
	}
	return weeks
}

// history returns each deal's first click by a person per content, and its stages.
func history(c *Company) (map[string]map[trail.ContentID]time.Time, map[string][]trail.Event) {
	byShare := map[trail.ShareID]string{}
	for _, d := range c.Deals {
		for _, s := range d.shares {
			byShare[s] = d.ID
		}
	}
	clicks, moves := map[string]map[trail.ContentID]time.Time{}, map[string][]trail.Event{}
	for _, e := range c.Events() {
		switch {
		case e.Kind == trail.Staged:
			moves[e.Deal] = append(moves[e.Deal], e)
		case e.Kind == trail.Clicked && (e.Agent == trail.Human || e.Agent == trail.Unknown):
			deal := byShare[e.Share]
			if clicks[deal] == nil {
				clicks[deal] = map[trail.ContentID]time.Time{}
			}
			if _, ok := clicks[deal][e.Content]; !ok {
				clicks[deal][e.Content] = e.At
			}
		}
	}
	return clicks, moves
}

// A naive look is fooled: of the deals that saw the piece of the last stage, far
// more were won.
func TestTheLatePieceOnlyLooksGood(t *testing.T) {
	c := New(Options{Seed: 12, Deals: 800})
	clicks, _ := history(c)
	rate := func(saw bool) float64 {
		won, closed := 0.0, 0.0
		for _, d := range c.Deals {
			if _, ok := clicks[d.ID][LateNull]; ok != saw || d.Status == "open" {
				continue
			}
			closed++
			if d.Status == "won" {
				won++
			}
		}
		return won / closed
	}
	if with, without := rate(true), rate(false); with < without+0.2 {
		t.Errorf("won %.2f with it, %.2f without", with, without)
	}
}

func TestContactsAreNamedOnceAndOnlyInTheirRegistration(t *testing.T) {
	c := New(Options{Seed: 13, Contacts: trail.ContactKey("key")})
	registered := map[trail.ContactID]bool{}
	for _, e := range c.Events() {
		if e.Kind == trail.ContactKind {
			if registered[e.Contact] || e.Contact != c.Options.Contacts.ID(e.Person.Address) || trail.Domain(e.Person.Address) != e.Account {
				t.Errorf("%+v", e)
			}
			registered[e.Contact] = true
			continue
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if e.Person != nil || strings.Count(string(b), "@") > 1 {
			t.Errorf("%s names somebody", b)
		}
		if e.Contact != "" && !registered[e.Contact] {
			t.Errorf("%s is about a contact that is not known yet", b)
		}
	}
}

func TestAFewMoreDealsChangeNoOther(t *testing.T) {
	small, large := New(Options{Seed: 6, Deals: 100}), New(Options{Seed: 6, Deals: 120})
	byDeal := func(c *Company) map[string][]trail.ID {
		ids := map[string][]trail.ID{}
		for _, e := range c.Events() {
			ids[e.Deal] = append(ids[e.Deal], e.ID)
		}
		return ids
	}
	a, b := byDeal(small), byDeal(large)
	for _, d := range small.Deals {
		if len(a[d.ID]) == 0 || !slices.Equal(a[d.ID], b[d.ID]) {
			t.Errorf("%s changed", d.ID)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New(Options{})
	}
}
