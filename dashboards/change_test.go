package dashboards

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

func TestWhereLinksLeadIsChangedByForm(t *testing.T) {
	t.Parallel()
	e, r := registering(t)
	for _, id := range []string{"old", "fresh"} {
		if answer := post(t, e, "/content/new", url.Values{"id": {id}, "title": {"The " + id}, "url": {"https://www.example.com/" + id}, "version": {"1"}, "persona": {"CFO"}}); answer.Code != http.StatusSeeOther {
			t.Fatalf("%s: %d", id, answer.Code)
		}
	}
	r.state("")
	refused := func(form url.Values, want string) {
		t.Helper()
		if answer := post(t, e, "/content/old/change", form); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), want) {
			t.Errorf("%v answers %d and does not say %q", form, answer.Code, want)
		}
	}
	refused(url.Values{"url": {"javascript:alert(1)"}}, "must begin with https://")
	refused(url.Values{"url": {"https://www.example.com/old"}, "successor": {"nothing"}}, "There is no content &#34;nothing&#34;")
	refused(url.Values{"url": {"https://www.example.com/old"}, "successor": {"old"}}, "cannot be its own successor")
	if answer := post(t, e, "/content/unknown/change", url.Values{"url": {"https://www.example.com/x"}}); answer.Code != http.StatusNotFound && answer.Code != http.StatusUnprocessableEntity {
		t.Errorf("content that there is not answers %d", answer.Code)
	}

	answer := post(t, e, "/content/old/change", url.Values{"url": {"https://www.example.com/old2"}, "version": {"2"}, "successor": {"fresh"}, "withdraw": {"1"}})
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/content/old?changed=1#target" {
		t.Fatalf("%d to %q", answer.Code, answer.Header().Get("Location"))
	}
	attrs := r.state("old")
	for k, want := range map[string]string{"url": "https://www.example.com/old2", "version": "2", "successor": "fresh", "persona": "CFO", "expires_at": today.UTC().Format(time.RFC3339)} {
		if attrs[k] != want {
			t.Errorf("%s is %q, want %q", k, attrs[k], want)
		}
	}
	page := get(t, e, "/content/old?changed=1").Body.String()
	for _, words := range []string{"No longer offered since", `/content/fresh`, "Links that are out already follow", `name="successor" value="fresh"`} {
		if !strings.Contains(page, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	if post(t, e, "/content/old/change", url.Values{"url": {"https://www.example.com/old2"}, "version": {"2"}}); r.state("old")["expires_at"] != "" || r.state("old")["successor"] != "" {
		t.Errorf("emptied fields stay: %v", r.state("old"))
	}
}

func TestAChoiceOnTrackingIsRecordedByForm(t *testing.T) {
	t.Parallel()
	s, e := newSite(t, readCompany(t), nil)
	var got []string
	s.source.Choose = func(_ context.Context, email, domain string, allowed bool, at time.Time, basis string) error {
		if allowed && basis == "" {
			return trail.Problemf(trail.Invalid, "Consent needs a basis.")
		}
		got = append(got, fmt.Sprint(email, " ", domain, " ", allowed, " ", at.IsZero(), " ", basis))
		return nil
	}
	d := wonDeal(t)
	contact := "/contacts/" + d.Contacts[0].Address
	if page := get(t, e, contact).Body.String(); !strings.Contains(page, `action="`+contact+`/tracking"`) || !strings.Contains(page, "Nothing is on record for this person") {
		t.Error("the contact's page has no form for it")
	}
	now := today.Format(time.DateOnly)
	for _, c := range []struct {
		to, choice, basis, at string
		code                  int
	}{
		{contact + "/tracking", "yes", "web form", "2026-01-05", http.StatusSeeOther},
		{"/accounts/" + d.Domain + "/tracking", "no", "", now, http.StatusSeeOther},
		{contact + "/tracking", "yes", "", now, http.StatusBadRequest},
		{contact + "/tracking", "perhaps", "x", now, http.StatusBadRequest},
		{contact + "/tracking", "yes", "x", "yesterday", http.StatusBadRequest},
	} {
		answer := post(t, e, c.to, url.Values{"choice": {c.choice}, "basis": {c.basis}, "at": {c.at}})
		if c.code == http.StatusSeeOther && (answer.Code != c.code || !strings.HasSuffix(answer.Header().Get("Location"), "#tracking")) || c.code != http.StatusSeeOther && answer.Code == http.StatusSeeOther {
			t.Errorf("%+v answers %d", c, answer.Code)
		}
	}
	if want := []string{d.Contacts[0].Address + "  true false web form", " " + d.Domain + " false true "}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}
