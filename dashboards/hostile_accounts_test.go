package dashboards

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"dealtrail/access"
	"dealtrail/dashboards/browsertest"
)

// TestWhatPeopleAndBrowsersCallThemselvesIsEscaped shows an admin the pages about people,
// sessions, keys and who saw whom, where everybody calls themselves by markup, browsers and
// programs included.
func TestWhatPeopleAndBrowsersCallThemselvesIsEscaped(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	const ada = "ada@lumen.example"
	a.as(ada, access.Everybody)
	a.as("rita@lumen.example", access.Rep)
	name, team := markup[:90], markup[:60]
	for _, who := range []string{ada, "rita@lumen.example"} {
		if _, err := a.Set(t.Context(), who, access.Change{Name: &name, Team: &team}); err != nil {
			t.Fatal(err)
		}
	}
	var key string
	for _, k := range []access.KeyRequest{{Name: markup[:95], Scope: []string{"read", "people"}}, {Name: "own" + markup[:90], Scope: []string{"read"}, Owner: ada}} {
		made, _, err := a.NewKey(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		if k.Owner == "" {
			key = made.Reveal()
		}
	}
	// The browser of this session calls itself by markup, and so does the program that sees people.
	ask := func(method, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
		q := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
		q.RemoteAddr = "127.0.0.1:1"
		for i := 0; i < len(header); i += 2 {
			q.Header.Set(header[i], header[i+1])
		}
		r := httptest.NewRecorder()
		a.handler.ServeHTTP(r, q)
		return r
	}
	r := ask("POST", "/signin", url.Values{"email": {ada}, "password": {fineWords}}, "Content-Type", "application/x-www-form-urlencoded", "User-Agent", "Mozilla/5.0 "+markup)
	if r.Code != http.StatusSeeOther {
		t.Fatalf("sign-in: %d", r.Code)
	}
	cookie := r.Result().Cookies()[0]
	deal := "/deals/" + wonDeal(t).ID
	if r := ask("GET", deal, nil, "Authorization", "Bearer "+key, "Accept", "text/html", "User-Agent", markup); r.Code != http.StatusOK {
		t.Fatalf("the program is answered with %d", r.Code)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/taken" {
			t.Error("the browser asked for what the markup names")
		}
		q.AddCookie(cookie)
		a.handler.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	ctx := browsertest.Open(t)
	console := listen(ctx)
	for page, says := range map[string]int{"/people": 3, "/me": 3, "/access": 1, deal: 0} {
		visit(t, ctx, server.URL+page)
		if found := evaluate[[]string](t, ctx, taken); len(found) > 0 {
			t.Errorf("%s: %q", page, found)
		}
		if n := evaluate[int](t, ctx, `document.body.textContent.split("data-taken").length - 1`); n < says {
			t.Errorf("%s shows what was written %d times, not %d:\n%s", page, n, says, evaluate[string](t, ctx, "document.body.innerText"))
		}
	}
	if all := console.take(); len(all) > 0 {
		t.Errorf("the console says %q", all[:min(len(all), 5)])
	}
}
