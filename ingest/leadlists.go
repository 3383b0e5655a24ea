package ingest

import (
	"context"

	"dealtrail/store"
	"dealtrail/trail"
)

// AddList keeps a list of leads by their addresses, which are hashed here and stored
// nowhere, and returns it with its ID. visible is false when it is accepted and reports do
// not show it within Patience. A *trail.Problem says what is wrong.
func (r *Registry) AddList(ctx context.Context, l trail.LeadList, addresses []string, source string) (kept trail.LeadList, visible bool, err error) {
	leads := make([]trail.ContactID, len(addresses))
	for i, a := range addresses {
		leads[i] = r.Contacts.ID(a)
	}
	return r.keepList(ctx, l, leads, source)
}

// FindList keeps a list of the contacts that a filter finds now.
func (r *Registry) FindList(ctx context.Context, l trail.LeadList, q trail.LeadFilter, source string) (kept trail.LeadList, visible bool, err error) {
	if q == (trail.LeadFilter{}) {
		return l, false, trail.Problemf(trail.Invalid, "Say which contacts are on the list: choose at least one of persona, source, status, segment, size and stage.")
	}
	leads, err := r.DB.FindLeads(ctx, q, store.Filter{})
	if err != nil {
		return l, false, err
	}
	if len(leads) == 0 {
		return l, false, trail.Problemf(trail.Invalid, "No contact has %s.", q)
	}
	l.How = "contacts with " + q.String()
	return r.keepList(ctx, l, leads, source)
}

func (r *Registry) keepList(ctx context.Context, l trail.LeadList, leads []trail.ContactID, source string) (kept trail.LeadList, visible bool, err error) {
	events, l, err := l.Events(leads, source, r.now())
	if err != nil {
		return l, false, err
	}
	visible, err = r.record(ctx, events...)
	return l, visible, err
}
