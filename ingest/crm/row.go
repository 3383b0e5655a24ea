package crm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// row is a good row of any table.
type row struct {
	line    int
	subject string            // of a state
	given   map[string]string // of a state: the attrs that the file has; an empty value clears
	person  map[string]string // of a contact: address, and name and title if the file has them
	people  []string          // of a deal: its contacts' addresses
	erased  int               // how many people it names who were erased: of a contact, of a touch, or on a deal
	into    string            // of a deal: the one that it was merged into; all else is empty then
	event   trail.Event       // of a fact: complete but for ReceivedAt
}

// converter reads rows.
type converter struct {
	table    *table
	zone     *time.Location
	contacts trail.ContactKey
	erased   func(trail.ContactID) bool
	now      time.Time
	told     bool // by a CRM, which says itself what a stage means
	columns  []*used
	at       map[string]int // where the file has a column, by its name in the contract
	notes    notes
}

// notes count what rows have that a person should know of.
type notes struct {
	nameless  int // contacts of deals without an address
	cut       int // cells from which addresses were cut
	expected  int // close dates of open deals
	undated   int // won deals without a close date
	future    int // facts that lie ahead
	erased    int // rows that are about somebody who was erased, or name them
	nowhere   int // content without URL and file
	namedOnly int // owners without an address
}

func (c *converter) setColumns(columns []*used) {
	c.columns, c.at = columns, map[string]int{}
	for i, u := range columns {
		c.at[u.name] = i
	}
}

// values are the cells of one row as read, by column; absent columns are absent.
type values map[string]string

// row reads one row, or says what is bad about it.
func (c *converter) row(line int, cells []string) (row, *Rejection) {
	r := row{line: line, event: trail.Event{Source: csvSource}}
	v := make(values, len(c.columns)+1)
	var bad *Rejection
	refuse := func(name, reason string) {
		again := c.rejection(line, cells, name, reason)
		if bad == nil {
			bad = again
			return
		}
		bad.Reason += "; " + again.Reason
	}
	for i, u := range c.columns {
		if cells[i] == "" {
			if v[u.name] == "" {
				v[u.name] = "" // an amount may have named the currency already
			}
			continue
		}
		if reason := c.read(&r, v, u, cells[i]); reason != "" {
			refuse(u.name, reason)
		}
	}
	for _, name := range c.table.required {
		if i, has := c.at[name]; has && cells[i] == "" {
			refuse(name, "is empty")
		}
	}
	switch {
	case bad != nil:
	case c.table.kind == "":
		c.fact(&r, v, refuse)
	default:
		c.state(&r, v, refuse)
	}
	return r, bad
}

// rejection says what is wrong with a row's cell, or with a column that it needs.
func (c *converter) rejection(line int, cells []string, name, reason string) *Rejection {
	header, cell := name, ""
	if i, has := c.at[name]; has {
		header, cell = c.columns[i].header, short(cells[i])
	}
	sentence := fmt.Sprintf("%s %q %s", header, cell, reason)
	if cell == "" {
		sentence = fmt.Sprintf("%s %s", header, reason)
	}
	return &Rejection{Line: line, Column: header, Value: cell, Reason: sentence}
}

// read puts the value of one cell, which is not empty, into v.
func (c *converter) read(r *row, v values, u *used, cell string) (reason string) {
	ok := true
	switch u.read {
	case asText:
		v[u.name] = cell
	case asProse:
		v[u.name] = withoutAddresses(cell)
		if v[u.name] != cell {
			c.notes.cut++
		}
	case asKey:
		v[u.name], reason = cell, readKey(cell)
	case asDeal:
		v[u.name], reason = DealKey(cell), readKey(cell)
	case asTime:
		var t time.Time
		// A deal closed on a day was open for all of it: what was clicked that morning is part of its path.
		t, reason = u.dates.read(cell, c.zone, u.name == "closed_at")
		v[u.name] = t.Format(time.RFC3339Nano)
	case asMoney:
		var code string
		if v[u.name], code, reason = u.marks.read(cell); code != "" {
			v["currency"] = code // the currency's own column comes after
		}
		if u.name == "cost" && strings.HasPrefix(v[u.name], "-") {
			reason = "is negative, and would be taken off what others cost"
		}
	case asCode:
		code := strings.ToUpper(cell)
		if !isCode(code) {
			return "is not a currency code of three letters, such as EUR"
		}
		if said := v["currency"]; said != "" && said != code {
			return "differs from the currency that the amount names"
		}
		v[u.name] = code
	case asURL:
		v[u.name], reason = readURL(cell)
	case asURLs:
		var urls []string
		for _, s := range strings.Fields(cell) {
			url, why := readURL(s)
			if why != "" {
				return fmt.Sprintf("has %q, which %s", short(s), why)
			}
			urls = append(urls, url)
		}
		v[u.name] = strings.Join(urls, " ")
	case asWords:
		v[u.name] = readWords(cell)
	case asDomain:
		if v[u.name], ok = readDomain(cell); !ok {
			return "is not a domain such as acme.example"
		}
	case asPeople:
		return c.people(r, v, u, cell)
	default:
		return c.readWho(v, u, cell)
	}
	return reason
}

// readWho reads cells that name a person, or one of a few words.
func (c *converter) readWho(v values, u *used, cell string) (reason string) {
	ok := true
	switch u.read {
	case asAddress, asRep:
		if v[u.name], ok = readAddress(cell); !ok {
			return "is not a mail address"
		}
	case asOwner:
		if v[u.name] = cell; strings.Contains(cell, "@") {
			if v[u.name], ok = readAddress(cell); !ok {
				return "is not a mail address"
			}
		} else {
			c.notes.namedOnly++
		}
	case asStatus:
		if v[u.name], ok = readStatus(cell); !ok {
			return "is not open, won or lost"
		}
	case asYesNo:
		yes, ok := readYesNo(cell)
		if !ok {
			return "is neither yes nor no"
		}
		v[u.name] = map[bool]string{true: "yes", false: "no"}[yes]
	case asTouch:
		kind, ok := touchKind(cell)
		if !ok {
			return "is not opened, clicked, viewed, replied or sent"
		}
		v[u.name] = string(kind)
	case asAgent:
		switch a := trail.Agent(strings.ToLower(cell)); a {
		case trail.Human, trail.Proxy, trail.Scanner, trail.Self, trail.Unknown:
			v[u.name] = string(a)
		default:
			return "is not human, proxy, scanner, self or unknown"
		}
	default:
		panic("crm: no reading for column " + u.name)
	}
	return ""
}

// people reads the contacts of a deal. Exports of CRMs may have names alone,
// which tell nobody; in our own column they are a mistake.
func (c *converter) people(r *row, v values, u *used, cell string) (reason string) {
	var ids []string
	for item := range strings.SplitSeq(cell, ";") {
		if item = trimmed(item); item == "" {
			continue
		}
		address, ok := readAddress(item)
		if !ok && !u.native && !strings.Contains(item, "@") {
			c.notes.nameless++
			continue
		}
		if !ok {
			return "has something that is not a mail address; separate several with ;"
		}
		id := c.contacts.ID(address)
		if c.erased(id) {
			r.erased++
			continue
		}
		r.people = append(r.people, address)
		ids = append(ids, string(id))
	}
	slices.Sort(ids)
	v[u.name] = strings.Join(slices.Compact(ids), " ")
	return ""
}

// state turns values into what the file says of one thing.
func (c *converter) state(r *row, v values, refuse func(name, reason string)) {
	switch c.table.kind {
	case trail.ContactKind:
		address := v["email"]
		r.subject = string(c.contacts.ID(address))
		if c.erased(trail.ContactID(r.subject)) {
			r.erased = 1
		}
		r.person = map[string]string{"address": address}
		if title, has := v["title"]; has {
			r.person["title"] = title
		}
		_, first := v["first_name"]
		_, last := v["last_name"]
		if name, has := v["name"]; has {
			r.person["name"] = name
		} else if first || last {
			r.person["name"] = strings.TrimSpace(v["first_name"] + " " + v["last_name"])
		}
		for _, name := range []string{"email", "name", "first_name", "last_name", "title"} {
			delete(v, name)
		}
	case trail.DealKind:
		r.subject = v["id"]
		if r.into = v["merged_into"]; r.into != "" {
			if r.into == r.subject {
				refuse("merged_into", "is the deal itself")
			}
			r.people = nil
			return
		}
		if status := dealStatus(v); status != "" && !c.told {
			v["status"] = status
		}
		for _, name := range []string{"id", "merged_into", "is_won", "is_lost", "is_closed"} {
			delete(v, name)
		}
	default:
		r.subject = v["id"]
		delete(v, "id")
	}
	r.given = v
}

// dealStatus returns the status that a deal's columns imply: its own, else the
// flags, else the stage; "" if they imply none.
func dealStatus(v values) string {
	if status, has := v["status"]; has {
		return status
	}
	if v["is_won"] == "yes" {
		return "won"
	}
	if v["is_lost"] == "yes" || v["is_closed"] == "yes" && v["is_won"] == "no" {
		return "lost"
	}
	if v["is_closed"] == "no" {
		return "open"
	}
	stage, has := v["stage"]
	if status, known := readStatus(stage); known {
		return status
	}
	if !has || v["is_closed"] == "yes" {
		return ""
	}
	return "open"
}

// warnings says in words what was counted.
func (c *converter) warnings() (w []string) {
	add := func(n int, text string) {
		if n > 0 {
			w = append(w, fmt.Sprintf("%d "+text, n))
		}
	}
	n := c.notes
	add(n.nameless, "contacts of deals have a name and no address; they were left out.")
	add(n.cut, "cells had mail addresses within their text; these were left out, since people are not kept in the log.")
	add(n.namedOnly, "owners have a name and no address; they are shown, but not tied to a rep's mail.")
	add(n.expected, "open deals have a close date; it is the one expected and was left out.")
	add(n.undated, "won deals have no close date; reports over a period leave them out.")
	add(n.future, "rows lie in the future.")
	add(n.erased, "rows name people who were erased; nothing is kept of them again.")
	add(n.nowhere, "pieces of content have neither URL nor file yet; links to them lead nowhere.")
	return w
}
