package dashboards

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"dealtrail/trail"
)

func TestATimelineStaysOnThePageAndItsLabelsApart(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		d := &trail.DealDetail{DealRow: trail.DealRow{Status: "won", CreatedAt: today.AddDate(0, -rng.IntN(30), 0), ClosedAt: today}}
		for range 1 + rng.IntN(60) {
			at := d.CreatedAt.Add(time.Duration(rng.Float64() * float64(today.Sub(d.CreatedAt))))
			d.Events = append(d.Events, trail.TrailRow{
				At: at, Kind: trail.Clicked, Contacts: []string{fmt.Sprint("p", rng.IntN(3))}, Verdict: trail.Human, Probability: 1,
				Credit: &trail.Sum{Credit: .1, Value: trail.Money{Amount: "1234.50", Currency: "EUR"}},
			})
		}
		tl := newTimeline(d, trail.Likely, today, time.UTC)
		x := func(s string) float64 {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil || f < 1 || f > 99 {
				t.Fatalf("x is %q", s)
			}
			return f
		}
		if len(tl.Marks) != len(d.Events) || len(tl.Credits) != len(d.Events) || len(tl.Lanes) > 3 {
			t.Fatalf("%d events are %d marks and %d credits on %d lanes", len(d.Events), len(tl.Marks), len(tl.Credits), len(tl.Lanes))
		}
		lastWide, lastNarrow := -100.0, -100.0
		for _, c := range tl.Credits {
			at := x(c.X)
			if c.Hidden {
				continue
			}
			if c.Anchor == "middle" && at-lastWide < labelAt1280-.1 {
				t.Errorf("labels at %.1f and %.1f cover each other on a wide page", lastWide, at)
			}
			lastWide = at
			if !c.Wide {
				if at-lastNarrow < labelAt390-.1 {
					t.Errorf("labels at %.1f and %.1f cover each other on a phone", lastNarrow, at)
				}
				lastNarrow = at
			}
		}
		for _, m := range tl.Marks {
			x(m.X)
		}
	}
	if newTimeline(&trail.DealDetail{}, trail.Likely, today, time.UTC) != nil {
		t.Error("a deal without events has a time line")
	}
}

// "Oct 26" is a day to some and a month to others.
func TestATimelineWritesYearsInFull(t *testing.T) {
	t.Parallel()
	var tl timeline
	tl.ticks(span{time.Date(2026, 9, 14, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)}, time.UTC)
	if len(tl.Ticks) != 2 || tl.Ticks[0].Label != "Oct 2026" || tl.Ticks[1].Label != "Nov 2026" {
		t.Errorf("%+v", tl.Ticks)
	}
}
