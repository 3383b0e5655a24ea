// Package outbox is what dealtrail sends to people by itself: the weekly review and
// the daily digest by mail, and notices to chats. It runs in the jobs role, reads
// what pages read and keeps what was sent in Redis, so that everything is sent at
// least once, with an ID that is always the same: who gets it twice can tell.
package outbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

// Outbox is what is sent, to whom, and what that needs. All fields are set by
// whoever wires the program.
type Outbox struct {
	DB         *store.DB
	Redis      redis.UniversalClient
	Contacts   trail.ContactKey // names what is sent, so that no other installation gives the same names
	Pages      string           // where people open the pages: https://host
	Zone       *time.Location   // the company's
	ReviewAt   trail.WeekTime   // when the review of a week is due
	AnswerDays int              // after how many days a request is late
	Settle     func(ctx context.Context) error

	Mail     *Mailer  // nil: no mail is sent
	ReviewTo []string // who gets the weekly review by mail
	Attach   func(w io.Writer, r trail.Review) error
	Digest   *Digest // nil: reps get none
	Chats    []Chat

	Log   *slog.Logger
	Now   func() time.Time
	Every time.Duration // between two looks whether something is to be sent; default a minute

	mu       sync.Mutex
	weeks    map[string]*summary  // the review that is due, once it was made; nil: the week had none
	done     map[string]bool      // what was sent and may not be noted yet, by ID and to whom
	lateAt   time.Time            // when late requests were looked for last
	lateOnes []trail.Request      // those
	finished map[string]time.Time // by part: for what is due since then nothing is left
}

// Leases of the parts: each is done by one process at a time, and one that waits for
// a server holds up no other.
const (
	reviewLease = "dealtrail:lease:outbox:review"
	digestLease = "dealtrail:lease:outbox:digest"
	chatLease   = "dealtrail:lease:outbox:chat"
)

const (
	outboxEvery = time.Minute
	// settled is how old a click is before somebody is told: a scanner that follows all links of a mail shows itself
	// by then, and its clicks are judged again.
	settled = 3 * time.Minute
	// keep is for how long it is remembered what was sent.
	keep = 60 * 24 * time.Hour
)

// Run sends what is due until ctx ends. It returns nil: what cannot be sent is told by
// status, and stops nothing else.
func (x *Outbox) Run(ctx context.Context) error {
	if err := x.endOld(ctx); err != nil {
		x.Log.Warn("troubles of what is no longer sent may still be told", "err", err)
	}
	var all sync.WaitGroup
	for name, part := range map[string]func(context.Context) error{"review": x.MailReview, "digest": x.MailDigests, "chat": x.TellChats} {
		all.Go(func() {
			for {
				if err := safely(ctx, part); err != nil && ctx.Err() == nil {
					x.Log.Error("not sent; trying again", "what", name, "err", err)
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(cmp.Or(x.Every, outboxEvery)):
				}
			}
		})
	}
	all.Wait()
	return nil
}

// endOld ends the troubles of what the configuration does not have any more.
func (x *Outbox) endOld(ctx context.Context) error {
	all, err := ingest.Troubles(ctx, x.Redis)
	if err != nil {
		return err
	}
	for _, t := range all {
		chat, isChat := strings.CutPrefix(t.What, chatTrouble(""))
		old := t.What == reviewTrouble && (x.Mail == nil || len(x.ReviewTo) == 0) || t.What == digestTrouble && (x.Mail == nil || x.Digest == nil) ||
			isChat && !slices.ContainsFunc(x.Chats, func(c Chat) bool { return c.Name == chat })
		if old {
			err = errors.Join(err, x.tell(ctx, t.What, ""))
		}
	}
	return err
}

// safely makes an error of a panic: nothing that is sent is worth the redirects, which
// this process may serve too.
func safely(ctx context.Context, part func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return part(ctx)
}

func (x *Outbox) now() time.Time {
	if x.Now != nil {
		return x.Now()
	}
	return time.Now()
}

// read reads what Redis has under a key into a value; nothing leaves it as it is.
func (x *Outbox) read(ctx context.Context, key string, into any) error {
	b, err := x.Redis.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return fmt.Errorf("look what was sent: %w", err)
	}
	return nil
}

// write notes a value under a key, also while the program is being stopped.
func (x *Outbox) write(ctx context.Context, key string, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := x.Redis.Set(ctx, key, b, keep).Err(); err != nil {
		return fmt.Errorf("note what was sent: %w", err)
	}
	return nil
}

// remember notes in memory that something was sent. While Redis takes no notes it is
// not sent again and again.
func (x *Outbox) remember(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done == nil {
		x.done = map[string]bool{}
	}
	x.done[id] = true
}

func (x *Outbox) remembers(id string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.done[id]
}

func (x *Outbox) forget(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.done, id)
}

// finish notes that of a part nothing is left that is due since a time; isFinished
// tells. A restart only looks once more.
func (x *Outbox) finish(part string, due time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.finished == nil {
		x.finished = map[string]time.Time{}
	}
	x.finished[part] = due
}

func (x *Outbox) isFinished(part string, due time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.finished[part].Equal(due)
}

// tell notes a trouble, or its end when there is no text.
func (x *Outbox) tell(ctx context.Context, what, text string) error {
	if text == "" {
		return ingest.EndTrouble(ctx, x.Redis, what)
	}
	return ingest.TellTrouble(ctx, x.Redis, what, text, x.now())
}

// attempt is what became of sending one thing to one place.
type attempt struct {
	Sent   time.Time `json:"sent,omitzero"`
	GaveUp bool      `json:"gave_up,omitzero"` // it is not tried again
	Tries  int       `json:"tries,omitzero"`   // that failed
	Since  time.Time `json:"since,omitzero"`   // of these the first
	Next   time.Time `json:"next,omitzero"`    // not before
	Error  string    `json:"error,omitzero"`   // the last one's
}

// over reports whether there is nothing left to do.
func (a attempt) over() bool { return !a.Sent.IsZero() || a.GaveUp }

const (
	firstWait = time.Minute
	lastWait  = time.Hour
)

// failed notes a try that failed, and when the next is: after a minute, two, four and
// so on, at most an hour, and not before the other side wants it.
func (a *attempt) failed(now time.Time, wish time.Duration, why string) {
	if a.Tries == 0 {
		a.Since = now.UTC()
	}
	wait := min(firstWait<<min(a.Tries, 10), lastWait)
	a.Tries++
	a.Next, a.Error = now.Add(max(wait, min(wish, lastWait))).UTC(), why
}

// page is the address of a page.
func (x *Outbox) page(path string) string { return x.Pages + path }
