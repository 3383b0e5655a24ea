package access_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/outbox/guard"
)

// TestASilentProviderHoldsNobodyUpForOthers asks a provider that takes the question and
// says nothing: who comes second gives up when their own time is over, whatever the first does.
func TestASilentProviderHoldsNobodyUpForOthers(t *testing.T) {
	o := newOffice(t)
	asked, over := make(chan struct{}, 10), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-over }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(over) })
	o.OIDC = &access.OIDC{Issuer: silent.URL, ClientID: "dealtrail", Name: "Acme", Domains: []string{"ours.test"}, Default: access.Rep, Client: guard.Client(true, time.Hour)}
	begin := func(ctx context.Context) chan error {
		q := httptest.NewRequestWithContext(ctx, "POST", "/signin/oidc", nil)
		q.RemoteAddr = "127.0.0.1:1"
		ended := make(chan error, 1)
		go func() {
			_, err := o.OIDCBegin(echo.New().NewContext(q, httptest.NewRecorder()), "/", false)
			ended <- err
		}()
		return ended
	}
	begin(t.Context())
	<-asked
	second, leave := context.WithTimeout(t.Context(), time.Second)
	defer leave()
	select {
	case err := <-begin(second):
		if err == nil {
			t.Error("a silent provider let somebody in")
		}
	case <-time.After(time.Minute):
		t.Error("the second waits for the first")
	}
	if len(asked) > 0 {
		t.Error("a silent provider was asked again meanwhile")
	}
}

// TestWaysToTheProviderThatNobodyEndsAreFew begins one after the other, as anybody can who
// finds the page: each would be kept for two hours.
func TestWaysToTheProviderThatNobodyEndsAreFew(t *testing.T) {
	o := newOffice(t)
	newIssuer(t, o)
	refused := 0
	for range 210 {
		if s, _ := o.do(o.browser(), "POST", "/signin/oidc", nil); s == http.StatusTooManyRequests {
			refused++
		} else if s != 200 {
			t.Fatal(s)
		}
	}
	if refused != 10 {
		t.Errorf("%d were refused", refused)
	}
	kept, err := o.Redis.Keys(t.Context(), "dealtrail:session:*").Result()
	if err != nil || len(kept) != 200 {
		t.Errorf("%d sessions, %v", len(kept), err)
	}
}

// TestTheLogRepeatsNothingThatABrowserSaysOfTheProvider comes back with a code of OAuth's,
// and with what somebody wrote into the address.
func TestTheLogRepeatsNothingThatABrowserSaysOfTheProvider(t *testing.T) {
	o := newOffice(t)
	newIssuer(t, o)
	for said, told := range map[string]bool{"access_denied": true, "canary line": false, strings.Repeat("canary_", 1000): false} {
		b := o.browser()
		_, to := o.do(b, "POST", "/signin/oidc", nil)
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		before := o.log.Len()
		s, _ := o.do(b, "GET", "/signin/oidc/callback?"+url.Values{"state": {u.Query().Get("state")}, "error": {said}}.Encode(), nil)
		if line := o.log.String()[before:]; s != http.StatusUnauthorized || !strings.Contains(line, "the provider says") || strings.Contains(line, said) != told {
			t.Errorf("%.20s: %d %s", said, s, line)
		}
	}
}

// TestTriesThatAreForgottenStayForgotten comes back from the provider when the count of tries,
// under a hash of the network's address, has ended: none may begin that never ends.
func TestTriesThatAreForgottenStayForgotten(t *testing.T) {
	o := newOffice(t)
	i := newIssuer(t, o)
	o.add("ada@ours.test", good, access.Admin)
	i.user("u1", "rita@ours.test", true)
	b := o.browser()
	_, to := o.do(b, "POST", "/signin/oidc", nil)
	back := i.at(t, to, "u1")
	counts := func() []string {
		all, err := o.Redis.Keys(t.Context(), "dealtrail:throttle:*").Result()
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if len(counts()) == 0 {
		t.Fatal("no try is counted")
	}
	o.Redis.Del(t.Context(), counts()...) // as after a quarter of an hour
	if s, body := o.do(b, "GET", strings.TrimPrefix(back, o.url), nil); s != 200 {
		t.Fatalf("%d %s", s, body)
	}
	for _, key := range counts() {
		if left := o.Redis.TTL(t.Context(), key).Val(); left <= 0 {
			t.Errorf("%s ends after %v", key, left)
		}
	}
}
