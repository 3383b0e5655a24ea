package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest/crm"
	"dealtrail/trail"
)

// Feeds are all sources. Fields are set by whoever wires the program.
type Feeds struct {
	Redis    redis.UniversalClient
	Sources  []*Source
	Importer *crm.Importer
	Public   string // under which address CRMs reach us, without a path
	Now      func() time.Time
	Log      *slog.Logger

	// Erase forgets a person, by address or contact ID; nil: a delivery that asks for it is set aside.
	Erase func(ctx context.Context, person string) error
	// Share does work for each named source while no other process does.
	Share func(ctx context.Context, names []string, work func(ctx context.Context, name string)) error

	wakes sync.Map // a chan struct{} by name: something is new in an inbox
	swept sync.Map // a time.Time by name: when what is old was last removed

	refusals trail.Lines[string] // by name
}

const (
	// inboxSize is how many deliveries may wait, and inboxBytes how large they may be together; more are refused, and the
	// CRM tries again.
	inboxSize  = 20_000
	inboxBytes = 64 << 20
	// asideSize is how many deliveries that were not understood are kept, and asideLife for how long.
	asideSize = 200
	asideLife = 30 * 24 * time.Hour
	// seenLife is how long a delivery is remembered: CRMs repeat one for three days at most.
	seenLife = 7 * 24 * time.Hour
	// atOnce is how many deliveries are read together.
	atOnce = 100
	// overlap is by how much two questions what changed overlap: searches of CRMs lag behind.
	overlap = 20 * time.Minute
	// fullEvery is how often everything is asked for: it tells what was deleted.
	fullEvery = 7 * 24 * time.Hour
)

// key names what is kept of a source. All of one source is in one slot of a cluster.
//
//	inbox      stream: deliveries that are not read yet (body, at, again)
//	seen:HASH  string: the hash of the body of a delivery by the hash of its name
//	aside      stream: deliveries that were not understood (body, at, reason)
//	status     hash: see [Feeds.Status]; cursor is when it was last asked what changed, in milliseconds
//	versions   hash: of a source that is never asked, when each column of a deal last changed, by deal
//	people     hash: contact IDs by the CRM's IDs of persons
//	unmatched  hash: the CRM's IDs of persons to be erased whose address nobody knows, and when it asked, in milliseconds
//	silent     set: deals for which the CRM did not answer when it was last asked
//	deals      hash: what the CRM last said of each deal, for the reconciliation
//	pipelines  string: the pipelines as the CRM last told them
//	stages     hash: what a person said that stages mean, by the CRM's ID
func (s *Source) key(what string) string { return "dealtrail:crm:{" + s.Name + "}:" + what }

func (f *Feeds) source(name string) (*Source, error) {
	for _, s := range f.Sources {
		if s.Name == name {
			return s, nil
		}
	}
	return nil, trail.Problemf(trail.NotFound, "There is no CRM %q in the configuration; add a block [crm.%s] or use one of those there are.", name, name)
}

// Named returns a source's settings.
func (f *Feeds) Named(name string) (*Source, error) { return f.source(name) }

// Address is where a source delivers.
func (f *Feeds) Address(s *Source) string {
	if s.Secrets == nil {
		return ""
	}
	return strings.TrimSuffix(f.Public, "/") + "/v1/webhooks/" + s.Name
}

func (f *Feeds) now() time.Time { return f.Now().UTC().Truncate(time.Millisecond) }

// wake is signalled when something is new for a source in this process.
func (f *Feeds) wake(name string) chan struct{} {
	c, _ := f.wakes.LoadOrStore(name, make(chan struct{}, 1))
	return c.(chan struct{})
}

func (f *Feeds) nudge(name string) {
	select {
	case f.wake(name) <- struct{}{}:
	default:
	}
}

// note writes fields of a source's status. It is no error that Redis does not answer: the
// next time may work.
func (f *Feeds) note(ctx context.Context, s *Source, pairs ...any) {
	if err := f.Redis.HSet(ctx, s.key("status"), pairs...).Err(); err != nil && ctx.Err() == nil {
		f.Log.Debug("status of a CRM is not written", "crm", s.Name, "err", err)
	}
}

// trouble notes what a person should know of an error; nil clears it.
func (f *Feeds) trouble(ctx context.Context, s *Source, err error) {
	text := ""
	if p := (*trail.Problem)(nil); errors.As(err, &p) {
		text = p.Text
	} else if err != nil {
		text = "Something went wrong; the log has the details."
	}
	if err != nil {
		f.Log.Warn("a CRM is in trouble", "crm", s.Name, "err", err)
	}
	f.note(ctx, s, "trouble", text)
}

// Status returns how all sources are doing.
func (f *Feeds) Status(ctx context.Context) ([]trail.CRMSource, error) {
	all := []trail.CRMSource{}
	for _, s := range f.Sources {
		one, err := f.StatusOf(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// StatusOf returns how one source is doing, and what its stages mean.
func (f *Feeds) StatusOf(ctx context.Context, name string) (trail.CRMSource, error) {
	s, err := f.source(name)
	if err != nil {
		return trail.CRMSource{}, err
	}
	var status *redis.MapStringStringCmd
	var waiting, aside, deals *redis.IntCmd
	var unmatched *redis.MapStringStringCmd
	var silent *redis.StringSliceCmd
	_, err = f.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		status, waiting, aside, deals = p.HGetAll(ctx, s.key("status")), p.XLen(ctx, s.key("inbox")), p.XLen(ctx, s.key("aside")), p.HLen(ctx, s.key("deals"))
		silent, unmatched = p.SMembers(ctx, s.key("silent")), p.HGetAll(ctx, s.key("unmatched"))
		return nil
	})
	if err != nil {
		return trail.CRMSource{}, unavailable(err)
	}
	v := status.Val()
	count := func(k string) int { n, _ := strconv.Atoi(v[k]); return n } // absent is none
	at := func(k string) time.Time {
		if n, err := strconv.ParseInt(v[k], 10, 64); err == nil && n > 0 {
			return time.UnixMilli(n).UTC()
		}
		return time.Time{}
	}
	one := trail.CRMSource{
		Name: s.Name, Kind: s.Kind, Address: f.Address(s), Pulls: s.Pulls(), Waiting: int(waiting.Val()), Aside: int(aside.Val()), Deals: int(deals.Val()),
		Accepted: count("accepted"), Refused: count("refused"), DeliveredAt: at("delivered_at"), RefusedAt: at("refused_at"),
		PulledAt: at("pulled_at"), FullAt: at("full_at"), Pulling: v["pulling"], Trouble: v["trouble"], Note: v["note"],
	}
	one.Silent = silent.Val()
	slices.Sort(one.Silent)
	for id, asked := range unmatched.Val() {
		n, _ := strconv.ParseInt(asked, 10, 64) // ours
		one.Unmatched = append(one.Unmatched, trail.CRMUnmatched{ID: id, At: time.UnixMilli(n).UTC()})
	}
	slices.SortFunc(one.Unmatched, func(a, b trail.CRMUnmatched) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(a.ID, b.ID)) })
	if s.Pulls() {
		one.NextAt = at("next_at")
	}
	m, err := f.meanings(ctx, s)
	if err != nil {
		return one, err
	}
	one.Pipelines = m.told()
	return one, nil
}

func unavailable(err error) error {
	return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "Redis, which keeps what is known of CRMs, does not answer; try again in a moment."), err)
}

func ms(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }
