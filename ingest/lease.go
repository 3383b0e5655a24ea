package ingest

import (
	"context"
	"crypto/rand"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// Leases divide named work among processes, so that no two do the same and each
// has a fair share: partitions among loaders, mailboxes among pollers. A lease
// that is not renewed for TTL, because its process died, is free for the others.
//
// A process that pauses for longer than TTL may still believe that it holds one.
// Work that this could harm must check, as loaders do when they move on.
type Leases struct {
	Redis redis.UniversalClient
	Node  string          // who we are, the same after a restart
	Group string          // whom we share with: "load", "poll"
	Names []string        // keys of the leases
	TTL   time.Duration   // default 10 s
	Ask   func() []string // the keys instead of Names, where they change; asked at every turn
	Log   *slog.Logger

	mu     sync.Mutex
	held   map[string]context.CancelFunc // ends the work under the lease; nil while there is none
	busy   map[string]bool               // work that has not ended yet, whether its lease is held or not
	ending map[string]bool               // leases that were let go and are held until their work has ended
}

const defaultLease = 10 * time.Second

// The scripts may run when Redis is out of memory: that is when loading matters most.
var (
	// beatScript enters a member and returns how many there are. KEYS[1] is the sorted set; ARGV are the member and
	// the milliseconds after which a silent one is gone. Time is Redis's: clocks of machines differ.
	beatScript = redis.NewScript(`#!lua flags=allow-oom
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. now - ARGV[2])
return redis.call('ZCARD', KEYS[1])`)
	// holdScript takes a lease or renews it, unless another has it. KEYS[1] is the lease; ARGV are the member and the
	// milliseconds.
	holdScript = redis.NewScript(`#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)
	// releaseScript gives a lease back if it is ours.
	releaseScript = redis.NewScript(`#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)
)

func (l *Leases) ttl() time.Duration {
	if l.TTL > 0 {
		return l.TTL
	}
	return defaultLease
}

func (l *Leases) members() string { return "dealtrail:members:" + l.Group }

// Each does the work of every lease while it is held, until ctx ends. work must
// return soon after its context ends, which is when the lease is lost or goes to
// another member; work that returns earlier is begun again.
func (l *Leases) Each(ctx context.Context, work func(ctx context.Context, name string)) error {
	var all sync.WaitGroup
	defer l.release()
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		for _, name := range l.turn(ctx) {
			doing, stop := context.WithCancel(ctx)
			if !l.begin(name, stop) {
				stop()
				continue
			}
			all.Go(func() {
				defer l.end(name)
				for doing.Err() == nil {
					work(doing, name)
					wait(doing, time.Second)
				}
			})
		}
		if !wait(ctx, l.ttl()/4) {
			return nil
		}
	}
}

// turn renews what we hold, gives up what is more than our share and takes what
// is free up to it. It returns what is newly held.
func (l *Leases) turn(ctx context.Context) (taken []string) {
	ctx, cancel := context.WithTimeout(ctx, l.ttl()/4)
	defer cancel()
	members, err := beatScript.Run(ctx, l.Redis, []string{l.members()}, l.Node, l.ttl().Milliseconds()).Int()
	if err != nil {
		l.lost(ctx, err)
		return nil
	}
	names := slices.Clone(l.Names)
	if l.Ask != nil {
		names = l.Ask()
	}
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	for _, name := range l.Held() {
		if !wanted[name] {
			l.letGo(name)
		}
	}
	share := (len(names) + members - 1) / max(members, 1)
	mathrand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		l.mu.Lock()
		_, ours := l.held[name]
		busy, n := l.busy[name], 0
		for held := range l.held {
			if wanted[held] && !l.ending[held] { // what is not may still be ending, and costs no other its place
				n++
			}
		}
		l.mu.Unlock()
		if ours && n > share && !l.isEnding(name) {
			l.letGo(name)
			continue
		}
		if !ours && (n >= share || busy) {
			continue
		}
		ok, err := holdScript.Run(ctx, l.Redis, []string{name}, l.Node, l.ttl().Milliseconds()).Bool()
		switch {
		case err != nil:
			l.lost(ctx, err)
		case ours && !ok:
			l.Log.Warn("lease is lost", "lease", name)
			l.forget(name)
		case !ours && ok:
			l.mu.Lock()
			if l.held == nil {
				l.held = map[string]context.CancelFunc{}
			}
			l.held[name] = nil
			l.mu.Unlock()
			taken = append(taken, name)
		}
	}
	return taken
}

// lost notes that Redis does not answer. What we hold stays ours: nobody else can
// take it while there is no Redis, and after that the next turn tells.
func (l *Leases) lost(ctx context.Context, err error) {
	if ctx.Err() == nil {
		l.Log.Debug("leases are not renewed", "group", l.Group, "err", err)
	}
}

// begin notes what ends the work of a lease; false if it is held no more.
func (l *Leases) begin(name string, stop context.CancelFunc) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.held[name]; !ok {
		return false
	}
	l.held[name] = stop
	if l.busy == nil {
		l.busy = map[string]bool{}
	}
	l.busy[name] = true
	return true
}

// end notes that the work of a lease has ended.
func (l *Leases) end(name string) {
	l.giveBack(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, name)
}

// forget ends the work of a lease that is somebody else's.
func (l *Leases) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stop := l.held[name]; stop != nil {
		stop()
	}
	delete(l.held, name)
	delete(l.ending, name)
}

func (l *Leases) isEnding(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending[name]
}

// letGo ends the work of a lease, which gives it back when it has ended.
func (l *Leases) letGo(name string) {
	l.mu.Lock()
	stop := l.held[name]
	if stop != nil {
		if l.ending == nil {
			l.ending = map[string]bool{}
		}
		l.ending[name] = true
	}
	l.mu.Unlock()
	if stop != nil {
		stop()
	} else {
		l.giveBack(name)
	}
}

// giveBack frees a lease for the others.
func (l *Leases) giveBack(name string) {
	l.forget(name)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := releaseScript.Run(ctx, l.Redis, []string{name}, l.Node).Err(); err != nil {
		l.lost(ctx, err) // it runs out by itself
	}
}

// release gives everything back and leaves the group.
func (l *Leases) release() {
	for _, name := range l.Held() {
		l.giveBack(name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := l.Redis.ZRem(ctx, l.members(), l.Node).Err(); err != nil {
		l.lost(ctx, err)
	}
}

// Held returns the leases that we hold.
func (l *Leases) Held() (names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.held {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Keep renews, takes and gives up leases until ctx ends, for who looks at Held
// instead of letting Each do the work.
func (l *Leases) Keep(ctx context.Context) error {
	defer l.release()
	for {
		l.turn(ctx)
		if !wait(ctx, l.ttl()/4) {
			return nil
		}
	}
}

// What is leased besides partitions.
const (
	MailboxLease = "dealtrail:lease:mailbox:" // and the mailbox's name
	CRMLease     = "dealtrail:lease:crm:"     // and the name of a CRM
	JobsLease    = "dealtrail:lease:jobs"     // the process that does what is due
	RunLease     = "dealtrail:lease:run"      // one attribution run
	HoldoutLease = "dealtrail:lease:holdout"  // one start or end of a holdout
	ReviewLease  = "dealtrail:lease:review"   // one writing of the review's files
	DecideLease  = "dealtrail:lease:decide"   // one writing of decisions
	SayLease     = "dealtrail:lease:say"      // one person's word on who made a request
)

// ErrLost is the cause of the context of who holds a lease no more: see Alone.
var ErrLost = trail.Problemf(trail.Unavailable, "Another process took this over, or Redis did not answer for ten seconds; try again in a moment.")

// Alone holds one lease while somebody does something once: it renews it until
// release is called. ok is false while another holds it or Redis does not answer.
//
// The work must go by held: it ends with ErrLost as its cause once another has the
// lease, or could have it because it was not renewed for as long as it lasts. Between
// that moment and the next look at held something may still be written, after a process
// was stopped for longer than that; what it could harm must check, as DB.Erase does.
func Alone(ctx context.Context, rdb redis.UniversalClient, name string) (held context.Context, release func(), ok bool) {
	return alone(ctx, rdb, name, defaultLease)
}

func alone(ctx context.Context, rdb redis.UniversalClient, name string, ttl time.Duration) (held context.Context, release func(), ok bool) {
	holder := []any{rand.Text(), ttl.Milliseconds()}
	asked := time.Now() // Redis counts from later on
	ok, err := holdScript.Run(ctx, rdb, []string{name}, holder...).Bool()
	if err != nil || !ok {
		return ctx, nil, false
	}
	held, lose := context.WithCancelCause(ctx)
	over := time.AfterFunc(time.Until(asked.Add(ttl)), func() { lose(ErrLost) })
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var renewed sync.WaitGroup
	renewed.Go(func() {
		for wait(renewing, ttl/4) {
			asked := time.Now()
			ours, err := holdScript.Run(renewing, rdb, []string{name}, holder...).Bool()
			switch {
			case err != nil: // the next time may work
			case !ours:
				lose(ErrLost)
				return
			default:
				over.Reset(time.Until(asked.Add(ttl)))
			}
		}
	})
	return held, func() {
		stop()
		renewed.Wait()
		over.Stop()
		lose(nil)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = releaseScript.Run(ctx, rdb, []string{name}, holder[0]).Err() // else it runs out
	}, true
}
