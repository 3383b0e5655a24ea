package store_test

import (
	"fmt"
	"testing"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestVersionsOfAContentAreTold(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	sent := func(message string, n int, rules ...string) trail.Event {
		e := mailed(trail.Sent, message, "deck", ann, day(n))
		e.Rules = rules
		return e
	}
	insert(t, db,
		registered(trail.ContentKind, "deck", day(3), "title", "Deck", "version", "1", "file", "f1", "file_name", "deck-1.pdf"),
		registered(trail.ContentKind, "deck", day(4), "title", "The deck", "version", "1", "file", "f1", "file_name", "deck-1.pdf"), // the same version
		registered(trail.ContentKind, "deck", day(6), "title", "The deck", "version", "2", "file", "f2", "file_name", "deck-2.pdf"),
		registered(trail.ContentKind, "other", day(5), "title", "Other", "version", "9"),
		sent("m1", 2), sent("m2", 5), sent("m3", 6), sent("m4", 7, trail.RuleFile, trail.RuleStale), sent("m4", 7, trail.RuleFile, trail.RuleStale),
	)
	for _, laidOut := range []bool{false, true} {
		if laidOut {
			layOut(t, db)
		}
		got := ""
		for _, v := range must(db.Content(t.Context(), "deck", store.Filter{}))(t).Versions {
			got += fmt.Sprintf("%s of %s since %s: %d sent, %d older; ", v.Version, v.FileName, v.Since.Format("2"), v.Sent, v.Stale)
		}
		check(t, fmt.Sprint("laid out: ", laidOut), got, "2 of deck-2.pdf since 6: 2 sent, 1 older; 1 of deck-1.pdf since 3: 2 sent, 0 older; ")
	}
}
