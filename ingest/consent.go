package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest/track"
	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// choicesKey counts the changes to what people chose.
	choicesKey = "dealtrail:choices:version"
	// stopsKey is a sorted set of subjects that stopped tracking, by when, so that all nodes know before the store does.
	stopsKey = "dealtrail:choices:stops"
	// choicesPoll is how often other nodes' changes are looked for.
	choicesPoll = time.Second
	// recipientsWait is how long a click may wait to learn whose link it was.
	recipientsWait = 50 * time.Millisecond
)

// Consents decides what may be kept of who opens and clicks. What people chose
// is in memory on every node, and in a file, from which it is known after a
// restart without the store; whose link it is, is asked of Redis.
type Consents struct {
	Redis    redis.UniversalClient
	DB       *store.DB
	Snapshot string // path of the file
	Links    string // tracking.links: on, off, consent or account
	Pixel    string // tracking.pixel: on, off or consent
	Browsers bool   // tracking.honour_signals: what browsers say counts too
	Emit     trail.Emit
	Log      *slog.Logger
	Now      func() time.Time

	Tombstones *Tombstones // who was erased is not tracked any more; nil: nobody was

	choices atomic.Pointer[choices]
	mu      sync.Mutex // from reading choices to replacing them
}

// choices is what was chosen, by subject. Contacts, domains and shares cannot be
// taken for each other: by length, and by the dot.
type choices struct {
	Version int64           `json:"version"`
	Allowed map[string]bool `json:"allowed"`
	Stopped map[string]bool `json:"stopped"` // wins; some are not in the store yet
	refused bool            // somebody objects
}

func newChoices(version int64) *choices {
	return &choices{Version: version, Allowed: map[string]bool{}, Stopped: map[string]bool{}}
}

// count finds out whether anybody objects: most clicks need no more than that.
func (c *choices) count() {
	c.refused = len(c.Stopped) > 0
	for _, allowed := range c.Allowed {
		c.refused = c.refused || !allowed
	}
}

// of returns what a contact chose: for itself, else for its company.
func (c *choices) of(contact trail.ContactID, account string) (allowed, chosen bool) {
	if c.Stopped[string(contact)] || contact.Erased() {
		return false, true
	}
	if allowed, chosen = c.Allowed[string(contact)]; chosen || account == "" {
		return allowed, chosen
	}
	if c.Stopped[account] {
		return false, true
	}
	allowed, chosen = c.Allowed[account]
	return allowed, chosen
}

// Load reads what people chose from the file, then from the store.
func (c *Consents) Load(ctx context.Context) {
	if saved, err := readChoices(c.Snapshot); err == nil {
		c.choices.Store(saved)
	} else {
		c.choices.Store(newChoices(-1))
	}
	if err := c.refresh(ctx); err != nil {
		c.Log.Warn("what people chose about tracking is known as of the last start only", "err", err)
	}
}

// Run learns what was chosen on other nodes and in imports until ctx ends. It
// returns nil.
func (c *Consents) Run(ctx context.Context) error {
	failing := false
	for wait(ctx, choicesPoll) {
		// Redis may have lost its data, or could not note something, at any time.
		err := errors.Join(c.refresh(ctx), c.fillRecipients(ctx))
		if err != nil && !failing && ctx.Err() == nil {
			c.Log.Warn("what people choose about tracking is not heard of at the moment", "err", err)
		}
		failing = err != nil
	}
	return nil
}

// refresh reads the choices again if there are new ones. The version comes first:
// what is chosen while they are read is read next time. Without the store the
// stops that Redis knows count all the same.
func (c *Consents) refresh(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	version, err := c.Redis.Get(ctx, choicesKey).Int64()
	if ignoreNil(err) != nil {
		return err
	}
	old := c.choices.Load()
	if version == old.Version {
		return nil
	}
	stops, err := c.Redis.ZRangeWithScores(ctx, stopsKey, 0, -1).Result()
	if err != nil {
		return err
	}
	next := newChoices(version)
	agreed := map[string]time.Time{}
	rows, away := c.DB.Choices(ctx, "")
	if away != nil {
		next.Version = old.Version // so that it is tried again
		maps.Copy(next.Allowed, old.Allowed)
		maps.Copy(next.Stopped, old.Stopped)
	}
	for _, r := range rows {
		if next.Allowed[r.Subject] = r.Allowed; r.Allowed {
			agreed[r.Subject] = r.At
		}
	}
	for _, z := range stops {
		subject, _ := z.Member.(string)
		if at, later := agreed[subject]; !later || at.Before(time.UnixMilli(int64(z.Score))) {
			next.Stopped[subject] = true
		}
	}
	c.take(next)
	return away
}

// take makes choices the ones that count.
func (c *Consents) take(next *choices) {
	next.count()
	c.choices.Store(next)
	if err := writeChoices(c.Snapshot, next); err != nil {
		c.Log.Error("what people chose about tracking is not written to the disk", "err", err)
	}
}

// Keep returns an Emit for opens and clicks that keeps of them what may be kept.
// A click without consent stays, without a person; an open without is nothing.
func (c *Consents) Keep(emit trail.Emit) trail.Emit {
	return func(ctx context.Context, events ...trail.Event) error {
		var kept []trail.Event
		for _, e := range events {
			if e, ok := c.keep(ctx, e); ok {
				kept = append(kept, e)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return emit(ctx, kept...)
	}
}

func (c *Consents) keep(ctx context.Context, e trail.Event) (trail.Event, bool) {
	mode := c.Links
	if e.Kind == trail.Opened {
		mode = c.Pixel
	}
	now := c.choices.Load()
	objects := c.Browsers && track.Objects(e.Evidence)
	switch {
	case mode == "off":
		return e, false
	case mode == "on" && !now.refused && !objects && !c.Tombstones.any():
		return e, true
	}
	whose, err := c.whose(ctx, e.Share)
	why := now.withheld(mode, e.Share, whose)
	if err != nil && why == "" {
		why = trail.NoConsent // it may be somebody's who objected
	}
	if objects && (why == "" || why == trail.AccountOnly) {
		why = trail.BrowserSays
	}
	switch {
	case why == "":
		return e, true
	case e.Kind != trail.Clicked:
		return e, false
	}
	e.Withheld = why
	e.Share, e.Message, e.Contact, e.Origin, e.Device = "", "", "", "", ""
	if why == trail.AccountOnly {
		e.Account, e.Deal = whose.account(), whose.deal
	}
	return e, true
}

// withheld says why the people of a share may not be named; "" if they may. Where
// several could have clicked, all must agree.
func (c *choices) withheld(mode string, share trail.ShareID, whose recipients) trail.Withheld {
	if n := len(whose.contacts); n == 0 || n > store.Crowd { // else it is the people who stopped
		if allowed, chosen := c.Allowed[string(share)]; c.Stopped[string(share)] || chosen && !allowed {
			return trail.OptOut
		}
	}
	agreed := len(whose.contacts) > 0
	for contact, account := range whose.contacts {
		allowed, chosen := c.of(contact, account)
		if chosen && !allowed {
			return trail.OptOut
		}
		agreed = agreed && chosen
	}
	switch {
	case mode == "account":
		return trail.AccountOnly
	case mode == "consent" && !agreed:
		return trail.NoConsent
	}
	return ""
}

// MayEmbed reports whether a mail to contacts, by their company's domain or "",
// may carry a pixel.
func (c *Consents) MayEmbed(contacts map[trail.ContactID]string) bool {
	return c.Pixel != "off" && c.choices.Load().withheld(c.Pixel, "", recipients{contacts: contacts}) == ""
}

// Choose records what a contact or, by its domain, a company chose: whether
// tracking is allowed, since when and why. A refusal counts at once on this node
// and within seconds on all others, an agreement once it is stored.
func (c *Consents) Choose(ctx context.Context, source string, contact trail.ContactID, account string, allowed bool, at time.Time, basis string) error {
	subject := string(contact)
	if contact == "" {
		subject = account
	}
	if subject == "" {
		return trail.Problemf(trail.Invalid, "A choice is one person's, by address, or one company's, by domain.")
	}
	if c.Tombstones.Has(contact) {
		return trail.Problemf(trail.Conflict, "This person was erased: nothing is kept of them, and nothing is tracked.")
	}
	if allowed && basis == "" {
		return trail.Problemf(trail.Invalid, "Consent needs a basis: how and where it was given, such as \"form on the website\".")
	}
	now := c.Now().UTC()
	if at.IsZero() {
		at = now
	}
	if at.After(now.Add(time.Minute)) {
		return trail.Problemf(trail.Invalid, "The consent is dated %s, which is still to come.", at.Format(time.DateOnly))
	}
	kind := trail.OptedOut
	if allowed {
		kind = trail.Consented
	}
	e := trail.Event{Kind: kind, At: at.UTC().Truncate(time.Millisecond), ReceivedAt: now, Source: source, Contact: contact, Account: account, Attrs: map[string]string{}}
	if basis != "" {
		e.Attrs["basis"] = basis
	}
	e.ID = trail.IDFrom(e.At, source, string(kind), subject, basis)
	return c.record(ctx, !allowed, e)
}

// Stop ends tracking for everybody who may have a share, or, when that is nobody
// we know or more people than a stop may speak for, for the share alone. Stopping
// again changes nothing. It returns how many people that is.
func (c *Consents) Stop(ctx context.Context, share trail.ShareID) (people int, err error) {
	whose, err := c.whose(ctx, share)
	if err != nil {
		return 0, trail.Problemf(trail.Unavailable, "This cannot be done at the moment; please try again in a minute.")
	}
	now := c.Now().UTC().Truncate(time.Millisecond)
	stop := trail.Event{Kind: trail.OptedOut, At: now, ReceivedAt: now, Source: "track", Share: share, Attrs: map[string]string{"basis": "stopped by the recipient"}}
	all := []trail.Event{stop}
	if len(whose.contacts) <= store.Crowd {
		people = len(whose.contacts)
		for _, contact := range slices.Sorted(maps.Keys(whose.contacts)) {
			e := stop
			e.Contact, e.Account = contact, whose.contacts[contact]
			all = append(all, e)
		}
	}
	var fresh []trail.Event
	for _, e := range all {
		if known := c.choices.Load(); !known.Stopped[subjectOf(e)] {
			e.ID = trail.IDFrom(now, "track", "stop", string(share), string(e.Contact))
			fresh = append(fresh, e)
		}
	}
	if len(fresh) == 0 {
		return people, nil
	}
	return people, c.record(ctx, true, fresh...)
}

// record emits choices and makes all nodes look. A stop counts before the store
// has it; an agreement once the store knows that nothing later contradicts it.
func (c *Consents) record(ctx context.Context, stop bool, events ...trail.Event) error {
	if err := c.Emit(ctx, events...); err != nil {
		return fmt.Errorf("record a choice: %w", err)
	}
	var err error
	if stop {
		args := make([]any, 0, 2*len(events))
		for _, e := range events {
			args = append(args, e.At.UnixMilli(), subjectOf(e))
		}
		err = stopScript.Run(ctx, c.Redis, []string{stopsKey}, args...).Err()
	}
	err = errors.Join(err, choicesScript.Run(ctx, c.Redis, []string{choicesKey}).Err())
	if err != nil {
		c.Log.Warn("other nodes hear of a choice once it is loaded", "err", err)
	}
	if !stop {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.choices.Load()
	next := newChoices(old.Version)
	maps.Copy(next.Allowed, old.Allowed)
	maps.Copy(next.Stopped, old.Stopped)
	for _, e := range events {
		next.Stopped[subjectOf(e)] = true
	}
	c.take(next)
	return nil
}

// subjectOf returns whose choice an event is.
func subjectOf(e trail.Event) string {
	switch {
	case e.Contact != "":
		return string(e.Contact)
	case e.Account != "":
		return e.Account
	}
	return string(e.Share)
}
