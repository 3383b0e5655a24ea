package trail

import (
	"cmp"
	"strings"
	"time"
)

// LeadList is a named list of leads as it was when it was saved: an uploaded file, or
// whom a filter found then. Who is on it is known by ContactID alone.
type LeadList struct {
	ID      ID        `json:"id"`
	At      time.Time `json:"at"`
	Name    string    `json:"name"`
	By      string    `json:"by,omitzero"` // who of us; empty: a program
	How     string    `json:"how"`         // where its leads are from, in words
	Leads   uint64    `json:"leads"`
	Refused int       `json:"refused,omitzero"` // rows of the file without a usable address, when it was saved
}

const (
	// MaxOnList is how many leads a list has at most.
	MaxOnList   = 100_000
	maxListName = 200
)

// Events returns the events that keep a list, one for the list and one for each lead,
// and the list as it was understood. They have determined IDs but for the list's own.
func (l LeadList) Events(leads []ContactID, source string, now time.Time) ([]Event, LeadList, error) {
	var err error
	if l.Name = strings.Join(strings.Fields(l.Name), " "); l.Name == "" || len([]rune(l.Name)) > maxListName {
		return nil, l, Problemf(Invalid, "Give the list a name of at most %d characters, such as \"Fair in Hanover, April\".", maxListName)
	}
	if l.By != "" {
		if l.By, err = colleague(l.By, ""); err != nil {
			return nil, l, err
		}
	}
	l.At = now.UTC().Truncate(time.Millisecond)
	l.ID = NewID(l.At)
	attrs := map[string]string{"list": l.ID.String(), "how": cmp.Or(l.How, "a list")}
	events := []Event{{ID: l.ID, Kind: Listed, Source: source, At: l.At, ReceivedAt: l.At, Rep: l.By, Note: l.Name, Attrs: attrs}}
	member := map[string]string{"list": l.ID.String()}
	seen := map[ContactID]bool{}
	for _, lead := range leads {
		if lead == "" || seen[lead] {
			continue
		}
		seen[lead] = true
		events = append(events, Event{ID: IDFrom(l.At, "list", l.ID.String(), string(lead)), Kind: Listed, Source: source, At: l.At, ReceivedAt: l.At, Contact: lead, Note: l.Name, Attrs: member})
	}
	switch l.Leads = uint64(len(seen)); {
	case l.Leads == 0:
		return nil, l, Problemf(Invalid, "There is nobody on this list.")
	case l.Leads > MaxOnList:
		return nil, l, Problemf(TooLarge, "These are %d leads; a list has at most %d.", l.Leads, MaxOnList)
	}
	return events, l, nil
}

// LeadFilter is which contacts a list is made of; what is empty means any.
type LeadFilter struct {
	Persona string `json:"persona,omitzero"` // the contact's role
	Source  string `json:"source,omitzero"`
	Status  string `json:"status,omitzero"`
	Segment string `json:"segment,omitzero"` // of a deal of the contact, or of its company
	Size    string `json:"size,omitzero"`    // the same
	Stage   string `json:"stage,omitzero"`   // of an open deal that the contact is on
}

// String says the filter in words.
func (f LeadFilter) String() string {
	var parts []string
	for _, p := range [][2]string{{"persona", f.Persona}, {"source", f.Source}, {"status", f.Status}, {"segment", f.Segment}, {"size", f.Size}, {"stage", f.Stage}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

// ListResponse is how the leads of a list responded to each content, against comparable
// contacts who are not on it.
type ListResponse struct {
	LeadList
	Agents Level             `json:"agents"`
	Rows   []ContentResponse `json:"rows"` // the most sent to the list first
}

// ContentResponse is how leads responded to one content they were sent: those who
// clicked, viewed or answered it after that, of all. Rest are contacts who are not on the
// list and got the same content in the same time, give or take a week, in a stage and
// segment that leads of the list were in too.
type ContentResponse struct {
	Content   ContentID `json:"content"`
	Title     string    `json:"title"`
	Sent      uint64    `json:"sent"`    // leads it was sent to
	Engaged   *uint64   `json:"engaged"` // null, as all that follows can be, where who asks may not see so few people
	Clicked   *uint64   `json:"clicked"`
	Replied   *uint64   `json:"replied"`
	Rate      *float64  `json:"rate"` // engaged of sent
	Low       *float64  `json:"low"`  // its 95 % interval
	High      *float64  `json:"high"`
	Compared  uint64    `json:"compared"` // leads with somebody comparable
	CompEng   *uint64   `json:"compared_engaged"`
	Rest      uint64    `json:"rest"` // who is comparable
	RestEng   *uint64   `json:"rest_engaged"`
	RestRate  *float64  `json:"rest_rate"`  // weighted as the difference is; null with too few
	Diff      *float64  `json:"difference"` // of the list's rate and the rest's; null with too few
	DiffLow   *float64  `json:"difference_low"`
	DiffHigh  *float64  `json:"difference_high"`
	Verdict   string    `json:"verdict"` // higher, lower, none or too_little
	Sentence  string    `json:"sentence"`
	FirstSent time.Time `json:"first_sent"`
	LastSent  time.Time `json:"last_sent"`
}
