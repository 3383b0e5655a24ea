package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/api"
	"dealtrail/ingest"
	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

// Whoever signs in at the provider under somebody else's address, verified or not,
// must not end the reading of a mailbox that works.
func TestConsentDisplacesNoMailboxThatWorks(t *testing.T) {
	const ana = "ana@ours.test"
	r, provider, _ := connectable(t, nil, ana, "eve@ours.test")
	begin := r.api.URL + "/connect/acme%20mail"
	mallory, rep := newColleague(t), newColleague(t)
	provider.next(ana, false)
	rep.open(rep.consent(begin))
	eventually(t, "ana is read", func() bool { return mailboxOf(r, ana).State == "ok" })
	before := r.mailboxes.All()[0]

	unchanged := func(what string, want int, says string) {
		t.Helper()
		status, page, own := mallory.open(mallory.consent(begin))
		if status != want || own != "" || !strings.Contains(page, says) {
			t.Errorf("%s: %d to %q, without %q:\n%s", what, status, own, says, page)
		}
		if now := r.mailboxes.All()[0]; !now.AddedAt.Equal(before.AddedAt) || mailboxOf(r, ana).State != "ok" {
			t.Errorf("%s: the mailbox is %s and %+v", what, mailboxOf(r, ana).State, now)
		}
	}
	provider.set(func() {
		provider.reads, provider.claims = "eve@ours.test", map[string]any{"email_verified": false, "preferred_username": ana}
	})
	unchanged("an address that is not verified", 400, "must be verified")
	provider.set(func() { provider.claims = nil })
	unchanged("a sign-in that does not open the mailbox", 409, "stays connected as it was")
	elsewhere, err := http.NewRequestWithContext(t.Context(), "POST", begin, nil)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere.Header.Set("Sec-Fetch-Site", "cross-site")
	if resp, err := mallory.Do(elsewhere); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("begun from another site: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
}

func TestConnectingAgainKeepsWhatTheListSays(t *testing.T) {
	const ana = "ana@ours.test"
	r, provider, _ := connectable(t, nil, ana)
	browser := newColleague(t)
	begin := r.api.URL + "/connect/acme%20mail"
	provider.next(ana, false)
	browser.open(browser.consent(begin))
	eventually(t, "ana is read", func() bool { return mailboxOf(r, ana).State == "ok" })
	secret, err := r.mailboxes.Secret(r.mailboxes.All()[0].Name)
	if err != nil {
		t.Fatal(err)
	}

	out := r.command("mailbox", "add", r.file("aliases.csv", "rep,aliases,sent_folder\n"+ana+",A.Berg@ours.test,Sent\n"))
	if m := r.mailboxes.All()[0]; !slices.Equal(m.Aliases, []string{"a.berg@ours.test"}) || m.SentFolder != "Sent" || m.SignIn != "consent" || !strings.Contains(out, "1 accepted") {
		t.Errorf("a row with aliases only makes it %+v\n%s", m, out)
	}
	if now, err := r.mailboxes.Secret(r.mailboxes.All()[0].Name); err != nil || now != secret {
		t.Errorf("the sign-in was touched: %v", err)
	}
	eventually(t, "it is read with these", func() bool { m := mailboxOf(r, ana); return m.State == "ok" && len(m.Aliases) == 1 })
	if out, err := r.try("mailbox", "add", r.file("wrong.csv", "rep,aliases\n"+ana+",nobody\n")); !errors.Is(err, errTrouble) || !strings.Contains(out, "must be mail addresses") {
		t.Errorf("%v\n%s", err, out)
	}

	status, _, _ := browser.open(browser.consent(begin))
	if m := r.mailboxes.All()[0]; status != http.StatusSeeOther || m.SentFolder != "Sent" || !slices.Equal(m.Aliases, []string{"a.berg@ours.test"}) {
		t.Errorf("connecting again answers %d and leaves %+v", status, m)
	}
	if now, _ := r.mailboxes.Secret(r.mailboxes.All()[0].Name); now == secret {
		t.Error("connecting again keeps the old consent")
	}

	r.command("mailbox", "pause", ana)
	out = r.command("mailbox", "add", "--no-check", r.file("aliases.csv", "rep,aliases\n"+ana+",b@ours.test\n"))
	if !strings.Contains(out, "accepted. It is paused") || !strings.Contains(out, "dealtrail mailbox resume "+ana) || strings.Contains(out, "begins within seconds") {
		t.Errorf("added while paused:\n%s", out)
	}
	r.command("mailbox", "pause", ana)
	status, _, own := browser.open(browser.consent(begin))
	if _, page, _ := browser.open(own); status != http.StatusSeeOther || !strings.Contains(page, "Paused.") {
		t.Errorf("connected while paused: %d\n%s", status, page)
	}
}

func TestAMailboxThatFailsForLongNeedsAPerson(t *testing.T) {
	t.Parallel()
	const ana = "ana@ours.test"
	r := start(t, nil)
	if err := r.api.Post(t.Context(), "/v1/mailboxes?check=false", []any{map[string]any{"rep": ana, "host": "localhost", "port": 1, "security": "none", "password": "x"}}, &api.MailboxReport{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is tried again", func() bool { m := mailboxOf(r, ana); return m.State == "retrying" && !m.Began.IsZero() })
	told := func(began time.Time) (all string) {
		m := mailboxOf(r, ana).MailboxStatus
		m.Began = began
		s := trail.Status{Nodes: []trail.NodeStatus{{At: time.Now(), Mailboxes: []trail.MailboxStatus{m}}}}
		r.tellMailboxes(&s, func(format string, args ...any) { all += fmt.Sprintf(format, args...) })
		return all
	}
	if got := told(time.Now().Add(-time.Minute)); got != "" {
		t.Errorf("after a minute: %s", got)
	}
	if got := told(time.Now().Add(-time.Hour)); !strings.Contains(got, "The mailbox of "+ana+" could not be read since") || !strings.Contains(got, "localhost:1") {
		t.Errorf("after an hour: %s", got)
	}
}

// awayForScripts lets Redis fail whatever changes a mailbox.
type awayForScripts struct{ on atomic.Bool }

func (a *awayForScripts) DialHook(next redis.DialHook) redis.DialHook { return next }

func (a *awayForScripts) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if a.on.Load() && strings.HasPrefix(cmd.Name(), "eval") {
			cmd.SetErr(errors.New("away"))
			return cmd.Err()
		}
		return next(ctx, cmd)
	}
}

func (a *awayForScripts) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// Of an added mailbox no file is to be mended, and what was renewed while Redis was
// away is stored by the next try.
func TestRenewedConsentThatCannotBeStoredSaysWhereAndIsNotLost(t *testing.T) {
	t.Parallel()
	good := "r0"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.PostFormValue("refresh_token") != good {
			http.Error(w, `{"error": "invalid_grant"}`, http.StatusBadRequest)
			return
		}
		good += "+"
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": "access", "refresh_token": good, "expires_in": 3600})
	}))
	t.Cleanup(s.Close)
	r := start(t, nil)
	m, err := r.mailboxes.Add(t.Context(), ingest.Mailbox{Rep: "ana@ours.test", Username: "ana@ours.test", Host: "localhost", Port: 1, Security: "none", Provider: "acme", SignIn: ingest.ByConsent, Secret: "r0"})
	if err != nil {
		t.Fatal(err)
	}
	away := &awayForScripts{}
	r.redis.AddHook(away)
	ask := r.consented(m.Name, &mailbox.Provider{Name: "acme", Kind: mailbox.Other, ClientID: "id", TokenURL: s.URL}, r.mailboxes.Secret)
	away.on.Store(true)
	if _, err := ask(t.Context(), ""); err == nil || strings.Contains(err.Error(), "file") || !strings.Contains(err.Error(), "Redis does not answer") {
		t.Errorf("while Redis is away: %v", err)
	}
	away.on.Store(false)
	if token, err := ask(t.Context(), ""); err != nil || token != "access" {
		t.Errorf("afterwards: %v", err)
	}
	if secret, err := r.mailboxes.Secret(m.Name); err != nil || secret.Reveal() != good {
		t.Errorf("stored is not what is good: %v", err)
	}
}
