package dashboards

import (
	"archive/zip"
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type file struct{ name, text string }

// multipartOf returns a form with files and its media type.
func multipartOf(t testing.TB, fields map[string]string, files ...file) (*bytes.Buffer, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		w.WriteField(k, v)
	}
	for _, f := range files {
		part, err := w.CreateFormFile("files", f.name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(part, f.text)
	}
	w.Close()
	return &b, w.FormDataContentType()
}

func upload(t testing.TB, e http.Handler, fields map[string]string, files ...file) *httptest.ResponseRecorder {
	t.Helper()
	body, kind := multipartOf(t, fields, files...)
	return postBody(t, e, "/content/new", kind, body)
}

func TestSeveralFilesAreSeveralContents(t *testing.T) {
	t.Parallel()
	e, reg := registering(t)
	r := upload(t, e, map[string]string{"kind": "Deck"}, file{"First_meeting.pdf", "1"}, file{"first meeting.pptx", "2"}, file{`C:\Users\me\Second.pptx`, "3"})
	if r.Code != http.StatusSeeOther || r.Header().Get("Location") != "/?new=3" {
		t.Fatalf("%d to %q", r.Code, r.Header().Get("Location"))
	}
	for id, title := range map[string]string{"first-meeting": "First meeting", "first-meeting-pptx": "first meeting", "second": "Second"} {
		a := reg.state(id)
		if a["title"] != title || a["kind"] != "Deck" || a["file"] == "" || a["file_size"] == "" {
			t.Errorf("%s is %v", id, a)
		}
	}
	if a := reg.state("first-meeting"); a["file_name"] != "First_meeting.pdf" || a["file_type"] != "application/pdf" {
		t.Errorf("file %v", a)
	}
	for _, x := range []struct {
		fields map[string]string
		files  []file
		says   string
	}{
		{map[string]string{"title": "One title"}, []file{{"a.pdf", "a"}, {"b.pdf", "b"}}, "belong to one piece"},
		{nil, []file{{"c.pdf", "c"}, {"C.pdf", "c"}, {"c..pdf", "c"}}, "Registered before that: c, c-pdf."},
		{nil, []file{{"d.pdf", "d"}, {"empty.pdf", ""}}, "is empty"},
		{nil, []file{{"no.zip", "no ZIP"}}, "cannot be read"},
	} {
		if r := upload(t, e, x.fields, x.files...); r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), x.says) {
			t.Errorf("%v %q answer %d without %q", x.fields, x.files, r.Code, x.says)
		}
	}
}

func TestTheSameFileAgainIsTheNextVersion(t *testing.T) {
	t.Parallel()
	e, reg := registering(t)
	upload(t, e, map[string]string{"title": "Prices", "stage": "Offer"}, file{"prices.pdf", "1"})
	first := reg.state("prices")
	if r := upload(t, e, map[string]string{"version": "2"}, file{"Prices.pdf", "2"}); r.Header().Get("Location") != "/content/prices?new=1" {
		t.Fatalf("%d to %q", r.Code, r.Header().Get("Location"))
	}
	second := reg.state("prices")
	if second["title"] != "Prices" || second["stage"] != "Offer" || second["version"] != "2" || second["file"] == first["file"] {
		t.Errorf("first %v, then %v", first, second)
	}
}

func TestAZIPIsTheFilesThatItHolds(t *testing.T) {
	t.Parallel()
	e, reg := registering(t)
	var b bytes.Buffer
	folder := zip.NewWriter(&b)
	for name, text := range map[string]string{"decks/one.pdf": "1", "two.pdf": "2", "nothing.pdf": ""} {
		w, err := folder.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
	}
	folder.Close()
	r := upload(t, e, nil, file{"all.zip", b.String()})
	if body := r.Body.String(); r.Code != http.StatusUnprocessableEntity || !strings.Contains(body, "nothing.pdf") || !strings.Contains(body, "decks-one") {
		t.Errorf("%d, and the page does not say what became of each", r.Code)
	}
	if reg.state("two")["file_name"] != "two.pdf" {
		t.Error("a file of the ZIP is not registered")
	}
}

func TestAnUploadOutlastsTheTimeLimitsOfPages(t *testing.T) {
	t.Parallel()
	e, _ := registering(t)
	server := httptest.NewUnstartedServer(e)
	server.Config.ReadHeaderTimeout, server.Config.IdleTimeout = 10*time.Second, 10*time.Second
	server.Config.ReadTimeout, server.Config.WriteTimeout = time.Nanosecond, time.Nanosecond // over before anything is read
	server.Start()
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	body, kind := multipartOf(t, nil, file{"large.pdf", strings.Repeat("0", 1<<20)})
	for _, x := range []struct {
		to, kind string
		body     io.Reader
	}{
		{"/content/new", kind, body},
		{"/calculate", "application/x-www-form-urlencoded", strings.NewReader("agents=likely&back=/" + strings.Repeat("&x=1", 10_000))},
	} {
		r, err := client.Post(server.URL+x.to, x.kind, x.body)
		if err != nil {
			t.Errorf("%s: %v", x.to, err)
			continue
		}
		r.Body.Close()
		if r.StatusCode != http.StatusSeeOther {
			t.Errorf("%s answers %d", x.to, r.StatusCode)
		}
	}
}

func TestAnUploadHasALimit(t *testing.T) {
	t.Parallel()
	e, reg := registering(t)
	b, kind := multipartOf(t, nil, file{"large.pdf", "|"})
	start, end, _ := strings.Cut(b.String(), "|")
	zeros := strings.NewReader(strings.Repeat("0", maxUpload))
	r := postBody(t, e, "/content/new", kind, io.MultiReader(strings.NewReader(start), zeros, strings.NewReader(end)))
	if r.Code != http.StatusRequestEntityTooLarge || !strings.Contains(r.Body.String(), "larger than the 200 MB") {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	if all := reg.Catalogue.All(); len(all) != 0 {
		t.Errorf("registered: %v", all)
	}
}
