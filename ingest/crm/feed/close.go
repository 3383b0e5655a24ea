package feed

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// closeCRM reads deliveries of Close: one event each, with the whole opportunity.
type closeCRM struct{ *Source }

// verify: hex of HMAC-SHA256 over the time in seconds and the body; the key is the
// secret's hex decoded.
func (closeCRM) verify(d Delivery, secrets []string, now time.Time) error {
	stamp := d.Header.Get("close-sig-timestamp")
	given, err := hex.DecodeString(d.Header.Get("close-sig-hash"))
	if err != nil || len(given) == 0 || stamp == "" {
		return errUnsigned
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errUnsigned
	}
	if !isFresh(time.Unix(seconds, 0), now) {
		return errStale
	}
	var wanted [][]byte
	for _, s := range secrets {
		key, err := hex.DecodeString(s)
		if err != nil {
			return errors.New("the secret is no hex, as Close shows it")
		}
		wanted = append(wanted, mac(key, []byte(stamp), d.Body))
	}
	if !anyEqual(given, wanted) {
		return errForged
	}
	return nil
}

func (closeCRM) name(Delivery) string { return "" }

// closeDeal is an opportunity as Close has it. value is in hundredths.
type closeDeal struct {
	ID       text `json:"id"`
	Lead     text `json:"lead_id"`
	LeadName text `json:"lead_name"`
	Note     text `json:"note"`
	Stage    text `json:"status_id"`
	Type     text `json:"status_type"`
	Pipeline text `json:"pipeline_id"`
	Value    text `json:"value"`
	Currency text `json:"value_currency"`
	User     text `json:"user_id"`
	UserName text `json:"user_name"`
	Contact  text `json:"contact_id"`
	Created  text `json:"date_created"`
	Updated  text `json:"date_updated"`
	Won      text `json:"date_won"`
	Lost     text `json:"date_lost"`
}

func (c closeDeal) deal() Deal {
	d := Deal{ID: c.ID.String(), Pipeline: c.Pipeline.String(), Stage: c.Stage.String(), Modified: c.Updated.when()}
	closed := ""
	switch c.Type {
	case "active":
		d.Status = "open"
	case "won":
		d.Status, closed = "won", c.Won.stamp()
	case "lost":
		d.Status, closed = "lost", c.Lost.stamp()
	}
	amount := ""
	if cents, err := decimal.NewFromString(c.Value.amount()); err == nil {
		amount = cents.Shift(-2).String()
	}
	d.Cells = map[string]string{
		"name": c.LeadName.String(), "account": c.LeadName.String(), "amount": amount, "currency": c.Currency.String(), "owner": c.UserName.String(),
		"created_at": c.Created.stamp(), "closed_at": closed,
	}
	return d
}

func (c closeCRM) read(body []byte) ([]Change, error) {
	var told struct {
		Event *struct {
			Type     text     `json:"object_type"`
			Action   text     `json:"action"`
			Object   text     `json:"object_id"`
			At       text     `json:"date_created"`
			Fields   []string `json:"changed_fields"`
			Previous struct {
				Stage text `json:"status_id"`
			} `json:"previous_data"`
		} `json:"event"`
	}
	if err := decode(body, &told); err != nil {
		return nil, err
	}
	e := told.Event
	if e == nil || e.Type == "" {
		return nil, errors.New("it has no event with an object_type")
	}
	if e.Type != "opportunity" {
		return nil, nil
	}
	if strings.HasPrefix(e.Action.String(), "delete") {
		if e.Object == "" {
			return nil, errors.New("it does not say which opportunity was deleted")
		}
		return []Change{{Whole: true, Deal: Deal{ID: e.Object.String(), Gone: true, Modified: e.At.when()}}}, nil
	}
	var of struct {
		Event struct {
			Data closeDeal `json:"data"`
		} `json:"event"`
	}
	if err := decode(body, &of); err != nil {
		return nil, err
	}
	d := of.Event.Data.deal()
	if d.ID == "" {
		if d.ID = e.Object.String(); d.ID == "" {
			return nil, errors.New("it does not say which opportunity")
		}
		return []Change{hint(text(d.ID))}, nil
	}
	if d.Modified.IsZero() {
		d.Modified = e.At.when()
	}
	if e.Action == "created" || e.Previous.Stage != "" && e.Previous.Stage != of.Event.Data.Stage {
		d.Entered = []Entered{{d.Stage, e.At.when()}}
	}
	return []Change{{Whole: true, Deal: d}}, nil
}
