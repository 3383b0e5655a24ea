package mailbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/emersion/go-imap/v2"
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

	excluded []string // names of folders whose mail leaves no trace
	states   map[string]excludedFolder
	private  map[string]bool // the mails in them, see key

	cursors map[string]*cursor
	done    *mark     // what all mail was last read for; nil before it is loaded
	found   int       // how many late mails there were with our own last one
	seen    mark      // the mark that due saw last
	still   time.Time // since when it is that
	changed time.Time // since when it is not done; zero: it is
	inbox   imap.UID  // in this pass the Inbox is read up to here only, not included; 0: to its end
	// Messages by messageKey: those at which something failed, the failures that were theirs, those whose structure
	// cannot be read, and those that were given up.
	suspect, plain, hopeless map[string]bool
	blame                    map[string]int

	spent   budget
	refused []time.Time
	tries   int
}

// run looks into the mailbox until the context ends.
func (w *watch) run(ctx context.Context) {
	defer w.drop()
	w.forget()
	w.cursors, w.states = map[string]*cursor{}, map[string]excludedFolder{}
	w.recallRefused(ctx)
	again := false
	for ctx.Err() == nil {
		err := w.b.Validate()
		parked := err != nil
		if !parked {
			err = w.look(ctx, again)
			parked = w.park(ctx, err)
		}
		if ctx.Err() != nil {
			return
		}
		again = w.sleep(ctx, w.judge(ctx, err, parked))
	}
}

// judge records how a look went and returns how long to wait for the next; 0
// means until somebody pokes.
func (w *watch) judge(ctx context.Context, err error, parked bool) time.Duration {
	if err == nil {
		w.tries = 0
		w.forgive(ctx)
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
	}
	w.box.update(func(s *BoxStatus) { s.State, s.Reason = state, reason })
	w.p.Log.Warn("mailbox cannot be read", "source", source, "mailbox", w.b.Name, "state", string(state), "cause", cause, "took", wait)
	return wait
}

// park reports whether an error needs a person before the next try.
func (w *watch) park(ctx context.Context, err error) bool {
	refused := (*refusal)(nil)
	if !errors.As(err, &refused) || refused.passing() {
		return false
	}
	now := w.p.now()
	w.refused = append(slices.DeleteFunc(w.refused, func(t time.Time) bool { return now.Sub(t) > refusedSince }), now)
	w.rememberRefused(ctx)
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
	news, end := w.listen(ctx)
	defer end()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-news:
			return w.due()
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

// listen lets the server tell of new sent mail until end is called. Without a
// server that can there is no news.
func (w *watch) listen(ctx context.Context) (news <-chan struct{}, end func()) {
	if w.session == nil || len(w.folders) == 0 || !w.session.idles() {
		return nil, func() {}
	}
	cur := w.cursors[w.folders[0].name]
	if cur == nil {
		return nil, func() {}
	}
	stop, err := w.session.idle(ctx, w.folders[0].name, cur.Last)
	if err != nil {
		w.drop() // the next look connects again
		return nil, func() {}
	}
	return w.session.news, func() {
		if stop() != nil {
			w.drop()
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
		w.spent.read += w.session.arrived.Swap(0)
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
		w.session, w.folders = s, nil
	}
	// Folders that are to be left out must be known as soon as they are made.
	if w.folders == nil || w.problem != "" || len(w.p.ExcludeFolders) > 0 {
		list, err := w.session.list(ctx)
		if err != nil {
			return err
		}
		w.folders, w.problem = choose(w.p.allowed(list), w.b.SentFolder)
		w.excluded = w.p.notAllowed(list)
		w.box.update(func(s *BoxStatus) { s.SentFolder = sentFolder(w.folders) })
	}
	if err := w.exclude(ctx); err != nil {
		return err
	}
	w.inbox = 0
	now := w.p.mark() // before reading: what changes meanwhile is read for next time
	first, err := w.loadMark(ctx, now)
	if err != nil {
		return err
	}
	if first { // if this reading is interrupted, what changes meanwhile must still be seen
		if err := w.saveMark(ctx, now); err != nil {
			return err
		}
	}
	if again && w.p.Began != nil && w.p.Began(w.done.catalogue, now.catalogue) {
		if err := w.anew(ctx, now); err != nil {
			return err
		}
	}
	inbox, err := w.cursor(ctx, w.folders[len(w.folders)-1])
	if err != nil {
		return err
	}
	whole := again || inbox == nil || inbox.First // the Inbox is read after all of Sent
	for _, f := range w.folders {
		if err := w.scan(ctx, f, w.back(again, now, f)); err != nil {
			return err
		}
	}
	if w.inbox != 0 {
		w.poke() // for the rest of the Inbox
	}
	if !whole {
		return nil
	}
	if w.found == now.late+1 { // ours alone, and the Inbox is read after it
		now.late = w.found
	}
	return w.saveMark(ctx, now)
}

// anew makes this pass the first reading of each folder once more. That one goes on where it
// was interrupted, as the reading back of some days does not: a year may take longer than a day
// allows. Folders come before the mark, so that a crash between reads too much and not too little.
func (w *watch) anew(ctx context.Context, now mark) error {
	for _, f := range w.folders {
		if err := w.p.Memory.Save(ctx, w.cursorKey(f), ""); err != nil {
			return stored(fmt.Errorf("forget a cursor: %w", err))
		}
		delete(w.cursors, f.name)
	}
	return w.saveMark(ctx, now)
}

// back returns from when on a folder is read again; zero: not at all. Late mail of
// the mailbox itself changes answers to it only.
func (w *watch) back(again bool, now mark, f folder) time.Time {
	if !again {
		return time.Time{}
	}
	farthest := w.p.now().Add(-month)
	if now.catalogue != w.done.catalogue {
		return farthest
	}
	but := ""
	if f.kind == Sent {
		but = w.b.Name
	}
	since := w.p.earliest(w.done.late, but)
	if since.IsZero() {
		return since
	}
	return later(farthest, since)
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (w *watch) poke() {
	select {
	case w.box.poke <- struct{}{}:
	default:
	}
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
		return false, stored(fmt.Errorf("load catalogue version: %w", err))
	}
	version, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		w.done = &now
		return true, nil
	}
	w.done = &mark{catalogue: version, late: now.late}
	return false, nil
}

func (w *watch) saveMark(ctx context.Context, now mark) error {
	if err := w.p.Memory.Save(ctx, w.markKey(), strconv.FormatUint(now.catalogue, 10)); err != nil {
		return stored(fmt.Errorf("save catalogue version: %w", err))
	}
	w.done = &now
	return nil
}
