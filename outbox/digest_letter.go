package outbox

import (
	"cmp"
	"context"
	"net/url"
	"time"
)

// digestLetter writes the digest of one rep. Who did it stands in it: they are the
// rep's own people.
func (x *Outbox) digestLetter(ctx context.Context, rep string, from, due time.Time, people []personNews, deals []dealNews) letter {
	stop := x.page(x.Digest.StopPath(rep))
	clicks, answers := 0, 0
	for _, n := range people {
		clicks, answers = clicks+n.clicks, answers+n.answers
	}
	l := letter{
		ID: x.letterID("digest", rep, due.Format(time.DateOnly)), At: x.now(), To: rep, Stop: stop,
		Subject: cmp.Or(both(clicks, answers), count(len(deals), "deal", "deals")) + " since " + clock(from, x.Zone),
		Lead:    "What likely people did with what you sent, since " + clock(from, x.Zone) + " (" + x.Zone.String() + ").",
		Foot: []line{
			{Text: "Each click or answer is told once; opens are too weak a sign to be told.", Link: ""},
			{Text: "No more of these mails", Link: stop},
		},
	}
	if len(people) > 0 {
		p := part{Title: "Who answered or clicked"}
		for _, n := range people[:min(len(people), digestLines)] {
			p.Lines = append(p.Lines, x.personLine(n))
		}
		l.Parts = append(l.Parts, more(p, len(people)))
	}
	if len(deals) > 0 {
		p := part{Title: "Your deals in which something happens, and what to send next"}
		for i, n := range deals[:min(len(deals), digestLines)] {
			p.Lines = append(p.Lines, line{Text: plain(cmp.Or(n.Name, n.ID)) + ": " + both(n.clicks, n.answers), Link: x.page("/deals/" + url.PathEscape(n.ID))})
			if i < nextDeals {
				p.Lines = append(p.Lines, x.nextLines(ctx, n.ID)...)
			}
		}
		l.Parts = append(l.Parts, more(p, len(deals)))
	}
	return l
}

// more says how many lines a part would have had.
func more(p part, all int) part {
	if left := all - digestLines; left > 0 {
		p.Lines = append(p.Lines, line{Text: "and " + count(left, "other", "others") + " on the pages"})
	}
	return p
}

func (x *Outbox) personLine(n personNews) line {
	c := n.contact
	who := plain(cmp.Or(c.Name, c.Address))
	if at := cmp.Or(c.Account, c.Domain); at != "" {
		who += " (" + plain(at) + ")"
	}
	did := "clicked"
	switch {
	case n.answers > 0 && n.clicks > 0:
		did = "answered and clicked"
	case n.answers > 0:
		did = "answered"
	}
	text := who + " " + did + ": " + plain(n.title) + ", " + clock(n.last, x.Zone)
	if n.clicks > 1 {
		text += ", " + both(n.clicks, 0)
	}
	return line{Text: text, Link: x.page("/contacts/" + url.PathEscape(c.Address))}
}

// nextLines is what to send to a deal. A deal for which nothing can be said has none.
func (x *Outbox) nextLines(ctx context.Context, deal string) (lines []line) {
	if x.Digest.Recommend == nil {
		return nil
	}
	all, err := x.Digest.Recommend(ctx, deal)
	if err != nil {
		x.Log.Warn("the digest goes without what to send", "deal", deal, "err", err)
	}
	for _, r := range all {
		if len(lines) == nextEach {
			break
		}
		if r.HadAt.IsZero() {
			q := url.Values{"content": {r.Content}, "deal": {deal}}
			lines = append(lines, line{Under: true, Text: "Next: " + plain(cmp.Or(r.Title, r.Content)), Hint: plain(r.Why), Link: x.page("/share?" + q.Encode())})
		}
	}
	return lines
}
