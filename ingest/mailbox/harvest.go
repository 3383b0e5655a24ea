package mailbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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

	day = 24 * time.Hour

	// sightedBy is how many reps must send something unregistered before it is told.
	sightedBy = 3
)

// outcome is what one message yielded.
type outcome struct {
	Reading
	aside string // why it could not be read
}

// read takes messages in ascending order, hands over their events and moves the
// cursor, but only past messages that were read whole. It reports whether late
// sent mail was among them, as hand does.
func (w *watch) read(ctx context.Context, f folder, uids []imap.UID, cur *cursor) (late time.Time, err error) {
	defer w.left(0)
	fetching, stop := context.WithCancel(ctx)
	batches := w.fetched(fetching, f, uids)
	defer func() {
		stop()
		for range batches { // until nobody uses the connection
		}
	}()
	for left := len(uids); left > 0; {
		w.left(left)
		b, ok := <-batches
		if !ok {
			return late, ctx.Err()
		}
		err := b.err
		if ctx.Err() != nil {
			return late, ctx.Err()
		}
		whole, givenUp := len(b.letters), false
		if b.culprit != 0 {
			whole = slices.IndexFunc(b.letters, func(l *letter) bool { return !l.done })
			if givenUp = w.givenUp(f, b); givenUp {
				b.letters[0].broken = "the mail server does not deliver it whole"
				whole = 1
			}
			err = cmp.Or(err, errIncomplete) // even so: the rest needs a fetching of its own
		}
		seen, storeErr := w.settle(ctx, f, b.letters[:whole], cur)
		late = earlier(late, seen)
		left -= whole
		if storeErr != nil || err != nil && !(givenUp && b.err == nil) {
			return late, errors.Join(storeErr, err)
		}
		if givenUp {
			more, err := w.read(ctx, f, uids[len(uids)-left:], cur)
			return earlier(late, more), err
		}
	}
	return late, nil
}

// earlier returns the earlier of two times of which either may be zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (w *watch) left(n int) { w.box.update(func(s *BoxStatus) { s.Left = uint64(n) }) }

// needs says what is needed of a mail.
func (w *watch) needs(ctx context.Context, f folder, l *letter) {
	l.need, l.err = w.reader(ctx, nil).needs(l.m, f.kind, w.b.Rep)
	if l.a.size > MaxMessage && w.plain[messageKey(f, l.uid)] && l.need.reason == "" {
		l.need.reason, l.broken = "too large", fmt.Sprintf("larger than %d MB, and its server cannot say what it consists of", MaxMessage>>20)
	}
}

// reader returns the poller's reader, which also knows the given marks.
func (w *watch) reader(ctx context.Context, marked map[string]bool) *Reader {
	r := *w.p.Reader
	r.private = w.private
	r.WasSent = func(marks ...string) (map[string]bool, error) {
		known := map[string]bool{}
		if w.p.Memory.WasSent != nil { // a check has no memory
			var err error
			if known, err = w.p.Memory.WasSent(ctx, marks...); err != nil {
				return nil, err
			}
			known = maps.Clone(known)
		}
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
func (w *watch) settle(ctx context.Context, f folder, letters []*letter, cur *cursor) (late time.Time, err error) {
	if len(letters) == 0 {
		return late, nil
	}
	var all Reading
	aside, now := uint64(0), w.p.now().UTC()
	marked := map[string]bool{}
	wrapped, trackers := map[string]uint64{}, map[string]uint64{}
	for _, l := range letters {
		o, err := w.yield(ctx, f, l, marked)
		if err != nil {
			return late, stored(err)
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
		seen, err := w.sight(ctx, o.Reading, l)
		if err != nil {
			return late, stored(err)
		}
		all.Events = append(all.Events, seen...)
		count(wrapped, o.Wrapped)
		count(trackers, o.Trackers)
	}
	if late, err = w.hand(ctx, all); err != nil {
		return late, stored(err)
	}
	w.box.update(func(s *BoxStatus) {
		s.Messages += uint64(len(letters))
		s.Events += uint64(len(all.Events))
		s.SetAside += aside
		s.Wrapped, s.Trackers = added(s.Wrapped, wrapped), added(s.Trackers, trackers)
	})
	if last := letters[len(letters)-1].uid; last > cur.Last {
		cur.Last, w.tries = last, 0
		return late, w.save(ctx, f, *cur)
	}
	return late, nil
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
func (w *watch) sight(ctx context.Context, said Reading, l *letter) (events []trail.Event, err error) {
	r := w.p.Reader
	for _, seen := range said.Sighted {
		thing := r.Contacts.MessageHash(seen.key())
		reps, err := w.p.Memory.Sight(ctx, thing, string(r.Contacts.ID(said.Rep)))
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
			ID: trail.IDFrom(at.Truncate(day), source, string(trail.Sighted), thing, strconv.Itoa(reps)), Kind: trail.Sighted, Source: source,
			At: at.Truncate(day), ReceivedAt: now, Content: seen.Content, Attrs: seen.attrs(reps), // the day alone: it shall not tell whose mail it was
		})
	}
	return events, nil
}

// hand emits events and keeps the marks. It returns the date of the earliest mail
// with content that was not known and is seen late, so that replies to it may
// have been read already and were taken for other mail; zero: there is none.
func (w *watch) hand(ctx context.Context, all Reading) (late time.Time, err error) {
	for part := range slices.Chunk(all.Events, maxEmit) {
		if err := w.p.Emit(ctx, part...); err != nil {
			return late, fmt.Errorf("emit: %w", err)
		}
	}
	if len(all.Marks) == 0 {
		return late, nil
	}
	old := map[string]time.Time{}
	usual := w.p.now().Add(-2*w.p.every() - 5*time.Minute)
	for _, e := range all.Events {
		if e.Kind == trail.Sent && e.Content != "" && e.At.Before(usual) {
			old[e.Message] = e.At
		}
	}
	if len(old) > 0 {
		known, err := w.p.Memory.WasSent(ctx, slices.Collect(maps.Keys(old))...)
		if err != nil {
			return late, fmt.Errorf("look up sent mail: %w", err)
		}
		for message, at := range old {
			if !known[message] {
				late = earlier(late, at)
			}
		}
	}
	slices.Sort(all.Marks)
	if err := w.p.Memory.MarkSent(ctx, slices.Compact(all.Marks)...); err != nil {
		return late, fmt.Errorf("mark sent mail: %w", err)
	}
	return late, nil
}
