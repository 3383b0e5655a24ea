package access

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"dealtrail/trail"
)

// View is what who asks sees of deals and people. The zero value sees none of them.
// Its methods take a report as the store has it and leave what may be seen; names that
// they let through are counted for the access log.
type View struct {
	All   bool // every deal; else those of Reps
	Named bool // people by name everywhere; else on the deals of Reps alone
	reps  []span

	masked bool // nobody is seen by name, not even on one's own deals: a key without that scope
	seen   *sighting
}

// span is when a rep's deals and mail are one's to see: always, or while the rep was in
// one's team.
type span struct {
	rep      string
	from, to time.Time // zero: no bound
}

// Everything is the view of who sees all, for tests and for what the program does by itself.
var Everything = View{All: true, Named: true}

// viewOf returns what roles or scopes see. all are the people among whom a manager's
// team is.
func viewOf(roles Roles, p Person, all []account) View {
	v := View{All: roles.Has(Marketer | Facilitator | Admin | Read | All), Named: roles.Has(Admin|Named|All) || p.Named}
	if roles.Has(Rep | Manager | Marketer | Facilitator | Admin) {
		v.reps = append(v.reps, span{rep: p.Email})
	}
	if team := p.Team(); roles.Has(Manager) && team != "" {
		for _, other := range all {
			for i, m := range other.Teams {
				if m.Team != team {
					continue
				}
				s := span{rep: other.Email, from: m.Since}
				if i+1 < len(other.Teams) {
					s.to = other.Teams[i+1].Since
				}
				v.reps = append(v.reps, s)
			}
		}
	}
	return v
}

// within is the view through a key of one's own.
func (v View) within(scope Roles) View {
	v.masked = !scope.Has(Named)
	return v
}

// Own reports whether a rep's deals and mail at a time are one's own or one's team's; a
// zero time is now.
func (v View) Own(rep string, at time.Time) bool {
	return slices.ContainsFunc(v.reps, func(s span) bool {
		if s.rep != trail.NormalAddress(rep) || rep == "" {
			return false
		}
		if at.IsZero() {
			return s.to.IsZero()
		}
		return !at.Before(s.from) && (s.to.IsZero() || at.Before(s.to))
	})
}

// Reps calls add for each rep whose deals one sees, with when they must have closed: from
// first on and before last, zero for no bound. Who sees all asks nobody in particular.
func (v View) Reps(add func(rep string, first, last time.Time)) {
	for _, s := range v.reps {
		add(s.rep, s.from, s.to)
	}
}

// Sees reports whether a deal is to be seen. Whose it is, is looked at when it closed,
// or today while it is open.
func (v View) Sees(d trail.DealRow) bool { return v.All || v.Own(d.Owner, d.ClosedAt) }

// Limit is Sees for who does not see all deals, else nil.
func (v View) Limit() func(trail.DealRow) bool {
	if v.All {
		return nil
	}
	return v.Sees
}

// Narrows is a Problem if numbers by a key, or of deals that pass a filter, would tell of
// single deals that are not seen. deal reads one.
func (v View) Narrows(by string, only map[string][]string, deal func(id string) ([]trail.DealRow, error)) error {
	if v.All {
		return nil
	}
	if by == "account" || len(only["account"]) > 0 {
		return trail.Problemf(trail.Forbidden, "Numbers by company tell of single deals: they are for who sees all deals.")
	}
	for _, id := range only["deal"] {
		if err := v.MustSee(id, deal); err != nil {
			return err
		}
	}
	return nil
}

// MustSee is a Problem if a deal is named that is not seen, or that is not there. deal
// reads one.
func (v View) MustSee(id string, deal func(id string) ([]trail.DealRow, error)) error {
	if v.All || id == "" {
		return nil
	}
	found, err := deal(id)
	if err == nil && !slices.ContainsFunc(found, v.Sees) {
		err = notSeen("deal")
	}
	return err
}

// Missing is why something is not there, told so that who does not see everything cannot
// tell it from what they do not see. what is contact, deal or account.
func (v View) Missing(what string, err error) error {
	p := (*trail.Problem)(nil)
	switch {
	case !errors.As(err, &p) || p.Code != trail.NotFound:
		return err
	case what == "contact" && !v.everyone():
		return v.noContact()
	case !v.All:
		return notSeen(what)
	}
	return err
}

// noContact is why somebody is not seen by name.
func (v View) noContact() error {
	if v.All || v.masked {
		return trail.Problemf(trail.Forbidden, "You see people as job role and account. An admin can grant you their names.")
	}
	return notSeen("contact")
}

// Saw notes for the access log whom an answer names that no other method has let through,
// by address.
func (v View) Saw(addresses ...string) { v.seen.add(addresses...) }

// SawShares is Saw for links of one's own.
func (v View) SawShares(rows []trail.ShareRow) {
	for _, r := range rows {
		v.Saw(r.Contacts...)
		v.Saw(r.ClickedBy...)
		v.Saw(r.RepliedBy...)
	}
}

// SawKept is Saw for what is kept of a rep's mail.
func (v View) SawKept(rows []trail.KeptRow) {
	for _, r := range rows {
		for _, c := range r.Contacts {
			v.Saw(c.Address)
		}
	}
}

// named reports whether people on a deal are seen by name.
func (v View) named(d trail.DealRow) bool { return v.everyone() || v.names(d.Owner, d.ClosedAt) }

// everyone reports whether everybody is seen by name.
func (v View) everyone() bool { return v.Named && v.All && !v.masked }

// names reports whether people of a rep's deals and mail at a time are seen by name.
func (v View) names(rep string, at time.Time) bool { return !v.masked && v.Own(rep, at) }

func notSeen(what string) error {
	return trail.Problemf(trail.NotFound, "There is no such %s, or it is not yours to see.", what)
}

// Deals leaves the deals that are seen.
func (v View) Deals(rows []trail.DealRow) []trail.DealRow {
	return slices.DeleteFunc(rows, func(d trail.DealRow) bool { return !v.Sees(d) })
}

// Deal masks who is not seen by name, or is a Problem if the deal is not seen.
func (v View) Deal(d *trail.DealDetail) error {
	if !v.Sees(d.DealRow) {
		return notSeen("deal")
	}
	m := v.masker(d.Contacts...)
	m.open = v.named(d.DealRow)
	m.rows(d.Contacts)
	m.events(d.Events)
	m.events(d.Proposed)
	return nil
}

// Contact is a Problem if the person is not seen by name. Deals and events of others
// are left out.
func (v View) Contact(d *trail.ContactDetail) error {
	known := v.everyone() || v.names(d.Owner, time.Time{}) || slices.ContainsFunc(d.Deals, v.named) ||
		slices.ContainsFunc(d.Events, func(e trail.TrailRow) bool { return v.names(e.Rep, e.At) })
	if !known {
		return v.noContact()
	}
	d.Deals = v.Deals(d.Deals)
	d.Events = v.ownEvents(d.Events, d.Deals)
	m := v.masker(d.ContactRow)
	m.open = v.everyone()
	m.known[d.Address] = true
	v.seen.add(d.Address)
	m.know(d.Events, d.Deals)
	m.events(d.Events)
	return nil
}

// Account masks who is not seen by name, or is a Problem if nothing of the company is seen.
func (v View) Account(d *trail.AccountDetail) error {
	deals := v.Deals(d.Deals)
	own := func(c trail.ContactRow) bool { return v.Own(c.Owner, time.Time{}) }
	events := v.ownEvents(d.Events, deals)
	if !v.All && len(deals)+len(events) == 0 && !slices.ContainsFunc(d.Contacts, own) {
		return notSeen("account")
	}
	m := v.masker(d.Contacts...)
	m.open = v.everyone()
	for _, c := range d.Contacts {
		m.known[c.Address] = v.names(c.Owner, time.Time{})
	}
	m.know(events, deals)
	d.Deals, d.Events = deals, events
	m.rows(d.Contacts)
	m.events(d.Events)
	return nil
}

// Content masks who is not seen by name, and leaves deals and events that are seen.
func (v View) Content(d *trail.ContentDetail) {
	d.DealRows = v.Deals(d.DealRows)
	d.Events = v.ownEvents(d.Events, d.DealRows)
	m := v.masker()
	m.open = v.everyone()
	m.know(d.Events, d.DealRows)
	m.events(d.Events)
}

// ownEvents leaves the events of reps whose mail one sees, and those on deals.
func (v View) ownEvents(events []trail.TrailRow, deals []trail.DealRow) []trail.TrailRow {
	if v.All {
		return events
	}
	return slices.DeleteFunc(events, func(e trail.TrailRow) bool {
		return !v.Own(e.Rep, e.At) && (e.Deal == "" || !slices.ContainsFunc(deals, func(d trail.DealRow) bool { return d.ID == e.Deal }))
	})
}

// Review leaves the deals, leads and decisions that are seen, and masks who is not seen
// by name.
func (v View) Review(r *trail.Review) {
	r.Rows = slices.DeleteFunc(r.Rows, func(row trail.ReviewRow) bool { return !v.Sees(row.Deal) })
	own := func(l trail.Lead) bool {
		return v.Own(l.Owner, time.Time{}) || l.Deal != nil && v.Own(l.Deal.Owner, l.Deal.ClosedAt)
	}
	r.Leads = slices.DeleteFunc(r.Leads, func(l trail.Lead) bool { return !v.All && !own(l) })
	m := v.masker()
	for i := range r.Leads {
		l := &r.Leads[i]
		m.one(&l.ContactRow, v.everyone() || own(*l) && !v.masked)
		m.decision(l.Decision, l.Address)
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		if v.named(row.Deal) {
			v.seen.add(row.People...)
			continue
		}
		row.Contacts = []string{fmt.Sprintf("%d at %s", len(row.Contacts), cmp.Or(row.Deal.Account, row.Deal.Domain, "the account"))}
	}
	for _, list := range []*[]trail.Decision{&r.Decisions, &r.Earlier} {
		*list = slices.DeleteFunc(slices.Clone(*list), func(d trail.Decision) bool { return !v.All && !v.about(d, r) })
		for i := range *list {
			if d := &(*list)[i]; d.Contact != "" && !v.everyone() {
				m.decision(d, m.labels[d.Address])
			}
		}
	}
}

// about reports whether a decision is about something in the review, or one's own to do.
func (v View) about(d trail.Decision, r *trail.Review) bool {
	return v.Own(d.Owner, time.Time{}) || slices.ContainsFunc(r.Rows, func(row trail.ReviewRow) bool { return d.Deal != "" && row.Deal.ID == d.Deal }) ||
		slices.ContainsFunc(r.Leads, func(l trail.Lead) bool { return d.Contact != "" && l.Contact == d.Contact })
}

// Why leaves the deals that are seen and masks who is not seen by name; the sums stay
// those of all.
func (v View) Why(rows []trail.WhyDeal) []trail.WhyDeal {
	rows = slices.DeleteFunc(rows, func(d trail.WhyDeal) bool { return !v.Sees(trail.DealRow{Owner: d.Owner, ClosedAt: d.ClosedAt}) })
	m := v.masker()
	for i := range rows {
		m.open = v.named(trail.DealRow{Owner: rows[i].Owner, ClosedAt: rows[i].ClosedAt})
		for j := range rows[i].Touches {
			m.addresses(rows[i].Touches[j].Contacts)
		}
	}
	return rows
}

// Service masks the leads that nobody answered; others' are left out.
func (v View) Service(s *trail.Service) {
	m := v.masker()
	own := func(l trail.ServiceLead) bool { return v.everyone() || v.Own(cmp.Or(l.Owner, l.Rep), time.Time{}) }
	kept := slices.DeleteFunc(slices.Clone(s.Ignored), func(l trail.ServiceLead) bool { return !v.All && !own(l) })
	for i := range kept {
		l := &kept[i]
		row := trail.ContactRow{Address: l.Address, Name: l.Name, Account: l.Account, Domain: l.Domain}
		m.one(&row, own(*l) && !v.masked)
		l.Address, l.Name = row.Address, row.Name
	}
	s.Ignored = kept
}

// Quality masks the people of what is wrong and of what may be decided. It is for who
// sees all deals.
func (v View) Quality(q *trail.Quality) {
	m := v.masker()
	m.open = v.everyone()
	for i := range q.Groups {
		for j := range q.Groups[i].Rows {
			row := &q.Groups[i].Rows[j]
			if row.Contact != "" {
				row.Contact = m.address(row.Contact)
			}
		}
	}
	for i := range q.Review {
		m.addresses(q.Review[i].People)
	}
}

// Contacts masks the people of an open deal of a rep.
func (v View) Contacts(rep string, rows []trail.ContactRow) {
	m := v.masker(rows...)
	m.open = v.everyone() || v.names(rep, time.Time{})
	m.rows(rows)
}
