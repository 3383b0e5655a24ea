package dashboards

import (
	"context"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// baselinePage is where the company stands, and where it stood when its baseline
// was kept.
type baselinePage struct {
	frame
	trail.Baselines
	Lines []baselineLine
	Rows  []baselineRow
	More  int // contents there are when only the first are shown
	Never []trail.BaselineRow
	Saved bool // the baseline was just kept
}

// baselineLine is one number with what it was and the change.
type baselineLine struct {
	Name, What        string
	Then, Now, Change string
	Part              bool // of the line above
}

// baselineRow is one content now and then.
type baselineRow struct {
	trail.BaselineRow
	Then *trail.BaselineRow // nil without a baseline, and of what was left out of it
}

// stood returns how each content stood in a baseline, nil of what is not known.
func stood(kept *trail.Baseline) func(trail.ContentID) *trail.BaselineRow {
	if kept == nil {
		return func(trail.ContentID) *trail.BaselineRow { return nil }
	}
	rows := kept.ByContent()
	return func(content trail.ContentID) *trail.BaselineRow {
		if r, known := rows(content); known {
			return &r
		}
		return nil
	}
}

// baselines are those of the store, today's with how many mailboxes are read: two
// days compare only as far as the same people's mail is in both.
func (s *Site) baselines(ctx context.Context) (trail.Baselines, error) {
	both, err := s.source.Baselines(ctx, s.Now())
	if err != nil || s.Status == nil {
		return both, err
	}
	if st, err := s.Status(ctx); err == nil { // the numbers are worth showing without
		both.Now.Mailboxes = st.MailboxesRead()
	}
	return both, nil
}

func (s *Site) baseline(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	both, err := s.baselines(c.Request().Context())
	if err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendRows(c, "baseline", baselineCSV(both))
	}
	page := baselinePage{frame: s.frame(c, "Where you stand", "baseline", l), Baselines: both, Lines: baselineLines(both), Saved: c.QueryParam("kept") != ""}
	was := stood(both.Kept)
	for _, r := range both.Now.Rows {
		row := baselineRow{BaselineRow: r, Then: was(r.Content)}
		if r.Sends == 0 && (row.Then == nil || row.Then.Sends == 0) {
			page.Never = append(page.Never, r)
			continue
		}
		page.Rows = append(page.Rows, row)
	}
	if len(page.Rows) > atFirst && c.QueryParam("all") == "" {
		page.More = len(page.Rows)
		page.Rows = page.Rows[:atFirst]
	}
	return s.render(c, http.StatusOK, "baseline", page)
}

// keepBaseline keeps today's numbers, over as long a time as the last or else as
// mail is read back.
func (s *Site) keepBaseline(c echo.Context) error {
	ctx := c.Request().Context()
	both, err := s.baselines(ctx)
	if err != nil {
		return err
	}
	if err := s.source.Keep(ctx, *both.Now); err != nil {
		return err
	}
	return seeOther(c, link("kept=1", "baseline"))
}

// baselineLines are the numbers of the day, each beside what it was.
func baselineLines(both trail.Baselines) (lines []baselineLine) {
	now, then := both.Now, both.Kept
	add := func(name, what string, get func(*trail.Baseline) (n, of uint64), part bool) {
		line := baselineLine{Name: name, What: what, Part: part}
		n, of := get(now)
		line.Now = share(n, of, part)
		if then != nil {
			m, from := get(then)
			line.Then, line.Change = share(m, from, part), change(m, from, n, of, part)
		}
		lines = append(lines, line)
	}
	whole := func(get func(*trail.Baseline) uint64) func(*trail.Baseline) (uint64, uint64) {
		return func(b *trail.Baseline) (uint64, uint64) { return get(b), 0 }
	}
	sends := func(get func(*trail.Baseline) uint64) func(*trail.Baseline) (uint64, uint64) {
		return func(b *trail.Baseline) (uint64, uint64) { return get(b), b.Sends }
	}
	if now.Mailboxes > 0 || then != nil && then.Mailboxes > 0 {
		add("Mailboxes read", "on the day", whole(func(b *trail.Baseline) uint64 { return b.Mailboxes }), false)
	}
	add("Content registered", "today", whole(func(b *trail.Baseline) uint64 { return b.Contents }), false)
	add("never sent", "in the period", func(b *trail.Baseline) (uint64, uint64) { return b.Unsent, b.Contents }, true)
	add("Sends", "one piece of content in one mail to one person", whole(func(b *trail.Baseline) uint64 { return b.Sends }), false)
	add("with a tracked link", "", sends(func(b *trail.Baseline) uint64 { return b.Tracked }), true)
	add("as a file", "", sends(func(b *trail.Baseline) uint64 { return b.Files }), true)
	add("as a plain link", "", sends(func(b *trail.Baseline) uint64 { return b.PlainLinks }), true)
	add("of an old version", "", sends(func(b *trail.Baseline) uint64 { return b.Stale }), true)
	add("observable", "a pixel can tell that it was opened", sends(func(b *trail.Baseline) uint64 { return b.Observable }), true)
	add("Reps who send content", "", whole(func(b *trail.Baseline) uint64 { return b.Reps }), false)
	add("People who got content", "", whole(func(b *trail.Baseline) uint64 { return b.Recipients }), false)
	add("People we wrote to", "with content or without, as far as the CRM knows them", whole(func(b *trail.Baseline) uint64 { return b.Written }), false)
	add("no answer seen by mail", "", func(b *trail.Baseline) (uint64, uint64) { return b.Unanswered, b.Written }, true)
	add("Deals won", "in the period", whole(func(b *trail.Baseline) uint64 { return b.Won }), false)
	add("content was part of it", "before the close; that does not say that it caused the win", func(b *trail.Baseline) (uint64, uint64) { return b.WonWith, b.Won }, true)
	add("Not registered, and sent by three reps or more", "links and files, as of the day", whole(func(b *trail.Baseline) uint64 { return b.Unregistered }), false)
	add("Nearly a registered file", "as of the day", whole(func(b *trail.Baseline) uint64 { return b.NearCopies }), false)
	return lines
}

// share writes a count and, of a part, its percentage of the whole.
func share(n, of uint64, part bool) string {
	text := group(count(n))
	if part && of > 0 {
		text += " (" + strconv.FormatFloat(100*float64(n)/float64(of), 'f', 0, 64) + "%)"
	}
	return text
}

// change writes how a number changed: a part in points of its percentage, since
// the whole is another, all else as a count.
func change(then, from, now, of uint64, part bool) string {
	difference := float64(now) - float64(then)
	unit := ""
	if part {
		if from == 0 || of == 0 {
			return "–"
		}
		difference = 100*float64(now)/float64(of) - 100*float64(then)/float64(from)
	}
	text := strconv.FormatFloat(difference, 'f', 0, 64)
	if part {
		unit = pointsUnit(text)
	}
	switch {
	case text == "0" || text == "-0":
		return "same"
	case difference > 0:
		return "+" + group(text) + unit
	}
	return group(text) + unit
}

func baselineCSV(both trail.Baselines) [][]string {
	out := [][]string{{"content", "title", "sends", "reps", "recipients", "stale", "won_deals_part_of", "sends_then", "reps_then", "recipients_then", "stale_then", "won_deals_part_of_then"}}
	was := stood(both.Kept)
	for _, r := range both.Now.Rows {
		line := []string{r.Content, r.Title, count(r.Sends), count(r.Reps), count(r.Recipients), count(r.Stale), count(r.Won), "", "", "", "", ""}
		if t := was(r.Content); t != nil {
			copy(line[7:], []string{count(t.Sends), count(t.Reps), count(t.Recipients), count(t.Stale), count(t.Won)})
		}
		out = append(out, line)
	}
	return out
}
