package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// erasingKey is a hash: a tombstone to what is known of an erasing under way, sealed.
	erasingKey = "dealtrail:erasing"
	// reportsKey is a hash: a tombstone to the signed report of its last erasing.
	reportsKey = "dealtrail:erased:reports"

	// EraseLease is one erasing.
	EraseLease = "dealtrail:lease:erase"
	// erasePoll is how often it is looked whether an erasing waits, because whoever began it is gone or it could not
	// be finished at once.
	erasePoll = 15 * time.Second
	// eraseSettle is for what was accepted before, eraseStale for runs and layouts that were begun before.
	eraseSettle = time.Minute
	eraseStale  = 30 * time.Second
	// ErasePatience is how long whoever asked waits for the report; then it is fetched later.
	ErasePatience = 50 * time.Second
	// eraseTrouble names what status tells while erasings cannot be finished.
	eraseTrouble = "erasing"
	// eraseLate is after how long an erasing that is not complete needs a person.
	eraseLate = time.Hour
)

// Eraser removes people: see docs/privacy.md. Each step may repeat, and one that was cut
// off goes on at the next look of whoever has the jobs.
type Eraser struct {
	Redis      redis.UniversalClient
	DB         *store.DB
	Buffer     *Buffer
	Tombstones *Tombstones
	Mailboxes  *Mailboxes // nil: no rep can have excluded anybody
	Contacts   trail.ContactKey
	Reviews    string                                                                         // folder of the reviews' files; "" for none
	Configured []string                                                                       // addresses and domains that the configuration names, which no program changes
	Own        func(ctx context.Context, address string) bool                                 // somebody on our side: a rep, or who signs in; nil: nobody is
	Others     func(ctx context.Context, contact trail.ContactID) ([]trail.ErasedFrom, error) // what others keep in Redis by their contact; nil: nothing
	Forget     func()                                                                         // called at the end: whoever keeps reports in memory drops them; nil: nobody does
	Version    string
	Log        *slog.Logger
	Now        func() time.Time
}

// erasing is an erasing under way, as it is sealed.
type erasing struct {
	Contact   trail.ContactID `json:"contact"`
	Becomes   trail.ContactID `json:"becomes"`
	Addresses []string        `json:"addresses"`
	Names     []string        `json:"names"`
	Since     time.Time       `json:"since,omitzero"`     // when the first event of theirs was received
	Rewritten time.Time       `json:"rewritten,omitzero"` // when the tables had them no more
	Report    trail.Erasure   `json:"report"`
}

// pattern finds the person in text.
func (e *erasing) pattern() string { return trail.NamesPattern(e.Addresses, e.Names) }

// text returns a function that leaves the person out of text.
func (e *erasing) text() func(string) string {
	names := trail.WithoutNames(e.pattern())
	return func(s string) string { return names(strings.ReplaceAll(s, string(e.Contact), string(e.Becomes))) }
}

// count adds to the report. An erasing that goes on does not count again what is gone.
func (e *erasing) count(where, what string, n uint64) {
	if n == 0 {
		return
	}
	i := slices.IndexFunc(e.Report.Removed, func(r trail.ErasedFrom) bool { return r.Where == where && r.What == what })
	if i < 0 {
		e.Report.Removed = append(e.Report.Removed, trail.ErasedFrom{Where: where, What: what, N: n})
		return
	}
	e.Report.Removed[i].N += n
}

// Erase removes a person by address, for ever: what comes of them later is not kept
// either. by is who asked, "" for a program. It waits for ErasePatience; an erasing that
// takes longer goes on, and Report has it later. Erasing somebody again, or somebody of
// whom nothing is known, is no error.
func (x *Eraser) Erase(ctx context.Context, address, by string) (trail.Erasure, error) {
	address = trail.NormalAddress(address)
	if at := strings.LastIndex(address, "@"); at < 1 || at == len(address)-1 || strings.ContainsAny(address, " \t\r\n") {
		return trail.Erasure{}, trail.Problemf(trail.Invalid, "Say whom to erase by a mail address, such as ann@example.com.")
	}
	if x.Own != nil && x.Own(ctx, address) {
		return trail.Erasure{}, trail.Problemf(trail.Invalid, "%s is on your own side, a rep or somebody who signs in. Only people on the other side are erased; remove the mailbox and the user instead.", address)
	}
	contact := x.Contacts.ID(address)
	stone := x.Contacts.Tombstone(contact)
	if err := x.begin(ctx, stone, contact, address, by); err != nil {
		return trail.Erasure{}, err
	}
	done := make(chan error, 1)
	go func() { done <- x.finish(context.WithoutCancel(ctx), stone) }()
	late := time.NewTimer(ErasePatience)
	defer late.Stop()
	select {
	case err := <-done:
		if err != nil && !isWaiting(err) {
			return trail.Erasure{}, err
		}
	case <-late.C:
	case <-ctx.Done():
		return trail.Erasure{}, ctx.Err()
	}
	return x.Report(ctx, stone)
}

// begin sets the tombstone and notes what there is to do. From then on nothing new is
// kept of the person.
func (x *Eraser) begin(ctx context.Context, stone string, contact trail.ContactID, address, by string) error {
	known, err := x.Redis.HExists(ctx, erasingKey, stone).Result()
	if err != nil {
		return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "Nobody can be erased while Redis does not answer; try again in a moment."), err)
	}
	now := x.Now().UTC().Truncate(time.Second)
	if !known {
		e := &erasing{Contact: contact, Becomes: trail.NewErased(), Addresses: []string{address}}
		e.Report = trail.Erasure{Tombstone: stone, State: trail.ErasureUnderWay, Asked: now, By: by, Removed: []trail.ErasedFrom{}, Mailed: []trail.MailedReview{}, Left: []string{}, Version: x.Version}
		if before, err := x.Report(ctx, stone); err == nil { // erased before: what was removed then is told again
			e.Report.Removed, e.Report.Known = before.Removed, before.Known
		}
		if err := x.learn(ctx, e); err != nil {
			return err
		}
		if err := x.note(ctx, e); err != nil {
			return err
		}
	}
	if err := x.Tombstones.Add(ctx, map[string]time.Time{stone: now}); err != nil {
		return fmt.Errorf("erase: set the tombstone: %w", err)
	}
	return nil
}

// learn finds out how the person was ever called, while that is known.
func (x *Eraser) learn(ctx context.Context, e *erasing) error {
	people, err := x.DB.NamesOf(ctx, e.Contact)
	if err != nil {
		return err
	}
	for _, p := range people {
		if a := trail.NormalAddress(p.Address); a != "" && !slices.Contains(e.Addresses, a) {
			e.Addresses = append(e.Addresses, a)
		}
		if p.Name != "" && !slices.Contains(e.Names, p.Name) {
			e.Names = append(e.Names, p.Name)
		}
	}
	since, err := x.DB.KnownSince(ctx, e.Contact, e.Becomes)
	if err == nil && !since.IsZero() && (e.Since.IsZero() || since.Before(e.Since)) {
		e.Since = since
	}
	return err
}

// note keeps what is known of an erasing, sealed: names and addresses must not get into
// the files of Redis once more.
func (x *Eraser) note(ctx context.Context, e *erasing) error {
	sealer, err := NewSealer(x.Contacts, "erasings")
	if err != nil {
		return err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	stone := e.Report.Tombstone
	return x.Redis.HSet(ctx, erasingKey, stone, sealer.Seal(string(text), stone)).Err()
}

func (x *Eraser) noted(ctx context.Context, stone string) (*erasing, error) {
	sealed, err := x.Redis.HGet(ctx, erasingKey, stone).Result()
	if err != nil {
		return nil, err // redis.Nil: it is complete
	}
	sealer, err := NewSealer(x.Contacts, "erasings")
	if err != nil {
		return nil, err
	}
	text, ok := sealer.Open(sealed, stone)
	if !ok {
		return nil, trail.Problemf(trail.Conflict, "An erasing was begun under another contact_key; erase the person again, then remove the field %s of %s from Redis.", stone, erasingKey)
	}
	e := &erasing{}
	return e, json.Unmarshal([]byte(text), e)
}

// waiting is why an erasing cannot be completed yet; it is tried again by itself.
type waiting struct{ why string }

func (w *waiting) Error() string { return w.why }

func isWaiting(err error) bool { w := (*waiting)(nil); return errors.As(err, &w) }

// Run finishes erasings that whoever began them did not, and rewrites streams into
// which events of people who had been erased got, until ctx ends. One process does.
func (x *Eraser) Run(ctx context.Context) error {
	for {
		if err := x.Once(ctx); err != nil && ctx.Err() == nil {
			x.Log.Warn("an erasing is not complete yet", "err", err)
		}
		if !wait(ctx, erasePoll) {
			return nil
		}
	}
}

// Once does what Run does every time.
func (x *Eraser) Once(ctx context.Context) error {
	stones, err := x.Redis.HKeys(ctx, erasingKey).Result()
	if err != nil {
		return err
	}
	late := 0
	for _, stone := range stones {
		one := x.finish(ctx, stone)
		if one == nil {
			continue
		}
		err = errors.Join(err, one)
		if at, ok := x.Tombstones.All()[stone]; ok && x.Now().Sub(at) > eraseLate {
			late++
		}
	}
	if late > 0 {
		err = errors.Join(err, TellTrouble(ctx, x.Redis, eraseTrouble, fmt.Sprintf("%d people are not erased everywhere an hour after it was asked for; dealtrail privacy erasures says what is waited for.", late), x.Now()))
	} else {
		err = errors.Join(err, EndTrouble(ctx, x.Redis, eraseTrouble))
	}
	return errors.Join(err, x.sweepNamed(ctx))
}

// sweepNamed rewrites streams whose entries named people that had been erased.
func (x *Eraser) sweepNamed(ctx context.Context) error {
	named, err := x.Redis.SMembers(ctx, namedKey).Result()
	if err != nil || len(named) == 0 {
		return err
	}
	release, ok := Alone(ctx, x.Redis, EraseLease)
	if !ok {
		return nil
	}
	defer release()
	if err := x.Redis.Del(ctx, namedKey).Err(); err != nil { // what is noted meanwhile is for the next time
		return err
	}
	for _, p := range allPartitions {
		if !slices.Contains(named, fmt.Sprint(p)) {
			continue
		}
		if _, err := sweepStream(ctx, x.Redis, streamKey(p), x.cleanEntry(func(s string) string { return s })); err != nil {
			return errors.Join(err, noteNamed(ctx, x.Redis, []any{p}))
		}
	}
	return rewriteLog(ctx, x.Redis)
}

// cleanEntry returns a function that leaves out of a raw event who was erased, and what
// text finds.
func (x *Eraser) cleanEntry(text func(string) string) func(raw string) (string, bool) {
	return func(raw string) (string, bool) {
		was := raw
		var e trail.Event
		if json.Unmarshal([]byte(raw), &e) == nil {
			if clean, changed := x.Tombstones.Clean(e); changed {
				if b, err := json.Marshal(&clean); err == nil {
					raw = string(b)
				}
			}
		}
		raw = text(raw)
		return raw, raw != was
	}
}

// finish does what is left of an erasing. An error isWaiting when it goes on by itself.
func (x *Eraser) finish(ctx context.Context, stone string) error {
	release, ok := Alone(ctx, x.Redis, EraseLease)
	for ; !ok; release, ok = Alone(ctx, x.Redis, EraseLease) { // another is erased right now
		if known, err := x.Redis.HExists(ctx, erasingKey, stone).Result(); err != nil || !known {
			return err // that was ours
		}
		if !wait(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
	defer release()
	e, err := x.noted(ctx, stone)
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, *erasing) error{x.settle, x.fromTables, x.fromDerived, x.fromRedis, x.fromFiles} {
		if err := step(ctx, e); err != nil {
			e.Report.Waiting = "It is not complete yet and goes on by itself."
			if isWaiting(err) {
				e.Report.Waiting = err.Error()
			}
			return errors.Join(err, x.note(ctx, e))
		}
	}
	return x.complete(ctx, e)
}

// settle waits until everything that was accepted before the tombstone is loaded.
func (x *Eraser) settle(ctx context.Context, e *erasing) error {
	x.Tombstones.becomes.Store(e.Report.Tombstone, e.Becomes)
	if err := x.Tombstones.Add(ctx, map[string]time.Time{e.Report.Tombstone: e.Report.Asked}); err != nil {
		return err // whoever began it may have been killed before
	}
	// Other processes read tombstones every second; what they let in until then is loaded without the person.
	if nodes, err := x.Redis.HLen(ctx, nodesKey).Result(); err == nil && nodes > 1 && x.Now().Sub(e.Report.Asked) < 3*tombstonesPoll {
		wait(ctx, 2*tombstonesPoll)
	}
	ctx, cancel := context.WithTimeout(ctx, eraseSettle)
	defer cancel()
	if err := x.Buffer.Settle(ctx); err != nil {
		return errors.Join(&waiting{"What was accepted before is not loaded yet."}, err)
	}
	return nil
}

// fromTables rewrites the tables. Who it is may have been learned meanwhile.
func (x *Eraser) fromTables(ctx context.Context, e *erasing) error {
	if err := x.learn(ctx, e); err != nil {
		return err
	}
	e.Report.Known = e.Report.Known || !e.Since.IsZero() || len(e.Names) > 0
	if err := x.note(ctx, e); err != nil {
		return err
	}
	n, err := x.DB.Erase(ctx, store.Trace{Contact: e.Contact, Becomes: e.Becomes, Pattern: e.pattern()})
	if err != nil {
		return err
	}
	e.Report.Known = e.Report.Known || n != (store.Erased{})
	e.count("database: people", "who they are: address, name and title", n.People)
	e.count("database: events", "events of theirs, which name a random contact now", n.Events)
	e.count("database: events", "events that named them: deals, notes, decisions, requests", n.Texts)
	e.count("database: bad_entries", "entries that could not become events, and named them", n.Bad)
	if e.Rewritten.IsZero() || n != (store.Erased{}) {
		now, err := x.DB.Time(ctx)
		if err != nil {
			return err
		}
		e.Rewritten = now.Add(time.Second) // times of parts are whole seconds
	}
	return x.note(ctx, e)
}

// fromDerived removes layouts and snapshots that were begun before the tables were
// rewritten; they are made anew.
func (x *Eraser) fromDerived(ctx context.Context, e *erasing) error {
	for until := time.Now().Add(eraseStale); ; {
		left, err := x.DB.DropStale(ctx, e.Rewritten)
		if err != nil || len(left) == 0 {
			return err
		}
		if time.Now().After(until) {
			return &waiting{"An attribution run, or a layout of what pages read, began before and is not complete yet."}
		}
		if !wait(ctx, 250*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// fromRedis rewrites what Redis has: streams, and every other key that names them.
func (x *Eraser) fromRedis(ctx context.Context, e *erasing) error {
	mailed, err := x.mailed(ctx, e.Since)
	if err != nil {
		return err
	}
	e.Report.Mailed = mailed
	if x.Mailboxes != nil {
		n, err := x.Mailboxes.forgetExcluded(ctx, e.Addresses)
		if err != nil {
			return err
		}
		e.count("redis: exclusions", "reps had excluded them from being read; mail of theirs leaves no trace without it", n)
	}
	if x.Others != nil {
		removed, err := x.Others(ctx, e.Contact)
		if err != nil {
			return err
		}
		for _, r := range removed {
			e.count(r.Where, r.What, r.N)
		}
	}
	text := e.text()
	for _, p := range allPartitions {
		n, err := sweepStream(ctx, x.Redis, streamKey(p), x.cleanEntry(text))
		if err != nil {
			return err
		}
		e.count("redis: streams", "entries that are kept for a while after they were loaded", n)
	}
	n, err := SweepState(ctx, x.Redis, text)
	if err != nil {
		return err
	}
	e.count("redis: state", "links made for them, mail that was read, what CRMs delivered, who saw them, and what is about to be sent", n)
	// All processes read again what people chose, and write it to their files without them.
	if err := choicesScript.Run(ctx, x.Redis, []string{choicesKey}).Err(); err != nil {
		return err
	}
	return x.note(ctx, e)
}

// mailed returns the reviews that were mailed since a time: a workbook that was
// attached may name the person, and is beyond our reach.
func (x *Eraser) mailed(ctx context.Context, since time.Time) ([]trail.MailedReview, error) {
	const prefix = "dealtrail:outbox:review:"
	all := []trail.MailedReview{}
	if since.IsZero() {
		return all, nil
	}
	err := eachKey(ctx, x.Redis, prefix+"*", func(key string) error {
		text, err := x.Redis.Get(ctx, key).Bytes()
		if err != nil {
			return ignoreNil(err)
		}
		sent := map[string]struct {
			Sent time.Time `json:"sent"`
		}{}
		if json.Unmarshal(text, &sent) != nil {
			return nil
		}
		m := trail.MailedReview{Week: strings.TrimPrefix(key, prefix), To: []string{}}
		for to, a := range sent {
			if a.Sent.After(since) && !slices.Contains(m.To, to) {
				m.To = append(m.To, to)
			}
		}
		slices.Sort(m.To)
		if len(m.To) > 0 {
			all = append(all, m)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b trail.MailedReview) int { return cmp.Compare(a.Week, b.Week) })
	return all, err
}

// fromFiles rewrites the files of reviews that name the person.
func (x *Eraser) fromFiles(_ context.Context, e *erasing) error {
	names, err := redactFiles(x.Reviews, e.text())
	if err != nil {
		return err
	}
	e.count("files: reviews", "files of weekly reviews, in which they read "+trail.ErasedText+" now: "+strings.Join(names, ", "), uint64(len(names)))
	return nil
}

// complete has Redis write its files anew, signs the report and forgets the rest.
func (x *Eraser) complete(ctx context.Context, e *erasing) error {
	if x.Forget != nil {
		x.Forget()
	}
	left := []string{
		"A tombstone: a keyed hash by which it is known, when something of the person comes again, that it is not to be kept.",
		"Backups made before. Restoring one heeds the tombstones: keep the file tombstones apart from them, and delete backups when they are no longer needed.",
	}
	for _, c := range x.Configured {
		if slices.Contains(e.Addresses, c) {
			left = append(left, "dealtrail.toml names the person, in mailboxes.exclude: remove that by hand.")
		}
	}
	if len(e.Report.Mailed) > 0 {
		left = append(left, "Reviews that were mailed: ask those who got a workbook with one to delete it.")
	}
	r := e.Report
	r.Left, r.State, r.Waiting, r.Finished = left, trail.ErasureComplete, "", x.Now().UTC().Truncate(time.Second)
	// From here on nothing that is kept of the erasing names anybody, sealed or not.
	if err := x.note(ctx, &erasing{Contact: e.Becomes, Becomes: e.Becomes, Addresses: []string{"erased@invalid"}, Rewritten: e.Rewritten, Since: e.Since, Report: r}); err != nil {
		return err
	}
	if err := rewriteLog(ctx, x.Redis); err != nil {
		return errors.Join(&waiting{"Redis did not rewrite its append-only file: BGREWRITEAOF must be allowed."}, err)
	}
	signed, err := x.Contacts.Sign(r)
	if err != nil {
		return err
	}
	text, err := json.Marshal(signed)
	if err != nil {
		return err
	}
	_, err = x.Redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, reportsKey, r.Tombstone, text)
		return nil
	})
	if err == nil {
		err = x.Redis.HDel(ctx, erasingKey, r.Tombstone).Err()
	}
	x.Tombstones.becomes.Delete(r.Tombstone)
	x.Log.Info("erased a person", "tombstone", r.Tombstone, "took", r.Finished.Sub(r.Asked))
	return err
}

// Report returns the report of an erasing by its tombstone, as far as it is by now.
func (x *Eraser) Report(ctx context.Context, stone string) (trail.Erasure, error) {
	e, err := x.noted(ctx, stone)
	if err == nil {
		return e.Report, nil
	}
	if !errors.Is(err, redis.Nil) {
		return trail.Erasure{}, err
	}
	signed, err := x.Signed(ctx, stone)
	if err != nil {
		return trail.Erasure{}, err
	}
	return signed.Open()
}

// Signed returns the signed report of a complete erasing.
func (x *Eraser) Signed(ctx context.Context, stone string) (s trail.SignedErasure, err error) {
	text, err := x.Redis.HGet(ctx, reportsKey, stone).Bytes()
	if errors.Is(err, redis.Nil) {
		return s, trail.Problemf(trail.NotFound, "There is no complete erasing %q.", stone)
	}
	if err != nil {
		return s, fmt.Errorf("read a report: %w", err)
	}
	return s, json.Unmarshal(text, &s)
}

// Reports returns all erasings, the newest first.
func (x *Eraser) Reports(ctx context.Context) ([]trail.Erasure, error) {
	all := []trail.Erasure{}
	under, err := x.Redis.HKeys(ctx, erasingKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read erasings: %w", err)
	}
	done, err := x.Redis.HKeys(ctx, reportsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read erasings: %w", err)
	}
	stones := append(under, done...)
	slices.Sort(stones)
	for _, stone := range slices.Compact(stones) {
		r, err := x.Report(ctx, stone)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b trail.Erasure) int {
		return cmp.Or(b.Asked.Compare(a.Asked), cmp.Compare(a.Tombstone, b.Tombstone))
	})
	return all, nil
}
