package feed

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// hubspotTries is how often what a batch did not answer for is asked.
const hubspotTries = 3

// hubspotErrors are what HubSpot says, with 207 Multi-Status, of what it left out of the
// answer to a batch.
type hubspotErrors struct {
	N      int `json:"numErrors"`
	Errors []struct {
		Category text                       `json:"category"`
		Sub      text                       `json:"subCategory"`
		Context  map[string]json.RawMessage `json:"context"` // IDs by what they are of, among others
	} `json:"errors"`
}

// unanswered returns those inputs of which nothing is known, of the ones that have no result:
// HubSpot neither said that they are not there nor left them out of an answer that was whole.
func (e hubspotErrors) unanswered(without []object) []object {
	if len(e.Errors) == 0 && e.N == 0 {
		return nil // as it answers for what is deleted
	}
	absent := map[string]bool{}
	known := 0 // errors that say of something that it is not there
	for _, one := range e.Errors {
		if one.Category != "OBJECT_NOT_FOUND" && !strings.HasSuffix(one.Sub.String(), "NO_ASSOCIATIONS_FOUND") {
			continue
		}
		known++
		for _, ids := range one.Context {
			var list []text
			_ = json.Unmarshal(ids, &list) // what is no list names nothing
			for _, id := range list {
				absent[id.String()] = true
			}
		}
	}
	if known == len(e.Errors) && e.N <= known {
		return nil
	}
	return slices.DeleteFunc(without, func(in object) bool { return absent[in["id"].(string)] })
}

// objects reads objects of a kind by their IDs, and returns the IDs for which HubSpot did
// not answer however often it was asked. What is in neither is not there.
func (h *hubspotAPI) objects(ctx context.Context, kind string, question object, ids []string) (found []hubspotObject, silent []string, err error) {
	ask := inputs(ids)
	for try := 1; ; try++ {
		question = maps.Clone(question)
		question["inputs"] = ask
		var answer struct {
			hubspotErrors
			Results []hubspotObject `json:"results"`
		}
		if err := h.post(ctx, "/crm/v3/objects/"+kind+"/batch/read", question, &answer); err != nil {
			return nil, nil, err
		}
		there := map[string]bool{}
		for _, o := range answer.Results {
			there[o.ID.String()] = true
		}
		found = append(found, answer.Results...)
		ask = answer.unanswered(slices.DeleteFunc(ask, func(in object) bool { return there[in["id"].(string)] }))
		if len(ask) == 0 {
			return found, nil, nil
		}
		if try == hubspotTries {
			for _, in := range ask {
				silent = append(silent, in["id"].(string))
			}
			return found, silent, nil
		}
		if err := h.wait(ctx, time.Second<<try); err != nil {
			return nil, nil, err
		}
	}
}

// address returns the address of a contact, also of one that was archived, "" if HubSpot
// does not tell it.
func (h *hubspotAPI) address(ctx context.Context, id string) (string, error) {
	for _, archived := range []string{"false", "true"} {
		var o hubspotObject
		err := h.get(ctx, "/crm/v3/objects/contacts/"+url.PathEscape(id), url.Values{"properties": {"email"}, "archived": {archived}}, &o)
		var t *trouble
		if errors.As(err, &t) && slices.Contains([]int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusGone}, t.status) {
			continue // it is not there, or the token may not read it
		}
		if address := o.Properties["email"].String(); err != nil || address != "" {
			return address, err
		}
	}
	return "", nil
}
