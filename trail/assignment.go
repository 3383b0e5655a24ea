package trail

import "time"

// Assignment is a person's word on a deal: that a contact, what a company does
// without anybody being named, or a link that several people had belongs to it, or
// does not.
type Assignment struct {
	Contact ContactID `json:"contact,omitzero"` // one of these three
	Account string    `json:"account,omitzero"` // by registrable domain
	Share   ShareID   `json:"share,omitzero"`
	Deal    string    `json:"deal"`
	Not     bool      `json:"not"`
	By      string    `json:"by,omitzero"` // who of us says so; empty: a program
}

// Event returns the event that says so. Of several about the same two the last
// counts.
func (a Assignment) Event(source string, now time.Time) (Event, error) {
	subjects := 0
	for _, s := range []string{string(a.Contact), a.Account, string(a.Share)} {
		if s != "" {
			subjects++
		}
	}
	if subjects != 1 || a.Deal == "" {
		return Event{}, Problemf(Invalid, "Say which deal, and who belongs to it or does not: one contact, one company or one link.")
	}
	now = now.UTC().Truncate(time.Millisecond)
	e := Event{
		ID: NewID(now), Kind: Assigned, Source: source, At: now, ReceivedAt: now,
		Contact: a.Contact, Account: a.Account, Share: a.Share, Deal: a.Deal, Rep: a.By, Note: "Belongs to this deal: a person said so.",
	}
	if a.Not {
		e.Attrs, e.Note = map[string]string{"not": "yes"}, "Does not belong to this deal: a person said so."
	}
	return e, nil
}
