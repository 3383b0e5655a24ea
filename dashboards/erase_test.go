package dashboards

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"dealtrail/trail"
)

// A person is erased only by their address, typed once more; the answer names nobody.
func TestAPersonIsErasedByTypingTheAddressOnceMore(t *testing.T) {
	_, e := newSite(t, readCompany(t), nil)
	address := wonDeal(t).Contacts[0].Address
	page := "/contacts/" + url.PathEscape(address)
	if strings.Contains(get(t, e, page).Body.String(), page+"/erase") {
		t.Error("there is a link although nobody can be erased")
	}
	var erased []string
	_, e = newSite(t, readCompany(t), func(s *Site) {
		s.Erase = func(_ context.Context, address, by string) (trail.Erasure, error) {
			erased = append(erased, address)
			return trail.Erasure{Tombstone: "stone", State: trail.ErasureComplete, Known: true, Removed: []trail.ErasedFrom{{Where: "database: people", What: "who they are", N: 1}}, Left: []string{"A tombstone."}}, nil
		}
	})
	if !strings.Contains(get(t, e, page).Body.String(), "/erase\"") {
		t.Error("the person's page leads nowhere")
	}
	if body := get(t, e, page+"/erase").Body.String(); !strings.Contains(body, address) || !strings.Contains(body, `name="address"`) {
		t.Errorf("the page does not ask: %s", body)
	}
	if answer := post(t, e, page+"/erase", url.Values{"address": {"somebody@else.example"}}); answer.Code != http.StatusBadRequest || len(erased) > 0 {
		t.Errorf("another address: %d, erased %v", answer.Code, erased)
	}
	answer := post(t, e, page+"/erase", url.Values{"address": {" " + strings.ToUpper(address)}})
	if body := answer.Body.String(); answer.Code != http.StatusOK || len(erased) != 1 || erased[0] != address || !strings.Contains(body, "who they are") || strings.Contains(body, address) {
		t.Errorf("erased %v, answer %d: %s", erased, answer.Code, body)
	}
}
