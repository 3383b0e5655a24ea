package feed

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hubspotServer answers as HubSpot does, from deals in memory: it searches, pages, refuses
// batches that are too large, and now and then is busy or broken.
type hubspotServer struct {
	t     testing.TB
	http  *httptest.Server
	mu    sync.Mutex
	deals map[int]*hubspotDeal
	page  int // results of a page of a search
	// answers are given instead, the first to the next question.
	answers []func(http.ResponseWriter)
	asked   []string // method and path of each question
	partial map[string]*partial
	names   map[string]string // addresses of contacts on no deal, by ID and whether archived
}

// partial is what is left out of answers to a path, with 207 Multi-Status.
type partial struct {
	ids      []string
	category string
	times    int
}

func (p *partial) answer(t testing.TB, w http.ResponseWriter, whole []byte) {
	var all map[string]any
	if err := json.Unmarshal(whole, &all); err != nil {
		t.Error(err)
	}
	all["results"] = slices.DeleteFunc(all["results"].([]any), func(r any) bool {
		row := r.(map[string]any)
		id := row["id"]
		if from, ok := row["from"].(map[string]any); ok {
			id = from["id"]
		}
		return slices.Contains(p.ids, id.(string))
	})
	all["numErrors"], all["errors"] = 1, []object{{"status": "error", "category": p.category, "message": "Could not get some objects", "context": object{"ids": p.ids}}}
	w.WriteHeader(http.StatusMultiStatus)
	if err := json.NewEncoder(w).Encode(all); err != nil {
		t.Error(err)
	}
}

type hubspotDeal struct {
	props    map[string]string
	history  []object // newest first, as HubSpot has it
	contacts []int
	modified time.Time
}

func newHubspotServer(t testing.TB) *hubspotServer {
	h := &hubspotServer{t: t, deals: map[int]*hubspotDeal{}, page: 2}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /crm/v3/pipelines/deals", h.pipelines)
	mux.HandleFunc("GET /crm/v3/owners", h.owners)
	mux.HandleFunc("POST /crm/v3/objects/deals/search", h.search)
	mux.HandleFunc("POST /crm/v3/objects/deals/batch/read", h.read)
	mux.HandleFunc("POST /crm/v4/associations/deals/contacts/batch/read", h.associations)
	mux.HandleFunc("POST /crm/v4/associations/deals/companies/batch/read", h.companies)
	mux.HandleFunc("POST /crm/v3/objects/contacts/batch/read", h.contacts)
	mux.HandleFunc("GET /crm/v3/objects/contacts/{id}", func(w http.ResponseWriter, q *http.Request) {
		address := h.names[q.PathValue("id")+" "+q.FormValue("archived")]
		if address == "" {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"status":"error","category":"OBJECT_NOT_FOUND"}`)
			return
		}
		h.answer(w, object{"id": q.PathValue("id"), "properties": object{"email": address}})
	})
	mux.HandleFunc("POST /crm/v3/objects/companies/batch/read", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"status":"COMPLETE","results":[{"id":"900","properties":{"name":"Acme","domain":"acme.example"}}]}`)
	})
	h.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asked = append(h.asked, q.Method+" "+q.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		if q.Header.Get("Authorization") != "Bearer pat-token" {
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"status":"error","message":"Authentication credentials not found","category":"INVALID_AUTHENTICATION"}`)
			return
		}
		if len(h.answers) > 0 {
			answer := h.answers[0]
			h.answers = h.answers[1:]
			answer(w)
			return
		}
		if p := h.partial[q.URL.Path]; p != nil && p.times > 0 {
			p.times--
			whole := httptest.NewRecorder()
			mux.ServeHTTP(whole, q)
			p.answer(t, w, whole.Body.Bytes())
			return
		}
		mux.ServeHTTP(w, q)
	}))
	t.Cleanup(h.http.Close)
	return h
}

// set changes a deal at a time: properties, of which dealstage has a history.
func (h *hubspotServer) set(id int, at time.Time, pairs ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.deals[id]
	if d == nil {
		d = &hubspotDeal{props: map[string]string{"pipeline": "default", "createdate": at.Format(time.RFC3339Nano), "hs_is_closed": "false", "hs_is_closed_won": "false"}, contacts: []int{501, 502}}
		h.deals[id] = d
	}
	for i := 0; i < len(pairs); i += 2 {
		d.props[pairs[i]] = pairs[i+1]
		if pairs[i] == "dealstage" {
			d.history = append([]object{{"value": pairs[i+1], "timestamp": at.Format(time.RFC3339Nano), "sourceType": "CRM_UI"}}, d.history...)
			closed := strings.HasPrefix(pairs[i+1], "closed")
			d.props["hs_is_closed"], d.props["hs_is_closed_won"] = fmt.Sprint(closed), fmt.Sprint(pairs[i+1] == "closedwon")
			if closed {
				d.props["closedate"] = at.Format(time.RFC3339Nano)
			}
		}
	}
	d.modified = at
	d.props["hs_lastmodifieddate"] = at.Format(time.RFC3339Nano)
}

func (h *hubspotServer) remove(id int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.deals, id)
}

func (h *hubspotServer) answer(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		h.t.Error(err)
	}
}

func (h *hubspotServer) pipelines(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, `{"results":[{"id":"default","label":"Sales","displayOrder":0,"stages":[
		{"id":"closedlost","label":"Lost","displayOrder":4,"metadata":{"isClosed":"true","probability":"0.0"}},
		{"id":"closedwon","label":"Won","displayOrder":3,"metadata":{"isClosed":"true","probability":"1.0"}},
		{"id":"demo","label":"Demo","displayOrder":1,"metadata":{"isClosed":"false","probability":"0.2"}},
		{"id":"offer","label":"Offer","displayOrder":2,"metadata":{"isClosed":"false","probability":"0.6"}}]}]}`)
}

func (h *hubspotServer) owners(w http.ResponseWriter, q *http.Request) {
	switch {
	case q.FormValue("archived") == "true":
		io.WriteString(w, `{"results":[]}`)
	case q.FormValue("after") == "":
		io.WriteString(w, `{"results":[{"id":"1","email":"other@example.com"}],"paging":{"next":{"after":"1","link":"?after=1"}}}`)
	default:
		io.WriteString(w, `{"results":[{"id":"11","email":"anna@example.com","firstName":"Anna"}]}`)
	}
}

// search knows the operators that are asked for, and that groups are alternatives.
func (h *hubspotServer) search(w http.ResponseWriter, q *http.Request) {
	var in struct {
		FilterGroups []struct {
			Filters []struct{ PropertyName, Operator, Value string }
		}
		Limit int
	}
	if err := json.NewDecoder(q.Body).Decode(&in); err != nil || in.Limit > 200 || len(in.FilterGroups) > 5 {
		h.t.Errorf("a search that HubSpot refuses: %v %+v", err, in)
	}
	var found []int
	for id, d := range h.deals {
		if slices.ContainsFunc(in.FilterGroups, func(g struct {
			Filters []struct{ PropertyName, Operator, Value string }
		},
		) bool {
			return !slices.ContainsFunc(g.Filters, func(f struct{ PropertyName, Operator, Value string }) bool {
				switch f.PropertyName {
				case "hs_object_id":
					n, _ := strconv.Atoi(f.Value)
					return f.Operator != "GT" || id <= n
				case "hs_is_closed":
					return f.Operator != "EQ" || d.props["hs_is_closed"] != f.Value
				}
				at, _ := time.Parse(time.RFC3339Nano, d.props[f.PropertyName])
				n, _ := strconv.ParseInt(f.Value, 10, 64)
				return f.Operator != "GTE" || at.UnixMilli() < n
			})
		}) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	total := len(found)
	found = found[:min(len(found), h.page)]
	out := object{"total": total, "results": []object{}}
	var rows []object
	for _, id := range found {
		rows = append(rows, object{"id": strconv.Itoa(id), "properties": object{"hs_object_id": strconv.Itoa(id)}, "archived": false})
	}
	if rows != nil {
		out["results"] = rows
	}
	if total > len(found) {
		out["paging"] = object{"next": object{"after": strconv.Itoa(len(found))}}
	}
	h.answer(w, out)
}

func (h *hubspotServer) inputs(q *http.Request, most int) (ids []int) {
	var in struct {
		Inputs []struct{ ID, After string }
	}
	if err := json.NewDecoder(q.Body).Decode(&in); err != nil || len(in.Inputs) == 0 || len(in.Inputs) > most {
		h.t.Errorf("%s: a batch that HubSpot refuses: %v, %d inputs", q.URL.Path, err, len(in.Inputs))
	}
	for _, i := range in.Inputs {
		n, _ := strconv.Atoi(i.ID)
		ids = append(ids, n)
		if i.After != "" {
			ids = append(ids, -n)
		}
	}
	return ids
}

func (h *hubspotServer) read(w http.ResponseWriter, q *http.Request) {
	rows := []object{}
	for _, id := range h.inputs(q, 50) {
		if d := h.deals[id]; d != nil {
			props := object{}
			for k, v := range d.props {
				props[k] = v
			}
			rows = append(rows, object{"id": strconv.Itoa(id), "properties": props, "propertiesWithHistory": object{"dealstage": d.history}})
		}
	}
	h.answer(w, object{"status": "COMPLETE", "results": rows})
}

// associations hands the contacts of a deal out one by one.
func (h *hubspotServer) associations(w http.ResponseWriter, q *http.Request) {
	rows := []object{}
	ids := h.inputs(q, 1000)
	for i, id := range ids {
		if id < 0 || h.deals[id] == nil {
			continue
		}
		n := 0
		if i+1 < len(ids) && ids[i+1] == -id {
			n = 1
		}
		row := object{"from": object{"id": strconv.Itoa(id)}, "to": []object{{"toObjectId": h.deals[id].contacts[n], "associationTypes": []object{{"category": "HUBSPOT_DEFINED", "typeId": 3}}}}}
		if n+1 < len(h.deals[id].contacts) {
			row["paging"] = object{"next": object{"after": "1"}}
		}
		rows = append(rows, row)
	}
	h.answer(w, object{"status": "COMPLETE", "results": rows})
}

func (h *hubspotServer) companies(w http.ResponseWriter, q *http.Request) {
	rows := []object{}
	for _, id := range h.inputs(q, 1000) {
		rows = append(rows, object{"from": object{"id": strconv.Itoa(id)}, "to": []object{{"toObjectId": 900}}})
	}
	h.answer(w, object{"status": "COMPLETE", "results": rows})
}

func (h *hubspotServer) contacts(w http.ResponseWriter, q *http.Request) {
	rows := []object{}
	for _, id := range h.inputs(q, 100) {
		email := map[int]string{501: "bo@acme.example", 502: "cy@acme.example"}[id]
		rows = append(rows, object{"id": strconv.Itoa(id), "properties": object{"email": email, "firstname": strings.ToUpper(email[:1]) + email[1:2], "lastname": "Acme", "jobtitle": "Buyer", "hs_buying_role": "DECISION_MAKER", "company": nil}})
	}
	h.answer(w, object{"status": "COMPLETE", "results": rows})
}

// source is the CRM in the configuration, with deliveries.
func (h *hubspotServer) source() *Source {
	return &Source{
		Name: "hubspot", Kind: HubSpot, Portal: "62515", URL: h.http.URL, HTTP: h.http.Client(), Currency: "EUR", Months: 24, pause: noPause,
		Secrets: func() ([]string, error) { return []string{"app-secret"}, nil }, Token: func() (string, error) { return "pat-token", nil },
	}
}

// events is a delivery that names deals.
func events(at time.Time, ids ...int) string {
	var all []object
	for i, id := range ids {
		all = append(all, object{"eventId": i + 1, "subscriptionId": 5, "portalId": 62515, "occurredAt": at.UnixMilli(), "subscriptionType": "deal.propertyChange", "objectId": id, "propertyName": "dealstage", "propertyValue": "x"})
	}
	text, _ := json.Marshal(all)
	return string(text)
}
