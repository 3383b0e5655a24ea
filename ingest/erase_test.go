package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

var erasureKey = trail.ContactKey("the key of the tests that erase people")

// eraser returns what erases people of a pipe, as a process that begins anew has it.
func (p *pipe) eraser(t testing.TB, dir string) *ingest.Eraser {
	t.Helper()
	stones := &ingest.Tombstones{Redis: p.rdb, Key: erasureKey, Path: filepath.Join(dir, "tombstones"), Log: quiet()}
	if err := stones.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.buffer.Tombstones = stones
	return &ingest.Eraser{
		Redis: p.rdb, DB: p.db, Buffer: p.buffer, Tombstones: stones, Contacts: erasureKey, Reviews: filepath.Join(dir, "exports"), Log: quiet(), Now: time.Now,
	}
}

// mailTo is a mail of content to somebody.
func mailTo(address string, n int) trail.Event {
	at := time.Now().UTC().Truncate(time.Millisecond).Add(-time.Duration(n) * time.Minute)
	share := trail.ShareID(fmt.Sprintf("share%05d", n))
	return trail.Event{
		ID: trail.IDFrom(at, "mail", address, fmt.Sprint(n)), Kind: trail.Sent, At: at, ReceivedAt: at, Source: "mail", Content: "deck", Share: share,
		Contact: erasureKey.ID(address), Account: "buyer.test", Rep: "rita@ours.test", Person: &trail.Person{Address: address, Name: "Perdita Passenger"},
	}
}

// onDisk returns the files below a directory that hold one of some words.
func onDisk(t testing.TB, dir string, words ...string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) { // Redis removes what it replaced
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, _ := os.ReadFile(path)
		for _, w := range words {
			if bytes.Contains(b, []byte(w)) {
				found = append(found, w+" in "+path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A process without the role jobs has neither the files of reviews nor what is about to be
// mailed: it leaves the erasing to the one that has, and tells what that did.
func TestAnErasingIsFinishedWhereTheFilesAre(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	const who = "perdita@buyer.test"
	p.append(t, mailTo(who, 1))
	p.settle(t)
	web, jobs := p.eraser(t, t.TempDir()), p.eraser(t, t.TempDir())
	web.Elsewhere = true
	forgot := make(chan struct{}, 10)
	jobs.Forget = func() { forgot <- struct{}{} }
	file := filepath.Join(jobs.Reviews, "review-2026-W47.html")
	if err := os.MkdirAll(jobs.Reviews, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("Perdita Passenger, "+who), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	var both sync.WaitGroup
	both.Go(func() {
		for ctx.Err() == nil {
			if err := jobs.Once(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	r, err := web.Erase(t.Context(), who, "admin@ours.test")
	end()
	both.Wait()
	if err != nil || r.State != trail.ErasureComplete {
		t.Fatalf("%+v, %v", r, err)
	}
	if b, err := os.ReadFile(file); err != nil || bytes.Contains(b, []byte("Perdita")) || bytes.Contains(b, []byte(who)) {
		t.Errorf("the file reads %s, %v", b, err)
	}
	if !slices.ContainsFunc(r.Removed, func(e trail.ErasedFrom) bool { return e.Where == "files: reviews" }) || len(forgot) == 0 {
		t.Errorf("the report: %+v, %d forgot", r.Removed, len(forgot))
	}
}

// Whoever is being erased is erased, whatever is cut off and whatever comes meanwhile;
// the streams keep their IDs, counts and positions.
func TestAnErasingGoesOnWhateverHappens(t *testing.T) {
	dir := t.TempDir()
	p := newPipe(t)
	if err := p.rdb.ConfigSet(t.Context(), "rdbcompression", "no").Err(); err != nil {
		t.Fatal(err)
	}
	aof := p.rdb.ConfigGet(t.Context(), "dir").Val()["dir"]
	first := p.eraser(t, dir)
	_, stop := p.load(t)
	const who, other = "perdita@buyer.test", "otto@buyer.test"
	for i := range 30 {
		p.append(t, mailTo(who, i), mailTo(other, i))
	}
	p.settle(t)
	secrets := []string{who, string(erasureKey.ID(who))}
	if found := onDisk(t, aof, secrets...); len(found) == 0 {
		t.Fatal("the search finds nothing before")
	}
	length, positions := streamLength(t, p.rdb), p.positions(t)

	// Cut off at once: nothing but the tombstone and what there is to do is there.
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := first.Erase(cut, who, "admin@ours.test"); err == nil {
		t.Error("an erasing that was cut off says nothing")
	}
	if err := first.Begin(t.Context(), who, "admin@ours.test"); err != nil {
		t.Fatal(err)
	}
	p.append(t, mailTo(who, 100), mailTo(other, 100)) // comes meanwhile
	raw := fmt.Sprintf(`{"id":%q,"kind":"sent","at":"2026-01-02T03:04:05Z","received_at":"2026-01-02T03:04:05Z","source":"mail","content":"deck","contact":%q,"rep":"rita@ours.test","person":{"address":%q}}`,
		trail.NewID(time.Now()).String(), erasureKey.ID(who), who)
	if err := p.buffer.Replay(t.Context(), raw); err != nil { // in spite of the tombstone: another process had not heard of it
		t.Fatal(err)
	}
	p.settle(t)
	stop()
	second := p.eraser(t, dir) // begins anew
	p.load(t)
	var all sync.WaitGroup
	for range 3 { // several at once, of the same and of others
		all.Go(func() {
			if err := second.Once(t.Context()); err != nil {
				t.Errorf("going on: %v", err)
			}
		})
		all.Go(func() {
			if r, err := second.Erase(t.Context(), "nobody@buyer.test", ""); err != nil || r.Known {
				t.Errorf("somebody of whom nothing is known: %+v, %v", r, err)
			}
		})
	}
	all.Wait()
	if err := second.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	reports, err := second.Reports(t.Context())
	if err != nil || len(reports) != 2 {
		t.Fatalf("reports: %+v, %v", reports, err)
	}
	for _, r := range reports {
		if r.State != trail.ErasureComplete || r.Known && r.By != "admin@ours.test" {
			t.Errorf("report: %+v", r)
		}
	}
	eventually(t, "nothing in the files of Redis", func() bool { return len(onDisk(t, aof, secrets...)) == 0 })
	if people := p.text(t, "SELECT address FROM people FINAL"); strings.Join(people, " ") != other {
		t.Errorf("people: %v", people)
	}
	if n := p.text(t, "SELECT toString(count()) FROM events FINAL WHERE contact = '"+string(erasureKey.ID(who))+"'"); n[0] != "0" {
		t.Errorf("%s events name the person", n[0])
	}
	if n := p.text(t, "SELECT toString(count()) FROM events FINAL WHERE startsWith(contact, '0')"); n[0] != "31" {
		t.Errorf("%s events are of who was erased, want 30 and one that got in", n[0])
	}
	if got := streamLength(t, p.rdb); got != length+2 {
		t.Errorf("streams have %d entries, had %d and got 2", got, length)
	}
	for i, at := range p.positions(t) {
		if at < positions[i] {
			t.Errorf("partition %d went back from %s to %s", i, positions[i], at)
		}
	}
	p.append(t, mailTo(other, 200))
	p.settle(t) // the pipe goes on
	if b, err := (&ingest.Auditor{Buffer: p.buffer, DB: p.db, Spooled: func(context.Context) (uint64, error) { return 0, nil }, Log: quiet()}).Strike(t.Context()); err != nil || b.Missing+b.Surplus > 0 {
		t.Errorf("balance: %+v, %v", b, err)
	}
}

// An erasing whose lease is another's by now stops where it is, and goes on later.
func TestAnErasingStopsOnceAnotherProcessHasTheLease(t *testing.T) {
	p := newPipe(t)
	x := p.eraser(t, t.TempDir())
	p.load(t)
	p.append(t, mailTo("perdita@buyer.test", 1))
	p.settle(t)
	x.Others = func(ctx context.Context, _ trail.ContactID) ([]trail.ErasedFrom, error) {
		if err := p.rdb.Set(ctx, ingest.EraseLease, "another", 0).Err(); err != nil {
			return nil, err
		}
		select { // a long step, which ends well
		case <-ctx.Done():
		case <-time.After(time.Minute):
			t.Error("nobody says that the lease is lost")
		}
		return nil, nil
	}
	stone := erasureKey.Tombstone(erasureKey.ID("perdita@buyer.test"))
	if r, err := x.Erase(t.Context(), "perdita@buyer.test", ""); err == nil || r.State == trail.ErasureComplete {
		t.Errorf("%+v, %v; want that it stops", r, err)
	}
	x.Others = nil
	if err := p.rdb.Del(t.Context(), ingest.EraseLease).Err(); err != nil {
		t.Fatal(err)
	}
	if err := x.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := x.Report(t.Context(), stone); err != nil || r.State != trail.ErasureComplete {
		t.Errorf("%+v, %v; want that it goes on", r, err)
	}
}

// positions are how far each partition is loaded.
func (p *pipe) positions(t testing.TB) (all []string) {
	t.Helper()
	for i := range ingest.Partitions {
		at := ""
		for _, g := range p.rdb.XInfoGroups(t.Context(), stream(i)).Val() {
			at = fmt.Sprintf("%s %d of %d", g.LastDeliveredID, g.EntriesRead, p.rdb.XInfoStream(t.Context(), stream(i)).Val().EntriesAdded)
		}
		all = append(all, at)
	}
	return all
}

// A Redis that may not write its append-only file anew still has the person in it: until it
// has, the erasing is not complete, and trying again counts nothing twice.
func TestAnErasingIsNotCompleteBeforeTheLogIs(t *testing.T) {
	p := newPipe(t)
	x := p.eraser(t, t.TempDir())
	p.load(t)
	const who = "perdita@buyer.test"
	for i := range 3 {
		p.append(t, mailTo(who, i))
	}
	p.settle(t)
	allow := func(command string) {
		t.Helper()
		if err := p.rdb.Do(t.Context(), "ACL", "SETUSER", "default", command).Err(); err != nil {
			t.Fatal(err)
		}
	}
	allow("-bgrewriteaof")
	r, err := x.Erase(t.Context(), who, "")
	if err != nil || r.State != trail.ErasureUnderWay || !strings.Contains(r.Waiting, "BGREWRITEAOF") {
		t.Errorf("while Redis refuses: %+v, %v", r, err)
	}
	_ = x.Once(t.Context())
	allow("+bgrewriteaof")
	if err := x.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err = x.Report(t.Context(), r.Tombstone); err != nil || r.State != trail.ErasureComplete || r.Waiting != "" || r.Finished.IsZero() {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
	for _, removed := range r.Removed {
		if removed.Where == "database: events" && removed.N != 3 {
			t.Errorf("counted are %+v, want 3", removed)
		}
	}
	// Nor is what another process let in, that had not heard of it, gone before.
	aof, contact := p.rdb.ConfigGet(t.Context(), "dir").Val()["dir"], string(erasureKey.ID(who))
	raw := fmt.Sprintf(`{"id":%q,"kind":"sent","at":"2026-01-02T03:04:05Z","received_at":"2026-01-02T03:04:05Z","source":"mail","content":"deck","contact":%q,"rep":"rita@ours.test"}`, trail.NewID(time.Now()).String(), contact)
	if err := p.buffer.Replay(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	p.settle(t)
	allow("-bgrewriteaof")
	if err := x.Once(t.Context()); err == nil {
		t.Error("Redis refuses, and nobody says so")
	}
	allow("+bgrewriteaof")
	if err := x.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing in the files of Redis", func() bool { return len(onDisk(t, aof, contact)) == 0 })
}
