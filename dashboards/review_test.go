package dashboards

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/xuri/excelize/v2"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// meeting is a review of a small company in a zone, at a time that the test sets.
type meeting struct {
	db   *store.DB
	e    *echo.Echo
	site *Site
	now  time.Time
	zone *time.Location
}

// meet opens one over some events.
func meet(t testing.TB, zoneName string, now time.Time, events ...trail.Event) *meeting {
	t.Helper()
	m := &meeting{db: storetest.Open(t), now: now, zone: zone(t, zoneName)}
	if err := m.db.InsertEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return m.now }
	m.site, m.e = newSite(t, m.db, func(s *Site) {
		s.Zone, s.Now = m.zone, clock
		s.Reviews = &ingest.Reviews{DB: m.db, Contacts: contactKey, Zone: m.zone, Now: clock, Emit: func(ctx context.Context, events ...trail.Event) error { return m.db.InsertEvents(ctx, events) }}
		s.SignedIn = func(echo.Context) string { return "mia@lumen.example" }
	})
	return m
}

// aLead is a contact with a status who clicked twice at a time, and the deal they are on.
func aLead(address, name, dealID string, at time.Time) []trail.Event {
	contact := contactKey.ID(address)
	before := at.AddDate(0, 0, -20)
	who := trail.Registration("csv", trail.ContactKind, string(contact), trail.State{}, trail.State{Attrs: map[string]string{"status": "lead", "domain": trail.Domain(address)}, Person: &trail.Person{Address: address, Name: name}}, before)
	deal := trail.Registration("csv", trail.DealKind, dealID, trail.State{}, trail.State{Attrs: map[string]string{
		"name": "Deal of " + name, "status": "lost", "closed_at": at.UTC().Format(time.RFC3339), "created_at": before.UTC().Format(time.RFC3339), "amount": "100", "currency": "EUR", "loss_reason": "of " + name, "contacts": string(contact),
	}}, before)
	events := []trail.Event{who, deal}
	for i := range 2 {
		when := at.Add(time.Duration(i) * time.Second)
		events = append(events, trail.Event{ID: trail.IDFrom(when, "test", address, fmt.Sprint(i)), Kind: trail.Clicked, Source: "track", At: when, ReceivedAt: when, Content: "deck", Contact: contact, Verdict: trail.Verdict{Agent: trail.Human, Probability: .95}})
	}
	return events
}

const bad = `</title><script>alert("1")</script>`

// The page, the files and what the API gives are of the same moments: a click at half
// past eleven on Sunday evening is of that Sunday, in every zone.
func TestPageAndFilesTellTheDayByTheCompanysClock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, week string
		at         time.Time
		day        string
	}{
		{"Australia/Sydney", "2026-W40", time.Date(2026, 10, 4, 23, 30, 0, 0, zone(t, "Australia/Sydney")), "4 Oct 2026"},
		{"America/New_York", "2026-W44", time.Date(2026, 11, 1, 23, 30, 0, 0, zone(t, "America/New_York")), "1 Nov 2026"},
	} {
		m := meet(t, c.zone, c.at.AddDate(0, 0, 2), aLead("ann@a.example", bad, "D1", c.at)...)
		page := read(t, m.e, "/review?week="+c.week)
		if strings.Contains(page, "<script>alert") || !strings.Contains(page, "licked twice (likely") || !strings.Contains(page, ">"+c.day+"</time>") {
			t.Errorf("%s: the page lacks the lead or its day", c.zone)
		}
		printed := read(t, m.e, "/review?week="+c.week+"&format=html")
		if strings.Contains(printed, "<script>alert") || !strings.Contains(printed, "last touch "+c.day) || strings.Contains(printed, "src=") || strings.Contains(printed, "href=") {
			t.Errorf("%s: the file to print lacks the day, or needs something else:\n%s", c.zone, printed)
		}
		rows := readCSV(t, m.e, "/review?week="+c.week+"&format=csv")
		if len(rows) != 3 || rows[1][1] != "lead" || !strings.HasPrefix(rows[1][15], c.at.Format("2006-01-02T15:04")) {
			t.Errorf("%s: CSV %q", c.zone, rows)
		}
		book, err := excelize.OpenReader(strings.NewReader(read(t, m.e, "/review?week="+c.week+"&format=xlsx")))
		if err != nil {
			t.Fatal(err)
		}
		cells, err := book.GetRows("Leads")
		if err != nil || !strings.Contains(strings.Join(cells[1], "|"), c.at.Format("2006-01-02 15:04")) {
			t.Errorf("%s: XLSX %q %v", c.zone, cells, err)
		}
		// A minute after midnight on Monday is of the next week.
		if next := read(t, m.e, "/review?week="+trail.WeekOf(c.at.Add(time.Hour), m.zone)); strings.Contains(next, "licked twice (likely") {
			t.Errorf("%s: the week after has the clicks too", c.zone)
		}
	}
}

func TestTheMeetingWritesDownWhatItDecided(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	m := meet(t, "Europe/Berlin", at.AddDate(0, 0, 6), append(aLead("ann@a.example", "Ann", "D/1 x", at), aLead("bob@b.example", "Bob", "D2", at)...)...)
	ann := string(contactKey.ID("ann@a.example"))
	to := "/review/2026-W47/decisions"
	form := url.Values{"contact": {ann}, "quality": {"good"}, "needs": {bad}, "state": {"accepted"}, "decision": {"Send <prices>"}, "owner": {"rita@ours.example"}, "due": {"2026-11-27"}, "reason": {""}}
	answer := post(t, m.e, to, form)
	if answer.Code != http.StatusSeeOther || !strings.Contains(answer.Header().Get("Location"), "week=2026-W47#lead-"+ann) && !strings.Contains(answer.Header().Get("Location"), "#lead-"+ann) {
		t.Fatalf("%d to %s: %s", answer.Code, answer.Header().Get("Location"), answer.Body)
	}
	page := read(t, m.e, "/review?week=2026-W47")
	if strings.Contains(page, "<script>alert") || !strings.Contains(page, "Send &lt;prices&gt;") || !strings.Contains(page, ` name="due" value="2026-11-27"`) {
		t.Error("the page does not show what was decided, or not harmlessly")
	}
	if printed := read(t, m.e, "/review?week=2026-W47&format=html"); !strings.Contains(printed, "Send &lt;prices&gt;") || strings.Contains(printed, "<script>alert") {
		t.Error("nor does the file to print")
	}
	// What is refused stays typed, and says why.
	refused := post(t, m.e, to, url.Values{"deal": {"D/1 x"}, "state": {"rejected"}, "needs": {"typed"}})
	if body := refused.Body.String(); refused.Code != http.StatusUnprocessableEntity || !strings.Contains(body, "Say the reason") || !strings.Contains(body, ">typed</textarea>") || !strings.Contains(body, `id="deal-D/1 x" open`) {
		t.Errorf("refused: %d", refused.Code)
	}
	for name, form := range map[string]url.Values{"unknown deal": {"deal": {"none"}, "needs": {"x"}}, "nobody": {"needs": {"x"}}, "unknown lead": {"email": {"who@x.example"}, "needs": {"x"}}} {
		if r := post(t, m.e, to, form); r.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, r.Code)
		}
	}
	if post(t, m.e, to, url.Values{"deal": {"D/1 x"}, "state": {"recycled"}, "reason": {"no budget"}}).Code != http.StatusSeeOther {
		t.Error("a deal cannot be decided on")
	}
	all, err := m.db.Decisions(t.Context(), "2026-W47")
	if err != nil || len(all) != 2 || all[0].By != "mia@lumen.example" {
		t.Fatalf("%+v %v", all, err)
	}
	// The week after begins with it; a button says that it is done.
	m.now = m.now.AddDate(0, 0, 7)
	next := read(t, m.e, "/review?week=2026-W48")
	if !strings.Contains(next, "What we had decided") || !strings.Contains(next, "not kept") || strings.Contains(next, "no budget") {
		t.Error("the week after does not say that it was not kept")
	}
	id := ""
	for _, d := range all {
		if d.Text != "" {
			id = d.ID
		}
	}
	if r := post(t, m.e, "/review/2026-W48/decisions", url.Values{"id": {id}, "done": {"yes"}}); r.Code != http.StatusSeeOther {
		t.Fatalf("done: %d %s", r.Code, r.Body)
	}
	if next := read(t, m.e, "/review?week=2026-W48"); !strings.Contains(next, "done late") {
		t.Error("nor that it was done late")
	}
}

// bringBack uploads a workbook on the page.
func bringBack(t testing.TB, m *meeting, week string, content []byte) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	f, err := w.CreateFormFile("file", "review.xlsx")
	if err != nil {
		t.Fatal(err)
	}
	f.Write(content)
	w.Close()
	return postBody(t, m.e, "/review/"+week+"/xlsx", w.FormDataContentType(), &b)
}

func TestAWorkbookThatWasFilledInComesBackOnThePage(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	m := meet(t, "Europe/Berlin", at.AddDate(0, 0, 6), append(aLead("ann@a.example", "Ann", "D1", at), aLead("bob@b.example", "Bob", "D2", at)...)...)
	review := func() trail.Review {
		r, err := m.db.WeekReview(t.Context(), "2026-W47", m.zone, m.now, store.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return *r
	}
	r := review()
	content := []byte(read(t, m.e, "/review?week=2026-W47&format=xlsx"))
	if body := bringBack(t, m, "2026-W47", content).Body.String(); !strings.Contains(body, "0 changed, 4 as before") {
		t.Error("an unchanged file changes something")
	}
	// Meanwhile somebody writes on the page: the file knows nothing of it and leaves it alone.
	first := contactKey.ID(r.Leads[0].Address)
	if _, _, err := m.site.Reviews.Decide(t.Context(), "2026-W47", ingest.Teller{Source: "api"}, ingest.Said{Contact: first, Fields: map[string]string{"needs": "a price"}}); err != nil {
		t.Fatal(err)
	}
	set := func(sheet, column string, row int) string { return cellOf(t, r, sheet, column, row) }
	filled := edited(t, content, map[string]any{
		set("Leads", "quality", 2): "fair", set("Leads", "decision", 3): "call", set("Leads", "decision_owner", 3): "rita", set("Leads", "due", 3): time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC),
		set("Lost", "state", 2): "maybe", set("Leads", "email", 4): "who@x.example", set("Leads", "needs", 4): "x",
	})
	answer := bringBack(t, m, "2026-W47", filled)
	body := answer.Body.String()
	for _, part := range []string{"2 changed", "2 not understood", "Lost, row 2: The state is", "Leads, row 4: The CRM knows no contact"} {
		if !strings.Contains(body, part) {
			t.Errorf("the answer lacks %q", part)
		}
	}
	got := review()
	if d := got.Leads[0].Decision; d == nil || d.Quality != "fair" || d.Needs != "a price" {
		t.Errorf("the first lead: %+v", d)
	}
	if d := got.Leads[1].Decision; d == nil || d.Text != "call" || d.Due != "2026-11-27" || d.By != "mia@lumen.example" {
		t.Errorf("the second lead: %+v", d)
	}
	before, err := m.db.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bringBack(t, m, "2026-W47", filled)
	if after, _ := m.db.Counts(t.Context()); after.Events != before.Events {
		t.Errorf("the same file twice is %d events", after.Events-before.Events)
	}
	for week, says := range map[string]string{"2026-W46": "the review of 2026-W47, not of 2026-W46", "2026-W47": "not the XLSX"} {
		file := filled
		if week == "2026-W47" {
			file = []byte("no workbook")
		}
		if r := bringBack(t, m, week, file); r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), says) {
			t.Errorf("%s: %d", week, r.Code)
		}
	}
}

func TestTheFileToPrintAppliesItsOwnStyleAndNothingElse(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := ReviewHTML(&b, oneReview(t)); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if !strings.Contains(text, "<style>"+printStyle+"</style>") {
		t.Error("the style is not what the policy has the hash of")
	}
	if strings.Contains(text, "<b>") || !strings.Contains(text, "&lt;b&gt;") {
		t.Error("what people wrote is not escaped")
	}
	if !strings.Contains(text, "size: A4") || strings.Contains(text, "<script") || strings.Contains(text, "http:") && !strings.Contains(text, "HYPERLINK") {
		t.Error("it is not for A4, or needs something else")
	}
	var table bytes.Buffer
	if err := ReviewCSV(&table, oneReview(t)); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 5 || rows[4][1] != "earlier" || rows[3][32] != "" || rows[1][15] != "2026-10-04T23:30:00+11:00" {
		t.Errorf("CSV %q %v", rows, err)
	}
}

func TestAPageOfAReviewShowsWhatAMeetingCanTalkAbout(t *testing.T) {
	t.Parallel()
	var part, all reviewSection
	for i := range 150 {
		row := trail.ReviewRow{}
		if i == 140 {
			row.Decision = &trail.Decision{Text: "call them"}
		}
		part.add(row, false)
		all.add(row, true)
	}
	if len(part.Rows) != 101 || part.Rows[100].Decision == nil || part.More() != 49 || part.Count != 150 {
		t.Errorf("%d of %d are shown, %d are not", len(part.Rows), part.Count, part.More())
	}
	if len(all.Rows) != 150 || all.More() != 0 {
		t.Errorf("%d of all are shown", len(all.Rows))
	}
}
