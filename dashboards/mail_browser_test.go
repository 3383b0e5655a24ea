package dashboards

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"dealtrail/dashboards/browsertest"
	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

const longRep = "anna.with-a-rather-long-name-that-never-ends-anywhere@subsidiary.of.example.com"

// mailSite is the pages that show what mail says, where names, links, numbers and
// reasons are as long as they come. A mailbox's key is its state.
func mailSite(t testing.TB) http.Handler {
	t.Helper()
	sealer, err := ingest.NewSealer(contactKey, "test")
	if err != nil {
		t.Fatal(err)
	}
	parked := trail.MailboxStatus{Name: "box", Rep: longRep, State: "parked", Reason: "Microsoft refused the sign-in for " + longRep + ": IMAP must be on for the mailbox (Set-CASMailbox -Identity " + longRep + " -ImapEnabled $true)."}
	site, e := newSite(t, storetest.Open(t), func(s *Site) {
		s.Connect = &Connect{
			Since: "12 months", Excluded: []string{"Private"}, Sealer: sealer, Providers: []ConnectProvider{{Name: "google", Title: "Google"}, {Name: "microsoft", Title: "Microsoft"}},
			State: func(context.Context, string) (trail.MailboxStatus, error) { return parked, nil },
		}
		s.Status = func(context.Context) (trail.Status, error) {
			return trail.Status{Mailboxes: []trail.MailboxStatus{parked, {Rep: "ok@example.com", State: "ok"}}}, nil
		}
	})
	site.source.Sighted = func(context.Context, time.Time, store.Filter) ([]trail.SightedRow, error) {
		return longFound(today), nil
	}
	site.source.Baselines = func(context.Context, time.Time) (trail.Baselines, error) { return longBaselines(today), nil }
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Query().Get("mailbox") == "parked" {
			q.URL.RawQuery = "mailbox=" + sealer.Seal("box", "mailbox")
		}
		e.ServeHTTP(w, q)
	})
}

// longFound is what reps send that nobody keeps up to date.
func longFound(at time.Time) []trail.SightedRow {
	long := "https://www.ours.example/" + strings.Repeat("a-very-long-path-segment-without-end_", 6)
	const file = "Acme_Platform_Security_and_Compliance_Whitepaper_for_Financial_Services_2026_EN_final_final_v2.pdf"
	return []trail.SightedRow{
		{Found: trail.OldVersion, Content: "deck", Title: "The Deck", Mails: 4000, Reps: 200, At: at},
		{Found: trail.NearCopy, What: "file", Name: file, Size: 123_456_789, Content: "deck", Title: "The Deck", Reps: 1, At: at},
		{Found: trail.Unregistered, What: "link", URL: long, Reps: 12, At: at},
		{Found: trail.Unregistered, What: "file", Name: file, Size: 123_456_789, Reps: 12, At: at},
		{Found: trail.Unregistered, What: "link", URL: long + "x", Reps: 3, At: at, Dismissed: true},
	}
}

func longBaselines(at time.Time) trail.Baselines {
	b := trail.Baseline{
		At: at, From: at.AddDate(-1, 0, 0), To: at, Mailboxes: 1200, Contents: 1240, Unsent: 700, Sends: 3_456_000, Tracked: 2, Files: 2_100_000, PlainLinks: 1_354_000, Stale: 310_000, Observable: 12, Reps: 400,
		Recipients: 900_000, Written: 2_000_000, Unanswered: 900_000, Won: 90_000, WonWith: 30_000, Unregistered: 7, NearCopies: 9,
	}
	for i := range 5 {
		b.Rows = append(b.Rows, trail.BaselineRow{Content: fmt.Sprint("security-whitepaper-", i), Sends: 12_345_678, Reps: 400, Recipients: 999_999, Stale: 123_456, Won: 3000})
	}
	kept := b
	return trail.Baselines{Kept: &kept, Now: &b}
}

// The browser goes where the button leads although a form may lead nowhere but
// here, and without a script.
func TestTheConnectButtonLeadsToTheProviderInABrowser(t *testing.T) {
	t.Parallel()
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		fmt.Fprint(w, `<!doctype html><h1 id="provider">Sign in</h1>`)
	}))
	t.Cleanup(provider.Close)
	server := httptest.NewUnstartedServer(nil)
	public := "http://" + server.Listener.Addr().String()
	server.Config.Handler = connecting(t, map[string]string{}, func(s *Site) {
		s.PublicURL = public
		s.Connect.Providers[0].ConsentURL = func(state, _, _, hint string) string { return provider.URL + "/?state=" + state + "&hint=" + hint }
	})
	server.Start()
	t.Cleanup(server.Close)
	ctx := browsertest.Open(t)
	console := listen(ctx)
	visit(t, ctx, public+"/connect?for=anna@example.com")
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(".buttons button.main")), chromedp.WaitVisible(chromedp.CSS("#provider"))); err != nil {
		t.Fatal(err)
	}
	if at := evaluate[string](t, ctx, `location.href`); !strings.HasPrefix(at, provider.URL) || !strings.HasSuffix(at, "hint=anna@example.com") {
		t.Errorf("the button leads to %s", at)
	}
	for _, said := range console.take() {
		if strings.Contains(said, "Content Security Policy") {
			t.Error(said)
		}
	}
}
