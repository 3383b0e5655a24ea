package store_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// synthetic inserts about n events of a company with n/2000 deals and n/5000
// contents: of each five, one mail, one pixel and three clicks or opens.
func synthetic(b *testing.B, db *store.DB, n int) {
	b.Helper()
	contents, deals, contacts := n/5000+1, n/2000+1, n/500+1
	var events []trail.Event
	flush := func(full int) {
		if len(events) >= full {
			insert(b, db, events...)
			events = events[:0]
		}
	}
	name := func(kind string, i int) string { return fmt.Sprintf("%s%06d", kind, i) }
	contact := func(i int) trail.ContactID { return keys.ID(name("c", i) + "@" + name("d", i/3) + ".example") }
	for i := range contents {
		events = append(events, registered(trail.ContentKind, name("content", i), day(1), "title", name("Title ", i), "kind", "slides"))
	}
	for i := range contacts {
		e := registered(trail.ContactKind, string(contact(i)), day(1), "source", "web", "status", "lead")
		e.Account, e.Person = name("d", i/3)+".example", &trail.Person{Address: name("c", i) + "@" + name("d", i/3) + ".example"}
		events = append(events, e)
	}
	for i := range deals {
		events = append(events, registered(trail.DealKind, name("deal", i), day(1), "amount", "1000", "status", []string{"open", "won", "lost"}[i%3],
			"closed_at", "2026-02-01T00:00:00Z", "contacts", string(contact(i*4%contacts)), "domain", name("d", i*4%contacts/3)+".example"))
	}
	for i := range n / 5 {
		at := day(1).Add(time.Duration(i) * 15552000 * time.Second / time.Duration(n/5))
		share := trail.ShareID(strconv.Itoa(i))
		e := event(trail.Sent, name("sent", i), at)
		e.Share, e.Content, e.Contact, e.Rep, e.Message = share, name("content", i*7919%contents), contact(i*31%contacts), name("rep", i%200), name("m", i)
		events = append(events, e)
		for j := range 4 {
			touch := e
			touch.ID, touch.Contact, touch.Message = trail.IDFrom(at.Add(time.Hour), "test", name("touch", i*4+j)), "", ""
			touch.At, touch.ReceivedAt = at.Add(time.Hour), at.Add(time.Hour)
			touch.Kind, touch.Verdict = trail.Opened, trail.Verdict{Agent: trail.Proxy, Probability: 0.9, Rules: []string{"proxy_range"}}
			if j > 1 {
				touch.Kind, touch.Agent = trail.Clicked, []trail.Agent{trail.Human, trail.Scanner}[j%2]
			}
			events = append(events, touch)
		}
		flush(50_000)
	}
	flush(1)
}

// cpu returns the processor time that the engine has used: on a machine that
// does other things too it says more than the clock.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", storetest.Engine(b).Pid()))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	var ticks time.Duration
	for _, f := range fields[11:13] { // user and system, in 1/100 s
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

// BenchmarkReports asks each report of a database with DEALTRAIL_BENCH_EVENTS
// events (200,000 unless set).
func BenchmarkReports(b *testing.B) {
	n := 200_000
	if s := os.Getenv("DEALTRAIL_BENCH_EVENTS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	db := storetest.Open(b)
	start := time.Now()
	synthetic(b, db, n)
	b.Logf("%d events in %v", n, time.Since(start))
	if os.Getenv("DEALTRAIL_BENCH_MERGED") != "" {
		if err := db.Exec(b.Context(), "OPTIMIZE TABLE events FINAL"); err != nil {
			b.Fatal(err)
		}
	}
	divided(b, db)
	ctx, f := b.Context(), store.Filter{}
	for _, report := range []struct {
		name string
		ask  func() error
	}{
		{"Contents", func() error { _, err := db.Contents(ctx, f); return err }},
		{"Content", func() error { _, err := db.Content(ctx, "content000000", f); return err }},
		{"Deals", func() error { _, err := db.Deals(ctx, f); return err }},
		{"Deal", func() error { _, err := db.Deal(ctx, "deal000001", f); return err }},
		{"Contact", func() error { _, err := db.Contact(ctx, keys.ID("c000000@d000000.example"), f); return err }},
		{"Account", func() error { _, err := db.Account(ctx, "d000000.example", f); return err }},
		{"Reps", func() error { _, err := db.Reps(ctx, f); return err }},
		{"Review", func() error { _, _, err := db.Review(ctx, day(12), day(19), f); return err }},
		{"WeekReview", func() error { _, err := db.WeekReview(ctx, "2026-W03", time.UTC, day(30), f); return err }},
		{"Attribution/content", func() error { _, err := db.Attribution(ctx, "content", f); return err }},
		{"Attribution/source", func() error { _, err := db.Attribution(ctx, "source", f); return err }},
		{"States", func() error { _, err := db.States(ctx, trail.DealKind, []string{"deal000000"}); return err }},
		{"Known", func() error { _, err := db.Known(ctx, []trail.ID{{1}}); return err }},
		{"Target", func() error { _, _, err := db.Target(ctx, trail.KeyOf("content000000")); return err }},
		{"Counts", func() error { _, err := db.Counts(ctx); return err }},
	} {
		b.Run(report.name, func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				if err := report.ask(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "engine-ms/op")
		})
	}
}
