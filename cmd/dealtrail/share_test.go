package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"dealtrail/api"
	"dealtrail/trail"
)

// share runs dealtrail share and returns what it prints to be used and what it
// prints to be read.
func (r *running) share(args ...string) (out, told string) {
	r.t.Helper()
	var o, e bytes.Buffer
	if err := run(r.t.Context(), append([]string{"--config", r.config, "share"}, args...), &o, &e); err != nil {
		r.t.Fatalf("dealtrail share %q: %v", args, err)
	}
	return o.String(), e.String()
}

func TestShareCommandPrintsTheLinkAloneAndWarnsBesideIt(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.command("import", "content", r.file("content.csv", "id,title,kind,url\nC1,www.ours.test,Pricing,https://www.example.com/prices\n"))
	link, told := r.share("--content", "C1", "--rep", "rita@ours.test", "--permanent")
	again, _ := r.share("--content", "C1", "--rep", "Rita@ours.test", "--permanent")
	if !strings.HasPrefix(link, r.api.URL+"/c/") || strings.Count(link, "\n") != 1 || told != "" || again != link {
		t.Errorf("share prints %q, then %q, and says %q", link, again, told)
	}
	snippet, _ := r.share("--content", "C1", "--rep", "rita@ours.test", "--permanent", "--html")
	if want := `<a href="` + strings.TrimSpace(link) + `">Pricing</a>` + "\n"; snippet != want {
		t.Errorf("the snippet is %q, want %q", snippet, want)
	}

	at := time.Now().UTC().Add(-time.Hour)
	sent := trail.Event{
		ID: trail.NewID(at), Kind: trail.Sent, At: at, ReceivedAt: at, Source: "mail", Content: "C1", Message: "m",
		Rep: "ben@ours.test", Contact: r.program.server.Registry.Contacts.ID("ann@acme.test"),
	}
	if err := r.program.server.Buffer.Append(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	link, told = r.share("--content", "C1", "--rep", "rita@ours.test", "--to", "Ann A <ann@acme.test>", "--deal", "D1")
	if want := "ben@ours.test sent it to Ann A on " + at.Format("2 Jan 2006") + "; no need to send it again?\n"; told != want || link == again || strings.Count(link, "\n") != 1 {
		t.Errorf("with a colleague's mail an hour ago it prints %q and says %q, want %q", link, told, want)
	}

	// What the API lists is as documented.
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	rows := ask1[struct {
		Rows   []any
		Agents string
	}](r, "/v1/shares?rep=rita@ours.test")
	if len(rows.Rows) != 2 || rows.Agents != "likely" {
		t.Errorf("Rita's links are %+v", rows)
	}
	for _, row := range rows.Rows {
		if err := doc.Components.Schemas["share"].Value.VisitJSON(row); err != nil {
			t.Error(err)
		}
	}
	list := ask1[struct{ Rows []trail.ShareRow }](r, "/v1/shares?rep=Rita%20<rita@ours.test>&agents=strict").Rows
	if len(list) == 2 && (list[0].Deal != "D1" || strings.Join(list[0].Contacts, " ") != "ann@acme.test" || list[1].Contacts == nil || list[1].Title != "www.ours.test") {
		t.Errorf("Rita's links are %+v", list)
	}
	for _, wrong := range []string{"/v1/shares", "/v1/shares?rep=rita", "/v1/shares?rep=rita@ours.test&limit=0"} {
		if err := r.api.Get(t.Context(), wrong, nil, nil); err == nil || !strings.Contains(err.Error(), "must be") {
			t.Errorf("%s answers %v", wrong, err)
		}
	}
}
