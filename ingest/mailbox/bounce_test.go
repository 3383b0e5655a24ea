package mailbox_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

// samples says what the mails in testdata/bounces yield, by kind of mail: for
// each failed recipient its address, severity and status; for all other mail the
// kind of its event, or a piece of the reason for none.
var samples = map[string]map[string][]string{
	"reports": {
		"postfix":                {"bo@northwind.example hard 5.1.1"},
		"postfix-two-recipients": {"bo@northwind.example hard 5.1.1", "kim@quayside.example soft 4.2.2"},
		"mixed-outcomes":         {"kim@quayside.example hard 5.1.1"},
		"headers-only":           {"bo@northwind.example soft 5.2.2"},
		"policy":                 {"bo@northwind.example soft 5.7.1"},
		"system-full":            {"bo@northwind.example soft 5.3.1"},
		"generic-status":         {"bo@northwind.example hard 5.1.10"},
		"no-status":              {"bo@northwind.example hard "},
		"no-status-temporary":    {"bo@northwind.example soft "},
		"no-action":              {"bo@northwind.example hard 5.1.1"},
		"no-blank-lines":         {"bo@northwind.example hard 5.1.1", "kim@quayside.example soft 4.4.7"},
		"folded-fields":          {"bo@northwind.example hard 5.1.1"},
		"forwarded-address":      {"bo@northwind.example hard 5.1.1"},
		"global":                 {"jörg@northwind.example hard 5.1.1"},
		"no-closing-edge":        {"bo@northwind.example hard 5.1.1"},
		"no-boundary-parameter":  {"bo@northwind.example hard 5.1.1"},
		"no-report-type":         {"bo@northwind.example hard 5.1.1"},
		"mixed-type":             {"bo@northwind.example hard 5.1.1"},
		"no-original-but-thread": {"bo@northwind.example hard 5.1.1"},
		"no-status-part":         {"bo@northwind.example hard 5.1.1"},
		"no-recipient-fields":    {"bo@northwind.example hard 5.1.1"},
		"encoded-original":       {"bo@northwind.example hard 5.1.1"},
		"gmail":                  {"bo@northwind.example hard 5.1.1"},
		"office365":              {"bo@northwind.example hard 5.1.10"},
		"token-in-original":      {"bo@northwind.example hard 5.1.1"},
		"token-in-html-original": {"bo@northwind.example hard 5.1.1"},
		"own-and-outside":        {"bo@northwind.example hard 5.1.1"},
		"sender-without-domain":  {"bo@northwind.example hard 5.1.1"},
		"x400-recipient":         {"bo@northwind.example hard 5.1.0"},
	},
	"words": {
		"qmail":                 {"bo@northwind.example hard 5.1.1"},
		"qmail-token-in-copy":   {"bo@northwind.example hard 5.1.1"},
		"exim":                  {"bo@northwind.example hard "},
		"exim-two-recipients":   {"bo@northwind.example hard 5.1.1", "kim@quayside.example soft 4.2.2"},
		"yahoo-like":            {"bo@northwind.example soft 5.7.9"},
		"sendmail-old":          {"bo@northwind.example hard 5.1.1"},
		"exchange-old":          {"bo@northwind.example hard 5.1.1"},
		"exchange-html":         {"bo@northwind.example hard 5.4.1"},
		"german":                {"bo@northwind.example hard "},
		"spanish":               {"bo@northwind.example soft 4.2.2"},
		"italian":               {"bo@northwind.example hard 5.1.1"},
		"japanese":              {"bo@northwind.example hard 5.1.1"},
		"polish-no-code":        {"bo@northwind.example soft "},
		"quoted-headers":        {"bo@northwind.example hard 5.1.1"},
		"only-the-id":           {"bo@northwind.example hard 5.1.1"},
		"no-address":            {" soft "},
		"no-code-one-recipient": {"bo@northwind.example soft "},
		"other-sender":          {"bo@northwind.example hard 5.1.1"},
		"dutch-windows-1252":    {"bo@northwind.example hard 5.1.1"},
	},
	"no bounces": {
		"delayed-report":            {"is late"},
		"delayed-exim":              {"is late"},
		"delayed-gmail":             {"is late"},
		"delayed-german":            {"is late"},
		"delivered-report":          {"does not say which mail"},
		"relayed-report":            {"does not say which mail"},
		"relayed-no-report":         {"does not say which mail"},
		"read-receipt":              {"opened"},
		"read-receipt-no-type":      {"does not say which mail"},
		"feedback-report":           {"does not say which mail"},
		"unknown-original":          {"not known to have carried content"},
		"older-mail-in-thread-only": {"not known to have carried content"},
		"token-only-quoted":         {"not known to have carried content"},
		"own-recipient":             {"at one of your own"},
		"list-digest":               {"answers no mail"},
		"quarantine-digest":         {"not known to have carried content"},
		"forged-no-content":         {"not known to have carried content"},
	},
	"answers": {
		"person-quotes-bounce":   {"replied"},
		"person-forwards-bounce": {"replied"},
		"person-forwards-parts":  {"replied"},
		"postmaster-answers":     {"does not say which mail"},
		"vacation":               {"autoreplied"},
		"vacation-quotes-bounce": {"autoreplied"},
		"icloud-vacation":        {"autoreplied"},
		"exchange-out-of-office": {"autoreplied"},
		"left-the-company":       {"autoreplied"},
	},
}

// sample returns a mail of testdata/bounces with a tracked link where it wants one.
func sample(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "bounces", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	_, link := share(t, "roi-guide")
	if strings.Contains(string(raw), "quoted-printable") {
		link = strings.ReplaceAll(link, "=", "=3D")
	}
	return strings.ReplaceAll(string(raw), "{{link}}", link)
}

// yields says in words what a mail in an Inbox yields.
func yields(t testing.TB, message string) (words []string, got []trail.Event) {
	t.Helper()
	got, reason := events(t, knows(t, "m1@harbor.example"), message, mailbox.Inbox)
	if reason != "" {
		return []string{reason}, nil
	}
	for _, e := range got {
		if e.Kind != trail.Bounced {
			words = append(words, string(e.Kind))
			continue
		}
		address := ""
		if e.Person != nil {
			address = e.Person.Address
			if *e.Person != (trail.Person{Address: address}) || e.Contact != contacts.ID(address) || e.Account != trail.Domain(address) {
				t.Errorf("%+v is not of %s alone", e, address)
			}
		} else if e.Contact != "" || e.Account != "" {
			t.Errorf("%+v names somebody", e)
		}
		words = append(words, address+" "+e.Attrs["severity"]+" "+e.Attrs["status"])
	}
	return words, got
}

func TestEverySampleIsReadForWhatItIs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "bounces", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for kind, mails := range samples {
		right := 0
		for _, name := range slices.Sorted(maps.Keys(mails)) {
			want := mails[name]
			got, _ := yields(t, sample(t, name))
			if slices.Equal(got, want) || len(got) == 1 && !strings.Contains(want[0], "@") && strings.TrimSpace(want[0]) == want[0] && strings.Contains(got[0], want[0]) {
				right++
			} else {
				t.Errorf("%s, %s: %q, want %q", kind, name, got, want)
			}
		}
		t.Logf("%s: %d of %d are right", kind, right, len(mails))
		count += len(mails)
	}
	if count != len(files) || count < 40 {
		t.Errorf("%d mails are expected to yield something and there are %d files", count, len(files))
	}
}

func TestBounceIsTiedToTheMailThatDidNotArrive(t *testing.T) {
	for name, id := range map[string]string{
		"postfix": "m1@harbor.example", "qmail": "m1@harbor.example", "gmail": "m1@harbor.example", "exchange-html": "m1@harbor.example",
		"no-address": "m1@harbor.example", "token-in-original": "unread@harbor.example", "qmail-token-in-copy": "unread@harbor.example",
	} {
		_, got := yields(t, sample(t, name))
		if len(got) != 1 || got[0].Message != contacts.MessageHash(id) || got[0].Rep != rep || got[0].Content != "" ||
			!got[0].At.Equal(time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: %+v, want a bounce of %s", name, got, id)
		}
	}
}

func TestEachFailedRecipientHasItsOwnEvent(t *testing.T) {
	message := sample(t, "postfix-two-recipients")
	_, first := yields(t, message)
	again, _, _ := readAs(knows(t, "m1@harbor.example"), []byte(message), mailbox.Inbox, rep, arrived.Add(time.Hour))
	if len(first) != 2 || first[0].ID == first[1].ID || again[0].ID != first[0].ID || again[1].ID != first[1].ID {
		t.Errorf("%+v, read again %+v", first, again)
	}
	if want := trail.IDFrom(first[0].At, "mail", "b2@relay", "bounced", "bo@northwind.example"); first[0].ID != want {
		t.Errorf("ID %s, want %s", first[0].ID, want)
	}
}

func TestSeveritySaysWhetherTheAddressIsGone(t *testing.T) {
	for status, want := range map[string]string{
		"5.1.1": "hard", "5.1.10": "hard", "5.2.1": "hard", "5.4.4": "hard", "5.5.0": "hard", "5.0.0": "hard", "5.1.2": "hard", "5.2.20": "hard",
		"5.2.2": "soft", "5.2.3": "soft", "5.3.0": "soft", "5.3.4": "soft", "5.7.1": "soft", "5.7.26": "soft", "5.1.8": "soft", "5.4.7": "soft",
		"5.6.1": "soft", "4.1.1": "soft", "4.7.0": "soft",
	} {
		message := strings.Replace(sample(t, "postfix"), "Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1", "Status: "+status+"\nDiagnostic-Code: smtp; 550", 1)
		if got, _ := yields(t, message); !slices.Equal(got, []string{"bo@northwind.example " + want + " " + status}) {
			t.Errorf("%s: %q, want %s", status, got, want)
		}
	}
	for code, want := range map[string]string{
		"550 nobody": " hard ", "552 no room": " soft ", "452 no room": " soft ", "nobody": " soft ", "host 5.1.1.20 refused": " soft ", "relay 4.94.2 (550)": " hard ",
		"#5.1.1": " hard 5.1.1", "550-5.1.1 nobody": " hard 5.1.1", "said: 550 5.2.2 no room": " soft 5.2.2", "(reason: 550 5.1.1 <x>)": " hard 5.1.1",
	} {
		message := strings.Replace(sample(t, "polish-no-code"), "nie znam", code, 1)
		if got, _ := yields(t, message); !slices.Equal(got, []string{"bo@northwind.example" + want}) {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
}

func TestSubjectsOfMailSystemsInManyLanguages(t *testing.T) {
	for _, subject := range []string{
		"Undeliverable: the guide", "Mail delivery failed: returning message to sender", "failure notice", "Returned mail: see transcript for details", "Message not delivered",
		"Unzustellbar: the guide", "Zustellung fehlgeschlagen", "Non remis : the guide", "Échec de la remise : the guide", "No se puede entregar: the guide", "Correo devuelto",
		"Non recapitabile: the guide", "Não foi possível entregar: the guide", "Onbestelbaar: the guide", "Olevererbart: the guide", "Kan ikke leveres: the guide",
		"Niedostarczalne: the guide", "Nedoručitelné: the guide", "Недоставленное сообщение", "配信不能: the guide", "无法送达: the guide", "배달되지 않음: the guide",
	} {
		message := strings.Replace(sample(t, "polish-no-code"), "Subject: Niedostarczona wiadomosc", "Subject: "+subject, 1)
		if got, _ := yields(t, message); !slices.Equal(got, []string{"bo@northwind.example soft "}) {
			t.Errorf("%q: %q", subject, got)
		}
		answer := strings.NewReplacer("postmaster@northwind.example", "bo@northwind.example", "Subject: ", "Subject: Re: ").Replace(message)
		if got, _ := yields(t, answer); strings.Contains(got[0], "@") {
			t.Errorf("an answer to %q is a bounce: %q", subject, got)
		}
	}
}

func TestAutomaticRepliesAreNoReplies(t *testing.T) {
	r := knows(t, "m1@h")
	f := func(want trail.Kind, subject string, headers ...string) {
		t.Helper()
		message := reply("v1@n", "Away", append([]string{"In-Reply-To: <m1@h>"}, headers...)...)
		if subject != "" {
			message = strings.Replace(message, "Subject: Re: the guide", "Subject: "+subject, 1)
		}
		got, reason := events(t, r, message, mailbox.Inbox)
		if len(got) != 1 || got[0].Kind != want {
			t.Errorf("%q %q: %+v %s, want %s", subject, headers, got, reason, want)
		}
	}
	const loop = "X-MS-Exchange-Inbox-Rules-Loop: bo@northwind.example"
	f(trail.Autoreplied, "", "Auto-Submitted: auto-generated")
	f(trail.Autoreplied, "", "Auto-Submitted: AUTO-REPLIED; owner-email=x")
	f(trail.Autoreplied, "", "X-Autorespond: the guide")
	f(trail.Autoreplied, "", "X-Autogenerated: Reply")
	for _, subject := range []string{
		"Automatic reply: the guide", "Out of Office AutoReply: the guide", "Automatische Antwort: the guide", "Abwesenheitsnotiz: the guide", "Réponse automatique : the guide",
		"Réponse automatique\u00a0: the guide", "Respuesta automática: the guide", "Fuera de la oficina: the guide", "Risposta automatica: the guide", "Automatisch antwoord: the guide",
		"Resposta automática: the guide", "Automatiskt svar: the guide", "Automatisk svar: the guide", "Odpowiedź automatyczna: the guide", "Automatická odpověď: the guide",
		"Автоматический ответ: the guide", "自動応答: the guide", "自动答复: the guide", "Otomatik Yanıt: the guide",
	} {
		f(trail.Autoreplied, subject)
		f(trail.Autoreplied, subject, loop, "X-Auto-Response-Suppress: All")
		f(trail.Replied, "Re: "+subject)
		f(trail.Replied, "Re: "+subject, "X-Auto-Response-Suppress: All")
	}
	f(trail.Autoreplied, "Abwesend bis Montag", loop)
	f(trail.Replied, "Abwesend bis Montag")
	f(trail.Replied, "", loop)
	f(trail.Replied, "", "X-Auto-Response-Suppress: DR, OOF, AutoReply")
}

func TestUnknownOriginalIsAnErrorNotALoss(t *testing.T) {
	r := reader(t)
	r.WasSent = func(...string) (map[string]bool, error) { return nil, os.ErrDeadlineExceeded }
	if _, _, err := readAs(r, []byte(sample(t, "postfix")), mailbox.Inbox, rep, arrived); err == nil {
		t.Error("no error, so the bounce would be passed over for ever")
	}
}

// TestLargeBouncesAreReadInBoundedTime: what looks like addresses, headers,
// codes and reports costs time in proportion.
func TestLargeBouncesAreReadInBoundedTime(t *testing.T) {
	const big = 1 << 20
	head := "From: MAILER-DAEMON@n.example\nSubject: failure notice\nReturn-Path: <>\n"
	for name, message := range map[string]string{
		"addresses":      head + "\n" + strings.Repeat("a@b.example ", big/12),
		"header lines":   head + "\n" + strings.Repeat("A: b\n", big/5) + "Message-ID: <a@b>\n",
		"codes":          head + "\n" + strings.Repeat("550 5.1.1 ", big/10),
		"words":          head + "\n" + strings.Repeat("failed recipient not ", big/21),
		"many originals": head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: message/rfc822\n\nMessage-ID: <m1@harbor.example>\n\nx\n", 4000),
		"many blocks":    head + "Content-Type: multipart/report; boundary=b; report-type=delivery-status\n\n--b\nContent-Type: message/delivery-status\n\n" + strings.Repeat("Final-Recipient: rfc822; a@b.example\nAction: failed\n\n", big/54),
		"one field":      head + "Content-Type: multipart/report; boundary=b; report-type=delivery-status\n\n--b\nContent-Type: message/delivery-status\n\nA: b\n" + strings.Repeat(" c\n", big/3),
	} {
		began := time.Now()
		if _, _, err := readAs(knows(t, "m1@harbor.example"), []byte(message), mailbox.Inbox, rep, arrived); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s took %s", name, took)
		} else {
			t.Logf("%s: %s", name, took)
		}
	}
}

// FuzzBounce: whatever comes back, it is read in bounded time and yields valid
// events that are the same the next time, or a reason.
func FuzzBounce(f *testing.F) {
	for _, mails := range samples {
		for name := range mails {
			f.Add([]byte(sample(f, name)))
		}
	}
	r := knows(f, "m1@harbor.example")
	f.Fuzz(func(t *testing.T, raw []byte) {
		began := time.Now()
		got, reason, err := readAs(r, raw, mailbox.Inbox, rep, arrived)
		if took := time.Since(began); took > time.Minute {
			t.Fatalf("%d bytes took %s", len(raw), took)
		}
		if err != nil || (len(got) == 0) == (reason == "") {
			t.Fatalf("%d events, reason %q, error %v", len(got), reason, err)
		}
		again, _, _ := readAs(r, raw, mailbox.Inbox, rep, arrived.Add(time.Hour))
		ids := map[trail.ID]bool{}
		for i, e := range got {
			if err := e.Validate(); err != nil {
				t.Fatal(err)
			}
			if ids[e.ID] || again[i].ID != e.ID {
				t.Fatalf("ID %s is not its own, or another the next time", e.ID)
			}
			if e.Kind == trail.Bounced && (e.Attrs["severity"] != "hard" && e.Attrs["severity"] != "soft" || (e.Person == nil) != (e.Contact == "")) {
				t.Fatalf("%+v", e)
			}
			ids[e.ID] = true
		}
	})
}
