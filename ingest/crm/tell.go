package crm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"dealtrail/trail"
)

// Told is what a CRM says of one thing, by the columns of a table. A column that is
// not there stays as it is, an empty one is cleared.
type Told struct {
	Table string // contacts, deals or stages
	Cells map[string]string
	Gone  bool // the CRM has no such deal or contact any more
}

// tellable are the tables that a CRM tells of, in the order in which they are loaded.
var tellable = []string{"contacts", "deals", "stages"}

// Tell loads what a CRM said, as an import loads rows: states are emitted only on
// change, facts get determined IDs. Of several words on one thing the last counts.
//
// Nobody mends the rows of a CRM that speaks by itself: a cell that cannot be read
// is left out, with a warning, unless nothing can be told without it.
func (im *Importer) Tell(ctx context.Context, source string, told []Told) (Report, error) {
	report := Report{Table: "told", Rows: []Rejection{}, Warnings: []string{}}
	if len(told) == 0 {
		return report, nil
	}
	if im.Settle != nil {
		if err := im.Settle(ctx); err != nil {
			return report, fmt.Errorf("wait for events accepted before: %w", err)
		}
	}
	j := &job{Importer: im, source: source, report: &report, met: map[trail.ContactID]struct{}{}, now: im.now()}
	warned := map[string]bool{}
	for _, name := range tellable {
		t, err := tableNamed(name)
		if err != nil {
			return report, err
		}
		j.sheet = &sheet{table: t}
		j.convert = &converter{table: t, zone: cmp.Or(im.Zone, time.UTC), contacts: im.Contacts, erased: im.erased, now: j.now, told: true}
		rows, gone := j.read(told, warned)
		if t.kind == trail.ContactKind {
			for _, r := range rows {
				j.met[trail.ContactID(r.subject)] = struct{}{} // its own word says more than a deal's
			}
		}
		for _, r := range rows {
			if t.kind == "" {
				report.Facts = append(report.Facts, r.event.ID)
			}
		}
		if err := j.take(ctx, rows, gone); err != nil {
			return report, err
		}
	}
	report.Accepted = report.New + report.Changed + report.Unchanged
	report.Warnings = append(report.Warnings, slices.Sorted(maps.Keys(warned))...)
	return report, nil
}

// read returns the rows that speak of the table, each thing once, and the things that are gone.
func (j *job) read(told []Told, warned map[string]bool) (rows []row, gone []string) {
	at := map[[16]byte]int{}
	var last []bool // whether the newest word on a row is that it is gone
	for i, o := range told {
		if o.Table != j.sheet.table.name {
			continue
		}
		j.report.Read++
		r, bad := j.readTold(i+1, o, warned)
		if bad != nil {
			j.reject(*bad)
			continue
		}
		n, again := at[r.key()]
		if !again {
			n = len(rows)
			at[r.key()] = n
			rows, last = append(rows, r), append(last, o.Gone)
			continue
		}
		j.report.Unchanged++
		rows[n], last[n] = r, o.Gone
	}
	kept := rows[:0]
	for i, r := range rows {
		if last[i] {
			gone = append(gone, r.subject)
			continue
		}
		kept = append(kept, r)
	}
	return kept, gone
}

// readTold reads the cells of one thing; line counts what was told from 1.
func (j *job) readTold(line int, o Told, warned map[string]bool) (row, *Rejection) {
	cells := maps.Clone(o.Cells)
	for {
		j.convert.setColumns(j.sheet.table.columnsOf(cells))
		texts := make([]string, len(j.convert.columns))
		for i, u := range j.convert.columns {
			if texts[i] = trimmed(cells[u.name]); len(texts[i]) > maxCell {
				texts[i] = ""
			}
		}
		for _, name := range j.sheet.table.required {
			if cells[name] == "" {
				return row{}, &Rejection{Line: line, Column: name, Reason: name + " is empty"}
			}
		}
		r, bad := j.convert.row(line, texts)
		if bad == nil || slices.Contains(j.sheet.table.required, bad.Column) {
			return r, bad
		}
		if _, has := cells[bad.Column]; !has {
			return r, bad
		}
		if len(warned) < 20 {
			warned[fmt.Sprintf("%s was left out: %s.", bad.Column, bad.Reason)] = true
		}
		delete(cells, bad.Column)
	}
}

// columnsOf returns the columns that cells speak of, in the table's order, as columns
// of a file whose amounts and dates are written one way.
func (t *table) columnsOf(cells map[string]string) (found []*used) {
	for i := range t.columns {
		c := &t.columns[i]
		if _, has := cells[c.name]; has {
			found = append(found, &used{column: c, header: c.name, marks: marks{mark: '.'}})
		}
	}
	return found
}

// take emits what rows change, and retracts what is gone.
func (j *job) take(ctx context.Context, rows []row, gone []string) error {
	for part := range slices.Chunk(rows, chunk) {
		var err error
		if j.sheet.table.kind == "" {
			err = j.flushFacts(ctx, part)
		} else {
			err = j.flushStates(ctx, part)
		}
		if err != nil {
			return err
		}
	}
	if len(gone) == 0 || j.sheet.table.kind == "" {
		return nil
	}
	kind := j.sheet.table.kind
	states, err := j.States(ctx, kind, gone)
	if err != nil {
		return fmt.Errorf("look up %s: %w", j.sheet.table.name, err)
	}
	var events []trail.Event
	for _, s := range gone {
		before := states[s]
		if before.Event.IsZero() || before.Gone {
			j.report.Unchanged++
			continue
		}
		events = append(events, trail.Retraction(j.source, kind, s, before, "", j.now))
	}
	if err := j.emit(ctx, events); err != nil {
		return err
	}
	j.report.Retracted += len(events)
	return nil
}

// Retell takes back the stages of some deals that a source told of earlier and tells of no
// more: kept are those that it still does, since is from when on it tells of a deal. What
// was before is history that CRMs cut off. It returns how many.
func (im *Importer) Retell(ctx context.Context, source string, since map[string]time.Time, kept map[trail.ID]bool) (int, error) {
	if im.Settle != nil {
		if err := im.Settle(ctx); err != nil {
			return 0, fmt.Errorf("wait for events accepted before: %w", err)
		}
	}
	facts, err := im.FactsOf(ctx, source, trail.Staged)
	if err != nil {
		return 0, fmt.Errorf("look up stages: %w", err)
	}
	facts = slices.DeleteFunc(facts, func(id trail.ID) bool { return kept[id] })
	n, now := 0, im.now()
	for part := range slices.Chunk(facts, chunk) {
		known, err := im.Known(ctx, part)
		if err != nil {
			return n, fmt.Errorf("look up stages: %w", err)
		}
		var events []trail.Event
		for _, id := range part {
			e, ok := known[id]
			from, told := since[e.Deal]
			if ok && told && e.Kind == trail.Staged && !e.At.Before(from) {
				events = append(events, e.Retract(now))
			}
		}
		if len(events) == 0 {
			continue
		}
		if err := im.Emit(ctx, events...); err != nil {
			return n, err
		}
		n += len(events)
	}
	return n, nil
}
