package main

import (
	"encoding/csv"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dealtrail/api"
	"dealtrail/ingest"
)

// TestGarbageInAStreamIsListedAndCanBeHandedInAgain puts into a stream what no
// program of ours would, and goes the way that status tells a person.
func TestGarbageInAStreamIsListedAndCanBeHandedInAgain(t *testing.T) {
	beside(t)
	s := site(t, "", nil).start()
	url := s.url + s.link("deck")
	rdb, err := ingest.Connect("unix://" + filepath.Join(s.dir, "data", "redis", "redis.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	const garbage = `{"id": "=cmd|' /C calc'!A0", "kind"`
	if err := rdb.Do(t.Context(), "XADD", "dealtrail:{p03}:events", "*", "e", garbage).Err(); err != nil {
		t.Fatal(err)
	}
	list := func() (rows []api.BadEntry) {
		text, code := s.do("bad", "list", "--format", "json")
		if err := json.Unmarshal([]byte(text), &rows); err != nil || code != 0 {
			t.Fatalf("bad list --format json ends with %d: %v\n%s", code, err, text)
		}
		return rows
	}
	var first []api.BadEntry
	eventually(t, "the garbage is listed", func() bool { first = list(); return len(first) > 0 })
	if b := first[0]; len(first) != 1 || b.Stage != "decode" || b.Reason == "" || b.Raw != garbage || b.Base64 || b.At.IsZero() || b.Entry == "" {
		t.Errorf("bad list: %+v", first)
	}
	table, code := s.do("bad", "list")
	for _, want := range []string{"entry", "stage", "reason", "decode", first[0].Entry, first[0].Reason} {
		if code != 0 || !strings.Contains(table, want) {
			t.Errorf("bad list ends with %d and does not name %q:\n%s", code, want, table)
		}
	}
	text, code := s.do("bad", "list", "--format", "csv")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || code != 0 || len(rows) != 2 || len(rows[1]) != 6 || rows[1][0] != first[0].Entry || rows[1][2] != "decode" || rows[1][5] != garbage {
		t.Errorf("bad list --format csv ends with %d, %v: %q", code, err, rows)
	}
	out, code := s.do("status")
	if code != 1 || !strings.Contains(out, "NEEDS A PERSON") || !strings.Contains(out, "dealtrail bad list") {
		t.Errorf("status ends with %d:\n%s", code, out)
	}

	// Clicks go on around it.
	people := startLoad(100, url)
	defer people.stop()
	eventually(t, "people click", func() bool { return people.size() >= 50 })
	people.stop()

	if out, code := s.do("bad", "replay", first[0].Entry); code != 0 || !strings.HasPrefix(out, "1 handed in again") {
		t.Errorf("bad replay ends with %d: %s", code, out)
	}
	// What has no ID may be accepted twice when Redis is slow to answer: both are then listed.
	var again []api.BadEntry
	isFirst := func(b api.BadEntry) bool { return b.Entry == first[0].Entry }
	eventually(t, "it is bad again under another entry", func() bool {
		again = list()
		return len(again) > 0 && !slices.ContainsFunc(again, isFirst)
	})
	for _, b := range again {
		if b.Raw != garbage || b.Stage != "decode" {
			t.Errorf("handed in again it is %+v", b)
		}
	}
	if out, code := s.do("bad", "replay", first[0].Entry); code != 1 {
		t.Errorf("handing the old entry in once more ends with %d: %s", code, out)
	}
	if out, code := s.do("status"); code != 1 {
		t.Errorf("status ends with %d:\n%s", code, out)
	}
	b := settled(t, s)
	if again = list(); int(b.Bad) != 1+len(again) || slices.ContainsFunc(again, isFirst) {
		t.Errorf("the first entry and %d that are listed now are the bad ones of the balance: %+v", len(again), b)
	}
	neverMissing(t, s)
	checkLedger(t, s, s.engine(), true, people)
}
