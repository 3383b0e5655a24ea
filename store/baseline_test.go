package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// firstDay is a company on the day on which its mail was read for the first time:
// nothing was tracked.
func firstDay() []trail.Event {
	sent := func(message, content string, contact trail.ContactID, rep string, at time.Time, rules ...string) trail.Event {
		e := mailed(trail.Sent, message, content, contact, at)
		e.ID, e.Rep, e.Rules, e.Signal = trail.IDFrom(at, "test", message, content, string(contact), fmt.Sprint(rules)), rep+"@us.example", rules, trail.Unobservable
		if rules == nil {
			e.Signal = ""
		}
		return e
	}
	tracked := sent("m4", "deck", cara, "sam", day(8), trail.RuleTracked)
	tracked.Share, tracked.Signal = "s4", ""
	contact := func(c trail.ContactID, domain string) trail.Event {
		return registered(trail.ContactKind, string(c), day(1), "domain", domain)
	}
	return []trail.Event{
		registered(trail.ContentKind, "deck", day(1), "title", "The Deck", "file", "f1", "file_name", "Deck.pdf", "file_size", "1000"),
		registered(trail.ContentKind, "case", day(1), "title", "The Case", "url", "https://x.example/case"),
		registered(trail.ContentKind, "faq", day(1), "title", "Nobody's"),
		contact(ann, "alpha.example"), contact(bob, "alpha.example"), contact(cara, "beta.example"), contact(dan, "gamma.example"),
		registered(trail.DealKind, "D1", day(2), "status", "won", "closed_at", "2026-01-10T00:00:00Z", "contacts", string(ann)),
		registered(trail.DealKind, "D2", day(2), "status", "won", "closed_at", "2026-01-06T00:00:00Z", "contacts", string(cara)),
		registered(trail.DealKind, "D3", day(2), "status", "lost", "closed_at", "2026-01-20T00:00:00Z", "contacts", string(dan)),
		registered(trail.DealKind, "D4", day(2), "status", "won", "closed_at", "2026-01-09T00:00:00Z"),
		sent("m1", "deck", ann, "rita", day(5), trail.RuleFile), sent("m1", "deck", bob, "rita", day(5), trail.RuleFile),
		sent("m1", "case", ann, "rita", day(5), trail.RulePlainLink), sent("m1", "case", bob, "rita", day(5), trail.RulePlainLink),
		sent("m1", "case", bob, "rita", day(5), trail.RuleFile),
		sent("m2", "deck", dan, "sam", day(6), trail.RuleFile, trail.RuleStale),
		sent("m3", "", ann, "sam", day(7)), sent("m3", "", dan, "sam", day(7)),
		tracked, // to Cara, after her deal had closed
		mailed(trail.Replied, "m1", "", ann, day(6)), mailed(trail.Autoreplied, "m2", "", dan, day(7)),
		sighting("link", "https://us.example/offer", "", 0, "", 3, day(6)), sighting("file", "", "Deck (1).pdf", 1370, "deck", 1, day(6)),
	}
}

func sighting(what, url, name string, size int, near string, reps int, at time.Time) trail.Event {
	e := event(trail.Sighted, fmt.Sprint(what, url, name, size, reps), at)
	e.Content, e.Attrs = near, pairs("what", what, "reps", fmt.Sprint(reps))
	if url != "" {
		e.Attrs["url"] = url
	} else {
		e.Attrs["name"], e.Attrs["size"] = name, fmt.Sprint(size)
	}
	return e
}

func baselineLine(b *trail.Baseline) string {
	return fmt.Sprintf("%d to %d: %d contents, %d unsent, %d unregistered, %d near; %d sends: %d tracked, %d files, %d plain, %d stale, %d observable; %d reps to %d; %d written, %d unanswered; %d won, %d with",
		b.From.Day(), b.To.Day(), b.Contents, b.Unsent, b.Unregistered, b.NearCopies, b.Sends, b.Tracked, b.Files, b.PlainLinks, b.Stale, b.Observable, b.Reps, b.Recipients, b.Written, b.Unanswered, b.Won, b.WonWith)
}

func TestTheFirstDaysReportCanBeCounted(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, firstDay()...)
	b := must(db.Baseline(t.Context(), time.Time{}, day(12)))(t)
	check(t, "totals", baselineLine(b), "5 to 12: 3 contents, 1 unsent, 1 unregistered, 1 near; 6 sends: 1 tracked, 4 files, 1 plain, 1 stale, 1 observable; 2 reps to 4; 4 written, 3 unanswered; 3 won, 1 with")
	var rows []string
	for _, r := range b.Rows {
		rows = append(rows, fmt.Sprint(r.Content, ", ", r.Title, ": ", r.Sends, " by ", r.Reps, " to ", r.Recipients, ", stale ", r.Stale, ", won ", r.Won))
	}
	check(t, "contents", rows, []string{
		"deck, The Deck: 4 by 2 to 4, stale 1, won 1", "case, The Case: 2 by 1 to 2, stale 0, won 1", "faq, Nobody's: 0 by 0 to 0, stale 0, won 0",
	})
	part := must(db.Baseline(t.Context(), day(7), day(9)))(t)
	check(t, "two days", baselineLine(part), "7 to 9: 3 contents, 2 unsent, 1 unregistered, 1 near; 1 sends: 1 tracked, 0 files, 0 plain, 0 stale, 1 observable; 1 reps to 1; 3 written, 3 unanswered; 1 won, 0 with")
	empty := must(db.Baseline(t.Context(), day(20), day(21)))(t)
	check(t, "days without mail", baselineLine(empty), "20 to 21: 3 contents, 3 unsent, 1 unregistered, 1 near; 0 sends: 0 tracked, 0 files, 0 plain, 0 stale, 0 observable; 0 reps to 0; 0 written, 0 unanswered; 0 won, 0 with")
}

func TestAnEmptyStoreHasABaseline(t *testing.T) {
	db := storetest.Open(t)
	both := must(db.Baselines(t.Context(), time.Time{}, day(12)))(t)
	if both.Kept != nil || both.Now.Sends != 0 || !both.Now.From.IsZero() || both.Now.Rows == nil {
		t.Errorf("%+v, %+v", both.Kept, both.Now)
	}
	rows := must(db.Sighted(t.Context(), day(12), store.Filter{}))(t)
	check(t, "sighted", len(rows), 0)
}

// What was kept stays what it was, and today is measured over as long a time.
func TestAKeptBaselineIsComparedWithAsLongATime(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, firstDay()...)
	then := must(db.Baseline(t.Context(), time.Time{}, day(12)))(t)
	keep := func(b *trail.Baseline, byItself bool) trail.Event {
		t.Helper()
		e := must(b.Event("jobs", byItself))(t)
		insert(t, db, e)
		return e
	}
	first := keep(then, true)
	check(t, "it happens once", must(then.Event("jobs", true))(t).ID, first.ID)
	late := mailed(trail.Sent, "m9", "faq", ann, day(16))
	insert(t, db, late)
	both := must(db.Baselines(t.Context(), day(1), day(17)))(t)
	check(t, "kept", baselineLine(both.Kept), baselineLine(then))
	check(t, "rows kept", fmt.Sprint(len(both.Kept.Rows), both.Kept.Rows[0].Content, both.Kept.Rows[0].Title, both.Kept.Rows[0].Sends), "2deck4")
	check(t, "now", baselineLine(both.Now), "10 to 17: 3 contents, 2 unsent, 1 unregistered, 1 near; 1 sends: 0 tracked, 0 files, 0 plain, 0 stale, 1 observable; 1 reps to 1; 1 written, 1 unanswered; 1 won, 1 with")
	keep(both.Now, false)
	check(t, "kept anew", must(db.KeptBaseline(t.Context()))(t).To, day(17))
	check(t, "no person is in it", strings.Contains(first.Attrs["report"], string(ann)) || strings.Contains(first.Attrs["report"], "rita"), false)
	if compact, err := json.Marshal(both.Kept); err != nil || len(compact) > len(first.Attrs["report"])+50 {
		t.Errorf("%v: it is not compact: %s", err, first.Attrs["report"])
	}
}

// A CRM's export holds the wins of years, an import the mail of another tool, and
// any mail may bear any date: Then and Now must count the same days.
func TestDealsAreCountedOverTheSameDaysAsMail(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, firstDay()...)
	for i := range 20 {
		insert(t, db, registered(trail.DealKind, fmt.Sprint("OLD", i), day(2), "status", "won", "closed_at", fmt.Sprintf("2021-01-%02dT00:00:00Z", 1+i)))
	}
	imported := mailed(trail.Sent, "m98", "deck", ann, day(2))
	imported.Source = "csv"
	insert(t, db, registered(trail.DealKind, "NODATE", day(2), "status", "won", "contacts", string(ann)), imported)
	then := must(db.Baseline(t.Context(), time.Time{}, day(12)))(t)
	check(t, "from the first mail that was read", baselineLine(then), "5 to 12: 3 contents, 1 unsent, 1 unregistered, 1 near; 6 sends: 1 tracked, 4 files, 1 plain, 1 stale, 1 observable; 2 reps to 4; 4 written, 3 unanswered; 3 won, 1 with")
	insert(t, db, mailed(trail.Sent, "m99", "deck", ann, time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)))
	then = must(db.Baselines(t.Context(), day(1), day(12)))(t).Now
	check(t, "a mail of 1999, and an import whose opens nobody sees", baselineLine(then), "1 to 12: 3 contents, 1 unsent, 1 unregistered, 1 near; 7 sends: 1 tracked, 4 files, 1 plain, 1 stale, 1 observable; 2 reps to 4; 4 written, 3 unanswered; 3 won, 1 with")
	insert(t, db, must(then.Event("jobs", true))(t))
	now := must(db.Baselines(t.Context(), day(1), day(13)))(t).Now
	check(t, "now is as long", fmt.Sprint(now.To.Sub(now.From), now.Won), fmt.Sprint(then.To.Sub(then.From), then.Won))
	rows := must(db.Contents(t.Context(), store.Filter{}))(t)
	for _, r := range rows {
		if r.ID == "deck" {
			check(t, "the content's own rate leaves imports out", r.Observable, uint64(2)) // the tracked one, and that of 1999
		}
	}
}

// Whoever registers a near copy has done what the list asks for.
func TestANearCopyIsNoneOnceItsFileIsRegistered(t *testing.T) {
	for what, as := range map[string][]string{
		"as the next version":    {"deck", "title", "The Deck"},
		"as content of its own":  {"deck-1", "title", "Deck one"},
		"in capitals, and later": {"deck", "title", "The Deck"},
	} {
		db := storetest.Open(t)
		insert(t, db, firstDay()...)
		name := map[bool]string{true: "DECK (1).pdf", false: "Deck (1).pdf"}[strings.Contains(what, "capitals")]
		insert(t, db, registered(trail.ContentKind, as[0], day(13), append(as[1:], "file", "f9", "file_name", name, "file_size", "1010")...))
		if strings.Contains(what, "later") {
			insert(t, db, registered(trail.ContentKind, "deck", day(14), "title", "The Deck", "file", "f10", "file_name", "Deck v3.pdf", "file_size", "3000"))
		}
		check(t, what, sightedLines(t, db)[1:], []string{"old_version deckThe Deck  0 reps 1 mails 1 on 6"})
		check(t, what+", counted", must(db.Baseline(t.Context(), day(1), day(20)))(t).NearCopies, uint64(0))
	}
	db := storetest.Open(t)
	insert(t, db, firstDay()...)
	insert(t, db, registered(trail.ContentKind, "deck-1", day(13), "file", "f9", "file_name", "Deck (1).pdf", "file_size", "2000"))
	check(t, "a file of the name and another size", must(db.Baseline(t.Context(), day(1), day(20)))(t).NearCopies, uint64(1))
}

func sightedLines(t *testing.T, db *store.DB) (lines []string) {
	t.Helper()
	for _, r := range must(db.Sighted(t.Context(), day(20), store.Filter{}))(t) {
		line := fmt.Sprint(r.Found, " ", r.Content, r.Title, " ", r.URL, r.Name, " ", r.Size, " reps ", r.Reps, " mails ", r.Mails, " on ", r.At.Day())
		if r.Dismissed {
			line += " dismissed"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestSightedThingsComeWithTheirNewestCountUntilTheyAreRegistered(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, firstDay()...)
	insert(t, db, sighting("link", "https://us.example/offer", "", 0, "", 5, day(9)), sighting("link", "https://us.example/offer", "", 0, "", 4, day(8)),
		sighting("file", "", "Prices.xlsx", 500, "", 3, day(7)), sighting("file", "", "PRICES.xlsx", 500, "", 4, day(8)), sighting("file", "", "Prices.xlsx", 900, "", 3, day(7)),
		sighting("file", "", "Gone.pdf", 10, "gone", 2, day(7)))
	old := mailed(trail.Sent, "m7", "deck", ann, day(15))
	old.Rules = []string{trail.RuleFile, trail.RuleStale}
	long := mailed(trail.Sent, "m0", "case", ann, day(1).AddDate(0, -3, 0))
	long.Rules = old.Rules
	insert(t, db, old, long)
	offer := "unregistered  https://us.example/offer 0 reps 5 mails 0 on 9"
	near := "near_copy deckThe Deck Deck (1).pdf 1370 reps 1 mails 0 on 6"
	check(t, "sighted", sightedLines(t, db), []string{
		offer, "unregistered  PRICES.xlsx 500 reps 4 mails 0 on 8", "unregistered  Prices.xlsx 900 reps 3 mails 0 on 7", "old_version deckThe Deck  0 reps 2 mails 2 on 15", near,
	})
	dismiss := func(r trail.SightedRow, dismissed bool, at time.Time) {
		t.Helper()
		insert(t, db, must(trail.Dismissal("ui", r, dismissed, at))(t))
	}
	link := trail.SightedRow{What: "link", URL: "https://us.example/offer"}
	dismiss(link, true, day(10))
	dismiss(trail.SightedRow{What: "file", Name: "prices.XLSX", Size: 500}, true, day(10))
	insert(t, db, sighting("link", "https://us.example/offer", "", 0, "", 6, day(11)))
	lines := sightedLines(t, db)
	check(t, "dismissed, whoever sends it after", lines[0], "unregistered  https://us.example/offer 0 reps 6 mails 0 on 11 dismissed")
	check(t, "dismissed in other letters", lines[1], "unregistered  PRICES.xlsx 500 reps 4 mails 0 on 8 dismissed")
	check(t, "dismissed are not counted", must(db.Baseline(t.Context(), time.Time{}, day(20)))(t).Unregistered, uint64(1))
	dismiss(link, false, day(12))
	check(t, "listed again", sightedLines(t, db)[0], "unregistered  https://us.example/offer 0 reps 6 mails 0 on 11")

	insert(t, db, registered(trail.ContentKind, "offer", day(13), "url", "https://US.example/offer/?utm_source=x"), registered(trail.ContentKind, "prices", day(13), "file", "f2", "file_name", "prices.xlsx"))
	check(t, "registered", sightedLines(t, db), []string{"old_version deckThe Deck  0 reps 2 mails 2 on 15", near})
	for _, wrong := range []trail.SightedRow{{}, {What: "link"}, {What: "file"}, {What: "old", URL: "x"}} {
		_, err := trail.Dismissal("ui", wrong, true, day(1))
		problem(t, err, trail.Invalid)
	}
}
