package store

import (
	"fmt"
	"strings"
	"time"

	"dealtrail/trail"
)

// When a lead is worth talking about.
const (
	clicksEnough  = 2                   // in the week
	touchesEnough = 3                   // within engagement, of a lead without an open deal
	engagement    = 30 * 24 * time.Hour // before the end of the week
	newFor        = 14 * 24 * time.Hour // a lead is new
	untouchedFor  = 3 * 24 * time.Hour  // and no rep wrote for so long
)

// reason is one reason to talk about a lead. Weights only order leads: those of all
// the reasons that hold are added up.
type reason struct {
	name   string
	weight int
	text   string // within a sentence
}

// reasons writes into a lead why the review talks about it, as of the end of the week
// or now, and returns how much that weighs: 0 for no reason. open tells whether a
// deal of theirs is open, lately is how many touches they had within engagement.
func reasons(l *trail.Lead, open bool, lately uint64, until time.Time, counted trail.Level) int {
	var all []reason
	add := func(holds bool, name string, weight int, format string, args ...any) {
		if holds {
			all = append(all, reason{name, weight, fmt.Sprintf(format, args...)})
		}
	}
	deal := ""
	if l.Deal != nil {
		deal = l.Deal.Name
		if deal == "" {
			deal = l.Deal.ID
		}
	}
	add(l.Replies > 0, "answered", 32, "answered %s", times(l.Replies))
	add(l.Section == "lost", "lost", 24, "the deal %s was lost%s", deal, lossOf(l.Deal))
	add(l.Clicks >= clicksEnough, "clicked", 16, "clicked %s (%s)", times(l.Clicks), levelWords[counted])
	add(!open && l.Section != "won" && l.Section != "lost" && lately >= touchesEnough, "engaged", 12, "looked at content %s in 30 days and has no open deal", times(lately))
	born := l.CreatedAt
	isNew := !born.IsZero() && born.Before(until) && until.Sub(born) <= newFor
	days := int(until.Sub(born) / (24 * time.Hour))
	add(isNew && until.Sub(born) >= untouchedFor && l.LastMail.Before(born) && l.Replies == 0, "untouched", 8, "is new, and no rep has written for %d days", days)
	add(l.Section == "moved", "moved", 6, "the deal %s moved to %s", deal, stageOf(l.Deal))
	add(l.Section == "won", "won", 4, "the deal %s was won", deal)

	weight := 0
	l.Reasons = []string{}
	var texts []string
	for _, r := range all {
		weight += r.weight
		l.Reasons, texts = append(l.Reasons, r.name), append(texts, r.text)
	}
	if len(texts) > 0 {
		text := strings.Join(texts, "; ")
		l.Why = strings.ToUpper(text[:1]) + text[1:] + "."
	}
	return weight
}

// levelWords say whose clicks count.
var levelWords = map[trail.Level]string{trail.All: "everyone", trail.Likely: "likely people only", trail.Strict: "surely people only"}

func times(n uint64) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func lossOf(d *trail.DealRow) string {
	if d == nil || d.LossReason == "" {
		return ", nobody says why"
	}
	return ": " + d.LossReason
}

func stageOf(d *trail.DealRow) string {
	if d == nil || d.Stage == "" {
		return "another stage"
	}
	return d.Stage
}
