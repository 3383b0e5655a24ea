package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// mailboxNode is one process that knows the mailboxes, and what it was told to
// try again.
type mailboxNode struct {
	*ingest.Mailboxes
	mu    sync.Mutex
	again []string
	log   strings.Builder
}

func newMailboxNode(t *testing.T, rdb redis.UniversalClient) *mailboxNode {
	t.Helper()
	n := &mailboxNode{}
	n.Mailboxes = &ingest.Mailboxes{
		Redis: rdb, Key: contactKey, Now: time.Now, Log: slog.New(slog.NewTextHandler(n, nil)),
		Changed: func(again []string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.again = append(n.again, again...)
		},
	}
	n.Load(t.Context())
	background(t, n.Run)
	return n
}

func (n *mailboxNode) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(b)
}

func (n *mailboxNode) logged() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

func (n *mailboxNode) toldAgain() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.again)
}

func settings(rep, password string) ingest.Mailbox {
	return ingest.Mailbox{
		Rep: rep, Host: "imap.own.example", Port: 993, Security: "tls", Username: rep, SignIn: ingest.ByPassword, Secret: ingest.Secret(password),
	}
}

func TestMailboxesAreKnownOnEveryNodeAndTheirSecretsNowhere(t *testing.T) {
	const password = "hunter2-äöü"
	rdb := connect(t, startRedis(t, t.TempDir()))
	a, b := newMailboxNode(t, rdb), newMailboxNode(t, rdb)
	ana := settings("Ana@own.example", password)
	ana.Aliases = []string{"A.Berg@own.example"}
	added, err := a.Add(t.Context(), ana)
	if err != nil {
		t.Fatal(err)
	}
	if added.Secret != "" || added.Rep != "ana@own.example" || added.Name != ingest.MailboxName(contactKey, "ana@own.example", "") {
		t.Errorf("added %+v", added)
	}
	eventually(t, "the other node knows it", func() bool { return len(b.All()) == 1 })
	if got := b.All()[0]; got.Host != ana.Host || !slices.Equal(got.Aliases, []string{"a.berg@own.example"}) || got.SignIn != ingest.ByPassword {
		t.Errorf("the other node has %+v", got)
	}
	if s, err := b.Secret(added.Name); err != nil || s.Reveal() != password {
		t.Errorf("the other node reads the password as %q, %v", s.Reveal(), err)
	}
	raw, err := rdb.HGetAll(t.Context(), "dealtrail:mailboxes").Result()
	if err != nil || len(raw) != 2 {
		t.Fatalf("the hash has %d fields, %v", len(raw), err)
	}
	shown, err := json.Marshal(map[string]any{"in": ana, "all": a.All()})
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{
		"Redis": fmt.Sprint(raw), "JSON": string(shown), "the logs": a.logged() + b.logged(),
		"what is printed": fmt.Sprintf("%v %+v %#v %s %q %x", ana, ana, ana, ana.Secret, ana.Secret, ana.Secret),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("the password is in %s: %s", where, text)
		}
	}
	if logs := a.logged() + b.logged(); strings.Contains(logs, "@") {
		t.Errorf("an address is in the logs: %s", logs)
	}
}

func TestARemovedMailboxIsReadFromTheStartWhenItIsAddedAgain(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	n := newMailboxNode(t, rdb)
	ana, err := n.Add(t.Context(), settings("ana@own.example", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	mine, other := "mailbox/"+ana.Name+"/", "mailbox/"+ingest.MailboxName(contactKey, "ben@own.example", "")+"/"
	write := func() {
		t.Helper()
		if err := rdb.HSet(t.Context(), ingest.MailCursorsKey, mine+"folder/Sent", "1", mine+"catalogue", "7", mine+"bytes", "2026-11-26 5", other+"folder/Sent", "1").Err(); err != nil {
			t.Fatal(err)
		}
	}
	left := func() []string {
		t.Helper()
		fields, err := rdb.HKeys(t.Context(), ingest.MailCursorsKey).Result()
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(fields)
		return fields
	}
	forgotten := []string{mine + "bytes", other + "folder/Sent"}
	slices.Sort(forgotten)
	write()
	if _, err := n.Add(t.Context(), settings("ana@own.example", "another")); err != nil || len(left()) != 4 {
		t.Errorf("a new password: %v, left are %q", err, left())
	}
	if err := n.Remove(t.Context(), ana.Name); err != nil || !slices.Equal(left(), forgotten) {
		t.Errorf("removed: %v, left are %q", err, left())
	}
	write() // by what still read it
	if _, err := n.Add(t.Context(), settings("ana@own.example", "secret")); err != nil || !slices.Equal(left(), forgotten) {
		t.Errorf("added again: %v, left are %q", err, left())
	}
}

func TestSecretIsBoundToItsMailboxAndServer(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	n := newMailboxNode(t, rdb)
	ana, err := n.Add(t.Context(), settings("ana@own.example", "hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := rdb.HGet(t.Context(), "dealtrail:mailboxes", ana.Name).Result()
	if err != nil {
		t.Fatal(err)
	}
	forged := map[string]string{"anotherone": text, ana.Name: strings.Replace(text, "imap.own.example", "imap.evil.example", 1)}
	for name, text := range forged {
		if err := rdb.HSet(t.Context(), "dealtrail:mailboxes", name, text).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := rdb.HIncrBy(t.Context(), "dealtrail:mailboxes", "version", 1).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the forged ones are read", func() bool { return len(n.All()) == 2 })
	for name := range forged {
		s, err := n.Secret(name)
		if s != "" {
			t.Errorf("the password of %s is given to where it was not meant for", name)
		}
		wantProblem(t, err, trail.Invalid, "add the mailbox again")
	}
}

func TestReplacedAndResumedMailboxesAreTriedAgainOnEveryNode(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	a, b := newMailboxNode(t, rdb), newMailboxNode(t, rdb)
	ana, err := a.Add(t.Context(), settings("ana@own.example", "old"))
	if err != nil {
		t.Fatal(err)
	}
	shared := settings("ana@own.example", "other")
	shared.Username = "sales@own.example"
	if _, err := a.Add(t.Context(), shared); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a rep may have two", func() bool { return len(b.All()) == 2 })
	if again := b.toldAgain(); len(again) > 0 {
		t.Errorf("new mailboxes are tried again: %v", again)
	}
	if _, err := a.Add(t.Context(), settings("ana@own.example", "new")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node tries the replaced one again", func() bool { return slices.Contains(b.toldAgain(), ana.Name) })
	if s, _ := b.Secret(ana.Name); s.Reveal() != "new" || len(b.All()) != 2 {
		t.Errorf("%d mailboxes, password %q", len(b.All()), s.Reveal())
	}

	if err := a.Pause(t.Context(), "configured", "lee@ours.test"); err != nil {
		t.Fatal(err)
	}
	if !a.Paused()["configured"] {
		t.Error("this node does not know at once that it is paused")
	}
	eventually(t, "the other node knows that it is paused", func() bool { return b.Paused()["configured"] })
	if err := a.Resume(t.Context(), "configured"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node reads it again", func() bool { return !b.Paused()["configured"] && slices.Contains(b.toldAgain(), "configured") })

	if err := a.Pause(t.Context(), ana.Name, ""); err != nil {
		t.Fatal(err)
	}
	if err := a.Remove(t.Context(), ana.Name); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node knows that it is gone", func() bool { return len(b.All()) == 1 && !b.Paused()[ana.Name] })
	_, err = b.Secret(ana.Name)
	wantProblem(t, err, trail.NotFound)
}

func TestRenewedRefreshTokenReplacesTheOldOneOnly(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	a, b := newMailboxNode(t, rdb), newMailboxNode(t, rdb)
	m := settings("ana@own.example", "first")
	m.SignIn, m.Provider = ingest.ByConsent, "google"
	ana, err := a.Add(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	has := func(n *mailboxNode) string { s, _ := n.Secret(ana.Name); return s.Reveal() }
	eventually(t, "the other node knows it", func() bool { return has(b) == "first" })
	if err := b.Renew(t.Context(), ana.Name, "first", "second"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both have the renewed one", func() bool { return has(a) == "second" && has(b) == "second" })
	if err := a.Renew(t.Context(), ana.Name, "first", "third"); err != nil || has(a) != "second" {
		t.Errorf("an older token's successor replaced a newer one: %q, %v", has(a), err)
	}
	if again := append(a.toldAgain(), b.toldAgain()...); len(again) > 0 {
		t.Errorf("a renewed token had mailboxes tried again: %v", again)
	}
}

func TestWrongSettingsAreNamedAndNeverRepeated(t *testing.T) {
	const secret = "hunter2"
	n := newMailboxNode(t, connect(t, startRedis(t, t.TempDir())))
	for says, change := range map[string]func(*ingest.Mailbox){
		"rep and aliases": func(m *ingest.Mailbox) { m.Rep = secret },
		"aliases":         func(m *ingest.Mailbox) { m.Aliases = []string{secret} },
		"host":            func(m *ingest.Mailbox) { m.Host = secret + "/" },
		"port":            func(m *ingest.Mailbox) { m.Port = 70000 },
		"security must":   func(m *ingest.Mailbox) { m.Security = secret },
		"in the clear":    func(m *ingest.Mailbox) { m.Security = "none" },
		"username":        func(m *ingest.Mailbox) { m.Username = "" },
		"password":        func(m *ingest.Mailbox) { m.Secret = "" },
		"control":         func(m *ingest.Mailbox) { m.Secret = secret + "\x00" },
		"consent needs":   func(m *ingest.Mailbox) { m.SignIn = ingest.ByConsent },
		"provider":        func(m *ingest.Mailbox) { m.SignIn = ingest.ByApp },
	} {
		m := settings("ana@own.example", secret)
		change(&m)
		_, err := n.Add(t.Context(), m)
		wantProblem(t, err, trail.Invalid, says)
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the problem repeats what may be a password: %v", err)
		}
	}
	if len(n.All()) != 0 {
		t.Error("something wrong was stored")
	}
}

func TestMailboxesWaitForRedis(t *testing.T) {
	server := startRedis(t, t.TempDir())
	rdb := connect(t, server)
	n := newMailboxNode(t, rdb)
	if _, err := n.Add(t.Context(), settings("ana@own.example", "pw")); err != nil {
		t.Fatal(err)
	}
	gone, end := context.WithCancel(t.Context())
	end()
	wantProblem(t, n.Pause(gone, "x", ""), trail.Unavailable, "not paused")
	late := &ingest.Mailboxes{Redis: rdb, Key: contactKey, Log: quiet(), Now: time.Now}
	late.Load(gone)
	if late.Loaded() {
		t.Error("what nobody answered is known")
	}
	late.Load(t.Context())
	if !late.Loaded() || len(late.All()) != 1 {
		t.Error("what was added is not known")
	}
}
