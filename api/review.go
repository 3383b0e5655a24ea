package api

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Export writes the review in one format.
type Export struct {
	Type  string // media type
	Write func(w io.Writer, r trail.Review) error
}

// TakeReview takes a workbook of the review of a week that somebody filled in, and
// returns what became of it as JSON has it, and whether reports show it.
type TakeReview func(ctx context.Context, week, by string, r io.Reader) (taken any, visible bool, err error)

func (s *Server) review(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	format, err := s.reviewFormat(c)
	if err != nil {
		return err
	}
	r, err := s.DB.WeekReview(c.Request().Context(), c.QueryParam("week"), s.Zone, s.Now(), f)
	if err != nil {
		return err
	}
	viewOf(c).Review(r)
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept")
	if format == "json" {
		return c.JSON(http.StatusOK, r)
	}
	export := s.Exports[format]
	kind := export.Type
	if strings.HasPrefix(kind, "text/") {
		kind += "; charset=utf-8"
	}
	h.Set(echo.HeaderContentType, kind)
	h.Set(echo.HeaderContentDisposition, `attachment; filename="review-`+r.Week+`.`+format+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	return export.Write(c.Response(), *r)
}

// reviewFormat returns the format that is asked for: by name, else the one that Accept
// likes best, else json.
func (s *Server) reviewFormat(c echo.Context) (string, error) {
	names := append([]string{"json"}, slices.Sorted(maps.Keys(s.Exports))...)
	if format := c.QueryParam("format"); format != "" {
		if !slices.Contains(names, format) {
			return "", trail.Problemf(trail.Invalid, "The review cannot be written as %q; use %s.", format, strings.Join(names, ", "))
		}
		return format, nil
	}
	best, liked := "json", 0.0
	for part := range strings.SplitSeq(c.Request().Header.Get("Accept"), ",") {
		kind, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if text, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			q, _ = strconv.ParseFloat(text, 64)
		}
		for _, name := range names {
			if kind == "application/json" && name == "json" || name != "json" && kind == s.Exports[name].Type {
				if q > liked {
					best, liked = name, q
				}
			}
		}
	}
	return best, nil
}

// decisionBody is what POST /v1/review/{week}/decisions takes. Fields that are left out
// stay as they are.
type decisionBody struct {
	ID      string  `json:"id"`
	Email   string  `json:"email"`
	Contact string  `json:"contact"`
	Deal    string  `json:"deal"`
	Quality *string `json:"quality"`
	Needs   *string `json:"needs"`
	State   *string `json:"state"`
	Reason  *string `json:"reason"`
	Text    *string `json:"decision"`
	Owner   *string `json:"owner"`
	Due     *string `json:"due"`
	Done    *bool   `json:"done"`
	By      string  `json:"by"`
}

// said returns what a body says.
func (b decisionBody) said() ingest.Said {
	said := ingest.Said{ID: b.ID, Email: b.Email, Contact: trail.ContactID(b.Contact), Deal: b.Deal, Fields: map[string]string{}}
	for name, value := range map[string]*string{"quality": b.Quality, "needs": b.Needs, "state": b.State, "reason": b.Reason, "decision": b.Text, "owner": b.Owner, "due": b.Due} {
		if value != nil {
			said.Fields[name] = *value
		}
	}
	if b.Done != nil {
		said.Fields["done"] = strconv.FormatBool(*b.Done)
	}
	return said
}

// decisionAnswer is a decision that was written down.
type decisionAnswer struct {
	trail.Decision
	Changed bool `json:"changed"`
	Visible bool `json:"visible"`
}

func (s *Server) decide(c echo.Context) error {
	var in decisionBody
	if err := decode(c, &in); err != nil {
		return err
	}
	if in.Email != "" {
		if err := viewOf(c).ByAddress(); err != nil {
			return err
		}
	}
	by := strings.TrimSpace(in.By)
	if user := s.user(c); user != "" {
		by = user
	}
	outcomes, visible, err := s.Reviews.Decide(c.Request().Context(), param(c, "week"), ingest.Teller{Source: "api", By: by, Sees: viewOf(c).Limit()}, in.said())
	if err != nil {
		return err
	}
	o := outcomes[0]
	if o.Refused != nil {
		return o.Refused
	}
	viewOf(c).Decision(&o.Decision)
	answer := decisionAnswer{o.Decision, o.Changed, visible}
	if !o.Changed {
		return c.JSON(http.StatusOK, answer)
	}
	return accepted(c, visible, answer)
}

// maxReview is the largest workbook that comes back, in bytes.
const maxReview = 10 << 20

func (s *Server) takeReview(c echo.Context) error {
	takesLong(c)
	body := http.MaxBytesReader(c.Response(), c.Request().Body, maxReview)
	taken, visible, err := s.TakeReview(c.Request().Context(), param(c, "week"), s.user(c), body)
	if err != nil {
		return err
	}
	if !visible {
		return accepted(c, false, taken)
	}
	return c.JSON(http.StatusOK, taken)
}
