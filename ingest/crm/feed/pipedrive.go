package feed

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"
)

// pipedrive reads deliveries of Pipedrive's webhooks v2: HTTP Basic, the whole deal.
type pipedrive struct{ *Source }

// verify: Pipedrive signs nothing, it sends the user and password that were set with the webhook.
func (p pipedrive) verify(d Delivery, secrets []string, _ time.Time) error {
	user, password, ok := (&http.Request{Header: d.Header}).BasicAuth()
	if !ok {
		return errUnsigned
	}
	fits := 0
	for _, s := range secrets {
		fits |= subtle.ConstantTimeCompare([]byte(password), []byte(s))
	}
	if fits&subtle.ConstantTimeCompare([]byte(user), []byte(p.User)) != 1 {
		return errors.New("user or password do not fit")
	}
	return nil
}

func (pipedrive) name(Delivery) string { return "" }

// pipedriveDeal is a deal as v2 has it, in deliveries and answers.
type pipedriveDeal struct {
	ID         text `json:"id"`
	Title      text `json:"title"`
	Owner      text `json:"owner_id"`
	Person     text `json:"person_id"`
	Org        text `json:"org_id"`
	Pipeline   text `json:"pipeline_id"`
	Stage      text `json:"stage_id"`
	Value      text `json:"value"`
	Currency   text `json:"currency"`
	Status     text `json:"status"`
	Deleted    text `json:"is_deleted"`
	Added      text `json:"add_time"`
	Updated    text `json:"update_time"`
	Staged     text `json:"stage_change_time"`
	Won        text `json:"won_time"`
	Lost       text `json:"lost_time"`
	Closed     text `json:"close_time"`
	LostReason text `json:"lost_reason"`
}

// deal returns what the record alone says: who owns it and whose it is it names by number.
func (p pipedriveDeal) deal() Deal {
	d := Deal{ID: p.ID.String(), Pipeline: p.Pipeline.String(), Stage: p.Stage.String(), Modified: p.Updated.when(), Gone: p.Status == "deleted" || p.Deleted.yes()}
	closed := first(p.Closed, p.Won)
	switch p.Status {
	case "open", "won":
		d.Status = p.Status.String()
	case "lost":
		d.Status, closed = "lost", first(p.Closed, p.Lost)
	}
	d.Cells = map[string]string{
		"name": p.Title.String(), "amount": p.Value.amount(), "currency": p.Currency.String(), "created_at": p.Added.stamp(),
		"closed_at": text(closed).stamp(), "loss_reason": p.LostReason.String(),
	}
	at := p.Staged.when()
	if at.IsZero() {
		at = p.Added.when() // a deal that never moved is where it began
	}
	if d.Stage != "" && !at.IsZero() {
		d.Entered = []Entered{{d.Stage, at}}
	}
	return d
}

// read: meta says what happened, data is the deal. What concerns no deal says nothing
// to us. The form before, with current and previous, tells which deal it was.
func (p pipedrive) read(body []byte) ([]Change, error) {
	var told struct {
		Meta *struct {
			Action   text `json:"action"`
			Entity   text `json:"entity"`
			Object   text `json:"object"`
			EntityID text `json:"entity_id"`
			ID       text `json:"id"`
			Into     text `json:"merged_to_id"`
			At       text `json:"timestamp"`
		} `json:"meta"`
		Data     *pipedriveDeal `json:"data"`
		Previous *struct {
			ID text `json:"id"`
		} `json:"previous"`
		Current *struct {
			ID text `json:"id"`
		} `json:"current"`
	}
	var of struct {
		Meta *struct {
			Entity text `json:"entity"`
			Object text `json:"object"`
		} `json:"meta"`
	}
	if err := decode(body, &of); err != nil {
		return nil, err
	}
	if of.Meta == nil || of.Meta.Entity == "" && of.Meta.Object == "" {
		return nil, errors.New("it has no meta that says what it is about")
	}
	if first(of.Meta.Entity, of.Meta.Object) != "deal" {
		return nil, nil
	}
	if err := decode(body, &told); err != nil {
		return nil, err
	}
	id := told.Meta.EntityID
	if told.Meta.Entity == "" {
		id = told.Meta.ID // of the form before
	}
	switch action := strings.ToLower(told.Meta.Action.String()); {
	case id == "" && (told.Data == nil || told.Data.ID == ""):
		return nil, errors.New("it does not say which deal")
	case told.Meta.Into != "":
		return []Change{{Whole: true, Deal: Deal{ID: id.String(), Into: told.Meta.Into.String(), Modified: told.Meta.At.when()}}, hint(told.Meta.Into)}, nil
	case action == "delete" || action == "deleted":
		return []Change{{Whole: true, Deal: Deal{ID: id.String(), Gone: true, Modified: told.Meta.At.when()}}}, nil
	case told.Data == nil || told.Data.ID == "":
		return []Change{hint(id)}, nil
	}
	d := told.Data.deal()
	if at := told.Meta.At.when(); d.Modified.IsZero() {
		d.Modified = at
	}
	return []Change{{Whole: true, Deal: d}}, nil
}
