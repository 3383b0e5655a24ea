package feed

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"dealtrail/trail"
)

// attioAPI asks Attio by its REST API v2, for the standard object deals.
type attioAPI struct {
	*client
	members map[string]string // of the workspace, by ID; nil: not read yet
	records map[string]attioValues
}

const (
	attioPage    = 500
	attioRecords = 5000 // people and companies that are remembered while deals are read
)

// attioValue is one value of an attribute, of whatever type.
type attioValue struct {
	From   text `json:"active_from"`
	Value  text `json:"value"`
	Amount text `json:"currency_value"`
	Code   text `json:"currency_code"`
	Email  text `json:"email_address"`
	Domain text `json:"domain"`
	Name   text `json:"full_name"`
	Actor  text `json:"referenced_actor_id"`
	Record text `json:"target_record_id"`
	Status struct {
		ID struct {
			Status text `json:"status_id"`
		} `json:"id"`
		Title text `json:"title"`
	} `json:"status"`
}

// attioValues are the attributes of a record by their slugs; many are the workspace's own.
type attioValues map[string]json.RawMessage

// all returns the values of an attribute; none if they are of another type than is known.
func (v attioValues) all(slug string) (values []attioValue) {
	if json.Unmarshal(v[slug], &values) != nil {
		return nil
	}
	return values
}

// of returns the first value of an attribute.
func (v attioValues) of(slug string) attioValue {
	if all := v.all(slug); len(all) > 0 {
		return all[0]
	}
	return attioValue{}
}

type attioRecord struct {
	ID struct {
		Record text `json:"record_id"`
	} `json:"id"`
	Created text        `json:"created_at"`
	Values  attioValues `json:"values"`
}

// pipelines: the statuses of the attribute stage. Attio says of none that it is won or
// lost: its title may.
func (a *attioAPI) pipelines(ctx context.Context) ([]trail.CRMPipeline, error) {
	var answer struct {
		Data []struct {
			ID struct {
				Status text `json:"status_id"`
			} `json:"id"`
			Title    text `json:"title"`
			Archived bool `json:"is_archived"`
		} `json:"data"`
	}
	if err := a.get(ctx, "/v2/objects/deals/attributes/stage/statuses", nil, &answer); err != nil {
		return nil, err
	}
	one := trail.CRMPipeline{ID: "deals", Name: "Deals"}
	for _, s := range answer.Data {
		if !s.Archived {
			one.Stages = append(one.Stages, trail.CRMStage{ID: s.ID.Status.String(), Name: s.Title.String(), Means: meaning(s.Title.String()), Probability: -1})
		}
	}
	return []trail.CRMPipeline{one}, nil
}

// meaning tells from a stage's name what it means, for CRMs that say no more.
func meaning(name string) string {
	for _, word := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r < 'a' || r > 'z' }) {
		if word == "won" || word == "lost" {
			return word
		}
	}
	return "open"
}

// changed reads all deals each time: Attio does not tell when a record last changed.
func (a *attioAPI) changed(ctx context.Context, _, closed time.Time, take func([]Deal) error) error {
	for offset, pages := 0, 0; pages < maxPages; pages++ {
		var answer struct {
			Data []attioRecord `json:"data"`
		}
		question := object{"limit": attioPage, "offset": offset, "sorts": []object{{"attribute": "created_at", "direction": "asc"}}}
		if err := a.post(ctx, "/v2/objects/deals/records/query", question, &answer); err != nil {
			return err
		}
		var deals []Deal
		for _, r := range answer.Data {
			if stage := r.Values.of("stage"); meaning(stage.Status.Title.String()) != "open" && stage.From.when().Before(closed) {
				continue
			}
			d, err := a.fill(ctx, r)
			if err != nil {
				return err
			}
			deals = append(deals, d)
		}
		if err := take(deals); err != nil || len(answer.Data) < attioPage {
			return err
		}
		offset += len(answer.Data)
	}
	return nil
}

func (a *attioAPI) deals(ctx context.Context, ids []string) (all []Deal, err error) {
	for _, id := range ids {
		var answer struct {
			Data attioRecord `json:"data"`
		}
		if err := a.get(ctx, "/v2/objects/deals/records/"+url.PathEscape(id), nil, &answer); missing(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		d, err := a.fill(ctx, answer.Data)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func (a *attioAPI) fill(ctx context.Context, r attioRecord) (Deal, error) {
	v, stage := r.Values, r.Values.of("stage")
	d := Deal{ID: r.ID.Record.String(), Pipeline: "deals", Stage: stage.Status.ID.Status.String(), Contacts: []Contact{}}
	if err := a.learn(ctx); err != nil {
		return d, err
	}
	d.Cells = map[string]string{
		"name": v.of("name").Value.String(), "amount": v.of("value").Amount.amount(), "currency": v.of("value").Code.String(),
		"owner": a.members[v.of("owner").Actor.String()], "created_at": r.Created.stamp(), "account": "", "domain": "", "closed_at": "",
	}
	if meaning(stage.Status.Title.String()) != "open" {
		d.Cells["closed_at"] = stage.From.stamp()
	}
	if id := v.of("associated_company").Record.String(); id != "" {
		company, err := a.record(ctx, "companies", id)
		if err != nil {
			return d, err
		}
		d.Cells["account"], d.Cells["domain"] = company.of("name").Value.String(), company.of("domains").Domain.String()
	}
	for _, p := range v.all("associated_people") {
		person, err := a.record(ctx, "people", p.Record.String())
		if err != nil {
			return d, err
		}
		d.Contacts = append(d.Contacts, Contact{"email": person.of("email_addresses").Email.String(), "name": person.of("name").Name.String(), "title": person.of("job_title").Value.String()})
	}
	var history struct {
		Data []attioValue `json:"data"`
	}
	if err := a.get(ctx, "/v2/objects/deals/records/"+url.PathEscape(d.ID)+"/attributes/stage/values", url.Values{"show_historic": {"true"}}, &history); err != nil {
		return d, err
	}
	for _, s := range history.Data {
		if at := s.From.when(); !at.IsZero() && s.Status.ID.Status != "" {
			d.Entered = append(d.Entered, Entered{s.Status.ID.Status.String(), at})
		}
	}
	d.Entered = entries(d.Entered)
	return d, nil
}

func (a *attioAPI) record(ctx context.Context, kind, id string) (attioValues, error) {
	if v, ok := a.records[kind+id]; ok {
		return v, nil
	}
	var answer struct {
		Data attioRecord `json:"data"`
	}
	err := a.get(ctx, "/v2/objects/"+kind+"/records/"+url.PathEscape(id), nil, &answer)
	if err != nil && !missing(err) {
		return nil, err
	}
	if a.records == nil || len(a.records) >= attioRecords {
		a.records = map[string]attioValues{}
	}
	a.records[kind+id] = answer.Data.Values
	return answer.Data.Values, nil
}

func (a *attioAPI) learn(ctx context.Context) error {
	if a.members != nil {
		return nil
	}
	var answer struct {
		Data []struct {
			ID struct {
				Member text `json:"workspace_member_id"`
			} `json:"id"`
			Email text `json:"email_address"`
		} `json:"data"`
	}
	if err := a.get(ctx, "/v2/workspace_members", nil, &answer); err != nil {
		return err
	}
	a.members = map[string]string{}
	for _, m := range answer.Data {
		a.members[m.ID.Member.String()] = m.Email.String()
	}
	return nil
}
