package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// baseline answers with where the company stood and stands.
func (s *Server) baseline(c echo.Context) error {
	ctx, now := c.Request().Context(), s.Now()
	var since time.Time
	if s.Since != nil {
		since = s.Since(now)
	}
	both, err := s.DB.Baselines(ctx, since, now)
	if err != nil {
		return err
	}
	if st, err := s.Status(ctx); err == nil {
		both.Now.Mailboxes = st.MailboxesRead()
	}
	if format := c.QueryParam("format"); format != "" && format != "json" {
		return s.rows(c, "baseline", *both.Now)
	}
	return c.JSON(http.StatusOK, both)
}
