package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Chat is one place that is told of things by webhook.
type Chat struct {
	Name   string
	Kind   string // Slack, Teams or Generic
	URL    func() (ingest.Secret, error)
	Secret func() (ingest.Secret, error) // of a generic one, whsec_...
	Events []string                      // of Events
	Rep    string                        // only what concerns this rep's deals and requests; empty: all
	Quiet  Quiet
	Zone   *time.Location // of Quiet and of times in messages
	Names  bool           // people by name; else by role and account

	AllowPrivate bool // addresses of this machine and of private networks may be dialled
}

// The kinds of chats.
const (
	Slack   = "slack"
	Teams   = "teams"
	Generic = "generic" // signed after Standard Webhooks
)

// What chats can be told of.
const (
	ReviewReady = "review_ready" // the lead review of a week is due
	HotDeal     = "hot_deal"     // people click or answer in an open deal; once per deal and day at most
	LateRequest = "late_request" // a request is older than was agreed
)

// Events are what chats can be told of, in the order in which they are told.
var Events = []string{ReviewReady, HotDeal, LateRequest}

// notice is one thing that a chat is told of. What it says is found when it is sent.
type notice struct {
	ID      string    `json:"id"` // determined, see noticeID
	Event   string    `json:"event"`
	Subject string    `json:"subject"` // the week, the deal or the request
	At      time.Time `json:"at"`      // since when it is so
}

// batch is notices that go out in one message, under one ID until it is taken: what
// comes meanwhile goes into the next.
type batch struct {
	ID      string   `json:"id"`
	Notices []notice `json:"notices"`
	Attempt attempt  `json:"attempt"`
}

// told is what Redis has of one chat.
type told struct {
	Since   time.Time            `json:"since"`             // when it was first seen: what people did before is no news
	Pending []notice             `json:"pending,omitempty"` // waits for the next message
	Batch   *batch               `json:"batch,omitempty"`   // is being sent
	Told    map[string]time.Time `json:"told,omitempty"`    // notices that are done, by ID, and when
	Sent    time.Time            `json:"sent,omitzero"`     // when a message was taken last

	grown bool // Pending is not as Redis has it
}

const (
	// chatBound is how long a message is tried: what is older is no news.
	chatBound = 24 * time.Hour
	// hotBack is how far back clicks and answers are looked at: mail may be read late.
	hotBack = 24 * time.Hour
	// rememberHot and rememberOther are for how long it is remembered that something was told: as long as it could be found again.
	rememberHot   = 3 * hotBack
	rememberOther = 400 * 24 * time.Hour
	// chatsAtOnce are posted to side by side.
	chatsAtOnce = 8
)

func chatKey(name string) string     { return "dealtrail:outbox:chat:" + name }
func chatTrouble(name string) string { return "chat " + name }

// known reports whether a notice was told or is about to be.
func (t *told) known(id string) bool {
	has := func(all []notice) bool { return slices.ContainsFunc(all, func(n notice) bool { return n.ID == id }) }
	_, done := t.Told[id]
	return done || has(t.Pending) || t.Batch != nil && has(t.Batch.Notices)
}

// finish notes that the batch needs no more trying.
func (t *told) finish(now time.Time) {
	if t.Told == nil {
		t.Told = map[string]time.Time{}
	}
	for _, n := range t.Batch.Notices {
		t.Told[n.ID] = now.UTC()
	}
	for id, at := range t.Told {
		age := rememberOther
		if eventOf(id) == HotDeal {
			age = rememberHot
		}
		if now.Sub(at) > age {
			delete(t.Told, id)
		}
	}
	t.Batch = nil
}

// TellChats finds what chats are to be told, and tells it those that do not rest.
func (x *Outbox) TellChats(ctx context.Context) error {
	if len(x.Chats) == 0 {
		return nil
	}
	now := x.now()
	ctx, release, ok := ingest.Alone(ctx, x.Redis, chatLease)
	if !ok {
		return nil
	}
	defer release()
	states := map[string]*told{}
	for _, c := range x.Chats {
		t := &told{}
		if err := x.read(ctx, chatKey(c.Name), t); err != nil {
			return err
		}
		if t.Since.IsZero() {
			t.Since = now.UTC()
			if err := x.write(ctx, chatKey(c.Name), t); err != nil {
				return err
			}
		}
		states[c.Name] = t
	}
	failed := x.find(ctx, now, states)
	var g errgroup.Group // one that fails ends no other
	g.SetLimit(chatsAtOnce)
	for _, c := range x.Chats {
		g.Go(func() error {
			return safely(ctx, func(ctx context.Context) error { return x.deliver(ctx, c, states[c.Name], now) })
		})
	}
	return errors.Join(failed, g.Wait())
}

// deliver sends a chat what waits, in one message. What it is to say is frozen first:
// after a crash the same message goes out again under the same ID.
func (x *Outbox) deliver(ctx context.Context, c Chat, t *told, now time.Time) error {
	if t.grown { // also while it is quiet: what was found may not be found again then
		if err := x.write(ctx, chatKey(c.Name), t); err != nil {
			return err
		}
	}
	if t.Batch == nil && len(t.Pending) == 0 || c.Quiet.Has(now, c.Zone) {
		return nil
	}
	if t.Batch == nil {
		t.Batch = &batch{ID: x.batchID(c.Name, t.Pending), Notices: t.Pending}
		t.Pending = nil
		if err := x.write(ctx, chatKey(c.Name), t); err != nil {
			return err
		}
	}
	a := &t.Batch.Attempt
	id := t.Batch.ID
	if !x.remembers(id) {
		if now.Before(a.Next) {
			return nil
		}
		lines, err := x.compose(ctx, c, t.Batch.Notices, now)
		if err != nil {
			return err // the store does not answer: no fault of the chat's
		}
		if len(lines) > 0 {
			sent, err := x.send(ctx, c, message{ID: id, At: now, Notices: lines})
			if ctx.Err() != nil && err != nil {
				return ctx.Err()
			}
			if err != nil {
				return x.chatFailed(ctx, c, t, sent, err)
			}
			t.Sent = now.UTC()
			x.Log.Info("told a chat", "chat", c.Name, "what", id, "notices", len(lines))
		}
		x.remember(id)
	}
	t.finish(now)
	if err := x.write(ctx, chatKey(c.Name), t); err != nil {
		return err
	}
	x.forget(id)
	return x.tell(ctx, chatTrouble(c.Name), "")
}

// chatFailed notes that a message was not taken, and whether it is tried again.
func (x *Outbox) chatFailed(ctx context.Context, c Chat, t *told, r response, err error) error {
	now := x.now()
	a := &t.Batch.Attempt
	a.failed(now, r.after, why(err))
	since, n := a.Since, len(t.Batch.Notices)
	text := fmt.Sprintf("The chat %s takes no messages since %s: %s. It is tried again by itself.", c.Name, since.Format(time.RFC3339), a.Error)
	if r.refused || now.Sub(since) >= chatBound {
		text = fmt.Sprintf("The chat %s refused a message at %s, and %s given up: %s. Mend its [[chat]] block in dealtrail.toml, then: dealtrail outbox test %s", c.Name, now.UTC().Format(time.RFC3339), count(n, "notice was", "notices were"), a.Error, c.Name)
		t.finish(now)
	}
	x.Log.Warn("a chat took no message", "chat", c.Name, "err", err, "refused", r.refused, "tries", a.Tries)
	return errors.Join(x.write(ctx, chatKey(c.Name), t), x.tell(ctx, chatTrouble(c.Name), text))
}

// batchID names a message by the chat and what it tells.
func (x *Outbox) batchID(chat string, notices []notice) string {
	ids := make([]string, len(notices))
	for i, n := range notices {
		ids[i] = n.ID
	}
	slices.Sort(ids)
	return "msg_" + x.Contacts.MessageHash(fmt.Sprintf("outbox chat %q %q", chat, ids))
}

// Test sends a chat a message at once, whatever the hour, and says what came of it. A
// *trail.Problem says why not.
func (x *Outbox) Test(ctx context.Context, name string) error {
	i := slices.IndexFunc(x.Chats, func(c Chat) bool { return c.Name == name })
	if i < 0 {
		return trail.Problemf(trail.NotFound, "There is no chat %q; [[chat]] blocks of dealtrail.toml name them.", name)
	}
	now := x.now()
	n := Notice{ID: "test", Event: "test", At: now.UTC(), Text: "This is a test: dealtrail can send messages here.", URL: x.page("/status")}
	_, err := x.send(ctx, x.Chats[i], message{ID: "msg_" + trail.NewID(now).String(), At: now, Notices: []Notice{n}})
	if err != nil {
		return trail.Problemf(trail.Conflict, "The chat %s did not take the message: %s.", name, why(err))
	}
	return x.tell(ctx, chatTrouble(name), "")
}
