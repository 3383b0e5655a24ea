package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"dealtrail/trail"
)

// masker puts job role and account in the place of names and addresses, so that one
// person is called the same throughout a report, and two are not.
type masker struct {
	View
	open   bool            // everybody is seen by name
	known  map[string]bool // who is, by address
	of     map[string]trail.ContactRow
	labels map[string]string
	taken  map[string]int
}

func (v View) masker(known ...trail.ContactRow) *masker {
	m := &masker{View: v, known: map[string]bool{}, of: map[string]trail.ContactRow{}, labels: map[string]string{}, taken: map[string]int{}}
	for _, c := range known {
		m.of[c.Address] = c
	}
	return m
}

// know notes who is seen by name: on events of one's own, or on deals of one's own.
func (m *masker) know(events []trail.TrailRow, deals []trail.DealRow) {
	for _, e := range events {
		if m.names(e.Rep, e.At) || slices.ContainsFunc(deals, func(d trail.DealRow) bool { return d.ID == e.Deal && m.named(d) }) {
			for _, address := range e.Contacts {
				m.known[address] = true
			}
		}
	}
}

// address is what is shown instead of an address: "CISO at acme.example". What is none
// names nobody and stays.
func (m *masker) address(address string) string {
	if m.open || m.known[address] || !strings.Contains(address, "@") {
		m.seen.add(address)
		return address
	}
	if m.labels[address] == "" {
		c := m.of[address]
		label := cmp.Or(c.Title, c.Role, "somebody") + " at " + cmp.Or(c.Account, c.Domain, trail.Domain(address), "an account")
		if m.taken[label]++; m.taken[label] > 1 {
			label += fmt.Sprintf(" (%d)", m.taken[label])
		}
		m.labels[address] = strings.ReplaceAll(label, "@", " ")
	}
	return m.labels[address]
}

func (m *masker) addresses(list []string) {
	for i, address := range list {
		list[i] = m.address(address)
	}
}

func (m *masker) events(events []trail.TrailRow) {
	for i := range events {
		m.addresses(events[i].Contacts)
	}
}

func (m *masker) rows(rows []trail.ContactRow) {
	for i := range rows {
		m.one(&rows[i], m.open || m.known[rows[i].Address])
	}
}

// one masks a contact unless it is seen by name.
func (m *masker) one(c *trail.ContactRow, seen bool) {
	if seen {
		m.known[c.Address] = true
		m.seen.add(c.Address)
		return
	}
	if m.of[c.Address].Address == "" {
		m.of[c.Address] = *c
	}
	if c.Address == "" { // nobody knows it
		c.Name = ""
		return
	}
	label := m.address(c.Address)
	c.Address, c.Name = label, label
}

// decision masks whom a decision is about.
func (m *masker) decision(d *trail.Decision, label string) {
	if d == nil || d.Contact == "" || m.known[d.Address] {
		return
	}
	if label == "" {
		label = m.address(d.Address)
	}
	d.Address, d.Title = label, label
}

// sighting gathers whose names went out in an answer, by address.
type sighting struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (s *sighting) add(addresses ...string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, address := range addresses {
		if address != "" && len(s.seen) < maxSighted {
			if s.seen == nil {
				s.seen = map[string]bool{}
			}
			s.seen[address] = true
		}
	}
}
