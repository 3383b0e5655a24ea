package store_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// BenchmarkTies ties the touches of DEALTRAIL_BENCH_EVENTS events (400,000 unless set) to deals: all of them, and
// those that earn as the attribution job reads them.
func BenchmarkTies(b *testing.B) {
	n := 400_000
	if s := os.Getenv("DEALTRAIL_BENCH_EVENTS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	db := storetest.Open(b)
	synthetic(b, db, n)
	// Besides: companies with several deals, and one link in ten for two people.
	var events []trail.Event
	for i := range n / 4000 {
		events = append(events, registered(trail.DealKind, fmt.Sprintf("more%06d", i), day(2), "amount", "1", "status", []string{"open", "lost"}[i%2], "closed_at", []string{"", "2026-03-01T00:00:00Z"}[i%2],
			"domain", fmt.Sprintf("d%06d.example", i*8%(n/1500))))
	}
	for i := range n / 50 {
		e := event(trail.Sent, fmt.Sprint("again", i), day(3))
		e.Share, e.Content, e.Rep, e.Message = trail.ShareID(strconv.Itoa(i*10)), "content000001", "rep000001", fmt.Sprint("again", i)
		e.Contact = keys.ID(fmt.Sprintf("c%06d@d%06d.example", i*17%(n/500), i*17%(n/500)/3))
		events = append(events, e)
	}
	insert(b, db, events...)
	if os.Getenv("DEALTRAIL_BENCH_MERGED") != "" {
		if err := db.Exec(b.Context(), "OPTIMIZE TABLE events FINAL"); err != nil {
			b.Fatal(err)
		}
	}
	for name, statement := range map[string]string{
		"all":     "SELECT count(), sum(length(deals)), sum(cityHash64(rule) % 1000) FROM tied" + always,
		"earning": "SELECT count(), uniqExact(deal), sum(n), 0 FROM (SELECT deal, count() AS n FROM deal_touches" + always + " WHERE kind IN ('clicked', 'viewed', 'replied') AND level >= 2 GROUP BY deal)",
		"trail":   "SELECT count() FROM tied" + always + " WHERE has(deals, 'deal000001') AND kind NOT IN ('contact', 'content')",
	} {
		b.Run(name, func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				rows, err := db.Query(b.Context(), statement)
				if err != nil {
					b.Fatal(err)
				}
				for rows.Next() {
				}
				rows.Close()
			}
			b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "engine-ms/op")
		})
	}
	b.Run("quality", func(b *testing.B) {
		before := cpu(b)
		for b.Loop() {
			if _, err := db.Quality(b.Context(), terms("Demo", "Proposal"), store.Filter{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "engine-ms/op")
	})
}
