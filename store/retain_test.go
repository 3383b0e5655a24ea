package store_test

import (
	"fmt"
	"testing"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// Of whom nothing was heard for long nobody knows the name any more, and every count is
// as it was; whom the CRM has, and who is on an open deal, stays.
func TestWhoWasNotHeardOfIsForgottenAndEveryNumberStays(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, company()...)
	old, known, open := keys.ID("old@zeta.example"), keys.ID("known@zeta.example"), keys.ID("open@zeta.example")
	var events []trail.Event
	for i, c := range []trail.ContactID{old, known, open} {
		e := event(trail.Replied, fmt.Sprint("reply", i), day(3))
		e.Contact, e.Person, e.Rep = c, &trail.Person{Address: fmt.Sprint(i, "@zeta.example"), Name: "Zed"}, "rita@us.example"
		events = append(events, e)
	}
	crm := event(trail.ContactKind, "the crm has known", day(2))
	crm.Contact, crm.Attrs = known, map[string]string{"domain": "zeta.example"}
	deal := event(trail.DealKind, "an open deal", day(2))
	deal.Deal, deal.Attrs = "Z-1", map[string]string{"status": "open", "name": "Zeta", "contacts": string(open)}
	closed := event(trail.DealKind, "a closed deal", day(2))
	closed.Deal, closed.Attrs = "Z-2", map[string]string{"status": "lost", "name": "Zeta 2", "contacts": string(old)}
	insert(t, db, append(events, crm, deal, closed)...)
	layOut(t, db)
	ask := func() string {
		n := must(db.Counts(t.Context()))(t)
		d := must(db.Deal(t.Context(), "Z-2", store.Filter{}))(t)
		return fmt.Sprint(n.Events, n.Contacts, n.Deals, n.Clicks, len(d.Events), fmt.Sprintf("%+v", must(db.Reps(t.Context(), store.Filter{}))(t)))
	}
	before := ask()
	for i := range 2 {
		gone, err := db.Expired(t.Context(), day(4))
		if err == nil && len(gone) > 0 {
			err = db.Expire(t.Context(), gone)
		}
		if err != nil || len(gone) != 1-i || i == 0 && gone[0] != old {
			t.Fatalf("forgotten: %v, %v", gone, err)
		}
	}
	db.Wrote()
	check(t, "counts", ask(), before)
	if left := must(db.NamesOf(t.Context(), old))(t); len(left) > 0 {
		t.Errorf("still known: %v", left)
	}
	for _, c := range []trail.ContactID{known, open} {
		if left := must(db.NamesOf(t.Context(), c))(t); len(left) != 1 {
			t.Errorf("%s is forgotten", c)
		}
	}
	if n := number(t, db, "SELECT count() FROM events WHERE contact = '"+string(old)+"' OR has(splitByChar(' ', attrs['contacts']), '"+string(old)+"')"); n != 0 {
		t.Errorf("%d events name who was forgotten", n)
	}
}
