package attribution_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// grow fills a database with n clicks on 500 contents by the contacts of n/20 deals, of which a third were won. With one
// deal all clicks are on it.
func grow(b *testing.B, db *store.DB, n, deals int) {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var events []trail.Event
	for i := range deals {
		status := "lost"
		if i%3 == 0 {
			status = "won"
		}
		events = append(events, deal(fmt.Sprintf("D%d", i), "status", status, "amount", fmt.Sprint(1000+i%977), "currency", "EUR",
			"closed_at", closed.Format(time.RFC3339), "contacts", fmt.Sprintf("c%d", i)))
	}
	for i := range n {
		at := closed.Add(-time.Duration(random.IntN(300*24*60)) * time.Minute)
		e := trail.Event{
			ID: trail.IDFrom(at, "bench", fmt.Sprint(i)), Kind: trail.Clicked, Source: "track", At: at, ReceivedAt: at,
			Content: fmt.Sprintf("C%d", random.IntN(500)), Contact: trail.ContactID(fmt.Sprintf("c%d", random.IntN(deals))), Rep: "rep@example.com",
		}
		e.Verdict = trail.Verdict{Agent: trail.Human, Probability: 0.95}
		events = append(events, e)
	}
	insert(b, db, events...)
}

func BenchmarkOnce(b *testing.B) {
	for _, size := range []struct{ touches, deals int }{{10_000, 500}, {200_000, 10_000}, {20_000, 1}} {
		b.Run(fmt.Sprintf("touches=%d/deals=%d", size.touches, size.deals), func(b *testing.B) {
			db := storetest.Open(b)
			grow(b, db, size.touches, size.deals)
			j := job(db)
			for b.Loop() {
				run, err := j.Once(b.Context(), attribution.Request{})
				if err != nil || run.Deals == 0 {
					b.Fatal(run, err)
				}
			}
		})
	}
}
