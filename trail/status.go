package trail

import "time"

// Status is how the installation is doing. Trouble lists what needs a person,
// in words; empty means that nothing does.
type Status struct {
	Version   string          `json:"version"`
	Trouble   []string        `json:"trouble"`
	Mailboxes []MailboxStatus `json:"mailboxes"`
	Backlog   Backlog         `json:"backlog"`
	Lost      uint64          `json:"lost"` // clicks and opens that got their answer but could not be written, since the start
	Events    uint64          `json:"events"`
	Bad       uint64          `json:"bad"` // entries of the stream that could not become events
	Contents  uint64          `json:"contents"`
	Deals     uint64          `json:"deals"`
	Contacts  uint64          `json:"contacts"`
	Shares    uint64          `json:"shares"`
	Clicks    uint64          `json:"clicks"`
	Received  time.Time       `json:"received,omitzero"` // the newest event's
	LastRun   *Run            `json:"last_run,omitempty"`
}

// Backlog is what was accepted and is not yet visible.
type Backlog struct {
	Events uint64  `json:"events"`
	Age    float64 `json:"age_seconds"` // of the oldest
}

// MailboxStatus is one mailbox as the poller last saw it.
type MailboxStatus struct {
	Name       string    `json:"name"`
	Rep        string    `json:"rep"`
	State      string    `json:"state"` // connecting, ok, retrying or parked
	Reason     string    `json:"reason,omitzero"`
	SentFolder string    `json:"sent_folder,omitzero"`
	LastPoll   time.Time `json:"last_poll,omitzero"`
	Messages   uint64    `json:"messages"`  // read since the start
	Events     uint64    `json:"events"`    // made of them
	SetAside   uint64    `json:"set_aside"` // messages that could not be read
}
