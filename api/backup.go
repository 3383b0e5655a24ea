package api

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// backup streams a backup. Once some of it is sent an error can only cut it off, and
// the list of contents at its end is then missing, which whoever reads it notices.
func (s *Server) backup(c echo.Context) error {
	takesLong(c)
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "application/zstd")
	h.Set(echo.HeaderContentDisposition, `attachment; filename="dealtrail-backup.tar.zst"`)
	h.Set(echo.HeaderCacheControl, "no-store")
	err := s.Backup(c.Request().Context(), c.Response())
	if err == nil {
		return nil
	}
	if !c.Response().Committed {
		for _, name := range []string{echo.HeaderContentType, echo.HeaderContentDisposition} {
			h.Del(name)
		}
		return err
	}
	s.Log.Error("the backup is cut off", "err", err)
	panic(http.ErrAbortHandler)
}
