package dashboards

import (
	"cmp"
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/store"
	"dealtrail/trail"
)

// Mailbox is what a rep can see and do about the reading of their mail. A rep goes by
// their address.
type Mailbox struct {
	Of         func(ctx context.Context, rep string) ([]trail.MailboxStatus, error)
	Pause      func(ctx context.Context, rep, by string) error
	Resume     func(ctx context.Context, rep string) error
	Exclusions func(rep string) ([]trail.Exclusion, error)
	Exclude    func(ctx context.Context, rep, who, by string) (trail.Exclusion, error)
	Include    func(ctx context.Context, rep, who string) error
	Say        func(ctx context.Context, id trail.ID, w trail.Word) (e trail.Event, changed, visible bool, err error)
}

// mailboxPage is what is kept of the mail of one rep.
type mailboxPage struct {
	frame
	Rep      string // empty: nobody was named
	Own      bool   // it is the reader's
	Kept     *trail.KeptMail
	Kind     trail.Kind // only facts of one kind
	After    string     // it is a later page
	Facts    []keptFact
	Boxes    []trail.MailboxStatus
	Paused   bool // all of them
	Excluded []trail.Exclusion
	Digest   bool // whether the rep wants it
	Said     string
	Problem  string // of the form to exclude somebody
	Typed    string // into it
}

// keptFact is one fact with what the page can do about it.
type keptFact struct {
	trail.KeptRow
	Lens lens
}

// keptAtOnce is how many facts a page shows, and keptInFile how many pages a file has,
// each of fileRows.
const keptAtOnce, fileRows, filePages = 50, 5000, 10

// Row is the fact as other pages have it, for the words that they share.
func (f keptFact) Row() trail.TrailRow {
	return trail.TrailRow{Kind: f.Kind, Content: f.Content, Verdict: f.Verdict, Probability: f.Probability, Rules: f.Rules, Signal: f.Signal, Withheld: f.Withheld}
}

// Judged reports whether somebody caused the fact, so that a person can say who.
func (f keptFact) Judged() bool {
	return f.Verdict != "" && (f.Kind == trail.Opened || f.Kind == trail.Clicked)
}

// From says where we know the fact from.
func (f keptFact) From() string {
	switch {
	case f.Source == "mail" && (f.Kind == trail.Sent || f.Kind == trail.Forwarded):
		return "a mail you sent"
	case f.Source == "mail":
		return "a mail you got"
	case f.Source == "track" && f.Kind == trail.Opened:
		return "the mail's pixel"
	case f.Source == "track":
		return "a tracked link"
	case f.Kind == trail.Shared:
		return "a link made here"
	}
	return f.Source
}

// saidWas says within a sentence who it was, by a person's word.
var saidWas = map[string]string{"me": "themselves", "colleague": "a colleague", "machine": "a machine"}

// Was is the word on the fact.
func (f keptFact) Was() string { return saidWas[f.Said.Was] }

// mailboxRoutes mounts the page and its forms.
func (s *Site) mailboxRoutes(in *echo.Group) {
	in.GET("/mailbox", s.mailbox)
	in.POST("/mailbox/reading", s.changeReading)
	in.POST("/mailbox/exclusions", s.changeExclusions)
	in.POST("/mailbox/verdict", s.sayWhoItWas)
	in.POST("/mailbox/digest", s.changeOwnDigest)
}

// whoseMail returns the rep whose mail a request is about: the one that it names, else
// who is signed in. What is kept of mail is for its rep alone: whoever names another
// gets a Problem.
func (s *Site) whoseMail(c echo.Context) (rep string, own bool, err error) {
	user := trail.NormalAddress(s.who(c))
	rep = cmp.Or(trail.NormalAddress(c.FormValue("rep")), user)
	if rep != "" && !access.From(c.Request().Context()).OfMail(rep) {
		err = trail.Problemf(trail.Forbidden, "What is kept of the mail of %s is theirs to see.", rep)
	}
	return rep, rep == user && user != "", err
}

// changing is whoseMail for a form, which must name somebody.
func (s *Site) changing(c echo.Context) (rep string, err error) {
	if s.Mailbox == nil {
		return "", trail.Problemf(trail.NotFound, "No mail is read here.")
	}
	if rep, _, err = s.whoseMail(c); err != nil {
		return "", err
	}
	if !strings.Contains(rep, "@") {
		return "", trail.Problemf(trail.Invalid, "Say whose mailbox it is, by address.")
	}
	return rep, nil
}

// mailboxAt is the page of a rep's mail with what was just done and, where it goes
// on, a place.
func mailboxAt(rep, said, after, place string) template.URL {
	v := url.Values{"rep": {rep}, "said": {said}}
	if after != "" {
		v.Set("after", after)
	}
	return template.URL("/mailbox?" + v.Encode() + place)
}

func (s *Site) mailbox(c echo.Context) error {
	page := mailboxPage{Said: map[string]string{
		"paused": "Paused. No mail is read until you resume it; tracked links go on working.", "resumed": "It is read again, from where it stopped.",
		"excluded": "Excluded. From the next look on, mail with them leaves no trace.", "included": "Taken back. Mail with them is read again from now on.",
		"told": "Thank you. Reports count it as you said from now on.", "back": "Taken back. The rules judge it again.", "soon": "Written down. It is safe, and reports show it in a moment.",
		"same": "That was said already.", "digest": "That is noted.",
	}[c.QueryParam("said")]}
	return s.renderMailbox(c, http.StatusOK, page)
}

func (s *Site) renderMailbox(c echo.Context, status int, page mailboxPage) error {
	page.frame = s.frame(c, "What is kept of my mail?", "mailbox", lens{})
	var err error
	if page.Rep, page.Own, err = s.whoseMail(c); err != nil {
		return err
	}
	page.Kind, page.After = trail.Kind(c.QueryParam("kind")), c.QueryParam("after")
	if page.Rep == "" {
		return s.render(c, status, "mailbox", page)
	}
	ctx := c.Request().Context()
	if wantsFile(c) {
		return s.sendKept(c, page.Rep, page.Kind)
	}
	if page.Kept, err = s.DB.Kept(ctx, page.Rep, page.Kind, store.Filter{After: page.After, Limit: keptAtOnce}); err != nil {
		return err
	}
	access.From(ctx).View.SawKept(page.Kept.Rows)
	for _, r := range page.Kept.Rows {
		page.Facts = append(page.Facts, keptFact{KeptRow: r, Lens: page.Lens})
	}
	if s.Mailbox != nil {
		if page.Boxes, err = s.Mailbox.Of(ctx, page.Rep); err != nil {
			return err
		}
		page.Paused = len(page.Boxes) > 0 && !slices.ContainsFunc(page.Boxes, func(m trail.MailboxStatus) bool { return m.State != "paused" })
		if page.Excluded, err = s.Mailbox.Exclusions(page.Rep); err != nil {
			return err
		}
	}
	if s.Digest != nil {
		if page.Digest, err = s.Digest.Wanted(ctx, page.Rep); err != nil {
			return err
		}
	}
	return s.render(c, status, "mailbox", page)
}

// Link is the page with facts of one kind, or from a place on.
func (p mailboxPage) Link(kind trail.Kind, after string) template.URL {
	v := url.Values{"rep": {p.Rep}}
	if kind != "" {
		v.Set("kind", string(kind))
	}
	if after != "" {
		v.Set("after", after)
	}
	return template.URL("/mailbox?" + v.Encode())
}

// changeReading pauses or resumes the reading of a rep's mailboxes.
func (s *Site) changeReading(c echo.Context) error {
	rep, err := s.changing(c)
	if err != nil {
		return err
	}
	said := "paused"
	switch c.FormValue("do") {
	case "pause":
		err = s.Mailbox.Pause(c.Request().Context(), rep, s.who(c))
	case "resume":
		said, err = "resumed", s.Mailbox.Resume(c.Request().Context(), rep)
	default:
		err = trail.Problemf(trail.Invalid, "Choose whether to pause or to resume.")
	}
	if err != nil {
		return err
	}
	return seeOther(c, mailboxAt(rep, said, "", "#reading"))
}

// changeExclusions excludes somebody, or takes that back.
func (s *Site) changeExclusions(c echo.Context) error {
	rep, err := s.changing(c)
	if err != nil {
		return err
	}
	who := strings.TrimSpace(c.FormValue("who"))
	if c.FormValue("do") == "include" {
		if err := s.Mailbox.Include(c.Request().Context(), rep, who); err != nil {
			return err
		}
		return seeOther(c, mailboxAt(rep, "included", "", "#excluded"))
	}
	_, err = s.Mailbox.Exclude(c.Request().Context(), rep, who, s.who(c))
	if text, ok := problemText(err); ok {
		return s.renderMailbox(c, http.StatusUnprocessableEntity, mailboxPage{Problem: text, Typed: who})
	}
	if err != nil {
		return err
	}
	return seeOther(c, mailboxAt(rep, "excluded", "", "#excluded"))
}

// sayWhoItWas takes a person's word on who made a click or an open.
func (s *Site) sayWhoItWas(c echo.Context) error {
	rep, err := s.changing(c)
	if err != nil {
		return err
	}
	id, err := trail.ParseID(c.FormValue("id"))
	if err != nil {
		return trail.Problemf(trail.NotFound, "There is no such click.")
	}
	w := trail.Word{Was: c.FormValue("was"), By: cmp.Or(s.who(c), rep), Not: c.FormValue("was") == "contact"}
	_, changed, visible, err := s.Mailbox.Say(c.Request().Context(), id, w)
	if err != nil {
		return err
	}
	said := "told"
	switch {
	case !changed:
		said = "same"
	case !visible:
		said = "soon"
	case w.Not:
		said = "back"
	}
	return seeOther(c, mailboxAt(rep, said, c.FormValue("after"), template.HTMLEscapeString("#e-"+id.String())))
}

// changeOwnDigest ends the daily digest of a rep, or begins it again.
func (s *Site) changeOwnDigest(c echo.Context) error {
	rep, err := s.changing(c)
	if err != nil {
		return err
	}
	if s.Digest == nil {
		return trail.Problemf(trail.NotFound, "Nothing is sent from here.")
	}
	if err := s.Digest.Want(c.Request().Context(), rep, c.FormValue("do") == "begin"); err != nil {
		return err
	}
	return seeOther(c, mailboxAt(rep, "digest", "", "#reading"))
}

// sendKept answers with the facts as a file, the newest first.
func (s *Site) sendKept(c echo.Context, rep string, kind trail.Kind) error {
	out := [][]string{{"id", "at", "what", "kind", "content", "title", "contacts", "names", "accounts", "deal", "verdict", "probability", "why", "said", "said_by", "source", "message"}}
	after := ""
	for range filePages {
		kept, err := s.DB.Kept(c.Request().Context(), rep, kind, store.Filter{After: after, Limit: fileRows})
		if err != nil {
			return err
		}
		access.From(c.Request().Context()).View.SawKept(kept.Rows)
		for _, r := range kept.Rows {
			out = append(out, keptLine(keptFact{KeptRow: r}))
		}
		if after = kept.Next; after == "" {
			break
		}
	}
	return s.sendRows(c, "mail-facts", out)
}

func keptLine(f keptFact) []string {
	var addresses, names, accounts []string
	for _, n := range f.Contacts {
		addresses, names, accounts = append(addresses, cmp.Or(n.Address, string(n.Contact))), append(names, n.Name), append(accounts, n.Account)
	}
	was, by, probability := "", "", ""
	if f.Said != nil {
		was, by = f.Said.Was, f.Said.By
	}
	if f.Verdict != "" {
		probability = decimal(float64(f.Probability))
	}
	return []string{
		f.ID.String(), stamp(f.At), what(f.Row()), string(f.Kind), f.Content, f.Title, strings.Join(addresses, "; "), strings.Join(names, "; "), strings.Join(slices.Compact(accounts), "; "),
		f.Deal, string(f.Verdict), probability, why(f.Rules), was, by, f.Source, f.Message,
	}
}
