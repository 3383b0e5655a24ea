package dashboards

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

// peoplePage is who may sign in, and the keys of programs.
type peoplePage struct {
	frame
	People  []personRow
	Count   int // of people
	All     int // of them, where the page shows a part
	Keys    []access.Key
	May     bool   // the reader may change them
	Link    string // that signs somebody in, shown once
	For     string // whom
	Key     string // a new one, shown once
	KeyName string
	Said    string
	Problem string
	Kept    []access.Person // the only admin, where the provider would have it that nobody is
}

// personRow is a person with what can be chosen about them.
type personRow struct{ access.Person }

// Choices are all roles, with whether the person has them.
func (p personRow) Choices() []roleChoice { return roleChoices(p.Roles) }

// RoleWords are the person's roles.
func (p personRow) RoleWords() string { return p.Roles.String() }

// Now is today's team.
func (p personRow) Now() string { return p.Team() }

// How says how the person signs in.
func (p personRow) How() string {
	switch {
	case p.Password && p.OIDC:
		return "password, provider"
	case p.Password:
		return "password"
	case p.OIDC:
		return "provider"
	}
	return "link"
}

// roleChoice is one role to choose.
type roleChoice struct {
	Name string
	Has  bool
}

func roleChoices(has access.Roles) (all []roleChoice) {
	for _, name := range access.Everybody.Names() {
		one, err := access.ParseRoles(name)
		all = append(all, roleChoice{name, err == nil && has.Has(one)})
	}
	return all
}

// NewRoles are the roles of who is to be added.
func (p peoplePage) NewRoles() []roleChoice { return roleChoices(access.Rep) }

func (s *Site) peopleRoutes(g *echo.Group) {
	g.GET("/people", func(c echo.Context) error { return s.renderPeople(c, http.StatusOK, peoplePage{}) })
	g.POST("/people", s.addPerson)
	g.POST("/people/keys", s.changeKeys)
	g.POST("/people/:email", s.changePerson)
	g.GET("/access", s.accessLog)
}

var peopleSaid = map[string]string{"saved": "Saved. If roles, team or names changed, their sessions have ended.", "out": "Their sessions have ended.", "revoked": "The key is revoked."}

func (s *Site) renderPeople(c echo.Context, status int, p peoplePage) error {
	if s.Access == nil {
		return noAccounts()
	}
	ctx := c.Request().Context()
	people, err := s.Access.People(ctx)
	if err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendFile(c, TableOf("people", people))
	}
	p.Count = len(people)
	people, p.All = firstRows(c, people, rowsAtFirst)
	for _, one := range people {
		p.People = append(p.People, personRow{one})
		if !one.KeptAdmin.IsZero() && one.Roles.Has(access.Admin) && !hasOtherAdmin(people, one.Email) {
			p.Kept = append(p.Kept, one)
		}
	}
	if p.Keys, err = s.Access.Keys(ctx); err != nil {
		return err
	}
	p.frame = s.frame(c, "Who may do what?", "people", lens{})
	p.May, p.Said = access.From(ctx).May("POST", "/people"), peopleSaid[c.QueryParam("said")]
	return s.render(c, status, "people", p)
}

func hasOtherAdmin(people []access.Person, than string) bool {
	return slices.ContainsFunc(people, func(p access.Person) bool { return p.Email != than && p.Roles.Has(access.Admin) && !p.Disabled })
}

func (s *Site) peopleAgain(c echo.Context, err error) error {
	text, ok := problemText(err)
	if !ok {
		return err
	}
	return s.renderPeople(c, http.StatusUnprocessableEntity, peoplePage{Problem: text})
}

// personForm is what a form says of a person.
func personForm(c echo.Context) (access.Change, error) {
	if err := c.Request().ParseForm(); err != nil {
		return access.Change{}, trail.Problemf(trail.Invalid, "The form was cut off; send it again.")
	}
	roles, err := access.ParseRoles(c.Request().Form["role"]...)
	name, team, named, disabled := c.FormValue("name"), c.FormValue("team"), c.FormValue("people") != "", c.FormValue("disabled") != ""
	return access.Change{Name: &name, Roles: &roles, Team: &team, Named: &named, Disabled: &disabled}, err
}

// addPerson adds somebody and shows the link that signs them in.
func (s *Site) addPerson(c echo.Context) error {
	if s.Access == nil {
		return noAccounts()
	}
	ctx, email := c.Request().Context(), trail.NormalAddress(c.FormValue("email"))
	said, err := personForm(c)
	if err == nil {
		if _, known := s.Access.Person(ctx, email); known == nil {
			err = trail.Problemf(trail.Conflict, "%s is here already; change them in the list.", email)
		}
	}
	if err == nil {
		_, err = s.Access.Set(ctx, email, said)
	}
	if err != nil {
		return s.peopleAgain(c, err)
	}
	return s.showLink(c, email)
}

func (s *Site) showLink(c echo.Context, email string) error {
	link, err := s.Access.SignInLink(c.Request().Context(), email)
	if err != nil {
		return s.peopleAgain(c, err)
	}
	return s.renderPeople(c, http.StatusCreated, peoplePage{Link: link, For: email})
}

// changePerson saves a person's row, makes a link for them, or ends their sessions.
func (s *Site) changePerson(c echo.Context) error {
	if s.Access == nil {
		return noAccounts()
	}
	p, err := s.Access.Person(c.Request().Context(), param(c, "email"))
	if err != nil {
		return err
	}
	switch c.FormValue("do") {
	case "link":
		return s.showLink(c, p.Email)
	case "out":
		if err := s.Access.EndSessions(c.Request().Context(), p.Email, ""); err != nil {
			return err
		}
		return seeOther(c, "/people?said=out")
	}
	said, err := personForm(c)
	if err == nil {
		_, err = s.Access.Set(c.Request().Context(), p.Email, said)
	}
	if err != nil {
		return s.peopleAgain(c, err)
	}
	return seeOther(c, "/people?said=saved")
}

// days reads for how many days a key is wanted.
func days(c echo.Context) int {
	n, err := strconv.Atoi(strings.TrimSpace(c.FormValue("days")))
	if err != nil && strings.TrimSpace(c.FormValue("days")) != "" {
		return -1 // refused, with what is wanted
	}
	return n
}

// changeKeys makes or revokes a key of the company.
func (s *Site) changeKeys(c echo.Context) error {
	if s.Access == nil {
		return noAccounts()
	}
	ctx := c.Request().Context()
	if c.FormValue("do") == "revoke" {
		if err := s.Access.Revoke(ctx, c.FormValue("name"), ""); err != nil {
			return s.peopleAgain(c, err)
		}
		return seeOther(c, "/people?said=revoked")
	}
	if c.FormValue("scope") == "" {
		return s.peopleAgain(c, trail.Problemf(trail.Invalid, "Choose what the key may do."))
	}
	key, k, err := s.Access.NewKey(ctx, access.KeyRequest{Name: c.FormValue("name"), Scope: c.Request().Form["scope"], Days: days(c)})
	if err != nil {
		return s.peopleAgain(c, err)
	}
	return s.renderPeople(c, http.StatusCreated, peoplePage{Key: key.Reveal(), KeyName: k.Name})
}

// accessPage is who saw which people by name.
type accessPage struct {
	frame
	Who, Contact string
	Rows         []access.Entry
	Next         template.URL
}

const entriesAtOnce, entriesInFile = 100, 50_000

func (s *Site) accessLog(c echo.Context) error {
	if s.Access == nil {
		return noAccounts()
	}
	p := accessPage{Who: trail.NormalAddress(c.QueryParam("who")), Contact: strings.TrimSpace(c.QueryParam("contact"))}
	most := entriesAtOnce
	if wantsFile(c) {
		most = entriesInFile
	}
	rows, next, err := s.Access.Entries(c.Request().Context(), p.Who, p.Contact, c.QueryParam("after"), most)
	if err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendFile(c, TableOf("access", rows))
	}
	p.frame, p.Rows = s.frame(c, "Who looked at whom?", "access", lens{}), rows
	if next != "" {
		p.Next = template.URL("/access?" + url.Values{"who": {p.Who}, "contact": {p.Contact}, "after": {next}}.Encode())
	}
	return s.render(c, http.StatusOK, "access", p)
}
