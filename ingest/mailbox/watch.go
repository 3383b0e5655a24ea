package mailbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"time"
)

// Limits on refused sign-ins: servers lock accounts that go on.
const (
	maxRefused   = 5
	maxWrong     = 2 // when the server says that name or password are wrong: the try and one more
	refusedSince = 30 * time.Minute
)

// watch is the loop of one mailbox. One goroutine owns all of it.
type watch struct {
	p       *Poller
	b       *Box
	box     *box
	session *session
	folders []folder
	problem string // with the folders, for people

	cursors map[string]*cursor
	done    *mark     // what all mail was last read for; nil before it is loaded
	found   uint64    // the poller's backfill after our own last late mail
	seen    mark      // the mark that due saw last
	still   time.Time // since when it is that
	changed time.Time // since when it is not done; zero: it is
	batch   int       // messages per command, small after a failure
	blame   map[string]int
	refused []time.Time
	tries   int
}

// run looks into the mailbox until the context ends.
func (w *watch) run(ctx context.Context) {
	defer w.drop()
	w.batch = maxBatch
	w.blame = map[string]int{}
	w.cursors = map[string]*cursor{}
	again := false
	for ctx.Err() == nil {
		err := w.b.Validate()
		parked := err != nil
		if !parked {
			err = w.look(ctx, again)
			parked = w.park(err)
		}
		if ctx.Err() != nil {
			return
		}
		again = w.sleep(ctx, w.judge(err, parked))
	}
}

// judge records how a look went and returns how long to wait for the next; 0
// means until somebody pokes.
func (w *watch) judge(err error, parked bool) time.Duration {
	if err == nil {
		w.tries, w.refused = 0, nil
		w.box.update(func(s *BoxStatus) {
			if s.State != OK {
				w.p.Log.Info("mailbox is read", "source", source, "mailbox", w.b.Name)
			}
			s.State, s.Reason, s.LastPoll = OK, w.problem, w.p.now().UTC()
		})
		return w.p.every()
	}
	reason, cause := explain(w.b, err)
	state, wait := Retrying, w.p.backoff(w.tries)
	w.tries++
	if parked {
		state, wait = Parked, 0
		w.refused = nil
	}
	w.box.update(func(s *BoxStatus) { s.State, s.Reason = state, reason })
	w.p.Log.Warn("mailbox cannot be read", "source", source, "mailbox", w.b.Name, "state", string(state), "cause", cause, "took", wait)
	return wait
}

// park reports whether an error needs a person before the next try.
func (w *watch) park(err error) bool {
	refused := (*refusal)(nil)
	if !errors.As(err, &refused) || refused.passing() {
		return false
	}
	now := w.p.now()
	w.refused = append(slices.DeleteFunc(w.refused, func(t time.Time) bool { return now.Sub(t) > refusedSince }), now)
	return len(w.refused) >= maxRefused || refused.final() && len(w.refused) >= maxWrong
}

// sleep waits, or less when somebody pokes. It reports whether mail should be
// read again because it may mean more now.
func (w *watch) sleep(ctx context.Context, wait time.Duration) (again bool) {
	var over <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	settle := time.NewTicker(max(w.p.settle()/2, time.Millisecond))
	defer settle.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-w.box.poke:
			return w.due()
		case <-over:
			return w.due()
		case <-settle.C:
			if w.due() {
				return true
			}
		}
	}
}

// due reports whether mail may mean more than when it was read: the catalogue
// changed, or sent mail was seen late, and it has been still since. Imports
// change it many times in a row; one reading is enough for them, but a catalogue
// that never rests is not waited for without end.
func (w *watch) due() bool {
	if w.session == nil || w.done == nil {
		return false
	}
	mark, now := w.p.mark(), time.Now()
	if mark == *w.done {
		w.changed = time.Time{}
		return false
	}
	if w.changed.IsZero() {
		w.changed = now
	}
	if mark != w.seen {
		w.seen, w.still = mark, now
	}
	return now.Sub(w.still) >= w.p.settle() || now.Sub(w.changed) >= 20*w.p.settle()
}

// look reads what is new in the mailbox. Servers close connections that were
// idle between two looks, so a failure on a kept one is tried once more on a
// new one before it counts.
func (w *watch) look(ctx context.Context, again bool) (err error) {
	defer func() {
		if v := recover(); v != nil { // no answer of one server may end the others
			w.p.Log.Error("mailbox reader panicked", "source", source, "mailbox", w.b.Name, "stack", string(debug.Stack()))
			err = errors.New("panic in the mailbox reader")
			w.drop()
		}
	}()
	kept := w.session != nil
	err = w.pass(ctx, again)
	if err != nil && kept && ctx.Err() == nil && !errors.Is(err, errStore) {
		w.drop()
		err = w.pass(ctx, again)
	}
	if err != nil {
		w.drop()
	}
	return err
}

func (w *watch) drop() {
	if w.session != nil {
		w.session.close()
		w.session = nil
	}
}

// pass signs in if need be and reads each folder, Sent before Inbox.
func (w *watch) pass(ctx context.Context, again bool) error {
	if w.session == nil {
		s, err := w.p.connect(ctx, w.b)
		if err != nil {
			return err
		}
		w.session = s
		list, err := s.list(ctx)
		if err != nil {
			return err
		}
		w.folders, w.problem = choose(list, w.b.SentFolder)
		w.box.update(func(s *BoxStatus) { s.SentFolder = sentFolder(w.folders) })
	}
	now := w.p.mark() // before reading: what changes meanwhile is read for next time
	first, err := w.loadMark(ctx, now)
	if err != nil {
		return err
	}
	for _, f := range w.folders {
		// Sent mail that was seen late changes replies only.
		back := again && (now.catalogue != w.done.catalogue || f.kind == Inbox)
		if err := w.scan(ctx, f, back); err != nil {
			return err
		}
	}
	if !again && !first {
		return nil
	}
	if w.found == now.backfill+1 { // ours alone, and the Inbox was read whole after it
		now.backfill = w.found
	}
	return w.saveMark(ctx, now)
}

func (w *watch) markKey() string { return "mailbox/" + w.b.Name + "/catalogue" }

// loadMark loads what mail was last read for. A mailbox that was never read is
// about to be read for now.
func (w *watch) loadMark(ctx context.Context, now mark) (first bool, err error) {
	if w.done != nil {
		return false, nil
	}
	text, err := w.p.Memory.Load(ctx, w.markKey())
	if err != nil {
		return false, fmt.Errorf("load catalogue version: %w", errors.Join(errStore, err))
	}
	version, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		w.done = &now
		return true, nil
	}
	w.done = &mark{catalogue: version, backfill: now.backfill}
	return false, nil
}

func (w *watch) saveMark(ctx context.Context, now mark) error {
	if err := w.p.Memory.Save(ctx, w.markKey(), strconv.FormatUint(now.catalogue, 10)); err != nil {
		return fmt.Errorf("save catalogue version: %w", errors.Join(errStore, err))
	}
	w.done = &now
	return nil
}
