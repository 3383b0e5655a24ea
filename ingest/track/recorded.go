package track

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"dealtrail/trail"
)

// recordedCase is one case of a file of recorded requests: a single request, or
// several of one mail in order of time.
type recordedCase struct {
	ID      string `json:"id"`
	Context struct {
		Providers []string `json:"recipient_providers"`
		Self      bool     `json:"sender_session"`
		Near      bool     `json:"sender_ip"` // the sender's last known address
		Links     int      `json:"links_in_message"`
		Trap      string   `json:"honeypot_link_id"`
	} `json:"context"`
	Request  *recordedRequest `json:"request"`
	Requests []struct {
		Request recordedRequest `json:"request"`
	} `json:"requests"`
}

type recordedRequest struct {
	Kind    string            `json:"kind"` // open, click or unsubscribe
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	IP      string            `json:"ip"`
	Class   string            `json:"ip_class"`
	Delta   *float64          `json:"delta_s"` // seconds since sending
	Link    string            `json:"link_id"`
	Message string            `json:"message_id"` // when a case has requests of several mails
}

// Judged is the verdict on one recorded request.
type Judged struct {
	ID          string      `json:"id"`
	Index       int         `json:"index"` // within the case
	Verdict     trail.Agent `json:"verdict"`
	Label       string      `json:"label"`     // human, machine or unknown
	Countable   bool        `json:"countable"` // it would be in a report at the level likely
	Probability float32     `json:"probability"`
	Rules       []string    `json:"rules"`
	Signal      string      `json:"signal,omitempty"`
}

// JudgeRecorded judges the requests of a file {"public": [...]} or {"cases":
// [...]}, those of a case beside each other.
func JudgeRecorded(r io.Reader) ([]Judged, error) {
	var file struct{ Public, Cases []recordedCase }
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		return nil, trail.Problemf(trail.Invalid, "The file of recorded requests cannot be read: %s.", err)
	}
	cases := append(file.Public, file.Cases...)
	if len(cases) == 0 {
		return nil, trail.Problemf(trail.Invalid, `The file has no recorded requests; it must hold a list "public" or "cases".`)
	}
	var out []Judged
	for n, c := range cases {
		if c.ID == "" {
			c.ID = fmt.Sprint(n + 1)
		}
		var seen []Seen
		if c.Request != nil {
			seen = append(seen, c.seen(*c.Request))
		}
		for _, q := range c.Requests {
			seen = append(seen, c.seen(q.Request))
		}
		for i, v := range Together(seen) {
			counts := (v.Agent == trail.Human || v.Agent == trail.Proxy) && !slices.Contains(v.Rules, duplicate)
			out = append(out, Judged{c.ID, i, v.Agent, label(v.Agent), counts, v.Probability, v.Rules, v.Signal})
		}
	}
	return out, nil
}

// seen is a recorded request as Together takes it.
func (c recordedCase) seen(q recordedRequest) Seen {
	r := Request{Kind: trail.Clicked, Method: q.Method, Header: http.Header{}, Network: q.Class}
	if q.Kind == "open" {
		r.Kind = trail.Opened
	}
	if q.Class == "unknown" {
		r.Network = ""
	}
	for k, v := range q.Headers {
		r.Header.Set(k, v)
	}
	s := Seen{
		Kind: r.Kind, At: time.Unix(0, 0), Evidence: Observe(r), Mail: cmp.Or(q.Message, "the mail"), Links: c.Context.Links,
		Link: q.Link, For: q.Message, Trap: q.Link != "" && q.Link == c.Context.Trap,
		Circumstances: Circumstances{Self: c.Context.Self, Near: c.Context.Near, Providers: c.Context.Providers},
	}
	s.Origin, s.Device = q.IP, r.Header.Get("User-Agent")
	if q.Delta != nil {
		s.Timed, s.Since = true, time.Duration(*q.Delta*float64(time.Second))
		s.At = s.At.Add(s.Since)
	}
	return s
}

// label is the coarser word for an agent, as other tools use it.
func label(a trail.Agent) string {
	switch a {
	case trail.Human, trail.Proxy, trail.Self:
		return "human"
	case trail.Scanner:
		return "machine"
	}
	return "unknown"
}
