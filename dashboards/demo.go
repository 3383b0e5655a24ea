package dashboards

import (
	"context"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/store"
	"dealtrail/trail"
)

// Demo is what the guided tour of the made-up company can do beyond the pages.
type Demo struct {
	// Send puts a mail with a tracked link to the content into the Sent folder
	// of the contact's rep, as a rep would, and returns the link.
	Send func(ctx context.Context, contact, content string) (clickURL string, err error)
	// Scan lets a mail scanner follow the link over HTTP.
	Scan func(ctx context.Context, clickURL string) error
	// Loved is the content that everybody clicks and that moves nothing.
	Loved string
}

// tour is how far the reader got. The steps after the first tick themselves
// from the deal's trail, so they show what really happened.
type tour struct {
	mu sync.Mutex
	progress
	contacts []demoContact // whom a mail can go to; looked for once
}

type progress struct {
	contact string
	content string
	deal    string
	url     string
	since   time.Time
	guess   string
}

type demoPage struct {
	frame
	Steps    []demoStep
	Done     int
	Contacts []demoContact
	Contents []trail.ContentRow
	Contact  string // whom the mail went to
	Sent     string // title of the content that was sent
	Deal     string
	ClickURL string
	Seen     []trailLine // what came of the link so far
	Guess    string      // title of the content that the reader named
	Right    bool
	Loved    trail.ContentRow
	Trail    trailTable
	Waiting  bool // something is under way: the page looks again
}

// ByClicks is the first page with the most clicked content on top.
func (p demoPage) ByClicks() template.URL {
	p.Lens.path = "/"
	return p.Lens.With("sort", "-clicked")
}

type demoStep struct {
	N    int
	Done bool
	Now  bool // the first that is not done
}

type demoContact struct{ Address, Name, Deal, DealName string }

func (s *Site) demo(c echo.Context) error { return s.renderDemo(c, http.StatusOK) }

func (s *Site) renderDemo(c echo.Context, status int) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	page := demoPage{frame: s.frame(c, "See it work in four steps", "demo", l), Steps: make([]demoStep, 4)}
	f := l.filter()
	f.Limit = everything
	if page.Contents, err = s.source.Contents(ctx, f); err != nil {
		return err
	}
	if page.Contacts, err = s.demoContacts(ctx, l.filter()); err != nil {
		return err
	}
	if err := s.tourState(ctx, l, &page); err != nil {
		return err
	}
	slices.SortStableFunc(page.Contents, func(a, b trail.ContentRow) int { return strings.Compare(a.Title, b.Title) })
	for i := range page.Steps {
		page.Steps[i].N = i + 1
		if page.Steps[i].Done {
			page.Done++
		}
	}
	if i := slices.IndexFunc(page.Steps, func(st demoStep) bool { return !st.Done }); i >= 0 {
		page.Steps[i].Now = true
	}
	page.Waiting = page.ClickURL != "" && !(page.Steps[0].Done && page.Steps[1].Done && page.Steps[2].Done)
	return s.render(c, status, "demo", page)
}

// tourState fills in what the reader did and what the trail shows of it.
func (s *Site) tourState(ctx context.Context, l lens, page *demoPage) error {
	s.tour.mu.Lock()
	t := s.tour.progress
	s.tour.mu.Unlock()
	for _, r := range page.Contents {
		switch r.ID {
		case t.content:
			page.Sent = r.Title
		case t.guess:
			page.Guess = r.Title
		}
		if r.ID == s.Demo.Loved {
			page.Loved = r
		}
	}
	page.Right = t.guess != "" && t.guess == s.Demo.Loved
	if t.guess != "" && page.Guess == "" {
		page.Guess = page.Sent
	}
	page.Steps[3].Done = page.Right
	page.Contact, page.Deal, page.ClickURL = t.contact, t.deal, t.url
	if t.url == "" {
		return nil
	}
	d, err := s.source.Contact(access.With(ctx, access.Asker{View: access.Everything}), t.contact, l.filter())
	if err != nil {
		return ignore(err, trail.NotFound)
	}
	var events []trail.TrailRow
	for _, e := range d.Events {
		if e.Content != t.content || e.At.Before(t.since) {
			continue
		}
		events = append(events, e)
		switch {
		case e.Kind == trail.Sent:
			page.Steps[0].Done = true
		case e.Verdict == trail.Scanner:
			page.Steps[2].Done = true
		case e.Kind == trail.Clicked && !discounted(e, trail.Likely):
			page.Steps[1].Done = true
		}
	}
	page.Trail = newTrailTable(l, events, "contact")
	return nil
}

// demoContacts are people on open deals, one a deal: those to whom a mail makes
// a difference.
func (s *Site) demoContacts(ctx context.Context, f store.Filter) ([]demoContact, error) {
	s.tour.mu.Lock()
	defer s.tour.mu.Unlock()
	if len(s.tour.contacts) > 0 {
		return s.tour.contacts, nil
	}
	f.Limit = everything
	ctx = access.With(ctx, access.Asker{View: access.Everything}) // the tour is the same for all who take it
	deals, _, err := s.source.Deals(ctx, store.DealQuery{Status: "open"}, f)
	if err != nil {
		return nil, err
	}
	var all []demoContact
	for _, row := range deals {
		if len(all) == 4 {
			break
		}
		d, err := s.source.Deal(ctx, row.ID, f)
		if err != nil {
			return nil, err
		}
		if len(d.Contacts) > 0 && d.Contacts[0].Address != "" {
			all = append(all, demoContact{d.Contacts[0].Address, d.Contacts[0].Name, d.ID, d.Name})
		}
	}
	s.tour.contacts = all
	return all, nil
}

func (s *Site) demoSend(c echo.Context) error {
	to, content := c.FormValue("contact"), c.FormValue("content")
	address, deal, _ := strings.Cut(to, " ")
	since := s.Now().Truncate(time.Second).Add(-time.Minute) // a mail's Date has whole seconds
	url, err := s.Demo.Send(c.Request().Context(), address, content)
	if err != nil {
		return err
	}
	s.tour.mu.Lock()
	s.tour.progress = progress{contact: address, content: content, deal: deal, url: url, since: since, guess: s.tour.guess}
	s.tour.mu.Unlock()
	return seeOther(c, link("", "demo")+"#step-2")
}

func (s *Site) demoScan(c echo.Context) error {
	s.tour.mu.Lock()
	url := s.tour.url
	s.tour.mu.Unlock()
	if url == "" {
		return trail.Problemf(trail.Conflict, "Send a mail first: the scanner follows its link.")
	}
	if err := s.Demo.Scan(c.Request().Context(), url); err != nil {
		return err
	}
	return seeOther(c, link("", "demo")+"#step-3")
}

func (s *Site) demoGuess(c echo.Context) error {
	s.tour.mu.Lock()
	s.tour.guess = c.FormValue("content")
	s.tour.mu.Unlock()
	return seeOther(c, link("", "demo")+"#step-4")
}

type ownDataPage struct{ frame }

func (s *Site) ownData(c echo.Context) error {
	return s.render(c, http.StatusOK, "own-data", ownDataPage{s.frame(c, "Use your own data", "", lens{})})
}

// link returns a path of this site with a query that is encoded already.
func link(query string, segments ...string) template.URL {
	path := join(segments...)
	if query != "" {
		path += "?" + query
	}
	return template.URL(path)
}
