package outbox_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"dealtrail/ingest"
	"dealtrail/ingest/redistest"
	"dealtrail/outbox"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestMain(m *testing.M) {
	logging.Disable()
	storetest.Main(m)
}

const (
	rita = "rita@us.example"
	sam  = "sam@us.example"
	// hostile is what somebody may call a thing to do harm in a mail or chat.
	hostile = "Big <deal> & [link](http://evil.example)\r\nBcc: all@evil.example\n<!channel>"
)

var (
	keys = trail.ContactKey("the key of the outbox's tests")
	ann  = keys.ID("ann@alpha.example")
	bob  = keys.ID("bob@alpha.example")
	// monday is when the review of 2026-W47 is due in UTC.
	monday = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
)

// world is a small company, a Redis, and a clock that the test moves.
type world struct {
	t   *testing.T
	db  *store.DB
	rdb redis.UniversalClient
	now time.Time
	n   int

	making []trail.Event // inserted at once
}

func newWorld(t *testing.T) *world {
	t.Helper()
	_, rdb := redistest.Start(t)
	w := &world{t: t, db: storetest.Open(t), rdb: rdb, now: monday}
	w.db.ReviewAt = trail.UsualReview
	w.making = []trail.Event{}
	old := monday.AddDate(0, -2, 0)
	w.add(trail.Registration("csv", trail.ContentKind, "deck", trail.State{}, state("title", "The Deck"), old))
	w.add(trail.Registration("csv", trail.ContentKind, "odd", trail.State{}, state("title", "=SUM(A1) "+hostile), old))
	person := func(id trail.ContactID, p trail.Person, attrs ...string) {
		e := trail.Registration("csv", trail.ContactKind, string(id), trail.State{}, state(attrs...), old)
		e.Person, e.Account = &p, "alpha.example"
		w.add(e)
	}
	person(ann, trail.Person{Address: "ann@alpha.example", Name: "Ann <b>Arbor</b>", Title: "CFO"}, "account", "Alpha & Co", "status", "lead")
	person(bob, trail.Person{Address: "bob@alpha.example", Name: "Bob"}, "account", "Alpha & Co", "role", "buyer")
	deal := func(id string, attrs ...string) {
		w.add(trail.Registration("csv", trail.DealKind, id, trail.State{}, state(append(attrs, "created_at", old.Format(time.RFC3339))...), old))
	}
	deal("D1", "name", hostile, "status", "open", "owner", rita, "contacts", string(ann)+" "+string(bob))
	deal("D2", "name", "Won one", "status", "won", "owner", sam, "closed_at", monday.AddDate(0, 0, -4).Format(time.RFC3339))
	deal("D3", "name", "Sam's", "status", "open", "owner", sam)
	w.sent("s1", "deck", rita, "", ann)
	w.sent("s2", "deck", rita, "", ann, bob)
	w.sent("s3", "odd", rita, "", ann)
	w.sent("s4", "deck", sam, "D3", bob)
	all := w.making
	w.making = nil
	w.add(all...)
	return w
}

func state(attrs ...string) trail.State {
	s := trail.State{Attrs: map[string]string{}}
	for i := 0; i+1 < len(attrs); i += 2 {
		s.Attrs[attrs[i]] = attrs[i+1]
	}
	return s
}

func (w *world) add(events ...trail.Event) {
	w.t.Helper()
	for i := range events {
		if err := events[i].Validate(); err != nil {
			w.t.Fatal(err)
		}
	}
	if w.making != nil {
		w.making = append(w.making, events...)
		return
	}
	if err := w.db.InsertEvents(context.Background(), events); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) event(kind trail.Kind, at time.Time) trail.Event {
	w.n++
	return trail.Event{ID: trail.IDFrom(at, "test", fmt.Sprint(w.n)), Kind: kind, At: at, ReceivedAt: at, Source: "test"}
}

func (w *world) sent(share, content, rep, deal string, to ...trail.ContactID) {
	at := monday.AddDate(0, -1, 1)
	made := w.event(trail.Shared, at)
	made.Share, made.Content, made.Rep, made.Deal = trail.ShareID(share), content, rep, deal
	w.add(made)
	for _, c := range to {
		e := w.event(trail.Sent, at)
		e.Share, e.Content, e.Rep, e.Contact, e.Message = trail.ShareID(share), content, rep, c, "m-"+share
		w.add(e)
	}
}

// clicked has a person, or whoever is named, click on a share.
func (w *world) clicked(share, content string, at time.Time, agent ...trail.Agent) {
	e := w.event(trail.Clicked, at)
	e.Share, e.Content, e.Verdict = trail.ShareID(share), content, trail.Verdict{Agent: append(agent, trail.Human)[0], Probability: 0.99}
	w.add(e)
}

func (w *world) answered(share string, by trail.ContactID, at time.Time) {
	e := w.event(trail.Replied, at)
	e.Message, e.Contact = "m-"+share, by
	w.add(e)
}

// outbox is a process that sends; each has its own memory.
func (w *world) outbox(change func(*outbox.Outbox)) *outbox.Outbox {
	x := &outbox.Outbox{
		DB: w.db, Redis: w.rdb, Contacts: keys, Pages: "https://deals.us.example", Zone: time.UTC, ReviewAt: trail.UsualReview, AnswerDays: 14,
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now },
	}
	change(x)
	return x
}

// troubles is what status would tell.
func (w *world) troubles() (texts []string) {
	w.t.Helper()
	all, err := ingest.Troubles(w.t.Context(), w.rdb)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, t := range all {
		texts = append(texts, t.Text)
	}
	return texts
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// mailServer is an SMTP server of the test.
type mailServer struct {
	mu      sync.Mutex
	got     []got
	refuse  map[string]*smtp.SMTPError // by recipient
	down    bool
	mailer  *outbox.Mailer
	tls     bool // whether the last session was encrypted
	sign    string
	onTaken func()
}

// got is one mail that the server took.
type got struct {
	from, to string
	raw      string
}

// sender is one session with it.
type sender struct {
	s        *mailServer
	from, to string
}

func newMailServer(t *testing.T, config *tls.Config, wraps ...func(net.Listener) net.Listener) *mailServer {
	t.Helper()
	s := &mailServer{refuse: map[string]*smtp.SMTPError{}}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		_, encrypted := c.TLSConnectionState()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tls = encrypted
		return &sender{s: s}, nil
	}))
	server.Domain, server.TLSConfig, server.ErrorLog = "localhost", config, slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	for _, wrap := range wraps {
		ln = wrap(ln)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	s.mailer = &outbox.Mailer{Host: "127.0.0.1", Port: port, TLS: "none", From: mail.Address{Name: "dealtrail", Address: "dealtrail@us.example"}}
	return s
}

func (s *sender) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *sender) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.s.mu.Lock()
		defer s.s.mu.Unlock()
		s.s.sign = user + " " + password
		return nil
	}), nil
}

func (s *sender) Mail(from string, _ *smtp.MailOptions) error {
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	if s.s.down {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later"}
	}
	s.from = from
	return nil
}

func (s *sender) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	s.to = to
	if err := s.s.refuse[to]; err != nil {
		return err
	}
	return nil
}

func (s *sender) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	s.s.got = append(s.s.got, got{s.from, s.to, string(raw)})
	if s.s.onTaken != nil {
		s.s.onTaken()
	}
	return err
}

func (s *sender) Reset()        {}
func (s *sender) Logout() error { return nil }

// take returns what was mailed since it was last asked, by recipient.
func (s *mailServer) take() []got {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.got
	s.got = nil
	slices.SortFunc(all, func(a, b got) int { return strings.Compare(a.to, b.to) })
	return all
}

// set changes how the server behaves.
func (s *mailServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// parts reads a mail as a mail program does.
func (g got) parts(t *testing.T) *enmime.Envelope {
	t.Helper()
	e, err := enmime.ReadEnvelope(strings.NewReader(g.raw))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// header returns the lines of the header by name, each name once.
func (g got) header(t *testing.T) mail.Header {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader([]byte(g.raw)))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header
}

func (g got) id(t *testing.T) string { return g.header(t).Get("Message-Id") }

func (g got) subject(t *testing.T) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(g.header(t).Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noNotes is a Redis client whose notes of what was sent get lost, as when a process
// dies before it wrote them.
type noNotes struct{}

var errDied = errors.New("the process died")

func (noNotes) DialHook(next redis.DialHook) redis.DialHook { return next }
func (noNotes) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (noNotes) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		args := fmt.Sprintf("%s", cmd.Args())
		if cmd.Name() == "set" && (strings.Contains(args, `"sent"`) || strings.Contains(args, `"through"`) || strings.Contains(args, `"told"`)) {
			cmd.SetErr(errDied)
			return errDied
		}
		return next(ctx, cmd)
	}
}

// dying is a client of the same Redis that takes no notes.
func (w *world) dying() redis.UniversalClient {
	c := redis.NewClient(w.rdb.(*redis.Client).Options())
	w.t.Cleanup(func() { c.Close() })
	c.AddHook(noNotes{})
	return c
}
