package api

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// baseline answers with where the company stood and stands.
func (s *Server) baseline(c echo.Context) error {
	both, err := s.DB.Baselines(c.Request().Context(), s.Now())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, both)
}
