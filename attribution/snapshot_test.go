package attribution_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// What a snapshot has, as the store tells it: a text for each touch, and for each deal. Sizes by value are no view's.
const (
	snapshotTouches = `
		SELECT formatRow('TSV', d.name, at_ms, hex(id), c.name, r.name, kind, hex(min(id) OVER (PARTITION BY d.name, burst)), level, rule, confidence)
		FROM snapshot_touches AS t
		INNER JOIN (SELECT deal, name FROM snapshot_deals WHERE snapshot = {snapshot:String}) AS d ON d.deal = t.deal
		LEFT JOIN (SELECT no, name FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'content') AS c ON c.no = t.content
		LEFT JOIN (SELECT no, name FROM snapshot_names WHERE snapshot = {snapshot:String} AND what = 'rep') AS r ON r.no = t.rep
		WHERE snapshot = {snapshot:String} AND undecided = 0`
	snapshotDeals = `
		SELECT formatRow('TSV', name, domain, status, if(last.stage != '' AND (d.stage = '' OR last.received_ms > registered_ms), last.stage, d.stage), owner, contacts, created_ms, closed_ms, team, source, segment, if(size IN ('under 10k', '10k to 100k', '100k and over'), '', size))
		FROM snapshot_deals AS d
		LEFT JOIN (SELECT deal, argMax(stage, (at_ms, id)) AS stage, argMax(received_ms, (at_ms, id)) AS received_ms FROM snapshot_stages WHERE snapshot = {snapshot:String} GROUP BY deal) AS last ON last.deal = d.deal
		WHERE snapshot = {snapshot:String}`
	viewOfDeals = `
		SELECT formatRow('TSV', deal, domain, status, stage, owner, contacts, toUnixTimestamp64Milli(created_at), toUnixTimestamp64Milli(closed_at), attrs['team'], attrs['source'], attrs['segment'], attrs['size'])
		FROM deals(as_of = {as_of:DateTime64(3)}) AS d`
)

// checkSnapshot says how a snapshot differs from what the views say as of its time. The view of touches has also those of deals
// that nobody registered.
func checkSnapshot(t testing.TB, db *store.DB, snapshot string, asOf time.Time, touches []tied) (differences []string) {
	t.Helper()
	compare := func(what string, got, want []string) {
		slices.Sort(got)
		slices.Sort(want)
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				differences = append(differences, fmt.Sprintf("%s from the %d. on are\n%q; the views say\n%q", what, i, got[min(i, len(got)):], want[min(i, len(want)):]))
				return
			}
		}
	}
	deals := lines(t, db, viewOfDeals, clickhouse.DateNamed("as_of", asOf, clickhouse.MilliSeconds))
	compare("deals", lines(t, db, snapshotDeals, clickhouse.Named("snapshot", snapshot)), deals)
	var want []string
	for _, x := range touches {
		if slices.ContainsFunc(deals, func(row string) bool { return strings.HasPrefix(row, x.deal+"\t") }) {
			want = append(want, x.row)
		}
	}
	compare("touches", lines(t, db, snapshotTouches, clickhouse.Named("snapshot", snapshot)), want)
	return differences
}

// layoutRows are rows of a view, as it says them and as they are laid out as of a time.
var layoutRows = map[string]string{
	"tied":     `SELECT formatRow('TSV', id, at, kind, source, content, share, message, contact, arraySort(contacts), account, rep, deal, stage, note, agent, probability, rules, signal, level, led_to, withheld, arraySort(deals), rule, toUInt16(round(1000 * confidence)))`,
	"deals":    `SELECT formatRow('TSV', deal, name, account, domain, amount, currency, stage, status, owner, created_at, closed_at, loss_reason, contacts, known_at, mapSort(attrs), id)`,
	"contacts": `SELECT formatRow('TSV', contact, account, domain, role, owner, status, source, created_at, mapSort(attrs), id)`,
	"contents": `SELECT formatRow('TSV', content, title, kind, url, other_urls, stage, persona, version, tags, owner, file, file_name, published_at, expires_at, mapSort(attrs), id)`,
}

// checkLayout lays out what was known at a time, and says how it differs from what the views say.
func checkLayout(t testing.TB, db *store.DB, asOf time.Time) (differences []string) {
	t.Helper()
	exec(t, db, "TRUNCATE TABLE layouts") // the same time may be that of another company
	if err := db.Freeze(t.Context(), asOf); err != nil {
		t.Fatal(err)
	}
	asked := clickhouse.DateNamed("as_of", asOf, clickhouse.MilliSeconds)
	for view, rows := range layoutRows {
		table, only := map[string]string{"tied": "layout_events"}[view], ""
		if table == "" {
			table = "layout_" + view
		}
		if view == "contacts" {
			only = " AND NOT gone"
		}
		want := lines(t, db, rows+" FROM "+view+"(as_of = {as_of:DateTime64(3)}) AS v", asked)
		got := lines(t, db, rows+" FROM "+table+" WHERE layout = (SELECT max(layout) FROM layouts WHERE as_of = {as_of:DateTime64(3)})"+only, asked)
		slices.Sort(got)
		slices.Sort(want)
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				differences = append(differences, fmt.Sprintf("%s from the %d. of %d and %d on are laid out as\n%q; the views say\n%q", view, i, len(got), len(want), got[min(i, len(got)):min(i+2, len(got))], want[min(i, len(want)):min(i+2, len(want))]))
				break
			}
		}
	}
	return differences
}

// leftOf returns what there is of a run, or of a snapshot, in the tables that have parts of them.
func leftOf(t testing.TB, db *store.DB, id string) (rows []string) {
	t.Helper()
	for column, tables := range map[string][]string{"snapshot": attribution.SnapshotTables, "run": attribution.RunTables} {
		for _, table := range tables {
			if n := count(t, db, "SELECT count() FROM "+table+" WHERE "+column+" = {id:String}", clickhouse.Named("id", id)); n > 0 {
				rows = append(rows, fmt.Sprintf("%d of %s", n, table))
			}
		}
	}
	return rows
}

// Before, and after, a deal was merged, a link went to a second person and a click was taken back.
func TestSnapshotIsWhatTheViewsSayAsOfItsTime(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	at := func(hours int) time.Time { return day.Add(time.Duration(hours) * time.Hour) }
	var events []trail.Event
	add := func(hours int, kind trail.Kind, key string, e trail.Event) {
		e.ID, e.Kind, e.Source, e.At, e.ReceivedAt = trail.IDFrom(at(hours), "test", string(kind), key), kind, "api", at(hours), at(hours)
		events = append(events, e)
	}
	for contact, hours := range map[trail.ContactID]int{"p": 1, "q": 25} {
		link := trail.Event{Content: "A", Share: "link", Rep: "rep@example.com", Contact: contact}
		add(hours, trail.Shared, string(contact), link)
		link.Message = "mail to " + string(contact)
		add(hours, trail.Sent, string(contact), link)
	}
	add(2, trail.Clicked, "", trail.Event{Content: "A", Share: "link"})
	add(30, trail.Clicked, "", trail.Event{Content: "A", Share: "link"})
	add(3, trail.Staged, "", trail.Event{Deal: "two", Stage: "Demo"})
	add(6, trail.Staged, "", trail.Event{Deal: "only staged", Stage: "Demo"})
	add(20, trail.Retracted, "", trail.Event{Deal: "one", Attrs: map[string]string{"into": "two"}})
	for deal, hours := range map[string]int{"one": 7, "three": 8} { // both of one company, says a person
		add(hours, trail.Assigned, deal, trail.Event{Deal: deal, Account: "z.example", Rep: "rep@example.com"})
	}
	add(9, trail.Clicked, "of nobody", trail.Event{Content: "B", Account: "z.example", Withheld: "consent"})
	never := touch("never", at(4), trail.Clicked, "B", "p", "")
	late := touch("late", at(5), trail.Viewed, "C", "q", "three")
	late.ReceivedAt = at(40)
	insert(t, db, append(events, never, late,
		deal("one", "contacts", "p", "stage", "Start", "team", "east"), deal("two", "contacts", "p q", "status", "won", "closed_at", at(90).Format(time.RFC3339), "size", "big"),
		deal("three", "contacts", "q", "source", "fair", "segment", "public"))...)
	touches := map[int]int{}
	for _, hours := range []int{10, 50} {
		if hours == 50 {
			insert(t, db, never.Retract(at(49)))
		}
		id, err := job(db).TakeSnapshot(t.Context(), at(hours))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range checkSnapshot(t, db, id, at(hours), ties(t, db, at(hours))) {
			t.Errorf("as of %d hours: %s", hours, d)
		}
		for _, d := range checkLayout(t, db, at(hours)) {
			t.Errorf("layout as of %d hours: %s", hours, d)
		}
		touches[hours] = count(t, db, "SELECT count() FROM snapshot_touches WHERE snapshot = {id:String} AND undecided = 0", clickhouse.Named("id", id))
	}
	if touches[10] == 0 || touches[50] <= touches[10] {
		t.Errorf("touches by hours %v: there should be more and more", touches)
	}
}
