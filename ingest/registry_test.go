package ingest_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

func (p *pipe) registry(t testing.TB) *ingest.Registry {
	t.Helper()
	keys, err := trail.ParseKeys(trail.NewKey('a'))
	if err != nil {
		t.Fatal(err)
	}
	return &ingest.Registry{
		Buffer: p.buffer, DB: p.db, Catalogue: p.catalogue(t), Files: &ingest.Files{Dir: t.TempDir()},
		Keys: keys, Contacts: trail.ContactKey("the key of the tests"), PublicURL: "https://go.acme.example/",
	}
}

func register(t testing.TB, r *ingest.Registry, id, url string) (visible bool) {
	t.Helper()
	visible, err := r.Register(t.Context(), id, map[string]string{"url": url}, "api")
	if err != nil {
		t.Fatal(err)
	}
	return visible
}

// state returns what is registered of a content.
func (p *pipe) state(t testing.TB, id trail.ContentID) map[string]string {
	t.Helper()
	states, err := p.db.States(t.Context(), trail.ContentKind, []string{id})
	if err != nil {
		t.Fatal(err)
	}
	return states[id].Attrs
}

func TestRegisteredContentIsReadAtOnce(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	visible, err := r.Register(t.Context(), "deck", map[string]string{
		"url": "https://acme.example/deck", "other_urls": " https://drive.example/1  https://drive.example/2 ",
		"published_at": "2026-11-20T10:00:00+01:00", "cost": "1200.50", "stage": "",
	}, "api")
	if err != nil || !visible {
		t.Fatalf("registered: visible %v, %v", visible, err)
	}
	want := map[string]string{
		"title": "deck", "url": "https://acme.example/deck", "other_urls": "https://drive.example/1 https://drive.example/2",
		"published_at": "2026-11-20T09:00:00Z", "cost": "1200.50",
	}
	if got := p.state(t, "deck"); !maps.Equal(got, want) {
		t.Errorf("registered is %v, want %v", got, want)
	}
	if id, ok := r.Catalogue.ByURL("https://drive.example/2"); !ok || id != "deck" {
		t.Errorf("its other URL leads to %q", id)
	}
	// The same again, and a change of one key.
	if visible := register(t, r, "deck", "https://acme.example/deck"); !visible || p.counts(t).Events != 1 {
		t.Errorf("the same again: visible %v, %d events", visible, p.counts(t).Events)
	}
	if _, err := r.Register(t.Context(), "deck", map[string]string{"title": "The deck", "cost": ""}, "ui"); err != nil {
		t.Fatal(err)
	}
	want["title"] = "The deck"
	delete(want, "cost")
	if got := p.state(t, "deck"); !maps.Equal(got, want) {
		t.Errorf("changed to %v, want %v", got, want)
	}
}

func TestChangesThatAreNotYetVisibleAreNotForgotten(t *testing.T) {
	p := newPipe(t)
	_, stop := p.load(t)
	r := p.registry(t)
	r.Patience = 2 * time.Second
	const a, b = "https://acme.example/a", "https://acme.example/b"
	if !register(t, r, "deck", a) {
		t.Fatal("not visible")
	}
	stop()
	r.Patience = 50 * time.Millisecond
	for _, url := range []string{b, a, a, b, a} {
		if visible := register(t, r, "deck", url); visible && url != a {
			t.Error("visible without a loader")
		}
	}
	p.load(t)
	p.settle(t)
	if got := p.state(t, "deck")["url"]; got != a {
		t.Errorf("the deck leads to %s, want the last that was registered", got)
	}
	if n := p.counts(t).Events; n != 5 {
		t.Errorf("%d events, want 5: one was no change", n)
	}
	if url, _ := lookup(t, r.Catalogue, "deck"); url != a {
		t.Errorf("its links lead to %s", url)
	}
}

func TestContentThatCannotWorkIsRefused(t *testing.T) {
	p := newPipe(t)
	r := p.registry(t)
	f := func(id string, attrs map[string]string, parts ...string) {
		t.Helper()
		_, err := r.Register(t.Context(), id, attrs, "api")
		wantProblem(t, err, trail.Invalid, parts...)
	}
	ok := map[string]string{"url": "https://acme.example/"}
	f("", ok)
	f(strings.Repeat("x", 201), ok, "201")
	f("a\x00b", ok)
	f(" a", ok)
	f("deck", nil, "url or a file")
	f("deck", map[string]string{"url": "ftp://acme.example/"})
	f("deck", map[string]string{"url": "https://acme.example/", "other_urls": "https://a.example/ javascript:alert(1)"})
	f("deck", map[string]string{"url": "https://acme.example/", "colour": "red"}, "colour")
	f("deck", map[string]string{"url": "https://acme.example/", "cost": "1e9"}, "cost")
	f("deck", map[string]string{"url": "https://acme.example/", "published_at": "yesterday"}, "published_at")
	f("deck", map[string]string{"file": "../../etc/passwd"})
	if n := streamLength(t, p.rdb); n != 0 || len(r.Catalogue.All()) != 0 {
		t.Errorf("%d events and %d targets were written", n, len(r.Catalogue.All()))
	}
	p.redis.Close()
	_, err := r.Register(t.Context(), "deck", ok, "api")
	wantProblem(t, err, trail.Unavailable)
}

func TestShareBindsItsRecipients(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	if _, err := r.Register(t.Context(), "deck", map[string]string{"url": "https://acme.example/deck", "title": `Costs & <"risks">`}, "api"); err != nil {
		t.Fatal(err)
	}
	s, err := r.Share(t.Context(), ingest.ShareRequest{
		Content: "deck", Rep: "Rep <REP@own.example>", To: []string{"bob@acme.example", "Ann Alpha <Ann@acme.example>", "ann@acme.example"}, Deal: "D1",
	})
	if err != nil || !s.Visible {
		t.Fatalf("share: visible %v, %v", s.Visible, err)
	}
	key, share, err := r.Keys.Open(s.Token)
	if err != nil || key != trail.KeyOf("deck") {
		t.Errorf("the token opens to %v, %v", key, err)
	}
	if s.URL != "https://go.acme.example/c/"+s.Token || s.PixelURL != "" || len(s.URL) > 70 {
		t.Errorf("URLs are %s and %s", s.URL, s.PixelURL)
	}
	if want := `<a href="` + s.URL + `">Costs &amp; &lt;&#34;risks&#34;&gt;</a>`; s.HTML != want {
		t.Errorf("HTML is %s, want %s", s.HTML, want)
	}
	ann, bob := r.Contacts.ID("ann@acme.example"), r.Contacts.ID("bob@acme.example")
	want := []string{"deck rep@own.example D1 " + string(ann), "deck rep@own.example D1 " + string(bob)}
	slices.Sort(want)
	got := p.text(t, "SELECT concat(content, ' ', rep, ' ', deal, ' ', contact) AS bound FROM events WHERE kind = 'shared' AND share = '"+string(share)+"' ORDER BY bound")
	if !slices.Equal(got, want) {
		t.Errorf("the share is %q, want %q", got, want)
	}
	if got := p.text(t, "SELECT concat(address, ' ', name) FROM people ORDER BY address"); !slices.Equal(got, []string{"ann@acme.example Ann Alpha", "bob@acme.example "}) {
		t.Errorf("people are %q", got)
	}
	if got := p.text(t, "SELECT account FROM events WHERE kind = 'shared'"); !slices.Equal(got, []string{"acme.example", "acme.example"}) {
		t.Errorf("accounts are %q", got)
	}

	r.MayEmbed = func(map[trail.ContactID]string) bool { return false }
	if s, err := r.Share(t.Context(), ingest.ShareRequest{Content: "deck", Rep: "rep@own.example"}); err != nil || s.PixelURL != "" || strings.Contains(s.HTML, "img") {
		t.Errorf("without consent: %+v, %v", s, err)
	}
	r.MayEmbed = func(map[trail.ContactID]string) bool { return true }
	blind, err := r.Share(t.Context(), ingest.ShareRequest{Content: "deck", Rep: "rep@own.example"})
	if err != nil || blind.PixelURL != "https://go.acme.example/o/"+blind.Token+".gif" || !strings.HasSuffix(blind.HTML, `<img src="`+blind.PixelURL+`" width="1" height="1" alt="">`) {
		t.Errorf("a share for nobody in particular: %+v, %v", blind, err)
	}
	if n := p.counts(t).Shares; n != 3 {
		t.Errorf("%d shares are known, want that for two people and two for nobody in particular", n)
	}
}

// Until the mail is seen, and for links that go another way, the share is all
// that says whose click it is.
func TestClickOfAShareIsItsRecipients(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	register(t, r, "deck", "https://acme.example/deck")
	s, err := r.Share(t.Context(), ingest.ShareRequest{Content: "deck", Rep: "rep@own.example", To: []string{"ann@acme.example"}})
	if err != nil {
		t.Fatal(err)
	}
	_, share, err := r.Keys.Open(s.Token)
	if err != nil {
		t.Fatal(err)
	}
	click := clicks(0, 1)[0]
	click.Share = share
	p.append(t, click)
	p.settle(t)
	ann, err := p.db.Contact(t.Context(), r.Contacts.ID("ann@acme.example"), store.Filter{Agents: trail.All})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(ann.Events, func(e trail.TrailRow) bool { return e.Kind == trail.Clicked }) {
		t.Errorf("her trail is %+v, want the click in it", ann.Events)
	}
}

func TestShareIsRefusedWhereNoLinkCanWork(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	register(t, r, "deck", "https://acme.example/deck")
	ok := ingest.ShareRequest{Content: "deck", Rep: "rep@own.example"}
	for _, public := range []string{
		"", "https://", "http://go.acme.example", "https://localhost:8080", "https://127.0.0.1", "https://[::1]:8443", "https://10.1.2.3",
		"https://192.168.1.2", "https://box.local", "https://server", "https://169.254.1.1", "https://0.0.0.0",
	} {
		r.PublicURL = public
		_, err := r.Share(t.Context(), ok)
		wantProblem(t, err, trail.LocalAddress, "server.public_url")
		if public != "" && public != "https://" {
			wantProblem(t, err, trail.LocalAddress, "tracking.allow_local")
		}
	}
	r.AllowLocal, r.PublicURL = true, "http://localhost:8080/"
	s, err := r.Share(t.Context(), ok)
	if err != nil || !strings.HasPrefix(s.URL, "http://localhost:8080/c/") {
		t.Errorf("allowed: %+v, %v", s, err)
	}
	_, err = r.Share(t.Context(), ingest.ShareRequest{Content: "none", Rep: "rep@own.example"})
	wantProblem(t, err, trail.NotFound, "none")
	_, err = r.Share(t.Context(), ingest.ShareRequest{Content: "deck", Rep: "rep"})
	wantProblem(t, err, trail.Invalid, "rep")
	_, err = r.Share(t.Context(), ingest.ShareRequest{Content: "deck", Rep: "rep@own.example", To: []string{"a@b.example, c@d.example"}})
	wantProblem(t, err, trail.Invalid, "to")
}

func TestFileStandsInForAURL(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	add := func(name, text string, attrs map[string]string) ([]ingest.FileReport, error) {
		return r.AddFile(t.Context(), name, strings.NewReader(text), int64(len(text)), "", attrs, "test")
	}
	reports, err := add(`C:\decks\Intro_Deck 2026.PDF`, "%PDF-1.7", map[string]string{"stage": "proof"})
	if err != nil || !reports[0].Visible || reports[0].Content != "intro-deck-2026" {
		t.Fatalf("registered are %+v, %v", reports, err)
	}
	id := reports[0].Content
	target, ok, err := r.Catalogue.Lookup(t.Context(), trail.KeyOf(id))
	if err != nil || !ok || target.URL != "" || target.Title != "Intro Deck 2026" || target.FileName != "Intro_Deck 2026.PDF" || target.FileType != "application/pdf" {
		t.Errorf("its links lead to %+v, %v", target, err)
	}
	f, err := r.Files.Open(target.File)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, err := io.ReadAll(f); string(data) != "%PDF-1.7" || err != nil {
		t.Errorf("the file holds %q, %v", data, err)
	}
	// The next version of the file is the same content.
	if _, err := add("Intro_Deck 2026.PDF", "%PDF-2", nil); err != nil {
		t.Fatal(err)
	}
	if s := p.state(t, id); s["file"] == target.File || s["stage"] != "proof" || s["file_size"] != "6" || p.counts(t).Contents != 1 {
		t.Errorf("after the next version it is %v", s)
	}
	_, err = add("empty.pdf", "", nil)
	wantProblem(t, err, trail.Invalid, "empty")
	_, err = add("....", "x", nil)
	wantProblem(t, err, trail.Invalid)
	r.MaxFile = 3
	_, err = add("large.pdf", "large", nil)
	wantProblem(t, err, trail.TooLarge)
}

// folder is what a marketer's disk looks like.
func folder() fstest.MapFS {
	f := fstest.MapFS{}
	for name, text := range map[string]string{
		"Decks/Intro.pdf": "%PDF", "Decks/Intro.pptx": "PK", "Decks/intro.PDF": "%PDF again", "one pager.html": "<p>", "empty.txt": "",
		"large.bin": strings.Repeat("x", 100), ".DS_Store": "x", ".git/config": "x", "__MACOSX/Decks/._Intro.pdf": "x", "Decks/~$Intro.pptx": "x", "Thumbs.db": "x",
	} {
		f[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return f
}

func TestFolderBecomesContentAndSaysWhatDidNot(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	r.MaxFile = 50
	check := func(reports []ingest.FileReport, err error, changed bool) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, report := range reports {
			got[report.Name] = report.Content
			if good := report.Content != ""; good == (report.Reason != "") || report.Visible != good || report.Changed != (good && changed) {
				t.Errorf("report is %+v", report)
			}
		}
		want := map[string]string{
			"Decks/Intro.pdf": "decks-intro", "Decks/Intro.pptx": "decks-intro-pptx", "Decks/intro.PDF": "decks-intro-pdf",
			"one pager.html": "one-pager", "empty.txt": "", "large.bin": "",
		}
		if !maps.Equal(got, want) {
			t.Errorf("registered are %v, want %v", got, want)
		}
	}
	reports, err := r.AddFolder(t.Context(), folder(), "folder")
	check(reports, err, true)
	if n := p.counts(t).Contents; n != 4 {
		t.Errorf("%d contents are known, want 4", n)
	}

	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if err := w.AddFS(folder()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	reports, err = r.AddFile(t.Context(), "all.ZIP", bytes.NewReader(b.Bytes()), int64(b.Len()), "", nil, "test")
	check(reports, err, false)
	_, err = r.AddFile(t.Context(), "all.zip", strings.NewReader("no zip"), 6, "", nil, "test")
	wantProblem(t, err, trail.Invalid)
	_, err = r.AddFile(t.Context(), "all.zip", bytes.NewReader(b.Bytes()), int64(b.Len()), "", map[string]string{"title": "All"}, "test")
	wantProblem(t, err, trail.Invalid, "one file")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.AddFolder(ctx, folder(), "folder"); err == nil {
		t.Error("a cancelled import went through")
	}
}

func TestFolderIsBoundedAsAWhole(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	files := fstest.MapFS{}
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		files[name] = &fstest.MapFile{Data: bytes.Repeat([]byte(name), 20)} // 100 bytes
	}
	r.MaxFolder = 300
	if _, err := r.AddFolder(t.Context(), files, "folder"); err != nil {
		t.Fatal(err)
	}
	// What is read of a file that is refused for its own size counts too.
	for _, r.MaxFile = range []int64{1000, 10} {
		r.MaxFolder = 20
		_, err := r.AddFolder(t.Context(), files, "folder")
		wantProblem(t, err, trail.TooLarge, "The files of the folder")
	}
}

func TestContentThatCannotBeToldApartHoldsUpNoOther(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	r := p.registry(t)
	// No two names with one key are at hand: another name is written under the key of this one.
	if err := p.rdb.HSet(t.Context(), "dealtrail:catalogue", trail.KeyOf("b").String(), `{"content":"twin"}`).Err(); err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, name := range []string{"a.txt", "b.txt", "c.txt"} {
		files[name] = &fstest.MapFile{Data: []byte(name)}
	}
	reports, err := r.AddFolder(t.Context(), files, "folder")
	if err != nil {
		t.Fatal(err)
	}
	for _, report := range reports {
		good := report.Name != "b.txt"
		if report.Changed != good || report.Visible != good || (report.Content != "") != good || strings.Contains(report.Reason, "twin") == good {
			t.Errorf("report is %+v", report)
		}
	}
	if n := p.counts(t).Contents; n != 2 {
		t.Errorf("%d contents are known, want 2", n)
	}
}
