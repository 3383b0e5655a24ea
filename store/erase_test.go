package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// bytesWith returns the files of a database's tables that hold one of some words.
func bytesWith(t *testing.T, db *store.DB, words ...string) (found []string) {
	t.Helper()
	for _, dir := range texts(t, db, "SELECT arrayJoin(data_paths) FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'") {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			b = bytes.ToLower(b)
			for _, w := range words {
				if bytes.Contains(b, []byte(strings.ToLower(w))) {
					found = append(found, w+" in "+path)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// A person who is erased is in no byte of any table, in no statement that the engine
// remembers, and every count is as it was.
func TestWhoIsErasedIsInNoByteAndEveryNumberStays(t *testing.T) {
	db := storetest.Open(t)
	for _, table := range []string{"events", "people", "bad_entries", "layout_events", "layout_deals", "layout_contacts", "snapshot_deals", "snapshot_bindings", "snapshot_crowds"} {
		if err := db.Exec(t.Context(), "ALTER TABLE "+table+" MODIFY SETTING default_compression_codec = 'NONE', min_bytes_for_wide_part = 0"); err != nil {
			t.Fatal(err)
		}
	}
	insert(t, db, company()...)
	words := event(trail.Noted, "a note", day(4))
	words.Rep, words.Note = "rita@us.example", "Ann O'Neil (Ann@Alpha.example) liked it, joann@alpha.example did not; ann@alpha.example Ann O'Neil ann@alpha.example"
	who := event(trail.ContactKind, "who ann is", day(4))
	who.Contact, who.Person, who.Attrs = ann, &trail.Person{Address: "ann@alpha.example", Name: "Ann O'Neil", Title: "CFO"}, map[string]string{"domain": "alpha.example"}
	insert(t, db, words, who)
	err := db.InsertBad(t.Context(), []store.Bad{{Entry: store.Entry{Epoch: "e", Ms: 1}, At: day(1), Stage: "decode", Reason: "no", Raw: `{"contact":"` + string(ann) + `"`}})
	if err != nil {
		t.Fatal(err)
	}
	divided(t, db)
	layOut(t, db)
	secrets := []string{string(ann), "<ann@alpha.example", "(ann@alpha.example", "o'neil"}
	if found := bytesWith(t, db, string(ann), "ann@alpha.example", "o'neil"); len(found) < 6 {
		t.Fatalf("the search finds too little before: %v", found)
	}
	written := func(v any) string { return string(must(json.Marshal(v))(t)) }
	ask := func() map[string]string {
		all := map[string]string{}
		for _, level := range []trail.Level{trail.All, trail.Likely} {
			f := store.Filter{Agents: level}
			for _, c := range must(db.Contents(t.Context(), f))(t) {
				all["content "+c.ID+string(level)] = written(c)
			}
			all["reps "+string(level)] = written(must(db.Reps(t.Context(), f))(t))
			for _, d := range must(db.Deals(t.Context(), f))(t) {
				all["deal "+d.ID+string(level)] = written(d)
			}
			all["credits "+string(level)] = fmt.Sprint(texts(t, db, "SELECT toString(tuple(*)) FROM (SELECT deal, kind, level, content, rule, length(contacts), count() FROM deal_touches"+always+" GROUP BY ALL ORDER BY ALL)"))
		}
		counts := must(db.Counts(t.Context()))(t)
		all["counts"] = fmt.Sprint(counts.Events, counts.Contacts, counts.Shares, counts.Clicks, counts.Deals)
		return all
	}
	before := ask()
	names := must(db.NamesOf(t.Context(), ann))(t)
	var addresses, called []string
	for _, p := range names {
		addresses, called = append(addresses, p.Address), append(called, p.Name)
	}
	trace := store.Trace{Contact: ann, Becomes: trail.NewErased(), Pattern: trail.NamesPattern(addresses, called)}
	begun := time.Now()
	n, err := db.Erase(t.Context(), trace)
	if err != nil {
		t.Fatal(err)
	}
	if n.People == 0 || n.Events == 0 || n.Texts == 0 || n.Bad != 1 {
		t.Errorf("removed: %+v", n)
	}
	if left := must(db.DropStale(t.Context(), begun.Add(time.Second)))(t); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	again, err := db.Erase(t.Context(), trace)
	if err != nil || again != (store.Erased{}) {
		t.Errorf("erased again: %+v, %v", again, err)
	}
	if found := bytesWith(t, db, secrets...); len(found) > 0 {
		t.Errorf("still there: %v", found)
	}
	if found := texts(t, db, "SELECT note FROM events WHERE kind = 'noted' AND note LIKE '%joann%'"); len(found) == 0 || found[0] != "[erased] ([erased]) liked it, joann@alpha.example did not; [erased] [erased] [erased]" {
		t.Errorf("the note says %q", found)
	}
	if mutations := strings.Join(texts(t, db, "SELECT command FROM system.mutations WHERE database = currentDatabase()"), "\n"); !strings.Contains(mutations, "erasing") || strings.Contains(strings.ToLower(mutations), "ann") {
		t.Errorf("mutations: %s", mutations)
	}
	layOut(t, db)
	after := ask()
	for what, said := range before {
		check(t, what, after[what], said)
	}
	if _, err := db.Contact(t.Context(), ann, store.Filter{}); err == nil {
		t.Error("the person is found")
	}
	if n := number(t, db, "SELECT count() FROM erasing"); n != 0 {
		t.Errorf("%d rows are left of whom was erased", n)
	}
}
