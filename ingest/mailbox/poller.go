package mailbox

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"dealtrail/trail"
)

// Poller watches mailboxes. Set the fields, then call Run; Status, Poke and
// Check may be called at any time.
type Poller struct {
	Boxes  []Box
	Reader *Reader // its WasSent is not used: Memory's is
	Emit   trail.Emit
	Memory Memory
	Log    *slog.Logger

	// Share divides mailboxes among processes: it calls work for each name while that mailbox is ours, and ends its
	// context when it is not. nil: all of them are.
	Share func(ctx context.Context, names []string, work func(ctx context.Context, name string)) error

	// CatalogueVersion is any number that changes when content is registered.
	// Then the last 30 days of mail are read again, for they may link to it. The
	// number that was last acted on is kept in Memory, so it should survive
	// restarts; else each start reads those days again. nil: never changes.
	CatalogueVersion func() uint64

	Every    time.Duration               // between two looks into a mailbox; 0: 2 minutes
	Settle   time.Duration               // how long the catalogue must be still before mail is read again for it; 0: 30 seconds
	Patience time.Duration               // how long a server may be silent in an exchange; 0: 30 seconds
	Backoff  func(try int) time.Duration // the wait after failure number try, from 0; nil: 5 seconds to 15 minutes with full jitter
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Now      func() time.Time

	mu       sync.Mutex
	boxes    map[string]*box
	backfill uint64 // grows when sent mail is seen late: replies to it may have been read before
}

// State is how a mailbox is doing.
type State string

// The states of a mailbox.
const (
	Connecting State = "connecting" // not read yet
	OK         State = "ok"         // read at the last look
	Retrying   State = "retrying"   // something failed; it is tried again by itself
	Parked     State = "parked"     // a person has to change something; then Poke or restart
)

// BoxStatus is what status shows of a mailbox. A reason in state ok says that
// something is missing all the same, such as the Sent folder.
type BoxStatus struct {
	Name       string    `json:"name"`
	Rep        string    `json:"rep"`
	State      State     `json:"state"`
	Reason     string    `json:"reason,omitzero"`
	SentFolder string    `json:"sent_folder,omitzero"`
	LastPoll   time.Time `json:"last_poll,omitzero"` // when the last complete look ended
	Messages   uint64    `json:"messages"`           // read since the start
	Events     uint64    `json:"events"`             // handed over since the start; those of mail read again count again
	SetAside   uint64    `json:"set_aside"`          // messages since the start that could not be read
	Todo       uint64    `json:"todo,omitzero"`      // messages that are left of the reading under way

	Wrapped   map[string]uint64 `json:"wrapped,omitempty"`  // sent mails since the start with links that cannot be read, by who wrapped them
	Trackers  map[string]uint64 `json:"trackers,omitempty"` // sent mails since the start whose links go through another program, by its name
	Rescanned time.Time         `json:"rescanned,omitzero"` // when the server last reset a folder, since the start
	Held      bool              `json:"-"`                  // it is this process that reads the mailbox
}

// box is what the poller knows of one mailbox.
type box struct {
	mu     sync.Mutex
	status BoxStatus
	poke   chan struct{} // buffered 1
}

func (b *box) update(f func(*BoxStatus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.status)
}

func (b *box) hold(held bool) {
	b.update(func(s *BoxStatus) { s.Held = held })
}

// Run watches all mailboxes, each on its own connection, until the context
// ends. A mailbox with wrong settings, a wrong password or a broken server
// never stops the others. It returns a Problem if two mailboxes share a name.
func (p *Poller) Run(ctx context.Context) error {
	boxes, names := map[string]*Box{}, []string{}
	for i, b := range p.Boxes {
		if boxes[b.Name] != nil {
			return trail.Problemf(trail.Invalid, "Two mailboxes are named %q; names must differ.", b.Name)
		}
		boxes[b.Name] = &p.Boxes[i]
		names = append(names, b.Name)
	}
	work := func(ctx context.Context, name string) {
		w := watch{p: p, b: boxes[name], box: p.box(name)}
		w.box.hold(true)
		defer w.box.hold(false)
		w.run(ctx)
	}
	if p.Share != nil {
		return p.Share(ctx, names, work)
	}
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() { work(ctx, name) })
	}
	all.Wait()
	<-ctx.Done()
	return nil
}

// Status returns how each mailbox is doing, in the order of Boxes.
func (p *Poller) Status() []BoxStatus {
	var out []BoxStatus
	for _, b := range p.Boxes {
		known := p.box(b.Name)
		known.mu.Lock()
		out = append(out, known.status)
		known.mu.Unlock()
	}
	return out
}

// Poke looks into the named mailbox now instead of at its time; a parked one
// tries again. It returns at once. An unknown name does nothing.
func (p *Poller) Poke(name string) {
	if known := p.box(name); known != nil {
		select {
		case known.poke <- struct{}{}:
		default:
		}
	}
}

// box returns what is known of the named mailbox, or nil if there is none.
func (p *Poller) box(name string) *box {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.boxes == nil {
		p.boxes = map[string]*box{}
		for _, b := range p.Boxes {
			p.boxes[b.Name] = &box{
				status: BoxStatus{Name: b.Name, Rep: trail.NormalAddress(b.Rep), State: Connecting},
				poke:   make(chan struct{}, 1),
			}
		}
	}
	return p.boxes[name]
}

func (p *Poller) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

func (p *Poller) every() time.Duration    { return or(p.Every, 2*time.Minute) }
func (p *Poller) settle() time.Duration   { return or(p.Settle, 30*time.Second) }
func (p *Poller) patience() time.Duration { return or(p.Patience, 30*time.Second) }

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// backoff spreads the retries of many mailboxes of one server: a random wait up
// to a bound that doubles from 5 seconds to 15 minutes.
func (p *Poller) backoff(try int) time.Duration {
	if p.Backoff != nil {
		return p.Backoff(try)
	}
	bound := 15 * time.Minute
	if try < 8 {
		bound = min(bound, 5*time.Second<<try)
	}
	return time.Second + rand.N(bound)
}

// mark is what mail was read for: when it differs from now's, mail of the last
// 30 days may mean more than it did.
type mark struct {
	catalogue, backfill uint64
}

func (p *Poller) mark() mark {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := mark{backfill: p.backfill}
	if p.CatalogueVersion != nil {
		m.catalogue = p.CatalogueVersion()
	}
	return m
}

// found tells all mailboxes that sent mail was seen late, and returns the number
// of times that was so.
func (p *Poller) found() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backfill++
	return p.backfill
}
