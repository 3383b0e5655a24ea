package crm

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"dealtrail/trail"
)

// maxGone is how many of the things that a file retracts are named.
const maxGone = 20

// Replace loads one table as Import does, and takes the file for the whole truth
// of it: what earlier imports of the table brought and the file has no row for is
// retracted. A later row brings it back. Things that another source spoke of since
// stay, and contacts that only mails or deals name.
//
// A file without rows, and one with a row that is rejected, is refused; so is,
// unless forced, one that would retract more than half of what is there. A dry run
// says so in its report, otherwise it is a *trail.Problem and nothing is stored.
func (im *Importer) Replace(ctx context.Context, table, name string, r io.Reader, dryRun, force bool) (Report, error) {
	if err := MayReplace(table); err != nil {
		return Report{}, err
	}
	return im.load(ctx, table, name, r, &job{dry: dryRun, replace: &replacement{force: force}})
}

// MayReplace refuses the table that no file replaces: links to content are out
// there, and past credit is its.
func MayReplace(table string) error {
	if table != "content" {
		return nil
	}
	return trail.Problemf(trail.Invalid, "A list of content does not replace what is registered: links to it are in people's mailboxes, and it keeps the credit it earned. "+
		"To retire a piece of content give its row an expires_at: links then lead to its successor, or to tracking.fallback_url.")
}

// replacement is what a file that replaces does besides being loaded.
type replacement struct {
	force    bool
	keys     [][16]byte // what the file has rows for, in order
	there    int        // how much there is by the word of earlier imports
	subjects []string   // of a table of states: those of them that are gone, in order
	facts    []trail.ID // of a table of facts
}

// plan finds out what has no row in the file, before anything is emitted.
func (j *job) plan(ctx context.Context, twins *twins) error {
	p := j.replace
	rows, rejected := 0, 0
	var first *Rejection
	err := j.judged(twins, func(r row, copied bool, bad *Rejection) error {
		if rows++; rows%chunk == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case bad != nil:
			rejected++
			first = cmp.Or(first, bad)
		case !copied:
			p.keys = append(p.keys, r.key())
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(p.keys, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	if err := j.compare(ctx); err != nil {
		return err
	}
	if j.report.Gone, err = j.names(ctx); err != nil {
		return err
	}
	gone := len(p.subjects) + len(p.facts)
	var refused error
	switch {
	case rows == 0:
		refused = trail.Problemf(trail.Invalid, "The file has no rows. A file that replaces is all there is, and an empty one would retract everything.")
	case rejected > 0:
		refused = trail.Problemf(trail.Invalid, "%d of %d rows cannot be read, the first in line %d: %s. What has no row in a file that replaces is retracted, so all of it must be good: "+
			"mend these rows (a dry run lists them), or import the file without replace.", rejected, rows, first.Line, first.Reason)
	case 2*gone > p.there && !p.force:
		refused = trail.Problemf(trail.Conflict, "%d of the %d %s that are there have no row in the file, more than half: %s. If the file has all there are, import it with force "+
			"(--replace --force, or force=true).", gone, p.there, j.sheet.table.name, listed(j.report.Gone, 5, gone))
	}
	if refused == nil || j.dry {
		if refused != nil {
			j.report.Refused = refused.Error()
		}
		return nil
	}
	return refused
}

// listed joins the first n of some names; total is how many there are.
func listed(names []string, n, total int) string {
	names = names[:min(n, len(names))]
	s := strings.Join(names, ", ")
	if more := total - len(names); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// compare fills in what is there and has no row.
func (j *job) compare(ctx context.Context) (err error) {
	p, t := j.replace, j.sheet.table
	has := func(key [16]byte) bool {
		_, found := slices.BinarySearchFunc(p.keys, key, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
		return found
	}
	if t.kind != "" {
		if p.subjects, err = j.SubjectsOf(ctx, csvSource, t.kind); err != nil {
			return fmt.Errorf("look up all %s: %w", t.name, err)
		}
		p.there = len(p.subjects)
		// Who was erased has no row that could be told from others, and is gone already.
		p.subjects = slices.DeleteFunc(p.subjects, func(s string) bool {
			return trail.ContactID(s).Erased() && t.kind == trail.ContactKind || has((&row{subject: s}).key())
		})
		return nil
	}
	if p.facts, err = j.FactsOf(ctx, csvSource, t.facts...); err != nil {
		return fmt.Errorf("look up all %s: %w", t.name, err)
	}
	p.there = len(p.facts)
	p.facts = slices.DeleteFunc(p.facts, func(id trail.ID) bool { return has(id) })
	return nil
}

// names says what is gone, the first of it, for a person.
func (j *job) names(ctx context.Context) (names []string, err error) {
	p, t := j.replace, j.sheet.table
	subjects, facts := p.subjects[:min(maxGone, len(p.subjects))], p.facts[:min(maxGone, len(p.facts))]
	var states map[string]trail.State
	if len(subjects) > 0 {
		if states, err = j.States(ctx, t.kind, subjects); err != nil {
			return nil, fmt.Errorf("look up %s: %w", t.name, err)
		}
	}
	for _, s := range subjects {
		switch state := states[s]; {
		case state.Person != nil:
			s = state.Person.Address
		case t.kind == trail.ContactKind:
			s = "somebody without an address"
		case state.Attrs["name"] != "":
			s = fmt.Sprintf("%s (%s)", s, short(state.Attrs["name"]))
		}
		names = append(names, s)
	}
	known, err := j.Known(ctx, facts)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", t.name, err)
	}
	for _, id := range facts {
		e := known[id]
		words := []string{e.At.In(j.convert.zone).Format("2006-01-02 15:04"), e.Deal, e.Stage}
		if e.Kind != trail.Staged {
			words = []string{words[0], string(e.Kind), e.Content, e.Deal}
		}
		names = append(names, strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " "))
	}
	return names, nil
}

// retract emits what the plan found, after all rows: if an import stops half way,
// too much is there rather than too little, and repeating it ends the same.
func (j *job) retract(ctx context.Context) error {
	if j.replace == nil {
		return nil
	}
	for part := range slices.Chunk(j.replace.subjects, chunk) {
		states, err := j.States(ctx, j.sheet.table.kind, part)
		if err != nil {
			return fmt.Errorf("look up %s: %w", j.sheet.table.name, err)
		}
		events := make([]trail.Event, len(part))
		for i, s := range part {
			events[i] = trail.Retraction(csvSource, j.sheet.table.kind, s, states[s], "", j.now)
		}
		if err := j.takeBack(ctx, events); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(j.replace.facts, chunk) {
		known, err := j.Known(ctx, part)
		if err != nil {
			return fmt.Errorf("look up %s: %w", j.sheet.table.name, err)
		}
		events := make([]trail.Event, len(part))
		for i, id := range part {
			events[i] = known[id].Retract(j.now)
		}
		if err := j.takeBack(ctx, events); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) takeBack(ctx context.Context, retractions []trail.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := j.emit(ctx, retractions); err != nil {
		return err
	}
	j.report.Retracted += len(retractions)
	return nil
}
