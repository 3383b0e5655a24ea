package mailbox

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"strconv"

	"github.com/emersion/go-imap/v2"
)

// batch is some messages as they were fetched.
type batch struct {
	letters []*letter
	err     error    // why the rest of them did not arrive
	culprit imap.UID // the message that was awaited when that happened; 0: none
	alone   bool     // nothing but the culprit was asked for, and just before the server delivered another message
}

// fetched fetches messages batch by batch, one ahead of who takes them: parsing
// and the server's work go on side by side. It ends after a batch that did not
// arrive whole, and when ctx ends.
func (w *watch) fetched(ctx context.Context, f folder, uids []imap.UID) <-chan batch {
	out := make(chan batch)
	go func() {
		defer close(out)
		w.p.reading.Add(1)
		defer w.p.reading.Add(-1)
		for len(uids) > 0 {
			b := w.fetchBatch(ctx, f, w.part(f, uids))
			uids = uids[len(b.letters):]
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
			if b.err != nil || b.culprit != 0 {
				return
			}
		}
	}()
	return out
}

// part returns the messages of the next command: none of those that something
// failed at, or one of them alone.
func (w *watch) part(f folder, uids []imap.UID) []imap.UID {
	part := uids[:min(maxBatch, len(uids))]
	switch i := slices.IndexFunc(part, func(uid imap.UID) bool { return w.suspect[messageKey(f, uid)] }); i {
	case -1:
		return part
	case 0:
		return part[:1]
	default:
		return part[:i]
	}
}

func (w *watch) fetchBatch(ctx context.Context, f folder, uids []imap.UID) (b batch) {
	defer func() {
		if v := recover(); v != nil { // no answer of one server may end the others
			w.p.Log.Error("mailbox reader panicked", "source", source, "mailbox", w.b.Name, "stack", string(debug.Stack()))
			b.err = errors.New("panic in the mailbox reader")
		}
	}()
	if b.err = w.afford(ctx); b.err != nil {
		return b
	}
	suspected := len(uids) == 1 && w.suspect[messageKey(f, uids[0])]
	if suspected {
		if b.err = w.prove(ctx, uids[0]); b.err != nil {
			return b // it is the server's trouble, not the message's
		}
	}
	b.letters, b.err = w.session.gather(ctx, uids, gathering{
		needs: func(l *letter) { w.needs(ctx, f, l) },
		sizes: w.p.Reader.sizes(),
		plain: func(uid imap.UID) bool { return w.plain[messageKey(f, uid)] },
		most:  w.p.most(),
	})
	stuck := (*stuck)(nil)
	unfinished := slices.IndexFunc(b.letters, func(l *letter) bool { return !l.done })
	switch {
	case unfinished < 0:
		b.err = nil // what went wrong at last was not needed
	case errors.As(b.err, &stuck):
		b.culprit = stuck.uid
	default:
		b.culprit = b.letters[unfinished].uid
	}
	b.alone = suspected
	return b
}

// prove has the server deliver the headers of another message of the folder, if
// it has one: of three, as there may be more than one bad message.
func (w *watch) prove(ctx context.Context, but imap.UID) error {
	uids, err := w.session.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{{{Start: 1}}}})
	uids = slices.DeleteFunc(uids, func(uid imap.UID) bool { return uid == but })
	if err != nil || len(uids) == 0 {
		return err
	}
	letters, err := w.session.gather(ctx, uids[max(0, len(uids)-3):], gathering{needs: func(l *letter) { l.need.reason = "only to see" }, most: maxKept})
	if err == nil && !slices.ContainsFunc(letters, func(l *letter) bool { return l.done && l.a != nil }) {
		err = errIncomplete
	}
	return err
}

// most is how many bytes of text a mailbox may hold, so that many of them fit
// into memory together.
func (p *Poller) most() int64 {
	return max(leastKept, min(maxKept, maxMemory/max(1, 2*p.reading.Load())))
}

func messageKey(f folder, uid imap.UID) string {
	return f.name + "/" + strconv.FormatUint(uint64(uid), 10)
}

// givenUp counts a failure at a message and reports whether it is one too many.
// What fails beside others is only suspected, and asked for alone the next time;
// and only what the server does not deliver although it delivers another is to
// blame. The trouble may be the message's structure, so it is then asked for
// without. Without the bound one message would stop its mailbox for ever.
func (w *watch) givenUp(f folder, b batch) bool {
	key := messageKey(f, b.culprit)
	if !w.suspect[key] || !b.alone {
		w.suspect[key] = true
		return false
	}
	w.blame[key]++
	if b.letters[0].large && w.blame[key] == 2 {
		w.plain[key] = true
	}
	if w.blame[key] < maxBlame {
		return false
	}
	w.hopeless[key] = true
	return true
}

// forget lets go of what is known of messages by their UIDs.
func (w *watch) forget() {
	w.suspect, w.plain, w.hopeless, w.blame = map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]int{}
}
