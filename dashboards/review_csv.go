package dashboards

import (
	"io"
	"strings"
	"time"

	"dealtrail/trail"
)

// ReviewCSV writes the weekly lead review with a header, one row a lead, then one a
// deal, then one an earlier decision. Times are RFC 3339 in the company's zone, so
// that each reads as the day that it was; lists are separated by "; "; what
// contributed is the content's title and its share of the credit.
func ReviewCSV(w io.Writer, r trail.Review) error { return typed("review", reviewRows(r)).CSV(w) }

// decisionColumns are what the meeting fills in, in the order of
// trail.DecisionFields: the owner of a deal is another one.
var decisionColumns = []string{"quality", "needs", "state", "reason", "decision", "decision_owner", "due", "done"}

func reviewRows(r trail.Review) [][]string {
	head := []string{
		"week", "section", "deal", "name", "account", "value", "currency", "status", "stage", "owner",
		"stages_entered", "contacts", "sent", "clicks", "replies", "last_touch", "contributed",
		"lead", "email", "lead_status", "why", "seen", "last_mail", "loss_reason", "crm_url",
	}
	rows := [][]string{append(append(head, decisionColumns...), "kept")}
	for _, l := range r.Leads {
		var d trail.DealRow
		if l.Deal != nil {
			d = *l.Deal
		}
		line := []string{
			r.Week, "lead", d.ID, d.Name, leadAccount(l), d.Value.Amount, d.Value.Currency, d.Status, d.Stage, l.Owner,
			"", leadName(l), count(l.Sent), count(l.Clicks), count(l.Replies), zoned(l.LastTouch), contributedTexts(l.Contributed),
			leadName(l), l.Address, l.Status, l.Why, seenTexts(l.Seen), zoned(l.LastMail), d.LossReason, l.CRM,
		}
		rows = append(rows, append(line, decisionCells(l.Decision)...))
	}
	for _, row := range r.Rows {
		d := row.Deal
		line := []string{
			r.Week, row.Section, d.ID, d.Name, accountName(d), d.Value.Amount, d.Value.Currency, d.Status, d.Stage, d.Owner,
			strings.Join(row.Stages, "; "), strings.Join(row.Contacts, "; "), count(row.Sent), count(row.Clicks), count(row.Replies),
			zoned(row.LastTouch), contributedTexts(row.Contributed), "", "", "", "", "", zoned(row.LastMail), d.LossReason, row.CRM,
		}
		rows = append(rows, append(line, decisionCells(row.Decision)...))
	}
	for _, d := range r.Earlier {
		line := make([]string, len(head))
		line[0], line[1], line[2], line[3], line[18] = d.Week, "earlier", d.Deal, d.Title, d.Address
		rows = append(rows, append(line, decisionCells(&d)...))
	}
	return rows
}

// decisionCells are the fields of a decision, and whether it was kept.
func decisionCells(d *trail.Decision) []string {
	if d == nil {
		d = &trail.Decision{}
	}
	var cells []string
	for _, name := range trail.DecisionFields {
		cells = append(cells, d.Field(name))
	}
	return append(cells, string(d.Kept))
}

func leadName(l trail.Lead) string {
	for _, s := range []string{l.Name, l.Address} {
		if s != "" {
			return s
		}
	}
	return string(l.Contact)
}

func leadAccount(l trail.Lead) string {
	if l.Account != "" {
		return l.Account
	}
	return l.Domain
}

func contributedTexts(all []trail.Touched) string {
	var texts []string
	for _, t := range all {
		texts = append(texts, contributedText(t))
	}
	return strings.Join(texts, "; ")
}

// seenTexts says what somebody had and how they have seen it.
func seenTexts(all []trail.LeadContent) string {
	var texts []string
	for _, s := range all {
		title := s.Title
		if title == "" {
			title = s.Content
		}
		texts = append(texts, title+" ("+seenHow(s)+")")
	}
	return strings.Join(texts, "; ")
}

// seenHow says how a content was seen: the strongest sign first.
func seenHow(s trail.LeadContent) string {
	var parts []string
	for _, p := range []struct {
		n    uint64
		word string
	}{{s.Replied, "answered"}, {s.Clicked, "clicked"}, {s.Viewed, "viewed"}, {s.Opened, "opened"}, {s.Sent, "sent"}} {
		if p.n == 1 {
			parts = append(parts, p.word)
		} else if p.n > 1 {
			parts = append(parts, p.word+" "+count(p.n)+" times")
		}
	}
	return strings.Join(parts, ", ")
}

// zoned writes a time in its own zone.
func zoned(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}
