// Package crm turns tables from a CRM, CSV or XLSX, into events.
//
// Five tables are taken: content, contacts and deals are states (the file says
// how things are now), stages and touches are facts (the file says what
// happened). An import reads the file three times: once to put its rows aside
// in one form and to learn from all of them how dates and amounts are written,
// once to find keys that occur twice, and once to load. Memory grows by some
// bytes a row, so a million deals need no more than a small machine has.
//
// No result depends on the order of rows, and importing a file again is no
// event at all: states are emitted only on change, facts get determined IDs.
//
// Addresses never get into attrs. Who a contact is travels as an event's
// Person; addresses in free text, such as a deal's name, are cut out. The one
// exception is owner, who is a rep: a person on our side.
package crm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"dealtrail/trail"
)

// csvSource is the source of all events made here.
const csvSource = "csv"

const (
	maxBody  = 200 << 20 // bytes of a file as it is sent
	maxRows  = 5_000_000
	maxCell  = 64 << 10 // bytes of a cell
	maxLine  = 4 << 20  // bytes of a line of CSV
	maxKey   = 200      // characters of an ID
	maxShown = 1000     // rejections listed one by one
	chunk    = 4000     // rows looked up and emitted at once
)

// Importer loads tables. The functions are those of the buffer, the store and
// the catalogue; Listed and Settle may be nil.
type Importer struct {
	Emit     trail.Emit
	Settle   func(context.Context) error // waits until what was accepted before is visible in States and Known
	States   func(context.Context, trail.Kind, []string) (map[string]trail.State, error)
	Known    func(context.Context, []trail.ID) (map[trail.ID]bool, error)
	Listed   func(context.Context, ...trail.Target) error // puts content into the catalogue, before its event is emitted; a *trail.Problem Conflict refuses a content
	Contacts trail.ContactKey
	Zone     *time.Location   // of dates without a zone; nil is UTC
	Now      func() time.Time // nil is time.Now
	Dir      string           // for temporary files, removed at the end; "" is the system's
}

// Report is what became of a file. Read = Accepted + Rejected, and
// Accepted = New + Changed + Unchanged; all count rows.
type Report struct {
	Table     string      `json:"table"`
	Read      int         `json:"read"` // rows with anything in them, without header and footer
	Accepted  int         `json:"accepted"`
	New       int         `json:"new"`
	Changed   int         `json:"changed"`
	Unchanged int         `json:"unchanged"`
	Rejected  int         `json:"rejected"`
	DryRun    bool        `json:"dry_run"`
	Rows      []Rejection `json:"rows"`               // rejected rows by line, the first 1000
	Truncated int         `json:"truncated,omitzero"` // rejected rows that are not listed
	Warnings  []string    `json:"warnings"`
}

// Rejection is one row that was not accepted. Column and Value are those of its
// first bad cell, as the file has them; Reason tells of all.
type Rejection struct {
	Line   int    `json:"line"` // in the file, 1 is the first; for XLSX the row
	Column string `json:"column,omitzero"`
	Value  string `json:"value,omitzero"` // cut to 60 characters
	Reason string `json:"reason"`
}

// Import loads one table (content, contacts, deals, stages or touches) from r,
// a CSV or XLSX file called name. Bad rows are rejected and listed, the others
// are loaded. A dry run does everything but tell anybody.
//
// What a person can mend is returned as a *trail.Problem. When events cannot be
// emitted, the report says how far the import came; repeating it is safe.
func (im *Importer) Import(ctx context.Context, table, name string, r io.Reader, dryRun bool) (Report, error) {
	report := Report{Table: table, DryRun: dryRun, Rows: []Rejection{}, Warnings: []string{}}
	t, err := tableNamed(table)
	if err != nil {
		return report, err
	}
	dir, err := os.MkdirTemp(im.Dir, "dealtrail-import-")
	if err != nil {
		return report, fmt.Errorf("import %s: %w", table, err)
	}
	defer os.RemoveAll(dir)
	s, err := readSheet(ctx, t, name, r, dir)
	if err != nil {
		return report, err
	}
	defer s.close()

	j := &job{Importer: im, sheet: s, dry: dryRun, report: &report, met: map[trail.ContactID]struct{}{}}
	j.now = time.Now()
	if im.Now != nil {
		j.now = im.Now()
	}
	j.now = j.now.UTC().Truncate(time.Millisecond)
	zone := im.Zone
	if zone == nil {
		zone = time.UTC
	}
	j.convert = &converter{table: t, zone: zone, contacts: im.Contacts, now: j.now}
	j.convert.setColumns(s.used)

	if im.Settle != nil {
		if err := im.Settle(ctx); err != nil {
			return report, fmt.Errorf("wait for events accepted before: %w", err)
		}
	}
	err = j.load(ctx)
	slices.SortStableFunc(report.Rows, func(a, b Rejection) int { return a.Line - b.Line }) // the catalogue refuses late
	report.Accepted = report.New + report.Changed + report.Unchanged
	report.Warnings = append(report.Warnings, s.warnings...)
	report.Warnings = append(report.Warnings, j.convert.warnings()...)
	return report, err
}

// job is one import under way.
type job struct {
	*Importer
	sheet   *sheet
	convert *converter
	dry     bool
	now     time.Time
	report  *Report
	met     map[trail.ContactID]struct{} // contacts of deals that are known or were emitted
}

// load judges all rows, then loads them chunk by chunk.
func (j *job) load(ctx context.Context) error {
	twins, err := j.findTwins(ctx)
	if err != nil {
		return err
	}
	j.convert.notes = notes{} // the first pass counted them too
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
	err = j.sheet.each(func(line int, fault string, cells []string) error {
		j.report.Read++
		if fault != "" {
			j.reject(Rejection{Line: line, Reason: fault})
			return nil
		}
		r, bad := j.convert.row(line, cells)
		if bad != nil {
			j.reject(*bad)
			return nil
		}
		switch other, copied := twins.of(&r); {
		case other != 0:
			j.reject(j.twinRejection(r, other, cells))
			return nil
		case copied:
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
		added := before.Event.IsZero()
		if !added && before.Same(after) {
			same++
			continue
		}
		changes = append(changes, change{row: r, added: added, attrs: after.Attrs, event: trail.Registration(csvSource, kind, r.subject, before, after, j.now)})
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
	added bool              // nothing was known of its subject
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

// meet returns registrations for the contacts among the addresses that have no
// state yet, so that a deal's contacts can be shown by address.
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
			if !before.Event.IsZero() {
				continue
			}
			after := before.With(nil)
			if after.Person == nil {
				after.Person = &trail.Person{Address: byID[id]}
			}
			events = append(events, trail.Registration(csvSource, trail.ContactKind, id, before, after, j.now))
		}
	}
	return events, nil
}

// flushFacts emits the facts that are not known yet.
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
		if !known[r.event.ID] {
			r.event.ReceivedAt = j.now
			events = append(events, r.event)
		}
	}
	if err := j.emit(ctx, events); err != nil {
		return err
	}
	j.report.New += len(events)
	j.report.Unchanged += len(rows) - len(events)
	return nil
}
