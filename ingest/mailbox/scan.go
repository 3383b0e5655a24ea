package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/emersion/go-imap/v2"

	"dealtrail/trail"
)

const (
	maxBatch = 50   // messages per command
	maxEmit  = 1000 // events per Emit
	maxBlame = 5    // failures at one message before it is set aside
)

// cursor is how far a folder has been read. UIDs grow within one UIDVALIDITY
// and mean nothing across two.
type cursor struct {
	Validity uint32   `json:"validity"`
	Last     imap.UID `json:"last"` // all up to here is read, and its events are durable
}

// scan reads what is new in a folder; with back, also the last 30 days again.
// A folder that was never read, or whose UIDs were reset, is read by date: IDs
// come from the mail itself, so what is read twice is one event.
func (w *watch) scan(ctx context.Context, f folder, back bool) error {
	data, err := w.session.examine(ctx, f.name)
	if err != nil {
		return err
	}
	cur, err := w.cursor(ctx, f)
	if err != nil {
		return err
	}
	known := cur != nil && cur.Validity == data.UIDValidity
	since := month
	if cur == nil {
		since = w.b.since()
	}
	if cur != nil && !known {
		w.p.Log.Info("folder was reset by its server and is read by date", "source", source, "mailbox", w.b.Name, "kind", string(f.kind))
	}
	var uids []imap.UID
	if !known || back {
		// Servers compare dates in their own zone: a day more covers all.
		uids, err = w.session.search(ctx, &imap.SearchCriteria{Since: w.p.now().Add(-since - 24*time.Hour)})
		if err != nil {
			return err
		}
	}
	next := cursor{Validity: data.UIDValidity}
	if known {
		next.Last = cur.Last
		fresh, err := w.fresh(ctx, data, cur.Last)
		if err != nil {
			return err
		}
		uids = append(uids, fresh...)
		slices.Sort(uids)
		uids = slices.Compact(uids)
	}
	found, err := w.read(ctx, f, uids, &next)
	if err != nil {
		return err
	}
	if found {
		w.found = w.p.found()
	}
	if !known { // what is older than the window counts as read
		last, err := w.end(ctx, data)
		if err != nil {
			return err
		}
		next.Last = max(next.Last, last)
	}
	if cur != nil && *w.cursors[f.name] == next {
		return nil
	}
	return w.save(ctx, f, next)
}

// fresh returns the UIDs after the last one read. A range that begins after the
// end has the last message in it (RFC 9051 section 6.4.8), hence the filter.
func (w *watch) fresh(ctx context.Context, data *imap.SelectData, last imap.UID) ([]imap.UID, error) {
	if data.UIDNext != 0 && data.UIDNext <= last+1 {
		return nil, nil
	}
	uids, err := w.session.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{{{Start: last + 1}}}})
	return slices.DeleteFunc(uids, func(uid imap.UID) bool { return uid <= last }), err
}

// end returns the folder's last UID as of when it was opened.
func (w *watch) end(ctx context.Context, data *imap.SelectData) (imap.UID, error) {
	if data.UIDNext != 0 {
		return data.UIDNext - 1, nil
	}
	if data.NumMessages == 0 {
		return 0, nil
	}
	all, err := w.session.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{{{Start: 1}}}})
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return all[len(all)-1], nil
}

// outcome is what one message yielded.
type outcome struct {
	events []trail.Event
	reason string // of a message that was set aside
	err    error
}

// read takes messages in ascending order, hands over their events and moves the
// cursor, but only past messages that were read whole. It reports whether late
// sent mail was among them, as hand does.
func (w *watch) read(ctx context.Context, f folder, uids []imap.UID, cur *cursor) (found bool, err error) {
	for len(uids) > 0 {
		part := uids[:min(w.batch, len(uids))]
		got := map[imap.UID]outcome{}
		_, err := w.session.fetch(ctx, part, func(uid imap.UID, a *arrival) {
			got[uid] = w.yield(ctx, f, a)
			w.session.alive()
		})
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		whole := slices.IndexFunc(part, func(uid imap.UID) bool { _, ok := got[uid]; return !ok })
		if whole < 0 {
			whole, err = len(part), nil
		} else if w.blamed(f, part[whole], len(part) == 1 || err == nil) {
			got[part[whole]] = outcome{reason: "the mail server does not deliver it whole"}
			whole++
		} else if err == nil {
			err = errIncomplete
		}
		sent, storeErr := w.settle(ctx, f, part[:whole], got, cur)
		found = found || sent
		if storeErr != nil || err != nil {
			return found, errors.Join(storeErr, err)
		}
		uids = uids[whole:]
		w.batch = min(2*w.batch, maxBatch)
	}
	return found, nil
}

// blamed counts a failure at a message and reports whether it is one too many.
// A failure among several is nobody's: from then on messages are fetched one by
// one, until it goes well again. Without the bound one message that breaks the
// server or the client would stop its mailbox for ever; reading old mail again
// gives it another chance.
func (w *watch) blamed(f folder, uid imap.UID, certain bool) bool {
	w.batch = 1
	if !certain {
		return false
	}
	key := f.name + "/" + strconv.FormatUint(uint64(uid), 10)
	w.blame[key]++
	if w.blame[key] < maxBlame {
		return false
	}
	delete(w.blame, key)
	return true
}

// yield returns what a message says.
func (w *watch) yield(ctx context.Context, f folder, a *arrival) outcome {
	switch {
	case a == nil:
		return outcome{} // deleted since we asked
	case a.large:
		return outcome{reason: fmt.Sprintf("larger than %d MB", MaxMessage>>20)}
	}
	r := *w.p.Reader
	r.WasSent = func(messages ...string) (map[string]bool, error) { return w.p.Memory.WasSent(ctx, messages...) }
	at := a.at
	if at.IsZero() {
		at = w.p.now()
	}
	events, _, err := r.Events(a.raw, f.kind, w.b.Rep, at)
	return outcome{events: events, err: err}
}

// settle hands over the events of messages that were read whole, in order, and
// moves the cursor past them once the events are durable.
func (w *watch) settle(ctx context.Context, f folder, part []imap.UID, got map[imap.UID]outcome, cur *cursor) (found bool, err error) {
	if len(part) == 0 {
		return false, nil
	}
	var events []trail.Event
	aside := uint64(0)
	now := w.p.now().UTC()
	for _, uid := range part {
		o := got[uid]
		if o.err != nil {
			return false, errors.Join(errStore, o.err)
		}
		if o.reason != "" {
			aside++
			w.p.Log.Warn("message set aside", "source", source, "mailbox", w.b.Name, "uid", uint32(uid), "reason", o.reason)
		}
		for _, e := range o.events {
			e.ReceivedAt = now
			events = append(events, e)
		}
	}
	if found, err = w.hand(ctx, events); err != nil {
		return found, errors.Join(errStore, err)
	}
	w.box.update(func(s *BoxStatus) {
		s.Messages += uint64(len(part))
		s.Events += uint64(len(events))
		s.SetAside += aside
	})
	if last := part[len(part)-1]; last > cur.Last {
		cur.Last = last
		return found, w.save(ctx, f, *cur)
	}
	return found, nil
}

// hand emits events and remembers which mail is sent mail. It reports whether
// some of that was not known and is seen late, so that replies to it may have
// been read already and were taken for other mail.
func (w *watch) hand(ctx context.Context, events []trail.Event) (found bool, err error) {
	for part := range slices.Chunk(events, maxEmit) {
		if err := w.p.Emit(ctx, part...); err != nil {
			return false, fmt.Errorf("emit: %w", err)
		}
	}
	var messages []string
	late := map[string]bool{}
	usual := w.p.now().Add(-2*w.p.every() - 5*time.Minute)
	for _, e := range events {
		if e.Kind == trail.Sent {
			messages = append(messages, e.Message)
			late[e.Message] = e.At.Before(usual)
		}
	}
	slices.Sort(messages)
	messages = slices.Compact(messages)
	if len(messages) == 0 {
		return false, nil
	}
	known, err := w.p.Memory.WasSent(ctx, messages...)
	if err != nil {
		return false, fmt.Errorf("look up sent mail: %w", err)
	}
	if err := w.p.Memory.MarkSent(ctx, messages...); err != nil {
		return false, fmt.Errorf("mark sent mail: %w", err)
	}
	return slices.ContainsFunc(messages, func(m string) bool { return late[m] && !known[m] }), nil
}

func (w *watch) cursorKey(f folder) string { return "mailbox/" + w.b.Name + "/folder/" + f.name }

// cursor returns how far a folder has been read, or nil if it never was. What
// cannot be understood counts as never: reading again is safe.
func (w *watch) cursor(ctx context.Context, f folder) (*cursor, error) {
	if cur := w.cursors[f.name]; cur != nil {
		return cur, nil
	}
	text, err := w.p.Memory.Load(ctx, w.cursorKey(f))
	if err != nil {
		return nil, fmt.Errorf("load cursor: %w", errors.Join(errStore, err))
	}
	cur := new(cursor)
	if text == "" || json.Unmarshal([]byte(text), cur) != nil {
		return nil, nil
	}
	w.cursors[f.name] = cur
	return cur, nil
}

func (w *watch) save(ctx context.Context, f folder, cur cursor) error {
	text, err := json.Marshal(cur)
	if err != nil {
		return fmt.Errorf("write cursor: %w", err)
	}
	if err := w.p.Memory.Save(ctx, w.cursorKey(f), string(text)); err != nil {
		return fmt.Errorf("save cursor: %w", errors.Join(errStore, err))
	}
	w.cursors[f.name] = &cur
	return nil
}
