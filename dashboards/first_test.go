package dashboards

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestLongListsShowTheirFirstRowsAndAllWhenAsked(t *testing.T) {
	t.Parallel()
	site, e := newSite(t, storetest.Open(t), nil)
	site.source.Contents = func(context.Context, store.Filter) (rows []trail.ContentRow, err error) {
		for i := range 130 {
			rows = append(rows,
				trail.ContentRow{ID: fmt.Sprintf("used-%03d", i), Sent: uint64(i + 1), Clicked: 1},
				trail.ContentRow{ID: fmt.Sprintf("never-%03d", i)},
				trail.ContentRow{ID: fmt.Sprintf("unread-%03d", i), Sent: 1})
		}
		return rows, nil
	}
	events := make([]trail.TrailRow, 130)
	for i := range events {
		events[i] = trail.TrailRow{At: today.AddDate(0, 0, i-130), Kind: trail.Sent, Note: fmt.Sprintf("said-%03d", i)}
	}
	site.source.Account = func(context.Context, string, store.Filter) (*trail.AccountDetail, error) {
		return &trail.AccountDetail{Domain: "us.example", Events: events}, nil
	}
	site.source.Contact = func(context.Context, string, store.Filter) (*trail.ContactDetail, error) {
		return &trail.ContactDetail{ContactRow: trail.ContactRow{Address: "a@us.example"}, Events: events}, nil
	}
	site.source.Teams = func(context.Context, store.Filter) (trail.Teams, []trail.RepRow, error) {
		rows := make([]trail.RepRow, 130)
		for i := range rows {
			rows[i] = trail.RepRow{Rep: fmt.Sprintf("rep-%03d@us.example", i), Sent: 1}
		}
		return trail.Teams{}, rows, nil
	}
	site.Names = &ingest.RepNames{Mode: trail.RepsByName}
	site.source.Content = func(context.Context, string, store.Filter) (*trail.ContentDetail, error) {
		return &trail.ContentDetail{ContentRow: trail.ContentRow{ID: "roi"}}, nil
	}
	site.source.SentStages = func(context.Context, string, time.Time, store.Filter) (rows []store.SentStage, err error) {
		for i := range 130 {
			rows = append(rows, store.SentStage{Stage: fmt.Sprintf("stage-%03d", i), Role: "user", Deals: 1})
		}
		return rows, nil
	}
	for _, x := range []struct {
		page, row   string
		first, says string // the last of the first rows, and the way to all
		shown, all  int
		file        int // rows of the file, its head included
	}{
		{"/?sort=-sent", `<td class="first"><a href="/content/used-`, "used-030", "Show all 130", 100, 130, 1 + 3*130},
		{"/?sort=-sent", `<li><a href="/content/never-`, "never-024", "#never", 25, 130, 0},
		{"/?sort=-sent", `<li><a href="/content/unread-`, "unread-024", "#unread", 25, 130, 0},
		{"/accounts/us.example?agents=all", "said-", "said-030", "Show all 130 events", 100, 130, 1 + 130},
		{"/reps?agents=all", `<td class="first">rep-`, "rep-099", "Show all 130 rows", 100, 130, 1 + 130},
		{"/content/roi?agents=all", `<td class="first">stage-`, "stage-024", "Show all 130 lines", 25, 130, 0},
		{"/contacts/a@us.example?agents=all", "said-", "said-030", "Show all 130 events", 100, 130, 1 + 130},
	} {
		body := read(t, e, x.page)
		if n := strings.Count(body, x.row); n != x.shown || !strings.Contains(body, x.first) || !strings.Contains(body, x.says) {
			t.Errorf("%s shows %d of %s, want %d with %s and %q", x.page, n, x.row, x.shown, x.first, x.says)
		}
		if body = read(t, e, x.page+"&all=1"); strings.Count(body, x.row) != x.all || strings.Contains(body, x.says) {
			t.Errorf("%s shows %d of all %s", x.page, strings.Count(body, x.row), x.row)
		}
		if x.file > 0 {
			if rows := readCSV(t, e, x.page+"&format=csv"); len(rows) != x.file {
				t.Errorf("the file of %s has %d rows, want %d", x.page, len(rows), x.file)
			}
		}
	}
	if body := read(t, e, "/?all=1"); !strings.Contains(body, "all=1&amp;model=linear&amp;sort=-clicked") && !strings.Contains(body, "agents=likely&amp;all=1&amp;model=linear&amp;sort=-clicked") {
		t.Error("another order forgets that all are asked for")
	}
}
