package store_test

import (
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestTheLatestChoiceCountsAndNoOldConsentOverrulesAStop(t *testing.T) {
	db := storetest.Open(t)
	chose := func(kind trail.Kind, contact trail.ContactID, account string, at time.Time, basis string) trail.Event {
		e := event(kind, string(contact)+account+basis, at)
		e.Contact, e.Account, e.Attrs = contact, account, map[string]string{"basis": basis}
		return e
	}
	insert(t, db,
		// The CRM says yes once with a date and once without, in a later state.
		registered(trail.ContactKind, string(ann), day(1), "consent", "yes", "consent_basis", "form", "consent_at", "2026-01-02T00:00:00Z"),
		registered(trail.ContactKind, string(bob), day(9), "consent", "yes", "title", "CTO"),
		registered(trail.ContactKind, string(cara), day(1), "consent", "yes", "consent_basis", "fair", "consent_at", "2026-01-08T00:00:00Z"),
		chose(trail.OptedOut, bob, "bob.example", day(5), "stopped"),
		chose(trail.OptedOut, cara, "", day(5), "stopped"),
		chose(trail.Consented, dan, "", day(3), "mail"), chose(trail.OptedOut, dan, "", day(3), "telephone"),
		chose(trail.Consented, "", "alpha.example", day(4), "contract"),
	)
	got := map[string]string{}
	for _, c := range must(db.Choices(t.Context(), ""))(t) {
		word := map[bool]string{true: "yes", false: "no"}[c.Allowed]
		if c.Subject == "alpha.example" && c.Kind != "account" {
			t.Errorf("a company is %+v", c)
		}
		got[c.Subject] = word + " " + c.Basis
	}
	check(t, "choices", got, map[string]string{
		string(ann): "yes form", string(bob): "no stopped", string(cara): "yes fair", string(dan): "no telephone", "alpha.example": "yes contract",
	})
	detail := must(db.Contact(t.Context(), cara, store.Filter{}))(t)
	check(t, "of a contact", *detail.Tracking, trail.Choice{Allowed: true, Basis: "fair", At: day(8)})
}

// What may name nobody counts as clicks in all, and as no link's.
func TestClicksWithoutAPersonAreCountedApart(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, company()...)
	before := must(db.Contents(t.Context(), store.Filter{}))(t)
	for i := range 3 {
		e := event(trail.Clicked, "nameless"+string(rune('a'+i)), day(12))
		e.Content, e.Verdict, e.Withheld = "deck", trail.Verdict{Agent: trail.Human, Probability: 0.95}, trail.NoConsent
		insert(t, db, e)
	}
	after := must(db.Contents(t.Context(), store.Filter{}))(t)
	for i, c := range after {
		if c.ID == "deck" {
			check(t, "links clicked", c.Clicked, before[i].Clicked)
			check(t, "clicks in all", c.Clicks, before[i].Clicks+3)
			check(t, "without a person", c.Nameless, uint64(3))
		}
	}
}
