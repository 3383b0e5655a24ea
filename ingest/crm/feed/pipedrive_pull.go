package feed

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"dealtrail/trail"
)

// pipedriveAPI asks Pipedrive: v2 for deals, persons, organizations, pipelines and
// stages, v1 for what v2 does not have (users, participants, what a deal went through).
type pipedriveAPI struct {
	*client
	users map[string]string // by ID; nil: not read yet
}

const (
	pipedriveIDs  = 100 // that one question may name
	pipedriveRows = 20  // that are told at once: each costs two questions
)

// pipedrivePages asks for all pages of a list of v2.
func pipedrivePages[T any](ctx context.Context, c *client, path string, params url.Values, take func([]T) error) error {
	params = url.Values(cloneValues(params))
	for range maxPages {
		var answer struct {
			Data []T `json:"data"`
			More struct {
				Next text `json:"next_cursor"`
			} `json:"additional_data"`
		}
		if err := c.get(ctx, path, params, &answer); err != nil {
			return err
		}
		if err := take(answer.Data); err != nil {
			return err
		}
		next := answer.More.Next.String()
		if next == "" || next == params.Get("cursor") {
			return nil
		}
		params.Set("cursor", next)
	}
	return nil
}

func cloneValues(v url.Values) map[string][]string {
	c := map[string][]string{}
	for k, values := range v {
		c[k] = slices.Clone(values)
	}
	return c
}

// pipedriveStarts asks for all pages of a list of v1.
func pipedriveStarts[T any](ctx context.Context, c *client, path string, take func([]T) error) error {
	start := 0
	for range maxPages {
		var answer struct {
			Data []T `json:"data"`
			More struct {
				Pagination struct {
					More bool `json:"more_items_in_collection"`
					Next int  `json:"next_start"`
				} `json:"pagination"`
			} `json:"additional_data"`
		}
		if err := c.get(ctx, path, url.Values{"limit": {"500"}, "start": {strconv.Itoa(start)}}, &answer); err != nil {
			return err
		}
		if err := take(answer.Data); err != nil {
			return err
		}
		if p := answer.More.Pagination; !p.More || p.Next <= start {
			return nil
		} else {
			start = p.Next
		}
	}
	return nil
}

type pipedriveStage struct {
	ID          text `json:"id"`
	Name        text `json:"name"`
	Pipeline    text `json:"pipeline_id"`
	Order       int  `json:"order_nr"`
	Probability *int `json:"deal_probability"` // percent
}

// pipelines: in Pipedrive no stage is won or lost, a deal is.
func (p *pipedriveAPI) pipelines(ctx context.Context) ([]trail.CRMPipeline, error) {
	var all []trail.CRMPipeline
	var stages []pipedriveStage
	err := pipedrivePages(ctx, p.client, "/api/v2/pipelines", url.Values{"limit": {"500"}}, func(rows []struct {
		ID   text `json:"id"`
		Name text `json:"name"`
	},
	) error {
		for _, r := range rows {
			all = append(all, trail.CRMPipeline{ID: r.ID.String(), Name: r.Name.String()})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = pipedrivePages(ctx, p.client, "/api/v2/stages", url.Values{"limit": {"500"}}, func(rows []pipedriveStage) error {
		stages = append(stages, rows...)
		return nil
	})
	slices.SortStableFunc(stages, func(a, b pipedriveStage) int { return a.Order - b.Order })
	for i := range all {
		for _, s := range stages {
			if s.Pipeline.String() != all[i].ID {
				continue
			}
			stage := trail.CRMStage{ID: s.ID.String(), Name: s.Name.String(), Means: "open", Probability: -1}
			if s.Probability != nil && *s.Probability >= 0 && *s.Probability <= 100 {
				stage.Probability = float64(*s.Probability) / 100
			}
			all[i].Stages = append(all[i].Stages, stage)
		}
	}
	return all, err
}

// changed: at first all deals are listed, and those that were closed before are left out.
func (p *pipedriveAPI) changed(ctx context.Context, since, closed time.Time, take func([]Deal) error) error {
	params := url.Values{"limit": {"500"}, "sort_by": {"id"}}
	if !since.IsZero() {
		params.Set("updated_since", since.UTC().Format(time.RFC3339))
	}
	return pipedrivePages(ctx, p.client, "/api/v2/deals", params, func(rows []pipedriveDeal) error {
		rows = slices.DeleteFunc(rows, func(r pipedriveDeal) bool {
			at := text(first(r.Closed, r.Won, r.Lost)).when()
			return since.IsZero() && r.Status != "open" && !at.IsZero() && at.Before(closed)
		})
		for part := range slices.Chunk(rows, pipedriveRows) {
			deals, err := p.fill(ctx, part)
			if err != nil {
				return err
			}
			if err := take(deals); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *pipedriveAPI) deals(ctx context.Context, ids []string) (all []Deal, err error) {
	for part := range slices.Chunk(ids, pipedriveIDs) {
		err := pipedrivePages(ctx, p.client, "/api/v2/deals", url.Values{"limit": {"500"}, "ids": {strings.Join(part, ",")}}, func(rows []pipedriveDeal) error {
			deals, err := p.fill(ctx, rows)
			all = append(all, deals...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

type pipedrivePerson struct {
	ID     text `json:"id"`
	First  text `json:"first_name"`
	Last   text `json:"last_name"`
	Name   text `json:"name"`
	Title  text `json:"job_title"`
	Emails []struct {
		Value   text `json:"value"`
		Primary bool `json:"primary"`
	} `json:"emails"`
}

func (p pipedrivePerson) contact() Contact {
	c := Contact{"first_name": p.First.String(), "last_name": p.Last.String(), "title": p.Title.String()}
	if p.First == "" && p.Last == "" {
		c = Contact{"name": p.Name.String(), "title": p.Title.String()}
	}
	for _, e := range p.Emails {
		if c["email"] == "" || e.Primary {
			c["email"] = e.Value.String()
		}
	}
	return c
}

// fill adds what deals name by number: owner, organization, persons, and their stages.
func (p *pipedriveAPI) fill(ctx context.Context, rows []pipedriveDeal) ([]Deal, error) {
	if err := p.learn(ctx); err != nil {
		return nil, err
	}
	persons, deals := make([][]string, len(rows)), make([]Deal, len(rows))
	var personIDs, orgIDs []string
	for i, r := range rows {
		deals[i] = r.deal()
		var err error
		if persons[i], err = p.participants(ctx, r); err != nil {
			return nil, err
		}
		if err := p.went(ctx, &deals[i], r.Added.when()); err != nil {
			return nil, err
		}
		personIDs, orgIDs = append(personIDs, persons[i]...), append(orgIDs, r.Org.String())
	}
	contacts, orgs := map[string]Contact{}, map[string]string{}
	for part := range slices.Chunk(unique(personIDs), pipedriveIDs) {
		err := pipedrivePages(ctx, p.client, "/api/v2/persons", url.Values{"ids": {strings.Join(part, ",")}}, func(found []pipedrivePerson) error {
			for _, one := range found {
				contacts[one.ID.String()] = one.contact()
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for part := range slices.Chunk(unique(orgIDs), pipedriveIDs) {
		err := pipedrivePages(ctx, p.client, "/api/v2/organizations", url.Values{"ids": {strings.Join(part, ",")}}, func(found []struct {
			ID   text `json:"id"`
			Name text `json:"name"`
		},
		) error {
			for _, o := range found {
				orgs[o.ID.String()] = o.Name.String()
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for i, r := range rows {
		deals[i].Cells["owner"], deals[i].Cells["account"] = p.users[r.Owner.String()], orgs[r.Org.String()]
		deals[i].Contacts = []Contact{}
		for _, id := range persons[i] {
			if c, ok := contacts[id]; ok {
				deals[i].Contacts = append(deals[i].Contacts, c)
			}
		}
	}
	return deals, nil
}

// participants are the IDs of the persons on a deal, its main one first.
func (p *pipedriveAPI) participants(ctx context.Context, r pipedriveDeal) ([]string, error) {
	ids := []string{}
	add := func(id string) {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	add(r.Person.String())
	err := pipedriveStarts(ctx, p.client, "/api/v1/deals/"+url.PathEscape(r.ID.String())+"/participants", func(rows []struct {
		ID text `json:"id"`
	},
	) error {
		for _, one := range rows {
			add(one.ID.String())
		}
		return nil
	})
	return ids, err
}

// went adds the stages that a deal went through: its changes of stage name the one before
// too, which of the first is where the deal began.
func (p *pipedriveAPI) went(ctx context.Context, d *Deal, added time.Time) error {
	type change struct {
		from Entered
		to   Entered
	}
	var changes []change
	err := pipedriveStarts(ctx, p.client, "/api/v1/deals/"+url.PathEscape(d.ID)+"/flow", func(rows []struct {
		Object text `json:"object"`
		Data   struct {
			Field text `json:"field_key"`
			Old   any  `json:"old_value"`
			New   any  `json:"new_value"`
			At    text `json:"log_time"`
		} `json:"data"`
	},
	) error {
		for _, r := range rows {
			if r.Object == "dealChange" && r.Data.Field == "stage_id" && !r.Data.At.when().IsZero() {
				at := r.Data.At.when()
				changes = append(changes, change{Entered{plain(r.Data.Old), at}, Entered{plain(r.Data.New), at}})
			}
		}
		return nil
	})
	if err != nil || len(changes) == 0 {
		return err // where it never moved, the deal says where it is
	}
	slices.SortStableFunc(changes, func(a, b change) int { return a.to.At.Compare(b.to.At) })
	d.Entered = nil
	if began := changes[0].from.Stage; began != "" && !added.IsZero() && added.Before(changes[0].to.At) {
		d.Entered = append(d.Entered, Entered{began, added})
	}
	for _, c := range changes {
		if c.to.Stage != "" {
			d.Entered = append(d.Entered, c.to)
		}
	}
	d.Entered = entries(d.Entered)
	return nil
}

// plain is a text or number of JSON as text; all else is empty.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// learn reads who owns deals, once.
func (p *pipedriveAPI) learn(ctx context.Context) error {
	if p.users != nil {
		return nil
	}
	var answer struct {
		Data []struct {
			ID    text `json:"id"`
			Name  text `json:"name"`
			Email text `json:"email"`
		} `json:"data"`
	}
	if err := p.get(ctx, "/api/v1/users", nil, &answer); err != nil {
		return err
	}
	p.users = map[string]string{}
	for _, u := range answer.Data {
		p.users[u.ID.String()] = first(u.Email, u.Name)
	}
	return nil
}
