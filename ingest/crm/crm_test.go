package crm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest/crm"
	"dealtrail/trail"
)

var all = []string{"content", "contacts", "deals", "stages", "touches"}

func TestEveryColumnOfTheContractArrives(t *testing.T) {
	l := newLedger(t)
	for _, table := range all {
		r, _ := l.load(table, file(t, table+".csv"))
		if r.Rejected > 0 || r.New == 0 {
			t.Fatalf("%s: %+v", table, r)
		}
	}
	l.wantAttrs(trail.ContentKind, "pricing-guide", map[string]string{
		"title": "Pricing guide 2026", "kind": "pdf", "url": "https://www.northwind.example/pricing?utm_source=mail",
		"other_urls": "https://drive.example/d/1 https://sp.example/x", "stage": "decision", "persona": "cfo", "version": "3",
		"tags": "pricing case-study", "owner": "mia@northwind.example", "cost": "1200.5", "currency": "EUR",
		"published_at": "2026-01-04T23:00:00Z", "expires_at": "2027-01-04T23:00:00Z",
	})
	l.wantAttrs(trail.ContentKind, "größe", map[string]string{
		"title": "=SUM(A1)", "kind": "page", "url": "https://www.northwind.example/gr%C3%B6%C3%9Fe?q=%C3%A4#%C3%BC", "stage": "awareness",
	})
	anna := string(key.ID("anna@acme.example"))
	l.wantAttrs(trail.ContactKind, anna, map[string]string{
		"account": "Acme AG", "domain": "www.acme.example", "role": "budget", "owner": "mia@northwind.example", "status": "customer",
		"source": "fair", "created_at": "2026-01-02T09:00:00Z", "consent": "yes", "consent_basis": "mail from (address) of 2 January",
		"consent_at": "2026-01-02T09:00:00Z",
	})
	if p := l.states(trail.ContactKind)[anna].Person; p == nil || *p != (trail.Person{Address: "anna@acme.example", Name: "Anna Muster", Title: "CFO"}) {
		t.Fatalf("person is %+v", p)
	}
	people := []string{anna, string(key.ID("bo@acme.example"))}
	slices.Sort(people)
	l.wantAttrs(trail.DealKind, "D-1", map[string]string{
		"name": "Acme rollout", "account": "Acme AG", "domain": "acme.example", "amount": "12000.5", "currency": "EUR", "stage": "Contract",
		"status": "won", "owner": "mia@northwind.example", "created_at": "2026-01-01T23:00:00Z", "closed_at": "2026-03-01T22:59:59Z",
		"contacts": strings.Join(people, " "),
	})
	l.wantAttrs(trail.DealKind, "D-2", map[string]string{
		"name": "Globex pilot", "account": "Globex", "domain": "globex.example", "amount": "800", "currency": "USD", "stage": "Demo",
		"status": "lost", "owner": "mia@northwind.example", "created_at": "2026-01-31T23:00:00Z", "closed_at": "2026-04-01T21:59:59Z",
		"loss_reason": "price", "contacts": string(key.ID("li@globex.example")),
	})
	if p := l.states(trail.ContactKind)[string(key.ID("bo@acme.example"))].Person; p == nil || p.Address != "bo@acme.example" {
		t.Fatalf("the contact that only a deal names is %+v", p)
	}
	var touches []string
	for _, e := range l.events {
		switch e.Kind {
		case trail.Staged:
			touches = append(touches, fmt.Sprint(e.At.Format(time.RFC3339), " ", e.Deal, " ", e.Stage))
		case trail.Clicked, trail.Opened, trail.Sent, trail.Replied:
			if e.Person == nil || e.Person.Address != "anna@acme.example" || e.Contact != trail.ContactID(anna) {
				t.Fatalf("touch without its person: %+v", e)
			}
			touches = append(touches, fmt.Sprint(e.At.Format(time.RFC3339), " ", e.Kind, " ", e.Content, " ", e.Deal, " ", e.Rep, " ", e.Agent, " ", e.Probability, " ", e.Rules))
		}
	}
	want := []string{
		"2026-01-09T23:00:00Z D-1 Demo", "2026-02-10T09:30:00Z D-1 Contract", "2026-02-12T07:00:00Z D-2 Demo",
		"2026-01-11T08:00:00Z clicked pricing-guide D-1 mia@northwind.example human 1 [imported]",
		"2026-01-11T08:00:00Z clicked pricing-guide D-1 mia@northwind.example human 1 [imported]",
		"2026-01-11T07:59:58Z opened pricing-guide   scanner 1 [imported]",
		"2026-01-10T15:00:00Z sent pricing-guide D-1 mia@northwind.example  0 []",
		"2026-01-12T08:15:30Z replied  D-1 mia@northwind.example  0 []",
	}
	if !slices.Equal(touches, want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(touches, "\n"), strings.Join(want, "\n"))
	}
}

func TestNoAddressOfAContactGetsIntoAttrs(t *testing.T) {
	l := newLedger(t)
	for _, table := range all {
		l.load(table, file(t, table+".csv"))
	}
	l.load("deals", file(t, "hubspot-deals.csv"))
	l.load("contacts", file(t, "hubspot-contacts.csv"))
	r, _ := l.load("deals", "id,name,account,loss_reason,stage,contacts\nX,Deal with Anna <anna@acme.example>,anna@acme.example,asked Bo (bo@acme.example),s@t,anna@acme.example\n")
	if !hasWarning(r, "4 cells had mail addresses") {
		t.Fatalf("warnings %q", r.Warnings)
	}
	for _, e := range l.events {
		for k, v := range e.Attrs {
			if strings.Contains(v, "@") && k != "owner" {
				t.Fatalf("%s %s is %q", e.Kind, k, v)
			}
		}
	}
}

func TestSameFileTwiceIsNoEvent(t *testing.T) {
	l := newLedger(t)
	for range 2 {
		for i, table := range all {
			body := file(t, table+".csv")
			r, events := l.load(table, body)
			if l.asked <= len(all) {
				continue
			}
			if len(events) != 0 || r.Unchanged != r.Read {
				t.Fatalf("%s again: %d events, %+v", all[i], len(events), r)
			}
		}
	}
}

func TestEditedFileChangesExactlyTheEditedRows(t *testing.T) {
	l := newLedger(t)
	before := file(t, "deals.csv")
	l.load("deals", before)
	r, events := l.load("deals", strings.Replace(before, "800,USD", "900,USD", 1))
	l.wantCounts(r, 0, 1, 2, 0)
	if len(events) != 1 || events[0].Deal != "D-2" || events[0].Attrs["amount"] != "900" {
		t.Fatalf("%+v", events)
	}
	r, events = l.load("deals", before) // A, B, A ends at A
	l.wantCounts(r, 0, 1, 2, 0)
	if got := l.states(trail.DealKind)["D-2"].Attrs["amount"]; len(events) != 1 || got != "800" {
		t.Fatalf("amount is %s after going back", got)
	}
	l.load("touches", file(t, "touches.csv"))
	r, events = l.load("touches", strings.Replace(file(t, "touches.csv"), "09:15:30", "09:15:31", 1))
	l.wantCounts(r, 1, 0, 4, 0)
	if len(events) != 1 || events[0].Kind != trail.Replied {
		t.Fatalf("%+v", events)
	}
}

func TestAbsentColumnsKeepAndEmptyCellsClear(t *testing.T) {
	l := newLedger(t)
	l.load("deals", file(t, "deals.csv"))
	r, _ := l.load("deals", "ID ;Loss Reason\nD-2;\nD-3;\n")
	l.wantCounts(r, 0, 1, 1, 0)
	a := l.states(trail.DealKind)["D-2"].Attrs
	if _, has := a["loss_reason"]; has || a["amount"] != "800" || a["status"] != "lost" {
		t.Fatalf("got %s", show(a))
	}
	l.load("contacts", file(t, "contacts.csv"))
	l.load("contacts", "email,title\nANNA@acme.example,\n")
	if p := l.states(trail.ContactKind)[string(key.ID("anna@acme.example"))].Person; p.Name != "Anna Muster" || p.Title != "" {
		t.Fatalf("person is %+v", p)
	}
}

func TestShuffledRowsGiveTheSameEvents(t *testing.T) {
	many := "at,kind,content,contact,deal,rep,agent\n"
	deals := "id,amount,closed_at\n"
	for i := range 300 {
		many += fmt.Sprintf("2026-01-%02d,clicked,c%d,p%d@acme.example,,,\n", 1+i%3, i%5, i%7)
		deals += fmt.Sprintf("D%d,%d.5,%d/%d/2026\n", i%280, i%280, 1+i%28, 1+i%12) // D0 to D19 twice, with other dates
	}
	for table, body := range map[string]string{"touches": many, "deals": deals} {
		var first []string
		var accepted int
		for range 4 {
			lines := strings.SplitAfter(strings.TrimSuffix(body, "\n"), "\n")
			rest := lines[1:]
			rest[len(rest)-1] = strings.TrimSuffix(rest[len(rest)-1], "\n") + "\n"
			rand.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
			l := newLedger(t)
			r, events := l.load(table, lines[0]+strings.Join(rest, ""))
			got := ids(events)
			if len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Fatalf("%s: an ID twice", table)
			}
			if first == nil {
				first, accepted = got, r.Accepted
			} else if !slices.Equal(first, got) || r.Accepted != accepted {
				t.Fatalf("%s: another order, other events", table)
			}
			body = lines[0] + strings.Join(rest, "")
		}
	}
}

func TestKeyTwiceWithOtherValuesRejectsBoth(t *testing.T) {
	l := newLedger(t)
	r, _ := l.load("deals", "id,amount\nA,1\nB,2\nA,3\nB,2.00\nC,x\nC,5\n")
	l.wantCounts(r, 2, 0, 1, 3)
	if len(r.Rows) != 3 || r.Rows[0].Line != 2 || r.Rows[1].Line != 4 || !strings.Contains(r.Rows[0].Reason, "line 4") || !strings.Contains(r.Rows[1].Reason, "line 2") {
		t.Fatalf("%+v", r.Rows)
	}
	if _, has := l.states(trail.DealKind)["A"]; has {
		t.Fatal("one of the two was loaded")
	}
}

func TestBadRowsAreListedAndGoodOnesLoaded(t *testing.T) {
	l := newLedger(t)
	for _, c := range []struct{ table, body, reason string }{
		{"deals", "id,amount\nA,\"12,5o\"\nB,2\n", `amount "12,5o" is not a number`},
		{"deals", "id,amount,Close Date\nA,x,30.02.2026\nB,2,\n", `amount "x" is not a number; Close Date "30.02.2026" is a day that does not exist`},
		{"deals", "id,status\nA,maybe\nB,won\n", `status "maybe" is not open, won or lost`},
		{"deals", "id,currency\nA,Euro\nB,EUR\n", `currency "Euro" is not a currency code`},
		{"deals", "id,amount,currency\nA,$5 USD,EUR\nB,5 EUR,\n", `differs from the currency that the amount names`},
		{"deals", "id,contacts\nA,anna@acme.example;bogus\nB,\n", "is not a mail address; separate several with ;"},
		{"deals", "id,domain\nA,Acme AG\nB,acme.example\n", "is not a domain"},
		{"deals", "id,name\n,x\nB,y\n", "id is empty"},
		{"deals", "id,name\nA\nB,y\n", "the row has 1 cells and the header has 2"},
		{"deals", "id,name\nA,x,5\nB,y\n", "a cell that holds the delimiter must be quoted"},
		{"deals", "id,name\nA,\"never closed\nB,y\n", "a quote that opens in this row is not closed"},
		{"deals", "id,name\nA," + strings.Repeat("x", 65<<10) + "\nB,y\n", "longer than 64 KiB"},
		{"deals", "id,name\nA," + strings.Repeat("x", 5<<20) + "\nB,y\n", "longer than 4 MiB"},
		{"deals", "id,name\nA,ok \x00\nB,größe äöü\n", "NUL"},
		{"deals", "id,name\nA,\xff\nB,größe äöü\n", "not valid text"},
		{"deals", "id,name\n" + strings.Repeat("k", 201) + ",x\nB,\n", "longer than 200 characters"},
		{"contacts", "email\nanna(at)acme.example\nb@acme.example\n", `email "anna(at)acme.example" is not a mail address`},
		{"contacts", "email,consent\na@acme.example,perhaps\nb@acme.example,no\n", "is neither yes nor no"},
		{"content", "id,url\nA,ftp://x.example/\nB,https://x.example/\n", `url "ftp://x.example/" must begin with https:// or http://`},
		{"content", "id,url\nA,https://u@x.example/\nB,\n", "must name a host and no user"},
		{"content", "id,other_urls\nA,https://x.example/ javascript:alert(1)\nB,\n", `which must begin with https://`},
		{"content", "id,cost\nA,-5\nB,5\n", `cost "-5" is negative`},
		{"stages", "deal,stage,at\nD,S,soon\nD,S,2026-01-01\n", `at "soon" is not a date`},
		{"stages", "deal,stage,at\nD,,2026-01-01\nD,S,2026-01-01\n", "stage is empty"},
		{"touches", "at,kind,content\n2026-01-01,danced,c\n2026-01-01,clicked,c\n", `kind "danced" is not opened`},
		{"touches", "at,kind,content\n2026-01-01,clicked,\n2026-01-01,viewed,c\n", "content is needed for a touch of kind clicked"},
		{"touches", "at,kind,content,agent\n2026-01-01,clicked,c,robot\n2026-01-01,viewed,c,proxy\n", "is not human, proxy"},
	} {
		r, events := l.load(c.table, c.body)
		if r.Rejected != 1 || len(r.Rows) != 1 || r.Accepted != 1 {
			t.Fatalf("%s\n%.80q: %+v", c.table, c.body, r)
		}
		if row := r.Rows[0]; row.Line != 2 || !strings.Contains(row.Reason, c.reason) {
			t.Fatalf("%.80q: %+v, want %q", c.body, row, c.reason)
		}
		for _, e := range events {
			if e.Deal == "A" || e.Content == "A" {
				t.Fatalf("%.80q: the bad row was loaded", c.body)
			}
		}
	}
}

func TestMoreThanAThousandRejectionsAreCounted(t *testing.T) {
	l := newLedger(t)
	r, _ := l.load("deals", "id,amount\n"+strings.Repeat("A,x\n", 1500))
	if r.Rejected != 1500 || len(r.Rows) != 1000 || r.Truncated != 500 {
		t.Fatalf("rejected %d, listed %d, truncated %d", r.Rejected, len(r.Rows), r.Truncated)
	}
	b, err := json.Marshal(r)
	if err != nil || !bytes.Contains(b, []byte(`"rejected":1500`)) || !bytes.Contains(b, []byte(`{"line":2,"column":"amount","value":"x","reason":`)) {
		t.Fatalf("%v %.300s", err, b)
	}
}

func TestDryRunTellsNobody(t *testing.T) {
	l := newLedger(t)
	for _, table := range all {
		r, err := l.importer().Import(context.Background(), table, "", strings.NewReader(file(t, table+".csv")), true)
		if err != nil || !r.DryRun || r.New != r.Read || len(l.events)+len(l.listed) != 0 {
			t.Fatalf("%s: %v %+v", table, err, r)
		}
	}
}

func TestWhatAPersonCanMendIsAProblem(t *testing.T) {
	l := newLedger(t)
	for _, c := range []struct{ table, body, text string }{
		{"people", "id\n", "the tables are content, contacts, deals, stages and touches"},
		{"deals", "", "is empty"},
		{"deals", "\xef\xbb\xbf \n", "is empty"},
		{"deals", "Name,Amount\nx,1\n", `The column id is missing. Found: "Name", "Amount". The table deals takes: id, name,`},
		{"stages", "deal,when\nx,1\n", "The column stage, at is missing"},
		{"deals", "id,amount,Amount\n1,2,3\n", `The column "amount" is there twice`},
		{"deals", "id,closed_at\n1,01/02/2026\n", `"closed_at" may begin with the day or the month`},
		{"deals", "id,closed_at\n1,01/02/2026\n2,13/02/2026\n3,02/13/2026\n", `may begin with the day or the month`},
		{"deals", "<html><table><tr><td>id", "is a web page"},
		{"deals", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old or protected Excel file"},
		{"deals", "PK\x03\x04 and nothing", "cannot be read as an Excel workbook"},
	} {
		_, err := l.importer().Import(context.Background(), c.table, "crm.csv", strings.NewReader(c.body), false)
		var p *trail.Problem
		if !errors.As(err, &p) || p.Code != trail.Invalid || !strings.Contains(p.Text, c.text) {
			t.Fatalf("%q: %v, want %q", c.body, err, c.text)
		}
	}
	_, err := l.importer().Import(context.Background(), "deals", "", io.LimitReader(endless{}, 300<<20), false)
	var p *trail.Problem
	if !errors.As(err, &p) || p.Code != trail.TooLarge {
		t.Fatalf("300 MB: %v", err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '\n'
	}
	return len(b), nil
}

// Two IDs may have one key in links: only the second of them is refused.
func TestContentThatTheCatalogueRefusesIsOneRejectedRow(t *testing.T) {
	l := newLedger(t)
	im := l.importer()
	list := im.Listed
	im.Listed = func(ctx context.Context, targets ...trail.Target) error {
		for _, target := range targets {
			if target.Content == "twin" {
				return trail.Problemf(trail.Conflict, "The content ID twin is taken.")
			}
		}
		return list(ctx, targets...)
	}
	body := "id,title,url\na,A,https://acme.example/a\ntwin,T,https://acme.example/t\n,no id,https://acme.example/\nb,B,https://acme.example/b\n"
	r, err := im.Import(context.Background(), "content", "", strings.NewReader(body), false)
	if err != nil {
		t.Fatal(err)
	}
	l.wantCounts(r, 2, 0, 0, 2)
	if want := (crm.Rejection{Line: 3, Column: "id", Value: "twin", Reason: "The content ID twin is taken."}); r.Rows[0] != want || r.Rows[1].Line != 4 {
		t.Errorf("rejected are %+v, want first %+v", r.Rows, want)
	}
	if got := l.states(trail.ContentKind); len(got) != 2 || len(l.listed) != 2 {
		t.Errorf("registered are %v, listed %v", got, l.listed)
	}
	im.Listed = func(context.Context, ...trail.Target) error { return errors.New("connection refused") }
	_, err = im.Import(context.Background(), "content", "", strings.NewReader("id,title,url\nc,C,https://acme.example/c\n"), false)
	if p := (*trail.Problem)(nil); !errors.As(err, &p) || p.Code != trail.Unavailable {
		t.Errorf("without a catalogue: %v", err)
	}
}

func TestImportThatStopsCanBeRepeated(t *testing.T) {
	var b strings.Builder
	b.WriteString("id,name\n")
	for i := range 9000 {
		fmt.Fprintf(&b, "D%d,x\n", i)
	}
	l := newLedger(t)
	calls := 0
	gone := errors.New("connection refused")
	l.emit = func(context.Context, ...trail.Event) error {
		if calls++; calls == 2 {
			return gone
		}
		return nil
	}
	im := l.importer()
	im.States = func(_ context.Context, _ trail.Kind, s []string) (map[string]trail.State, error) {
		if len(s) > 5000 {
			t.Fatalf("%d subjects at once", len(s))
		}
		return nil, nil // the ledger's own is slow for so many
	}
	r, err := im.Import(context.Background(), "deals", "", strings.NewReader(b.String()), false)
	var p *trail.Problem
	if !errors.As(err, &p) || !errors.Is(err, gone) || !strings.Contains(p.Text, "after 4000 rows were accepted. Repeating it is safe") || r.Accepted != 4000 {
		t.Fatalf("%v, accepted %d", err, r.Accepted)
	}
	before := l.states(trail.DealKind)
	im.States = func(context.Context, trail.Kind, []string) (map[string]trail.State, error) { return before, nil }
	r, err = im.Import(context.Background(), "deals", "", strings.NewReader(b.String()), false)
	if err != nil {
		t.Fatal(err)
	}
	l.wantCounts(r, 5000, 0, 4000, 0)
	if files, _ := os.ReadDir(im.Dir); len(files) != 0 {
		t.Fatalf("%d temporary files are left", len(files))
	}
}
