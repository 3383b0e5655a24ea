package feed

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"dealtrail/trail"
)

// closeAPI asks Close by its REST API. Contacts and leads are asked for one by one.
type closeAPI struct {
	*client
	users map[string]string // by ID; nil: not read yet
	leads map[string]closeLead
}

type closeLead struct {
	Name     text `json:"display_name"`
	URL      text `json:"url"`
	Contacts []struct {
		ID     text `json:"id"`
		Name   text `json:"name"`
		Title  text `json:"title"`
		Emails []struct {
			Email text `json:"email"`
		} `json:"emails"`
	} `json:"contacts"`
}

const (
	closePage  = 100
	closeRows  = 20   // that are told at once: each costs questions
	closeLeads = 2000 // that are remembered while deals are read
)

// closePages asks for all pages of a list.
func closePages[T any](ctx context.Context, c *client, path string, params url.Values, take func([]T) error) error {
	skip := 0
	for range maxPages {
		asked := url.Values(cloneValues(params))
		asked.Set("_limit", strconv.Itoa(closePage))
		asked.Set("_skip", strconv.Itoa(skip))
		var answer struct {
			Data []T  `json:"data"`
			More bool `json:"has_more"`
		}
		if err := c.get(ctx, path, asked, &answer); err != nil {
			return err
		}
		if err := take(answer.Data); err != nil {
			return err
		}
		if !answer.More || len(answer.Data) == 0 {
			return nil
		}
		skip += len(answer.Data)
	}
	return nil
}

func (c *closeAPI) pipelines(ctx context.Context) (all []trail.CRMPipeline, err error) {
	var answer struct {
		Data []struct {
			ID       text `json:"id"`
			Name     text `json:"name"`
			Statuses []struct {
				ID    text `json:"id"`
				Label text `json:"label"`
				Type  text `json:"type"`
			} `json:"statuses"`
		} `json:"data"`
	}
	if err := c.get(ctx, "/api/v1/pipeline/", nil, &answer); err != nil {
		return nil, err
	}
	for _, p := range answer.Data {
		one := trail.CRMPipeline{ID: p.ID.String(), Name: p.Name.String()}
		for _, s := range p.Statuses {
			stage := trail.CRMStage{ID: s.ID.String(), Name: s.Label.String(), Means: "open", Probability: -1}
			if s.Type == "won" || s.Type == "lost" {
				stage.Means = s.Type.String()
			}
			one.Stages = append(one.Stages, stage)
		}
		all = append(all, one)
	}
	return all, nil
}

// changed lists opportunities in the order in which they were made, so that pages do not
// shift. Close lets nobody ask for "open, or closed since": at first all are listed.
func (c *closeAPI) changed(ctx context.Context, since, closed time.Time, take func([]Deal) error) error {
	params := url.Values{"_order_by": {"date_created"}}
	if !since.IsZero() {
		params.Set("date_updated__gte", since.UTC().Format(time.RFC3339))
	}
	return closePages(ctx, c.client, "/api/v1/opportunity/", params, func(rows []closeDeal) error {
		var deals []Deal
		for _, r := range rows {
			at := text(first(r.Won, r.Lost)).when()
			if since.IsZero() && r.Type != "active" && !at.IsZero() && at.Before(closed) {
				continue
			}
			d, err := c.fill(ctx, r)
			if err != nil {
				return err
			}
			if deals = append(deals, d); len(deals) == closeRows {
				if err := take(deals); err != nil {
					return err
				}
				deals = nil
			}
		}
		if len(deals) == 0 {
			return nil
		}
		return take(deals)
	})
}

func (c *closeAPI) deals(ctx context.Context, ids []string) (all []Deal, err error) {
	for _, id := range ids {
		var r closeDeal
		if err := c.get(ctx, "/api/v1/opportunity/"+url.PathEscape(id)+"/", nil, &r); missing(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		d, err := c.fill(ctx, r)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// missing reports whether a CRM says that there is no such thing.
func missing(err error) bool {
	var t *trouble
	return errors.As(err, &t) && (t.status == http.StatusNotFound || t.status == http.StatusGone)
}

// fill adds who owns an opportunity, its contact, and its stages.
func (c *closeAPI) fill(ctx context.Context, r closeDeal) (Deal, error) {
	d := r.deal()
	if err := c.learn(ctx); err != nil {
		return d, err
	}
	if owner, ok := c.users[r.User.String()]; ok {
		d.Cells["owner"] = owner
	}
	lead, err := c.lead(ctx, r.Lead.String())
	if err != nil {
		return d, err
	}
	d.Cells["account"], d.Cells["domain"], d.Contacts = lead.Name.String(), lead.URL.String(), []Contact{}
	for _, p := range lead.Contacts {
		if (r.Contact == "" || p.ID == r.Contact) && len(p.Emails) > 0 {
			d.Contacts = append(d.Contacts, Contact{"email": p.Emails[0].Email.String(), "name": p.Name.String(), "title": p.Title.String()})
		}
	}
	err = closePages(ctx, c.client, "/api/v1/activity/status_change/opportunity/", url.Values{"opportunity_id": {d.ID}}, func(rows []struct {
		Old text `json:"old_status_id"`
		New text `json:"new_status_id"`
		At  text `json:"date_created"`
	},
	) error {
		for _, s := range rows {
			if at := s.At.when(); !at.IsZero() && s.New != "" {
				d.Entered = append(d.Entered, Entered{s.New.String(), at})
			}
		}
		return nil
	})
	if created := r.Created.when(); err == nil && len(d.Entered) == 0 && !created.IsZero() && d.Stage != "" {
		d.Entered = []Entered{{d.Stage, created}} // it never moved
	}
	d.Entered = entries(d.Entered)
	return d, err
}

func (c *closeAPI) lead(ctx context.Context, id string) (lead closeLead, err error) {
	if id == "" {
		return lead, nil
	}
	if lead, ok := c.leads[id]; ok {
		return lead, nil
	}
	if err = c.get(ctx, "/api/v1/lead/"+url.PathEscape(id)+"/", url.Values{"_fields": {"display_name,url,contacts"}}, &lead); missing(err) {
		err = nil
	}
	if err == nil {
		if len(c.leads) >= closeLeads || c.leads == nil {
			c.leads = map[string]closeLead{}
		}
		c.leads[id] = lead
	}
	return lead, err
}

func (c *closeAPI) learn(ctx context.Context) error {
	if c.users != nil {
		return nil
	}
	users := map[string]string{}
	err := closePages(ctx, c.client, "/api/v1/user/", nil, func(rows []struct {
		ID    text `json:"id"`
		Email text `json:"email"`
	},
	) error {
		for _, u := range rows {
			users[u.ID.String()] = u.Email.String()
		}
		return nil
	})
	if err == nil {
		c.users = users
	}
	return err
}
