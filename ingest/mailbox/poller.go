package mailbox

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dealtrail/trail"
)

// Poller watches mailboxes. Set the fields, then call Run; Set, Status, Poke
// and Check may be called at any time.
type Poller struct {
	Boxes  []Box   // at the start; Set replaces them
	Reader *Reader // its WasSent is not used: Memory's is
	Emit   trail.Emit
	Memory Memory
	Log    *slog.Logger

	// Share divides mailboxes among processes: it calls work for each name while that mailbox is ours, and ends its
	// context when it is not. What names returns changes; work that ends while its mailbox is ours is to be called
	// again. nil: all of them are.
	Share func(ctx context.Context, names func() []string, work func(ctx context.Context, name string)) error

	// CatalogueVersion is any number that changes when content is registered.
	// Then the last 30 days of mail are read again, for they may link to it. The
	// number that was last acted on is kept in Memory, so it should survive
	// restarts; else each start reads those days again. nil: never changes.
	CatalogueVersion func() uint64
	// Began reports whether there was nothing to compare mail with at one version and is at
	// another. Then all of [Box.Since] is read again and not 30 days only, in as many days as the
	// first reading took. nil: never.
	Began func(was, now uint64) bool

	ExcludeFolders []string // names of folders or Gmail labels, whose mail leaves no trace wherever else it lies

	Every    time.Duration               // between two looks into a mailbox; 0: 2 minutes
	Settle   time.Duration               // how long the catalogue must be still before mail is read again for it; 0: 30 seconds
	Patience time.Duration               // how long a server may be silent in an exchange; 0: 30 seconds
	Backoff  func(try int) time.Duration // the wait after failure number try, from 0; nil: 5 seconds to 15 minutes with full jitter
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Now      func() time.Time

	mu      sync.Mutex
	boxes   map[string]*box
	order   []string      // their names, as they were set
	changed chan struct{} // told after Set, buffered 1
	late    []lateMail
	reading atomic.Int64 // mailboxes that fetch at the moment
}

// State is how a mailbox is doing.
type State string

// The states of a mailbox.
const (
	Connecting State = "connecting" // not read yet
	OK         State = "ok"         // read at the last look
	Retrying   State = "retrying"   // something failed; it is tried again by itself
	Parked     State = "parked"     // a person has to change something; then Poke or restart
	Paused     State = "paused"     // a person does not want it read for now
)

// BoxStatus is what status shows of a mailbox. A reason in state ok says that
// something is missing all the same, such as the Sent folder.
type BoxStatus struct {
	Name       string    `json:"name"`
	Rep        string    `json:"rep"`
	State      State     `json:"state"`
	Reason     string    `json:"reason,omitzero"`
	SentFolder string    `json:"sent_folder,omitzero"`
	Began      time.Time `json:"began,omitzero"`     // when this process began to read it
	LastPoll   time.Time `json:"last_poll,omitzero"` // when the last complete look ended
	Messages   uint64    `json:"messages"`           // read since the start
	Events     uint64    `json:"events"`             // handed over since the start; those of mail read again count again
	SetAside   uint64    `json:"set_aside"`          // messages since the start that could not be read
	Left       uint64    `json:"left,omitzero"`      // messages that are left of the reading under way

	Wrapped   map[string]uint64 `json:"wrapped,omitempty"`  // sent mails since the start with links that cannot be read, by who wrapped them
	Trackers  map[string]uint64 `json:"trackers,omitempty"` // sent mails since the start whose links go through another program, by its name
	Rescanned time.Time         `json:"rescanned,omitzero"` // when the server last reset a folder, since the start
	Held      bool              `json:"-"`                  // it is this process that reads the mailbox
}

// box is what the poller knows of one mailbox.
type box struct {
	Box
	poke   chan struct{}      // buffered 1
	paused bool               // the poller's mu guards it
	stop   context.CancelFunc // ends the watch; nil while there is none. The poller's mu guards it

	mu     sync.Mutex
	status BoxStatus
}

func newBox(b Box) *box {
	return &box{
		Box: b, poke: make(chan struct{}, 1),
		status: BoxStatus{Name: b.Name, Rep: trail.NormalAddress(b.Rep), State: Connecting},
	}
}

func (b *box) update(f func(*BoxStatus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.status)
}

// hold notes that this process reads the mailbox from now on.
func (b *box) hold(now time.Time) {
	b.update(func(s *BoxStatus) { s.Held, s.Began = true, now.UTC() })
}

func (b *box) release() {
	b.update(func(s *BoxStatus) { s.Held = false })
}

// same reports whether two mailboxes are signed in to and read in the same way.
// Secrets do not count, for they are asked for at every sign-in.
func (b *Box) same(o *Box) bool {
	return b.Rep == o.Rep && slices.Equal(b.Aliases, o.Aliases) && b.Host == o.Host && b.Port == o.Port && b.Security == o.Security &&
		b.Username == o.Username && b.SignIn == o.SignIn && b.SentFolder == o.SentFolder && (b.Token == nil) == (o.Token == nil)
}

// Run watches all mailboxes, each on its own connection, until the context
// ends. A mailbox with wrong settings, a wrong password or a broken server
// never stops the others. It returns a Problem if two mailboxes share a name.
func (p *Poller) Run(ctx context.Context) error {
	seen := map[string]bool{}
	for _, b := range p.Boxes {
		if seen[b.Name] {
			return trail.Problemf(trail.Invalid, "Two mailboxes are named %q; names must differ.", b.Name)
		}
		seen[b.Name] = true
	}
	share := p.Share
	if share == nil {
		share = p.alone
	}
	return share(ctx, p.names, p.work)
}

// Set replaces the mailboxes; of several with one name the first counts. Those
// that stay as they were are not disturbed. Those that are gone or changed are
// left at once, those that are new or changed begin when their turn comes. paused
// are the names of those that are not read for now.
func (p *Poller) Set(boxes []Box, paused map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.known()
	p.boxes, p.order = map[string]*box{}, nil
	for _, b := range boxes {
		if p.boxes[b.Name] != nil {
			continue
		}
		known := old[b.Name]
		if known == nil || !known.same(&b) {
			known = newBox(b)
		}
		if known.paused && !paused[b.Name] {
			known.update(func(s *BoxStatus) { s.State, s.Reason = Connecting, "" })
		}
		known.paused = paused[b.Name]
		p.boxes[b.Name], p.order = known, append(p.order, b.Name)
	}
	for name, was := range old {
		if now := p.boxes[name]; was.stop != nil && (now != was || now.paused) {
			was.stop()
		}
	}
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// known returns the mailboxes by name. The caller holds mu.
func (p *Poller) known() map[string]*box {
	if p.boxes == nil {
		p.boxes, p.changed = map[string]*box{}, make(chan struct{}, 1)
		for _, b := range p.Boxes {
			p.boxes[b.Name] = newBox(b)
			p.order = append(p.order, b.Name)
		}
	}
	return p.boxes
}

// names returns the mailboxes that are to be read.
func (p *Poller) names() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.known()
	for _, name := range p.order {
		if !known[name].paused {
			names = append(names, name)
		}
	}
	return names
}

// work watches one mailbox until ctx ends, or until Set changes it, pauses it or
// takes it away.
func (p *Poller) work(ctx context.Context, name string) {
	p.mu.Lock()
	known := p.known()[name]
	if known == nil || known.paused {
		p.mu.Unlock()
		return
	}
	ctx, known.stop = context.WithCancel(ctx)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		known.stop()
		known.stop = nil
	}()
	w := watch{p: p, b: &known.Box, box: known}
	known.hold(p.now())
	defer known.release()
	w.run(ctx)
}

// alone shares with nobody: all mailboxes are ours.
func (p *Poller) alone(ctx context.Context, names func() []string, work func(context.Context, string)) error {
	var all sync.WaitGroup
	defer all.Wait()
	watched := map[string]bool{}
	ended := make(chan string)
	for {
		for _, name := range names() {
			if watched[name] {
				continue
			}
			watched[name] = true
			all.Go(func() {
				work(ctx, name)
				select {
				case ended <- name:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case name := <-ended:
			delete(watched, name)
		case <-p.changed:
		}
	}
}

// Status returns how each mailbox is doing, in the order in which they were set.
func (p *Poller) Status() []BoxStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []BoxStatus
	known := p.known()
	for _, name := range p.order {
		b := known[name]
		b.mu.Lock()
		s := b.status
		b.mu.Unlock()
		if b.paused {
			s.State, s.Reason = Paused, ""
		}
		out = append(out, s)
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
	return p.known()[name]
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
// 30 days, or since a late mail, may mean more than it did.
type mark struct {
	catalogue uint64
	late      int // late mails
}

func (p *Poller) mark() mark {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := mark{late: len(p.late)}
	if p.CatalogueVersion != nil {
		m.catalogue = p.CatalogueVersion()
	}
	return m
}

// lateMail is sent mail with content that was seen late: answers to it, or mail
// that passes it on, may have been read before.
type lateMail struct {
	at  time.Time // of the earliest
	box string    // in whose Sent folder
}

// found tells all mailboxes of a late mail, and returns how many there were.
func (p *Poller) found(mail lateMail) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = append(p.late, mail)
	return len(p.late)
}

// earliest returns the date of the earliest late mail after the first n that does
// not lie in the box.
func (p *Poller) earliest(n int, but string) (at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, late := range p.late[n:] {
		if late.box != but {
			at = earlier(at, late.at)
		}
	}
	return at
}
