package ingest

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"dealtrail/trail"
)

// ShareRequest asks for a tracked link.
type ShareRequest struct {
	Content trail.ContentID `json:"content"`
	Rep     string          `json:"rep"`  // address of the rep who sends it
	To      []string        `json:"to"`   // addresses it is for, with or without names; may be empty
	Deal    string          `json:"deal"` // the CRM's deal ID, or empty
}

// Share is a tracked link.
type Share struct {
	Token    string `json:"token"`
	URL      string `json:"url"`
	PixelURL string `json:"pixel_url"` // empty unless tracking.pixel is on: nobody may embed it whose recipients did not agree
	HTML     string `json:"html"`      // the link with the content's title as its text, and the pixel if tracking.pixel allows it

	Visible bool `json:"-"` // reports show the share already
}

// Share makes a tracked link to a content. Each recipient becomes a contact of
// the share: a click of a share with several is "one of N". It refuses, with a
// *trail.Problem LocalAddress, to make links that prospects could not reach.
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
	key := trail.KeyOf(q.Content)
	target, ok, err := r.Catalogue.Lookup(ctx, key)
	if err != nil {
		return Share{}, explain(err)
	}
	if !ok || target.Content != q.Content {
		return Share{}, trail.Problemf(trail.NotFound, "There is no content %q; register it first.", q.Content)
	}
	share := trail.NewShareID()
	if err := r.Buffer.Append(ctx, r.shared(q, share, rep.Address, people)...); err != nil {
		return Share{}, explain(err)
	}
	s := Share{Token: r.Keys.Seal(key, share)}
	s.URL = base + "/c/" + s.Token
	s.HTML = fmt.Sprintf(`<a href="%s">%s</a>`, html.EscapeString(s.URL), html.EscapeString(cmp.Or(target.Title, target.Content)))
	// Mode "consent" needs a consent on record for each recipient, and none is looked up here.
	if r.Pixel == "on" {
		s.PixelURL = base + "/o/" + s.Token + ".gif"
		s.HTML += fmt.Sprintf(`<img src="%s" width="1" height="1" alt="">`, html.EscapeString(s.PixelURL))
	}
	s.Visible = r.visible(ctx)
	return s, nil
}

// shared returns one event for each recipient, or one without a contact.
func (r *Registry) shared(q ShareRequest, share trail.ShareID, rep string, people []trail.Person) []trail.Event {
	now := r.now()
	event := trail.Event{
		ID: trail.IDFrom(now, "api", string(share)), Kind: trail.Shared, At: now, ReceivedAt: now, Source: "api",
		Content: q.Content, Share: share, Rep: rep, Deal: strings.TrimSpace(q.Deal),
	}
	if len(people) == 0 {
		return []trail.Event{event}
	}
	events := make([]trail.Event, len(people))
	for i := range people {
		e := event
		e.Contact, e.Person = r.Contacts.ID(people[i].Address), &people[i]
		e.ID = trail.IDFrom(now, "api", string(share), string(e.Contact))
		events[i] = e
	}
	return events
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
