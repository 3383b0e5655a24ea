package trail

import "time"

// MonthReport is one month for those who pay for it: who uses it, what reps got, how
// fast leads were answered, how goals stand, and what was won.
type MonthReport struct {
	Period
	At      time.Time `json:"at"`      // when it was worked out
	Running bool      `json:"running"` // the month is not over
	Zone    string    `json:"zone"`
	Agents  Level     `json:"agents"` // whose touches count as seen

	RepsConnected uint64   `json:"reps_connected"`  // mailboxes that are read, today
	RepsSent      uint64   `json:"reps_sent"`       // reps who sent content in the month
	Contents      uint64   `json:"contents"`        // registered, today
	ContentsUsed  uint64   `json:"contents_used"`   // of these, sent by at least one rep in the month
	Sends         uint64   `json:"sends"`           // one per content, mail and contact
	Tracked       uint64   `json:"tracked"`         // of these, with a tracked link
	Stale         uint64   `json:"stale"`           // of these, of an older version
	TrackedPerRep *float64 `json:"tracked_per_rep"` // median over the reps who sent content; null with fewer than five, of whom one could be told

	Requests MonthRequests `json:"requests"`
	Waiting  []Money       `json:"waiting"` // open deals that wait for content, by currency, today
	Service  ServiceRow    `json:"service"` // leads created in the month
	Terms    string        `json:"service_terms"`
	Goals    []Goal        `json:"goals"` // of the periods that the month is in

	Won     MonthWon `json:"won"`      // deals that were won in the month
	WonSeen MonthWon `json:"won_seen"` // of these, those whose people had seen content by the rules of credit
	WonNone MonthWon `json:"won_none"` // of these, those with no content seen
	WonPart uint64   `json:"won_part"` // deals that content was part of, sent or seen, as the baseline counts

	Baseline *Baseline `json:"baseline"` // what is compared with; null: none is kept
	Moved    []Moved   `json:"moved"`
}

// MonthRequests is what became of the requests that reps asked in a month.
type MonthRequests struct {
	Asked    uint64 `json:"asked"`
	Answered uint64 `json:"answered"` // of these, by now
	Due      uint64 `json:"due"`      // of these, whose time is up, or that were answered
	InTime   uint64 `json:"in_time"`  // of the due
}

// MonthWon is won deals and what they are worth.
type MonthWon struct {
	Deals   uint64 `json:"deals"`
	Value   Money  `json:"value"`
	LeftOut uint64 `json:"left_out,omitzero"` // of the deals, those without an amount or a rate, which are in no sum
}

// Moved is a share that was kept in the baseline, and in the month. Only shares are
// compared, since a month is shorter than the time that a baseline is over.
type Moved struct {
	Name   string   `json:"name"`
	Then   uint64   `json:"then"`
	OfThen uint64   `json:"of_then"`
	Now    uint64   `json:"now"`
	OfNow  uint64   `json:"of_now"`
	Points *float64 `json:"points"` // by how many percentage points it moved; null: too few to compare
}

// FewToCompare is how many of something there must be at least, then and now, for a
// share of it to be compared.
const FewToCompare = 20

// Movement compares a month with a baseline.
func (r *MonthReport) Movement() []Moved {
	all := []Moved{}
	b := r.Baseline
	if b == nil {
		return all
	}
	for _, m := range []Moved{
		{Name: "Sends with a tracked link", Then: b.Tracked, OfThen: b.Sends, Now: r.Tracked, OfNow: r.Sends},
		{Name: "Sends of an old version", Then: b.Stale, OfThen: b.Sends, Now: r.Stale, OfNow: r.Sends},
		{Name: "Won deals that content was part of", Then: b.WonWith, OfThen: b.Won, Now: r.WonPart, OfNow: r.Won.Deals},
	} {
		if m.OfThen >= FewToCompare && m.OfNow >= FewToCompare {
			points := 100*float64(m.Now)/float64(m.OfNow) - 100*float64(m.Then)/float64(m.OfThen)
			m.Points = &points
		}
		all = append(all, m)
	}
	return all
}
