package api

import (
	"cmp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// requestList is what reps ask marketing for, with what waits for it.
type requestList struct {
	list[trail.Request]
	Open       int           `json:"open"`    // requests without an answer, of all that match
	Late       int           `json:"late"`    // of these, those that are later than was agreed
	Waiting    []trail.Money `json:"waiting"` // the open deals of these, by currency, each deal once
	AnswerDays int           `json:"answer_days"`
}

// requestAnswer is a request that was made or answered.
type requestAnswer struct {
	trail.Request
	Visible bool `json:"visible"`
}

// noteAnswer is a note that was written or voted on.
type noteAnswer struct {
	trail.Note
	Visible bool `json:"visible"`
}

// askedPage is how many requests or notes one answer has unless asked for.
const askedPage = 500

// requests answers with what reps ask marketing for, open ones first.
func (s *Server) requests(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	state := c.QueryParam("state")
	states := []string{"", string(trail.RequestOpen), string(trail.RequestAnswered), string(trail.RequestDeclined)}
	if !slices.Contains(states, state) {
		return trail.Problemf(trail.Invalid, "state is %q; it must be one of open, answered and declined.", state)
	}
	all, err := s.DB.Requests(c.Request().Context(), c.QueryParam("deal"), s.Registry.AnswerDays, s.Now(), f)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(q trail.Request) bool {
		return state != "" && string(q.State) != state || !q.Has(c.QueryParam("q"))
	})
	answer := requestList{Waiting: trail.AmountWaiting(all), AnswerDays: cmp.Or(s.Registry.AnswerDays, trail.AnswerDays)}
	for _, q := range all {
		if q.State == trail.RequestOpen {
			answer.Open++
		}
		if q.Late {
			answer.Late++
		}
	}
	answer.list = page(all, f.After, f.Limit, func(q trail.Request) string { return q.ID.String() })
	return s.rows(c, "requests", answer)
}

// page is a page of a list: what comes after a row, as many as are asked for.
func page[T any](all []T, after string, limit int, id func(T) string) list[T] {
	if after != "" {
		at := slices.IndexFunc(all, func(row T) bool { return id(row) == after })
		all = all[min(len(all), at+1):]
	}
	limit = cmp.Or(limit, askedPage)
	next := ""
	if len(all) > limit {
		all = all[:limit]
		next = id(all[limit-1])
	}
	answer := listOf(all)
	answer.Next = next
	return answer
}

// by is who does something: who is signed in, else who the body names.
func (s *Server) by(c echo.Context, named string) string {
	if user := s.user(c); user != "" {
		return user
	}
	return strings.TrimSpace(named)
}

// ask takes a request.
func (s *Server) ask(c echo.Context) error {
	var in struct {
		Rep     string `json:"rep"`
		Text    string `json:"text"`
		Deal    string `json:"deal"`
		Stage   string `json:"stage"`
		Persona string `json:"persona"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	q := trail.Request{Rep: s.by(c, in.Rep), Text: in.Text, Deal: strings.TrimSpace(in.Deal), Stage: strings.TrimSpace(in.Stage), Persona: in.Persona}
	if err := viewOf(c).MustSee(q.Deal, s.dealsNamed(c)); err != nil { // the answer tells of the deal
		return err
	}
	q, visible, err := s.Registry.Ask(c.Request().Context(), q, "api")
	if err != nil {
		return err
	}
	return accepted(c, visible, requestAnswer{q, visible})
}

// answerRequest takes marketing's word on a request.
func (s *Server) answerRequest(c echo.Context) error {
	var in struct {
		By       string `json:"by"`
		Text     string `json:"text"`
		Content  string `json:"content"`
		Declined bool   `json:"declined"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	a := trail.Answer{By: s.by(c, in.By), Text: in.Text, Content: strings.TrimSpace(in.Content), Declined: in.Declined}
	q, visible, err := s.Registry.Answer(c.Request().Context(), strings.ToUpper(param(c, "id")), a, "api")
	if err != nil {
		return err
	}
	return accepted(c, visible, requestAnswer{q, visible})
}

// notes answers with what reps learned, the newest first.
func (s *Server) notes(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	all, err := s.DB.Notes(c.Request().Context(), c.QueryParam("content"), c.QueryParam("deal"), f)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(n trail.Note) bool { return !n.Has(c.QueryParam("q")) })
	return s.rows(c, "notes", page(all, f.After, f.Limit, func(n trail.Note) string { return n.ID.String() }))
}

// note takes a note.
func (s *Server) note(c echo.Context) error {
	var in struct {
		Rep     string `json:"rep"`
		Text    string `json:"text"`
		Content string `json:"content"`
		Deal    string `json:"deal"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	n := trail.Note{Rep: s.by(c, in.Rep), Text: in.Text, Content: strings.TrimSpace(in.Content), Deal: strings.TrimSpace(in.Deal)}
	if err := viewOf(c).MustSee(n.Deal, s.dealsNamed(c)); err != nil {
		return err
	}
	n, visible, err := s.Registry.Note(c.Request().Context(), n, "api")
	if err != nil {
		return err
	}
	return accepted(c, visible, noteAnswer{n, visible})
}

// vote takes a person's vote on a note, or takes it back.
func (s *Server) vote(c echo.Context) error {
	var in struct {
		By  string `json:"by"`
		Not bool   `json:"not"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	n, visible, err := s.Registry.Vote(c.Request().Context(), strings.ToUpper(param(c, "id")), trail.Vote{By: s.by(c, in.By), Not: in.Not}, "api")
	if err != nil {
		return err
	}
	return accepted(c, visible, noteAnswer{n, visible})
}
