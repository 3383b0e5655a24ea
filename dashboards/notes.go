package dashboards

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/store"
	"dealtrail/trail"
)

// notesPage is what reps noted on all contents.
type notesPage struct {
	frame
	Query string
	Notes notesTable
	More  int // notes there are when only the first are shown
}

// notesTable is a list of notes, each with the form to vote for it.
type notesTable struct {
	Lens lens
	Rows []noteRow
	Of   string // whose notes they are: content or nothing; that column is left out
	User string // who votes; empty: it is asked for
	Back string // where a vote comes back to
}

type noteRow struct {
	trail.Note
	Mine bool // whoever looks has voted for it
}

// noteForm is what was typed to note, and what is wrong with it.
type noteForm struct {
	Rep, Text, Deal, Problem string
}

// notesAtOnce are the notes that a page shows; the file has all.
const notesAtOnce = 100

// newNotesTable puts the note with the most votes first, then the newest.
func newNotesTable(f frame, all []trail.Note, of, back string) notesTable {
	t := notesTable{Lens: f.Lens, Of: of, User: f.User, Back: back}
	for _, n := range all {
		t.Rows = append(t.Rows, noteRow{n, f.User != "" && slices.Contains(n.Voters, trail.NormalAddress(f.User))})
	}
	slices.SortStableFunc(t.Rows, func(a, b noteRow) int {
		return cmp.Or(cmp.Compare(b.Votes, a.Votes), b.At.Compare(a.At), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	return t
}

func (s *Site) notes(c echo.Context) error {
	l, err := s.readLens(c, "q")
	if err != nil {
		return err
	}
	all, err := s.DB.Notes(c.Request().Context(), "", "", store.Filter{})
	if err != nil {
		return err
	}
	query := strings.TrimSpace(c.QueryParam("q"))
	all = slices.DeleteFunc(all, func(n trail.Note) bool { return !n.Has(query) })
	if wantsFile(c) {
		return s.sendRows(c, "notes", notesCSV(all))
	}
	page := notesPage{frame: s.frame(c, "What worked, and for whom?", "notes", l), Query: query}
	page.Notes = newNotesTable(page.frame, all, "", string(l.With()))
	page.Notes.Rows, page.More = firstRows(c, page.Notes.Rows, notesAtOnce)
	return s.render(c, http.StatusOK, "notes", page)
}

// note takes a rep's note on a content.
func (s *Site) note(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	id := param(c, "id")
	form := noteForm{Rep: cmp.Or(s.who(c), strings.TrimSpace(c.FormValue("rep"))), Text: strings.TrimSpace(c.FormValue("text")), Deal: strings.TrimSpace(c.FormValue("deal"))}
	ctx := c.Request().Context()
	if err = access.From(ctx).View.MustSee(form.Deal, s.dealsNamed(ctx)); err == nil {
		_, _, err = s.Registry.Note(ctx, trail.Note{Rep: form.Rep, Text: form.Text, Deal: form.Deal, Content: id}, "ui")
	}
	if text, ok := problemText(err); ok {
		form.Problem = text
		return s.renderContent(c, http.StatusUnprocessableEntity, l, id, contentForms{Note: form})
	}
	if err != nil {
		return err
	}
	return seeOther(c, link("noted=1", "content", id)+"#notes")
}

// vote takes a vote on a note and goes back to where it was cast.
func (s *Site) vote(c echo.Context) error {
	v := trail.Vote{By: cmp.Or(s.who(c), strings.TrimSpace(c.FormValue("by"))), Not: c.FormValue("not") != ""}
	n, _, err := s.Registry.Vote(c.Request().Context(), strings.ToUpper(param(c, "id")), v, "ui")
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, s.stay(c, c.FormValue("back"))+"#n-"+n.ID.String())
}

func notesCSV(all []trail.Note) [][]string {
	out := [][]string{{"id", "at", "rep", "content", "title", "deal", "text", "votes", "voters"}}
	for _, n := range all {
		out = append(out, []string{n.ID.String(), stamp(n.At), n.Rep, n.Content, n.Title, n.Deal, n.Text, count(uint64(n.Votes)), strings.Join(n.Voters, "; ")})
	}
	return out
}
