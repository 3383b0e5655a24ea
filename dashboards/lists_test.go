package dashboards

import (
	"bytes"
	"context"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// uploadList posts a form with a file.
func uploadList(t testing.TB, e http.Handler, to, name, file, content string) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	if err := m.WriteField("name", name); err != nil {
		t.Fatal(err)
	}
	w, err := m.CreateFormFile("file", file)
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err == nil {
		err = m.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, to, &b)
	q.Header.Set(echo.HeaderContentType, m.FormDataContentType())
	r := httptest.NewRecorder()
	e.ServeHTTP(r, q)
	return r
}

func TestAListIsSavedFromAFileAndByAFilter(t *testing.T) {
	t.Parallel()
	e, _, _ := asking(t, func(s *Site) {
		s.Addresses = func(_ context.Context, _ string, body io.Reader) (all []string, refused int, err error) {
			b, err := io.ReadAll(body)
			for _, line := range strings.Fields(string(b)) {
				if strings.Contains(line, "@") {
					all = append(all, line)
				} else {
					refused++
				}
			}
			return all, refused, err
		}
	})
	shows(t, e, "/lists", true, "No list yet", "with a column of mail addresses")
	answer := uploadList(t, e, "/lists", hostile, "fair.csv", "ann@a.example Ann@A.example nobody bob@b.example")
	to := answer.Header().Get("Location")
	if answer.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/lists/") || !strings.HasSuffix(to, "?kept=2") {
		t.Fatalf("%d to %q\n%s", answer.Code, to, answer.Body)
	}
	shows(t, e, to, true, "2 leads", "1 row had no usable address", "the file fair.csv", "Nobody on this list was sent content yet", "anna", "<script>alert")
	if body := read(t, e, to); strings.Contains(body, "<script>alert") {
		t.Error("a list's name is taken for markup")
	}
	shows(t, e, "/lists", true, "fair.csv", `href="/lists/`)
	if rows := readCSV(t, e, "/lists?format=csv"); len(rows) != 2 || rows[1][2][:5] != "'=SUM" || rows[1][5] != "2" {
		t.Errorf("%q", rows)
	}
	for want, form := range map[string]url.Values{
		"choose at least one":     {"name": {"typed name"}},
		"No contact has":          {"name": {"typed name"}, "persona": {"CISO"}},
		"There is no list":        nil,
		"Give the list a name of": {"persona": {"CISO"}, "source": {"x"}, "name": {" "}},
	} {
		if form == nil {
			if r := get(t, e, "/lists/"+trail.NewID(today).String()); r.Code != http.StatusNotFound {
				t.Errorf("an unknown list: %d", r.Code)
			}
			continue
		}
		answer := post(t, e, "/lists", form)
		if body := html.UnescapeString(answer.Body.String()); answer.Code != http.StatusUnprocessableEntity || want != "Give the list a name of" && (!strings.Contains(body, want) || !strings.Contains(body, `value="typed name"`)) {
			t.Errorf("%v: %d, want %q", form, answer.Code, want)
		}
	}
	if answer := uploadList(t, e, "/lists", "typed name", "none.csv", "nothing here"); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), "There is nobody on this list") {
		t.Errorf("a file without addresses: %d", answer.Code)
	}
}
