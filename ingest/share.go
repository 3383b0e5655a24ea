package ingest

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"dealtrail/store"
	"dealtrail/trail"
)

// ShareRequest asks for a tracked link.
type ShareRequest struct {
	Content trail.ContentID `json:"content"`
	Rep     string          `json:"rep"`  // address of the rep who sends it
	To      []string        `json:"to"`   // addresses it is for, with or without names; may be empty
	Deal    string          `json:"deal"` // the CRM's deal ID, or empty

	// Permanent asks for the rep's one link to the content, for signatures and templates. It is for nobody in
	// particular: whose click it is, is known only as far as the mails tell that it is in.
	Permanent bool `json:"permanent"`
}

// Share is a tracked link.
type Share struct {
	Token    string   `json:"token"`
	URL      string   `json:"url"`
	PixelURL string   `json:"pixel_url"`          // empty unless tracking.pixel is on, or is consent and all recipients agreed
	StopURL  string   `json:"stop_url"`           // where whoever gets the mail can stop tracking
	HTML     string   `json:"html"`               // one link with the text, and the pixel if tracking.pixel allows it
	Text     string   `json:"text"`               // the content's title, unless that looks like an address of its own
	Warnings []string `json:"warnings,omitempty"` // what a rep should know before sending it, in sentences

	Visible bool `json:"-"` // reports show the share already
}

// Share makes a tracked link to a content. Each recipient becomes a contact of
// the share: a click of a share with several is "one of N". Each link is another,
// but for permanent ones. It refuses, with a *trail.Problem LocalAddress, to make
// links that prospects could not reach.
func (r *Registry) Share(ctx context.Context, q ShareRequest) (Share, error) {
	base, err := r.publicURL()
	if err != nil {
		return Share{}, err
	}
	rep, err := address("rep", q.Rep)
	if err != nil {
		return Share{}, err
	}
	people, err := r.recipients(q.To)
	if err != nil {
		return Share{}, err
	}
	if q.Permanent && (len(people) > 0 || strings.TrimSpace(q.Deal) != "") {
		return Share{}, trail.Problemf(trail.Invalid, "A permanent link is for nobody in particular and no deal; leave these out, or make a link of their own.")
	}
	key := trail.KeyOf(q.Content)
	target, ok, err := r.Catalogue.Find(ctx, key)
	if err != nil {
		return Share{}, explain(err)
	}
	if !ok || target.Content != q.Content {
		return Share{}, trail.Problemf(trail.NotFound, "There is no content %q; register it first.", q.Content)
	}
	events := r.shared(q, rep.Address, people)
	if err := r.Buffer.Append(ctx, events...); err != nil {
		return Share{}, explain(err)
	}
	s := Share{Token: r.Keys.Seal(key, events[0].Share), Text: r.linkText(ctx, target)}
	s.URL = base + "/c/" + s.Token
	s.HTML = fmt.Sprintf(`<a href="%s">%s</a>`, html.EscapeString(s.URL), html.EscapeString(s.Text))
	s.StopURL = base + "/stop/" + s.Token
	if r.mayEmbed(people) {
		s.PixelURL = base + "/o/" + s.Token + ".gif"
		s.HTML += fmt.Sprintf(`<img src="%s" width="1" height="1" alt="">`, html.EscapeString(s.PixelURL))
	}
	if r.Trap {
		trap := base + "/c/" + r.Keys.Seal(trail.KeyOf(trail.Trap), events[0].Share)
		s.HTML += fmt.Sprintf(`<a href="%s" rel="nofollow" tabindex="-1" aria-hidden="true" style="display:none"></a>`, html.EscapeString(trap))
	}
	s.Visible = r.visible(ctx)
	s.Warnings = r.warnings(ctx, q.Content, rep.Address, people)
	return s, nil
}

// shared returns one event for each recipient, or one without a contact. Making
// the permanent link again is no new event: its ID has no time, and of equal
// events the one received first stays.
func (r *Registry) shared(q ShareRequest, rep string, people []trail.Person) []trail.Event {
	now := r.now()
	event := trail.Event{
		Kind: trail.Shared, At: now, ReceivedAt: now, Source: "api",
		Content: q.Content, Share: trail.NewShareID(), Rep: rep, Deal: strings.TrimSpace(q.Deal),
	}
	stamp := now
	if q.Permanent {
		event.Share, stamp = r.Contacts.PermanentShare(rep, q.Content), time.Time{}
	}
	event.ID = trail.IDFrom(stamp, "api", string(event.Share))
	if len(people) == 0 {
		return []trail.Event{event}
	}
	events := make([]trail.Event, len(people))
	for i := range people {
		e := event
		e.Contact, e.Person = r.Contacts.ID(people[i].Address), &people[i]
		e.ID = trail.IDFrom(now, "api", string(e.Share), string(e.Contact))
		events[i] = e
	}
	return events
}

// mayEmbed reports whether a mail to people may carry a pixel.
func (r *Registry) mayEmbed(people []trail.Person) bool {
	contacts := map[trail.ContactID]string{}
	for _, p := range people {
		contacts[r.Contacts.ID(p.Address)] = Account(trail.Domain(p.Address))
	}
	return r.MayEmbed != nil && r.MayEmbed(contacts)
}

// anyDocument is the text of a link to a content that has no name for people.
const anyDocument = "Document"

// linkText returns what people read where the link is. A text that looks like an
// address and leads to another is what mail filters and careful readers take for
// fraud: such a title gives way to the content's kind.
func (r *Registry) linkText(ctx context.Context, target trail.Target) string {
	if title := plainText(cmp.Or(target.Title, target.Content)); !looksLikeURL(title) {
		return title
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	states, err := r.states(ctx, []*registration{{id: target.Content}})
	if err != nil { // a link is worth more than its best text
		return anyDocument
	}
	if kind := plainText(states[target.Content].Attrs["kind"]); kind != "" && !looksLikeURL(kind) {
		return kind
	}
	return anyDocument
}

// plainText returns a text in one line, without control characters.
func plainText(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// hostName is a host with a top level domain, and perhaps what follows a host in a URL.
var hostName = regexp.MustCompile(`^[\pL\pN_-]+(\.[\pL\pN_-]+)*\.\pL{2,}\.?(:\d+)?([/?#].*)?$`)

func looksLikeURL(s string) bool {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) { // nobody sees it
			return -1
		}
		return r
	}, s)
	return s == "" || strings.Contains(s, "://") || strings.HasPrefix(strings.ToLower(s), "www.") || hostName.MatchString(s) && !strings.Contains(s, " ")
}

// lately is how long ago a colleague's mail is still in people's minds.
const lately = 7 * 24 * time.Hour

// warnings says what colleagues sent the same people lately: an older version, or
// the same. That it cannot be told is said too: the link is good all the same.
func (r *Registry) warnings(ctx context.Context, content trail.ContentID, rep string, people []trail.Person) (all []string) {
	if len(people) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	contacts := make([]trail.ContactID, len(people))
	names := map[trail.ContactID]string{}
	for i, p := range people {
		contacts[i] = r.Contacts.ID(p.Address)
		names[contacts[i]] = cmp.Or(p.Name, p.Address)
	}
	now := r.now()
	sends, err := r.DB.EarlierSends(ctx, content, rep, contacts, now.Add(-lately), now)
	if err != nil {
		return []string{"Whether a colleague sent it lately cannot be looked up at the moment."}
	}
	for _, s := range sends {
		all = append(all, warning(content, cmp.Or(s.Person.Name, names[s.Contact]), s))
	}
	return all
}

// warning is one sentence on what a colleague sent somebody, with the day in UTC.
func warning(content trail.ContentID, whom string, s store.EarlierSend) string {
	day := s.At.UTC().Format("2 Jan 2006")
	switch {
	case s.Content != content:
		return fmt.Sprintf("%s sent %s %s on %s; this has taken its place.", s.Rep, whom, cmp.Or(s.Title, s.Content), day)
	case !s.Changed:
		return fmt.Sprintf("%s sent it to %s on %s; no need to send it again?", s.Rep, whom, day)
	case s.Then != "" && s.Now != "" && s.Then != s.Now:
		return fmt.Sprintf("%s sent %s version %s of it on %s; this is version %s.", s.Rep, whom, s.Then, day, s.Now)
	}
	return fmt.Sprintf("%s sent %s an older version of it on %s; it has changed since.", s.Rep, whom, day)
}

// recipients reads addresses, each once, in a fixed order.
func (r *Registry) recipients(to []string) ([]trail.Person, error) {
	var people []trail.Person
	for _, text := range to {
		p, err := address("to", text)
		if err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	slices.SortStableFunc(people, func(a, b trail.Person) int { return cmp.Compare(a.Address, b.Address) })
	return slices.CompactFunc(people, func(a, b trail.Person) bool { return a.Address == b.Address }), nil
}

func address(field, text string) (trail.Person, error) {
	a, err := mail.ParseAddress(strings.TrimSpace(text))
	if err != nil {
		return trail.Person{}, trail.Problemf(trail.Invalid, "The %s %q is not a mail address.", field, text)
	}
	return trail.Person{Address: trail.NormalAddress(a.Address), Name: a.Name}, nil
}

// publicURL returns where links lead, without a slash at the end.
func (r *Registry) publicURL() (string, error) {
	base := strings.TrimRight(r.PublicURL, "/")
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", trail.Problemf(trail.LocalAddress, "No link can be made: server.public_url is %q; set it to the https address that prospects reach.", r.PublicURL)
	}
	if !r.AllowLocal && (!strings.EqualFold(u.Scheme, "https") || isLocal(u.Hostname())) {
		return "", trail.Problemf(trail.LocalAddress, "No link is made while server.public_url is %s: prospects cannot reach it, or not safely. Set server.public_url to the public https address; to try things out on this machine, set tracking.allow_local to true.", base)
	}
	return base, nil
}

// isLocal reports whether a host is known only on this machine or network.
func isLocal(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip := net.ParseIP(host); ip != nil {
		return !ip.IsGlobalUnicast() || ip.IsPrivate()
	}
	for _, top := range []string{"localhost", "local", "internal", "lan", "home.arpa", "test", "invalid"} {
		if host == top || strings.HasSuffix(host, "."+top) {
			return true
		}
	}
	return !strings.Contains(host, ".")
}
