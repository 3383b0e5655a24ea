package access_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"dealtrail/access"
	"dealtrail/trail"
)

var closed = time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)

// deals are one of rita's that is open and one of ben's that closed in October.
func deals() []trail.DealRow {
	return []trail.DealRow{{ID: "D1", Owner: "rita@ours.test", Account: "Acme"}, {ID: "D2", Owner: "Ben@ours.test", Account: "Bolt", ClosedAt: closed}}
}

func dealOf(row trail.DealRow) *trail.DealDetail {
	return &trail.DealDetail{
		DealRow: row,
		Contacts: []trail.ContactRow{
			{Address: "carla@acme.example", Name: "Carla Canary", Title: "CISO", Account: "Acme"},
			{Address: "carl@acme.example", Name: "Carl Canary", Title: "CISO", Account: "Acme"},
			{Address: "dora@acme.example", Name: "Dora Canary", Domain: "acme.example"},
		},
		Events: []trail.TrailRow{{Kind: trail.Clicked, Contacts: []string{"carl@acme.example"}}, {Kind: trail.Clicked, Contacts: []string{"else@gmail.example", "carla@acme.example"}}},
	}
}

// viewOf returns what somebody with roles sees, through the guard as it is.
func (o *office) viewOf(email string) (view access.View) {
	o.t.Helper()
	e := echo.New()
	e.GET("/deals", func(c echo.Context) error { view = access.From(c.Request().Context()).View; return nil }, echo.WrapMiddleware(o.Sessions.LoadAndSave), o.Guard)
	e.POST("/signin", func(c echo.Context) error { return o.SignIn(c, access.SignInForm{Email: email, Password: good}) }, echo.WrapMiddleware(o.Sessions.LoadAndSave))
	r, q := httptest.NewRecorder(), httptest.NewRequest("POST", "/signin", nil)
	q.RemoteAddr = "127.0.0.1:1"
	e.ServeHTTP(r, q)
	q = httptest.NewRequest("GET", "/deals", nil)
	for _, c := range r.Result().Cookies() {
		q.AddCookie(c)
	}
	r = httptest.NewRecorder()
	if e.ServeHTTP(r, q); r.Code != 200 {
		o.t.Fatalf("%s: %d %s", email, r.Code, r.Body)
	}
	return view
}

func TestEachRoleSeesItsDealsAndPeople(t *testing.T) {
	o := newOffice(t)
	team := func(email, name string) {
		t.Helper()
		if _, err := o.Set(t.Context(), email, access.Change{Team: &name}); err != nil {
			t.Fatal(err)
		}
	}
	o.add("ada@ours.test", good, access.Admin)
	for email, roles := range map[string]access.Roles{"rita@ours.test": access.Rep, "ben@ours.test": access.Rep, "mona@ours.test": access.Manager, "mia@ours.test": access.Marketer, "both@ours.test": access.Marketer, "fay@ours.test": access.Facilitator} {
		o.add(email, good, roles)
	}
	// Ben was in Mona's team when his deal closed, and is not today; Rita came later.
	o.now = closed.AddDate(0, -1, 0)
	team("mona@ours.test", "North")
	team("ben@ours.test", "North")
	team("rita@ours.test", "South")
	o.now = closed.AddDate(0, 0, 1)
	team("ben@ours.test", "South")
	team("rita@ours.test", "North")
	yes := true
	if _, err := o.Set(t.Context(), "both@ours.test", access.Change{Named: &yes}); err != nil {
		t.Fatal(err)
	}
	o.now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for email, want := range map[string]string{
		"rita@ours.test": "D1 named", "ben@ours.test": "D2 named", "mona@ours.test": "D1 named D2 named", "mia@ours.test": "D1 masked D2 masked",
		"both@ours.test": "D1 named D2 named", "fay@ours.test": "D1 masked D2 masked", "ada@ours.test": "D1 named D2 named",
	} {
		view, got := o.viewOf(email), []string{}
		if n := len(view.Deals(deals())); n != strings.Count(want, "D") {
			t.Errorf("%s lists %d deals", email, n)
		}
		for _, row := range deals() {
			d := dealOf(row)
			if err := view.Deal(d); err != nil {
				continue
			}
			text, _ := json.Marshal(d)
			how := "named"
			if !strings.Contains(string(text), "Canary") {
				how = "masked"
				if strings.Contains(string(text), "carl") || strings.Contains(string(text), "else@") {
					t.Errorf("%s sees an address in %s", email, text)
				}
			}
			got = append(got, row.ID+" "+how)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s sees %q, want %q", email, got, want)
		}
	}
	t.Run("of events as they were", func(t *testing.T) {
		mona := o.viewOf("mona@ours.test")
		for _, c := range []struct {
			rep  string
			at   time.Time
			want bool
		}{{"ben@ours.test", closed, true}, {"ben@ours.test", closed.AddDate(0, 0, 2), false}, {"rita@ours.test", closed, false}, {"rita@ours.test", closed.AddDate(0, 0, 2), true}, {"", closed, false}} {
			if got := mona.Own(c.rep, c.at); got != c.want {
				t.Errorf("%s at %v: %v", c.rep, c.at, got)
			}
		}
	})
}

func TestMaskedPeopleAreKeptApartAndKeepTheirName(t *testing.T) {
	d := dealOf(deals()[0])
	view := access.View{All: true}
	if err := view.Deal(d); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(d.Contacts[0].Name, "|", d.Contacts[1].Address, "|", d.Contacts[2].Name, "|", d.Events[0].Contacts, "|", d.Events[1].Contacts)
	if want := "CISO at Acme|CISO at Acme (2)|somebody at acme.example|[CISO at Acme (2)]|[somebody at gmail.example CISO at Acme]"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestWithoutAGuardNothingIsSeen(t *testing.T) {
	view := access.From(t.Context()).View
	if len(view.Deals(deals())) != 0 || view.Deal(dealOf(deals()[0])) == nil {
		t.Error("deals")
	}
	c := &trail.ContactDetail{ContactRow: trail.ContactRow{Address: "carla@acme.example"}}
	if view.Contact(c) == nil || view.Account(&trail.AccountDetail{Domain: "acme.example", Contacts: []trail.ContactRow{c.ContactRow}}) == nil {
		t.Error("people")
	}
}

func TestAKeyOfOnesOwnNamesNobodyUnlessItMay(t *testing.T) {
	o := newOffice(t)
	o.add("ada@ours.test", "", access.Admin)
	o.add("rita@ours.test", "", access.Rep)
	for scope, want := range map[string]bool{"read": false, "people": true} {
		key, _, err := o.NewKey(t.Context(), access.KeyRequest{Name: scope, Scope: []string{scope}, Owner: "rita@ours.test"})
		if err != nil {
			t.Fatal(err)
		}
		var view access.View
		e := echo.New()
		e.GET("/v1/deals", func(c echo.Context) error { view = access.From(c.Request().Context()).View; return nil }, o.Guard)
		q := httptest.NewRequest("GET", "/v1/deals", nil)
		q.Header.Set("Authorization", "Bearer "+key.Reveal())
		e.ServeHTTP(httptest.NewRecorder(), q)
		d := dealOf(deals()[0])
		if err := view.Deal(d); err != nil || view.Deal(dealOf(deals()[1])) == nil {
			t.Errorf("%s: her deal %v, or the other's is seen", scope, err)
		}
		if got := d.Contacts[0].Name == "Carla Canary"; got != want {
			t.Errorf("%s: named is %v", scope, got)
		}
		if err := view.Contact(&trail.ContactDetail{ContactRow: trail.ContactRow{Address: "carla@acme.example", Owner: "rita@ours.test"}}); (err == nil) != want {
			t.Errorf("%s: %v", scope, err)
		}
	}
}

// TestNoReportNamesAnybodyToWhoSeesRolesAlone fills every report with canaries.
func TestNoReportNamesAnybodyToWhoSeesRolesAlone(t *testing.T) {
	view := access.View{All: true}
	const address, name = "canary@acme.example", "Canary"
	row := trail.ContactRow{Contact: "c1", Address: address, Name: name, Title: "CISO", Account: "Acme", Domain: "acme.example"}
	deal := deals()[0]
	events := []trail.TrailRow{{Kind: trail.Replied, Contacts: []string{address}}}
	review := &trail.Review{
		Leads: []trail.Lead{{ContactRow: row, Decision: &trail.Decision{Contact: "c1", Address: address, Title: name}}}, Rows: []trail.ReviewRow{{Deal: deal, Contacts: []string{name}}},
		Decisions: []trail.Decision{{Contact: "c1", Address: address, Title: name}}, Earlier: []trail.Decision{{Contact: "c2", Address: "canary2@acme.example", Title: name}},
	}
	view.Review(review)
	account := &trail.AccountDetail{Domain: "acme.example", Deals: deals(), Contacts: []trail.ContactRow{row}, Events: events}
	if err := view.Account(account); err != nil {
		t.Fatal(err)
	}
	content := &trail.ContentDetail{DealRows: deals(), Events: []trail.TrailRow{{Contacts: []string{address}}}}
	view.Content(content)
	service := &trail.Service{Ignored: []trail.ServiceLead{{Contact: "c1", Address: address, Name: name, Account: "Acme"}}}
	view.Service(service)
	quality := &trail.Quality{Groups: []trail.QualityGroup{{Rows: []trail.QualityRow{{Contact: address}}}}, Review: []trail.Doubt{{People: []string{address}}}}
	view.Quality(quality)
	why := view.Why([]trail.WhyDeal{{Owner: deal.Owner, Touches: []trail.WhyTouch{{Contacts: []string{address}}}}})
	if err := view.Contact(&trail.ContactDetail{ContactRow: row}); err == nil {
		t.Error("the contact's own page is shown")
	}
	people := []trail.ContactRow{row}
	view.Contacts(deal.Owner, people)
	text, err := json.Marshal([]any{review, account, content, service, quality, why, people})
	if err != nil {
		t.Fatal(err)
	}
	if s := strings.ToLower(string(text)); strings.Contains(s, "canary") || !strings.Contains(s, "ciso at acme") {
		t.Errorf("named: %s", text)
	}
}

func TestWhoLooksAtWhomIsWrittenDown(t *testing.T) {
	o := newOffice(t)
	o.add("ada@ours.test", good, access.Admin)
	o.add("rita@ours.test", good, access.Rep)
	o.add("mia@ours.test", good, access.Marketer)
	e := echo.New()
	look := func(c echo.Context) error {
		d := dealOf(deals()[0])
		if err := access.From(c.Request().Context()).View.Deal(d); err != nil {
			return err
		}
		return c.JSON(200, d)
	}
	e.GET("/deals/:id", look, echo.WrapMiddleware(o.Sessions.LoadAndSave), o.Guard)
	e.GET("/v1/deals/:id", look, o.Guard)
	e.POST("/signin", func(c echo.Context) error {
		return o.SignIn(c, access.SignInForm{Email: c.QueryParam("as"), Password: good})
	}, echo.WrapMiddleware(o.Sessions.LoadAndSave))
	for _, email := range []string{"rita@ours.test", "mia@ours.test"} {
		r, q := httptest.NewRecorder(), httptest.NewRequest("POST", "/signin?as="+email, nil)
		q.RemoteAddr = "127.0.0.1:1"
		e.ServeHTTP(r, q)
		q = httptest.NewRequest("GET", "/deals/D1", nil)
		for _, c := range r.Result().Cookies() {
			q.AddCookie(c)
		}
		e.ServeHTTP(httptest.NewRecorder(), q)
	}
	q := httptest.NewRequest("GET", "/v1/deals/D1", nil)
	q.Header.Set("Authorization", "Bearer "+o.AdminKey.Reveal())
	e.ServeHTTP(httptest.NewRecorder(), q)

	o.now = time.Now()
	all, next, err := o.Entries(t.Context(), "", "", "", 10)
	if err != nil || len(all) != 2 || next != "" { // the marketer saw nobody by name
		t.Fatalf("%+v %q %v", all, next, err)
	}
	if all[0].Who != "key admin" || all[1].Who != "rita@ours.test" || all[1].Route != "GET /deals/:id" || all[1].People != 4 || len(all[1].Contacts) != 4 {
		t.Errorf("%+v", all)
	}
	if about, _, err := o.Entries(t.Context(), "rita@ours.test", "Carla@acme.example", "", 10); err != nil || len(about) != 1 {
		t.Errorf("%+v %v", about, err)
	}
	first, next, err := o.Entries(t.Context(), "", "", "", 1)
	if err != nil || len(first) != 1 || next == "" {
		t.Fatalf("%+v %q %v", first, next, err)
	}
	if second, _, err := o.Entries(t.Context(), "", "", next, 1); err != nil || len(second) != 1 || second[0].ID == first[0].ID {
		t.Errorf("%+v %v", second, err)
	}
	if kept := fmt.Sprint(server.XRange(t.Context(), "dealtrail:access", "-", "+").Val()); strings.Contains(kept, "acme.example") || strings.Contains(kept, "Canary") {
		t.Errorf("the log names people: %s", kept)
	}
	o.LogMonths, o.now = 13, time.Now().AddDate(0, 14, 0)
	if all, _, _ := o.Entries(t.Context(), "", "", "", 10); len(all) != 0 {
		t.Errorf("after 14 months: %+v", all)
	}
	server.Del(t.Context(), "dealtrail:access")
	for _, id := range []string{fmt.Sprintf("%d-0", o.now.AddDate(0, -14, 0).UnixMilli()), fmt.Sprintf("%d-0", o.now.AddDate(0, -12, 0).UnixMilli())} {
		server.XAdd(t.Context(), &redis.XAddArgs{Stream: "dealtrail:access", ID: id, Values: []any{"who", "rita@ours.test", "people", 1}})
	}
	for _, c := range []struct {
		months int
		left   int64
	}{{0, 2}, {13, 1}} {
		o.LogMonths = c.months
		if err := o.Forget(t.Context()); err != nil || server.XLen(t.Context(), "dealtrail:access").Val() != c.left {
			t.Errorf("with %d months %d entries are left: %v", c.months, server.XLen(t.Context(), "dealtrail:access").Val(), err)
		}
	}
}
