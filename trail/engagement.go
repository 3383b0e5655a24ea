package trail

import "time"

// Engagement is one click on a content that a rep sent, or one answer to a mail with
// it. An answer to a mail with two contents is two of one ID.
type Engagement struct {
	ID       ID
	At       time.Time
	Kind     Kind // Clicked or Replied
	Content  ContentID
	Rep      string      // who sent it
	Contacts []ContactID // who may have caused it; several mean "one of N", none that it may name nobody
	Deals    []string    // that it is tied to
}

// Engaged is engagements, and what there is to say of the things that they name. What
// is not known is not there.
type Engaged struct {
	Rows   []Engagement
	Titles map[ContentID]string
	People map[ContactID]ContactRow
	Deals  map[string]DealRow
}
