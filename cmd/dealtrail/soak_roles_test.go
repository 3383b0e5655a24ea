package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// fleet is one installation of several processes, each with one role.
type fleet struct {
	t       *testing.T
	out     *outside
	rdb     redis.UniversalClient
	text    string // of each configuration
	secrets Secrets
	posts   *mailtest.Server
	reps    []string

	track, load, poll []*served
	jobs, web         *served
	mails             int // sent until now
}

// takeover is how soon another process has the leases of one that died: their ten
// seconds, and the turn in which the other looks.
const takeover = 13 * time.Second

func startFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, out: startOutside(t), secrets: newSecrets(), reps: []string{"rita@ours.test", "ralf@ours.test", "rosa@ours.test", "rolf@ours.test"}}
	var err error
	if f.rdb, err = ingest.Connect(f.out.redis.URL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.rdb.Close() })
	f.posts = mailtest.Dovecot(t, f.reps...)
	f.text = f.out.text() + "[company]\ndomains = [\"ours.test\"]\n"
	passwords := shortDir(t)
	for _, rep := range f.reps {
		file := filepath.Join(passwords, rep)
		if err := os.WriteFile(file, []byte(f.posts.Password(rep)), 0o600); err != nil {
			t.Fatal(err)
		}
		f.text += fmt.Sprintf("[[mailbox]]\nrep = %q\nhost = %q\nport = %d\nsecurity = \"none\"\npassword_file = %q\n", rep, f.posts.Host, f.posts.Port, file)
	}
	f.web = f.role("web")
	f.track = []*served{f.role("track"), f.role("track")}
	f.load = []*served{f.role("load"), f.role("load")}
	f.poll = []*served{f.role("poll"), f.role("poll")}
	f.jobs = f.role("jobs")
	return f
}

func (f *fleet) role(name string) *served {
	f.t.Helper()
	return site(f.t, f.text, &f.secrets, "--role", name).start()
}

func (f *fleet) all() []*served {
	return slices.Concat(f.track, f.load, f.poll, []*served{f.jobs, f.web})
}

// node is what a process is called.
func (f *fleet) node(s *served) string {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "data", "node"))
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// leases counts what each process holds of the leases that match, by node.
func (f *fleet) leases(pattern string) map[string]int {
	f.t.Helper()
	held := map[string]int{}
	names, err := f.rdb.Keys(f.t.Context(), pattern).Result()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, name := range names {
		if holder := f.rdb.Get(f.t.Context(), name).Val(); holder != "" {
			held[holder]++
		}
	}
	return held
}

// partitionLeases and mailboxLeases match the names of leases in Redis.
const (
	partitionLeases = "dealtrail:{p*}:lease"
	mailboxLeases   = ingest.MailboxLease + "*"
)

// divided waits until each of the processes holds n of the leases.
func (f *fleet) divided(pattern string, n int, among ...*served) {
	f.t.Helper()
	eventually(f.t, fmt.Sprintf("%d of %s each", n, pattern), func() bool {
		held := f.leases(pattern)
		for _, s := range among {
			if held[f.node(s)] != n {
				return false
			}
		}
		return len(held) == len(among)
	})
}

// readOnce waits until status lists each mailbox once, as one that is read, and one
// process of those that live reads it.
func (f *fleet) readOnce(dead ...*served) {
	f.t.Helper()
	var st trail.Status
	eventually(f.t, "each mailbox is read by one process", func() bool {
		var err error
		if st, err = f.web.status(); err != nil {
			return false
		}
		listed, readers := map[string]int{}, map[string]int{}
		for _, m := range st.Mailboxes {
			if m.State == "ok" {
				listed[m.Rep]++
			}
		}
		for _, n := range st.Nodes {
			if slices.ContainsFunc(dead, func(s *served) bool { return f.node(s) == n.Node }) {
				continue
			}
			for _, m := range n.Mailboxes {
				readers[m.Rep]++
			}
		}
		return len(st.Mailboxes) == len(f.reps) && !slices.ContainsFunc(f.reps, func(rep string) bool { return listed[rep] != 1 || readers[rep] != 1 })
	})
}

// send puts a mail with a link of its own into each rep's Sent folder.
func (f *fleet) send() {
	f.t.Helper()
	for _, rep := range f.reps {
		f.mails++
		to := fmt.Sprintf("buyer%d@buyer.test", f.mails)
		var share struct{ URL string }
		if err := f.web.api.Post(f.t.Context(), "/v1/shares", map[string]any{"content": "deck", "rep": rep, "to": []string{to}}, &share); err != nil {
			f.t.Fatal(err)
		}
		f.posts.Append(rep, mailtest.SentFolder, fmt.Sprintf("From: %s\nTo: %s\nSubject: As promised\nDate: %s\nMessage-ID: <m%d@ours.test>\nContent-Type: text/plain\n\nHello, see %s\n",
			rep, to, time.Now().Format(time.RFC1123Z), f.mails, share.URL))
	}
}

// recorded checks that every mail is there once, whoever read it.
func (f *fleet) recorded() {
	f.t.Helper()
	count := func() string {
		return sql(f.t, f.out.socket(), `SELECT uniqExact(message), uniqExact(contact), count() FROM facts(as_of = toDateTime64('2100-01-01', 3)) WHERE kind = 'sent'`)[0]
	}
	want := fmt.Sprintf("%d\t%d\t%d", f.mails, f.mails, f.mails)
	eventually(f.t, "every mail is recorded", func() bool { return strings.HasPrefix(count(), fmt.Sprintf("%d\t", f.mails)) })
	if got := count(); got != want {
		f.t.Errorf("%d mails are recorded as %q (messages, contacts, sends); want %q", f.mails, got, want)
	}
	var deck trail.ContentDetail
	if err := f.web.api.Get(f.t.Context(), "/v1/content/deck", nil, &deck); err != nil {
		f.t.Fatal(err)
	}
	if int(deck.Sent) != f.mails {
		f.t.Errorf("the report says the deck was sent %d times; want %d", deck.Sent, f.mails)
	}
}

// TestProcessesShareTheWorkAndTakeOverFromTheDead runs one installation as eight
// processes and kills two of them while people click and reps send mail.
func TestProcessesShareTheWorkAndTakeOverFromTheDead(t *testing.T) {
	beside(t)
	began := time.Now()
	stage := func(what string) {
		t.Helper()
		t.Logf("%5.1f s: %s", time.Since(began).Seconds(), what)
	}
	f := startFleet(t)
	stage("all processes answer")
	deck, faq := f.web.link("deck"), f.web.link("faq")
	people := startLoad(either(100, 300), f.track[0].url+deck, f.track[1].url+deck, f.track[0].url+faq, f.track[1].url+faq)
	defer people.stop()
	f.send()
	f.divided(partitionLeases, ingest.Partitions/2, f.load...)
	f.divided(mailboxLeases, len(f.reps)/2, f.poll...)
	f.readOnce()
	f.send()
	stage("work is divided")

	died := time.Now()
	dead := []*served{f.load[0], f.poll[0]}
	for _, s := range dead {
		s.kill()
	}
	f.send()
	f.divided(partitionLeases, ingest.Partitions, f.load[1])
	f.divided(mailboxLeases, len(f.reps), f.poll[1])
	took := time.Since(died)
	t.Logf("everything is taken over %s after two processes died", took.Round(100*time.Millisecond))
	if took > takeover+either(time.Minute, time.Second) {
		t.Errorf("taking over took %s", took)
	}
	f.send()
	f.recorded()
	f.readOnce(dead...)
	people.stop()
	stage("mail is recorded")
	if people.fails > 0 {
		t.Errorf("%d clicks got no redirect: %q", people.fails, people.failed)
	}
	t.Logf("balance: %+v", settled(t, f.web))
	checkLedger(t, f.web, f.out.socket(), true, people)
	f.checkReady(slices.DeleteFunc(f.all(), func(s *served) bool { return slices.Contains(dead, s) }))
	stage("the engine was away and is back")
	f.checkSilent(dead)
	stage("status names the dead")

	for _, s := range dead {
		s.start()
	}
	f.divided(partitionLeases, ingest.Partitions/2, f.load...)
	f.divided(mailboxLeases, len(f.reps)/2, f.poll...)
	f.readOnce()
	f.send()
	f.recorded()
	stage("work is divided anew")
	eventually(t, "nothing needs a person", func() bool {
		st, err := f.web.status()
		return err == nil && len(st.Trouble) == 0 && len(st.Nodes) == 8
	})
	neverMissing(t, f.all()...)
	f.checkMetrics()
}

// checkSilent waits until status names the processes that died, and no others.
func (f *fleet) checkSilent(dead []*served) {
	f.t.Helper()
	var trouble []string
	within(f.t, time.Minute, "status names the silent processes", func() bool {
		st, err := f.web.status()
		if err != nil {
			return false
		}
		trouble = slices.DeleteFunc(st.Trouble, func(s string) bool { return !strings.Contains(s, "has said nothing for") })
		return len(trouble) >= len(dead)
	})
	for _, s := range f.all() {
		named := slices.ContainsFunc(trouble, func(line string) bool {
			return strings.Contains(line, "The process "+f.node(s)+" ("+s.args[1]+")")
		})
		if named != slices.Contains(dead, s) {
			f.t.Errorf("the process %s (%s) is named: %t, in %q", f.node(s), s.args[1], named, trouble)
		}
	}
}

// checkMetrics looks for the balance in every process's metrics, and for people.
func (f *fleet) checkMetrics() {
	f.t.Helper()
	for _, s := range f.all() {
		var text string
		eventually(f.t, "/metrics of "+s.args[1]+" has every term of the balance", func() bool { // one that has just begun has not counted yet
			var code int
			code, text = s.page("/metrics")
			return code == http.StatusOK && !slices.ContainsFunc([]string{"accepted", "stored", "missing", "surplus"}, func(term string) bool {
				return !strings.Contains(text, `dealtrail_balance_events{term="`+term+`"} `)
			})
		})
		for _, private := range []string{"@", "ours.test", "buyer", "rita", "ralf", "rosa", "rolf"} {
			if strings.Contains(text, private) {
				f.t.Errorf("/metrics of %s says %q", s.args[1], private)
			}
		}
	}
}

// checkReady takes the engine away: who needs it says so, and who does not is ready.
func (f *fleet) checkReady(alive []*served) {
	f.t.Helper()
	for _, s := range alive {
		if code, text := s.page("/readyz"); code != http.StatusOK {
			f.t.Errorf("/readyz of %s answers %d: %s", s.args[1], code, text)
		}
	}
	f.out.engine.Close()
	for _, s := range alive {
		role := s.args[1]
		code, text := s.page("/readyz")
		switch role {
		case "track", "poll":
			if code != http.StatusOK {
				f.t.Errorf("without an engine /readyz of %s answers %d: %s", role, code, text)
			}
		default:
			if code != http.StatusServiceUnavailable || !strings.Contains(text, role+": clickhouse does not answer") {
				f.t.Errorf("without an engine /readyz of %s answers %d: %s", role, code, text)
			}
		}
	}
	f.out.startEngine()
	eventually(f.t, "all are ready again", func() bool {
		return !slices.ContainsFunc(alive, func(s *served) bool { return s.get("/readyz") != http.StatusOK })
	})
}

func TestRolesThatCannotWorkAreRefusedWithTheReason(t *testing.T) {
	beside(t)
	s := site(t, "", nil)
	for role, wants := range map[string][]string{
		"nonsense": {`no role "nonsense"`, "track, load, poll, jobs, web", "--help"},
		"load":     {"redis.url", "clickhouse.url", s.config()},
	} {
		out, code := s.do("serve", "--role", role)
		if code != 2 {
			t.Errorf("--role %s ends with %d", role, code)
		}
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("--role %s does not say %q:\n%s", role, want, out)
			}
		}
	}
}
