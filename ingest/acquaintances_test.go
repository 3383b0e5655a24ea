package ingest_test

import (
	"context"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// TestContactsOfTheCRMAreKnownToWhoReadsMail, and mail is read again for new ones
// at most once a day, none forgotten.
func TestContactsOfTheCRMAreKnownToWhoReadsMail(t *testing.T) {
	p := newPipe(t)
	_, stop := p.load(t)
	defer stop()
	a := &ingest.Acquaintances{Redis: p.rdb, DB: p.db, Log: quiet(), Every: 20 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- a.Fill(ctx) }()
	go func() { done <- a.Run(ctx) }()
	defer func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}()
	register := func(id trail.ContactID) {
		t.Helper()
		p.append(t, trail.Registration("csv", trail.ContactKind, string(id), trail.State{}, trail.State{Attrs: map[string]string{"role": "buyer"}}, time.Now()))
		eventually(t, "the contact is known", func() bool {
			known, err := a.Has(t.Context(), id, "stranger")
			return err == nil && known[id] && !known["stranger"]
		})
	}
	register("first")
	eventually(t, "mail is read again", func() bool { return a.Epoch() == 1 })
	register("second")
	if n := a.Epoch(); n != 1 {
		t.Errorf("mail is read again %d times on one day", n)
	}
	if err := p.rdb.Del(t.Context(), "dealtrail:contacts:pause").Err(); err != nil { // a day has passed
		t.Fatal(err)
	}
	eventually(t, "mail is read again for the second", func() bool { return a.Epoch() == 2 })
}
