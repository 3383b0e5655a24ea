package api

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// TableFormat is one format besides JSON in which a list can be asked for.
type TableFormat struct {
	Type  string                                         // media type
	Write func(w io.Writer, name string, rows any) error // rows is a slice of what JSON has
}

// rows answers with a list as the format that is asked for: as JSON as it is, else its
// rows alone as a file of this name. Where more follow, a Link header leads there.
func (s *Server) rows(c echo.Context, name string, answer any) error {
	format := c.QueryParam("format")
	if format == "" || format == "json" {
		return c.JSON(http.StatusOK, answer)
	}
	f, ok := s.Tables[format]
	if !ok {
		names := append([]string{"json"}, slices.Sorted(maps.Keys(s.Tables))...)
		return trail.Problemf(trail.Invalid, "format is %q; it must be one of %s.", format, strings.Join(names, ", "))
	}
	v := reflect.Indirect(reflect.ValueOf(answer))
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set(echo.HeaderContentType, f.Type)
	h.Set(echo.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", name+"."+format))
	h.Set("X-Content-Type-Options", "nosniff")
	if next := v.FieldByName("Next"); next.IsValid() && next.Kind() == reflect.String && next.String() != "" {
		q := c.Request().URL.Query()
		q.Set("after", next.String())
		h.Set("Link", fmt.Sprintf("<%s>; rel=\"next\"", (&url.URL{Path: c.Request().URL.Path, RawQuery: q.Encode()}).String()))
	}
	return f.Write(c.Response(), name, v.FieldByName("Rows").Interface())
}
