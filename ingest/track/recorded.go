package track

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
	Class   string            `json:"ip_class"`
	Delta   *float64          `json:"delta_s"` // seconds since sending
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

// JudgeRecorded judges each request of a file {"public": [...]} or {"cases":
// [...]} by itself.
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
		var requests []recordedRequest
		if c.Request != nil {
			requests = append(requests, *c.Request)
		}
		for _, q := range c.Requests {
			requests = append(requests, q.Request)
		}
		for i, q := range requests {
			v := Judge(q.request(c))
			out = append(out, Judged{c.ID, i, v.Agent, label(v.Agent), v.Agent == trail.Human || v.Agent == trail.Proxy, v.Probability, v.Rules, v.Signal})
		}
	}
	return out, nil
}

func (q recordedRequest) request(c recordedCase) Request {
	r := Request{
		Kind: trail.Clicked, Method: q.Method, Header: http.Header{}, Class: q.Class,
		Self: c.Context.Self, Providers: c.Context.Providers,
	}
	if q.Kind == "open" {
		r.Kind = trail.Opened
	}
	if q.Class == "unknown" {
		r.Class = ""
	}
	for k, v := range q.Headers {
		r.Header.Set(k, v)
	}
	if q.Delta != nil {
		r.Timed, r.Since = true, time.Duration(*q.Delta*float64(time.Second))
	}
	return r
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
