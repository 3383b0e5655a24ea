package crm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dealtrail/trail"
)

// job is one import under way.
type job struct {
	*Importer
	sheet   *sheet
	convert *converter
	source  string // who told us
	dry     bool
	replace *replacement // nil: what has no row in the file stays
	now     time.Time
	report  *Report
	met     map[trail.ContactID]struct{} // contacts of deals that are known or were emitted
}

// run judges all rows, then loads them chunk by chunk, and last takes back what
// has none.
func (j *job) run(ctx context.Context) error {
	twins, err := j.findTwins(ctx)
	if err != nil {
		return err
	}
	if j.replace != nil {
		if err := j.plan(ctx, twins); err != nil {
			return err
		}
	}
	j.convert.notes = notes{} // the passes before counted them too
	if err := j.loadRows(ctx, twins); err != nil {
		return err
	}
	if err := j.retract(ctx); err != nil {
		return err
	}
	return j.seekSurvivors(ctx, twins)
}

func (j *job) loadRows(ctx context.Context, twins *twins) error {
	var rows []row
	flush := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if j.sheet.table.kind == "" {
			err = j.flushFacts(ctx, rows)
		} else {
			err = j.flushStates(ctx, rows)
		}
		rows = rows[:0]
		return err
	}
	err := j.judged(twins, func(r row, copied bool, bad *Rejection) error {
		j.report.Read++
		if bad != nil {
			j.reject(*bad)
			return nil
		}
		delete(twins.survivors, r.subject)
		if r.erased > 0 {
			j.convert.notes.erased++
		}
		if copied || r.erased > 0 && j.sheet.table.kind == trail.ContactKind {
			j.report.Unchanged++
			return nil
		}
		if rows = append(rows, r); len(rows) == chunk {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// judged reads all rows: f gets a good one, which may be a copy of another, or
// why it is rejected.
func (j *job) judged(twins *twins, f func(r row, copied bool, bad *Rejection) error) error {
	clear(twins.count)
	return j.sheet.each(func(line int, fault string, cells []string) error {
		if fault != "" {
			return f(row{}, false, &Rejection{Line: line, Reason: fault})
		}
		r, bad := j.convert.row(line, cells)
		if bad != nil {
			return f(r, false, bad)
		}
		other, copied := twins.of(&r)
		switch {
		case other != 0:
			bad = j.twinRejection(r, other, cells)
		case twins.circles[r.subject]:
			bad = j.convert.rejection(line, cells, "merged_into", "leads back to this deal")
		}
		return f(r, copied, bad)
	})
}

func (j *job) reject(r Rejection) {
	j.report.Rejected++
	if len(j.report.Rows) == maxShown {
		j.report.Truncated++
		return
	}
	j.report.Rows = append(j.report.Rows, r)
}

// emit hands events over, except in a dry run.
func (j *job) emit(ctx context.Context, events []trail.Event) error {
	if j.dry || len(events) == 0 {
		return nil
	}
	return j.stopped(j.Emit(ctx, events...))
}

// stopped tells how far the import came, if err is one; err is for the log.
func (j *job) stopped(err error) error {
	if err == nil {
		return nil
	}
	done := j.report.New + j.report.Changed + j.report.Unchanged
	return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable,
		"The import stopped after %d rows were accepted. Repeating it is safe: what was accepted is not counted twice.", done), err)
}

// flushStates emits the registrations of the rows that change something, and of
// the contacts of deals that nobody has told us of before.
func (j *job) flushStates(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	kind := j.sheet.table.kind
	subjects := make([]string, len(rows))
	for i, r := range rows {
		subjects[i] = r.subject
	}
	states, err := j.States(ctx, kind, subjects)
	if err != nil {
		return fmt.Errorf("look up %s: %w", j.sheet.table.name, err)
	}
	var changes []change
	same := 0
	for _, r := range rows {
		before := states[r.subject]
		after := j.convert.after(before, r)
		known := !before.Event.IsZero()
		if known && before.Same(after) {
			same++
			continue
		}
		c := change{row: r, attrs: after.Attrs}
		if after.Gone {
			c.event = trail.Retraction(j.source, kind, r.subject, before, after.Into, j.now)
		} else {
			c.added = !known || before.Gone
			c.event = trail.Registration(j.source, kind, r.subject, before, after, j.now)
		}
		changes = append(changes, c)
	}
	if changes, err = j.list(ctx, changes); err != nil {
		return err
	}
	var events []trail.Event
	var people []string
	added := 0
	for _, c := range changes {
		people = append(people, c.people...)
		events = append(events, c.event)
		if c.added {
			added++
		}
	}
	met, err := j.meet(ctx, people)
	if err != nil {
		return err
	}
	if err := j.emit(ctx, append(met, events...)); err != nil {
		return err
	}
	j.report.New += added
	j.report.Changed += len(changes) - added
	j.report.Unchanged += same
	return nil
}

// change is a row that says something new.
type change struct {
	row
	added bool              // its subject was not there
	attrs map[string]string // of its subject from now on
	event trail.Event
}

// list puts the content among the changes into the catalogue. It rejects what
// the catalogue refuses, and returns the rest.
func (j *job) list(ctx context.Context, changes []change) ([]change, error) {
	if j.sheet.table.kind != trail.ContentKind || j.Listed == nil || j.dry || len(changes) == 0 {
		return changes, nil
	}
	targets := make([]trail.Target, len(changes))
	for i, c := range changes {
		targets[i] = trail.TargetOf(c.subject, c.attrs)
	}
	err := j.Listed(ctx, targets...)
	if refusal(err) == "" {
		return changes, j.stopped(err)
	}
	var listed []change
	for i, c := range changes { // one by one, to learn which it refuses
		err := j.Listed(ctx, targets[i])
		if reason := refusal(err); reason != "" {
			header := j.sheet.used[j.convert.at[j.sheet.table.required[0]]].header
			j.reject(Rejection{Line: c.line, Column: header, Value: short(c.subject), Reason: reason})
			continue
		}
		if err != nil {
			return nil, j.stopped(err)
		}
		listed = append(listed, c)
	}
	return listed, nil
}

// refusal returns why a content can never be listed, or "".
func refusal(err error) string {
	if p := (*trail.Problem)(nil); errors.As(err, &p) && p.Code == trail.Conflict {
		return p.Text
	}
	return ""
}

// meet returns registrations for the contacts among the addresses that are not
// there yet, so that a deal's contacts can be shown by address.
func (j *job) meet(ctx context.Context, addresses []string) ([]trail.Event, error) {
	byID := map[string]string{}
	for _, address := range addresses {
		id := j.Contacts.ID(address)
		if _, met := j.met[id]; !met {
			j.met[id] = struct{}{}
			byID[string(id)] = address
		}
	}
	ids := make([]string, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var events []trail.Event
	for part := range slices.Chunk(ids, chunk) {
		states, err := j.States(ctx, trail.ContactKind, part)
		if err != nil {
			return nil, fmt.Errorf("look up contacts: %w", err)
		}
		for _, id := range part {
			before := states[id]
			if !before.Event.IsZero() && !before.Gone {
				continue
			}
			after := before.With(nil)
			if after.Person == nil {
				after.Person = &trail.Person{Address: byID[id]}
			}
			events = append(events, trail.Registration(j.source+ofDeals, trail.ContactKind, id, before, after, j.now))
		}
	}
	return events, nil
}

// flushFacts emits the facts that are not there yet. One that was retracted comes
// back as its next revision.
func (j *job) flushFacts(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	ids := make([]trail.ID, len(rows))
	for i, r := range rows {
		ids[i] = r.event.ID
	}
	known, err := j.Known(ctx, ids)
	if err != nil {
		return fmt.Errorf("look up %s: %w", j.sheet.table.name, err)
	}
	var events []trail.Event
	for _, r := range rows {
		e, before := r.event, known[r.event.ID]
		e.Source, e.ReceivedAt = j.source, j.now
		switch before.Kind {
		case "":
		case trail.Retracted:
			e.Revision, e.ReceivedAt, e.RevisedAt = before.Revision+1, before.ReceivedAt, j.now
		default:
			continue
		}
		events = append(events, e)
	}
	if err := j.emit(ctx, events); err != nil {
		return err
	}
	j.report.New += len(events)
	j.report.Unchanged += len(rows) - len(events)
	return nil
}
