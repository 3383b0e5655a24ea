package dashboards

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// timeline is the drawing of a deal's trail: stages as bands, people as lanes,
// touches as marks by kind, and under them what each earned. Across, everything
// is a percentage of the width, so one drawing fits a phone and a wall; down,
// it is pixels.
type timeline struct {
	Bands   []band
	Lanes   []lane
	Marks   []mark
	Credits []creditMark
	Ticks   []tick
	End     string // x of the close; empty while the deal is open
	EndWord string
	Kinds   []trail.Kind // that occur, for the legend
	Machine bool         // some marks were left out of the counts

	Height, LaneTop, LaneBottom, CreditBase, AxisY int
}

type band struct {
	Stage, X, Width string
	Odd             bool
	Title           string
}

type lane struct {
	Name string
	Y    int // of its middle
	Top  int
}

type mark struct {
	X         string
	Y         int
	Kind      trail.Kind
	ID, Title string
	Weak      bool // left out of the counts
}

type creditMark struct {
	X, Title, Label, ID string
	Height, Y           int
	LabelX, Anchor      string
	Wide                bool // the label fits only on a wide page
	Hidden              bool // the label fits nowhere
}

type tick struct {
	X, Label string
	Wide     bool
}

const (
	bandHeight   = 24
	laneHeight   = 28
	creditHeight = 36
	axisHeight   = 24
	labelAt390   = 21.0 // percent of the width that a label takes on a phone
	labelAt1280  = 7.0
)

// span maps moments to percentages of the width, with a margin for marks.
type span struct{ from, to time.Time }

func (p span) x(t time.Time) float64 {
	return min(max(1.5+97*float64(t.Sub(p.from))/float64(p.to.Sub(p.from)), 1.5), 98.5)
}

// newTimeline lays out a deal's trail, or returns nil when it has no events.
func newTimeline(d *trail.DealDetail, level trail.Level, now time.Time, zone *time.Location) *timeline {
	var events []trail.TrailRow
	for _, e := range d.Events {
		if !e.At.IsZero() && e.At.Year() > 1970 {
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b trail.TrailRow) int { return a.At.Compare(b.At) })
	sp, ok := spanOf(d, events, now)
	if !ok {
		return nil
	}
	t := &timeline{LaneTop: bandHeight + 8}
	t.bands(d, events, sp, now)
	t.lanes(d, events, level, sp, zone)
	t.LaneBottom = t.LaneTop + laneHeight*len(t.Lanes)
	t.CreditBase = t.LaneBottom + 16 + creditHeight
	t.credits(events, sp)
	if len(t.Credits) == 0 {
		t.CreditBase = t.LaneBottom
	}
	t.AxisY = t.CreditBase + 8
	t.Height = t.AxisY + axisHeight
	t.ticks(sp, zone)
	if !d.ClosedAt.IsZero() && d.Status != "open" {
		t.End, t.EndWord = pct(sp.x(d.ClosedAt)), d.Status
	}
	return t
}

func spanOf(d *trail.DealDetail, events []trail.TrailRow, now time.Time) (span, bool) {
	if len(events) == 0 {
		return span{}, false
	}
	p := span{from: events[0].At, to: events[len(events)-1].At}
	if !d.CreatedAt.IsZero() && d.CreatedAt.Before(p.from) {
		p.from = d.CreatedAt
	}
	end := d.ClosedAt
	if d.Status == "open" {
		end = now
	}
	if end.After(p.to) {
		p.to = end
	}
	if p.to.Sub(p.from) < 24*time.Hour {
		p.to = p.from.Add(24 * time.Hour)
	}
	return p, true
}

func (t *timeline) bands(d *trail.DealDetail, events []trail.TrailRow, sp span, now time.Time) {
	var staged []trail.TrailRow
	for _, e := range events {
		if e.Kind == trail.Staged {
			staged = append(staged, e)
		}
	}
	for i, e := range staged {
		end := now
		if i+1 < len(staged) {
			end = staged[i+1].At
		} else if !d.ClosedAt.IsZero() && d.Status != "open" && d.ClosedAt.After(e.At) {
			end = d.ClosedAt
		}
		x, to := sp.x(e.At), sp.x(end)
		if to-x < 0.2 {
			continue // entered and left at once, as a closing stage is
		}
		t.Bands = append(t.Bands, band{
			Stage: e.Stage, X: pct(x), Width: pct(to - x), Odd: i%2 == 1,
			Title: fmt.Sprintf("%s: %s", e.Stage, plural(int(end.Sub(e.At).Hours()/24), "day", "days")),
		})
	}
}

// lanes gives each person a line, the most active first, and puts the marks on
// them. What cannot be told apart goes to "one of several".
func (t *timeline) lanes(d *trail.DealDetail, events []trail.TrailRow, level trail.Level, sp span, zone *time.Location) {
	names := map[string]string{}
	for _, p := range d.Contacts {
		names[p.Address] = p.Name
	}
	touches := map[string]int{}
	who := func(e trail.TrailRow) string {
		switch {
		case len(e.Contacts) > 1:
			return "one of several"
		case len(e.Contacts) == 0:
			return "not known who"
		case names[e.Contacts[0]] != "":
			return names[e.Contacts[0]]
		}
		return e.Contacts[0]
	}
	for _, e := range events {
		if laned(e.Kind) {
			touches[who(e)]++
		}
	}
	people := slices.Collect(func(yield func(string) bool) {
		for p := range touches {
			if !yield(p) {
				return
			}
		}
	})
	slices.SortFunc(people, func(a, b string) int {
		return cmp.Or(cmp.Compare(touches[b], touches[a]), strings.Compare(a, b))
	})
	y := map[string]int{}
	for i, p := range people {
		top := t.LaneTop + i*laneHeight
		y[p] = top + laneHeight/2
		t.Lanes = append(t.Lanes, lane{Name: p, Y: y[p], Top: top})
	}
	for _, e := range events {
		if !laned(e.Kind) {
			continue
		}
		m := mark{X: pct(sp.x(e.At)), Y: y[who(e)], Kind: e.Kind, ID: e.ID.String(), Weak: discounted(e, level), Title: markTitle(e, zone)}
		if m.Weak { // above the line, so that a scanner's click never covers a person's
			m.Y -= 8
			t.Machine = true
		}
		t.Marks = append(t.Marks, m)
		if !slices.Contains(t.Kinds, e.Kind) {
			t.Kinds = append(t.Kinds, e.Kind)
		}
	}
	slices.SortStableFunc(t.Marks, func(a, b mark) int { return cmp.Compare(strength(a.Kind), strength(b.Kind)) })
}

// strength orders marks that lie upon each other: what says most is on top.
func strength(k trail.Kind) int {
	switch k {
	case trail.Replied:
		return 3
	case trail.Clicked, trail.Viewed:
		return 2
	case trail.Opened:
		return 1
	}
	return 0
}

// laned reports whether a kind of event is something between us and a person.
func laned(k trail.Kind) bool {
	switch k {
	case trail.Sent, trail.Opened, trail.Clicked, trail.Viewed, trail.Replied, trail.Bounced, trail.Forwarded, trail.Shared:
		return true
	}
	return false
}

func markTitle(e trail.TrailRow, zone *time.Location) string {
	parts := []string{e.At.In(zone).Format("2 Jan 2006"), what(e)}
	for _, p := range []string{e.Title, strings.Join(e.Contacts, " or "), verdict(e)} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " · ")
}

// credits draws what each touch earned as a bar with its amount. A label is
// left out where it would cover another; the table below has them all.
func (t *timeline) credits(events []trail.TrailRow, sp span) {
	most := 0.0
	var earned []trail.TrailRow
	for _, e := range events {
		if e.Credit != nil && e.Credit.Credit > 0 {
			earned = append(earned, e)
			most = max(most, approx(e.Credit.Value))
		}
	}
	endNarrow, endWide := -labelAt390, -labelAt1280
	for _, e := range earned {
		x := sp.x(e.At)
		height := 4
		if most > 0 {
			height = max(4, int(approx(e.Credit.Value)/most*(creditHeight-14)))
		}
		c := creditMark{
			X: pct(x), LabelX: pct(x), Anchor: "middle", ID: e.ID.String(), Height: height, Y: t.CreditBase - height,
			Label: moneyShort(e.Credit.Value), Title: moneyText(e.Credit.Value) + " to " + e.Title,
		}
		left := x - labelAt1280/2
		switch {
		case x > 92:
			c.Anchor, left = "end", x-labelAt1280
		case x < 8:
			c.Anchor, left = "start", x
		}
		c.Hidden = left < endWide
		c.Wide = x-labelAt390/2 < endNarrow
		if !c.Hidden {
			endWide = left + labelAt1280
			if !c.Wide {
				endNarrow = x + labelAt390/2
			}
		}
		t.Credits = append(t.Credits, c)
	}
}

// ticks marks the axis with months, or with days when the trail is short.
func (t *timeline) ticks(sp span, zone *time.Location) {
	from := sp.from.In(zone)
	days := sp.to.Sub(sp.from).Hours() / 24
	step, layout := func(at time.Time) time.Time { return at.AddDate(0, 1, 0) }, "Jan 2006"
	first := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, zone)
	if days < 60 {
		every := max(1, int(days/6))
		first = time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, zone)
		step, layout = func(at time.Time) time.Time { return at.AddDate(0, 0, every) }, "2 Jan"
	} else if days > 400 {
		every := int(days/365) + 1
		step = func(at time.Time) time.Time { return at.AddDate(0, 2*every, 0) }
	}
	last := -100.0
	for at := first; at.Before(sp.to); at = step(at) {
		if at.Before(sp.from) {
			continue
		}
		x := sp.x(at)
		t.Ticks = append(t.Ticks, tick{X: pct(x), Label: at.Format(layout), Wide: x-last < labelAt390 || x > 86})
		if !t.Ticks[len(t.Ticks)-1].Wide {
			last = x
		}
	}
}

// shaped are the kinds with a mark of their own; the others share a small square.
var shaped = []trail.Kind{trail.Sent, trail.Shared, trail.Opened, trail.Clicked, trail.Viewed, trail.Replied, trail.Bounced, trail.Forwarded, trail.Staged}

// glyph names the mark of a kind in the template.
func glyph(k trail.Kind) trail.Kind {
	if slices.Contains(shaped, k) {
		return k
	}
	return "other"
}
