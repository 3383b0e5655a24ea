package ingest

import (
	"context"
	"slices"

	"dealtrail/store"
	"dealtrail/trail"
)

// Ask records that a rep asks marketing for content and returns the request with its
// ID. Without a stage it is for that of its deal. visible is false when it is accepted
// and reports do not show it within Patience. A *trail.Problem says what is wrong.
func (r *Registry) Ask(ctx context.Context, q trail.Request, source string) (asked trail.Request, visible bool, err error) {
	deal, err := r.deal(ctx, q.Deal)
	if err != nil {
		return q, false, err
	}
	if q.Stage == "" {
		q.Stage = deal.Stage
	}
	e, q, err := q.Event(source, r.now())
	if err != nil {
		return q, false, err
	}
	if visible, err = r.record(ctx, e); err != nil {
		return q, false, err
	}
	q.DealName, q.DealStatus, q.DealValue = deal.Name, deal.Status, deal.Value
	q.Judge(r.AnswerDays, r.now())
	return q, visible, nil
}

// Answer records marketing's word on a request, and returns the request with it.
func (r *Registry) Answer(ctx context.Context, id string, a trail.Answer, source string) (answered trail.Request, visible bool, err error) {
	find := func() (ok bool, err error) {
		all, err := r.DB.Requests(ctx, "", r.AnswerDays, r.now(), store.Filter{})
		for _, q := range all {
			if q.ID.String() == id {
				answered = q
				return true, nil
			}
		}
		return false, err
	}
	if err := r.find(ctx, find, trail.Problemf(trail.NotFound, "There is no request %q.", id)); err != nil {
		return answered, false, err
	}
	if a.Title, err = r.registered(ctx, a.Content); err != nil {
		return answered, false, err
	}
	e, a, err := a.Event(answered, source, r.now())
	if err != nil {
		return answered, false, err
	}
	if visible, err = r.record(ctx, e); err != nil {
		return answered, false, err
	}
	answered.Answer = &a
	answered.Judge(r.AnswerDays, r.now())
	return answered, visible, nil
}

// Note records what a rep learned about a content, and returns the note with its ID.
func (r *Registry) Note(ctx context.Context, n trail.Note, source string) (noted trail.Note, visible bool, err error) {
	if _, err := r.deal(ctx, n.Deal); err != nil {
		return n, false, err
	}
	if n.Title, err = r.registered(ctx, n.Content); err != nil {
		return n, false, err
	}
	e, n, err := n.Event(source, r.now())
	if err != nil {
		return n, false, err
	}
	visible, err = r.record(ctx, e)
	return n, visible, err
}

// Vote records that a person finds a note useful, or does not after all, and returns
// the note with the votes from then on.
func (r *Registry) Vote(ctx context.Context, id string, v trail.Vote, source string) (note trail.Note, visible bool, err error) {
	find := func() (ok bool, err error) {
		all, err := r.DB.Notes(ctx, "", "", store.Filter{})
		for _, n := range all {
			if n.ID.String() == id {
				note = n
				return true, nil
			}
		}
		return false, err
	}
	if err := r.find(ctx, find, trail.Problemf(trail.NotFound, "There is no note %q.", id)); err != nil {
		return note, false, err
	}
	e, err := v.Event(note, source, r.now())
	if err != nil {
		return note, false, err
	}
	note.Voters = slices.DeleteFunc(note.Voters, func(voter string) bool { return voter == e.Rep })
	if !v.Not {
		note.Voters = append(note.Voters, e.Rep)
		slices.Sort(note.Voters)
	}
	note.Votes = len(note.Voters)
	visible, err = r.record(ctx, e)
	return note, visible, err
}

// deal returns a deal that there is; none for no ID.
func (r *Registry) deal(ctx context.Context, id string) (deal trail.DealRow, err error) {
	if id == "" {
		return deal, nil
	}
	find := func() (ok bool, err error) {
		known, err := r.DB.DealsOf(ctx, store.Filter{}, []string{id})
		deal, ok = known[id]
		return ok, err
	}
	return deal, r.find(ctx, find, trail.Problemf(trail.NotFound, "There is no deal %q; its ID is the CRM's own, as on the deal's page.", id))
}

// registered returns the title of a content that there is; none for no ID.
func (r *Registry) registered(ctx context.Context, id trail.ContentID) (title string, err error) {
	if id == "" {
		return "", nil
	}
	target, ok, err := r.Catalogue.Find(ctx, trail.KeyOf(id))
	switch {
	case err != nil:
		return "", explain(err)
	case !ok || target.Content != id:
		return "", trail.Problemf(trail.NotFound, "There is no content %q; register it first.", id)
	}
	return target.Title, nil
}

// find looks once, and once more after all that was accepted before is loaded: what
// somebody wrote a moment ago is there.
func (r *Registry) find(ctx context.Context, look func() (bool, error), missing error) error {
	ok, err := look()
	if err != nil || ok {
		return err
	}
	settling, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	if r.Buffer.Settle(settling) == nil {
		if ok, err = look(); err != nil || ok {
			return err
		}
	}
	return missing
}

// record accepts events and waits, for as long as a person does, until reports show
// them.
func (r *Registry) record(ctx context.Context, events ...trail.Event) (visible bool, err error) {
	if err := r.Buffer.Append(ctx, events...); err != nil {
		return false, explain(err)
	}
	settling, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	return r.Buffer.Settle(settling) == nil, nil
}
