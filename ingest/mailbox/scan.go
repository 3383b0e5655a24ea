package mailbox

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/emersion/go-imap/v2"

	"dealtrail/trail"
)

// scan reads what is new in a folder; with back, also all since then again. A
// folder that was never read, or whose UIDs were reset, is read by date: IDs come
// from the mail itself, so what is read twice is one event.
func (w *watch) scan(ctx context.Context, f folder, back time.Time) error {
	data, err := w.session.examine(ctx, f.name)
	if err != nil {
		return err
	}
	cur, err := w.cursor(ctx, f)
	if err != nil {
		return err
	}
	known := cur != nil && cur.Validity == data.UIDValidity
	next := cursor{Validity: data.UIDValidity, ModSeq: data.HighestModSeq}
	if known && back.IsZero() && cur.ModSeq != 0 && *cur == (cursor{Validity: next.Validity, Last: cur.Last, ModSeq: next.ModSeq}) {
		return nil // the server says that nothing at all has changed
	}
	last := imap.UID(0)
	if known && data.UIDNext == 0 {
		last = cur.Last
	} else if last, err = w.end(ctx, data); err != nil { // before reading: what comes meanwhile is not read
		return err
	}
	uids, err := w.unread(ctx, data, cur, back)
	if err != nil {
		return err
	}
	if len(uids) > 0 {
		if err := w.bound(ctx, f); err != nil {
			return err
		}
	}
	if f.kind == Inbox && w.inbox != 0 && w.inbox <= last {
		last, next.ModSeq = w.inbox-1, 0
		uids = slices.DeleteFunc(uids, func(uid imap.UID) bool { return uid >= w.inbox })
	}
	if cur != nil && !known {
		w.forget()
		if err := w.rescanned(ctx, f, *cur, next, len(uids)); err != nil {
			return err
		}
	}
	uids = slices.DeleteFunc(uids, func(uid imap.UID) bool { return w.hopeless[messageKey(f, uid)] })
	progress := cursor{Validity: next.Validity, First: cur == nil || cur.First}
	if known {
		progress.Last = cur.Last
	}
	late, err := w.read(ctx, f, uids, &progress)
	if err != nil {
		return err
	}
	if !late.IsZero() {
		w.found = w.p.found(lateMail{at: late, box: w.b.Name})
	}
	next.Last = max(progress.Last, last) // what is older than the window, or gone, counts as read
	if known && *w.cursors[f.name] == next {
		return nil
	}
	return w.save(ctx, f, next)
}

// unread returns the messages of a folder that are to be read.
func (w *watch) unread(ctx context.Context, data *imap.SelectData, cur *cursor, back time.Time) (uids []imap.UID, err error) {
	known := cur != nil && cur.Validity == data.UIDValidity
	since := back
	if !known {
		far := month
		if cur == nil || cur.First {
			far = w.b.since()
		}
		since = w.p.now().Add(-far)
	}
	if !since.IsZero() {
		// Servers compare dates in their own zone: a day more covers all.
		if uids, err = w.session.search(ctx, &imap.SearchCriteria{Since: since.Add(-day)}); err != nil {
			return nil, err
		}
	}
	if known {
		fresh, err := w.fresh(ctx, data, cur.Last)
		if err != nil {
			return nil, err
		}
		uids = append(uids, fresh...)
		slices.Sort(uids)
		uids = slices.Compact(uids)
	}
	return uids, nil
}

// bound notes, before mail of a Sent folder is read, how far the Inbox goes:
// answers to mail that is sent while that is read would find it unknown.
func (w *watch) bound(ctx context.Context, f folder) error {
	if f.kind != Sent || w.inbox != 0 {
		return nil
	}
	next, err := w.session.next(ctx, w.folders[len(w.folders)-1].name)
	w.inbox = next
	return err
}

// rescanned leaves a fact that a folder was read again because its server had
// reset it.
func (w *watch) rescanned(ctx context.Context, f folder, before, after cursor, messages int) error {
	now := w.p.now().UTC()
	from, to := strconv.FormatUint(uint64(before.Validity), 10), strconv.FormatUint(uint64(after.Validity), 10)
	e := trail.Event{
		ID: trail.IDFrom(time.Time{}, source, string(trail.Rescanned), w.b.Name, f.name, from, to), Kind: trail.Rescanned, Source: source,
		At: now, ReceivedAt: now, Rep: trail.NormalAddress(w.b.Rep),
		Attrs: map[string]string{"mailbox": w.b.Name, "folder": string(f.kind), "why": "uidvalidity", "from": from, "to": to, "messages": strconv.Itoa(messages)},
	}
	if err := w.p.Emit(ctx, e); err != nil {
		return stored(fmt.Errorf("emit: %w", err))
	}
	w.p.Log.Info("folder was reset by its server and is read by date", "source", source, "mailbox", w.b.Name, "kind", string(f.kind))
	w.box.update(func(s *BoxStatus) { s.Rescanned = now })
	return nil
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
