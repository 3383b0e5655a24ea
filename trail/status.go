package trail

import "time"

// Status is how the installation is doing. Trouble lists what needs a person,
// in words; empty means that nothing does.
type Status struct {
	Version   string          `json:"version"`
	Trouble   []string        `json:"trouble"`
	Mailboxes []MailboxStatus `json:"mailboxes"`
	Nodes     []NodeStatus    `json:"nodes"`
	Backlog   Backlog         `json:"backlog"`
	Balance   Balance         `json:"balance"`
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
	KnownAt   time.Time       `json:"known_at,omitzero"` // reports tell what was known then; zero: this moment's
	Health    *Health         `json:"health,omitempty"`  // what no report counts and why; absent while the database does not answer

	CRMContacts  uint64    `json:"crm_contacts"`       // contacts that the CRM told of
	BackupAt     time.Time `json:"backup_at,omitzero"` // when the last backup was taken; zero: never, or nobody knows
	BaselineKept bool      `json:"baseline_kept"`      // the numbers of a day are kept as the baseline
}

// Backlog is what was accepted and is not yet visible.
type Backlog struct {
	Events uint64  `json:"events"`
	Age    float64 `json:"age_seconds"` // of the oldest
}

// Balance is what was accepted against what became of it:
//
//	accepted + surplus = stored + revisions + duplicates + bad + erased + expired + waiting + spooled + missing
//
// Each term is counted where it is kept, none from the others, but that Missing
// and Surplus are by how much the two sides differ: both should be zero.
type Balance struct {
	At         time.Time `json:"at,omitzero"` // when it was struck; zero: not yet
	Took       float64   `json:"took_seconds"`
	Accepted   uint64    `json:"accepted"`   // entries that were made durable; an event whose writer got no answer may be two
	Stored     uint64    `json:"stored"`     // events, each once
	Revisions  uint64    `json:"revisions"`  // corrections of these
	Duplicates uint64    `json:"duplicates"` // further copies
	Bad        uint64    `json:"bad"`        // entries that are no event
	Erased     uint64    `json:"erased"`
	Expired    uint64    `json:"expired"`
	Waiting    uint64    `json:"waiting"` // entries in the streams that are not loaded
	Spooled    uint64    `json:"spooled"` // events on the disks of all nodes
	Missing    uint64    `json:"missing"` // accepted, said to be loaded, and not there
	Surplus    uint64    `json:"surplus"` // loaded, and not accepted by these streams
}

// InFlight is what was accepted and is not yet loaded.
func (b Balance) InFlight() uint64 { return b.Waiting + b.Spooled }

// Right is the right side of the balance, without what is missing.
func (b Balance) Right() uint64 {
	return b.Stored + b.Revisions + b.Duplicates + b.Bad + b.Erased + b.Expired + b.InFlight()
}

// NodeStatus is one process as it last said how it is doing. Counts are since its
// start.
type NodeStatus struct {
	Node      string          `json:"node"`
	Roles     []string        `json:"roles"`
	Version   string          `json:"version"`
	At        time.Time       `json:"at"`
	Accepted  uint64          `json:"accepted"` // events
	Lost      uint64          `json:"lost"`     // clicks and opens that could not be written
	Loaded    uint64          `json:"loaded"`   // events inserted, copies included
	Trimmed   uint64          `json:"trimmed"`  // entries that somebody else removed from the streams before they were loaded
	Lag       float64         `json:"lag_seconds"`
	Failing   string          `json:"failing,omitzero"` // why loading does not go on
	Spooled   uint64          `json:"spooled"`
	SpoolSize int64           `json:"spool_bytes"`
	Damaged   uint64          `json:"damaged"` // records of the spool that are unreadable
	Mailboxes []MailboxStatus `json:"mailboxes,omitempty"`
}

// MailboxStatus is one mailbox as the poller last saw it.
type MailboxStatus struct {
	Name       string    `json:"name"`
	Rep        string    `json:"rep"`
	State      string    `json:"state"` // connecting, ok, retrying, parked or paused
	Reason     string    `json:"reason,omitzero"`
	PausedBy   string    `json:"paused_by,omitzero"` // who wanted that, by address; empty: a program, or nobody knows
	PausedAt   time.Time `json:"paused_at,omitzero"`
	SentFolder string    `json:"sent_folder,omitzero"`
	Began      time.Time `json:"began,omitzero"`     // when the process that reads it began to
	LastPoll   time.Time `json:"last_poll,omitzero"` // when the last complete look ended
	Messages   uint64    `json:"messages"`           // read since the start
	Events     uint64    `json:"events"`             // made of them
	SetAside   uint64    `json:"set_aside"`          // messages that could not be read
	Left       uint64    `json:"left,omitzero"`      // messages that are left of the reading under way

	Wrapped   map[string]uint64 `json:"wrapped,omitempty"`  // sent mails with links that cannot be read, by who wrapped them
	Trackers  map[string]uint64 `json:"trackers,omitempty"` // sent mails whose links go through another program, by its name
	Rescanned time.Time         `json:"rescanned,omitzero"` // when the server last reset a folder
}

// Bounds on how long a mailbox may be tried again by itself before a person should
// look: after its last complete look, and while there was none.
const (
	failingLong = time.Hour
	failingAnew = 10 * time.Minute
)

// Stuck reports whether a mailbox is tried again and again to no avail. What it
// fails for will hardly mend itself, although nobody refused a sign-in.
func (m MailboxStatus) Stuck(now time.Time) bool {
	switch {
	case m.State != "retrying" || m.Began.IsZero():
		return false
	case m.LastPoll.After(m.Began):
		return now.Sub(m.LastPoll) >= failingLong
	}
	return now.Sub(m.Began) >= failingAnew
}

// MailboxesRead is how many mailboxes are read right now.
func (s Status) MailboxesRead() (n uint64) {
	for _, m := range s.Mailboxes {
		if m.State == "ok" {
			n++
		}
	}
	return n
}
