package access_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

// Who is here already, by a provider's default role, may be the one who runs dealtrail.
func TestTheFirstLinkMakesAnAdminOfWhoIsHereToo(t *testing.T) {
	o := newOffice(t)
	o.add("rita@ours.test", "", access.Rep)
	link, err := o.FirstLink(t.Context())
	if err != nil || link == "" {
		t.Fatalf("no link while nobody is an admin: %v", err)
	}
	u, _ := url.Parse(link)
	if s, body := o.do(o.browser(), "POST", "/signin", url.Values{"code": {u.Query().Get("code")}, "email": {"rita@ours.test"}, "password": {good}}); s != 204 {
		t.Fatalf("%d %s", s, body)
	}
	if p, err := o.Person(t.Context(), "rita@ours.test"); err != nil || p.Roles != access.Admin|access.Rep {
		t.Errorf("%+v, %v", p, err)
	}
}

// Breaking an answer off does not keep it out of the log, and neither does an error after it.
func TestAnAnswerThatBrokeOffIsWrittenDown(t *testing.T) {
	o := newOffice(t)
	e := echo.New()
	e.GET("/v1/deals/:id", func(c echo.Context) error {
		if err := access.From(c.Request().Context()).View.Deal(dealOf(deals()[0])); err != nil {
			return err
		}
		return errors.New("write: broken pipe")
	}, o.Guard)
	q := httptest.NewRequest("GET", "/v1/deals/D1", nil)
	q.Header.Set("Authorization", "Bearer "+o.AdminKey.Reveal())
	e.ServeHTTP(httptest.NewRecorder(), q)
	o.now = time.Now()
	if all, _, err := o.Entries(t.Context(), "", "", "", 10); err != nil || len(all) != 1 || all[0].People != 4 {
		t.Errorf("%+v %v", all, err)
	}
}

// A marketer owns one contact of several who got a mail.
func TestASeenContactDoesNotShowOthers(t *testing.T) {
	o := newOffice(t)
	o.add("ada@ours.test", good, access.Admin)
	o.add("mia@ours.test", good, access.Marketer)
	d := &trail.ContactDetail{
		ContactRow: trail.ContactRow{Address: "carla@acme.example", Name: "Carla Canary", Owner: "mia@ours.test"},
		Events:     []trail.TrailRow{{Kind: trail.Sent, Rep: "rita@ours.test", Contacts: []string{"carla@acme.example", "secret@acme.example"}}},
	}
	if err := o.viewOf("mia@ours.test").Contact(d); err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(d); strings.Contains(string(text), "secret") || !strings.Contains(string(text), "Carla Canary") {
		t.Errorf("%s", text)
	}
}
