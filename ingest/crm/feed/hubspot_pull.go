package feed

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"dealtrail/trail"
)

// hubspotAPI asks HubSpot: search and batches of CRM objects v3, associations v4,
// pipelines and owners.
type hubspotAPI struct {
	*client
	owners map[string]string // by ID; nil: not read yet
}

// Batches as HubSpot allows them: with the history of a property fifty.
const (
	hubspotPage  = 200
	hubspotDeals = 50
	hubspotRead  = 100
)

var hubspotProperties = []string{
	"dealname", "dealstage", "pipeline", "amount", "deal_currency_code", "hubspot_owner_id", "createdate", "closedate", "hs_lastmodifieddate",
	"hs_is_closed", "hs_is_closed_won", "closed_lost_reason", "hs_merged_object_ids",
}

// hubspotObject is any record.
type hubspotObject struct {
	ID         text            `json:"id"`
	Properties map[string]text `json:"properties"`
	History    struct {
		Stage []struct {
			Value text `json:"value"`
			At    text `json:"timestamp"`
		} `json:"dealstage"`
	} `json:"propertiesWithHistory"`
}

type hubspotNext struct {
	Next struct {
		After text `json:"after"`
	} `json:"next"`
}

type object = map[string]any

type hubspotPipeline struct {
	ID     text `json:"id"`
	Label  text `json:"label"`
	Order  int  `json:"displayOrder"`
	Stages []struct {
		ID       text            `json:"id"`
		Label    text            `json:"label"`
		Order    int             `json:"displayOrder"`
		Metadata map[string]text `json:"metadata"`
	} `json:"stages"`
}

func (h *hubspotAPI) pipelines(ctx context.Context) ([]trail.CRMPipeline, error) {
	var answer struct {
		Results []hubspotPipeline `json:"results"`
	}
	if err := h.get(ctx, "/crm/v3/pipelines/deals", nil, &answer); err != nil {
		return nil, err
	}
	slices.SortStableFunc(answer.Results, func(a, b hubspotPipeline) int { return a.Order - b.Order })
	var all []trail.CRMPipeline
	for _, p := range answer.Results {
		one := trail.CRMPipeline{ID: p.ID.String(), Name: p.Label.String()}
		order := map[string]int{}
		for _, s := range p.Stages {
			stage := trail.CRMStage{ID: s.ID.String(), Name: s.Label.String(), Means: "open", Probability: -1}
			if v, err := strconv.ParseFloat(s.Metadata["probability"].String(), 64); err == nil && v >= 0 && v <= 1 {
				stage.Probability = v
			}
			switch closed := s.Metadata["isClosed"].yes(); {
			case closed && stage.Probability == 1:
				stage.Means = "won"
			case closed:
				stage.Means = "lost"
			}
			order[stage.ID] = s.Order
			one.Stages = append(one.Stages, stage)
		}
		slices.SortStableFunc(one.Stages, func(a, b trail.CRMStage) int { return order[a.ID] - order[b.ID] })
		all = append(all, one)
	}
	return all, nil
}

// changed goes by IDs, each page after the last ID of the one before: a search shows ten
// thousand at most, and pages by time shift while people work.
func (h *hubspotAPI) changed(ctx context.Context, since, closed time.Time, take func([]Deal) error) error {
	after := "0"
	for range maxPages {
		beyond := object{"propertyName": "hs_object_id", "operator": "GT", "value": after}
		groups := []object{{"filters": []object{{"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": millis(since)}, beyond}}}
		if since.IsZero() {
			groups = []object{
				{"filters": []object{{"propertyName": "hs_is_closed", "operator": "EQ", "value": "false"}, beyond}},
				{"filters": []object{{"propertyName": "hs_is_closed", "operator": "EQ", "value": "true"}, {"propertyName": "closedate", "operator": "GTE", "value": millis(closed)}, beyond}},
			}
		}
		var answer struct {
			Results []hubspotObject `json:"results"`
			Paging  hubspotNext     `json:"paging"`
		}
		question := object{"filterGroups": groups, "sorts": []object{{"propertyName": "hs_object_id", "direction": "ASCENDING"}}, "properties": []string{"hs_object_id"}, "limit": hubspotPage}
		if err := h.post(ctx, "/crm/v3/objects/deals/search", question, &answer); err != nil {
			return err
		}
		var ids []string
		for _, o := range answer.Results {
			ids = append(ids, o.ID.String())
		}
		for part := range slices.Chunk(ids, hubspotDeals) {
			deals, err := h.deals(ctx, part)
			if err != nil {
				return err
			}
			if err := take(deals); err != nil {
				return err
			}
		}
		if answer.Paging.Next.After == "" || len(ids) == 0 || ids[len(ids)-1] == after {
			return nil
		}
		after = ids[len(ids)-1]
	}
	return nil
}

func millis(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }

// deals reads deals, who is on them, their companies and owners.
func (h *hubspotAPI) deals(ctx context.Context, ids []string) ([]Deal, error) {
	if err := h.learn(ctx); err != nil {
		return nil, err
	}
	var all []Deal
	for part := range slices.Chunk(ids, hubspotDeals) {
		found, silent, err := h.objects(ctx, "deals", object{"properties": hubspotProperties, "propertiesWithHistory": []string{"dealstage"}}, part)
		if err != nil {
			return nil, err
		}
		people, unheard, err := h.associated(ctx, part, "contacts", []string{"email", "firstname", "lastname", "jobtitle", "company", "hs_buying_role", "lifecyclestage"})
		if err != nil {
			return nil, err
		}
		companies, unheardOf, err := h.associated(ctx, part, "companies", []string{"name", "domain"})
		if err != nil {
			return nil, err
		}
		// A deal of which we do not know who is on it must not be told as if nobody were.
		silent = unique(slices.Concat(silent, unheard, unheardOf))
		for _, id := range silent {
			all = append(all, Deal{ID: id, Silent: true})
		}
		for _, o := range found {
			d := h.deal(o)
			if slices.Contains(silent, d.ID) {
				continue
			}
			d.Contacts = hubspotContacts(people[d.ID])
			d.Cells["account"], d.Cells["domain"] = "", ""
			if c := companies[d.ID]; len(c) > 0 {
				d.Cells["account"], d.Cells["domain"] = c[0].Properties["name"].String(), c[0].Properties["domain"].String()
			}
			all = append(all, d)
			for merged := range strings.SplitSeq(o.Properties["hs_merged_object_ids"].String(), ";") {
				if merged = strings.TrimSpace(merged); merged != "" && merged != d.ID {
					all = append(all, Deal{ID: merged, Into: d.ID, Modified: d.Modified})
				}
			}
		}
	}
	return all, nil
}

func inputs(ids []string) (in []object) {
	for _, id := range ids {
		in = append(in, object{"id": id})
	}
	return in
}

func (h *hubspotAPI) deal(o hubspotObject) Deal {
	p := o.Properties
	d := Deal{ID: o.ID.String(), Pipeline: p["pipeline"].String(), Stage: p["dealstage"].String(), Modified: p["hs_lastmodifieddate"].when()}
	switch closed, known := p["hs_is_closed"]; {
	case p["hs_is_closed_won"].yes():
		d.Status = "won"
	case known && closed.yes():
		d.Status = "lost"
	case known && closed != "":
		d.Status = "open"
	}
	d.Cells = map[string]string{
		"name": p["dealname"].String(), "amount": p["amount"].amount(), "currency": p["deal_currency_code"].String(),
		"owner": h.owners[p["hubspot_owner_id"].String()], "created_at": p["createdate"].stamp(), "closed_at": p["closedate"].stamp(),
		"loss_reason": p["closed_lost_reason"].String(),
	}
	for _, s := range o.History.Stage {
		if at := s.At.when(); !at.IsZero() && s.Value != "" {
			d.Entered = append(d.Entered, Entered{s.Value.String(), at})
		}
	}
	d.Entered = entries(d.Entered)
	return d
}

// entries puts what is known of a deal's stages in order and leaves out what enters the
// stage that it is in already.
func entries(all []Entered) []Entered {
	slices.SortStableFunc(all, func(a, b Entered) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Stage, b.Stage)) })
	return slices.CompactFunc(all, func(a, b Entered) bool { return a.Stage == b.Stage })
}

func hubspotContacts(people []hubspotObject) []Contact {
	contacts := []Contact{}
	for _, o := range people {
		p := o.Properties
		contacts = append(contacts, Contact{
			"id":    o.ID.String(),
			"email": p["email"].String(), "first_name": p["firstname"].String(), "last_name": p["lastname"].String(), "title": p["jobtitle"].String(),
			"account": p["company"].String(), "role": p["hs_buying_role"].String(), "status": p["lifecyclestage"].String(),
		})
	}
	return contacts
}

// associated returns the objects of a kind that deals are tied to, by deal, those that
// were tied first first, and the deals for which HubSpot did not answer.
func (h *hubspotAPI) associated(ctx context.Context, deals []string, kind string, properties []string) (found map[string][]hubspotObject, silent []string, err error) {
	tied, silent, err := h.ties(ctx, deals, kind)
	if err != nil {
		return nil, nil, err
	}
	objects := map[string]hubspotObject{}
	var unheard []string
	for part := range slices.Chunk(unique(slices.Concat(slices.Collect(maps.Values(tied))...)), hubspotRead) {
		some, missing, err := h.objects(ctx, kind, object{"properties": properties}, part)
		if err != nil {
			return nil, nil, err
		}
		for _, o := range some {
			objects[o.ID.String()] = o
		}
		unheard = append(unheard, missing...)
	}
	found = map[string][]hubspotObject{}
	for deal, ids := range tied {
		for _, id := range ids {
			if slices.Contains(unheard, id) {
				silent = append(silent, deal)
			}
			if o, ok := objects[id]; ok {
				found[deal] = append(found[deal], o)
			}
		}
	}
	return found, silent, nil
}

// ties returns the IDs of the objects of a kind that deals are tied to, by deal, and the
// deals for which HubSpot did not answer.
func (h *hubspotAPI) ties(ctx context.Context, deals []string, kind string) (tied map[string][]string, silent []string, err error) {
	tied = map[string][]string{}
	ask, failed := inputs(deals), 0
	for range maxPages {
		var answer struct {
			hubspotErrors
			Results []struct {
				From struct {
					ID text `json:"id"`
				} `json:"from"`
				To []struct {
					ID text `json:"toObjectId"`
				} `json:"to"`
				Paging hubspotNext `json:"paging"`
			} `json:"results"`
		}
		if err := h.post(ctx, "/crm/v4/associations/deals/"+kind+"/batch/read", object{"inputs": ask}, &answer); err != nil {
			return nil, nil, err
		}
		asked := ask
		ask = nil
		heard := map[string]bool{}
		for _, r := range answer.Results {
			heard[r.From.ID.String()] = true
			for _, to := range r.To {
				tied[r.From.ID.String()] = append(tied[r.From.ID.String()], to.ID.String())
			}
			if after := r.Paging.Next.After; after != "" {
				ask = append(ask, object{"id": r.From.ID.String(), "after": after.String()})
			}
		}
		unheard := answer.unanswered(slices.DeleteFunc(asked, func(in object) bool { return heard[in["id"].(string)] }))
		if len(unheard) > 0 {
			if failed++; failed == hubspotTries {
				for _, in := range unheard {
					silent = append(silent, in["id"].(string))
				}
				unheard = nil
			} else if err := h.wait(ctx, time.Second<<failed); err != nil {
				return nil, nil, err
			}
		}
		if ask = append(ask, unheard...); len(ask) == 0 {
			break
		}
	}
	return tied, silent, nil
}

// learn reads who owns deals, once: those who have left too.
func (h *hubspotAPI) learn(ctx context.Context) error {
	if h.owners != nil {
		return nil
	}
	owners := map[string]string{}
	for _, archived := range []string{"true", "false"} {
		after := ""
		for range maxPages {
			params := url.Values{"limit": {"100"}, "archived": {archived}}
			if after != "" {
				params.Set("after", after)
			}
			var answer struct {
				Results []struct {
					ID    text `json:"id"`
					Email text `json:"email"`
					First text `json:"firstName"`
					Last  text `json:"lastName"`
				} `json:"results"`
				Paging hubspotNext `json:"paging"`
			}
			if err := h.get(ctx, "/crm/v3/owners", params, &answer); err != nil {
				return err
			}
			for _, o := range answer.Results {
				owners[o.ID.String()] = first(o.Email, o.First+" "+o.Last)
			}
			if after = answer.Paging.Next.After.String(); after == "" {
				break
			}
		}
	}
	h.owners = owners
	return nil
}
