package feed

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// hubspot reads deliveries of HubSpot: signature v3, up to a hundred changes each, which
// name objects by their IDs alone.
type hubspot struct{ *Source }

// escapes are what HubSpot undoes in an address before it signs it, and nothing else.
var escapes = strings.NewReplacer("%3A", ":", "%3a", ":", "%2F", "/", "%2f", "/", "%3F", "?", "%3f", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'",
	"%28", "(", "%29", ")", "%2A", "*", "%2a", "*", "%2C", ",", "%2c", ",", "%3B", ";", "%3b", ";")

// verify: base64 of HMAC-SHA256 over method, address, body and the time in milliseconds.
func (hubspot) verify(d Delivery, secrets []string, now time.Time) error {
	stamp := d.Header.Get("X-HubSpot-Request-Timestamp")
	given, err := base64.StdEncoding.DecodeString(d.Header.Get("X-HubSpot-Signature-v3"))
	if err != nil || len(given) == 0 || stamp == "" {
		return errUnsigned
	}
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errUnsigned
	}
	if !isFresh(time.UnixMilli(ms), now) {
		return errStale
	}
	var wanted [][]byte
	for _, s := range secrets {
		wanted = append(wanted, mac([]byte(s), []byte(d.Method), []byte(escapes.Replace(d.URI)), d.Body, []byte(stamp)))
	}
	if !anyEqual(given, wanted) {
		return errForged
	}
	return nil
}

func (hubspot) name(Delivery) string { return "" }

// maxChanges is how many changes a delivery may hold; HubSpot and Salesforce send a hundred.
const maxChanges = 1000

// read: a list of changes. The two families of subscriptions, deal.propertyChange and
// object.propertyChange with an objectTypeId, say the same.
func (h hubspot) read(body []byte) ([]Change, error) {
	var told []struct {
		Type    text `json:"subscriptionType"`
		Object  text `json:"objectId"`
		Portal  text `json:"portalId"`
		At      text `json:"occurredAt"`
		TypeID  text `json:"objectTypeId"`
		OfType  text `json:"objectType"`
		Primary text `json:"primaryObjectId"`
		New     text `json:"newObjectId"`
		From    text `json:"fromObjectId"`
		To      text `json:"toObjectId"`
		Kind    text `json:"associationType"`
		Named   text `json:"propertyName"`
		Value   text `json:"propertyValue"`
	}
	if err := decode(body, &told); err != nil {
		return nil, err
	}
	if len(told) > maxChanges {
		return nil, fmt.Errorf("it has more than %d changes", maxChanges)
	}
	var changes []Change
	for _, t := range told {
		if t.Type == "" {
			return nil, errors.New("a change has no subscriptionType")
		}
		if h.Portal != "" && t.Portal.String() != h.Portal {
			return nil, errors.New("it is of another portal than the configured one")
		}
		of, what, _ := strings.Cut(t.Type.String(), ".")
		if of == "object" {
			of = objectOf(first(t.TypeID, t.OfType))
		}
		switch {
		case of == "contact" && what == "privacyDeletion":
			changes = append(changes, Change{Erase: t.Object.String()})
		case of == "contact" && what == "propertyChange" && t.Named == "email":
			changes = append(changes, Change{Is: person{t.Object.String(), t.Value.String()}})
		case what == "associationChange":
			if kind := strings.ToUpper(t.Kind.String()); strings.HasPrefix(kind, "DEAL_TO_") {
				changes = append(changes, hint(t.From))
			} else if strings.HasSuffix(kind, "_TO_DEAL") {
				changes = append(changes, hint(t.To))
			}
		case of == "deal":
			changes = append(changes, hint(t.Object), hint(t.Primary), hint(t.New))
		}
	}
	return named(changes), nil
}

// objectOf returns the word for a type of objects that HubSpot numbers.
func objectOf(kind string) string {
	switch strings.ToLower(kind) {
	case "0-3", "deal", "deals":
		return "deal"
	case "0-1", "contact", "contacts":
		return "contact"
	}
	return kind
}

// hint is a change of which only the deal's ID is known.
func hint(id text) Change { return Change{Deal: Deal{ID: id.String()}} }

// named leaves out changes that name nothing.
func named(changes []Change) (kept []Change) {
	for _, c := range changes {
		if c.Deal.ID != "" || c.Erase != "" || c.Is.ID != "" && c.Is.Address != "" {
			kept = append(kept, c)
		}
	}
	return kept
}
