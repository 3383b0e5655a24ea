package ingest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

func share(t testing.TB, r *ingest.Registry, q ingest.ShareRequest) ingest.Share {
	t.Helper()
	s, err := r.Share(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAPermanentLinkIsMadeOnce(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	clock := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	r.Now = func() time.Time { clock = clock.Add(time.Hour); return clock }
	register(t, r, "deck", "https://acme.example/deck")
	register(t, r, "case", "https://acme.example/case")
	before := p.counts(t).Events
	first := share(t, r, ingest.ShareRequest{Content: "deck", Rep: "rep@own.example", Permanent: true})
	again := share(t, r, ingest.ShareRequest{Content: "deck", Rep: "The rep <REP@own.example>", Deal: " ", Permanent: true})
	if first.Token != again.Token || first.URL != again.URL {
		t.Errorf("the same link twice is %s and %s", first.URL, again.URL)
	}
	if n := p.counts(t).Events - before; n != 1 {
		t.Errorf("making it twice is %d events", n)
	}
	if at := p.text(t, "SELECT toString(at) FROM events FINAL WHERE kind = 'shared'"); !slices.Equal(at, []string{"2026-11-20 12:00:00.000"}) {
		t.Errorf("it was made %q, want when it was made first", at)
	}
	seen := map[string]bool{first.Token: true}
	for _, q := range []ingest.ShareRequest{
		{Content: "case", Rep: "rep@own.example", Permanent: true},
		{Content: "deck", Rep: "other@own.example", Permanent: true},
		{Content: "deck", Rep: "rep@own.example"},
		{Content: "deck", Rep: "rep@own.example"},
		{Content: "deck", Rep: "rep@own.example", Deal: "D1"},
		{Content: "deck", Rep: "rep@own.example", Deal: "D1"},
		{Content: "deck", Rep: "rep@own.example", To: []string{"ann@acme.example"}},
		{Content: "deck", Rep: "rep@own.example", To: []string{"ann@acme.example"}},
	} {
		s := share(t, r, q)
		if seen[s.Token] {
			t.Errorf("%+v gives a link that there was before", q)
		}
		seen[s.Token] = true
	}
	if n := p.counts(t).Shares; n != 9 {
		t.Errorf("%d shares are known, want 9", n)
	}
	for _, q := range []ingest.ShareRequest{{Deal: "D1"}, {To: []string{"ann@acme.example"}}} {
		q.Content, q.Rep, q.Permanent = "deck", "rep@own.example", true
		if _, err := r.Share(t.Context(), q); err == nil {
			t.Errorf("%+v is a permanent link", q)
		}
	}
}

func TestTheTextOfALinkIsNeverAnotherAddress(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	r.MayEmbed, r.Patience = func(map[trail.ContactID]string) bool { return true }, time.Millisecond // it does not matter when reports show it
	for i, x := range []struct{ title, kind, want string }{
		{"The price list", "Pricing", "The price list"},
		{" Two\n lines ", "", "Two lines"},
		{"Why v1.5 is 3.2 times faster", "", "Why v1.5 is 3.2 times faster"},
		{"Acme Inc.", "", "Acme Inc."},
		{"https://www.acme.example/prices", "Pricing", "Pricing"},
		{"See https://acme.example now", "Pricing", "Pricing"},
		{"WWW.acme.example prices", "Pricing", "Pricing"},
		{"acme.example", "", "Document"},
		{"Shop.Acme.example:8443/prices?x=1", "Pricing", "Pricing"},
		{"ac\u200bme.example", "Pricing", "Pricing"},
		{"müller.example", "other.example", "Document"},
		{`<b>"A" & 'B'</b>`, "", `<b>"A" & 'B'</b>`},
	} {
		id := fmt.Sprint("content-", i)
		if _, err := r.Register(t.Context(), id, map[string]string{"url": "https://acme.example/" + id, "title": x.title, "kind": x.kind}, "api"); err != nil {
			t.Fatal(err)
		}
		s := share(t, r, ingest.ShareRequest{Content: id, Rep: "rep@own.example"})
		if s.Text != x.want {
			t.Errorf("the link to %q reads %q, want %q", x.title, s.Text, x.want)
		}
		escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(x.want)
		if want := `<a href="` + s.URL + `">` + escaped + `</a><img src="` + s.PixelURL + `" width="1" height="1" alt="">`; s.HTML != want {
			t.Errorf("the snippet is %s, want %s", s.HTML, want)
		}
	}
}

func TestARepIsToldWhatColleaguesSentTheSamePeople(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	clock := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	r.Now = func() time.Time { return clock }
	attrs := func(id string, attrs map[string]string) {
		t.Helper()
		if _, err := r.Register(t.Context(), id, attrs, "api"); err != nil {
			t.Fatal(err)
		}
	}
	attrs("deck", map[string]string{"url": "https://acme.example/1", "version": "1"})
	attrs("page", map[string]string{"url": "https://acme.example/page"})
	sent := func(rep, content, to string, at time.Time) {
		e := trail.Event{ID: trail.NewID(at), Kind: trail.Sent, At: at, ReceivedAt: at, Source: "mail", Content: content, Rep: rep + "@vendor.example", Contact: r.Contacts.ID(to), Message: "m"}
		if to == "anna@acme.example" {
			e.Person = &trail.Person{Address: to, Name: "Anna Schmidt"}
		}
		p.append(t, e)
	}
	day := func(n int) time.Time { return time.Date(2026, 11, n, 10, 0, 0, 0, time.UTC) }
	sent("ben", "deck", "anna@acme.example", day(24))
	sent("ben", "page", "bob@acme.example", day(24))
	sent("ann", "deck", "carl@acme.example", day(24)) // the rep herself
	sent("ben", "deck", "dora@acme.example", day(20)) // more than a week before
	clock = day(25)
	attrs("deck", map[string]string{"version": "2", "url": "https://acme.example/2"})
	attrs("page", map[string]string{"url": "https://acme.example/new-page"})
	sent("eva", "deck", "anna@acme.example", day(26))
	clock = day(28)
	sent("ben", "deck", "anna@acme.example", day(29)) // a clock that is ahead
	for _, x := range []struct {
		content string
		to      []string
		want    []string
	}{
		{"deck", []string{"Anna@acme.example"}, []string{
			"eva@vendor.example sent it to Anna Schmidt on 26 Nov 2026; no need to send it again?",
			"ben@vendor.example sent Anna Schmidt version 1 of it on 24 Nov 2026; this is version 2.",
		}},
		{"page", []string{"bob@acme.example"}, []string{"ben@vendor.example sent bob@acme.example an older version of it on 24 Nov 2026; it has changed since."}},
		{"page", []string{"anna@acme.example", "Bob B <bob@acme.example>"}, []string{"ben@vendor.example sent Bob B an older version of it on 24 Nov 2026; it has changed since."}},
		{"deck", []string{"carl@acme.example", "dora@acme.example", "new@acme.example"}, nil},
		{"deck", nil, nil},
	} {
		p.settle(t)
		if s := share(t, r, ingest.ShareRequest{Content: x.content, Rep: "ann@vendor.example", To: x.to}); !slices.Equal(s.Warnings, x.want) {
			t.Errorf("%s to %q: warned of %q, want %q", x.content, x.to, s.Warnings, x.want)
		}
	}
	// What has been succeeded is older too.
	if err := p.db.InsertEvents(t.Context(), []trail.Event{trail.Registration("csv", trail.ContentKind, "old", trail.State{},
		trail.State{Attrs: map[string]string{"title": "The old deck", "url": "https://acme.example/0", "successor": "deck"}}, day(1))}); err != nil {
		t.Fatal(err)
	}
	sent("ben", "old", "fay@acme.example", day(27))
	if s := share(t, r, ingest.ShareRequest{Content: "deck", Rep: "ann@vendor.example", To: []string{"fay@acme.example"}}); !slices.Equal(s.Warnings, []string{
		"ben@vendor.example sent fay@acme.example The old deck on 27 Nov 2026; this has taken its place.",
	}) {
		t.Errorf("warned of %q", s.Warnings)
	}
}

// A link is made and works while ClickHouse is away.
func TestALinkIsMadeWhileTheStoreIsAway(t *testing.T) {
	p := newPipe(t)
	_, stop := p.load(t)
	r := p.registry(t)
	register(t, r, "acme.example", "https://acme.example/deck")
	stop()
	r.Patience = 50 * time.Millisecond
	p.db.Close()
	s := share(t, r, ingest.ShareRequest{Content: "acme.example", Rep: "rep@own.example", To: []string{"anna@acme.example"}})
	if s.Visible || s.Text != "Document" || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "cannot be looked up") {
		t.Errorf("the share is %+v", s)
	}
}
