package feed

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

// script answers questions as a CRM documents its answers: by method and path with the
// parameters that matter, in their order. What is not in it is a 404.
type script map[string]string

func (s script) source(t *testing.T, kind string, proof func(q *http.Request) bool) *Source {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !proof(q) {
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`)
			return
		}
		values := q.URL.Query()
		asked := q.Method + " " + q.URL.Path
		for _, name := range []string{"cursor", "start", "ids", "updated_since", "_skip", "opportunity_id", "date_updated__gte", "q"} {
			if v := values.Get(name); v != "" && v != "0" {
				asked += " " + name + "=" + v
			}
		}
		body := ""
		for pattern, answer := range s {
			if prefix, ok := strings.CutSuffix(pattern, "*"); asked == pattern || ok && strings.HasPrefix(asked, prefix) && len(prefix) > 0 {
				body = answer
			}
		}
		switch {
		case body == "":
			w.WriteHeader(http.StatusNotFound)
		case strings.HasPrefix(body, "400"):
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, body[3:])
		default:
			io.WriteString(w, body)
		}
	}))
	t.Cleanup(server.Close)
	return &Source{Name: kind, Kind: kind, URL: server.URL, HTTP: server.Client(), pause: noPause, Token: func() (string, error) { return "the-token", nil }}
}

// pull asks for everything, or for what changed since.
func pull(t *testing.T, api asked, since time.Time) string {
	t.Helper()
	var lines []string
	err := api.changed(t.Context(), since, day("2024-11-22 00:00"), func(deals []Deal) error {
		for _, d := range deals {
			lines = append(lines, summary([]Change{{Whole: true, Deal: d}}))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func wantLines(t *testing.T, what, got string, want ...string) {
	t.Helper()
	if got != strings.Join(want, "\n") {
		t.Errorf("%s:\n got %s\nwant %s", what, got, strings.Join(want, "\n"))
	}
}

func wantStages(t *testing.T, api asked, want string) {
	t.Helper()
	pipelines, err := api.pipelines(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range pipelines {
		for _, s := range p.Stages {
			got = append(got, p.Name+"/"+s.Name+"="+s.Means)
		}
	}
	if strings.Join(got, " ") != want {
		t.Errorf("stages %q, want %q", strings.Join(got, " "), want)
	}
}

func TestPipedriveIsAsked(t *testing.T) {
	deal := func(id, status, stage, rest string) string {
		return `{"id":` + id + `,"title":"Deal ` + id + `","owner_id":2,"person_id":3,"org_id":4,"pipeline_id":1,"stage_id":` + stage + `,"value":10,"currency":"EUR","status":"` + status + `","add_time":"2026-09-01T08:00:00Z","update_time":"2026-11-20T08:00:00Z","stage_change_time":"2026-09-05T08:00:00Z"` + rest + `}`
	}
	s := script{
		"GET /api/v2/pipelines":                                `{"success":true,"data":[{"id":1,"name":"Sales","order_nr":0}],"additional_data":{"next_cursor":null}}`,
		"GET /api/v2/stages":                                   `{"success":true,"data":[{"id":6,"name":"Offer","pipeline_id":1,"order_nr":2,"deal_probability":60}],"additional_data":{"next_cursor":"abc"}}`,
		"GET /api/v2/stages cursor=abc":                        `{"success":true,"data":[{"id":5,"name":"Demo","pipeline_id":1,"order_nr":1,"deal_probability":null}],"additional_data":{"next_cursor":null}}`,
		"GET /api/v2/deals":                                    `{"success":true,"data":[` + deal("7", "open", "6", "") + `],"additional_data":{"next_cursor":"p2"}}`,
		"GET /api/v2/deals cursor=p2":                          `{"success":true,"data":[` + deal("8", "lost", "5", `,"lost_time":"2026-10-01T08:00:00Z","lost_reason":"Price"`) + `,` + deal("9", "won", "5", `,"won_time":"2020-10-01T08:00:00Z"`) + `],"additional_data":{"next_cursor":null}}`,
		"GET /api/v2/deals ids=7,99":                           `{"success":true,"data":[` + deal("7", "open", "6", "") + `],"additional_data":{"next_cursor":null}}`,
		"GET /api/v1/deals/7/participants":                     `{"success":true,"data":[{"id":31,"name":"Cy"}],"additional_data":{"pagination":{"start":0,"limit":500,"more_items_in_collection":false}}}`,
		"GET /api/v1/deals/8/participants":                     `{"success":true,"data":null,"additional_data":{}}`,
		"GET /api/v1/deals/7/flow":                             `{"success":true,"data":[{"object":"dealChange","timestamp":"2026-09-06 08:00:00","data":{"field_key":"stage_id","old_value":"5","new_value":"6","log_time":"2026-09-06 08:00:00"}},{"object":"dealChange","data":{"field_key":"value","old_value":"1","new_value":"2","log_time":"2026-09-07 08:00:00"}}],"additional_data":{"pagination":{"start":0,"limit":2,"more_items_in_collection":true,"next_start":2}}}`,
		"GET /api/v1/deals/7/flow start=2":                     `{"success":true,"data":[{"object":"activity","data":{"id":1,"subject":"Call"}}],"additional_data":{"pagination":{"more_items_in_collection":false}}}`,
		"GET /api/v1/deals/8/flow":                             `{"success":true,"data":[],"additional_data":{}}`,
		"GET /api/v1/users":                                    `{"success":true,"data":[{"id":2,"name":"Anna","email":"anna@example.com"}]}`,
		"GET /api/v2/persons ids=3,31":                         `{"success":true,"data":[{"id":3,"name":"Bo Acme","first_name":"Bo","last_name":"Acme","job_title":"CEO","emails":[{"value":"old@acme.example","primary":false},{"value":"bo@acme.example","primary":true}]},{"id":31,"name":"Cy","emails":[]}]}`,
		"GET /api/v2/persons ids=3":                            `{"success":true,"data":[{"id":3,"name":"Bo Acme","first_name":"Bo","last_name":"Acme","emails":[{"value":"bo@acme.example","primary":true}]}]}`,
		"GET /api/v2/organizations ids=4":                      `{"success":true,"data":[{"id":4,"name":"Acme"}]}`,
		"GET /api/v2/deals updated_since=2026-11-20T00:00:00Z": `{"success":true,"data":[` + deal("8", "deleted", "5", "") + `],"additional_data":{"next_cursor":null}}`,
	}
	api, _ := s.source(t, Pipedrive, func(q *http.Request) bool { return q.Header.Get("x-api-token") == "the-token" }).asks()
	wantStages(t, api, "Sales/Demo=open Sales/Offer=open")
	seven := `7 1/6 open 2026-11-20T08:00:00Z {"account":"Acme","amount":"10","closed_at":"","created_at":"2026-09-01T08:00:00Z","currency":"EUR","loss_reason":"","name":"Deal 7","owner":"anna@example.com"} entered 5 2026-09-01T08:00:00Z entered 6 2026-09-06T08:00:00Z [map[email:bo@acme.example first_name:Bo last_name:Acme title:%s] map[name:Cy title:]]`
	wantLines(t, "everything", pull(t, api, time.Time{}), strings.Replace(seven, "%s", "CEO", 1),
		`8 1/5 lost 2026-11-20T08:00:00Z {"account":"Acme","amount":"10","closed_at":"2026-10-01T08:00:00Z","created_at":"2026-09-01T08:00:00Z","currency":"EUR","loss_reason":"Price","name":"Deal 8","owner":"anna@example.com"} entered 5 2026-09-05T08:00:00Z [map[email:bo@acme.example first_name:Bo last_name:Acme title:]]`)
	wantLines(t, "what changed", pull(t, api, day("2026-11-20 00:00")), "gone 8 2026-11-20T08:00:00Z")
	deals, err := pulled(t.Context(), api, []string{"7", "99"})
	if err != nil || len(deals) != 2 || deals[0].ID != "7" || !deals[1].Gone {
		t.Errorf("%+v, %v", deals, err)
	}
}

func TestSalesforceIsAsked(t *testing.T) {
	row := func(id, rest string) string {
		return `{"attributes":{"type":"Opportunity","url":"/x"},"Id":"` + id + `","Name":"Acme","Amount":1.5E7,"CloseDate":"2026-11-20","CreatedDate":"2026-09-01T08:00:00.000+0000","SystemModstamp":"2026-11-20T10:00:00.000+0000","IsDeleted":false,"Owner":{"attributes":{"type":"User"},"Email":"anna@example.com","Name":"Anna"},"Account":{"Name":"Acme","Website":"https://www.acme.example/"},` + rest + `}`
	}
	const query = "GET /services/data/v62.0/query q="
	s := script{
		"POST /services/oauth2/token":                          `{"access_token":"00Dxx!session","instance_url":"https://elsewhere.example","token_type":"Bearer"}`,
		query + "SELECT ApiName*":                              `{"totalSize":2,"done":true,"records":[{"ApiName":"Prospecting","MasterLabel":"Prospecting","IsClosed":false,"IsWon":false,"DefaultProbability":10.0},{"ApiName":"Closed Won","MasterLabel":"Closed Won","IsClosed":true,"IsWon":true,"DefaultProbability":100.0},{"ApiName":"Closed Lost","MasterLabel":"Closed Lost","IsClosed":true,"IsWon":false,"DefaultProbability":0.0}]}`,
		query + "SELECT CurrencyIsoCode*":                      `400[{"message":"No such column 'CurrencyIsoCode' on entity 'Opportunity'","errorCode":"INVALID_FIELD"}]`,
		query + "SELECT Id, Name*":                             `{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01g-2000","records":[` + row("0065g00000AbCdEAAV", `"StageName":"Closed Won","IsWon":true,"IsClosed":true`) + `]}`,
		"GET /services/data/v62.0/query/01g-2000":              `{"totalSize":2,"done":true,"records":[` + row("0065g00000AbCdFAAV", `"StageName":"Prospecting","IsWon":false,"IsClosed":false`) + `]}`,
		query + "SELECT OpportunityId, Role*":                  `{"done":true,"records":[{"OpportunityId":"0065g00000AbCdEAAV","Role":"Decision Maker","Contact":{"Email":"bo@acme.example","FirstName":"Bo","LastName":"Acme","Title":null}},{"OpportunityId":"0065g00000AbCdEAAV","Role":null,"Contact":null}]}`,
		query + "SELECT OpportunityId, StageName*":             `{"done":true,"records":[{"OpportunityId":"0065g00000AbCdEAAV","StageName":"Prospecting","CreatedDate":"2026-09-01T08:00:00.000+0000"},{"OpportunityId":"0065g00000AbCdEAAV","StageName":"Prospecting","CreatedDate":"2026-09-02T08:00:00.000+0000"},{"OpportunityId":"0065g00000AbCdEAAV","StageName":"Closed Won","CreatedDate":"2026-11-20T10:00:00.000+0000"}]}`,
		"GET /services/data/v62.0/queryAll q=SELECT Id, Name*": `{"totalSize":1,"done":true,"records":[` + strings.Replace(row("0065g00000AbCdFAAV", `"StageName":"Prospecting","IsWon":false,"IsClosed":false`), `"IsDeleted":false`, `"IsDeleted":true`, 1) + `]}`,
	}
	source := s.source(t, Salesforce, func(q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "/token") {
			return q.FormValue("grant_type") == "client_credentials" && q.FormValue("client_id") == "app" && q.FormValue("client_secret") == "the-token"
		}
		return q.Header.Get("Authorization") == "Bearer 00Dxx!session"
	})
	source.ClientID = "app"
	api, _ := source.asks()
	wantStages(t, api, "Opportunities/Prospecting=open Opportunities/Closed Won=won Opportunities/Closed Lost=lost")
	cells := `{"account":"Acme","amount":"15000000","closed_at":"2026-11-20","created_at":"2026-09-01T08:00:00Z","currency":"","domain":"https://www.acme.example/","name":"Acme","owner":"anna@example.com"}`
	wantLines(t, "everything", pull(t, api, time.Time{}),
		`0065g00000AbCdEAAV opportunities/Closed Won won 2026-11-20T10:00:00Z `+cells+` entered Prospecting 2026-09-01T08:00:00Z entered Closed Won 2026-11-20T10:00:00Z [map[email:bo@acme.example first_name:Bo last_name:Acme role:Decision Maker title:]]`,
		`0065g00000AbCdFAAV opportunities/Prospecting open 2026-11-20T10:00:00Z `+cells+` []`)
	wantLines(t, "what changed", pull(t, api, day("2026-11-20 00:00")), "gone 0065g00000AbCdFAAV 2026-11-20T10:00:00Z")
	if got := soqlList([]string{`a'b\`}); got != `'a\'b\\'` {
		t.Errorf("a text of SOQL ends early: %s", got)
	}
	source.ClientID = "revoked"
	api, _ = source.asks()
	if _, err := api.pipelines(t.Context()); err == nil || refusal(err) || !strings.Contains(err.Error(), "does not let us sign in") || strings.Contains(err.Error(), "the-token") {
		t.Errorf("signed in with a revoked app: %v", err)
	}
}

func TestCloseIsAsked(t *testing.T) {
	opportunity := func(id, status, kind, rest string) string {
		return `{"id":"` + id + `","lead_id":"lead_1","lead_name":"Acme","status_id":"` + status + `","status_type":"` + kind + `","pipeline_id":"pipe_1","value":125050,"value_currency":"EUR","user_id":"user_1","user_name":"Anna","contact_id":"cont_1","date_created":"2026-09-01T08:00:00+00:00","date_updated":"2026-11-20T08:00:00+00:00"` + rest + `}`
	}
	s := script{
		"GET /api/v1/pipeline/":            `{"data":[{"id":"pipe_1","name":"Sales","statuses":[{"id":"st_1","label":"Active","type":"active"},{"id":"st_2","label":"Won","type":"won"}]}]}`,
		"GET /api/v1/opportunity/":         `{"data":[` + opportunity("oppo_1", "st_2", "won", `,"date_won":"2026-11-20"`) + `],"has_more":true}`,
		"GET /api/v1/opportunity/ _skip=1": `{"data":[` + opportunity("oppo_2", "st_1", "active", "") + `,` + opportunity("oppo_3", "st_2", "won", `,"date_won":"2020-01-01"`) + `],"has_more":false}`,
		"GET /api/v1/opportunity/oppo_2/":  opportunity("oppo_2", "st_1", "active", ""),
		"GET /api/v1/user/":                `{"data":[{"id":"user_1","email":"anna@example.com"}],"has_more":false}`,
		"GET /api/v1/lead/lead_1/":         `{"display_name":"Acme Ltd","url":"https://acme.example","contacts":[{"id":"cont_1","name":"Bo","title":"CEO","emails":[{"email":"bo@acme.example","type":"office"}]},{"id":"cont_2","name":"Cy","emails":[{"email":"cy@acme.example"}]}]}`,
		"GET /api/v1/activity/status_change/opportunity/ opportunity_id=oppo_1": `{"data":[{"old_status_id":"st_1","new_status_id":"st_2","date_created":"2026-11-20T08:00:00+00:00"}],"has_more":false}`,
		"GET /api/v1/activity/status_change/opportunity/ opportunity_id=oppo_2": `{"data":[],"has_more":false}`,
	}
	api, _ := s.source(t, Close, func(q *http.Request) bool { user, _, _ := q.BasicAuth(); return user == "the-token" }).asks()
	wantStages(t, api, "Sales/Active=open Sales/Won=won")
	line := `{"account":"Acme Ltd","amount":"1250.5","closed_at":"CLOSED","created_at":"2026-09-01T08:00:00Z","currency":"EUR","domain":"https://acme.example","name":"Acme","owner":"anna@example.com"}`
	wantLines(t, "everything", pull(t, api, time.Time{}),
		`oppo_1 pipe_1/st_2 won 2026-11-20T08:00:00Z `+strings.Replace(line, "CLOSED", "2026-11-20", 1)+` entered st_2 2026-11-20T08:00:00Z [map[email:bo@acme.example name:Bo title:CEO]]`,
		`oppo_2 pipe_1/st_1 open 2026-11-20T08:00:00Z `+strings.Replace(line, "CLOSED", "", 1)+` entered st_1 2026-09-01T08:00:00Z [map[email:bo@acme.example name:Bo title:CEO]]`)
	deals, err := pulled(t.Context(), api, []string{"oppo_2", "gone"})
	if err != nil || len(deals) != 2 || !deals[1].Gone {
		t.Errorf("%+v, %v", deals, err)
	}
}

func TestAttioIsAsked(t *testing.T) {
	record := `{"id":{"workspace_id":"w","object_id":"o","record_id":"rec-1"},"created_at":"2026-09-01T08:00:00.000000000Z","values":{
		"name":[{"active_from":"2026-09-01T08:00:00Z","value":"Acme","attribute_type":"text"}],
		"stage":[{"active_from":"2026-11-20T08:00:00.000000000Z","active_until":null,"status":{"title":"Won 🎉","id":{"status_id":"st-won"}},"attribute_type":"status"}],
		"value":[{"currency_value":1250.5,"currency_code":"EUR","attribute_type":"currency"}],
		"owner":[{"referenced_actor_type":"workspace-member","referenced_actor_id":"mem-1"}],
		"associated_people":[{"target_object":"people","target_record_id":"per-1"},{"target_object":"people","target_record_id":"per-gone"}],
		"associated_company":[{"target_object":"companies","target_record_id":"com-1"}],
		"own_field":[{"value":{"a":1}}]}}`
	s := script{
		"GET /v2/objects/deals/attributes/stage/statuses":             `{"data":[{"id":{"status_id":"st-lead"},"title":"Lead","is_archived":false},{"id":{"status_id":"st-won"},"title":"Won 🎉","is_archived":false},{"id":{"status_id":"st-old"},"title":"Old","is_archived":true}]}`,
		"POST /v2/objects/deals/records/query":                        `{"data":[` + record + `]}`,
		"GET /v2/objects/deals/records/rec-1":                         `{"data":` + record + `}`,
		"GET /v2/objects/deals/records/rec-1/attributes/stage/values": `{"data":[{"active_from":"2026-09-01T08:00:00Z","active_until":"2026-11-20T08:00:00Z","status":{"title":"Lead","id":{"status_id":"st-lead"}}},{"active_from":"2026-11-20T08:00:00Z","status":{"title":"Won","id":{"status_id":"st-won"}}}]}`,
		"GET /v2/objects/people/records/per-1":                        `{"data":{"id":{"record_id":"per-1"},"values":{"email_addresses":[{"email_address":"bo@acme.example","original_email_address":"Bo@Acme.example"}],"name":[{"full_name":"Bo Acme","first_name":"Bo"}],"job_title":[{"value":"CEO"}]}}}`,
		"GET /v2/objects/companies/records/com-1":                     `{"data":{"id":{"record_id":"com-1"},"values":{"name":[{"value":"Acme Ltd"}],"domains":[{"domain":"acme.example"}]}}}`,
		"GET /v2/workspace_members":                                   `{"data":[{"id":{"workspace_member_id":"mem-1"},"email_address":"anna@example.com"}]}`,
	}
	api, _ := s.source(t, Attio, func(q *http.Request) bool { return q.Header.Get("Authorization") == "Bearer the-token" }).asks()
	wantStages(t, api, "Deals/Lead=open Deals/Won 🎉=won")
	wantLines(t, "everything", pull(t, api, time.Time{}), `rec-1 deals/st-won   {"account":"Acme Ltd","amount":"1250.5","closed_at":"2026-11-20T08:00:00Z","created_at":"2026-09-01T08:00:00Z","currency":"EUR","domain":"acme.example","name":"Acme","owner":"anna@example.com"} entered st-lead 2026-09-01T08:00:00Z entered st-won 2026-11-20T08:00:00Z [map[email:bo@acme.example name:Bo Acme title:CEO] map[email: name: title:]]`)
	deals, err := pulled(t.Context(), api, []string{"a-person", "rec-1"})
	if err != nil || len(deals) != 2 || !deals[1].Gone {
		t.Errorf("%+v, %v", deals, err)
	}
}

// A CRM that answers too much, or that leads elsewhere, is not believed.
func TestACRMIsNotFollowedEverywhere(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"a redirect", func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "http://127.0.0.1:1/", http.StatusFound)
		}, "302"},
		{"endless", func(w http.ResponseWriter, q *http.Request) {
			for range answerSize>>20 + 1 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}, "larger than"},
		{"deep", func(w http.ResponseWriter, q *http.Request) { io.WriteString(w, strings.Repeat("[", 100)) }, "deeper than"},
		{"never well", func(w http.ResponseWriter, q *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "500"},
		{"out of budget", func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Retry-After", "90000")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "429"},
	} {
		server := httptest.NewServer(c.answer)
		client := server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		s := &Source{Name: "hubspot", Kind: HubSpot, URL: server.URL, HTTP: client, pause: noPause, Token: func() (string, error) { return "the-token", nil }}
		api, _ := s.asks()
		_, err := api.pipelines(t.Context())
		if p := (*trail.Problem)(nil); !errors.As(err, &p) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "the-token") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		server.Close()
	}
}
