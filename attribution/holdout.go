package attribution

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

// Holdouts are the experiments on content: what may be recommended to a deal, which
// deals chance drew for which arm, and what became of them. docs/holdout.md says how
// it works and why.
type Holdouts struct {
	DB     *store.DB
	Emit   trail.Emit
	Settle func(ctx context.Context) error // returns when all that was accepted before is loaded; nil: it is at once
	Log    *slog.Logger                    // nil: nothing is logged
	Now    func() time.Time                // nil: time.Now

	// Alone keeps other processes from starting and ending until release is called; ok is false while another does.
	// nil: there are none.
	Alone func(ctx context.Context) (held context.Context, release func(), ok bool)

	Patience time.Duration // how long a person waits to read what they wrote; default 5 s
	Every    time.Duration // between two draws by Run at least; default a minute

	mu sync.Mutex // from reading what there is to accepting what is new
}

const (
	holdoutPatience = 5 * time.Second
	drawEvery       = time.Minute
	drawAtOnce      = 1000 // deals in one write
	maxBy           = 200  // bytes of a name
)

// Start begins a holdout from now on and returns it with its ID. visible is false
// when it is accepted and reports do not show it within Patience. source says who
// told us ("api", "ui"). A *trail.Problem says what is wrong with it: there is no
// such content or stage, a number is out of bounds, or the content has one already.
func (x *Holdouts) Start(ctx context.Context, h trail.Holdout, source string) (started trail.Holdout, visible bool, err error) {
	err = x.write(ctx, func(all []trail.Holdout) (trail.Event, error) {
		now := x.now()
		if h.Title, err = x.content(ctx, h.Content); err != nil {
			return trail.Event{}, err
		}
		if started, err = h.Complete(now); err != nil {
			return trail.Event{}, err
		}
		if err := x.stage(ctx, started.Stage); err != nil {
			return trail.Event{}, err
		}
		for _, other := range all {
			if other.Content == h.Content && other.Running(now) {
				return trail.Event{}, trail.Problemf(trail.Conflict, "The content %q has the holdout %q (%s), which is running since %s; end that first, since one deal cannot be in two at once.",
					h.Content, other.Name, other.ID, other.StartedAt.Format(time.DateOnly))
			}
		}
		started.ID = trail.NewID(now).String()
		started.By = strings.ToValidUTF8(started.By[:min(len(started.By), maxBy)], "")
		e := started.Registration(source, now)
		started.Event, started.At = e.ID, e.At
		return e, nil
	})
	if err != nil {
		return trail.Holdout{}, false, err
	}
	x.log().Info("holdout started", "holdout", started.ID, "content", started.Content)
	return started, x.settle(ctx) == nil, nil
}

// End ends a holdout at a time, which is now if it is zero: no deal is drawn from
// then on. Those that were are watched, and held back, until their horizon is over.
func (x *Holdouts) End(ctx context.Context, id string, at time.Time, source string) (ended trail.Holdout, visible bool, err error) {
	err = x.write(ctx, func(all []trail.Holdout) (trail.Event, error) {
		h, err := holdoutOf(all, id)
		if err != nil {
			return trail.Event{}, err
		}
		now := x.now()
		if ended, err = h.Ending(at, now); err != nil {
			return trail.Event{}, err
		}
		e := ended.Registration(source, now)
		ended.Event, ended.At = e.ID, e.At
		return e, nil
	})
	if err != nil {
		return trail.Holdout{}, false, err
	}
	return ended, x.settle(ctx) == nil, nil
}

// write lets one person at a time write, who has read all that others wrote before.
func (x *Holdouts) write(ctx context.Context, make func(all []trail.Holdout) (trail.Event, error)) (err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.Alone != nil {
		held, release, ok := x.Alone(ctx)
		if !ok {
			return trail.Problemf(trail.Unavailable, "Somebody else is starting or ending a holdout, or Redis does not answer; try again in a few seconds.")
		}
		defer release()
		ctx = held
		defer func() { err = trail.Because(ctx, err) }()
	}
	if err := x.settle(ctx); err != nil {
		return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "What was written before is not loaded yet, so it cannot be told whether this fits; try again in a few seconds."), err)
	}
	all, err := x.DB.Holdouts(ctx, store.Filter{})
	if err != nil {
		return err
	}
	e, err := make(all)
	if err == nil {
		err = context.Cause(ctx) // what is emitted goes out whether who asked is still there or not
	}
	if err != nil {
		return err
	}
	if err := x.Emit(ctx, e); err != nil {
		return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "This cannot be written at the moment; try again in a few seconds."), err)
	}
	return nil
}

// content returns the title of a content that is registered.
func (x *Holdouts) content(ctx context.Context, id trail.ContentID) (title string, err error) {
	all, err := x.DB.Shareable(ctx, store.Filter{})
	if err != nil {
		return "", err
	}
	var ids []string
	for _, c := range all {
		if c.ID == id {
			return c.Title, nil
		}
		ids = append(ids, c.ID)
	}
	return "", trail.Problemf(trail.Invalid, "There is no content %q; %s.", id, someOf("registered", ids))
}

// stage refuses a stage that no deal is in.
func (x *Holdouts) stage(ctx context.Context, stage string) error {
	if stage == "" {
		return nil
	}
	all, err := x.DB.OpenStages(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Stage)
	}
	if slices.Contains(names, stage) {
		return nil
	}
	return trail.Problemf(trail.Invalid, "No deal is in the stage %q; leave it empty for every open deal; %s.", stage, someOf("deals are in", names))
}

// someOf lists what there is, the first few of many.
func someOf(what string, all []string) string {
	const few = 12
	switch {
	case len(all) == 0:
		return what + ": none"
	case len(all) <= few:
		return what + ": " + strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s: %s and %d more", what, strings.Join(all[:few], ", "), len(all)-few)
}

func holdoutOf(all []trail.Holdout, id string) (trail.Holdout, error) {
	for _, h := range all {
		if strings.EqualFold(h.ID, id) {
			return h, nil
		}
	}
	return trail.Holdout{}, trail.Problemf(trail.NotFound, "There is no holdout %q.", id)
}

// Recommend returns which of the contents may be recommended to a deal, in the same
// order: all but those that a holdout holds back from it. A deal that is eligible and
// not drawn yet is drawn now. This is for whatever recommends, and not for what a rep
// chooses: sending is never asked about. On an error nothing should be recommended,
// since nobody knows what is held back.
func (x *Holdouts) Recommend(ctx context.Context, deal string, contents ...trail.ContentID) ([]trail.ContentID, error) {
	all, err := x.DB.Holdouts(ctx, store.Filter{})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(h trail.Holdout) bool { return !slices.Contains(contents, h.Content) })
	if len(all) == 0 {
		return contents, nil
	}
	ledger, err := x.DB.HoldoutDraws(ctx, deal)
	if err != nil {
		return nil, err
	}
	now, held := x.now(), map[trail.ContentID]bool{}
	for _, h := range all {
		i := slices.IndexFunc(ledger, func(d store.HoldoutDraw) bool { return d.Holdout == h.ID })
		switch {
		case i >= 0:
			// After its horizon nothing is to be learned from the deal any more.
			held[h.Content] = held[h.Content] || ledger[i].Arm == trail.HeldBack && now.Before(ledger[i].At.Add(h.Horizon()))
		case h.Running(now):
			drawn, err := x.draw(ctx, h, deal)
			if err != nil {
				return nil, err
			}
			held[h.Content] = held[h.Content] || drawn > 0 && h.Arm(deal) == trail.HeldBack
		}
	}
	return slices.DeleteFunc(slices.Clone(contents), func(c trail.ContentID) bool { return held[c] }), nil
}

// RecommendToAny returns which of the contents may be recommended where no deal is
// named: all but those that a holdout holds back from some deal or may yet. Who reads
// it could send them to any.
func (x *Holdouts) RecommendToAny(ctx context.Context, contents ...trail.ContentID) ([]trail.ContentID, error) {
	all, err := x.DB.Holdouts(ctx, store.Filter{})
	if err != nil {
		return nil, err
	}
	now, held := x.now(), map[trail.ContentID]bool{}
	for _, h := range all {
		held[h.Content] = held[h.Content] || h.Running(now) || now.Before(h.EndedAt.Add(h.Horizon()))
	}
	return slices.DeleteFunc(slices.Clone(contents), func(c trail.ContentID) bool { return held[c] }), nil
}

// Run draws for the deals that become eligible until ctx ends. One process does. It
// takes a twentieth of the time at most, however large the store is.
func (x *Holdouts) Run(ctx context.Context) error {
	for {
		began := time.Now()
		if _, err := x.Draw(ctx); err != nil && ctx.Err() == nil {
			x.log().Warn("deals that became eligible for holdouts are not drawn yet", "err", err)
		}
		pause := time.NewTimer(max(cmp.Or(x.Every, drawEvery), 20*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
	}
}

// Draw draws for every deal that is eligible for a running holdout, and returns how
// often.
func (x *Holdouts) Draw(ctx context.Context) (drawn int, err error) {
	all, err := x.DB.Holdouts(ctx, store.Filter{})
	if err != nil {
		return 0, err
	}
	for _, h := range all {
		if !h.Running(x.now()) {
			continue
		}
		n, err := x.draw(ctx, h, "")
		if drawn += n; err != nil {
			return drawn, fmt.Errorf("holdout %s: %w", h.ID, err)
		}
	}
	if drawn > 0 && x.Settle != nil { // so that the next time finds them in the ledger; a copy would count once
		settling, cancel := context.WithTimeout(ctx, settleWait)
		defer cancel()
		if err := x.Settle(settling); err != nil && !errors.Is(err, context.Canceled) {
			x.log().Debug("the ledger is not loaded yet", "err", err)
		}
	}
	return drawn, nil
}

// draw writes the ledger for the eligible deals of one holdout, or for one deal if it
// is, and returns for how many.
func (x *Holdouts) draw(ctx context.Context, h trail.Holdout, deal string) (int, error) {
	eligible, err := x.DB.HoldoutEligible(ctx, h, deal)
	if err != nil {
		return 0, err
	}
	now := x.now()
	for some := range slices.Chunk(eligible, drawAtOnce) {
		var events []trail.Event
		for _, d := range some {
			events = append(events, h.Assignment(d.Deal, d.Stage, now))
		}
		if err := x.Emit(ctx, events...); err != nil {
			return 0, fmt.Errorf("write the ledger: %w", err)
		}
	}
	return len(eligible), nil
}

// settle waits, for as long as a person does, until all that was accepted is visible.
func (x *Holdouts) settle(ctx context.Context) error {
	if x.Settle == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(x.Patience, holdoutPatience))
	defer cancel()
	return x.Settle(ctx)
}

func (x *Holdouts) now() time.Time {
	if x.Now == nil {
		return milli(time.Now())
	}
	return milli(x.Now())
}

func (x *Holdouts) log() *slog.Logger { return cmp.Or(x.Log, slog.New(slog.DiscardHandler)) }
