package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	// erasedKey is a hash: a tombstone to when it was set.
	erasedKey = "dealtrail:erased"
	// tombstonesPoll is how often a process asks whether others set some.
	tombstonesPoll = time.Second
)

// Tombstones say who was erased, so that nothing is kept of them when they come again:
// by mail that is read again, an import, a CRM. They are keyed hashes; see
// trail.ContactKey.Tombstone. They live in Redis for all processes and in a file on
// each, which a restored backup heeds.
type Tombstones struct {
	Redis redis.UniversalClient
	Key   trail.ContactKey
	Path  string // of the file
	Log   *slog.Logger

	set     atomic.Pointer[map[string]time.Time]
	mu      sync.Mutex // of changes to set
	unsaved bool       // the file lacks some of set
	becomes sync.Map   // tombstone to what takes the contact's place, while it is being erased here
}

// Load reads the file, then Redis. A file that cannot be read is an error: without it
// people who were erased would come back.
func (t *Tombstones) Load(ctx context.Context) error {
	saved, err := ReadTombstones(t.Path)
	if err != nil {
		return err
	}
	t.take(saved)
	if err := t.refresh(ctx); err != nil {
		t.Log.Warn("who was erased is known as of the last start only", "err", err)
	}
	return nil
}

// Run learns of what other processes erase until ctx ends. It returns nil.
func (t *Tombstones) Run(ctx context.Context) error {
	failing := false
	for wait(ctx, tombstonesPoll) {
		err := t.refresh(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			t.Log.Warn("what others erase is not heard of at the moment", "err", err)
		}
		failing = err != nil
	}
	return nil
}

// refresh brings memory, file and Redis together. A Redis that lost its data gets them
// back from the file.
func (t *Tombstones) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	fields, err := t.Redis.HGetAll(ctx, erasedKey).Result()
	if err != nil {
		return fmt.Errorf("read who was erased: %w", err)
	}
	told := map[string]time.Time{}
	for stone, at := range fields {
		told[stone], _ = time.Parse(time.RFC3339, at) // else it is a tombstone without a time
	}
	var missing []any
	for stone, at := range t.All() {
		if _, ok := told[stone]; !ok {
			missing = append(missing, stone, at.Format(time.RFC3339))
		}
	}
	if len(missing) > 0 {
		if err := t.Redis.HSet(ctx, erasedKey, missing...).Err(); err != nil {
			return fmt.Errorf("tell who was erased: %w", err)
		}
	}
	return t.add(told)
}

// Add sets tombstones: here at once, then in Redis, from where others learn them.
func (t *Tombstones) Add(ctx context.Context, stones map[string]time.Time) error {
	if err := t.add(stones); err != nil {
		return err
	}
	var fields []any
	for stone, at := range stones {
		fields = append(fields, stone, at.UTC().Format(time.RFC3339))
	}
	if len(fields) == 0 {
		return nil
	}
	return t.Redis.HSet(ctx, erasedKey, fields...).Err()
}

// add adds to memory and file what they lack.
func (t *Tombstones) add(stones map[string]time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := maps.Clone(t.All())
	for stone, at := range stones {
		if _, ok := next[stone]; !ok {
			next[stone] = at.UTC()
		}
	}
	if len(next) == len(t.All()) && !t.unsaved {
		return nil
	}
	t.set.Store(&next)
	err := WriteTombstones(t.Path, next)
	t.unsaved = err != nil // the next look writes it
	return err
}

func (t *Tombstones) take(stones map[string]time.Time) { t.set.Store(&stones) }

// All returns when each tombstone was set. The map is not to be changed.
func (t *Tombstones) All() map[string]time.Time {
	if t == nil {
		return nil
	}
	if set := t.set.Load(); set != nil {
		return *set
	}
	return map[string]time.Time{}
}

// Has reports whether a contact was erased. A nil *Tombstones knows of nobody.
func (t *Tombstones) Has(c trail.ContactID) bool {
	if t == nil || c == "" || c.Erased() {
		return false
	}
	set := t.All()
	if len(set) == 0 {
		return false
	}
	_, erased := set[t.Key.Tombstone(c)]
	return erased
}

// any reports whether anybody was erased.
func (t *Tombstones) any() bool { return t != nil && len(t.All()) > 0 }

// instead returns what takes the place of a contact that was erased.
func (t *Tombstones) instead(c trail.ContactID) trail.ContactID {
	if becomes, ok := t.becomes.Load(t.Key.Tombstone(c)); ok {
		return becomes.(trail.ContactID)
	}
	return trail.NewErased()
}

// addressLike finds what may be an address in text.
var addressLike = regexp.MustCompile(`[\pL\pN._%+\-'&]+@[\pL\pN.\-]+\.[\pL\pN]+`)

// contactLike finds what may be a ContactID.
var contactLike = regexp.MustCompile(`\b[a-z2-7]{26}\b`)

// Text returns text without the addresses and contacts of people who were erased.
func (t *Tombstones) Text(s string) string {
	if !t.any() {
		return s
	}
	if strings.Contains(s, "@") {
		s = addressLike.ReplaceAllStringFunc(s, func(a string) string {
			if t.Has(t.Key.ID(a)) {
				return trail.ErasedText
			}
			return a
		})
	}
	if len(s) < 26 {
		return s
	}
	return contactLike.ReplaceAllStringFunc(s, func(c string) string {
		if id := trail.ContactID(c); t.Has(id) {
			return string(t.instead(id))
		}
		return c
	})
}

// Clean returns an event without who was erased: a random contact takes their place,
// and changed says whether anything had to be done. Counts stay as they are.
func (t *Tombstones) Clean(e trail.Event) (clean trail.Event, changed bool) {
	if !t.any() {
		return e, false
	}
	if t.Has(e.Contact) {
		e.Contact, e.Person, changed = t.instead(e.Contact), nil, true
	}
	if e.Person != nil && t.Has(t.Key.ID(e.Person.Address)) {
		e.Person, changed = nil, true
	}
	if note := t.Text(e.Note); note != e.Note {
		e.Note, changed = note, true
	}
	copied := false
	for k, v := range e.Attrs {
		text := t.Text(v)
		if text == v {
			continue
		}
		if !copied {
			e.Attrs, copied, changed = maps.Clone(e.Attrs), true, true
		}
		e.Attrs[k] = text
	}
	return e, changed
}

// nameless are the kinds of events that say something without their contact. All
// others are about the person alone.
var nameless = []trail.Kind{trail.Shared, trail.Opened, trail.Clicked, trail.Viewed, trail.Trapped, trail.Bounced, trail.Forwarded}

// keep returns what may be kept of events: what is about people who were erased alone
// is nothing, of the rest they are left out.
func (t *Tombstones) keep(events []trail.Event) []trail.Event {
	if len(t.All()) == 0 {
		return events
	}
	kept := make([]trail.Event, 0, len(events))
	for _, e := range events {
		if t.Has(e.Contact) {
			if !slices.Contains(nameless, e.Kind) {
				continue
			}
			e.Contact, e.Person = "", nil
		}
		e, _ = t.Clean(e)
		kept = append(kept, e)
	}
	return kept
}

// ReadTombstones reads a file of tombstones; none is there when the file is not.
func ReadTombstones(path string) (map[string]time.Time, error) {
	stones := map[string]time.Time{}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return stones, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read who was erased: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		stone, at, _ := strings.Cut(line, " ")
		when, err := time.Parse(time.RFC3339, at)
		if err != nil || len(stone) != 26 {
			return nil, fmt.Errorf("%s: line %d is no tombstone; put the file back from a copy: without it people who were erased would come back", path, n)
		}
		stones[stone] = when
	}
	if err := lines.Err(); err != nil { // a line that never ends, such as the zeros that a crash may leave
		return nil, fmt.Errorf("%s cannot be read to its end (%w); put the file back from a copy: without it people who were erased would come back", path, err)
	}
	return stones, nil
}

// WriteTombstones writes a file of tombstones.
func WriteTombstones(path string, stones map[string]time.Time) error {
	var b bytes.Buffer
	b.WriteString("# Who was erased, as keyed hashes, and when. Keep a copy apart from the backups: one that is restored heeds it.\n")
	for _, stone := range slices.Sorted(maps.Keys(stones)) {
		fmt.Fprintf(&b, "%s %s\n", stone, stones[stone].UTC().Format(time.RFC3339))
	}
	if err := writeFile(path, b.Bytes()); err != nil {
		return fmt.Errorf("write who was erased: %w", err)
	}
	return nil
}
