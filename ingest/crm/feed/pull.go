package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest/crm"
	"dealtrail/trail"
)

type crmTold = crm.Told

const (
	lookEvery = time.Second // how often an inbox is looked at that nobody in this process fills
	tryEvery  = 10 * time.Second
	pullAgain = time.Minute // after a pull that did not work
)

// Run reads and asks all sources until ctx ends. It returns nil.
func (f *Feeds) Run(ctx context.Context) error {
	var names []string
	for _, s := range f.Sources {
		names = append(names, s.Name)
	}
	if len(names) == 0 {
		<-ctx.Done()
		return nil
	}
	return f.Share(ctx, names, f.work)
}

// work reads and asks one source until ctx ends.
func (f *Feeds) work(ctx context.Context, name string) {
	s, err := f.source(name)
	if err != nil {
		return
	}
	api, _ := s.asks()
	failed := true // what an earlier process was in trouble with may be mended
	for ctx.Err() == nil {
		err := f.turn(ctx, s, api)
		if ctx.Err() != nil {
			return
		}
		if err != nil || failed {
			f.trouble(ctx, s, err)
		}
		wait := lookEvery
		if failed = err != nil; failed {
			wait = tryEvery
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-f.wake(name):
		}
		timer.Stop()
	}
}

// turn does what there is to do for a source now.
func (f *Feeds) turn(ctx context.Context, s *Source, api asked) error {
	if err := f.sweep(ctx, s); err != nil {
		return err
	}
	if err := f.empty(ctx, s, api); err != nil {
		return err
	}
	if api == nil {
		return nil
	}
	due, full, err := f.due(ctx, s)
	if err != nil || !due {
		return err
	}
	// Owners and companies change too: a new pull asks for all of them again.
	api, _ = s.asks()
	if err := f.pull(ctx, s, api, full); err != nil {
		f.note(context.WithoutCancel(ctx), s, "pulling", "", "next_at", ms(f.now().Add(pullAgain)))
		return err
	}
	return nil
}

// due tells whether a source is to be asked now, and whether for everything.
func (f *Feeds) due(ctx context.Context, s *Source) (due, full bool, err error) {
	v, err := f.Redis.HMGet(ctx, s.key("status"), "want", "next_at", "cursor", "full_at", "owed").Result()
	if err != nil {
		return false, false, unavailable(err)
	}
	number := func(i int) int64 {
		text, _ := v[i].(string)
		n, _ := strconv.ParseInt(text, 10, 64) // absent is never
		return n
	}
	now := f.now()
	full = number(2) == 0 || now.Sub(time.UnixMilli(number(3))) > fullEvery || number(4) == 1
	if want, _ := v[0].(string); want != "" {
		return true, full || want == "full", nil
	}
	return number(1) == 0 || now.UnixMilli() >= number(1), full, nil
}

// Ask has a source asked soon, for what changed or for everything.
func (f *Feeds) Ask(ctx context.Context, name string, full bool) error {
	s, err := f.source(name)
	if err != nil {
		return err
	}
	if !s.Pulls() {
		return trail.Problemf(trail.Invalid, "%s is not asked: it has no token in the configuration. Its deliveries are all that is known.", name)
	}
	want := "changes"
	if full {
		want = "full"
	}
	if err := f.Redis.HSet(ctx, s.key("status"), "want", want).Err(); err != nil {
		return unavailable(err)
	}
	f.nudge(name)
	return nil
}

// learn asks for the pipelines. It says whether a stage that was known has another name
// now: what deals went through must be told anew then.
func (f *Feeds) learn(ctx context.Context, s *Source, api asked, m *meanings) (*meanings, error) {
	pipelines, err := api.pipelines(ctx)
	if err != nil {
		return nil, err
	}
	return newMeanings(pipelines, m.said), f.keep(ctx, s, pipelines)
}

func (m *meanings) renamed(next *meanings) bool {
	for id := range m.stages {
		if _, known := next.stages[id]; known && m.name(id) != next.name(id) {
			return true
		}
	}
	return false
}

// pull asks what changed since the last time, or for everything. The cursor moves on once
// all of it is accepted; what is asked twice is no news.
func (f *Feeds) pull(ctx context.Context, s *Source, api asked, full bool) error {
	started := f.now()
	before, err := f.meanings(ctx, s)
	if err != nil {
		return err
	}
	m, err := f.learn(ctx, s, api, before)
	if err != nil {
		return err
	}
	full = full || before.renamed(m)
	since := time.Time{}
	what := "everything"
	if !full {
		cursor, err := f.Redis.HGet(ctx, s.key("status"), "cursor").Int64()
		if err != nil {
			return unavailable(err)
		}
		since, what = time.UnixMilli(cursor).Add(-overlap), "what changed"
	}
	f.note(ctx, s, "pulling", what, "want", "")
	if full {
		f.note(ctx, s, "owed", "1") // should this one not end
	}
	if err := f.askSilent(ctx, s, api, m); err != nil {
		return err
	}
	t := &tally{deals: map[string]bool{}, since: map[string]time.Time{}, facts: map[trail.ID]bool{}}
	err = api.changed(ctx, since, s.closedAfter(started), func(deals []Deal) error {
		if err := f.tell(ctx, s, m, deals, t); err != nil {
			return err
		}
		f.note(ctx, s, "pulling", fmt.Sprintf("%s: %d deals so far", what, len(t.deals)))
		return f.empty(ctx, s, api) // deliveries do not wait for a long pull
	})
	if err != nil {
		return err
	}
	if full {
		if err := f.compareAll(ctx, s, api, m, t); err != nil {
			return err
		}
	}
	next := cmp.Or(s.Every, time.Hour)
	pairs := []any{"pulling", "", "cursor", ms(started), "pulled_at", ms(f.now()), "next_at", ms(f.now().Add(next)), "note", t.note}
	if full {
		pairs = append(pairs, "full_at", ms(f.now()), "owed", "")
	}
	if err := f.Redis.HSet(ctx, s.key("status"), pairs...).Err(); err != nil {
		return unavailable(err)
	}
	f.Log.Info("a CRM was asked", "crm", s.Name, "what", what, "deals", len(t.deals))
	return nil
}

// askSilent asks again for deals for which the CRM did not answer.
func (f *Feeds) askSilent(ctx context.Context, s *Source, api asked, m *meanings) error {
	ids, err := f.Redis.SMembers(ctx, s.key("silent")).Result()
	if err != nil {
		return unavailable(err)
	}
	for part := range slices.Chunk(ids, atOnce) {
		deals, err := pulled(ctx, api, part)
		if err != nil {
			return err
		}
		if err := f.tell(ctx, s, m, deals, nil); err != nil {
			return err
		}
	}
	return nil
}

// compareAll looks for what a pull of everything did not find: deals that are here by the
// CRM's word and may be deleted, and stages that it does not tell of any more.
func (f *Feeds) compareAll(ctx context.Context, s *Source, api asked, m *meanings, t *tally) error {
	known, err := f.Importer.SubjectsOf(ctx, s.from(), trail.DealKind)
	if err != nil {
		return fmt.Errorf("look up deals: %w", err)
	}
	listed, err := f.Redis.HKeys(ctx, s.key("deals")).Result()
	if err != nil {
		return unavailable(err)
	}
	rest := slices.DeleteFunc(unique(append(known, listed...)), func(id string) bool { return t.deals[id] })
	for part := range slices.Chunk(rest, atOnce) {
		deals, err := pulled(ctx, api, part)
		if err != nil {
			return err
		}
		if err := f.tell(ctx, s, m, deals, t); err != nil {
			return err
		}
	}
	n, err := f.Importer.Retell(ctx, s.from(), t.since, t.facts)
	if n > 0 {
		f.Log.Info("stages that a CRM does not tell of any more were taken back", "crm", s.Name, "n", n)
	}
	return err
}

// from is the source of events.
func (s *Source) from() string { return "crm/" + s.Name }

// tell hands deals to the importer, and takes down what the CRM said of them. t may be nil.
func (f *Feeds) tell(ctx context.Context, s *Source, m *meanings, deals []Deal, t *tally) error {
	var rows []crm.Told
	var l ledger
	for _, d := range deals {
		if t != nil {
			t.saw(d)
		}
		if d.Silent {
			l.silent = append(l.silent, d.ID)
			continue
		}
		if s.Pulls() {
			d.Status = m.status(d)
		}
		rows = append(rows, f.told(s, m, d)...)
		if err := l.note(d, f.contactOf); err != nil {
			return err
		}
	}
	if len(l.silent) > 0 {
		f.Log.Warn("a CRM did not answer for all deals; they are asked for again", "crm", s.Name, "n", len(l.silent))
	}
	report, err := f.Importer.Tell(ctx, s.from(), rows)
	if err != nil {
		return err
	}
	if report.Rejected > 0 || len(report.Warnings) > 0 {
		f.Log.Warn("not all that a CRM said could be taken", "crm", s.Name, "rejected", report.Rejected, "left_out", len(report.Warnings))
	}
	if t != nil {
		t.took(report)
	}
	if !s.Pulls() {
		return nil
	}
	return f.enter(ctx, s, &l)
}

func ignoreNil(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// Check asks a source for its pipelines and five deals, and stores nothing.
func (f *Feeds) Check(ctx context.Context, name string) (trail.CRMCheck, error) {
	s, err := f.source(name)
	if err != nil {
		return trail.CRMCheck{}, err
	}
	api, ok := s.asks()
	if !ok {
		return trail.CRMCheck{}, trail.Problemf(trail.Invalid, "%s is not asked: it has no token in the configuration.", name)
	}
	was, err := f.meanings(ctx, s)
	if err != nil {
		return trail.CRMCheck{}, err
	}
	pipelines, err := api.pipelines(ctx)
	if err != nil {
		return trail.CRMCheck{}, err
	}
	m := newMeanings(pipelines, was.said)
	check := trail.CRMCheck{Pipelines: m.told(), Deals: []trail.CRMDeal{}}
	enough := errors.New("enough")
	err = api.changed(ctx, time.Time{}, s.closedAfter(f.now()), func(deals []Deal) error {
		for _, d := range deals {
			if d.Gone || d.Into != "" || d.Silent {
				continue
			}
			check.Deals = append(check.Deals, trail.CRMDeal{
				ID: d.ID, Name: d.Cells["name"], Stage: m.name(d.Stage), Status: m.status(d), Amount: d.Cells["amount"], Owner: d.Cells["owner"],
				Contacts: len(d.Contacts), Stages: len(d.Entered), Modified: d.Modified,
			})
			if len(check.Deals) == 5 {
				return enough
			}
		}
		return nil
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return check, err
}
