package dashboards

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// crmSite is a site with a CRM whose words are as long and as odd as a CRM lets people
// write, and one that only delivers. said are the stages that were set.
func crmSite(t testing.TB) (e *echo.Echo, said *map[string]trail.CRMMeaning, asked *[]string) {
	t.Helper()
	said, asked = &map[string]trail.CRMMeaning{}, &[]string{}
	long := "<script>alert(1)</script> " + strings.Repeat("Verhandlungsphase", 6)
	_, e = newSite(t, storetest.Open(t), func(s *Site) {
		s.CRM = &CRM{
			Sources: func(context.Context) ([]trail.CRMSource, error) {
				return []trail.CRMSource{
					{
						Name: "hubspot", Kind: "hubspot", Pulls: true, Address: "https://go.example.com/v1/webhooks/hubspot", Deals: 43, DeliveredAt: today, PulledAt: today, FullAt: today, NextAt: today.Add(time.Hour), Refused: 2, Aside: 1, Waiting: 3,
						Trouble: "hubspot does not accept the token; make a new one and put it into the file.", Note: "amount was left out: amount \"many\" is not a number.",
						Silent: []string{"17", "18"}, Unmatched: []trail.CRMUnmatched{{ID: "703", At: today}},
						Pipelines: []trail.CRMPipeline{{ID: "default", Name: "Sales", Stages: []trail.CRMStage{
							{ID: "1", Name: "Demo", Here: "First call", Means: "open", Probability: 0.2},
							{ID: "3", Name: "Offer", Here: "Offer", Means: "open", Probability: 0.5},
							{ID: "2", Name: long, Here: long, Means: "open", HereMeans: "won", Probability: -1},
						}}},
					},
					{Name: "shop", Kind: "standard", Address: "https://go.example.com/v1/webhooks/shop"},
				}, nil
			},
			Reconcile: func(_ context.Context, name string, from, to time.Time) (*trail.Reconciliation, error) {
				if name != "hubspot" {
					return nil, trail.Problemf(trail.Invalid, "%s is not asked.", name)
				}
				return &trail.Reconciliation{
					Source: name, From: from, To: to, AsOf: today, FullAt: today,
					Counts: []trail.ReconciledCount{{Pipeline: "Sales", Status: "won", CRM: 43, Here: 41}},
					Rows:   []trail.ReconciledDeal{{ID: "7", Name: long, Pipeline: "Sales", CRM: "won", Reason: "It is not here."}, {ID: "=8", Name: "=1+1", Pipeline: "Sales", CRM: "won", Here: "lost", Reason: "A file spoke of it later."}},
				}, nil
			},
			SetStages: func(_ context.Context, name string, set map[string]trail.CRMMeaning) error { *said = set; return nil },
			Ask: func(_ context.Context, name string, full bool) error {
				if name != "hubspot" {
					return trail.Problemf(trail.Invalid, "%s is not asked.", name)
				}
				*asked = append(*asked, map[bool]string{true: "everything", false: "changes"}[full])
				return nil
			},
		}
	})
	return e, said, asked
}

func TestWhatACRMTellsIsOnAPage(t *testing.T) {
	t.Parallel()
	e, said, asked := crmSite(t)
	body := read(t, e, "/crm?crm=hubspot&from=2026-10-01&to=2026-10-31")
	for _, want := range []string{"does not accept the token", "did not answer for 2 deals", "17, 18", ">703<", "https://go.example.com/v1/webhooks/shop", "20.0%", "43", "41", "stages = [&#34;First call&#34;, &#34;Offer&#34;]", "Deals on which the two differ", "not here", `<option selected>won</option>`, `value="First call"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(body, "<script>alert") {
		t.Error("a stage's name is markup")
	}
	if csv := read(t, e, "/crm?crm=hubspot&table=reconciliation&format=csv"); !strings.Contains(csv, "'=8") && !strings.Contains(csv, "'=1+1") {
		t.Errorf("a formula is in the file: %s", csv)
	}
	if csv := read(t, e, "/crm?table=stages-hubspot-0&format=csv"); !strings.Contains(csv, "Demo,20.0,open,First call,as the CRM says\r\n") && !strings.Contains(csv, "Demo,20.0,open,First call,as the CRM says\n") {
		t.Errorf("what stages mean is in no file: %s", csv)
	}
	form := url.Values{"stage": {"1", "2"}, "name": {"Demo", "Offer"}, "means": {"", "lost"}}
	if r := post(t, e, "/crm/hubspot/stages", form); r.Code != http.StatusSeeOther || (*said)["2"] != (trail.CRMMeaning{Name: "Offer", Means: "lost"}) || len(*said) != 2 {
		t.Errorf("%d, %+v", r.Code, *said)
	}
	if r := post(t, e, "/crm/hubspot/stages", url.Values{"stage": {"1", "2"}, "name": {"Demo"}}); r.Code != http.StatusBadRequest {
		t.Errorf("half a form: %d", r.Code)
	}
	post(t, e, "/crm/hubspot/pull", url.Values{"full": {"yes"}})
	post(t, e, "/crm/hubspot/pull", nil)
	if strings.Join(*asked, " ") != "everything changes" {
		t.Errorf("asked %q", *asked)
	}
	for _, path := range []string{"/crm?crm=shop", "/crm?crm=hubspot&from=soon"} {
		if r := get(t, e, path); r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), `role="alert"`) {
			t.Errorf("%s: %d", path, r.Code)
		}
	}
	if r := post(t, e, "/crm/shop/pull", nil); r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), "is not asked") {
		t.Errorf("%d", r.Code)
	}
	_, none := newSite(t, storetest.Open(t), nil)
	if body := read(t, none, "/crm"); !strings.Contains(body, "No CRM is connected") {
		t.Error("a page without a CRM does not say how to connect one")
	}
}
