package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// A rep excludes somebody while the server runs: from the next look on their mail
// leaves no trace, also after a restart, until that is taken back. And what the rep
// says of a click is what reports say.
func TestARepSeesWhatIsKeptAndSaysWhatIsNotToBe(t *testing.T) {
	t.Parallel()
	const ana, doctor, buyer = "ana@ours.test", "doctor@clinic.test", "bo@buyer.test"
	server := mailtest.Dovecot(t, ana)
	edit := func(c *Config) {
		c.Company.Domains = []string{"ours.test"}
		m, _ := configured(t, ana, server.Port, server.Password(ana))
		c.Boxes = []Mailbox{m}
	}
	r := start(t, edit)
	r.command("import", "content", r.file("content.csv", caseCSV))
	kept := func(kind trail.Kind) (whom []string) {
		for _, row := range ask1[trail.KeptMail](r, "/v1/reps/"+ana+"/facts?kind="+string(kind)).Rows {
			for _, c := range row.Contacts {
				whom = append(whom, c.Address)
			}
		}
		slices.Sort(whom)
		return whom
	}
	server.Append(ana, mailtest.SentFolder, letter(ana, doctor))
	eventually(t, "what ana sent is kept", func() bool { return slices.Equal(kept(trail.Sent), []string{doctor}) })

	if out := r.command("mailbox", "exclude", ana, "Clinic.test"); !strings.Contains(out, "clinic.test is excluded") {
		t.Errorf("exclude printed %q", out)
	}
	server.Append(ana, mailtest.SentFolder, letter(ana, "nurse@clinic.test"))
	server.Append(ana, mailtest.SentFolder, letter(ana, buyer))
	eventually(t, "mail that was sent later is read", func() bool { return slices.Contains(kept(trail.Sent), buyer) })
	if got := kept(trail.Sent); !slices.Equal(got, []string{buyer, doctor}) {
		t.Errorf("excluded, and kept is mail to %q", got)
	}
	r.stop()
	r = startOn(t, r.config, edit)
	server.Append(ana, mailtest.SentFolder, letter(ana, "nurse@clinic.test"))
	server.Append(ana, mailtest.SentFolder, letter(ana, "kim@buyer.test"))
	eventually(t, "mail is read after a restart", func() bool { return slices.Contains(kept(trail.Sent), "kim@buyer.test") })
	if got := kept(trail.Sent); len(got) != 3 || strings.Contains(r.log.String(), "clinic.test") {
		t.Errorf("after a restart kept is mail to %q; or the log names who is excluded", got)
	}
	list := ask1[map[string]any](r, "/v1/reps/"+ana+"/exclusions")["rows"].([]any)
	if len(list) != 1 || !strings.Contains(r.command("mailbox", "excluded", ana), "clinic.test") {
		t.Fatalf("excluded are %v", list)
	}
	valid(t, "exclusion", list[0])
	r.command("mailbox", "include", ana, "clinic.test")
	if _, err := r.try("mailbox", "include", ana, "clinic.test"); err == nil || !strings.Contains(err.Error(), "is not excluded") {
		t.Errorf("taken back twice: %v", err)
	}
	server.Append(ana, mailtest.SentFolder, letter(ana, "nurse@clinic.test"))
	eventually(t, "mail is read again", func() bool { return slices.Contains(kept(trail.Sent), "nurse@clinic.test") })

	r.command("mailbox", "pause", ana)
	if row := mailboxOf(r, ana); row.State != "paused" || row.PausedBy != "" || row.PausedAt.IsZero() {
		t.Errorf("paused by a program: %+v", row)
	}
	checkSaying(t, r, ana)
}

// checkSaying clicks on a link of a rep and says that it was the rep.
func checkSaying(t *testing.T, r *running, rep string) {
	t.Helper()
	link, _ := r.share("--content", "CASE-1", "--rep", rep, "--to", "bo@buyer.test")
	id, err := follow(&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, strings.TrimSpace(link))
	if err != nil {
		t.Fatal(err)
	}
	r.settle()
	clicks := func() trail.KeptMail {
		return ask1[trail.KeptMail](r, "/v1/reps/"+rep+"/facts?kind=clicked")
	}
	rows := clicks().Rows
	if len(rows) != 1 || rows[0].ID != id || rows[0].Said != nil || rows[0].Contacts[0].Address != "bo@buyer.test" {
		t.Fatalf("clicks are %+v", rows)
	}
	var answer any
	if err := r.api.Post(t.Context(), "/v1/events/"+strings.ToLower(id.String())+"/verdict", map[string]any{"was": "me", "by": rep}, &answer); err != nil {
		t.Fatal(err)
	}
	valid(t, "said", answer)
	now := clicks()
	if row := now.Rows[0]; row.Verdict != trail.Self || row.Said == nil || row.Said.By != rep || row.Said.Was != "me" {
		t.Errorf("said, and kept is %+v", row)
	}
	if n := ask1[trail.ContentDetail](r, "/v1/content/CASE-1?agents=all").Clicks; n != 0 {
		t.Errorf("reports count %d clicks of the rep's own", n)
	}
	valid(t, "kept_mail", ask1[any](r, "/v1/reps/"+rep+"/facts"))
	if err := r.api.Post(t.Context(), "/v1/events/"+id.String()+"/verdict", map[string]any{"not": true, "by": rep}, &answer); err != nil {
		t.Fatal(err)
	}
	if row := clicks().Rows[0]; row.Verdict == trail.Self || row.Said != nil {
		t.Errorf("taken back, and kept is %+v", row)
	}
	for path, want := range map[string]string{"/v1/reps/rita/facts": "not an address", "/v1/reps/" + rep + "/facts?kind=decided": "kind is", "/v1/reps/" + rep + "/facts?after=x": "after is"} {
		if err := r.api.Get(t.Context(), path, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s answers %v", path, err)
		}
	}
	// Page by page nothing is left out and nothing is there twice.
	seen, after := map[string]bool{}, ""
	for range 20 {
		page := ask1[trail.KeptMail](r, "/v1/reps/"+rep+"/facts?limit=4&after="+url.QueryEscape(after))
		for _, row := range page.Rows {
			if key := row.ID.String() + row.Content; seen[key] {
				t.Errorf("%s is there twice", key)
			} else {
				seen[key] = true
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if all := ask1[trail.KeptMail](r, "/v1/reps/"+rep+"/facts").Rows; len(seen) != len(all) || after != "" {
		t.Errorf("by pages %d facts, at once %d", len(seen), len(all))
	}
	if out := r.command("mailbox", "facts", rep, "--limit", "1"); !strings.Contains(out, "1 clicked") || !strings.Contains(out, "More: --after ") {
		t.Errorf("facts prints\n%s", out)
	}
}
