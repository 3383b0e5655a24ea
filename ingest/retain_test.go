package ingest_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

// What is old is forgotten once a day: people of whom nothing was heard, and files of
// reviews; nothing else.
func TestWhatIsOldIsForgottenOnceADay(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"review-old.xlsx": 500, "review-new.xlsx": 10, "letter-old.txt": 500} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(-age*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	old := mailTo("old@buyer.test", 1)
	old.At, old.ReceivedAt = now.AddDate(-2, 0, 0).UTC(), now.AddDate(-2, 0, 0).UTC()
	fresh := mailTo("fresh@buyer.test", 2)
	half := mailTo("half@buyer.test", 4)
	p.append(t, old, fresh, half)
	p.settle(t)
	aof := p.rdb.ConfigGet(t.Context(), "dir").Val()["dir"]
	// Of one who was being forgotten when it was cut off the events are anybody's already.
	if err := p.db.Exec(t.Context(), "ALTER TABLE events UPDATE contact = '0aaaaaaaaaaaaaaaaaaaaaaaaa' WHERE contact = '"+string(half.Contact)+"' SETTINGS mutations_sync = 2"); err != nil {
		t.Fatal(err)
	}
	if err := p.rdb.SAdd(t.Context(), "dealtrail:expiring", string(half.Contact)).Err(); err != nil {
		t.Fatal(err)
	}
	for i, at := range []time.Time{now.AddDate(0, -14, 0), now.AddDate(0, -12, 0)} {
		bad := store.Bad{Entry: store.Entry{Epoch: "e", Ms: uint64(i)}, At: at, Stage: "decode", Reason: "no", Raw: "old@buyer.test"}
		if err := p.db.InsertBad(t.Context(), []store.Bad{bad}); err != nil {
			t.Fatal(err)
		}
	}
	r := &ingest.Retention{Redis: p.rdb, DB: p.db, PersonMonths: 13, FileMonths: 13, BadMonths: 13, Reviews: dir, Log: quiet(), Now: func() time.Time { return now }}
	for range 2 {
		if err := r.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if people := p.text(t, "SELECT address FROM people FINAL"); !slices.Equal(people, []string{"fresh@buyer.test"}) {
			t.Errorf("people: %v", people)
		}
	}
	// The older of the entries that could not become events has lost its bytes; that there were two stays.
	if raw := p.text(t, "SELECT raw || reason FROM bad_entries FINAL ORDER BY ms"); !slices.Equal(raw, []string{"[expired][expired]", "old@buyer.testno"}) {
		t.Errorf("bad entries: %q", raw)
	}
	if listed, err := p.db.BadEntries(t.Context(), 10); err != nil || len(listed) != 1 {
		t.Errorf("%+v, %v", listed, err)
	}
	if counts, err := p.db.Counts(t.Context()); err != nil || counts.Bad != 1 {
		t.Errorf("%d bad entries call for a person, %v", counts.Bad, err)
	}
	if n := p.text(t, "SELECT toString(count()) FROM events FINAL WHERE contact NOT IN (SELECT contact FROM people) AND startsWith(contact, '0')"); n[0] != "2" {
		t.Errorf("%s events are of who was forgotten", n[0])
	}
	whose, err := ingest.Whose(t.Context(), &ingest.Consents{Redis: p.rdb}, old.Share)
	if _, known := whose[erasureKey.ID("old@buyer.test")]; err != nil || known || len(whose) != 1 {
		t.Errorf("the link is of %v, %v", whose, err)
	}
	if found := onDisk(t, aof, "old@buyer.test", "half@buyer.test", string(old.Contact), string(half.Contact)); len(found) > 0 {
		t.Errorf("Redis has %v", found)
	}
	if p.rdb.Exists(t.Context(), "dealtrail:expiring").Val() != 0 {
		t.Error("it is noted as if it had been cut off")
	}
	var left []string
	files, err := os.ReadDir(dir)
	for _, f := range files {
		left = append(left, f.Name())
	}
	if err != nil || !slices.Equal(left, []string{"letter-old.txt", "review-new.xlsx"}) {
		t.Errorf("files: %v, %v", left, err)
	}
	// The person may come again: there is no tombstone.
	again := mailTo("old@buyer.test", 3)
	p.append(t, again)
	p.settle(t)
	if n := p.text(t, "SELECT toString(count()) FROM people FINAL WHERE contact = '"+string(trail.ContactID(erasureKey.ID("old@buyer.test")))+"'"); n[0] != "1" {
		t.Error("who comes again is not known")
	}
}
