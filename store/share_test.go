package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// shareLines writes a rep's links, each as share, content, deal, for whom, opened,
// clicks, last click and last reply, with days for times.
func shareLines(t *testing.T, db *store.DB, rep string, since time.Time, f store.Filter) []string {
	t.Helper()
	on := func(at time.Time) string {
		if at.IsZero() {
			return "-"
		}
		return fmt.Sprint(at.Day())
	}
	lines := []string{}
	for _, s := range must(db.RepShares(t.Context(), rep, since.AddDate(0, 0, 30), f))(t) {
		lines = append(lines, strings.NewReplacer("@alpha.example", "", "@beta.example", "", "@gamma.example", "").Replace(fmt.Sprint(
			s.Share, " ", s.Title, " ", s.Deal, " made ", on(s.At), " for ", s.Contacts, " opened ", on(s.Opened), " clicks ", s.Clicks, " ", on(s.Clicked), " ", s.ClickedBy, " replied ", on(s.Replied), " ", s.RepliedBy)))
	}
	return lines
}

func TestARepSeesWhatCameOfEachLink(t *testing.T) {
	db := openCompany(t)
	for level, want := range map[trail.Level][]string{
		trail.All: {
			"s2 The Case  made 6 for [ann bob] opened - clicks 1 10 [ann bob] replied - []",
			"s7 The Case  made 6 for [cara] opened - clicks 0 - [] replied - []",
			"s1 The Deck  made 5 for [ann] opened 9 clicks 2 9 [ann] replied - []",
		},
		trail.Likely: {
			"s2 The Case  made 6 for [ann bob] opened - clicks 1 10 [ann bob] replied - []",
			"s7 The Case  made 6 for [cara] opened - clicks 0 - [] replied - []",
			"s1 The Deck  made 5 for [ann] opened 9 clicks 1 9 [ann] replied - []",
		},
		trail.Strict: {
			"s2 The Case  made 6 for [ann bob] opened - clicks 0 - [] replied - []",
			"s7 The Case  made 6 for [cara] opened - clicks 0 - [] replied - []",
			"s1 The Deck  made 5 for [ann] opened - clicks 1 9 [ann] replied - []",
		},
	} {
		check(t, string(level), shareLines(t, db, "Rita@us.example ", day(1), store.Filter{Agents: level}), want)
	}
	// One reply to a mail with two links answers both; a click of our own counts nowhere.
	check(t, "Sam's", shareLines(t, db, "sam@us.example", day(1), store.Filter{}), []string{
		"s4 The Deck  made 8 for [cara] opened - clicks 0 - [] replied 14 [cara]",
		"s5 The Case  made 8 for [cara] opened - clicks 0 - [] replied 14 [cara]",
		"s3 The Deck  made 7 for [dan] opened - clicks 1 13 [dan] replied - []",
		"s6 The Deck D2 made 4 for [] opened - clicks 1 16 [] replied - []",
	})
	check(t, "limited", len(must(db.RepShares(t.Context(), "sam@us.example", day(20), store.Filter{Limit: 3}))(t)), 3)
	check(t, "as of before the reply", shareLines(t, db, "sam@us.example", day(8), store.Filter{AsOf: day(12)}), []string{
		"s4 The Deck  made 8 for [cara] opened - clicks 0 - [] replied - []",
		"s5 The Case  made 8 for [cara] opened - clicks 0 - [] replied - []",
	})
	check(t, "a stranger's", shareLines(t, db, "nobody@us.example", day(1), store.Filter{}), []string{})
}

// A link that was made long ago is still among the latest while something comes
// of it, and not for what machines do.
func TestAnOldLinkIsListedWhileItIsUsed(t *testing.T) {
	db := openCompany(t)
	check(t, "since the 13th", shareLines(t, db, "sam@us.example", day(13), store.Filter{Limit: 9}), []string{
		"s4 The Deck  made 8 for [cara] opened - clicks 0 - [] replied 14 [cara]",
		"s5 The Case  made 8 for [cara] opened - clicks 0 - [] replied 14 [cara]",
		"s3 The Deck  made 7 for [dan] opened - clicks 1 13 [dan] replied - []",
		"s6 The Deck D2 made 4 for [] opened - clicks 1 16 [] replied - []",
	})
	check(t, "since the scanner's click", shareLines(t, db, "rita@us.example", day(9).Add(time.Minute), store.Filter{Agents: trail.Strict}), []string{})
	sent := event(trail.Sent, "again", day(17))
	sent.Share, sent.Content, sent.Rep, sent.Contact = "s6", "deck", "sam@us.example", ann
	insert(t, db, sent)
	check(t, "mailed again", shareLines(t, db, "sam@us.example", day(15), store.Filter{})[0], "s6 The Deck D2 made 4 for [ann] opened - clicks 1 16 [ann] replied - []")
}

func TestALinkThatAColleagueMailsOnStaysItsMakers(t *testing.T) {
	db := storetest.Open(t)
	made := event(trail.Shared, "made", day(3))
	made.Share, made.Content, made.Rep = "s1", "deck", "rita@us.example"
	sent := event(trail.Sent, "sent", day(2)) // the mail's own clock is behind
	sent.Share, sent.Content, sent.Rep, sent.Contact, sent.Message = "s1", "deck", "sam@us.example", ann, "m1"
	insert(t, db, sent, made, clicked("s1", day(4)))
	check(t, "the maker's", len(shareLines(t, db, "rita@us.example", day(1), store.Filter{})), 1)
	check(t, "the colleague's", len(shareLines(t, db, "sam@us.example", day(1), store.Filter{})), 0)
}

func TestWhatARepFindsIsWhatTheReportSays(t *testing.T) {
	db := openCompany(t)
	insert(t, db, registered(trail.ContentKind, "unsent", day(1), "title", "Never sent", "kind", "slides", "url", "https://x.example/u", "stage", "Proof", "persona", "buyer", "version", "3",
		"file", "abc", "expires_at", "2026-01-20T00:00:00Z", "tags", "a b"))
	want := must(db.Contents(t.Context(), store.Filter{}))(t)
	for i, c := range want {
		want[i] = trail.ContentRow{ID: c.ID, Title: c.Title, Kind: c.Kind, Stage: c.Stage, Persona: c.Persona, Version: c.Version, Tags: c.Tags, ExpiresAt: c.ExpiresAt, Sent: c.Sent}
	}
	check(t, "contents", must(db.Shareable(t.Context(), store.Filter{}))(t), want)
}

func TestARepsOpenDealsComeWithTheirPeople(t *testing.T) {
	db := openCompany(t)
	for rep, want := range map[string]string{"Sam@us.example": "D2 cara@beta.example", "rita@us.example": "", "nobody@us.example": ""} {
		var got []string
		for _, d := range must(db.OpenDeals(t.Context(), rep, true, store.Filter{}))(t) {
			got = append(got, d.ID)
			for _, c := range d.Contacts {
				got = append(got, c.Address)
			}
		}
		check(t, rep, strings.Join(got, " "), want)
	}
	if deals := must(db.OpenDeals(t.Context(), "sam@us.example", false, store.Filter{}))(t); len(deals) != 1 || deals[0].Contacts != nil {
		t.Errorf("people nobody asked for: %+v", deals)
	}
}

// versions is a content that was registered three times, and one that it
// succeeded.
func versions() []trail.Event {
	var events []trail.Event
	var state trail.State
	for i, attrs := range []map[string]string{
		pairs("title", "Deck", "version", "1", "url", "https://x.example/1"),
		pairs("title", "The deck"), // says nothing of the version
		pairs("version", "2", "url", "https://x.example/2"),
	} {
		next := state.With(attrs)
		e := trail.Registration("csv", trail.ContentKind, "deck", state, next, day(5+5*i))
		state = trail.State{Event: e.ID, At: e.At, Attrs: e.Attrs}
		events = append(events, e)
	}
	return append(events, registered(trail.ContentKind, "old", day(1), "title", "Old deck", "successor", "deck"), registered(trail.ContentKind, "other", day(1), "title", "Other"))
}

func TestEarlierSendsSayWhichVersionAColleagueSent(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, versions()...)
	sent := func(rep, content string, contact trail.ContactID, at time.Time) {
		e := event(trail.Sent, fmt.Sprint(rep, content, contact, at), at)
		e.Rep, e.Content, e.Contact, e.Message = rep+"@us.example", content, contact, fmt.Sprint("m", at.Unix())
		if contact == ann {
			e.Person = &trail.Person{Address: "ann@alpha.example", Name: "Ann A"}
		}
		insert(t, db, e)
	}
	sent("ben", "deck", ann, day(11))
	sent("ben", "deck", ann, day(9)) // not his newest
	sent("sam", "deck", ann, day(16))
	sent("rita", "deck", ann, day(12)) // herself
	sent("tom", "old", ann, day(12))
	sent("una", "other", ann, day(12))
	sent("ben", "deck", bob, day(4)) // before it was registered
	sent("ben", "deck", cara, day(12))
	sent("vic", "deck", ann, day(1)) // long ago
	sent("vic", "deck", ann, day(25))
	got := func(since, until int, contacts ...trail.ContactID) (lines []string) {
		for _, s := range must(db.EarlierSends(t.Context(), "deck", "Rita@us.example", contacts, day(since), day(until)))(t) {
			lines = append(lines, fmt.Sprint(s.Rep[:3], " ", s.At.Day(), " ", s.Person.Name, " ", s.Title, " ", s.Then, ">", s.Now, " ", s.Changed))
		}
		return lines
	}
	check(t, "Ann", got(8, 17, ann), []string{"sam 16 Ann A The deck 2>2 false", "tom 12 Ann A Old deck > false", "ben 11 Ann A The deck 1>2 true"})
	check(t, "Bob and Cara", got(4, 17, bob, cara), []string{"ben 12  The deck 1>2 true", "ben 4  The deck 1>2 true"})
	check(t, "Dan", got(1, 30, dan), nil)
	check(t, "nobody", got(1, 30), nil)
}
