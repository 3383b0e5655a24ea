package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
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

// canaryPerson is somebody who gets into everything there is.
type canaryPerson struct {
	*running
	address, name string
	contact       trail.ContactID
	server        *mailtest.Server
	files         map[string]string // imported, by table
	week, list    string
}

// plain has the engine and Redis keep bytes as they are, so that a search finds them.
func (r *running) plain() {
	r.t.Helper()
	if err := r.redis.ConfigSet(r.t.Context(), "rdbcompression", "no").Err(); err != nil {
		r.t.Fatal(err)
	}
	rows, err := r.db.Query(r.t.Context(), "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'")
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			r.t.Fatal(err)
		}
		if err := r.db.Exec(r.t.Context(), "ALTER TABLE "+name+" MODIFY SETTING default_compression_codec = 'NONE', compress_primary_key = 0"); err != nil {
			r.t.Fatal(err)
		}
	}
}

// post sends JSON and wants success.
func (r *running) post(path string, in map[string]any, out any) {
	r.t.Helper()
	if err := r.api.Post(r.t.Context(), path, in, out); err != nil {
		r.t.Fatalf("POST %s: %v", path, err)
	}
}

// live puts the person through every source, and everything that people write.
func (p *canaryPerson) live(link string) {
	p.t.Helper()
	now := time.Now().UTC()
	at := func(hours int) string { return now.Add(-time.Duration(hours) * time.Hour).Format(time.RFC3339) }
	p.files = map[string]string{
		"contacts": "email,name,account,title,role,status,consent,consent_basis,consent_at\n" + p.address + "," + p.name + ",Buyer Ltd,Chief Canary,buyer,Lead,yes,form signed by " + p.name + "," + at(90) + "\nother@buyer.test,Other,Buyer Ltd,CEO,buyer,Lead,,,\n",
		"deals": "id,name,account,domain,amount,currency,stage,status,owner,created_at,closed_at,contacts\n" +
			"D-1,Roll-out for " + p.name + ",Buyer Ltd,buyer.test,10.00,EUR,Won,won,rita@ours.test," + at(80) + "," + now.Format(time.RFC3339) + "," + p.address + ";other@buyer.test\n" +
			"D-2,Second,Buyer Ltd,buyer.test,20.00,EUR,Demo,open,rita@ours.test," + at(80) + ",," + p.address + "\n",
		"touches": "at,kind,content,contact,deal,rep,agent\n" + at(70) + ",viewed,CASE-1," + p.address + ",D-1,rita@ours.test,\n" + at(69) + ",sent,CASE-1," + p.address + ",D-1,rita@ours.test,\n",
	}
	p.load()
	put := func(user, folder, mail string) { p.server.Append(user, folder, mail) }
	who := `"` + p.name + `" <` + p.address + ">"
	head := func(from, to, id string, more ...string) string {
		return "From: " + from + "\nTo: " + to + "\nSubject: about " + p.name + "\nMessage-ID: <" + id + ">\nDate: " + now.Add(-time.Hour).Format(time.RFC1123Z) + "\n" + strings.Join(append(more, ""), "\n") + "\nDear " + p.name + " (" + p.address + ")\n" + link + "\n"
	}
	put("rita@ours.test", mailtest.SentFolder, head("rita@ours.test", who+", other@buyer.test", "m1@ours.test"))
	put("rita@ours.test", mailtest.SentFolder, head("rita@ours.test", who, "m3@ours.test"))
	put("rita@ours.test", "INBOX", head(who, "rita@ours.test", "m2@buyer.test", "In-Reply-To: <m1@ours.test>"))
	eventually(p.t, "the mail is in the reports", func() bool {
		c := ask1[trail.ContactDetail](p.running, "/v1/contacts/"+p.address)
		kinds := map[trail.Kind]int{}
		for _, e := range c.Events {
			kinds[e.Kind]++
		}
		return kinds[trail.Sent] >= 3 && kinds[trail.Replied] >= 1
	})
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get(link)
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	p.post("/v1/notes", map[string]any{"rep": "rita@ours.test", "content": "CASE-1", "deal": "D-1", "text": p.name + " <" + p.address + "> liked it"}, nil)
	p.post("/v1/requests", map[string]any{"rep": "rita@ours.test", "deal": "D-1", "text": "a page for " + p.address}, nil)
	p.post("/v1/consents", map[string]any{"email": p.address, "allowed": true, "basis": "told by " + p.address}, nil)
	p.post("/v1/reps/rolf@ours.test/exclusions", map[string]any{"who": p.address}, nil)
	p.post("/v1/assignments", map[string]any{"email": p.address, "deal": "D-2"}, nil)
	p.week = trail.WeekOf(now, time.UTC)
	p.post("/v1/review/"+p.week+"/decisions", map[string]any{"email": p.address, "quality": "good", "needs": "call " + p.name, "by": "rita@ours.test"}, nil)
	var list trail.LeadList
	if err := p.api.Do(p.t.Context(), "POST", "/v1/lists?name=Fair&file=fair.csv", "text/csv", strings.NewReader("email\n"+p.address+"\nother@buyer.test\n"), &list); err != nil {
		p.t.Fatal(err)
	}
	p.list = list.ID.String()
	if err := p.redis.XAdd(p.t.Context(), xadd(0, `{"contact":"`+string(p.contact)+`","person":{"address":"`+p.address+`"}`)).Err(); err != nil {
		p.t.Fatal(err)
	}
	p.settle()
	p.command("attribute")
	p.post("/v1/budgets", map[string]any{"title": "What " + p.name + " saw", "note": "ask " + p.address, "by": "rita@ours.test"}, nil)
	p.settle()
	p.writeReviews()
}

// load imports the files, as whoever exports the CRM every day does.
func (p *canaryPerson) load() (said string) {
	p.t.Helper()
	for _, table := range []string{"contacts", "deals", "touches"} {
		said += p.command("import", table, p.file(table+".csv", p.files[table]))
	}
	return said
}

// writeReviews puts the files of a review, with what people wrote into them, where the
// job writes them.
func (p *canaryPerson) writeReviews() {
	p.t.Helper()
	dir := filepath.Join(filepath.Dir(p.config), "exports")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
	for _, format := range []string{"xlsx", "html", "csv"} {
		var b bytes.Buffer
		if err := p.api.Do(p.t.Context(), "GET", "/v1/review?week="+p.week+"&format="+format, "", nil, &b); err != nil {
			p.t.Fatal(err)
		}
		if format == "html" {
			b.WriteString("<!-- met " + p.name + " and O'Hara -->")
		}
		if err := os.WriteFile(filepath.Join(dir, "review-"+p.week+"."+format), b.Bytes(), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

// everything returns all there is: tables, Redis, files byte by byte, answers, logs.
func (p *canaryPerson) everything() map[string][]byte {
	p.t.Helper()
	p.laidOut()
	out := p.traces()
	for _, path := range []string{
		"/v1/contacts/" + p.address, "/v1/deals/D-1", "/v1/deals/D-2", "/v1/content/CASE-1?agents=all", "/v1/reps", "/v1/reps/rita@ours.test/facts", "/v1/reps/rolf@ours.test/exclusions",
		"/v1/notes", "/v1/requests", "/v1/lists", "/v1/lists/" + p.list, "/v1/review?week=" + p.week, "/v1/budgets", "/v1/bad", "/v1/quality", "/v1/shares?rep=rita@ours.test", "/v1/erasures", "/v1/month", "/v1/service",
		"/v1/contacts/" + p.address + "/data", "/v1/attribution", "/v1/runs",
	} {
		var b bytes.Buffer
		if err := p.api.Do(p.t.Context(), "GET", path, "", nil, &b); err == nil {
			out["GET "+path] = b.Bytes()
		} else if !strings.Contains(path, p.address) {
			p.t.Errorf("GET %s: %v", path, err)
		}
	}
	dir := filepath.Dir(p.config)
	files(p.t, dir, out)
	for where, content := range out {
		if r, err := zip.NewReader(bytes.NewReader(content[bytes.IndexByte(content, '\n')+1:]), int64(len(content)-bytes.IndexByte(content, '\n')-1)); err == nil && strings.HasSuffix(where, ".xlsx") {
			for _, f := range r.File {
				in, err := f.Open()
				if err != nil {
					p.t.Fatal(err)
				}
				part, _ := io.ReadAll(in)
				out[where+" "+f.Name] = part
			}
		}
	}
	out["log"] = []byte(p.log.String())
	return out
}

// find returns where the person is, by kind of place.
func (p *canaryPerson) find(in map[string][]byte) map[string][]string {
	found := map[string][]string{}
	for where, content := range in {
		for _, word := range []string{p.address, p.name, string(p.contact)} {
			if bytes.Contains(content, []byte(word)) || bytes.Contains(content, []byte(html.EscapeString(word))) {
				kind, _, _ := strings.Cut(where, " ")
				found[kind] = append(found[kind], word+" in "+where)
			}
		}
	}
	return found
}

// numbers are what reports count, which no erasing changes.
func (p *canaryPerson) numbers() string {
	p.t.Helper()
	var all []any
	s := ask1[trail.Status](p.running, "/v1/status")
	all = append(all, s.Contents, s.Deals, s.Contacts, s.Shares, s.Clicks)
	for _, path := range []string{"/v1/content", "/v1/reps", "/v1/attribution?by=content", "/v1/attribution?by=rep", "/v1/lift"} {
		var v any
		if err := p.api.Get(p.t.Context(), path, nil, &v); err != nil {
			p.t.Fatalf("GET %s: %v", path, err)
		}
		if m, ok := v.(map[string]any); ok {
			delete(m, "run")
			delete(m, "as_of")
		}
		all = append(all, path, v)
	}
	d := ask1[trail.DealDetail](p.running, "/v1/deals/D-1")
	all = append(all, len(d.Events), d.Status, d.Value)
	b, err := json.Marshal(all)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// A person who is in every source, table, key, file and answer is erased; then there is
// no byte of them, every number is as it was, and reading all sources again does not
// bring them back.
func TestErasedMeansErased(t *testing.T) {
	t.Parallel()
	const rita, rolf = "rita@ours.test", "rolf@ours.test"
	server := mailtest.Dovecot(t, rita, rolf)
	path := writeConfig(t, "")
	edit := func(c *Config) {
		c.Company.Domains = []string{"ours.test"}
		c.Company.RepNames = "names"
		c.Review.Dir = "exports"
		c.Attribution.Every = Duration(24 * time.Hour)
		password := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(password, []byte(server.Password(rita)), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Boxes = append(c.Boxes, Mailbox{Rep: rita, Host: server.Host, Port: server.Port, Security: "none", Username: rita, PasswordFile: password})
	}
	p := &canaryPerson{running: startOn(t, path, edit), address: "quuxbird@buyer.test", name: "Ximena O'Quuxbird", server: server}
	p.contact = trail.ContactKey(p.secrets.ContactKey).ID(p.address)
	p.plain()
	p.register("CASE-1", "https://www.example.com/case")
	p.live(p.linkTo("CASE-1", p.address).URL)

	before := p.find(p.everything())
	if data := p.command("export", p.address); !strings.Contains(data, "Chief Canary") || !strings.Contains(data, `"source": "mail"`) || !strings.Contains(data, "liked it") {
		t.Errorf("what is exported for the person lacks something: %s", data)
	}
	for _, kind := range []string{"Redis", "table", "file", "GET"} {
		if len(before[kind]) < 3 {
			t.Fatalf("the search finds too little in %s before: %v", kind, before[kind])
		}
	}
	if len(before["log"]) > 0 {
		t.Errorf("the log names the person: %v", before["log"])
	}
	p.settle()
	counted := p.numbers()

	if _, err := p.try("erase", rita, "--yes"); err == nil || !strings.Contains(err.Error(), "own side") {
		t.Errorf("a rep is erased: %v", err)
	}
	var report trail.Erasure
	if err := p.api.Do(t.Context(), "DELETE", "/v1/contacts/"+p.address, "", nil, &report); err != nil {
		t.Fatal(err)
	}
	if report.State != trail.ErasureComplete || !report.Known || len(report.Removed) < 6 {
		t.Errorf("the report says %+v", report)
	}
	p.unfindable("after it was erased")
	eventually(t, "every number is as it was", func() bool { return p.numbers() == counted })
	p.checksReport(report)

	// All sources once more, and by processes that begin anew.
	if said := p.load(); strings.Contains(said, "0 unchanged") {
		t.Errorf("importing again changed something:\n%s", said)
	}
	if err := p.redis.Del(t.Context(), "dealtrail:mail:cursors").Err(); err != nil {
		t.Fatal(err)
	}
	p.stop()
	p.running = startOn(t, path, edit)
	looked := time.Now()
	eventually(t, "the mailbox was read again", func() bool {
		boxes := ask1[trail.Status](p.running, "/v1/status").Mailboxes
		return len(boxes) == 1 && boxes[0].Messages >= 3 && boxes[0].LastPoll.After(looked.Add(500*time.Millisecond))
	})
	p.settle()
	p.unfindable("after all was read again")
	if got := p.numbers(); got != counted {
		t.Errorf("numbers after all was read again:\n got %s\nwant %s", got, counted)
	}
	if trouble := ask1[trail.Status](p.running, "/v1/status"); trouble.Balance.Missing+trouble.Balance.Surplus > 0 {
		t.Errorf("the balance does not add up: %+v", trouble.Balance)
	}
}

// unfindable waits until the person is nowhere: what Redis replaced it removes a moment later.
func (p *canaryPerson) unfindable(when string) {
	p.t.Helper()
	var found map[string][]string
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		all := p.everything()
		if found = p.find(all); len(found) == 0 {
			return
		}
	}
	for kind, where := range found {
		slices.Sort(where)
		p.t.Errorf("%s, the person is in %s: %v", when, kind, where[:min(12, len(where))])
	}
}

// checksReport checks the signature as anybody can, and that no other text passes.
func (p *canaryPerson) checksReport(r trail.Erasure) {
	p.t.Helper()
	signed := ask1[trail.SignedErasure](p.running, "/v1/erasures/"+url.PathEscape(r.Tombstone))
	if key, err := trail.ContactKey(p.secrets.ContactKey).ReportKey(); err != nil || signed.PublicKey != key || !signed.Check() {
		p.t.Errorf("the report is not signed: %+v, %v", signed, err)
	}
	printed := p.file("report.json", p.command("privacy", "erasures", r.Tombstone))
	if said := p.command("privacy", "check", printed); !strings.Contains(said, "as this installation signed it") {
		p.t.Errorf("the report that was printed: %s", said)
	}
	if record := p.command("privacy", "report"); !strings.Contains(record, "tracking.pixel = consent") || !strings.Contains(record, "retention.person_months = 13") || !strings.Contains(record, signed.PublicKey) {
		p.t.Errorf("the record of processing: %s", record)
	}
	signed.Report = bytes.Replace(signed.Report, []byte(`"known":true`), []byte(`"known":false`), 1)
	if signed.Check() {
		p.t.Error("a report that was changed passes")
	}
}

// xadd is an entry of a partition's stream as it is.
func xadd(partition int, raw string) *redis.XAddArgs {
	return &redis.XAddArgs{Stream: fmt.Sprintf("dealtrail:{p%02d}:events", partition), Values: []any{"e", raw}}
}
