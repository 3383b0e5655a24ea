package crm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"dealtrail/trail"
)

// fact turns values into an event that is complete but for ReceivedAt, with the
// ID of the first of several equal rows.
//
// Touches are the word of the tool they come from: without an agent, what a
// request caused (opened, clicked, viewed) is said to be human, with
// probability 1 and the rule "imported", so that a reader sees where the
// certainty is from. Mails sent and answered have no agent unless given.
func (c *converter) fact(r *row, v values, refuse func(name, reason string)) {
	e := &r.event
	at, err := time.Parse(time.RFC3339Nano, v["at"])
	if err != nil {
		refuse("at", "is not a date")
		return
	}
	e.At, e.Deal = at, v["deal"]
	if at.After(c.now) {
		c.notes.future++
	}
	if c.table.name == "stages" {
		e.Kind, e.Stage = trail.Staged, v["stage"]
		r.event.ID = factID(e, 0)
		return
	}
	e.Kind, e.Content, e.Rep, e.Agent = trail.Kind(v["kind"]), v["content"], v["rep"], trail.Agent(v["agent"])
	if address := v["contact"]; address != "" {
		e.Contact, e.Person = c.contacts.ID(address), &trail.Person{Address: address}
		if c.erased(e.Contact) { // its ID is as it was, so that a touch that is known is not told again
			r.erased = 1
		}
	}
	need := func(name, value string) {
		if value == "" {
			refuse(name, fmt.Sprintf("is needed for a touch of kind %s", e.Kind))
		}
	}
	switch e.Kind {
	case trail.Replied:
		need("contact", string(e.Contact))
	case trail.Sent:
		need("content", e.Content)
		need("contact", string(e.Contact))
		need("rep", e.Rep)
	default:
		need("content", e.Content)
		if e.Agent == "" {
			e.Agent = trail.Human
		}
	}
	if e.Agent != "" {
		e.Probability, e.Rules = 1, []string{"imported"}
	}
	r.event.ID = factID(e, 0)
}

// factID identifies a fact by all that the file says of it and, among equal
// touches of a file, by its number from 0, so that the order of rows is no part
// of it. A deal enters a stage once at a time, however often a file says so.
func factID(e *trail.Event, n int) trail.ID {
	at := e.At.Format(time.RFC3339Nano)
	if e.Kind == trail.Staged {
		return trail.IDFrom(e.At, csvSource, "stage", e.Deal, e.Stage, at, "0")
	}
	return trail.IDFrom(e.At, csvSource, "touch", at, string(e.Kind), e.Content, string(e.Contact), e.Deal, e.Rep, string(e.Agent), strconv.Itoa(n))
}

// twins knows the rows of a file that share a key.
type twins struct {
	other  map[int]int      // states: rows with a twin that says something else, and the twin's line
	copied map[int]bool     // states: rows that repeat an earlier one
	equal  map[[8]byte]bool // facts: beginnings of the hashes of rows that occur more than once
	count  map[trail.ID]int // facts: equal rows so far

	into      map[string]string // deals that were merged, with the deal that each went into
	circles   map[string]bool   // those that went into each other
	survivors map[string]bool   // deals that others went into and that no row has told of so far
}

// of says what the row's twins make of it: the line of one that says something
// else, or that it is a copy. Equal facts get their numbers.
func (t *twins) of(r *row) (other int, copied bool) {
	if !r.event.ID.IsZero() {
		first := r.event.ID
		if !t.equal[[8]byte(first[8:])] {
			return 0, false
		}
		n := t.count[first]
		t.count[first]++
		r.event.ID = factID(&r.event, n)
		return 0, n > 0 && r.event.Kind == trail.Staged
	}
	return t.other[r.line], t.copied[r.line]
}

// mark is what is remembered of a row: 32 bytes.
type mark struct {
	key   [16]byte // of what the row is about
	value [8]byte  // of what it says
	line  uint32
}

// findTwins reads all rows once.
func (j *job) findTwins(ctx context.Context) (*twins, error) {
	var marks []mark
	var facts [][8]byte
	t := &twins{other: map[int]int{}, copied: map[int]bool{}, equal: map[[8]byte]bool{}, count: map[trail.ID]int{}, into: map[string]string{}}
	n := 0
	err := j.sheet.each(func(line int, fault string, cells []string) error {
		if n++; n%chunk == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if fault != "" {
			return nil
		}
		r, bad := j.convert.row(line, cells)
		switch {
		case bad != nil:
		case j.sheet.table.kind == "":
			facts = append(facts, [8]byte(r.event.ID[8:]))
		default:
			marks = append(marks, r.mark())
			if r.into != "" {
				t.into[r.subject] = r.into
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(facts, func(a, b [8]byte) int { return bytes.Compare(a[:], b[:]) })
	for i := 1; i < len(facts); i++ {
		if facts[i] == facts[i-1] {
			t.equal[facts[i]] = true
		}
	}
	t.compare(marks)
	t.circles, t.survivors = circles(t.into), map[string]bool{}
	for deal, s := range t.into {
		if !t.circles[deal] {
			t.survivors[s] = true
		}
	}
	return t, nil
}

// compare sorts rows by key and looks at those that share one.
func (t *twins) compare(marks []mark) {
	slices.SortFunc(marks, func(a, b mark) int {
		if c := bytes.Compare(a.key[:], b.key[:]); c != 0 {
			return c
		}
		return int(int64(a.line) - int64(b.line))
	})
	for len(marks) > 0 {
		n := 1
		for n < len(marks) && marks[n].key == marks[0].key {
			n++
		}
		same := marks[:n]
		marks = marks[n:]
		differs := slices.IndexFunc(same, func(m mark) bool { return m.value != same[0].value })
		for i, m := range same {
			switch {
			case differs < 0 && i > 0:
				t.copied[int(m.line)] = true
			case differs >= 0 && m.value == same[0].value:
				t.other[int(m.line)] = int(same[differs].line)
			case differs >= 0:
				t.other[int(m.line)] = int(same[0].line)
			}
		}
	}
}

func (r *row) mark() mark {
	m := mark{line: uint32(r.line), key: r.key()}
	h := sha256.New()
	write := func(s string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	write(r.into)
	for _, part := range []map[string]string{r.given, r.person} {
		for _, k := range slices.Sorted(maps.Keys(part)) {
			write(k)
			write(part[k])
		}
	}
	copy(m.value[:], h.Sum(nil))
	return m
}

// key is what a row is about: a thing, or a fact.
func (r *row) key() [16]byte {
	if !r.event.ID.IsZero() {
		return r.event.ID
	}
	key := sha256.Sum256([]byte(r.subject))
	return [16]byte(key[:16])
}

func (j *job) twinRejection(r row, other int, cells []string) *Rejection {
	i := j.convert.at[j.sheet.table.required[0]]
	u := j.sheet.used[i]
	return &Rejection{
		Line: r.line, Column: u.header, Value: short(cells[i]),
		Reason: fmt.Sprintf("%s %q is also in line %d with other values; keep one of the two", u.header, short(cells[i]), other),
	}
}
