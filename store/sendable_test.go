package store_test

import (
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestOnlyWhatIsCurrentCanBeSent(t *testing.T) {
	db := storetest.Open(t)
	at := func(n int) string { return day(n).Format(time.RFC3339) }
	content := func(id string, attrs ...string) { insert(t, db, registered(trail.ContentKind, id, day(1), attrs...)) }
	content("plain", "title", "Plain", "kind", "Page", "persona", "CISO")
	content("expired", "expires_at", at(10))
	content("expires later", "expires_at", at(11))
	content("coming", "published_at", at(11))
	content("out", "published_at", at(10))
	content("old", "successor", "plain")
	content("older", "successor", "old")             // which is no longer sent itself, and yet is what follows
	content("waits", "successor", "coming")          // until that is published
	content("was last", "successor", "expired")      // which is over
	content("dangles", "successor", "never existed") //
	content("its own", "successor", "its own")       //
	content("gone", "successor", "plain", "expires_at", at(30))
	for i, rep := range []string{"rita@us.example", "sam@us.example", "rita@us.example", ""} {
		e := event(trail.Sent, "sent "+string(rune('a'+i)), day(2))
		e.Content, e.Contact, e.Rep, e.Message = "plain", ann, rep, string(rune('a'+i))
		insert(t, db, e)
	}
	var ids []string
	for _, c := range must(db.Sendable(t.Context(), day(10), store.Filter{}))(t) {
		ids = append(ids, c.ID)
		if c.ID == "plain" && (c.Reps != 2 || c.Sent != 4 || c.Title != "Plain" || c.Kind != "Page" || c.Persona != "CISO") {
			t.Errorf("%+v", c)
		}
	}
	check(t, "what can be sent", ids, []string{"dangles", "expires later", "its own", "out", "plain", "waits", "was last"})
}

func TestWhatADealsPeopleHadIsKnownWhoeverSentIt(t *testing.T) {
	db := openCompany(t)
	had := must(db.Had(t.Context(), "D1", store.Filter{}))(t)
	check(t, "Ann and Bob had", had, map[string]time.Time{"deck": had["deck"], "case": had["case"]})
	if had["deck"].Before(day(5)) || had["case"].Before(day(10)) {
		t.Errorf("%v", had)
	}
	check(t, "of a deal that there is not", must(db.Had(t.Context(), "D99", store.Filter{}))(t), map[string]time.Time{})
	// A mail of another deal's rep to a contact of this one counts.
	e := event(trail.Sent, "other", day(17))
	e.Content, e.Contact, e.Rep, e.Deal, e.Message = "faq", ann, "sam@us.example", "D2", "m99"
	insert(t, db, e)
	if had := must(db.Had(t.Context(), "D1", store.Filter{}))(t); !had["faq"].Equal(day(17)) {
		t.Errorf("%v", had)
	}
}
