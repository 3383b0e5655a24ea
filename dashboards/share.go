package dashboards

import (
	"cmp"
	"encoding/xml"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"dealtrail/access"
	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

// sharePage is where a rep finds what to send and copies its link, and sees what
// came of the latest ones.
type sharePage struct {
	frame
	Form   shareForm
	Query  string
	Found  []foundContent
	More   uint64 // further contents that match
	Ready  bool   // one key more copies the first link: its button has the focus
	People []choice
	Deals  []store.OpenDeal
	Links  []shareLine
	Search bool // something was looked for: what came of earlier links waits until it is asked for
}

// foundContent is one content of the results.
type foundContent struct {
	trail.ContentRow
	Expired bool
}

// shareLine is one link with the people whose names are known.
type shareLine struct {
	trail.ShareRow
	For, ClickedBy, RepliedBy people
}

// people are those whom something is about.
type people struct {
	All   []person
	Lens  lens // of the links to their pages
	OneOf bool // if they are several, it was one of them
}

// Many reports whether they are too many to name in one line.
func (p people) Many() bool { return len(p.All) > 3 }

// Known reports whether there is a page of the person: who was erased has none.
func (p person) Known() bool { return strings.Contains(p.Address, "@") }

const (
	foundAtOnce = 12 // contents of one page of results
	namesAtOnce = 200
)

func (s *Site) shareFinder(c echo.Context) error {
	form, l, err := s.readShareForm(c)
	if err != nil {
		return err
	}
	return s.renderFinder(c, http.StatusOK, l, form)
}

// shareFound makes the link of one of the results.
func (s *Site) shareFound(c echo.Context) error {
	form, l, err := s.readShareForm(c)
	if err != nil {
		return err
	}
	again := func(form shareForm) error { return s.renderFinder(c, http.StatusUnprocessableEntity, l, form) }
	return s.makeShare(c, l, c.FormValue("content"), form, "share", again)
}

// readShareForm reads for whom a link is, and what the page looks through. The
// parameter to is both: every link of this site carries there the last day of its
// period, and a date is nobody's address.
func (s *Site) readShareForm(c echo.Context) (shareForm, lens, error) {
	if _, err := c.FormParams(); err != nil {
		return shareForm{}, lens{}, trail.Problemf(trail.Invalid, "The form cannot be read.")
	}
	values := c.Request().Form
	var to []string
	values["to"] = slices.DeleteFunc(values["to"], func(v string) bool {
		_, err := time.Parse(time.DateOnly, v)
		if err != nil && strings.TrimSpace(v) != "" {
			to = append(to, v)
		}
		return err != nil
	})
	l, err := s.readLens(c, "q", "content", "deal")
	form := shareForm{Rep: strings.TrimSpace(c.FormValue("rep")), To: strings.Join(to, ", "), Deal: strings.TrimSpace(c.FormValue("deal"))}
	if form.To != "" {
		l.keep = append(l.keep, "to", form.To)
	}
	if s.SignedIn != nil {
		form.Rep = cmp.Or(s.SignedIn(c), form.Rep)
	}
	return form, l, err
}

// renderFinder shows the page. Who looks for something is not kept waiting for
// what came of earlier links.
func (s *Site) renderFinder(c echo.Context, status int, l lens, form shareForm) error {
	f, only, file := l.filter(), c.FormValue("content"), wantsFile(c)
	var contents []trail.ContentRow
	var links []trail.ShareRow
	page := sharePage{frame: s.frame(c, "What do you want to send?", "share", l), Form: form, Query: strings.TrimSpace(c.FormValue("q"))}
	page.Search = page.Query != "" || only != ""
	g, ctx := errgroup.WithContext(c.Request().Context())
	g.Go(func() (err error) { contents, err = s.source.Shareable(ctx, f); return err })
	if form.Rep != "" {
		g.Go(func() (err error) { page.Deals, err = s.source.OpenDeals(ctx, form.Rep, true, f); return err })
		if !page.Search || file {
			g.Go(func() (err error) { links, err = s.source.Shares(ctx, form.Rep, s.Now(), f); return err })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if file {
		return s.sendRows(c, "links", sharesCSV(links))
	}
	found := findContent(contents, page.Query, only, s.Now())
	page.Found, page.More = found[:min(len(found), foundAtOnce)], uint64(max(0, len(found)-foundAtOnce))
	page.Ready = len(found) > 0 && page.Search && form.Problem == ""
	page.addPeople(links)
	return s.render(c, status, "share", page)
}

// addPeople names those who are on the rep's open deals or had one of the links,
// and offers them and the deals to choose from.
func (p *sharePage) addPeople(links []trail.ShareRow) {
	names, offered := map[string]string{}, map[string]bool{}
	offer := func(address, label string) {
		if known := (person{Address: address}).Known(); known && !offered[address] && len(p.People) < namesAtOnce {
			p.People = append(p.People, choice{Value: address, Label: label})
		}
		offered[address] = true
	}
	for _, d := range p.Deals {
		for _, c := range d.Contacts {
			names[c.Address] = c.Name
			offer(c.Address, strings.Trim(c.Name+", "+d.Name, ", "))
		}
	}
	named := func(addresses []string, oneOf bool) people {
		all := people{Lens: p.Lens, OneOf: oneOf && len(addresses) > 1}
		for _, a := range addresses {
			offer(a, "")
			all.All = append(all.All, person{a, cmp.Or(names[a], a)})
		}
		return all
	}
	for _, row := range links {
		p.Links = append(p.Links, shareLine{row, named(row.Contacts, false), named(row.ClickedBy, true), named(row.RepliedBy, false)})
	}
	p.Deals = p.Deals[:min(len(p.Deals), namesAtOnce)]
}

// findContent returns the contents in which every word of the query is found, or
// the only one that is wanted. The best is first: what begins like the query,
// then what is sent most; what has expired is last.
func findContent(rows []trail.ContentRow, query, only string, now time.Time) (all []foundContent) {
	words := strings.Fields(strings.ToLower(query))
	for _, r := range rows {
		where := strings.ToLower(strings.Join(append([]string{r.Title, r.ID, r.Kind, r.Stage, r.Persona}, r.Tags...), "\n"))
		missing := slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(where, word) })
		if missing || only != "" && r.ID != only {
			continue
		}
		all = append(all, foundContent{r, !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt)})
	}
	rank := func(f foundContent) (n int) {
		if f.Expired {
			n += 2
		}
		if !strings.HasPrefix(strings.ToLower(f.Title), strings.Join(words, " ")) {
			n++
		}
		return n
	}
	slices.SortStableFunc(all, func(a, b foundContent) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Sent, a.Sent), cmp.Compare(a.Title, b.Title), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func sharesCSV(links []trail.ShareRow) [][]string {
	out := [][]string{{"share", "at", "content", "title", "deal", "contacts", "opened", "clicks", "clicked", "clicked_by", "replied", "replied_by"}}
	for _, r := range links {
		out = append(out, []string{
			string(r.Share), stamp(r.At), r.Content, r.Title, r.Deal, strings.Join(r.Contacts, "; "), stamp(r.Opened), count(r.Clicks),
			stamp(r.Clicked), strings.Join(r.ClickedBy, "; "), stamp(r.Replied), strings.Join(r.RepliedBy, "; "),
		})
	}
	return out
}

// sharedPage shows a tracked link, to be copied.
type sharedPage struct {
	frame
	Content string
	Share   ingest.Share
	Form    shareForm
}

// makeShare makes the tracked link that a form asks for. The page's script gets it
// as the API gives it, everybody else a page to copy it from, or the form again
// with what is wrong. Showing it once is enough: making another costs nothing.
func (s *Site) makeShare(c echo.Context, l lens, content string, form shareForm, nav string, again func(shareForm) error) error {
	script := strings.HasPrefix(c.Request().Header.Get("Accept"), "application/json")
	if !access.From(c.Request().Context()).LinksFor(form.Rep) {
		return access.OwnLinks()
	}
	if form.Deal != "" {
		deals, err := s.DB.DealsOf(c.Request().Context(), store.Filter{}, []string{form.Deal})
		if err = cmp.Or(err, access.From(c.Request().Context()).LinksOn(deals, form.Deal)); err != nil {
			return err
		}
	}
	share, err := s.source.Share(c.Request().Context(), ingest.ShareRequest{Content: content, Rep: form.Rep, To: recipients(form.To), Deal: form.Deal})
	if text, ok := problemText(err); ok && !script {
		form.Problem = text
		return again(form)
	}
	if err != nil {
		return err
	}
	if script {
		c.Response().Header().Set("Cache-Control", "no-store")
		return c.JSON(http.StatusCreated, share)
	}
	return s.render(c, http.StatusCreated, "shared", sharedPage{frame: s.frame(c, "Your tracked link", nav, l), Content: content, Share: share, Form: form})
}

// recipients reads addresses as people write or paste them: with names, commas and
// semicolons, or bare with spaces between.
func recipients(text string) []string {
	var all []string
	if list, err := mail.ParseAddressList(strings.NewReplacer(";", ",", "\r", ",", "\n", ",").Replace(text)); err == nil {
		for _, a := range list {
			all = append(all, a.String())
		}
		return all
	}
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;\r\n\t", r) })
}

// openSearch describes the finder to browsers, which then offer it in the address
// bar. It is at the address by which the reader came: pages and links may have
// different hosts.
func (s *Site) openSearch(c echo.Context) error {
	at := url.URL{Scheme: "http", Host: c.Request().Host}
	if public, err := url.Parse(s.PublicURL); err == nil && public.Scheme == "https" {
		at.Scheme = "https"
	}
	type target struct {
		Type     string `xml:"type,attr"`
		Method   string `xml:"method,attr"`
		Template string `xml:"template,attr"`
	}
	b, err := xml.MarshalIndent(struct {
		XMLName       xml.Name `xml:"http://a9.com/-/spec/opensearch/1.1/ OpenSearchDescription"`
		ShortName     string
		Description   string
		InputEncoding string
		URL           target `xml:"Url"`
	}{
		ShortName: "dealtrail", Description: "Find content and copy its tracked link", InputEncoding: "UTF-8",
		URL: target{"text/html", "get", at.String() + "/share?q={searchTerms}"},
	}, "", "  ")
	if err != nil {
		return err
	}
	c.Response().Header().Set("X-Content-Type-Options", "nosniff")
	return c.Blob(http.StatusOK, "application/opensearchdescription+xml", append([]byte(xml.Header), b...))
}
