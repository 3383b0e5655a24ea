package trail

import "time"

// Channel is one way in which people are told of things by themselves: the weekly
// review by mail, the daily digest, or a chat.
type Channel struct {
	Name    string    `json:"name"` // review, digest, or a chat's
	Kind    string    `json:"kind"` // mail, slack, teams or generic
	Events  []string  `json:"events"`
	To      []string  `json:"to,omitempty"`   // of the review's mail; of the digest the reps who get it
	Off     []string  `json:"off,omitempty"`  // reps who want no digest
	Rep     string    `json:"rep,omitzero"`   // only what concerns this one
	Quiet   string    `json:"quiet,omitzero"` // hours in Zone in which nothing is sent
	Zone    string    `json:"zone,omitzero"`
	Waiting int       `json:"waiting"`          // what is to be told
	SentAt  time.Time `json:"sent_at,omitzero"` // when the last message was taken
	Trouble string    `json:"trouble,omitzero"` // why that does not work; empty: it does, as far as we know
}
