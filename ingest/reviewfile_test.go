package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// aDeal is what the CRM told of a deal at a time.
func aDeal(id string, at time.Time) trail.Event {
	return trail.Registration("csv", trail.DealKind, id, trail.State{}, trail.State{Attrs: map[string]string{"status": "open", "created_at": at.Format(time.RFC3339)}}, at)
}

// reviewFiles writes reviews as a text of their week, deals and as-of time.
func reviewFiles(db *store.DB, rdb redis.UniversalClient, dir string, now time.Time) *ingest.ReviewFiles {
	text := func(w io.Writer, r trail.Review) error {
		_, err := fmt.Fprint(w, r.Week, " ", len(r.Rows), " ", r.AsOf.Format(time.RFC3339))
		return err
	}
	return &ingest.ReviewFiles{
		DB: db, Redis: rdb, Dir: dir, At: trail.UsualReview, Zone: time.UTC, Log: quiet(), Now: func() time.Time { return now }, Every: time.Hour,
		Write: []ingest.ReviewFormat{{Ending: "xlsx", Write: text}, {Ending: "html", Write: text}},
	}
}

// filesIn lists a folder.
func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// due is when the review of 2026-W47 is.
var due = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func TestTheReviewOfAWeekIsWrittenOnceByWhomever(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	db := storetest.Open(t)
	if err := db.InsertEvents(t.Context(), []trail.Event{aDeal("D1", due.Add(-48*time.Hour))}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "exports")
	if written, err := reviewFiles(db, rdb, dir, due.Add(-time.Second)).Once(t.Context()); err != nil || len(written) > 0 {
		t.Errorf("before it is due: %v %v", written, err) // nothing was known when W46 was due
	}
	// Four processes of which two write to a folder of their own: one of them does it.
	dirs := []string{dir, dir, filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")}
	var files atomic.Int64
	var all sync.WaitGroup
	for _, d := range dirs {
		all.Go(func() {
			for range 3 {
				written, err := reviewFiles(db, rdb, d, due.Add(time.Minute)).Once(t.Context())
				if err != nil {
					t.Error(err)
				}
				files.Add(int64(len(written)))
			}
		})
	}
	all.Wait()
	if files.Load() != 2 {
		t.Errorf("%d files were written, want one of each kind", files.Load())
	}
	var found []string
	for _, d := range slices.Compact(dirs) {
		found = append(found, filesIn(t, d)...)
	}
	slices.Sort(found)
	if want := []string{"review-2026-W47.html", "review-2026-W47.xlsx"}; !slices.Equal(found, want) {
		t.Errorf("there are %q, want %q", found, want)
	}
	// Somebody moved the file away: it is not written again.
	for _, d := range dirs {
		os.RemoveAll(d)
	}
	if written, err := reviewFiles(db, rdb, dir, due.Add(48*time.Hour)).Once(t.Context()); err != nil || len(written) > 0 {
		t.Errorf("again: %v %v", written, err)
	}
}

func TestAReviewThatFellDueWhileNothingRanIsCaughtUpAndAHalfIsFinished(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	db := storetest.Open(t)
	later := aDeal("D2", due.Add(time.Hour))
	later.Attrs["created_at"] = due.Add(-24 * time.Hour).Format(time.RFC3339) // of the week, learned too late
	if err := db.InsertEvents(t.Context(), []trail.Event{aDeal("D1", due.Add(-48*time.Hour)), later}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	now := due.Add(60 * time.Hour)
	x := reviewFiles(db, rdb, dir, now)
	ok := x.Write[1].Write
	x.Write[1].Write = func(w io.Writer, r trail.Review) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, errors.New("the disk is full"))
	}
	if _, err := x.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Fatalf("a file that cannot be written: %v", err)
	}
	failing, stop := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- x.Run(failing) }()
	told := func() string {
		all, err := ingest.Troubles(t.Context(), rdb)
		if err != nil || len(all) > 1 {
			t.Fatalf("%v %v", all, err)
		}
		for _, trouble := range all {
			return trouble.Text
		}
		return ""
	}
	eventually(t, "status tells of it", func() bool { return strings.Contains(told(), "the disk is full") })
	stop()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if got := filesIn(t, dir); !slices.Equal(got, []string{"review-2026-W47.xlsx"}) {
		t.Fatalf("there are %q, want the file that was written whole", got)
	}
	// People write into the file before the process comes back.
	if err := os.WriteFile(filepath.Join(dir, "review-2026-W47.xlsx"), []byte("edited"), 0o600); err != nil {
		t.Fatal(err)
	}
	x.Write[1].Write = ok
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	eventually(t, "the other file is there", func() bool { return len(filesIn(t, dir)) == 2 })
	eventually(t, "status tells of it no more", func() bool { return told() == "" })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"xlsx": "edited", "html": "2026-W47 1 2026-11-23T07:00:00Z"} {
		if got, err := os.ReadFile(filepath.Join(dir, "review-2026-W47."+name)); err != nil || string(got) != want {
			t.Errorf("%s: %q %v, want %q", name, got, err, want)
		}
	}
}

func TestDecisionsAreWrittenByOneAtATimeAndOnlyWhatChanges(t *testing.T) {
	db := storetest.Open(t)
	if err := db.InsertEvents(t.Context(), []trail.Event{aDeal("D1", due.Add(-48*time.Hour))}); err != nil {
		t.Fatal(err)
	}
	events := 0
	x := &ingest.Reviews{DB: db, Zone: time.UTC, Now: func() time.Time { return due.Add(3 * time.Hour) }, Emit: func(ctx context.Context, e ...trail.Event) error {
		events += len(e)
		return db.InsertEvents(ctx, e)
	}}
	// Two people say something of one deal at once, of the same moment: neither is lost.
	var both sync.WaitGroup
	for _, fields := range []map[string]string{{"quality": "good"}, {"needs": "a price"}} {
		both.Go(func() {
			if _, _, err := x.Decide(t.Context(), "2026-W47", ingest.Teller{Source: "api"}, ingest.Said{Deal: "D1", Fields: fields}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	out, visible, err := x.Decide(t.Context(), "2026-W47", ingest.Teller{Source: "api"}, ingest.Said{Deal: "D1", Fields: map[string]string{"quality": "good"}})
	if err != nil || !visible || out[0].Changed || out[0].Decision.Needs != "a price" || events != 2 {
		t.Errorf("%+v %v, %d events", out, err, events)
	}
	for _, week := range []string{"", "2026-W60", "2027-W02", "soon"} {
		if _, _, err := x.Decide(t.Context(), week, ingest.Teller{Source: "api"}, ingest.Said{Deal: "D1", Fields: map[string]string{"needs": "x"}}); err == nil {
			t.Errorf("the week %q is taken", week)
		}
	}
	var lose context.CancelCauseFunc
	x.Alone = func(ctx context.Context) (context.Context, func(), bool) {
		ctx, lose = context.WithCancelCause(ctx)
		return ctx, func() { lose(nil) }, true
	}
	x.Settle = func(context.Context) error { lose(ingest.ErrLost); return nil }
	if _, _, err := x.Decide(t.Context(), "2026-W47", ingest.Teller{Source: "api"}, ingest.Said{Deal: "D1", Fields: map[string]string{"needs": "time"}}); err == nil || events != 2 {
		t.Errorf("who lost the lease writes: %v, %d events", err, events)
	}
	x.Alone = func(ctx context.Context) (context.Context, func(), bool) { return ctx, nil, false }
	var p *trail.Problem
	if _, _, err := x.Decide(t.Context(), "2026-W47", ingest.Teller{Source: "api"}, ingest.Said{Deal: "D1"}); !errors.As(err, &p) || p.Code != trail.Unavailable {
		t.Errorf("while another process decides: %v", err)
	}
}

// TestNoReviewIsWrittenWhileSomebodyIsErased: it would be read before, and written once the
// files have been gone through.
func TestNoReviewIsWrittenWhileSomebodyIsErased(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	db := storetest.Open(t)
	if err := db.InsertEvents(t.Context(), []trail.Event{aDeal("D1", due.Add(-48*time.Hour))}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "exports")
	_, erased, ok := ingest.Alone(t.Context(), rdb, ingest.EraseLease)
	if !ok {
		t.Fatal("the lease of erasings is not free")
	}
	x := reviewFiles(db, rdb, dir, due)
	if written, err := x.Once(t.Context()); err != nil || len(written) > 0 || len(filesIn(t, dir)) > 0 {
		t.Errorf("meanwhile: %v %v", written, err)
	}
	erased()
	if written, err := x.Once(t.Context()); err != nil || len(written) != 2 {
		t.Errorf("afterwards: %v %v", written, err)
	}
}
