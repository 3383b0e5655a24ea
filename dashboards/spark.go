package dashboards

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sparkWeeks is how many weeks a small trend has; the last is the one that runs.
const sparkWeeks = 12

// weekStarts returns the Mondays that the last weeks begin with in a zone, by the wall
// clock, and the one that ends the last.
func weekStarts(now time.Time, zone *time.Location, weeks int) []time.Time {
	local := now.In(zone)
	monday := time.Date(local.Year(), local.Month(), local.Day()-(int(local.Weekday())+6)%7, 0, 0, 0, 0, zone)
	starts := make([]time.Time, weeks+1)
	for i := range starts {
		starts[i] = monday.AddDate(0, 0, 7*(i-weeks+1))
	}
	return starts
}

// spark draws weekly counts as a line, the week that runs dotted. Its label says the same
// in words, week by week. most is what reaches the top, so that several can be compared.
func spark(weeks []uint64, most uint64) template.HTML {
	if len(weeks) < 2 {
		return ""
	}
	const width, height, margin = 84.0, 20.0, 2.0
	at := make([]string, len(weeks))
	for i, n := range weeks {
		x := margin + (width-2*margin)*float64(i)/float64(len(weeks)-1)
		y := height - margin - (height-2*margin)*float64(n)/float64(max(most, 1))
		at[i] = strconv.FormatFloat(x, 'f', 1, 64) + "," + strconv.FormatFloat(y, 'f', 1, 64)
	}
	last := len(at) - 1
	return template.HTML(fmt.Sprintf(`<svg class="spark" width="84" height="20" viewBox="0 0 84 20" role="img" aria-label="%s"><polyline points="%s"/><polyline class="now" points="%s"/></svg>`,
		sparkWords(weeks), strings.Join(at[:last], " "), strings.Join(at[last-1:], " ")))
}

// sparkWords are the counts of a trend, the oldest first.
func sparkWords(weeks []uint64) string {
	texts := make([]string, len(weeks))
	for i, n := range weeks {
		texts[i] = count(n)
	}
	last := len(texts) - 1
	return strings.Join(texts[:last], ", ") + "; this week so far " + texts[last]
}

// engaged is the sum of all weeks.
func engaged(weeks []uint64) (n uint64) {
	for _, w := range weeks {
		n += w
	}
	return n
}

// topWeek is what reaches the top of one content's trend: its best week, but not so few
// that one more would look like much.
func topWeek(weeks []uint64) uint64 { return slices.Max(append(slices.Clone(weeks), 5)) }
