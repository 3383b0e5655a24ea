package ingest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/ingest/redistest"
	"dealtrail/trail"
)

// TestATombstoneGetsIntoTheFileOnceThatCanBeWritten sets one while there is no room for the
// file: nobody says that all is well, and what asks again writes it.
func TestATombstoneGetsIntoTheFileOnceThatCanBeWritten(t *testing.T) {
	_, rdb := redistest.Start(t)
	key := trail.ContactKey("a key of contacts, long enough for it")
	dir := filepath.Join(t.TempDir(), "missing")
	stones := &ingest.Tombstones{Redis: rdb, Key: key, Path: filepath.Join(dir, "tombstones"), Log: quiet()}
	gone := map[string]time.Time{key.Tombstone(key.ID("ann@buyer.test")): time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	if err := stones.Add(t.Context(), gone); err == nil {
		t.Error("no error although nothing was written")
	}
	if !stones.Has(key.ID("ann@buyer.test")) {
		t.Error("what comes of the person meanwhile is kept")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := stones.Add(t.Context(), gone); err != nil {
		t.Error(err)
	}
	if kept, err := ingest.ReadTombstones(stones.Path); err != nil || len(kept) != 1 {
		t.Errorf("the file has %d tombstones, %v", len(kept), err)
	}
}

// TestAFileThatIsNoListOfTombstonesIsAnError reads what a crash of the machine may leave:
// taken for an empty list it would bring everybody back.
func TestAFileThatIsNoListOfTombstonesIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tombstones")
	for _, n := range []int{10, 5000, 70_000, 1 << 20} {
		if err := os.WriteFile(path, bytes.Repeat([]byte{0}, n), 0o600); err != nil {
			t.Fatal(err)
		}
		if stones, err := ingest.ReadTombstones(path); err == nil {
			t.Errorf("%d zeros are %d tombstones", n, len(stones))
		}
	}
}
