package trail

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ServiceTerms are what sales promised to leads: an answer within so much time.
type ServiceTerms struct {
	Answer time.Duration // a rep writes within it; working time if Hours say which that is
	Hours  Hours
	Zone   *time.Location
}

// AnswerHours is within how many hours a lead is answered, unless the company agreed
// otherwise.
const AnswerHours = 24

// ServiceLead is one lead and when it was answered. Zero times are not known.
type ServiceLead struct {
	Contact   ContactID `json:"contact"`
	Address   string    `json:"email,omitzero"`
	Name      string    `json:"name,omitzero"`
	Account   string    `json:"account,omitzero"`
	Domain    string    `json:"domain,omitzero"`
	Owner     string    `json:"-"` // in the CRM; a list of who ignores most would be a league table
	Status    string    `json:"status,omitzero"`
	CreatedAt time.Time `json:"created_at"`           // in the CRM; without that, when it became known here
	KnownAt   time.Time `json:"known_at,omitzero"`    // when it became known here; zero of those that were in the first import
	AnswerAt  time.Time `json:"answered_at,omitzero"` // when a rep first wrote to them
	DueAt     time.Time `json:"due_at"`               // by when a rep should have

	Rep string `json:"-"` // who wrote first, else the owner
}

// Service is how fast leads created in a period were answered.
type Service struct {
	From        time.Time     `json:"from"`
	To          time.Time     `json:"to"`
	At          time.Time     `json:"at"`
	AnswerHours float64       `json:"answer_hours"`
	Hours       string        `json:"hours"` // the working hours that count; empty: around the clock
	Total       ServiceRow    `json:"total"`
	Weeks       []ServiceRow  `json:"weeks"`           // by the ISO week of the lead's creation
	Teams       []ServiceRow  `json:"teams"`           // groups of five reps or more
	Hidden      bool          `json:"hidden"`          // there are reps in groups too small to show
	Ignored     []ServiceLead `json:"ignored"`         // late, and never written to: the one that waits longest first
	More        int           `json:"more_ignored"`    // how many there are beyond those listed
	InTouch     uint64        `json:"already_written"` // leads left out because a rep had written to them before they were a lead
}

// ServiceRow is the leads of one week, of one team, or all.
type ServiceRow struct {
	Name     string   `json:"name,omitzero"`
	Reps     int      `json:"reps,omitzero"` // of a team
	Leads    uint64   `json:"leads"`
	Due      uint64   `json:"due"`     // whose time is up, or who were answered
	InTime   uint64   `json:"in_time"` // of these
	Answered uint64   `json:"answered"`
	Ignored  uint64   `json:"ignored"`          // of the due, those never written to
	Share    *float64 `json:"share_in_time"`    // InTime of Due, 0 to 1; null: none is due
	Median   *float64 `json:"median_hours"`     // from creation to the first mail, over the due; null: most were not answered, or none is due
	P90      *float64 `json:"p90_hours"`        // within it nine of ten were answered; null: more than one of ten was not
	System   *float64 `json:"system_hours"`     // median from creation to being known here, of those of whom it is known
	Human    *float64 `json:"human_hours"`      // median from being known here to the first mail, of the answered of these
	Split    uint64   `json:"split,omitzero"`   // of how many System and Human are known
	HumanP90 *float64 `json:"human_p90_hours"`  // the same, nine of ten
	SysP90   *float64 `json:"system_p90_hours"` // the same, nine of ten

	total, system, human []float64
}

const maxIgnored = 100 // leads listed

// NewService judges leads created in a period. teams says which team a rep is of.
func NewService(leads []ServiceLead, teams map[string]string, terms ServiceTerms, from, to, now time.Time) Service {
	s := Service{
		From: from, To: to, At: now.UTC().Truncate(time.Millisecond), AnswerHours: terms.Answer.Hours(), Hours: terms.Hours.String(),
		Weeks: []ServiceRow{}, Teams: []ServiceRow{}, Ignored: []ServiceLead{},
	}
	weeks := map[string]*ServiceRow{}
	var of []ServiceLead // of whom it is known whose they are
	for _, l := range leads {
		l.DueAt = terms.Hours.After(l.CreatedAt, terms.Answer, terms.Zone)
		week := WeekOf(l.CreatedAt, terms.Zone)
		if weeks[week] == nil {
			weeks[week] = &ServiceRow{Name: week}
		}
		s.Total.add(l, terms, now)
		weeks[week].add(l, terms, now)
		if l.Rep != "" {
			of = append(of, l)
		}
		if l.AnswerAt.IsZero() && now.After(l.DueAt) {
			s.Ignored = append(s.Ignored, l)
		}
	}
	s.Total.close()
	for _, w := range weeks {
		w.close()
		s.Weeks = append(s.Weeks, *w)
	}
	slices.SortFunc(s.Weeks, func(a, b ServiceRow) int { return cmp.Compare(b.Name, a.Name) })
	s.Teams, s.Hidden = teamRows(of, teams, terms, now)
	slices.SortFunc(s.Ignored, func(a, b ServiceLead) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Contact, b.Contact))
	})
	if s.More = max(0, len(s.Ignored)-maxIgnored); s.More > 0 {
		s.Ignored = s.Ignored[:maxIgnored]
	}
	return s
}

// teamRows returns the teams that are large enough to be shown, by name, and whether
// there are reps in none of them.
func teamRows(leads []ServiceLead, team map[string]string, terms ServiceTerms, now time.Time) (rows []ServiceRow, hidden bool) {
	var reps []string
	for _, l := range leads {
		reps = append(reps, strings.ToLower(l.Rep))
	}
	slices.Sort(reps)
	reps = slices.Compact(reps)
	teams := NewTeams(reps, team)
	byTeam := map[string]*ServiceRow{}
	for _, l := range leads {
		name, _ := teams.Of(Viewer{}, strings.ToLower(l.Rep))
		if byTeam[name] == nil {
			byTeam[name] = &ServiceRow{Name: name, Reps: len(teams.Members(name))}
		}
		byTeam[name].add(l, terms, now)
	}
	rows = []ServiceRow{}
	for _, name := range teams.Names() {
		byTeam[name].close()
		rows = append(rows, *byTeam[name])
	}
	return rows, byTeam[""] != nil
}

// add counts a lead, whose DueAt is set or will be.
func (r *ServiceRow) add(l ServiceLead, terms ServiceTerms, now time.Time) {
	due := l.DueAt
	if due.IsZero() {
		due = terms.Hours.After(l.CreatedAt, terms.Answer, terms.Zone)
	}
	r.Leads++
	hours := func(from, to time.Time) float64 { return terms.Hours.Between(from, to, terms.Zone).Hours() }
	answered := !l.AnswerAt.IsZero() && !l.AnswerAt.After(now)
	switch {
	case answered:
		r.Due++
		r.Answered++
		if !l.AnswerAt.After(due) {
			r.InTime++
		}
		r.total = append(r.total, hours(l.CreatedAt, l.AnswerAt))
	case now.After(due):
		r.Due++
		r.Ignored++
		r.total = append(r.total, math.Inf(1))
	}
	if l.KnownAt.IsZero() {
		return
	}
	known := l.KnownAt
	if answered && l.AnswerAt.Before(known) {
		known = l.AnswerAt // somebody knew of it before we did
	}
	r.system = append(r.system, hours(l.CreatedAt, known))
	if answered {
		r.human = append(r.human, hours(known, l.AnswerAt))
	}
}

// close works out the medians.
func (r *ServiceRow) close() {
	if r.Due > 0 {
		share := float64(r.InTime) / float64(r.Due)
		r.Share = &share
	}
	r.Median, r.P90 = quantile(r.total, 0.5), quantile(r.total, 0.9)
	r.System, r.SysP90 = quantile(r.system, 0.5), quantile(r.system, 0.9)
	r.Human, r.HumanP90 = quantile(r.human, 0.5), quantile(r.human, 0.9)
	r.Split = uint64(len(r.system))
}

// quantile is the smallest value that a part q of all are at or below, to six decimals;
// nil of none, and where that many were never answered.
func quantile(all []float64, q float64) *float64 {
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	v := all[max(0, int(math.Ceil(q*float64(len(all))))-1)]
	if math.IsInf(v, 1) {
		return nil
	}
	v = math.Round(v*1e6) / 1e6
	return &v
}

// Words says what was promised: "within 24 hours, around the clock".
func (t ServiceTerms) Words() string {
	hours := strconv.FormatFloat(t.Answer.Hours(), 'f', -1, 64)
	return "within " + hours + map[bool]string{true: " hour", false: " hours"}[hours == "1"] + ", " + t.Hours.Words()
}
