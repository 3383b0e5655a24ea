package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// canaries are words that stand for what people write to each other. Each is of
// letters that make no other word, so that it is found wherever it gets to.
type canaries struct {
	r     *rand.Rand
	words map[string]string // and where it was put
}

// put returns a new canary.
func (c *canaries) put(where string) string {
	word := make([]byte, 18)
	for i := range word {
		word[i] = "bcdfghjklmnpqrstvwxz"[c.r.IntN(20)]
	}
	c.words[string(word)] = where
	return string(word)
}

// secretMail returns a mail with a canary in everything that its people wrote,
// other than the addresses.
func (c *canaries) secretMail(what, from, to, link string, headers ...string) string {
	w := func(where string) string { return c.put(where + " of " + what) }
	file := w("attached text") + "\n"
	return "From: " + from + "\nTo: " + to + "\nSubject: =?utf-8?q?" + w("subject") + "?= " + w("subject") + "\nMIME-Version: 1.0\nX-Note: " + w("header") + "\n" +
		"Date: " + time.Now().Add(-time.Hour).UTC().Format(time.RFC1123Z) + "\n" + strings.Join(append(headers, ""), "\n") + "Content-Type: multipart/mixed; boundary=edge\n\n" +
		"--edge\nContent-Type: multipart/alternative; boundary=inner\n\n" +
		"--inner\nContent-Type: text/plain; charset=utf-8\n\n" + w("text") + "\n" + link + "\n> " + w("quoted text") + "\n\n" +
		"--inner\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte("<p>"+w("HTML")+"</p><a href=\""+link+"\">"+w("link's words")+"</a>")) + "\n--inner--\n" +
		"--edge\nContent-Type: application/pdf; name=\"" + w("attachment's name") + ".pdf\"\nContent-Disposition: attachment; filename=\"" + w("attachment's name") + ".pdf\"\nContent-Transfer-Encoding: base64\n\n" +
		base64.StdEncoding.EncodeToString([]byte(file)) + "\n--edge--\n"
}

// TestMailThatIsNobodysBusinessLeavesNoTrace puts canaries into mail between
// colleagues, private mail, mail with excluded people and from excluded folders,
// and into the text of mail that is kept, lets the whole program read it, and
// looks into everything that it stores.
func TestMailThatIsNobodysBusinessLeavesNoTrace(t *testing.T) {
	t.Parallel()
	const rita, rolf, buyer, known = "rita@ours.test", "rolf@ours.test", "bruno@buyer.test", "nora@buyer.test"
	c := &canaries{r: rand.New(rand.NewPCG(7, 7)), words: map[string]string{}}
	doctor, family := c.put("excluded address")+"@clinic.test", c.put("address of an excluded domain")+"@family.test"
	server := mailtest.Dovecot(t, rita, rolf)
	server.Deliver(rita, "Privat", slices.Values([]mailtest.Mail{}))
	now := time.Now().UTC()
	path := writeConfig(t, "")
	r := startOn(t, path, nil)
	r.register("CASE-1", "https://www.example.com/case")
	r.command("import", "deals", r.file("deals.csv", "id,name,account,amount,currency,stage,status,owner,created_at,closed_at,contacts\n"+
		"D-1,Deal,Buyer Ltd,10.00,EUR,Won,won,"+rita+","+now.Add(-48*time.Hour).Format(time.RFC3339)+","+now.Format(time.RFC3339)+","+known+"\n"))
	r.stop() // from its start on it knows the contacts of the CRM
	r = startOn(t, path, func(config *Config) {
		config.Company.Domains = []string{"ours.test"}
		config.Mailboxes.Exclude = []string{doctor, "family.test"}
		config.Mailboxes.ExcludeFolders = []string{"Privat", "Geheim"}
		for _, rep := range []string{rita, rolf} {
			password := filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(password, []byte(server.Password(rep)), 0o600); err != nil {
				t.Fatal(err)
			}
			config.Boxes = append(config.Boxes, Mailbox{Rep: rep, Host: server.Host, Port: server.Port, Security: "none", Username: rep, PasswordFile: password})
		}
	})
	link := r.linkTo("CASE-1", buyer).URL
	eventually(t, "who reads mail knows the contact", func() bool { return r.redis.Exists(t.Context(), "dealtrail:contacts").Val() == 1 })

	put := func(user, folder, mail string) { server.Append(user, folder, mail) }
	id := func(where string) string { return "Message-ID: <" + c.put(where) + "@x.test>" }
	c.betweenColleagues(put, link, rita)
	c.private(put, rita)
	// Excluded: alone, beside a contact, and as who answers.
	put(rita, mailtest.SentFolder, c.secretMail("mail to an excluded address", rita, doctor, link, id("ID of excluded mail")))
	put(rita, mailtest.SentFolder, c.secretMail("mail to an excluded domain and a contact", rita, family+", "+c.put("address beside an excluded one")+"@buyer.test", link, id("ID of excluded mail")))
	put(rita, "INBOX", c.secretMail("mail from an excluded address", doctor, rita, link, id("ID of excluded mail"), "In-Reply-To: <kept-1@ours.test>"))
	put(rita, "INBOX", c.secretMail("mail with an excluded address in Cc", c.put("sender beside an excluded one")+"@buyer.test", rita, link, id("ID of excluded mail"), "Cc: "+family))
	// In an excluded folder, one of which was just made, and in Sent as well.
	for _, folder := range []string{"Privat", "Geheim"} {
		private := c.secretMail("mail in the excluded folder "+folder, rita, c.put("recipient of mail in the excluded folder "+folder)+"@buyer.test", link, id("ID of mail in the excluded folder "+folder))
		server.Deliver(rita, folder, slices.Values([]mailtest.Mail{{Write: mailtest.Text(private), At: now.Add(-time.Hour), Flags: "S"}}))
		put(rita, mailtest.SentFolder, private)
	}
	// Kept: who and when, never what.
	put(rita, mailtest.SentFolder, c.secretMail("kept mail", rita, buyer, link, "Message-ID: <kept-1@ours.test>"))
	put(rita, "INBOX", c.secretMail("kept answer", buyer, rita, link, "Message-ID: <kept-2@buyer.test>", "In-Reply-To: <kept-1@ours.test>"))
	put(rita, "INBOX", c.secretMail("automatic answer", buyer, rita, "", "Message-ID: <kept-3@buyer.test>", "In-Reply-To: <kept-1@ours.test>", "Auto-Submitted: auto-replied"))
	put(rita, mailtest.SentFolder, c.secretMail("mail without content to a known contact", rita, known, "", "Message-ID: <kept-4@ours.test>"))
	put(rita, mailtest.SentFolder, c.secretMail("mail with a link that nobody registered", rita, buyer, "https://www.ours.test/"+c.put("unregistered link")+"/page?"+c.put("query of it"), "Message-ID: <kept-5@ours.test>"))
	put(rolf, mailtest.SentFolder, c.secretMail("kept mail of another rep", rolf, buyer, link, "Message-ID: <kept-6@ours.test>"))

	eventually(t, "the kept mail is in the reports", func() bool {
		contact := ask1[trail.ContactDetail](r, "/v1/contacts/"+known)
		return ask1[trail.ContentDetail](r, "/v1/content/CASE-1").Sent >= 2 && slices.ContainsFunc(contact.Events, func(e trail.TrailRow) bool { return e.Kind == trail.Sent })
	})
	looked := time.Now()
	eventually(t, "both mailboxes were looked into twice more", func() bool {
		for _, m := range ask1[trail.Status](r, "/v1/status").Mailboxes {
			if !m.LastPoll.After(looked.Add(time.Second)) {
				return false
			}
		}
		return true
	})
	r.command("attribute")
	r.settle()
	traces := r.traces()
	r.stop()
	traces["log"] = []byte(r.log.String())
	files(t, filepath.Join(filepath.Dir(r.config), "data"), traces)
	c.judge(t, traces, buyer)
}

func (c *canaries) betweenColleagues(put func(user, folder, mail string), link, rita string) {
	colleague := func() string { return "<" + c.put("address of a colleague") + "@ours.test>" }
	id := func() string { return "Message-ID: <" + c.put("ID of mail between colleagues") + "@ours.test>" }
	put(rita, mailtest.SentFolder, c.secretMail("mail to a colleague", rita, colleague()+", "+colleague(), link, id()))
	put(rita, "INBOX", c.secretMail("mail from a colleague", c.put("name of a colleague")+" "+colleague(), rita, link, id(), "In-Reply-To: <kept-1@ours.test>"))
	put(rita, "INBOX", c.secretMail("mail to many", "<"+c.put("address of a newsletter")+"@news.test>", rita, "", id(), "List-Id: <news.test>", "Precedence: bulk"))
}

// private is mail between a rep and somebody whom the CRM does not know, without content.
func (c *canaries) private(put func(user, folder, mail string), rita string) {
	friend := func() string {
		return "\"" + c.put("name of a friend") + "\" <" + c.put("address of a friend") + "@home.test>"
	}
	id := func() string { return "Message-ID: <" + c.put("ID of private mail") + "@home.test>" }
	put(rita, mailtest.SentFolder, c.secretMail("mail to a friend", rita, friend(), "https://www.home.test/x", id()))
	put(rita, "INBOX", c.secretMail("mail from a friend", friend(), rita, "https://www.home.test/y", id()))
	put(rita, "INBOX", c.secretMail("answer of a friend", friend(), rita, "", id(), "In-Reply-To: <"+c.put("ID of another private mail")+"@ours.test>"))
}

// settle waits until all events are stored.
func (r *running) settle() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	defer cancel()
	if err := r.buffer.Settle(ctx); err != nil {
		r.t.Fatal(err)
	}
}

// laidOut waits for a layout of all that is known, so that reports come quickly. It
// asks for something meanwhile: where it is quick, nothing is laid out for nobody.
func (r *running) laidOut() {
	r.t.Helper()
	r.settle()
	eventually(r.t, "what is known is laid out", func() bool {
		ask1[json.RawMessage](r, "/v1/dictionary")
		rows, err := r.db.Query(r.t.Context(), "SELECT toInt64(count()) FROM layouts WHERE as_of = toDateTime64(0, 3, 'UTC') AND inserts = (SELECT sum(last) FROM (SELECT max(max_block_number) + 1 AS last FROM system.parts WHERE database = currentDatabase() AND table IN ('events', 'people') AND active GROUP BY table))")
		if err != nil {
			r.t.Fatal(err)
		}
		defer rows.Close()
		var n int64
		for rows.Next() {
			if err := rows.Scan(&n); err != nil {
				r.t.Fatal(err)
			}
		}
		return n > 0
	})
}

// traces returns all that Redis and the database say they have, by where.
func (r *running) traces() map[string][]byte {
	r.t.Helper()
	out := map[string][]byte{}
	ctx := r.t.Context()
	keys := r.redis.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		out["Redis key "+keys.Val()] = []byte(keys.Val() + " " + valueOf(ctx, r.redis, keys.Val()))
	}
	if err := keys.Err(); err != nil {
		r.t.Fatal(err)
	}
	for _, child := range r.children {
		if engine, ok := child.(dialer); ok {
			rowsOf(r.t, engine, out)
		}
	}
	for _, path := range []string{"/v1/status", "/v1/content", "/v1/deals", "/v1/accounts/buyer.test", "/metrics"} {
		var b bytes.Buffer
		if err := r.api.Do(ctx, "GET", path, "", nil, &b); err != nil {
			r.t.Errorf("GET %s: %v", path, err)
		}
		out["GET "+path] = b.Bytes()
	}
	return out
}

// valueOf returns what a key of any type holds, as text.
func valueOf(ctx context.Context, rdb redis.UniversalClient, key string) string {
	switch kind := rdb.Type(ctx, key).Val(); kind {
	case "string":
		return rdb.Get(ctx, key).Val()
	case "hash":
		return fmt.Sprint(rdb.HGetAll(ctx, key).Val())
	case "set":
		return fmt.Sprint(rdb.SMembers(ctx, key).Val())
	case "zset":
		return fmt.Sprint(rdb.ZRange(ctx, key, 0, -1).Val())
	case "list":
		return fmt.Sprint(rdb.LRange(ctx, key, 0, -1).Val())
	case "stream":
		return fmt.Sprint(rdb.XRange(ctx, key, "-", "+").Val())
	default:
		return rdb.Dump(ctx, key).Val()
	}
}

type dialer interface {
	DialContext(ctx context.Context, address string) (net.Conn, error)
}

// rowsOf adds the rows of every table of the engine, its own logs included.
func rowsOf(t *testing.T, engine dialer, out map[string][]byte) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		return engine.DialContext(ctx, address)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	query := func(sql string) []byte {
		resp, err := client.Get("http://localhost/?" + url.Values{"query": {sql}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v: %s", sql, resp.Status, err, text)
		}
		return text
	}
	names := query("SELECT database || '.`' || name || '`' FROM system.tables WHERE engine LIKE '%MergeTree' FORMAT TSVRaw")
	for name := range strings.Lines(string(names)) {
		name = strings.TrimSpace(name)
		out["table "+name] = query("SELECT * FROM " + name + " FORMAT JSONEachRow")
	}
}

// files adds every file below a directory.
func files(t *testing.T, dir string, out map[string][]byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		out["file "+strings.TrimPrefix(path, dir)] = append([]byte(path+"\n"), content...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// judge fails the test for each canary that is found. What is kept must be found
// in the same way, or looking is worth nothing.
func (c *canaries) judge(t *testing.T, traces map[string][]byte, kept string) {
	t.Helper()
	seen := map[string]int{}
	for where, content := range traces {
		lower := bytes.ToLower(content)
		if bytes.Contains(lower, []byte(kept)) {
			kind, _, _ := strings.Cut(where, " ")
			seen[kind]++
		}
		for word, of := range c.words {
			for form, text := range forms(word) {
				if bytes.Contains(lower, text) || strings.HasPrefix(form, "base64") && bytes.Contains(content, text) {
					t.Errorf("%s is in %s, as %s", of, where, form)
				}
			}
		}
	}
	t.Logf("%d canaries, %d places; the kept address is in %v", len(c.words), len(traces), seen)
	if seen["table"] == 0 || seen["file"] == 0 || len(c.words) < 100 {
		t.Errorf("what is kept is not where it must be, so nothing else would be found either: %v", seen)
	}
}

// forms returns how a word may lie in storage, in lower case but for base64.
func forms(word string) map[string][]byte {
	wide := make([]byte, 0, 2*len(word))
	for _, c := range []byte(word) {
		wide = append(wide, c, 0)
	}
	out := map[string][]byte{"itself": []byte(word), "hex": []byte(hex.EncodeToString([]byte(word))), "UTF-16": wide}
	for before := range 3 { // what base64 makes of it depends on how many bytes stand before it
		text := base64.StdEncoding.EncodeToString(append(make([]byte, before), word...))
		out[fmt.Sprintf("base64 after %d", before)] = []byte(text[(before*8+5)/6 : len(text)-4])
	}
	return out
}
