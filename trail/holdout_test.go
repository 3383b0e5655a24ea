package trail_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

// chi2 is the upper 0.1 % point of the chi-square distribution with a few degrees of
// freedom: what chance passes once in a thousand.
var chi2 = map[int]float64{1: 10.83, 3: 16.27, 99: 148.23}

func TestADrawIsAFunctionOfHoldoutAndDealAlone(t *testing.T) {
	// Anybody can make these again: printf '\0\0\0\0\0\0\0\7holdout\0\0\0\0\0\0\0\1H\0\0\0\0\0\0\0\1D' | sha256sum
	half := trail.Holdout{ID: "H", Part: 0.5}
	for deal, want := range map[string]trail.Arm{"D": trail.Recommended, "D-1001": trail.Recommended, "": trail.Recommended, "12345": trail.HeldBack} {
		other := trail.Holdout{ID: "H", Part: 0.5, Name: "renamed", Content: "deck", Stage: "Demo", Weeks: 3, StartedAt: noon, EndedAt: noon}
		if got := half.Arm(deal); got != want || other.Arm(deal) != want {
			t.Errorf("%q is %s, want %s", deal, got, want)
		}
	}
	if (trail.Holdout{ID: "H"}).Arm("12345") != trail.Recommended {
		t.Error("a holdout without a part holds back")
	}
	for i := range 1000 { // more held back are those held back and more
		deal := fmt.Sprint(i)
		if (trail.Holdout{ID: "H", Part: 0.3}).Arm(deal) == trail.HeldBack && half.Arm(deal) != trail.HeldBack {
			t.Fatalf("%s is held back of three in ten and not of five", deal)
		}
	}
}

// Deals as CRMs number them, drawn by holdouts as we name them, fall to the arms as
// by chance.
func TestDrawsAreUniform(t *testing.T) {
	const n = 20_000
	deals := map[string]func(i int) string{
		"in a row": func(i int) string { return fmt.Sprintf("D-%04d", 1001+i) },
		"HubSpot":  func(i int) string { return fmt.Sprint(17_000_000_000 + 7919*i) },
		"salesforce": func(i int) string {
			return fmt.Sprintf("0065g00000%05X", i)
		},
	}
	for name, deal := range deals {
		for _, part := range []float64{0.1, 0.25, 0.5, 0.9} {
			h := trail.Holdout{ID: trail.NewID(noon).String(), Part: part}
			held := 0
			for i := range n {
				if h.Arm(deal(i)) == trail.HeldBack {
					held++
				}
			}
			d := float64(held) - n*part
			if x := d * d / (n * part * (1 - part)); x > 2*chi2[1] { // twelve draws, and the holdout is another each time
				t.Errorf("%s: %d of %d are held back, want a part of %v: chi-square %.1f", name, held, n, part, x)
			}
		}
	}
	// Within a holdout the number behind the arm is uniform: count what changes from part to part.
	h := trail.Holdout{ID: "01KAZZZZZZZZZZZZZZZZZZZZZZ"}
	var cells [100]float64
	for i := range n {
		low, high := 0, len(cells)
		for high-low > 1 {
			if h.Part = float64((low+high)/2) / float64(len(cells)); h.Arm(fmt.Sprint(i)) == trail.HeldBack {
				high = (low + high) / 2
			} else {
				low = (low + high) / 2
			}
		}
		cells[low]++
	}
	sum := 0.0
	for _, c := range cells {
		sum += math.Pow(c-n/100, 2) / (n / 100)
	}
	if sum > chi2[99] {
		t.Errorf("the numbers are not uniform: chi-square %.1f with 99 degrees of freedom", sum)
	}
}

func TestDrawsOfTwoHoldoutsHaveNothingToDoWithEachOther(t *testing.T) {
	const n = 20_000
	for _, ids := range [][2]string{{"01KAZZZZZZZZZZZZZZZZZZZZZ0", "01KAZZZZZZZZZZZZZZZZZZZZZ1"}, {"a", "aa"}} {
		var both [2][2]float64
		for i := range n {
			var arm [2]int
			for k, id := range ids {
				if (trail.Holdout{ID: id, Part: 0.5}).Arm(fmt.Sprintf("D-%d", i)) == trail.HeldBack {
					arm[k] = 1
				}
			}
			both[arm[0]][arm[1]]++
		}
		sum := 0.0
		for _, row := range both {
			for _, c := range row {
				sum += math.Pow(c-n/4, 2) / (n / 4)
			}
		}
		if sum > chi2[3] {
			t.Errorf("%v: %v: chi-square %.1f with 3 degrees of freedom", ids, both, sum)
		}
	}
}

func TestAnAssignmentIsOneForHoldoutAndDeal(t *testing.T) {
	h := trail.Holdout{ID: "H", Content: "deck", Part: 0.5}
	e := h.Assignment("12345", "Demo", noon)
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"holdout": "H", "arm": "held_back", "stage": "Demo"}
	if !reflect.DeepEqual(e.Attrs, want) || e.Deal != "12345" || e.Content != "deck" || !e.At.Equal(noon) || !e.ReceivedAt.Equal(noon) || !e.ID.Time().IsZero() {
		t.Errorf("%+v", e)
	}
	if later := h.Assignment("12345", "Proposal", noon.AddDate(0, 0, 9)); later.ID != e.ID {
		t.Error("drawn later in another stage it is another fact")
	}
	h.ID = "H2"
	if h.Assignment("12345", "Demo", noon).ID == e.ID || h.Assignment("12346", "Demo", noon).ID == e.ID {
		t.Error("two facts have one ID")
	}
}

func TestARegistrationBringsTheHoldoutBack(t *testing.T) {
	h, err := trail.Holdout{ID: "H", Content: "deck", Title: "The Deck", Part: 0.35, Stage: " Demo ", By: "mia@us.example"}.Complete(noon)
	if err != nil {
		t.Fatal(err)
	}
	if h.Name != "The Deck" || h.Stage != "Demo" || h.Outcome != trail.ToAdvance || h.Weeks != 6 || !h.StartedAt.Equal(noon) || h.Horizon() != 42*24*time.Hour {
		t.Errorf("completed it is %+v", h)
	}
	e := h.Registration("api", noon)
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	back := trail.HoldoutOf(e.Content, e.Attrs)
	h.Title = "" // that is the content's
	if !reflect.DeepEqual(back, h) {
		t.Errorf("%+v, want %+v", back, h)
	}
	h.Event, h.At = e.ID, e.At
	if !h.Running(noon.AddDate(9, 0, 0)) {
		t.Error("it ends by itself")
	}
	ended, err := h.Ending(time.Time{}, noon.Add(time.Hour))
	if err != nil || ended.Running(noon.Add(time.Hour)) || !ended.Running(noon) {
		t.Errorf("ended it is %+v, %v", ended, err)
	}
	end := ended.Registration("api", noon.Add(-time.Hour)) // a clock that is behind
	if end.ID == e.ID || !end.At.After(e.At) || !reflect.DeepEqual(trail.HoldoutOf(end.Content, end.Attrs).EndedAt, ended.EndedAt) {
		t.Errorf("its end is %+v", end)
	}
}

func TestWhatAHoldoutCannotBeIsSaidWithWhatItCan(t *testing.T) {
	good := trail.Holdout{Content: "deck", Part: 0.5}
	if h, err := (trail.Holdout{Content: "deck", Part: 0.5, Outcome: "won"}).Complete(noon); err != nil || h.Weeks != 12 || h.Name != "deck" {
		t.Errorf("%+v, %v", h, err)
	}
	for want, change := range map[string]func(h *trail.Holdout){
		"from 0.1 to 0.9":               func(h *trail.Holdout) { h.Part = 0 },
		"is 0.95; it must be from 0.1":  func(h *trail.Holdout) { h.Part = 0.95 },
		"is NaN":                        func(h *trail.Holdout) { h.Part = math.NaN() },
		"must be advance":               func(h *trail.Holdout) { h.Outcome = "lost" },
		"-1 weeks; it must be from 1":   func(h *trail.Holdout) { h.Weeks = -1 },
		"53 weeks":                      func(h *trail.Holdout) { h.Weeks = 53 },
		"at most 200":                   func(h *trail.Holdout) { h.Name = strings.Repeat("x", 201) },
		"must be later than 2026-11-22": func(h *trail.Holdout) { h.EndedAt = noon },
	} {
		h := good
		change(&h)
		_, err := h.Complete(noon)
		if p := (*trail.Problem)(nil); !errors.As(err, &p) || p.Code != trail.Invalid || !strings.Contains(p.Text, want) {
			t.Errorf("%v; want a problem that says %q", err, want)
		}
	}
	started, err := good.Complete(noon)
	if err != nil {
		t.Fatal(err)
	}
	now := noon.AddDate(0, 0, 7)
	for want, at := range map[string]time.Time{"must be later than": noon.Add(-time.Hour), "must be now or later": noon.Add(time.Hour)} {
		if _, err := started.Ending(at, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ending at %s: %v; want %q", at, err, want)
		}
	}
	planned, err := started.Ending(now.AddDate(0, 0, 1), now)
	if err != nil {
		t.Fatal(err)
	}
	if planned, err = planned.Ending(time.Time{}, now); err != nil { // earlier than planned
		t.Fatal(err)
	}
	if _, err := planned.Ending(time.Time{}, now.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "ended on") {
		t.Errorf("ending twice: %v", err)
	}
}
