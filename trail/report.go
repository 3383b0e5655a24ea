package trail

import "time"

// Money is an amount in words that programs read exactly: "1234.50" and "EUR".
type Money struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// Run is one execution of the attribution job. Readers see only complete runs.
type Run struct {
	ID         string    `json:"id"` // a ULID
	Models     []string  `json:"models"`
	Version    string    `json:"version"` // of the models' definitions, see docs/models.md
	Config     string    `json:"config"`  // hash of the settings that the result depends on
	Agents     Level     `json:"agents"`
	AsOf       time.Time `json:"as_of"`         // what we had learned by then
	From       time.Time `json:"from,omitzero"` // deals closed at or after; zero: no bound
	To         time.Time `json:"to,omitzero"`   // deals closed before; zero: no bound
	StartedAt  time.Time `json:"started_at"`    //
	FinishedAt time.Time `json:"finished_at"`   //
	Events     uint64    `json:"events"`        // events known as of then
	Deals      uint64    `json:"deals"`         // won deals that were divided
	Touches    uint64    `json:"touches"`       // touches that earned credit
	LeftOut    uint64    `json:"left_out"`      // won deals without a usable amount
	Currency   string    `json:"currency"`      // reporting currency of all values

	Asked    bool              `json:"asked"`             // by a person; others go when newer ones are there
	Reasons  map[string]string `json:"reasons,omitempty"` // by model: why it has no result
	Inputs   map[string]uint64 `json:"inputs"`            // counts of what went in, by name
	Stages   []string          `json:"stages,omitempty"`  // of deals, in the order that lifts went by
	Settings string            `json:"settings"`          // all that the numbers depend on besides events, a line each
}

// ContentRow is one content with what happened to it, at one level of agents.
type ContentRow struct {
	ID          string    `json:"id"`
	Title       string    `json:"title"`
	Kind        string    `json:"kind"`
	URL         string    `json:"url"`
	OtherURLs   []string  `json:"other_urls,omitempty"`
	Stage       string    `json:"stage"`
	Persona     string    `json:"persona"`
	Version     string    `json:"version"`
	Owner       string    `json:"owner"`
	Tags        []string  `json:"tags,omitempty"`
	File        string    `json:"file,omitzero"` // SHA-256 of the stored file
	FileName    string    `json:"file_name,omitzero"`
	PublishedAt time.Time `json:"published_at,omitzero"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	Successor   ContentID `json:"successor,omitzero"` // where links lead once it has expired
	Cost        Money     `json:"cost,omitzero"`      // of making it, as it was registered; without a currency in the reporting currency

	Reps     uint64    `json:"reps"`                  // reps who sent it
	Sent     uint64    `json:"sent"`                  // sends: one per message and contact
	Stale    uint64    `json:"stale"`                 // of these, of an older version
	Reached  uint64    `json:"reached"`               // contacts it was sent to
	Opened   uint64    `json:"opened"`                // shares opened at least once
	Opens    uint64    `json:"opens"`                 // opens in all, repeats included
	Clicked  uint64    `json:"clicked"`               // shares clicked at least once
	Clicks   uint64    `json:"clicks"`                // clicks in all, repeats included
	Nameless uint64    `json:"clicks_without_person"` // of these, those that may name nobody
	Replied  uint64    `json:"replied"`               // messages answered
	Machine  uint64    `json:"machine"`               // clicks and opens by scanners, whatever the level
	Deals    uint64    `json:"deals"`                 // deals it touched
	Won      uint64    `json:"won"`                   // of these, won
	Lost     uint64    `json:"lost"`                  // of these, lost
	LastSent time.Time `json:"last_sent,omitzero"`
	Seen

	Credit *Sum `json:"credit,omitempty"` // under the report's model, absent without a run
}

// Seen is what an open rate can be said of: a mail without a pixel may be opened
// as often as any, and nobody sees it.
type Seen struct {
	Observable uint64 `json:"observable"` // sends whose opens can be seen
	Observed   uint64 `json:"observed"`   // of these, opened at least once; of a mail to several people one
}

// TrailRow is one event as a report shows it: resolved to people and content
// as far as that is known.
type TrailRow struct {
	ID          ID        `json:"id"`
	At          time.Time `json:"at"`
	Kind        Kind      `json:"kind"`
	Content     string    `json:"content"`
	Title       string    `json:"title,omitzero"`
	Contacts    []string  `json:"contacts,omitempty"` // addresses; several mean "one of N"
	Rep         string    `json:"rep,omitzero"`
	Deal        string    `json:"deal,omitzero"`
	Stage       string    `json:"stage,omitzero"`
	Note        string    `json:"note,omitzero"`
	Verdict     Agent     `json:"verdict"` // "" for what no request caused
	Probability float32   `json:"probability,omitzero"`
	Rules       []string  `json:"rules,omitempty"`
	Signal      string    `json:"signal,omitzero"` // "shared": pasted into a chat; "passed_on": perhaps another person's click
	LedTo       ContentID `json:"led_to,omitzero"` // where an expired content's link led
	LedToTitle  string    `json:"led_to_title,omitzero"`
	Withheld    Withheld  `json:"withheld,omitzero"` // why it names no person
	Source      string    `json:"source"`
	Rule        string    `json:"rule,omitzero"` // how it was tied to the deal: explicit, contact, account

	Credit *Sum `json:"credit,omitempty"` // what the touch earned of this deal, under the report's model
}

// ContentDetail is one content with its newest events and the deals it touched.
type ContentDetail struct {
	Agents Level `json:"agents"` // whose clicks the numbers count
	ContentRow
	DealRows []DealRow        `json:"deal_rows"`
	Events   []TrailRow       `json:"events"`
	Versions []ContentVersion `json:"versions"` // what it was, the newest first
}

// ContentVersion is what a content was from one registration to the next that changed its
// version, its file or where it leads.
type ContentVersion struct {
	Version  string    `json:"version"` // what it was called; empty: nothing
	Since    time.Time `json:"since"`
	URL      string    `json:"url,omitzero"`
	FileName string    `json:"file_name,omitzero"`
	Sent     uint64    `json:"sent"`  // how often it was sent in that time, whatever version
	Stale    uint64    `json:"stale"` // of these as an older one
}

// DealRow is one deal as the CRM last told us.
type DealRow struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Account    string    `json:"account"`
	Domain     string    `json:"domain"`
	Value      Money     `json:"value"`
	Stage      string    `json:"stage"`
	Status     string    `json:"status"` // open, won or lost
	Owner      string    `json:"owner"`
	CreatedAt  time.Time `json:"created_at,omitzero"`
	ClosedAt   time.Time `json:"closed_at,omitzero"`
	LossReason string    `json:"loss_reason,omitzero"`
	Touches    uint64    `json:"touches"` // clicks, views and replies tied to it, at the report's level
	LastTouch  time.Time `json:"last_touch,omitzero"`

	Credit *Sum `json:"credit,omitempty"` // what one content earned of it, in a content's detail
}

// DealDetail is one deal with its trail and its credits.
type DealDetail struct {
	Agents Level `json:"agents"` // whose clicks the numbers count
	DealRow
	Contacts     []ContactRow `json:"contacts"`
	Events       []TrailRow   `json:"events"`
	Model        string       `json:"model"`
	Run          string       `json:"run,omitzero"`
	LeftOut      string       `json:"left_out,omitzero"`               // why the run could not divide it
	Proposed     []TrailRow   `json:"proposed_stakeholders,omitempty"` // clicks that may be of somebody whom the deal does not name yet
	Credits      []CreditRow  `json:"credits"`
	Unattributed *Sum         `json:"unattributed,omitempty"`
}

// ContactRow is one contact as the CRM and the mail tell.
type ContactRow struct {
	Contact   ContactID `json:"contact"`
	Address   string    `json:"email"`
	Name      string    `json:"name"`
	Title     string    `json:"title"`
	Account   string    `json:"account"` // company name or, without one, its domain
	Domain    string    `json:"domain"`
	Role      string    `json:"role"`
	Owner     string    `json:"owner"`
	Status    string    `json:"status"`
	Source    string    `json:"source"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// Choice is what was last said about tracking a person or a company.
type Choice struct {
	Allowed bool      `json:"allowed"`
	Basis   string    `json:"basis,omitzero"` // how and where it was given
	At      time.Time `json:"at,omitzero"`    // when; zero if nobody knows
}

// ContactDetail is one contact with its deals and its trail.
type ContactDetail struct {
	Agents Level `json:"agents"` // whose clicks the numbers count
	ContactRow
	Tracking *Choice    `json:"tracking,omitempty"` // nil: nothing was said
	Deals    []DealRow  `json:"deals"`
	Events   []TrailRow `json:"events"`
}

// RepRow is one rep and what came of the mail.
type RepRow struct {
	Rep   string `json:"rep"`
	Team  string `json:"team,omitzero"` // of several reps together, without a rep; see Teams
	Reps  uint64 `json:"reps,omitzero"` // in that team
	Sent  uint64 `json:"sent"`
	Stale uint64 `json:"stale"` // of these, of an older version
	Seen
	Content uint64 `json:"content"` // different pieces sent
	Reached uint64 `json:"reached"`
	Clicked uint64 `json:"clicked"` // shares clicked
	Replied uint64 `json:"replied"`
	Won     uint64 `json:"won"` // won deals owned
}

// ShareRow is one tracked link of a rep with what came of it, at one level of
// agents.
type ShareRow struct {
	Share     ShareID   `json:"share"`
	At        time.Time `json:"at"` // when it was made, for the first time
	Content   string    `json:"content"`
	Title     string    `json:"title"`
	Deal      string    `json:"deal,omitzero"`
	Contacts  []string  `json:"contacts"`             // addresses it was made for or, when that is nobody, was mailed to
	Opened    time.Time `json:"opened,omitzero"`      // first; a weak sign
	Clicks    uint64    `json:"clicks"`               //
	Clicked   time.Time `json:"clicked,omitzero"`     // last
	ClickedBy []string  `json:"clicked_by,omitempty"` // addresses of those who had the link; several mean "one of N"
	Replied   time.Time `json:"replied,omitzero"`     // last
	RepliedBy []string  `json:"replied_by,omitempty"` // addresses
}

// AccountDetail is one company with its deals, contacts and trail.
type AccountDetail struct {
	Agents   Level        `json:"agents"` // whose clicks the numbers count
	Domain   string       `json:"domain"`
	Tracking *Choice      `json:"tracking,omitempty"` // nil: nothing was said
	Deals    []DealRow    `json:"deals"`
	Contacts []ContactRow `json:"contacts"`
	Events   []TrailRow   `json:"events"`
}

// ReviewRow is one deal of the weekly lead review: what happened in the week
// and what contributed.
type ReviewRow struct {
	Section     string    `json:"section"` // new, moved, won, lost or silent
	Deal        DealRow   `json:"deal"`
	Stages      []string  `json:"stages"`                // entered in the week, in order
	Contacts    []string  `json:"contacts"`              // names, else addresses
	People      []string  `json:"-"`                     // their addresses, as far as they are known, for the access log
	Contributed []Touched `json:"contributed,omitempty"` // content of the deal's whole trail, most touched first
	Clicks      uint64    `json:"clicks"`                // in the week
	Replies     uint64    `json:"replies"`               // in the week
	Sent        uint64    `json:"sent"`                  // in the week
	LastTouch   time.Time `json:"last_touch,omitzero"`
	LastMail    time.Time `json:"last_mail,omitzero"` // to or from its people, with content or without
	CRM         string    `json:"crm_url,omitempty"`  // its record in the CRM, if company.crm_url is set
	Decision    *Decision `json:"decision,omitempty"` // of this review
}

// Touched is one content in a deal's trail.
type Touched struct {
	Content string  `json:"content"`
	Title   string  `json:"title"`
	Touches uint64  `json:"touches"`
	Credit  float64 `json:"credit"` // share of the deal, 0 without a run
	Value   *Money  `json:"value,omitempty"`
}

// Review is the weekly lead review of one ISO week. Its times are in the zone. From
// the moment on at which it is due it tells what was known then, whatever comes
// later, but for decisions: those are made afterwards.
type Review struct {
	Week   string      `json:"week"`           // "2026-W47"
	From   time.Time   `json:"from"`           // Monday 00:00 in the company's zone
	To     time.Time   `json:"to"`             // the next Monday 00:00
	AsOf   time.Time   `json:"as_of,omitzero"` // what had been received by then; zero: all that is known by now
	Zone   string      `json:"zone"`
	Agents Level       `json:"agents"`
	Model  string      `json:"model"`
	Run    string      `json:"run,omitzero"`
	Leads  []Lead      `json:"leads"` // at most MaxLeads
	Rows   []ReviewRow `json:"rows"`

	Decisions []Decision `json:"decisions"` // of this review, on whatever subject
	Earlier   []Decision `json:"earlier"`   // of the review before, and older ones that are not done
}
