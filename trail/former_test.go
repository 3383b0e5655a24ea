package trail_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"dealtrail/trail"
)

// What a content was is the same whoever puts it together, in how many parts,
// and however often the same is told.
func TestWhatAContentWasDoesNotDependOnWhoTellsIt(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		states := make([]trail.Target, 1+rng.IntN(8))
		had := map[string]bool{}
		for i := range states {
			states[i] = trail.Target{Content: "deck", Version: fmt.Sprint(i), URL: fmt.Sprintf("https://acme.example/%d?utm_source=%d", rng.IntN(3), i)}
			had[trail.NormalURL(states[i].URL)] = true
			if f := rng.IntN(4); f > 0 {
				states[i].File, states[i].FileSize = fmt.Sprint("f", f), int64(f)
				had[states[i].File] = true
			}
		}
		now := states[len(states)-1]
		delete(had, trail.NormalURL(now.URL))
		delete(had, now.File)

		var whole trail.Target
		for i, s := range states {
			whole = s.After(whole, at.AddDate(0, 0, i))
		}
		if again := whole.After(whole, at); !slices.Equal(again.Former, whole.Former) {
			t.Fatalf("seed %d: told twice it was\n%+v, once\n%+v", seed, again.Former, whole.Former)
		}
		// One who knows only the end, told by one who knows only the beginning.
		cut := rng.IntN(len(states))
		var first, last trail.Target
		for i, s := range states {
			if i <= cut {
				first = s.After(first, at.AddDate(0, 0, i))
			} else {
				last = s.After(last, at.AddDate(0, 0, i))
			}
		}
		if last.Content == "" {
			last = now
		}
		for name, target := range map[string]trail.Target{"whole": whole, "in parts": last.After(first, at.AddDate(0, 0, cut+1))} {
			got := map[string]bool{}
			for i, f := range target.Former {
				key := f.File
				if key == "" {
					key = trail.NormalURL(f.URL)
				}
				if got[key] || f.Until.IsZero() || i > 0 && f.Until.After(target.Former[i-1].Until) {
					t.Fatalf("seed %d, %s: %+v", seed, name, target.Former)
				}
				got[key] = true
			}
			if fmt.Sprint(got) != fmt.Sprint(had) {
				t.Fatalf("seed %d, %s: it was %v, want %v", seed, name, got, had)
			}
		}
	}
	if other := (trail.Target{Content: "a"}).After(trail.Target{Content: "b", File: "f"}, at); other.Former != nil {
		t.Errorf("it was another content's %+v", other.Former)
	}
}
