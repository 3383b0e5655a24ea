package trail

import "time"

// Lead is a contact to whom the CRM gives a status, with or without a deal, and why
// the review of a week should talk about them.
type Lead struct {
	ContactRow
	Why     string   `json:"why"`     // in one sentence, the strongest reason first
	Reasons []string `json:"reasons"` // answered, lost, clicked, engaged, untouched, moved or won; the strongest first

	Deal    *DealRow `json:"deal,omitempty"`    // theirs that matters most; nil: none names them
	Section string   `json:"section,omitzero"`  // of that deal, in this review
	CRM     string   `json:"crm_url,omitempty"` // the deal's record in the CRM, if company.crm_url is set

	Sent      uint64    `json:"sent"`    // mails to them in the week, with content or without
	Clicks    uint64    `json:"clicks"`  // in the week, as far as only they can have made them
	Views     uint64    `json:"views"`   // in the week
	Replies   uint64    `json:"replies"` // in the week
	LastTouch time.Time `json:"last_touch,omitzero"`
	LastMail  time.Time `json:"last_mail,omitzero"` // to them, before the end of the week

	Seen        []LeadContent `json:"seen"`                  // what they had and did with it, until the end of the week
	Contributed []Touched     `json:"contributed,omitempty"` // of their deal, as in its own row

	Decision *Decision `json:"decision,omitempty"` // of this review
}

// LeadContent is one content and how a lead has seen it.
type LeadContent struct {
	Content string    `json:"content"`
	Title   string    `json:"title"`
	Sent    uint64    `json:"sent"` // mails
	Opened  uint64    `json:"opened"`
	Clicked uint64    `json:"clicked"`
	Viewed  uint64    `json:"viewed"`
	Replied uint64    `json:"replied"` // answers to a mail with it
	Last    time.Time `json:"last,omitzero"`
}

// MaxLeads is how many leads a review talks about: a meeting of half an hour.
const MaxLeads = 20
