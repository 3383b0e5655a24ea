package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

// Notice is one thing as a message tells it; generic webhooks carry it as it is.
type Notice struct {
	ID    string    `json:"id"`    // the same whenever and to whomever it is told
	Event string    `json:"event"` // one of Events, or test
	At    time.Time `json:"at"`    // since when it is so
	Text  string    `json:"text"`  // whole sentences
	URL   string    `json:"url"`   // the page

	Week    string   `json:"week,omitzero"`    // of a review
	Deal    string   `json:"deal,omitzero"`    // the CRM's ID
	Request trail.ID `json:"request,omitzero"` // the request's
	Clicks  int      `json:"clicks,omitzero"`  // in the deal since At
	Answers int      `json:"answers,omitzero"` // in the deal since At
}

const (
	// lateEvery is how often late requests are looked for: they become so by the day.
	lateEvery = 10 * time.Minute
	// linesAtOnce is how many notices one message spells out.
	linesAtOnce = 20
	// whoAtOnce is how many people of a deal one notice tells of.
	whoAtOnce = 3
)

// noticeID names a notice by what it tells, and by the day for what may be told again.
func noticeID(event, subject, day string) string {
	return strings.TrimSuffix(event+":"+subject+":"+day, ":")
}

func eventOf(id string) string {
	event, _, _ := strings.Cut(id, ":")
	return event
}

// wants reports whether a chat wants an event of these reps.
func (c Chat) wants(event string, reps ...string) bool {
	return slices.Contains(c.Events, event) && (c.Rep == "" || event == ReviewReady ||
		slices.ContainsFunc(reps, func(r string) bool { return trail.NormalAddress(r) == trail.NormalAddress(c.Rep) }))
}

// find adds to each chat what it is to be told and was not. What cannot be looked for
// is an error, and found the next time.
func (x *Outbox) find(ctx context.Context, now time.Time, states map[string]*told) error {
	anybody := func(event string) bool {
		return slices.ContainsFunc(x.Chats, func(c Chat) bool { return slices.Contains(c.Events, event) })
	}
	var failed []error
	if anybody(ReviewReady) {
		failed = append(failed, x.findReview(ctx, now, states))
	}
	if anybody(HotDeal) {
		failed = append(failed, x.findHot(ctx, now, states))
	}
	if anybody(LateRequest) {
		failed = append(failed, x.findLate(ctx, now, states))
	}
	return errors.Join(failed...)
}

// add has a chat told of something, once.
func (t *told) add(n notice) {
	if !t.known(n.ID) {
		t.Pending, t.grown = append(t.Pending, n), true
	}
}

func (x *Outbox) findReview(ctx context.Context, now time.Time, states map[string]*told) error {
	week, due := x.ReviewAt.Due(now, x.Zone)
	n := notice{ID: noticeID(ReviewReady, week, ""), Event: ReviewReady, Subject: week, At: due.UTC()}
	for _, c := range x.Chats {
		if !c.wants(ReviewReady) || states[c.Name].known(n.ID) {
			continue
		}
		s, err := x.review(ctx, week, due, now)
		if err != nil || s == nil {
			return err
		}
		states[c.Name].add(n)
	}
	return nil
}

// findHot looks for open deals in which people click or answer. A click counts once it
// is settled who made it.
func (x *Outbox) findHot(ctx context.Context, now time.Time, states map[string]*told) error {
	rows, err := x.DB.Engagements(ctx, now.Add(-hotBack), now.Add(-settled), store.Filter{})
	if err != nil {
		return err
	}
	found := map[string]map[string]notice{} // by chat and ID
	var deals []string
	for _, c := range x.Chats {
		if !slices.Contains(c.Events, HotDeal) {
			continue
		}
		t, news := states[c.Name], map[string]notice{}
		for _, e := range rows { // the newest first, so that the oldest of a day stays
			for _, deal := range e.Deals {
				id := noticeID(HotDeal, deal, e.At.In(x.Zone).Format(time.DateOnly))
				if e.At.Before(t.Since) || t.known(id) {
					continue
				}
				news[id] = notice{ID: id, Event: HotDeal, Subject: deal, At: e.At}
				deals = append(deals, deal)
			}
		}
		found[c.Name] = news
	}
	if len(deals) == 0 {
		return nil
	}
	known, err := x.DB.DealsOf(ctx, store.Filter{}, deals)
	if err != nil {
		return err
	}
	for _, c := range x.Chats {
		for _, n := range inOrder(found[c.Name]) {
			if d := known[n.Subject]; d.Status == "open" && c.wants(HotDeal, d.Owner) {
				states[c.Name].add(n)
			}
		}
	}
	return nil
}

func inOrder(found map[string]notice) (all []notice) {
	for _, n := range found {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b notice) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return all
}

func (x *Outbox) findLate(ctx context.Context, now time.Time, states map[string]*told) error {
	late, err := x.late(ctx, now)
	if err != nil {
		return err
	}
	id := func(q trail.Request) string { return noticeID(LateRequest, q.ID.String(), "") }
	late = slices.DeleteFunc(slices.Clone(late), func(q trail.Request) bool {
		return !slices.ContainsFunc(x.Chats, func(c Chat) bool { return slices.Contains(c.Events, LateRequest) && !states[c.Name].known(id(q)) })
	})
	if len(late) == 0 {
		return nil
	}
	var deals []string
	for _, q := range late {
		deals = append(deals, q.Deal)
	}
	owners, err := x.DB.DealsOf(ctx, store.Filter{}, deals)
	if err != nil {
		return err
	}
	for _, q := range late {
		n := notice{ID: id(q), Event: LateRequest, Subject: q.ID.String(), At: q.DueAt.UTC()}
		for _, c := range x.Chats {
			if c.wants(LateRequest, q.Rep, owners[q.Deal].Owner) {
				states[c.Name].add(n)
			}
		}
	}
	return nil
}

// late returns the requests that are late, looked for some minutes ago at most.
func (x *Outbox) late(ctx context.Context, now time.Time) ([]trail.Request, error) {
	x.mu.Lock()
	ones, at := x.lateOnes, x.lateAt
	x.mu.Unlock()
	if !at.IsZero() && now.Sub(at) < lateEvery && !now.Before(at) {
		return ones, nil
	}
	all, err := x.DB.Requests(ctx, "", x.AnswerDays, now, store.Filter{})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(q trail.Request) bool { return !q.Late })
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lateOnes, x.lateAt = all, now
	return all, nil
}

// compose says what notices are about by now. What is no longer so is left out: a
// request that was answered, clicks that turned out to be a scanner's.
func (x *Outbox) compose(ctx context.Context, c Chat, notices []notice, now time.Time) (out []Notice, err error) {
	by := map[string][]notice{}
	for _, n := range notices {
		by[n.Event] = append(by[n.Event], n)
	}
	for _, n := range by[ReviewReady] {
		line, err := x.composeReview(ctx, n, now)
		if err != nil {
			return nil, err
		}
		out = append(out, line...)
	}
	hot, err := x.composeHot(ctx, c, by[HotDeal], now)
	if err != nil {
		return nil, err
	}
	late, err := x.composeLate(ctx, c, by[LateRequest], now)
	return append(append(out, hot...), late...), err
}

func (x *Outbox) composeReview(ctx context.Context, n notice, now time.Time) ([]Notice, error) {
	week, due := x.ReviewAt.Due(now, x.Zone)
	text := "The lead review of " + n.Subject + " is ready."
	s := &summary{week: n.Subject}
	if week == n.Subject {
		made, err := x.review(ctx, week, due, now)
		if err != nil {
			return nil, err
		}
		if made != nil {
			s, text = made, fmt.Sprintf("The lead review of %s is ready: %s.", week, made.words())
		}
	}
	return []Notice{{ID: n.ID, Event: n.Event, At: n.At, Text: text, URL: x.page(s.link()), Week: n.Subject}}, nil
}

// composeHot tells each deal once, however many days its notices are of.
func (x *Outbox) composeHot(ctx context.Context, c Chat, notices []notice, now time.Time) (out []Notice, err error) {
	if len(notices) == 0 {
		return nil, nil
	}
	firsts := map[string]notice{}
	from := now
	for _, n := range notices {
		if f, ok := firsts[n.Subject]; !ok || n.At.Before(f.At) {
			firsts[n.Subject] = n
		}
		if n.At.Before(from) {
			from = n.At
		}
	}
	rows, err := x.DB.Engagements(ctx, from, now.Add(-settled), store.Filter{})
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(e trail.Engagement) bool {
		return !slices.ContainsFunc(e.Deals, func(d string) bool { f, ok := firsts[d]; return ok && !e.At.Before(f.At) })
	})
	all, err := x.DB.Engaged(ctx, rows, store.Filter{})
	if err != nil {
		return nil, err
	}
	for _, n := range inOrder(firsts) {
		d, known := all.Deals[n.Subject]
		line := Notice{ID: n.ID, Event: n.Event, At: n.At, Deal: n.Subject, URL: x.page("/deals/" + url.PathEscape(n.Subject))}
		var who []string
		counted := map[trail.ID]bool{}
		for _, e := range all.Rows {
			if !slices.Contains(e.Deals, n.Subject) || e.At.Before(n.At) {
				continue
			}
			if does := person(e, all, c.Names) + ": " + plain(cmp.Or(all.Titles[e.Content], e.Content)); !slices.Contains(who, does) {
				who = append(who, does)
			}
			if !counted[e.ID] && e.Kind == trail.Clicked {
				line.Clicks++
			} else if !counted[e.ID] {
				line.Answers++
			}
			counted[e.ID] = true
		}
		if !known || len(who) == 0 {
			continue
		}
		line.Text = fmt.Sprintf("%s: %s since %s. %s", plain(cmp.Or(d.Name, d.ID)), both(line.Clicks, line.Answers), clock(n.At, c.Zone), strings.Join(who[:min(len(who), whoAtOnce)], "; "))
		if left := len(who) - whoAtOnce; left > 0 {
			line.Text += "; and " + count(left, "other", "others")
		}
		line.Text += "."
		out = append(out, line)
	}
	return out, nil
}

// person says who may have caused something: by name, or by role and account.
func person(e trail.Engagement, all *trail.Engaged, names bool) string {
	p, known := all.People[first(e.Contacts)]
	switch {
	case !known:
		return "somebody"
	case len(e.Contacts) > 1:
		return fmt.Sprintf("one of %d people at %s", len(e.Contacts), plain(cmp.Or(p.Account, p.Domain, "one company")))
	case names:
		return plain(cmp.Or(p.Name, p.Address)) + at(p)
	}
	return plain(cmp.Or(p.Role, p.Title, "somebody")) + at(p)
}

func at(p trail.ContactRow) string {
	if company := cmp.Or(p.Account, p.Domain); company != "" {
		return " at " + plain(company)
	}
	return ""
}

func (x *Outbox) composeLate(ctx context.Context, c Chat, notices []notice, now time.Time) (out []Notice, err error) {
	if len(notices) == 0 {
		return nil, nil
	}
	all, err := x.DB.Requests(ctx, "", x.AnswerDays, now, store.Filter{})
	if err != nil {
		return nil, err
	}
	for _, n := range notices {
		i := slices.IndexFunc(all, func(q trail.Request) bool { return q.ID.String() == n.Subject })
		if i < 0 || !all[i].Late {
			continue
		}
		q := all[i]
		text := fmt.Sprintf("A request waits for an answer since %s; agreed were %s", q.At.In(c.Zone).Format("2 Jan"), count(cmp.Or(x.AnswerDays, trail.AnswerDays), "day", "days"))
		if c.Names {
			text += ", asked by " + plain(q.Rep)
		}
		if d := cmp.Or(q.DealName, q.Deal); d != "" {
			text += ", for the deal " + plain(d)
		}
		out = append(out, Notice{ID: n.ID, Event: n.Event, At: n.At, Text: text + ": “" + plain(q.Text) + "”", URL: x.page("/requests?state=open#r-" + q.ID.String()), Request: q.ID, Deal: q.Deal})
	}
	return out, nil
}
