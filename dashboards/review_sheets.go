package dashboards

import (
	"strconv"
	"strings"
	"time"

	"dealtrail/trail"
)

// sheet is one section of the review as a table whose cells have types: a string, a
// uint64, a float64 (of an amount), a time.Time, or a date.
type sheet struct {
	Name    string // of the tab
	Columns []sheetColumn
	Rows    [][]any
	keys    []subject // whom or what each row is about
}

// sheetColumn is one column, by the name that it has in CSV too.
type sheetColumn struct {
	Name    string
	Width   float64  // in characters
	Choices []string // what may be chosen; nil: anything
	Edit    bool     // the meeting fills it in, and it may come back
}

// date is a day without a time, as 2026-11-30.
type date string

// subject is whom or what a row is about, and what was said of it.
type subject struct {
	key      string // unique in the file
	decision trail.Decision
}

var yesOnly = []string{"yes", "no"}

// decisionSheet are the columns that the meeting fills in.
func decisionSheet() []sheetColumn {
	widths := map[string]float64{"needs": 32, "reason": 24, "decision": 36, "decision_owner": 20}
	choices := map[string][]string{"quality": trail.Qualities, "state": trail.DecisionStates, "done": yesOnly}
	var all []sheetColumn
	for _, name := range decisionColumns {
		width := widths[name]
		if width == 0 {
			width = 11
		}
		all = append(all, sheetColumn{Name: name, Width: width, Choices: choices[name], Edit: true})
	}
	return all
}

// decisionRow are the typed cells of a decision.
func decisionRow(d trail.Decision) []any {
	return []any{d.Quality, d.Needs, d.State, d.Reason, d.Text, d.Owner, date(d.Due), d.Field("done")}
}

// reviewSheets returns the sections of a review, those without rows too.
func reviewSheets(r trail.Review) []sheet {
	sheets := []sheet{leadSheet(r)}
	for _, s := range reviewSections() {
		sheets = append(sheets, dealSheet(r, s.Name))
	}
	return append(sheets, earlierSheet(r))
}

func leadSheet(r trail.Review) sheet {
	s := sheet{Name: "Leads", Columns: []sheetColumn{{Name: "lead", Width: 22}, {Name: "email", Width: 28}, {Name: "account", Width: 20}, {Name: "lead_status", Width: 12}, {Name: "owner", Width: 22}, {Name: "why", Width: 48}}}
	s.Columns = append(append(s.Columns, decisionSheet()...), []sheetColumn{
		{Name: "deal", Width: 12},
		{Name: "name", Width: 24},
		{Name: "value", Width: 12},
		{Name: "currency", Width: 9},
		{Name: "status", Width: 8},
		{Name: "stage", Width: 14},
		{Name: "loss_reason", Width: 20},
		{Name: "sent", Width: 7},
		{Name: "clicks", Width: 7},
		{Name: "views", Width: 7},
		{Name: "replies", Width: 8},
		{Name: "last_touch", Width: 17},
		{Name: "last_mail", Width: 17},
		{Name: "seen", Width: 48},
		{Name: "contributed", Width: 40},
		{Name: "crm_url", Width: 24},
	}...)
	for _, l := range r.Leads {
		var d trail.DealRow
		if l.Deal != nil {
			d = *l.Deal
		}
		said := subject{key: "lead " + leadKey(l), decision: orEmpty(l.Decision)}
		row := append([]any{leadName(l), leadKey(l), leadAccount(l), l.Status, l.Owner, l.Why}, decisionRow(said.decision)...)
		s.Rows = append(s.Rows, append(row, d.ID, d.Name, numeric(d.Value.Amount), d.Value.Currency, d.Status, d.Stage, d.LossReason,
			l.Sent, l.Clicks, l.Views, l.Replies, l.LastTouch, l.LastMail, seenTexts(l.Seen), contributedTexts(l.Contributed), l.CRM))
		s.keys = append(s.keys, said)
	}
	return s
}

// leadKey names a lead in a file: by address, or by contact when nobody knows it.
func leadKey(l trail.Lead) string {
	if l.Address != "" {
		return l.Address
	}
	return string(l.Contact)
}

func dealSheet(r trail.Review, section string) sheet {
	s := sheet{Name: strings.ToUpper(section[:1]) + section[1:], Columns: []sheetColumn{
		{Name: "deal", Width: 12},
		{Name: "name", Width: 24},
		{Name: "account", Width: 20},
		{Name: "value", Width: 12},
		{Name: "currency", Width: 9},
		{Name: "status", Width: 8},
		{Name: "stage", Width: 14},
		{Name: "owner", Width: 22},
		{Name: "loss_reason", Width: 20},
	}}
	s.Columns = append(append(s.Columns, decisionSheet()...), []sheetColumn{
		{Name: "stages_entered", Width: 24},
		{Name: "contacts", Width: 28},
		{Name: "sent", Width: 7},
		{Name: "clicks", Width: 7},
		{Name: "replies", Width: 8},
		{Name: "last_touch", Width: 17},
		{Name: "last_mail", Width: 17},
		{Name: "contributed", Width: 40},
		{Name: "crm_url", Width: 24},
	}...)
	for _, row := range r.Rows {
		if row.Section != section {
			continue
		}
		d := row.Deal
		said := subject{key: "deal " + d.ID, decision: orEmpty(row.Decision)}
		line := append([]any{d.ID, d.Name, accountName(d), numeric(d.Value.Amount), d.Value.Currency, d.Status, d.Stage, d.Owner, d.LossReason}, decisionRow(said.decision)...)
		s.Rows = append(s.Rows, append(line, strings.Join(row.Stages, "; "), strings.Join(row.Contacts, "; "), row.Sent, row.Clicks, row.Replies,
			row.LastTouch, row.LastMail, contributedTexts(row.Contributed), row.CRM))
		s.keys = append(s.keys, said)
	}
	return s
}

func earlierSheet(r trail.Review) sheet {
	s := sheet{Name: "Earlier", Columns: append([]sheetColumn{{Name: "id", Width: 28}, {Name: "week", Width: 10}, {Name: "about", Width: 24}, {Name: "email", Width: 28}, {Name: "deal", Width: 12}, {Name: "kept", Width: 8}}, decisionSheet()...)}
	for _, d := range r.Earlier {
		s.Rows = append(s.Rows, append([]any{d.ID, d.Week, d.Title, d.Address, d.Deal, string(d.Kept)}, decisionRow(d)...))
		s.keys = append(s.keys, subject{key: "id " + d.ID, decision: d})
	}
	return s
}

func orEmpty(d *trail.Decision) trail.Decision {
	if d == nil {
		return trail.Decision{}
	}
	return *d
}

// numeric returns an amount as a number, and what is none as it is.
func numeric(amount string) any {
	if f, err := strconv.ParseFloat(amount, 64); err == nil && plainNumber.MatchString(amount) {
		return f
	}
	return amount
}

// time returns the midnight of a date, and whether it is one.
func (d date) time() (time.Time, bool) {
	t, err := time.Parse(time.DateOnly, string(d))
	return t, err == nil
}
