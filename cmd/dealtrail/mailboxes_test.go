package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dealtrail/api"
	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// gate lets connections through to a server and counts them.
type gate struct {
	*net.TCPAddr
	opened atomic.Int64
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{TCPAddr: ln.Addr().(*net.TCPAddr)}
	ctx, end := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() { end(); ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			g.opened.Add(1)
			all.Go(func() { carry(ctx, in, to) })
		}
	})
	return g
}

// carry moves bytes both ways until either side or ctx ends.
func carry(ctx context.Context, in net.Conn, to string) {
	defer in.Close()
	out, err := new(net.Dialer).DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	stop := context.AfterFunc(ctx, func() { in.Close(); out.Close() })
	defer stop()
	done := make(chan struct{})
	go func() { io.Copy(out, in); out.Close(); close(done) }()
	io.Copy(in, out)
	in.Close()
	<-done
}

// configured returns a block for a mailbox of the server, whose password file
// may be changed.
func configured(t *testing.T, rep string, port int, password string) (m Mailbox, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	return Mailbox{Rep: rep, Host: "127.0.0.1", Port: port, Security: "none", Username: rep, PasswordFile: file}, file
}

// mailboxOf returns how a mailbox is doing, by its sign-in name.
func mailboxOf(r *running, username string) api.MailboxRow {
	r.t.Helper()
	for _, m := range ask1[struct{ Rows []api.MailboxRow }](r, "/v1/mailboxes").Rows {
		if m.Username == username {
			return m
		}
	}
	return api.MailboxRow{}
}

// sentBy returns how often each rep sent a content.
func sentBy(r *running, content string) map[string]int {
	n := map[string]int{}
	for _, e := range ask1[trail.ContentDetail](r, "/v1/content/"+content).Events {
		if e.Kind == trail.Sent {
			n[e.Rep]++
		}
	}
	return n
}

// letter is a mail with the link to the case.
func letter(from, to string) string {
	return fmt.Sprintf("From: %s\nTo: %s\nSubject: the case\nDate: %s\nMessage-ID: <%d.%s>\nContent-Type: text/plain\n\nSee https://www.example.com/case for more.\n",
		from, to, time.Now().Format(time.RFC1123Z), time.Now().UnixNano(), from)
}

const caseCSV = "id,title,kind,url\nCASE-1,The case study,case study,https://www.example.com/case\n"

func TestMailboxAddedWhileRunningIsReadAndDisturbsNoOther(t *testing.T) {
	t.Parallel()
	const ana, ben, sales = "ana@ours.test", "ben@ours.test", "sales@ours.test"
	server := mailtest.Dovecot(t, ana, ben, sales)
	watched := newGate(t, server.Addr())
	r := start(t, func(c *Config) {
		c.Company.Domains = []string{"ours.test"}
		m, _ := configured(t, ana, watched.Port, server.Password(ana))
		c.Boxes = []Mailbox{m}
	})
	r.command("import", "content", r.file("content.csv", caseCSV))
	eventually(t, "ana is read", func() bool { return mailboxOf(r, ana).State == "ok" })
	opened := watched.opened.Load()

	file := r.file("boxes.csv", fmt.Sprintf("\ufeffRep;Host;Port;Security;Username;Password;Aliases\n%[1]s;127.0.0.1;%[2]d;none;;%[3]s;b.stone@ours.test, ben@old.test\n%[1]s;127.0.0.1;%[2]d;none;%[4]s;%[5]s;\n",
		ben, server.Port, server.Password(ben), sales, server.Password(sales)))
	out := r.command("mailbox", "add", file)
	if !strings.Contains(out, "line 2: ben@ours.test: accepted") || !strings.Contains(out, "line 3: ben@ours.test: accepted") || !strings.Contains(out, "2 accepted, 0 not") {
		t.Errorf("add printed:\n%s", out)
	}
	server.Append(ben, mailtest.SentFolder, letter("b.stone@ours.test", "bo@buyer.test"))
	server.Append(sales, mailtest.SentFolder, letter(sales, "kim@buyer.test"))
	server.Append(sales, mailtest.SentFolder, letter(ana, "lee@buyer.test")) // in ana's name
	eventually(t, "the mail of both mailboxes is read, under the reps who wrote it", func() bool {
		n := sentBy(r, "CASE-1")
		return n[ben] == 2 && n[ana] == 1
	})
	if got := mailboxOf(r, sales); got.Source != "added" || got.Rep != ben || mailboxOf(r, ana).Source != "config" {
		t.Errorf("the list has %+v", got)
	}
	if out := r.command("mailbox", "check", nameOf(r, sales)); !strings.Contains(out, "signed in") || !strings.Contains(out, "1 events") {
		t.Errorf("check through the server printed:\n%s", out)
	}

	r.command("mailbox", "pause", ben)
	eventually(t, "ben's mailboxes are paused and left", func() bool {
		return mailboxOf(r, ben).State == "paused" && mailboxOf(r, sales).State == "paused" && len(r.poller.Status()) == 3 && !held(r, ben) && !held(r, sales)
	})
	if out, err := r.try("status"); err != nil || !strings.Contains(out, "mailbox ben@ours.test: paused") {
		t.Errorf("a paused mailbox is trouble: %v\n%s", err, out)
	}
	server.Append(ben, mailtest.SentFolder, letter(ben, "pat@buyer.test"))
	server.Append(ana, mailtest.SentFolder, letter(ana, "pat@buyer.test"))
	eventually(t, "ana is read on", func() bool { return sentBy(r, "CASE-1")[ana] == 2 })
	if n := sentBy(r, "CASE-1")[ben]; n != 2 {
		t.Errorf("a paused mailbox was read: %d mails", n)
	}
	r.command("mailbox", "resume", ben)
	eventually(t, "ben is read again", func() bool { return sentBy(r, "CASE-1")[ben] == 3 })

	r.command("mailbox", "remove", nameOf(r, sales))
	if got := mailboxOf(r, sales); got.Name != "" || mailboxOf(r, ben).Name == "" {
		t.Errorf("removed, and the list has %+v", got)
	}
	if _, err := r.try("mailbox", "remove", ana); err == nil || !strings.Contains(err.Error(), "configuration") {
		t.Errorf("removing a configured mailbox: %v", err)
	}
	if now := watched.opened.Load(); now != opened {
		t.Errorf("ana was signed in to %d times more while others came and went", now-opened)
	}
}

// nameOf returns the name of a mailbox by its sign-in name.
func nameOf(r *running, username string) string { return mailboxOf(r, username).Name }

func held(r *running, username string) bool {
	name := mailboxOf(r, username).Name
	for _, s := range r.poller.Status() {
		if s.Name == name {
			return s.Held
		}
	}
	return false
}

func TestParkedMailboxResumes(t *testing.T) {
	t.Parallel()
	const ana, ben = "ana@ours.test", "ben@ours.test"
	server := mailtest.Dovecot(t, ana, ben)
	var file string
	r := start(t, func(c *Config) {
		var m Mailbox
		m, file = configured(t, ana, server.Port, "wrong-horse")
		c.Boxes = []Mailbox{m}
	})
	wrong := fmt.Sprintf("rep,host,port,security,password\n%s,127.0.0.1,%d,none,wrong-horse\n", ben, server.Port)
	if _, err := r.try("mailbox", "add", r.file("boxes.csv", wrong)); !errors.Is(err, errTrouble) {
		t.Errorf("a wrong password is accepted: %v", err)
	}
	r.command("mailbox", "add", "--no-check", r.file("boxes.csv", wrong))
	eventually(t, "both are parked", func() bool { return mailboxOf(r, ana).State == "parked" && mailboxOf(r, ben).State == "parked" })
	if err := os.WriteFile(file, []byte(server.Password(ana)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.command("mailbox", "resume", ana)
	r.command("mailbox", "add", r.file("boxes.csv", strings.ReplaceAll(wrong, "wrong-horse", server.Password(ben))))
	eventually(t, "both are read", func() bool { return mailboxOf(r, ana).State == "ok" && mailboxOf(r, ben).State == "ok" })
	if text := r.log.String(); strings.Contains(text, "wrong-horse") || strings.Contains(text, server.Password(ben)) {
		t.Error("a password is in the log")
	}
}

func TestFortyMailboxesOfWhichThreeAreWrong(t *testing.T) {
	t.Parallel()
	var users []string
	for i := range 37 {
		users = append(users, fmt.Sprintf("rep%02d@ours.test", i))
	}
	server := mailtest.Dovecot(t, users...)
	r := start(t, func(c *Config) {
		c.Company.Domains = []string{"ours.test"}
		c.Mailboxes.Every = Duration(time.Minute)
	})
	var csv strings.Builder
	csv.WriteString("rep,host,port,security,username,password,provider,aliases,sent_folder\n")
	for i, u := range users {
		fmt.Fprintf(&csv, "%s,127.0.0.1,%d,none,,%s,,,\n", u, server.Port, server.Password(u))
		switch i {
		case 10:
			fmt.Fprintf(&csv, "nobody@ours.test,127.0.0.1,%d,none,,swordfish-1,,,\n", server.Port)
		case 20:
			csv.WriteString("lost@gmail.com,,,,,swordfish-2,,,\n")
		case 30:
			csv.WriteString("swordfish-3,127.0.0.1,143,none,,swordfish-3,,,\n") // columns shifted
		}
	}
	out, err := r.try("mailbox", "add", r.file("boxes.csv", csv.String()))
	if !errors.Is(err, errTrouble) {
		t.Errorf("three are wrong, and add ends with %v", err)
	}
	if strings.Count(out, ": accepted") != 37 || !strings.Contains(out, "37 accepted, 3 not") || strings.Count(out, "not accepted. ") != 3 {
		t.Errorf("add printed:\n%s", out)
	}
	for line, says := range map[string]string{
		"line 13: nobody@ours.test: not accepted": "check username and password", "line 24: lost@gmail.com: not accepted": "imap.gmail.com",
		"line 35: (no address): not accepted": "rep and aliases must be mail addresses",
	} {
		i := strings.Index(out, line)
		if i < 0 || !strings.Contains(strings.SplitN(out[i:], "\n", 2)[0], says) {
			t.Errorf("add does not say %q with %q:\n%s", line, says, out)
		}
	}
	eventually(t, "all are read", func() bool {
		n := 0
		for _, m := range ask1[trail.Status](r, "/v1/status").Mailboxes {
			if m.State == "ok" {
				n++
			}
		}
		return n == 37
	})
	raw, err := r.redis.HGetAll(t.Context(), "dealtrail:mailboxes").Result()
	if err != nil || len(raw) != 38 {
		t.Fatalf("Redis has %d fields, %v", len(raw), err)
	}
	list, err := json.Marshal(ask1[any](r, "/v1/mailboxes"))
	if err != nil {
		t.Fatal(err)
	}
	table := r.command("mailbox", "list")
	for where, text := range map[string]string{"Redis": fmt.Sprint(raw), "the API": string(list), "the log": r.log.String(), "the commands": out + table} {
		if strings.Contains(text, "swordfish") {
			t.Errorf("a wrong password is in %s", where)
		}
		for _, u := range users {
			if strings.Contains(text, server.Password(u)) {
				t.Errorf("the password of %s is in %s", u, where)
			}
		}
	}
	notOnDisk(t, r, server.Password(users[0]))
}

// notOnDisk fails if a text stands in any file of Redis, which writes everything
// before it answers.
func notOnDisk(t *testing.T, r *running, text string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(filepath.Dir(r.config), "data", "redis"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), text) {
			t.Errorf("a password is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMailboxIsOneRepsAndTheConfigurationsFirst(t *testing.T) {
	t.Parallel()
	const ana = "ana@ours.test"
	server := mailtest.Dovecot(t, ana)
	r := start(t, func(c *Config) {
		m, _ := configured(t, ana, server.Port, server.Password(ana))
		c.Boxes = []Mailbox{m}
	})
	add := func(body any) api.MailboxAdded {
		t.Helper()
		var report api.MailboxReport
		if err := r.api.Post(t.Context(), "/v1/mailboxes?check=true", []any{body}, &report); err != nil {
			t.Fatal(err)
		}
		return report.Rows[0]
	}
	box := func(rep string) map[string]any {
		return map[string]any{"rep": rep, "host": "127.0.0.1", "port": server.Port, "security": "none", "username": ana, "password": server.Password(ana)}
	}
	if row := add(box(ana)); row.Accepted || !strings.Contains(row.Reason, "in the configuration already") {
		t.Errorf("%+v", row)
	}
	if row := add(box("ben@ours.test")); row.Accepted || !strings.Contains(row.Reason, "has one rep") || !strings.Contains(row.Reason, ana) {
		t.Errorf("%+v", row)
	}
	if row := add(map[string]any{"rep": ana, "provider": "google"}); row.Accepted || !strings.Contains(row.Reason, "no [[provider]] block") {
		t.Errorf("%+v", row)
	}
	var p *trail.Problem
	for _, path := range []string{"/pause", "/resume", "/check"} {
		if err := r.api.Post(t.Context(), "/v1/mailboxes/nobody@ours.test"+path, nil, nil); !errors.As(err, &p) || p.Code != trail.NotFound {
			t.Errorf("%s of nobody: %v", path, err)
		}
	}
	for body, says := range map[string]string{
		"": "rep is missing", "a@b.test,hunter2\n": "Column 1", "rep;password;password\n": "twice", "host,password\n": "rep is missing", "rep,\xe4\n": "not UTF-8",
	} {
		err := r.api.Do(t.Context(), "POST", "/v1/mailboxes", "text/csv", strings.NewReader(body), nil)
		if !errors.As(err, &p) || p.Code != trail.Invalid || !strings.Contains(p.Text, says) || strings.Contains(p.Text, "hunter2") {
			t.Errorf("%q: %v", body, err)
		}
	}
	report := mailbox.CheckReport{}
	if err := r.api.Post(t.Context(), "/v1/mailboxes/"+ana+"/check", nil, &report); err != nil || report.SentFolder != mailtest.SentFolder {
		t.Errorf("check: %+v, %v", report, err)
	}
	r.stop()
	if out := r.command("mailbox", "check", ana); !strings.Contains(out, "signed in") {
		t.Errorf("check without a server: %s", out)
	}
}

func TestAddressBelongsToOneRepOrNone(t *testing.T) {
	reps := repsOf([]mailbox.Box{
		{Rep: "ana@ours.test", Aliases: []string{"A.Berg@ours.test", "team@ours.test", "ben@ours.test"}, Username: "ana@ours.test"},
		{Rep: "ana@ours.test", Username: "sales@ours.test"},
		{Rep: "ben@ours.test", Aliases: []string{"team@ours.test"}, Username: "admin@ours.test"},
		{Rep: "cleo@ours.test", Username: "admin@ours.test"},
		{Rep: "dan@ours.test", Username: "dan"},
	})
	for address, want := range map[string]string{
		"ana@ours.test": "ana@ours.test", "a.berg@ours.test": "ana@ours.test", "sales@ours.test": "ana@ours.test", "ben@ours.test": "ben@ours.test",
		"team@ours.test": "", "admin@ours.test": "", "dan": "",
	} {
		if got := reps[address]; got != want {
			t.Errorf("%s is %q, want %q", address, got, want)
		}
	}
}

func TestProgressIsSaidInWords(t *testing.T) {
	for want, m := range map[string]trail.MailboxStatus{
		"reading, 4,200 left": {State: "ok", Left: 4200}, "reading, 1,234,567 left": {State: "connecting", Left: 1234567}, "parked": {State: "parked", Left: 7}, "ok": {State: "ok"},
	} {
		if got := progress(m); got != want {
			t.Errorf("%+v: %q, want %q", m, got, want)
		}
	}
	if got := counts(map[string]uint64{"urldefense": 3, "safelinks": 1200, "barracuda": 3}); got != "safelinks 1,200, barracuda 3, urldefense 3" {
		t.Error(got)
	}
}
