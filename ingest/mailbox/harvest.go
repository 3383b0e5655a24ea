package mailbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/emersion/go-imap/v2"

	"dealtrail/trail"
)

const (
	maxBatch = 100  // messages per command
	maxEmit  = 1000 // events per Emit
	maxBlame = 5    // failures at one message before it is set aside

	// sightedBy is how many reps must send something unregistered before it is told.
	sightedBy = 3
)

// outcome is what one message yielded.
type outcome struct {
	Reading
	aside string // why it could not be read
}

// batch is some messages as they were fetched.
type batch struct {
	letters []*letter
	err     error // why the rest of them did not arrive
}

// fetched fetches messages batch by batch, one ahead of who takes them: parsing
// and the server's work go on side by side. It ends after a batch that did not
// arrive whole, and when ctx ends.
func (w *watch) fetched(ctx context.Context, f folder, uids []imap.UID) <-chan batch {
	out := make(chan batch)
	size := w.batch
	go func() {
		defer close(out)
		for len(uids) > 0 {
			part := uids[:min(size, len(uids))]
			uids = uids[len(part):]
			size = min(2*size, maxBatch)
			b := w.fetchBatch(ctx, f, part)
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
			if b.err != nil || unfinished(b.letters) >= 0 {
				return
			}
		}
	}()
	return out
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
	b.letters, b.err = w.session.gather(ctx, uids, gathering{
		needs: func(l *letter) { w.needs(ctx, f, l) },
		sizes: w.p.Reader.sizes(),
		plain: func(uid imap.UID) bool { return w.plain[messageKey(f, uid)] },
	})
	return b
}

// unfinished returns the index of the first letter that did not arrive whole, or
// -1.
func unfinished(letters []*letter) int {
	return slices.IndexFunc(letters, func(l *letter) bool { return !l.done })
}

// read takes messages in ascending order, hands over their events and moves the
// cursor, but only past messages that were read whole. It reports whether late
// sent mail was among them, as hand does.
func (w *watch) read(ctx context.Context, f folder, uids []imap.UID, cur *cursor) (found bool, err error) {
	defer w.left(0)
	for len(uids) > 0 {
		n, late, err := w.readOn(ctx, f, uids, cur)
		found = found || late
		if err != nil {
			return found, err
		}
		uids = uids[n:]
	}
	return found, nil
}

// readOn reads until all is read or a message is given up; n is how many were
// done.
func (w *watch) readOn(ctx context.Context, f folder, uids []imap.UID, cur *cursor) (n int, found bool, err error) {
	fetching, stop := context.WithCancel(ctx)
	batches := w.fetched(fetching, f, uids)
	defer func() {
		stop()
		for range batches { // until nobody uses the connection
		}
	}()
	for b := range batches {
		w.left(len(uids) - n)
		err := b.err
		if ctx.Err() != nil {
			return n, found, ctx.Err()
		}
		whole, givenUp := len(b.letters), false
		if i := unfinished(b.letters); i >= 0 {
			whole = i
			if givenUp = w.givenUp(f, b.letters[i], len(b.letters) == 1, err); givenUp {
				b.letters[i].broken, err = "the mail server does not deliver it whole", nil
				whole++
			} else if err == nil {
				err = errIncomplete
			}
		} else if len(b.letters) > 0 {
			err = nil // what was missing at last was not needed
		}
		late, storeErr := w.settle(ctx, f, b.letters[:whole], cur)
		found = found || late
		if n += whole; storeErr != nil || err != nil {
			return n, found, errors.Join(storeErr, err)
		}
		w.batch = min(2*w.batch, maxBatch)
		if givenUp {
			return n, found, nil
		}
	}
	return n, found, ctx.Err()
}

func (w *watch) left(n int) { w.box.update(func(s *BoxStatus) { s.Left = uint64(n) }) }

func messageKey(f folder, uid imap.UID) string {
	return f.name + "/" + strconv.FormatUint(uint64(uid), 10)
}

// givenUp counts a failure at a message and reports whether it is one too many.
// A failure among several is nobody's: from then on messages are fetched one by
// one, until it goes well again. The server's or the client's trouble may be the
// message's structure, so it is then asked for without. Without the bound one
// message would stop its mailbox for ever; reading old mail again gives it
// another chance.
func (w *watch) givenUp(f folder, l *letter, alone bool, err error) bool {
	w.batch = 1
	if !alone && err != nil {
		return false
	}
	key := messageKey(f, l.uid)
	if l.large && !w.plain[key] {
		w.plain[key] = true
		return false
	}
	w.blame[key]++
	if w.blame[key] < maxBlame {
		return false
	}
	delete(w.blame, key)
	delete(w.plain, key)
	return true
}

// needs says what is needed of a mail.
func (w *watch) needs(ctx context.Context, f folder, l *letter) {
	if w.private[l.m.key()] {
		l.need.reason = "it lies in an excluded folder"
		return
	}
	l.need, l.err = w.reader(ctx, nil).needs(l.m, f.kind, w.b.Rep)
	if l.a.size > MaxMessage && w.plain[messageKey(f, l.uid)] && l.need.reason == "" {
		l.need.reason, l.broken = "too large", fmt.Sprintf("larger than %d MB, and its server cannot say what it consists of", MaxMessage>>20)
	}
}

// reader returns the poller's reader, which also knows the given marks.
func (w *watch) reader(ctx context.Context, marked map[string]bool) *Reader {
	r := *w.p.Reader
	r.WasSent = func(marks ...string) (map[string]bool, error) {
		known, err := w.p.Memory.WasSent(ctx, marks...)
		if err != nil {
			return nil, err
		}
		known = maps.Clone(known)
		for _, m := range marks {
			known[m] = known[m] || marked[m]
		}
		return known, nil
	}
	return &r
}

// yield returns what a message says. marked are the marks of those before it.
func (w *watch) yield(ctx context.Context, f folder, l *letter, marked map[string]bool) (o outcome, err error) {
	switch {
	case l.broken != "":
		return outcome{aside: l.broken}, nil
	case l.err != nil:
		return o, l.err
	case l.a == nil || l.need.reason != "":
		return o, nil // deleted since we asked, or not ours to read
	}
	at := l.a.at
	if at.IsZero() {
		at = w.p.now()
	}
	defer func() {
		if v := recover(); v != nil { // a bug must not stop the mailbox
			o, err = outcome{aside: "the parser gave up on it"}, nil
		}
	}()
	o.Reading, err = w.reader(ctx, marked).reading(l.m, f.kind, w.b.Rep, at)
	return o, err
}

// settle hands over what messages say that were read whole, in order, and moves
// the cursor past them once the events are durable.
func (w *watch) settle(ctx context.Context, f folder, letters []*letter, cur *cursor) (found bool, err error) {
	if len(letters) == 0 {
		return false, nil
	}
	var all Reading
	aside, now := uint64(0), w.p.now().UTC()
	marked := map[string]bool{}
	wrapped, trackers := map[string]uint64{}, map[string]uint64{}
	for _, l := range letters {
		o, err := w.yield(ctx, f, l, marked)
		if err != nil {
			return false, stored(err)
		}
		if o.aside != "" {
			aside++
			w.p.Log.Warn("message set aside", "source", source, "mailbox", w.b.Name, "uid", uint32(l.uid), "reason", o.aside)
		}
		for _, e := range o.Events {
			e.ReceivedAt = now
			all.Events = append(all.Events, e)
		}
		for _, m := range o.Marks {
			marked[m] = true
		}
		all.Marks = append(all.Marks, o.Marks...)
		seen, err := w.sight(ctx, o.Sighted, l)
		if err != nil {
			return false, stored(err)
		}
		all.Events = append(all.Events, seen...)
		count(wrapped, o.Wrapped)
		count(trackers, o.Trackers)
	}
	if found, err = w.hand(ctx, all); err != nil {
		return found, stored(err)
	}
	w.box.update(func(s *BoxStatus) {
		s.Messages += uint64(len(letters))
		s.Events += uint64(len(all.Events))
		s.SetAside += aside
		s.Wrapped, s.Trackers = added(s.Wrapped, wrapped), added(s.Trackers, trackers)
	})
	if last := letters[len(letters)-1].uid; last > cur.Last {
		cur.Last = last
		return found, w.save(ctx, f, *cur)
	}
	return found, nil
}

func count(n map[string]uint64, names []string) {
	for _, name := range names {
		n[name]++
	}
}

// added returns the sums of both, in a map of its own: status hands them out.
func added(a, b map[string]uint64) map[string]uint64 {
	if len(b) == 0 {
		return a
	}
	sum := map[string]uint64{}
	for _, n := range []map[string]uint64{a, b} {
		for k, v := range n {
			sum[k] += v
		}
	}
	return sum
}

// sight notes unregistered things and returns the events of those that enough
// reps send. Until then nothing but hashes of them is kept.
func (w *watch) sight(ctx context.Context, sighted []Sighting, l *letter) (events []trail.Event, err error) {
	r := w.p.Reader
	for _, seen := range sighted {
		thing := r.Contacts.MessageHash(seen.key())
		reps, err := w.p.Memory.Sight(ctx, thing, string(r.Contacts.ID(w.b.Rep)))
		if err != nil {
			return nil, fmt.Errorf("note what is not registered: %w", err)
		}
		if reps < sightedBy && seen.Content == "" {
			continue
		}
		now := w.p.now().UTC()
		at := now
		if !l.m.date.IsZero() && l.m.date.Before(now) {
			at = l.m.date
		}
		events = append(events, trail.Event{
			ID: trail.IDFrom(time.Time{}, source, string(trail.Sighted), thing, strconv.Itoa(reps)), Kind: trail.Sighted, Source: source,
			At: at.Truncate(24 * time.Hour), ReceivedAt: now, Content: seen.Content, Attrs: seen.attrs(reps), // the day alone: it shall not tell whose mail it was
		})
	}
	return events, nil
}

// hand emits events and keeps the marks. It reports whether some mail with
// content was not known and is seen late, so that replies to it may have been
// read already and were taken for other mail.
func (w *watch) hand(ctx context.Context, all Reading) (found bool, err error) {
	for part := range slices.Chunk(all.Events, maxEmit) {
		if err := w.p.Emit(ctx, part...); err != nil {
			return false, fmt.Errorf("emit: %w", err)
		}
	}
	if len(all.Marks) == 0 {
		return false, nil
	}
	var late []string
	usual := w.p.now().Add(-2*w.p.every() - 5*time.Minute)
	for _, e := range all.Events {
		if e.Kind == trail.Sent && e.Content != "" && e.At.Before(usual) {
			late = append(late, e.Message)
		}
	}
	slices.Sort(late)
	late = slices.Compact(late)
	known := map[string]bool{}
	if len(late) > 0 {
		if known, err = w.p.Memory.WasSent(ctx, late...); err != nil {
			return false, fmt.Errorf("look up sent mail: %w", err)
		}
	}
	slices.Sort(all.Marks)
	if err := w.p.Memory.MarkSent(ctx, slices.Compact(all.Marks)...); err != nil {
		return false, fmt.Errorf("mark sent mail: %w", err)
	}
	return slices.ContainsFunc(late, func(m string) bool { return !known[m] }), nil
}
