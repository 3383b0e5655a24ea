package dashboards

import "github.com/labstack/echo/v4"

// rowsAtFirst is how many rows a page shows of a list that grows with the company, until
// asked for all: a thousand rows take longer to lay out than anybody reads in them. Files
// have all rows.
const rowsAtFirst = 100

// firstRows returns the first n rows, or all where ?all asks for them, and how many there
// are where some are left out, else 0.
func firstRows[T any](c echo.Context, rows []T, n int) (shown []T, all int) {
	if len(rows) <= n || c.QueryParam("all") != "" {
		return rows, 0
	}
	return rows[:n], len(rows)
}
