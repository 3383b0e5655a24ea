package dashboards

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"dealtrail/access"
	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

// ReadAddresses reads the addresses of a list of leads from a CSV or XLSX file called
// name; refused is how many rows have none.
type ReadAddresses func(ctx context.Context, name string, body io.Reader) (addresses []string, refused int, err error)

// maxListFile is how large an uploaded list may be.
const maxListFile = 20 << 20

// listsPage is all lists of leads, and the forms for another.
type listsPage struct {
	frame
	Rows    []trail.LeadList
	Choices store.LeadChoices
	Stages  []store.StageDeals
	Form    listForm
}

// listForm is what was typed for a list, and what is wrong with it.
type listForm struct {
	Name, Problem string
	trail.LeadFilter
}

// listRoutes mounts the pages of lists.
func (s *Site) listRoutes(in *echo.Group) {
	in.GET("/lists", s.lists)
	in.POST("/lists", s.addList)
	in.GET("/lists/:id", s.list)
}

func (s *Site) lists(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	return s.renderLists(c, http.StatusOK, l, listForm{})
}

func (s *Site) renderLists(c echo.Context, status int, l lens, form listForm) error {
	l.path = join("lists")
	page := listsPage{frame: s.frame(c, "How did a list of leads respond?", "lists", l), Form: form}
	g, ctx := errgroup.WithContext(c.Request().Context())
	g.Go(func() (err error) { page.Rows, err = s.DB.Lists(ctx, store.Filter{}); return err })
	g.Go(func() (err error) { page.Choices, err = s.DB.LeadChoices(ctx, store.Filter{}); return err })
	g.Go(func() (err error) { page.Stages, err = s.DB.OpenStages(ctx); return err })
	if err := g.Wait(); err != nil {
		return err
	}
	if wantsFile(c) && status == http.StatusOK {
		return s.sendFile(c, TableOf("lists", page.Rows))
	}
	return s.render(c, status, "lists", page)
}

// addList keeps a list of the file that was uploaded or, without one, of whom the filter
// finds.
func (s *Site) addList(c echo.Context) error {
	if err := unhurried(c); err != nil {
		return err
	}
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, maxListFile)
	file, err := listFile(c)
	if err != nil {
		return err
	}
	value := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	form := listForm{Name: value("name"), LeadFilter: trail.LeadFilter{Persona: value("persona"), Source: value("source"), Status: value("status"), Segment: value("segment"), Size: value("size"), Stage: value("stage")}}
	kept, err := s.keepList(c.Request().Context(), repOf(s, c), form, file)
	if text, ok := problemText(err); ok {
		form.Problem = text
		return s.renderLists(c, http.StatusUnprocessableEntity, l, form)
	}
	if err != nil {
		return err
	}
	return seeOther(c, link("kept="+strconv.Itoa(kept.Refused+1), "lists", kept.ID.String()))
}

// listFile returns the file of an upload, nil if none was chosen.
func listFile(c echo.Context) (*multipart.FileHeader, error) {
	file, err := c.FormFile("file")
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case err == nil && file.Filename != "" && file.Size > 0:
		return file, nil
	case errors.As(err, &tooLarge):
		return nil, trail.Problemf(trail.TooLarge, "The file is larger than the %d MB that are allowed.", maxListFile>>20)
	case err == nil, errors.Is(err, http.ErrMissingFile), errors.Is(err, http.ErrNotMultipart):
		return nil, nil
	}
	return nil, trail.Problemf(trail.Invalid, "The upload broke off. Try again.")
}

func (s *Site) keepList(ctx context.Context, by string, form listForm, file *multipart.FileHeader) (kept trail.LeadList, err error) {
	list := trail.LeadList{Name: form.Name, By: by}
	if file == nil {
		kept, _, err = s.Registry.FindList(ctx, list, form.LeadFilter, "ui")
		return kept, err
	}
	f, err := file.Open()
	if err != nil {
		return kept, err
	}
	defer f.Close()
	addresses, refused, err := s.Addresses(ctx, file.Filename, f)
	if err != nil {
		return kept, err
	}
	list.How = "the file " + file.Filename
	kept, _, err = s.Registry.AddList(ctx, list, addresses, "ui")
	kept.Refused = refused
	return kept, err
}

// listPage is how one list responded to which content.
type listPage struct {
	frame
	*trail.ListResponse
	Lines   []responseLine
	More    int  // contents there are when only the first are shown
	Kept    bool // it was just saved
	Refused int  // rows of its file without an address
}

// responseLine is a response with its numbers as the page shows them.
type responseLine struct {
	trail.ContentResponse
	Interval, Difference string
	Told                 bool
}

func (s *Site) list(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	r, err := attribution.ResponseOf(c.Request().Context(), s.DB, strings.ToUpper(param(c, "id")), l.filter())
	if err != nil {
		return err
	}
	access.From(c.Request().Context()).View.Response(r)
	if wantsFile(c) {
		return s.sendFile(c, TableOf("list-"+cmp.Or(slug(r.Name), "of-leads"), r.Rows))
	}
	page := listPage{frame: s.frame(c, "How did “"+r.Name+"” respond?", "lists", l), ListResponse: r}
	if n, err := strconv.Atoi(c.QueryParam("kept")); err == nil {
		page.Kept, page.Refused = true, n-1
	}
	for _, x := range r.Rows {
		line := responseLine{ContentResponse: x, Told: x.Verdict == "higher" || x.Verdict == "lower"}
		if x.Rate != nil {
			line.Interval = percentRange(*x.Low, *x.High)
		}
		if x.Diff != nil {
			line.Difference = pointsText(*x.Diff) + " (" + pointsText(*x.DiffLow) + " to " + pointsText(*x.DiffHigh) + ")"
		}
		page.Lines = append(page.Lines, line)
	}
	page.Lines, page.More = firstRows(c, page.Lines, rowsAtFirst)
	return s.render(c, http.StatusOK, "list", page)
}

// percentRange writes an interval of a rate in whole percent.
func percentRange(low, high float64) string {
	return strconv.FormatFloat(math.Round(100*low), 'f', 0, 64) + " to " + strconv.FormatFloat(math.Round(100*high), 'f', 0, 64) + "%"
}
