package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// byFile writes what the catalogue says of files and URLs, each as content and,
// of an old one, "stale".
func byFile(c *ingest.Catalogue, shas, urls []string) string {
	var b strings.Builder
	say := func(what string, content trail.ContentID, stale, ok bool) {
		if ok {
			fmt.Fprintf(&b, "%s is %s", what, content)
			if stale {
				b.WriteString(" stale")
			}
			b.WriteString(", ")
		}
	}
	for _, sha := range shas {
		content, until, ok := c.ByFile(sha)
		say(sha, content, !until.IsZero(), ok)
	}
	for _, u := range urls {
		content, until, ok := c.ByURLVersion(u)
		say(u[len("https://acme.example/"):], content, !until.IsZero(), ok)
	}
	return strings.TrimSuffix(b.String(), ", ")
}

func TestOldFilesAndLinksAreKnownAsSuch(t *testing.T) {
	p := newPipe(t)
	c := p.catalogue(t)
	put := func(targets ...trail.Target) {
		t.Helper()
		if err := c.Put(t.Context(), targets...); err != nil {
			t.Fatal(err)
		}
	}
	deck := func(sha string, size int64, version string) trail.Target {
		return trail.Target{Content: "deck", File: sha, FileName: "Deck.pdf", FileSize: size, Version: version}
	}
	page := func(url string, others ...string) trail.Target {
		return trail.Target{Content: "page", URL: url, OtherURLs: others}
	}
	shas, urls := []string{"a", "b", "c"}, []string{"https://acme.example/1", "https://acme.example/2?utm_source=x", "https://acme.example/3"}
	put(deck("a", 100, "1"), page("https://acme.example/1", "https://acme.example/2"))
	put(deck("b", 200, "2"))
	put(deck("c", 90, "3"), page("https://acme.example/3"))
	if got, want := byFile(c, shas, urls), "a is deck stale, b is deck stale, c is deck, 1 is page stale, 2?utm_source=x is page stale, 3 is page"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if sizes := c.FileSizes(); !slices.Equal(sizes, []int64{90, 100, 200}) {
		t.Errorf("sizes %v", sizes)
	}
	if former := c.All()[0].Former; len(former) != 2 || former[0].Version != "2" || former[0].FileSize != 200 || former[1].FileName != "Deck.pdf" || former[0].Until.Before(former[1].Until) {
		t.Errorf("the deck was %+v", former)
	}
	if id, ok := c.ByURL("https://acme.example/1"); ok {
		t.Errorf("by a URL that led there before it is %q", id)
	}

	// Another content that has now what one had before is the one; what is so again was never gone.
	put(trail.Target{Content: "zoo", File: "a", FileSize: 100, URL: "https://acme.example/1"}, deck("b", 200, "2"))
	if got, want := byFile(c, shas, urls), "a is zoo, b is deck, c is deck stale, 1 is zoo, 2?utm_source=x is page stale, 3 is page"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	put(trail.Target{Content: "deck", URL: "https://acme.example/deck"}) // without a file
	if got := byFile(c, shas, nil); got != "a is zoo, b is deck stale, c is deck stale" {
		t.Error(got)
	}
}

// Whoever changes a content, on whatever node, at whatever time, in one step with
// others or not: nothing that it was is forgotten, in memory, in Redis, or on disk.
func TestNobodyForgetsWhatAContentWas(t *testing.T) {
	p := newPipe(t)
	snapshot := filepath.Join(t.TempDir(), "catalogue.json")
	nodes := []*ingest.Catalogue{p.catalogue(t), p.catalogue(t), ingest.NewCatalogue(p.rdb, p.db, snapshot, quiet())}
	const changes = 12
	var all sync.WaitGroup
	for n, node := range nodes {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 7))
			for i := range changes {
				target := trail.Target{Content: "deck", File: fmt.Sprintf("%d-%d", n, i), FileSize: int64(100*n + i + 1)}
				other := trail.Target{Content: fmt.Sprint("other", rng.IntN(3)), URL: fmt.Sprintf("https://acme.example/%d/%d", n, i)}
				if err := node.Put(t.Context(), target, other); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	restarted := ingest.NewCatalogue(p.rdb, p.db, snapshot, quiet())
	if err := restarted.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range nodes {
		for i := range changes {
			if _, _, ok := restarted.ByFile(fmt.Sprintf("%d-%d", n, i)); !ok {
				t.Errorf("the file of change %d on node %d is forgotten", i, n)
			}
			if _, _, ok := restarted.ByURLVersion(fmt.Sprintf("https://acme.example/%d/%d", n, i)); !ok {
				t.Errorf("the URL of change %d on node %d is forgotten", i, n)
			}
		}
	}
	if n := len(restarted.FileSizes()); n != len(nodes)*changes {
		t.Errorf("%d sizes, want %d", n, len(nodes)*changes)
	}
	p.redis.Close()
	offline := ingest.NewCatalogue(p.rdb, closed(t), snapshot, quiet())
	if err := offline.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	restart, disk := restarted.All(), offline.All()
	if fmt.Sprint(restart) != fmt.Sprint(disk) {
		t.Errorf("after a restart without Redis and store\n%v\nbefore\n%v", disk, restart)
	}
}

func TestTheStoreTellsWhatAContentWas(t *testing.T) {
	p := newPipe(t)
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	var state trail.State
	for i, attrs := range []map[string]string{
		{"file": "a", "file_name": "Deck.pdf", "file_size": "1000", "version": "1"},
		{"file": "b", "file_size": "2000", "version": "2", "other_urls": "https://acme.example/1 https://acme.example/2"},
		{"title": "Says nothing of it", "other_urls": "https://acme.example/2"},
		{"file": "a", "file_size": "1000"},
		{"file": "c", "file_size": "3000", "version": "3"},
	} {
		next := state.With(attrs)
		e := trail.Registration("test", trail.ContentKind, "deck", state, next, at.AddDate(0, 0, i))
		state = trail.State{Event: e.ID, At: e.At, Attrs: e.Attrs}
		if err := p.db.InsertEvents(t.Context(), []trail.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	want := []trail.Former{
		{File: "a", FileName: "Deck.pdf", FileSize: 1000, Version: "2", Until: at.AddDate(0, 0, 4)},
		{File: "b", FileName: "Deck.pdf", FileSize: 2000, Version: "2", Until: at.AddDate(0, 0, 3)},
		{URL: "https://acme.example/1", Version: "2", Until: at.AddDate(0, 0, 2)},
	}
	targets, err := p.db.Targets(t.Context())
	if err != nil || len(targets) != 1 || !slices.Equal(targets[0].Former, want) || targets[0].FileSize != 3000 {
		t.Errorf("%v\n got %+v\nwant %+v", err, targets, want)
	}
	one, ok, err := p.db.Target(t.Context(), trail.KeyOf("deck"))
	if err != nil || !ok || !slices.Equal(one.Former, want) {
		t.Errorf("asked for alone: %+v, %v, %v", one, ok, err)
	}

	// A Redis from before anybody remembered does not take it away, nor does a store that comes later.
	if err := p.rdb.HSet(t.Context(), "dealtrail:catalogue", trail.KeyOf("deck").String(), `{"content":"deck","file":"c","file_name":"Deck.pdf"}`).Err(); err != nil {
		t.Fatal(err)
	}
	c := p.catalogue(t)
	if err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := byFile(c, []string{"a", "b", "c"}, []string{"https://acme.example/1"}); got != "a is deck stale, b is deck stale, c is deck, 1 is deck stale" {
		t.Error(got)
	}
	if err := c.Put(t.Context(), trail.Target{Content: "deck", File: "d", FileSize: 4000}); err != nil {
		t.Fatal(err)
	}
	other := p.catalogue(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, _, err := other.Lookup(ctx, trail.KeyOf("deck")); err != nil {
		t.Fatal(err)
	}
	if got := byFile(other, []string{"a", "b", "c", "d"}, nil); got != "a is deck stale, b is deck stale, c is deck stale, d is deck" {
		t.Errorf("another node: %s", got)
	}
}

func TestCopiesAreKnownByTheirName(t *testing.T) {
	p := newPipe(t)
	c := p.catalogue(t)
	file := func(content, name string) trail.Target {
		return trail.Target{Content: content, File: name, FileName: name, FileSize: 10}
	}
	if err := c.Put(t.Context(), file("deck", "Old pitch.pptx"), file("prices", "Price-List 2026.pdf"), file("year", "Review.pdf"), file("other-year", "Review v2.pdf"), file("kopie", "Kopie.pdf"), file("nameless", "v2.pdf")); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(t.Context(), file("deck", "Product_Deck.pptx")); err != nil {
		t.Fatal(err)
	}
	for content, names := range map[trail.ContentID][]string{
		"deck": {
			"Product_Deck.pptx", "product deck.PPTX", "Product Deck (1).pptx", "Product Deck[2].pptx", "Product-Deck - Copy.pptx", "Product Deck - Copy (3).pptx", "Product Deck copy 2.pptx",
			"Copy of Product Deck.pptx", "Kopie von Product_Deck.pptx", "Product Deck - Kopie.pptx", "Product_Deck_v2.pptx", "Product Deck v1.3.pptx", "Product Deck V 4.pptx", "Product.Deck.final.pptx",
			"Product_Deck_FINAL (2).pptx", "Product Deck 2026-05-01.pptx", "20260501_Product_Deck.pptx", "Product Deck 01.05.2026.pptx", "Product Deck 1.5.26 final v3 (1).pptx",
			"C:\\Users\\ann\\Product Deck.pptx", "Product Deck version 2.pptx", "Product Deck rev. 7.pptx", "old pitch (2).pptx",
		},
		"prices": {"price list 2026.pdf", "Price_List_2026_Kopie.pdf"},
		"kopie":  {"Kopie.pdf"},
		"":       {"Product Deck.pdf", "Product Decks.pptx", "Price list 2025.pdf", "Price list.pdf", "Review.pdf", "review v3.pdf", "v3.pdf", "final.pdf", "", ".pdf", "(1).pdf", "2026-05-01.pdf"},
	} {
		for _, name := range names {
			if got, ok := c.ByFileName(name); got != content || ok != (content != "") {
				t.Errorf("%q is %q, want %q", name, got, content)
			}
		}
	}
	// The letters of a Mac are made of two.
	if err := c.Put(t.Context(), file("umlaut", "Übersicht.pdf")); err != nil {
		t.Fatal(err)
	}
	if got, _ := c.ByFileName("U\u0308bersicht (1).pdf"); got != "umlaut" {
		t.Errorf("decomposed it is %q", got)
	}
}
