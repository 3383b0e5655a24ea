package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"dealtrail/store"
	"dealtrail/trail"
)

// Registry is how people add content and make links. What it writes takes the
// same way as all events; it waits until that is visible, so that a person
// reads what they wrote.
type Registry struct {
	Buffer    *Buffer
	DB        *store.DB
	Catalogue *Catalogue
	Files     *Files
	Keys      *trail.Keyring
	Contacts  trail.ContactKey

	PublicURL  string                                         // server.public_url, where prospects reach us
	AllowLocal bool                                           // tracking.allow_local
	Trap       bool                                           // tracking.trap: snippets have a link that no person sees
	MayEmbed   func(contacts map[trail.ContactID]string) bool // a mail to contacts, each with its company's domain or "", may carry a pixel; nil: none may
	MaxFile    int64                                          // bytes of one file at most; default 200 MB
	MaxFolder  int64                                          // bytes of the files of a folder, or of an unpacked ZIP, together at most; default 2 GB

	AnswerDays int // review.answer_days: a request without an answer is late after so many; default trail.AnswerDays

	Patience time.Duration    // how long a person waits to read what they wrote; default 5 s
	Now      func() time.Time // default time.Now

	mu sync.Mutex // from reading the state before to accepting the event after
	// recent are registrations that were not visible when they were last looked for: what the store says of
	// these contents may be out of date.
	recent map[trail.ContentID]trail.State
}

const (
	defaultPatience  = 5 * time.Second
	defaultMaxFile   = 200 << 20
	defaultMaxFolder = 2 << 30
	maxContentID     = 200    // bytes
	maxAttr          = 10_000 // bytes
)

// Register registers a content or changes what is said of it: attrs replaces
// the given keys, see [trail.State], an empty value removes its key, and other
// keys stay. source says who told us ("api", "ui"). What changes nothing is no
// event. visible is false when the event is accepted and reports do not show it
// within Patience. A *trail.Problem Invalid or Conflict says what is wrong.
func (r *Registry) Register(ctx context.Context, id trail.ContentID, attrs map[string]string, source string) (visible bool, err error) {
	_, visible, err = r.registerOne(ctx, id, attrs, source)
	return visible, err
}

func (r *Registry) registerOne(ctx context.Context, id trail.ContentID, attrs map[string]string, source string) (changed, visible bool, err error) {
	if err := checkID(id); err != nil {
		return false, false, err
	}
	item := registration{id: id, attrs: attrs}
	if err := r.register(ctx, source, []*registration{&item}); err != nil {
		return false, false, err
	}
	if item.refused != nil {
		return false, false, item.refused
	}
	return item.changed, !item.changed || r.visible(ctx), nil
}

// registration is one content on its way into the registry.
type registration struct {
	id      trail.ContentID
	attrs   map[string]string
	after   trail.State // as it is from now on
	changed bool        // it is new or not what it was
	refused error       // why it was not registered
}

// register registers several contents, each for itself. Links find them from
// then on; reports once they are visible.
func (r *Registry) register(ctx context.Context, source string, items []*registration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	states, err := r.states(ctx, items)
	if err != nil {
		return err
	}
	now := r.now()
	for _, item := range items {
		item.after = states[item.id].With(item.attrs)
		if item.refused = knownAttrs(item.attrs); item.refused == nil {
			item.refused = r.complete(item.id, item.after.Attrs)
		}
	}
	// The catalogue first: a content that reports know must have links that lead somewhere.
	if err := r.list(ctx, items); err != nil {
		return explain(err)
	}
	var events []trail.Event
	for _, item := range items {
		if item.refused != nil {
			continue
		}
		before, after := states[item.id], item.after
		if item.changed = before.Event.IsZero() || !before.Same(after); item.changed {
			e := trail.Registration(source, trail.ContentKind, item.id, before, after, now)
			events = append(events, e)
			after.Event = e.ID
			states[item.id] = after
		}
	}
	if err := r.Buffer.Append(ctx, events...); err != nil {
		return explain(err)
	}
	for _, e := range events {
		r.recent[e.Content] = states[e.Content]
	}
	return nil
}

// list puts contents into the catalogue, except those that are refused, and
// those that it refuses itself.
func (r *Registry) list(ctx context.Context, items []*registration) error {
	var fit []*registration
	var targets []trail.Target
	for _, item := range items {
		if item.refused == nil {
			fit = append(fit, item)
			targets = append(targets, trail.TargetOf(item.id, item.after.Attrs))
		}
	}
	err := r.Catalogue.Put(ctx, targets...)
	if !conflicts(err) {
		return err
	}
	for i, item := range fit { // one by one, to learn which
		if err := r.Catalogue.Put(ctx, targets[i]); conflicts(err) {
			item.refused = err
		} else if err != nil {
			return err
		}
	}
	return nil
}

func conflicts(err error) bool {
	p := (*trail.Problem)(nil)
	return errors.As(err, &p) && p.Code == trail.Conflict
}

// states returns the contents as they are, accepted but not yet visible
// registrations included.
func (r *Registry) states(ctx context.Context, items []*registration) (map[string]trail.State, error) {
	if r.recent == nil {
		r.recent = map[trail.ContentID]trail.State{}
	}
	ids := make([]string, len(items))
	pending := false
	for i, item := range items {
		ids[i] = item.id
		_, recent := r.recent[item.id]
		pending = pending || recent
	}
	if pending {
		short, cancel := context.WithTimeout(ctx, r.patience()/5)
		defer cancel()
		if r.Buffer.Settle(short) == nil {
			clear(r.recent) // all of them were accepted before
		}
	}
	states, err := r.DB.States(ctx, trail.ContentKind, ids)
	if err != nil {
		return nil, explain(fmt.Errorf("read what is registered: %w", err))
	}
	for _, id := range ids {
		if s, ok := r.recent[id]; ok {
			states[id] = s
		}
	}
	return states, nil
}

// visible waits until reports show what was accepted.
func (r *Registry) visible(ctx context.Context) bool {
	r.mu.Lock()
	accepted := make(map[trail.ContentID]trail.ID, len(r.recent))
	for id, s := range r.recent {
		accepted[id] = s.Event
	}
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	if r.Buffer.Settle(ctx) != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, event := range accepted {
		if r.recent[id].Event == event {
			delete(r.recent, id)
		}
	}
	return true
}

func (r *Registry) patience() time.Duration {
	return cmp.Or(r.Patience, defaultPatience)
}

func (r *Registry) now() time.Time {
	if r.Now != nil {
		return r.Now().UTC()
	}
	return time.Now().UTC()
}

// explain turns the buffer's silence into something that may be shown.
func explain(err error) error {
	if p := (*trail.Problem)(nil); errors.As(err, &p) {
		return err
	}
	return fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "This cannot be written at the moment; try again in a few seconds."), err)
}

// checkID refuses names that no link, page or file could carry.
func checkID(id trail.ContentID) error {
	switch {
	case id == "":
		return trail.Problemf(trail.Invalid, "A content needs an ID: a short name such as intro-deck.")
	case len(id) > maxContentID:
		return trail.Problemf(trail.Invalid, "The content ID is %d bytes long; at most %d are allowed.", len(id), maxContentID)
	case !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl):
		return trail.Problemf(trail.Invalid, "The content ID %q has control characters or is not UTF-8.", id)
	case strings.TrimSpace(id) != id || id == "." || id == "..":
		return trail.Problemf(trail.Invalid, "The content ID %q cannot be used: it must not begin or end with a space, nor be a dot or two.", id)
	}
	return nil
}

// contentAttrs are the keys of a content's state, see trail.State.
var contentAttrs = strings.Fields(`title kind url other_urls stage persona version tags owner cost currency
	published_at expires_at successor file file_name file_type file_size`)

var plainDecimal = regexp.MustCompile(`^\d{1,15}(\.\d{1,4})?$`)

func knownAttrs(attrs map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(attrs)) {
		if !slices.Contains(contentAttrs, k) {
			return trail.Problemf(trail.Invalid, "A content has no %q; it has %s.", k, strings.Join(contentAttrs, ", "))
		}
	}
	return nil
}

// complete checks a state and writes it in the form in which it is kept.
func (r *Registry) complete(id trail.ContentID, attrs map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(attrs)) {
		v := attrs[k]
		if len(v) > maxAttr || !utf8.ValidString(v) {
			return trail.Problemf(trail.Invalid, "The %s is longer than %d bytes or is not UTF-8.", k, maxAttr)
		}
		if attrs[k] = strings.TrimSpace(v); attrs[k] == "" {
			delete(attrs, k)
		}
	}
	for _, k := range []string{"other_urls", "tags"} {
		if attrs[k] != "" {
			attrs[k] = strings.Join(strings.Fields(attrs[k]), " ")
		}
	}
	if err := cleanTargets(attrs); err != nil {
		return err
	}
	if err := r.checkFile(attrs["file"]); err != nil {
		return err
	}
	if attrs["url"] == "" && attrs["file"] == "" {
		return trail.Problemf(trail.Invalid, "The content %q needs a url or a file, so that its links lead somewhere.", id)
	}
	if c := attrs["cost"]; c != "" && !plainDecimal.MatchString(c) {
		return trail.Problemf(trail.Invalid, "The cost %q must be a plain number such as 1234.50.", c)
	}
	for _, k := range []string{"published_at", "expires_at"} {
		if err := normalTime(attrs, k); err != nil {
			return err
		}
	}
	if attrs["successor"] == id {
		return trail.Problemf(trail.Invalid, "The content %q cannot be its own successor.", id)
	}
	if attrs["title"] == "" {
		attrs["title"] = defaultTitle(id, attrs["file_name"])
	}
	return nil
}

func (r *Registry) checkFile(sha string) error {
	if sha == "" {
		return nil
	}
	f, err := r.Files.Open(sha)
	if err != nil {
		return trail.Problemf(trail.Invalid, "There is no stored file %q; upload the file itself.", sha)
	}
	return f.Close()
}

// normalTime rewrites a day or a time of any zone as RFC 3339 in UTC.
func normalTime(attrs map[string]string, key string) error {
	if attrs[key] == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, attrs[key]); err == nil {
			attrs[key] = t.UTC().Format(time.RFC3339)
			return nil
		}
	}
	return trail.Problemf(trail.Invalid, "The %s %q must look like 2026-11-22 or 2026-11-22T09:00:00Z.", key, attrs[key])
}

// defaultTitle is the file's name without what only a computer needs, else the ID.
func defaultTitle(id trail.ContentID, fileName string) string {
	base := path.Base(strings.ReplaceAll(fileName, `\`, "/"))
	name := strings.TrimSuffix(base, path.Ext(base))
	if fileName == "" || strings.TrimSpace(name) == "" {
		return id
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(name, "_", " ")), " ")
}
