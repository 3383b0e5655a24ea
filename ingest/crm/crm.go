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
// An import adds and changes. Only one that replaces takes the absence of a row
// for a word: what an earlier import of that table brought is retracted then.
//
// Addresses never get into attrs. Who a contact is travels as an event's
// Person; addresses in free text, such as a deal's name, are cut out. The one
// exception is owner, who is a rep: a person on our side.
package crm

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"dealtrail/trail"
)

// The source of all events that a file makes, and what is behind a source's name when
// only its deals tell of a contact: no list of contacts that lacks it takes it back.
const (
	csvSource = "csv"
	ofDeals   = "/deals"
)

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
	Emit   trail.Emit
	Settle func(context.Context) error // waits until what was accepted before is visible in States and Known
	States func(context.Context, trail.Kind, []string) (map[string]trail.State, error)
	Known  func(context.Context, []trail.ID) (map[trail.ID]trail.Event, error)
	Listed func(context.Context, ...trail.Target) error // puts content into the catalogue, before its event is emitted; a *trail.Problem Conflict refuses a content

	// What is there by the word of a source: only Replace asks.
	SubjectsOf func(ctx context.Context, source string, kind trail.Kind) ([]string, error)
	FactsOf    func(ctx context.Context, source string, kinds ...trail.Kind) ([]trail.ID, error)

	Erased   func(trail.ContactID) bool // who was erased and is not kept again; nil: nobody
	Contacts trail.ContactKey
	Zone     *time.Location   // of dates without a zone; nil is UTC
	Now      func() time.Time // nil is time.Now
	Dir      string           // for temporary files, removed at the end; "" is the system's
}

// Report is what became of a file. Read = Accepted + Rejected, and
// Accepted = New + Changed + Unchanged; all count rows. What was retracted and is
// told of again is new.
type Report struct {
	Table     string      `json:"table"`
	Read      int         `json:"read"` // rows with anything in them, without header and footer
	Accepted  int         `json:"accepted"`
	New       int         `json:"new"`
	Changed   int         `json:"changed"`
	Unchanged int         `json:"unchanged"`
	Rejected  int         `json:"rejected"`
	Retracted int         `json:"retracted"` // not rows: what is there and has none in a file that replaces
	DryRun    bool        `json:"dry_run"`
	Refused   string      `json:"refused,omitzero"`   // a dry run: why the file would not be let to replace
	Gone      []string    `json:"gone,omitempty"`     // what was retracted, in words, the first 20
	Rows      []Rejection `json:"rows"`               // rejected rows by line, the first 1000
	Truncated int         `json:"truncated,omitzero"` // rejected rows that are not listed
	Warnings  []string    `json:"warnings"`

	Facts []trail.ID `json:"-"` // of what a CRM told: its facts, new or not
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
	return im.load(ctx, table, name, r, &job{dry: dryRun})
}

// load does the job that a caller began to describe.
func (im *Importer) load(ctx context.Context, table, name string, r io.Reader, j *job) (Report, error) {
	report := Report{Table: table, DryRun: j.dry, Rows: []Rejection{}, Warnings: []string{}}
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

	j.Importer, j.sheet, j.report, j.met = im, s, &report, map[trail.ContactID]struct{}{}
	j.source, j.now = csvSource, im.now()
	zone := im.Zone
	if zone == nil {
		zone = time.UTC
	}
	j.convert = &converter{table: t, zone: zone, contacts: im.Contacts, erased: im.erased, now: j.now}
	j.convert.setColumns(s.used)

	if im.Settle != nil {
		if err := im.Settle(ctx); err != nil {
			return report, fmt.Errorf("wait for events accepted before: %w", err)
		}
	}
	err = j.run(ctx)
	slices.SortStableFunc(report.Rows, func(a, b Rejection) int { return a.Line - b.Line }) // the catalogue refuses late
	report.Accepted = report.New + report.Changed + report.Unchanged
	report.Warnings = append(report.Warnings, s.warnings...)
	report.Warnings = append(report.Warnings, j.convert.warnings()...)
	return report, err
}

func (im *Importer) now() time.Time {
	now := time.Now()
	if im.Now != nil {
		now = im.Now()
	}
	return now.UTC().Truncate(time.Millisecond)
}

// erased reports whether a person was erased and is not kept again.
func (im *Importer) erased(c trail.ContactID) bool { return im.Erased != nil && im.Erased(c) }
