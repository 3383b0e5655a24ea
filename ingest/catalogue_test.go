package ingest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func deck(url string, others ...string) trail.Target {
	return trail.Target{Content: "deck", Title: "The deck", URL: url, OtherURLs: others}
}

func (p *pipe) catalogue(t testing.TB) *ingest.Catalogue {
	return ingest.NewCatalogue(p.rdb, p.db, filepath.Join(t.TempDir(), "catalogue.json"), quiet())
}

// closed is a store that is gone.
func closed(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), storetest.Options(t))
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	return db
}

func lookup(t testing.TB, c *ingest.Catalogue, id trail.ContentID) (url string, ok bool) {
	t.Helper()
	target, ok, err := c.Lookup(t.Context(), trail.KeyOf(id))
	if err != nil {
		t.Fatal(err)
	}
	return target.URL, ok
}

func TestOtherNodesFindContentAtOnceAndHearOfChanges(t *testing.T) {
	p := newPipe(t)
	here, there := p.catalogue(t), p.catalogue(t)
	background(t, there.Run)
	if err := here.Put(t.Context(), deck("https://acme.example/deck")); err != nil {
		t.Fatal(err)
	}
	if url, ok := lookup(t, there, "deck"); !ok || url != "https://acme.example/deck" {
		t.Errorf("another node finds %q, %v", url, ok)
	}
	before := there.Version()
	if err := here.Put(t.Context(), deck("https://acme.example/deck2")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node hears of the change", func() bool {
		url, _ := lookup(t, there, "deck")
		return url == "https://acme.example/deck2"
	})
	if there.Version() <= before || there.Version() != here.Version() {
		t.Errorf("versions are %d here, %d and before that %d there", here.Version(), there.Version(), before)
	}
	version := here.Version()
	if err := here.Put(t.Context(), deck("https://acme.example/deck2")); err != nil {
		t.Fatal(err)
	}
	if here.Version() != version {
		t.Error("putting the same again changed the version")
	}
}

func TestKnownLinksOutlastRedisAndStore(t *testing.T) {
	p := newPipe(t)
	snapshot := filepath.Join(t.TempDir(), "catalogue.json")
	first := ingest.NewCatalogue(p.rdb, p.db, snapshot, quiet())
	if err := first.Put(t.Context(), deck("https://acme.example/deck")); err != nil {
		t.Fatal(err)
	}
	p.redis.Close()

	c := ingest.NewCatalogue(p.rdb, closed(t), snapshot, quiet()) // a restart
	if err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if url, ok := lookup(t, c, "deck"); !ok || url != "https://acme.example/deck" {
		t.Errorf("found %q, %v", url, ok)
	}
	if id, ok := c.ByURL("https://acme.example/deck"); !ok || id != "deck" || c.Version() != first.Version() {
		t.Errorf("by URL it is %q, %v at version %d", id, ok, c.Version())
	}
	began := time.Now()
	if _, ok, err := c.Lookup(t.Context(), trail.KeyOf("other")); ok || err == nil {
		t.Errorf("an unknown content: %v, %v; want an error, since nobody could be asked", ok, err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("asking took %v", took)
	}
	if err := c.Put(t.Context(), deck("https://acme.example/new")); err == nil {
		t.Error("a change was accepted that no other node will know")
	}
	if url, _ := lookup(t, c, "deck"); url != "https://acme.example/deck" {
		t.Errorf("the refused change shows: %q", url)
	}

	empty := ingest.NewCatalogue(p.rdb, closed(t), filepath.Join(t.TempDir(), "none"), quiet())
	if err := empty.Load(t.Context()); err == nil {
		t.Error("a catalogue was loaded from nothing")
	}
}

func TestCatalogueReturnsToARedisThatLostItsData(t *testing.T) {
	p := newPipe(t)
	c := p.catalogue(t)
	if err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	background(t, c.Run)
	if err := c.Put(t.Context(), deck("https://acme.example/deck")); err != nil {
		t.Fatal(err)
	}
	if err := p.rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis has it again", func() bool {
		return p.rdb.HExists(t.Context(), "dealtrail:catalogue", trail.KeyOf("deck").String()).Val()
	})
}

func TestCatalogueLearnsFromTheStore(t *testing.T) {
	p := newPipe(t)
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	e := trail.Registration("test", trail.ContentKind, "deck", trail.State{}, trail.State{Attrs: map[string]string{"url": "https://acme.example/deck"}}, now)
	late := trail.Registration("test", trail.ContentKind, "late", trail.State{}, trail.State{Attrs: map[string]string{"url": "https://acme.example/late"}}, now)
	if err := p.db.InsertEvents(t.Context(), []trail.Event{e}); err != nil {
		t.Fatal(err)
	}
	c := p.catalogue(t)
	if err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id, ok := c.ByURL("https://acme.example/deck"); !ok || id != "deck" {
		t.Errorf("by URL it is %q, %v", id, ok)
	}
	if !p.rdb.HExists(t.Context(), "dealtrail:catalogue", trail.KeyOf("deck").String()).Val() {
		t.Error("Redis did not learn it")
	}
	if err := p.db.InsertEvents(t.Context(), []trail.Event{late}); err != nil {
		t.Fatal(err)
	}
	if url, ok := lookup(t, c, "late"); !ok || url != "https://acme.example/late" {
		t.Errorf("a content that only the store knows: %q, %v", url, ok)
	}
}

func TestUnknownContentIsAskedForOnce(t *testing.T) {
	p := newPipe(t)
	c := p.catalogue(t)
	if _, ok := lookup(t, c, "guess"); ok {
		t.Fatal("found")
	}
	p.redis.Close()
	for range 100 { // with nobody to ask, an answer can only be the remembered one
		if _, ok := lookup(t, c, "guess"); ok {
			t.Fatal("found")
		}
	}
}

func TestContentWithTheKeyOfAnotherIsRefused(t *testing.T) {
	p := newPipe(t)
	c := p.catalogue(t)
	// No two names with one key are at hand: another name is written under the key of this one.
	if err := p.rdb.HSet(t.Context(), "dealtrail:catalogue", trail.KeyOf("deck").String(), `{"content":"twin"}`).Err(); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, c.Put(t.Context(), deck("https://acme.example/deck")), trail.Conflict, "deck", "twin")
	if _, ok, _ := c.Lookup(t.Context(), trail.KeyOf("deck")); ok {
		t.Error("the key leads to one of the two")
	}
}

func TestContentIsFoundByEachOfItsURLs(t *testing.T) {
	p := newPipe(t)
	c := p.catalogue(t)
	if err := c.Put(t.Context(), deck("https://acme.example/old", "https://drive.example/d/1?x=2&a=1"), trail.Target{Content: "second", URL: "https://acme.example/old"}); err != nil {
		t.Fatal(err)
	}
	f := func(url string, want trail.ContentID) {
		t.Helper()
		if got, ok := c.ByURL(url); got != want || ok != (want != "") {
			t.Errorf("%s is %q, want %q", url, got, want)
		}
	}
	f("https://ACME.example/old/?utm_source=mail#top", "deck")
	f("https://drive.example/d/1?a=1&x=2", "deck")
	f("https://acme.example/new", "")
	f("mailto:ann@acme.example", "")
	if err := c.Put(t.Context(), deck("https://acme.example/new")); err != nil {
		t.Fatal(err)
	}
	f("https://acme.example/new", "deck")
	f("https://acme.example/old", "second")
	f("https://drive.example/d/1?a=1&x=2", "")
	if all := c.All(); len(all) != 2 || all[0].Content != "deck" || all[1].Content != "second" {
		t.Errorf("all are %v", all)
	}
}

func TestDamagedSnapshotIsReplaced(t *testing.T) {
	p := newPipe(t)
	snapshot := filepath.Join(t.TempDir(), "catalogue.json")
	if err := os.WriteFile(snapshot, []byte(`{"targets":[{"con`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := ingest.NewCatalogue(p.rdb, p.db, snapshot, quiet())
	if err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(t.Context(), deck("https://acme.example/deck")); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(snapshot); err != nil || !strings.Contains(string(data), "https://acme.example/deck") {
		t.Errorf("the snapshot is %q, %v", data, err)
	}
}

func TestConnectReadsAddressesAndHidesPasswords(t *testing.T) {
	for _, url := range []string{"redis://h:1/0", "unix:///a/b.sock", "redis://h:1?addr=i:2", "redis://h:1/0?master_name=m&addr=i:2"} {
		rdb, err := ingest.Connect(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if single, ok := rdb.(*redis.Client); ok && (!single.Options().ContextTimeoutEnabled || single.Options().MaxRetries > 0) {
			t.Errorf("%s: deadlines do not count or writes are retried", url)
		}
		rdb.Close()
	}
	for _, url := range []string{"", "http://user:secret@h", "redis://user:secret@h:\x00", "localhost:6379", "redis://user:secret@h/x"} {
		if _, err := ingest.Connect(url); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}
