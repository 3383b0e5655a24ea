package outbox_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/outbox"
	"dealtrail/trail"
)

// receiver is where a chat's webhook leads.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	posts  []posted
	answer func(w http.ResponseWriter)
}

type posted struct {
	header http.Header
	body   string
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.posts = append(r.posts, posted{q.Header, string(body)})
		if r.answer != nil {
			r.answer(w)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take() []posted {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.posts
	r.posts = nil
	return all
}

func (r *receiver) says(answer func(w http.ResponseWriter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func status(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

var signingKey = []byte("thirty-two bytes of a signing key")[:32]

// chat is one that leads to the receiver.
func (r *receiver) chat(name, kind string, change func(*outbox.Chat)) outbox.Chat {
	c := outbox.Chat{
		Name: name, Kind: kind, Events: outbox.Events, Zone: time.UTC, AllowPrivate: true,
		URL: func() (ingest.Secret, error) { return ingest.Secret(r.URL + "/secret-path"), nil },
		Secret: func() (ingest.Secret, error) {
			return ingest.Secret("whsec_" + base64.StdEncoding.EncodeToString(signingKey)), nil
		},
	}
	if change != nil {
		change(&c)
	}
	return c
}

// notices reads a generic message, whose signature must be good at the time.
func (p posted) notices(t *testing.T, now time.Time) []outbox.Notice {
	t.Helper()
	id, stamp := p.header.Get("webhook-id"), p.header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, signingKey)
	mac.Write([]byte(id + "." + stamp + "." + p.body))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); p.header.Get("webhook-signature") != want || strings.Contains(id, ".") {
		t.Errorf("signed %q, want %q", p.header.Get("webhook-signature"), want)
	}
	if seconds, err := strconv.ParseInt(stamp, 10, 64); err != nil || seconds != now.Unix() {
		t.Errorf("timestamp %q at %d", stamp, now.Unix())
	}
	var m struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      struct {
			Notices []outbox.Notice `json:"notices"`
			More    int             `json:"more"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(p.body), &m); err != nil || m.Type != "notices" || m.Timestamp.Unix() != now.Unix() || p.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %+v", err, m)
	}
	return m.Data.Notices
}

// request is a rep's, asked so many days ago.
func (w *world) request(rep, deal, text string, days int) trail.Request {
	w.t.Helper()
	e, q, err := trail.Request{Rep: rep, Deal: deal, Text: text, Stage: "Demo"}.Event("ui", w.now.AddDate(0, 0, -days))
	w.must(err)
	w.add(e)
	return q
}

func TestChatsAreToldOfEachThingOnce(t *testing.T) {
	w := newWorld(t)
	all, mine := receive(t), receive(t)
	chats := []outbox.Chat{
		all.chat("everything", outbox.Generic, func(c *outbox.Chat) { c.Names = true }),
		mine.chat("sams", outbox.Generic, func(c *outbox.Chat) { c.Rep, c.Quiet = sam, outbox.Quiet{From: 18 * 60, To: 8 * 60} }),
	}
	process := func() *outbox.Outbox { return w.outbox(func(x *outbox.Outbox) { x.Chats = chats }) }
	look := func(x *outbox.Outbox) {
		t.Helper()
		if err := x.TellChats(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	one := func(r *receiver) []outbox.Notice {
		t.Helper()
		got := r.take()
		if len(got) != 1 {
			t.Fatalf("%d messages, want one", len(got))
		}
		return got[0].notices(t, w.now)
	}
	none := func(what string) {
		t.Helper()
		if a, b := all.take(), mine.take(); len(a)+len(b) > 0 {
			t.Errorf("%s: %v %v", what, a, b)
		}
	}
	x := process()

	// At first sight: the review that is due and a late request, but no click of before.
	w.clicked("s1", "deck", monday.Add(-time.Hour))
	late := w.request(rita, "D1", "nothing for "+hostile, 20)
	w.request(sam, "D3", "too early", 3)
	w.now = monday.Add(2 * time.Hour)
	look(x)
	n := one(all)
	if len(n) != 2 || n[0].Event != outbox.ReviewReady || n[0].Week != "2026-W47" || !strings.Contains(n[0].Text, "1 deal won") ||
		n[1].Event != outbox.LateRequest || n[1].Request != late.ID || !strings.Contains(n[1].Text, "asked by rita@us.example, for the deal Big <deal>") || strings.ContainsAny(n[1].Text, "\r\n") {
		t.Errorf("%+v", n)
	}
	if n := one(mine); len(n) != 1 || n[0].Event != outbox.ReviewReady {
		t.Errorf("Sam is told %+v", n)
	}
	look(x)
	look(process())
	none("again")

	// Clicks: settled ones by people, once per deal and day; answers too.
	w.clicked("s1", "deck", w.now.Add(time.Minute), trail.Scanner)
	w.clicked("s1", "deck", w.now.Add(time.Minute))
	w.now = w.now.Add(2 * time.Minute)
	look(x)
	none("before it is settled who clicked")
	w.answered("s1", ann, w.now)
	w.clicked("s2", "deck", w.now)
	w.now = w.now.Add(4 * time.Minute)
	look(x)
	n = one(all)
	if len(n) != 1 || n[0].Deal != "D1" || n[0].Clicks != 2 || n[0].Answers != 1 || n[0].URL != "https://deals.us.example/deals/D1" ||
		!strings.Contains(n[0].Text, "Ann <b>Arbor</b> at Alpha & Co: The Deck") || !strings.Contains(n[0].Text, "one of 2 people at Alpha & Co: The Deck") {
		t.Errorf("%+v", n)
	}
	w.clicked("s1", "deck", w.now)
	w.now = w.now.Add(4 * time.Minute)
	look(x)
	none("the same deal, the same day, and not Sam's")

	// Quiet hours: what falls into them comes after them, collapsed, and only if it is still so.
	w.now = time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC)
	w.clicked("s4", "deck", w.now.Add(-time.Hour/2))
	asked := w.request(sam, "D3", "answered in the night", 15)
	still := w.request(sam, "D3", "still open", 15)
	look(process())
	if n := one(all); len(n) != 3 { // the deal and both requests
		t.Errorf("everybody else is told %+v", n)
	}
	none("Sam, in the evening")
	e, _, err := trail.Answer{By: rita, Text: "there is one"}.Event(asked, "ui", w.now.Add(time.Hour))
	w.must(err)
	w.add(e)
	w.clicked("s4", "deck", w.now.Add(6*time.Hour)) // the next day
	w.now = time.Date(2026, 11, 24, 7, 59, 0, 0, time.UTC)
	look(process())
	if n := one(all); len(n) != 1 || n[0].Deal != "D3" {
		t.Errorf("everybody else is told %+v", n)
	}
	none("Sam, before eight")
	w.now = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	look(process())
	n = one(mine)
	if len(n) != 2 || n[0].Deal != "D3" || n[0].Clicks != 2 || n[1].Request != still.ID {
		t.Errorf("Sam is told %+v", n)
	}
	// Without names: role and account, and not who asked.
	if !strings.Contains(n[0].Text, "buyer at Alpha & Co") || strings.Contains(n[0].Text+n[1].Text, "Bob") || strings.Contains(n[1].Text, "sam@") {
		t.Errorf("it names people: %q %q", n[0].Text, n[1].Text)
	}
	look(process())
	none("again")

	listed, err := process().Channels(t.Context())
	if err != nil || len(listed) != 2 || !listed[1].SentAt.Equal(w.now) || listed[1].Quiet != "18:00-08:00" || listed[1].Waiting != 0 {
		t.Errorf("%+v %v", listed, err)
	}
}

// Slack and Teams get what they understand, and nothing that a name can turn into a
// link or a call to all.
func TestSlackAndTeamsTakeNamesAsText(t *testing.T) {
	w := newWorld(t)
	slack, teams := receive(t), receive(t)
	x := w.outbox(func(x *outbox.Outbox) {
		x.Chats = []outbox.Chat{slack.chat("slack", outbox.Slack, nil), teams.chat("teams", outbox.Teams, nil)}
	})
	w.request(rita, "D1", "for <!channel> & <http://evil.example|this>", 20)
	w.must(x.TellChats(t.Context()))
	var text map[string]string
	body := slack.take()[0].body
	if err := json.Unmarshal([]byte(body), &text); err != nil || len(text) != 1 {
		t.Fatalf("%v %s", err, body)
	}
	links := regexp.MustCompile(`<[^>]*>`).FindAllString(text["text"], -1)
	if !slices.Equal(links, []string{"<https://deals.us.example/review?week=2026-W47|Open>", links[len(links)-1]}) || !strings.HasPrefix(links[1], "<https://deals.us.example/requests?state=open#r-") {
		t.Errorf("links %q in %q", links, text["text"])
	}
	if !strings.Contains(text["text"], "&lt;!channel&gt; &amp; &lt;http://evil.example|this&gt;") {
		t.Errorf("%q", text["text"])
	}
	var card struct {
		Type        string `json:"type"`
		Attachments []struct {
			ContentType string `json:"contentType"`
			Content     struct {
				Type, Version string
				Body          []struct {
					Type    string
					Inlines []struct {
						Type, Text   string
						SelectAction struct{ Type, URL string }
					}
				}
			}
		}
	}
	body = teams.take()[0].body
	if err := json.Unmarshal([]byte(body), &card); err != nil || card.Type != "message" || len(card.Attachments) != 1 || card.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" {
		t.Fatalf("%v %s", err, body)
	}
	c := card.Attachments[0].Content
	if c.Type != "AdaptiveCard" || len(c.Body) != 2 {
		t.Fatalf("%+v", c)
	}
	for _, b := range c.Body { // TextBlock would read Markdown
		if b.Type != "RichTextBlock" || len(b.Inlines) != 2 || b.Inlines[0].SelectAction.URL != "" || !strings.HasPrefix(b.Inlines[1].SelectAction.URL, "https://deals.us.example/") {
			t.Errorf("%+v", b)
		}
	}
}
