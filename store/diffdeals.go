package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// diffCursor is where a row of the deals behind a difference stands: the largest changes
// come first.
type diffCursor struct {
	Value, Credit int64 // of the change, without its sign
	Deal          string
	Unattributed  bool
	Key           string
}

func (c diffCursor) compare(d diffCursor) int {
	return cmp.Or(cmp.Compare(d.Value, c.Value), cmp.Compare(d.Credit, c.Credit), cmp.Compare(c.Deal, d.Deal), cmp.Compare(bit(c.Unattributed), bit(d.Unattributed)), cmp.Compare(c.Key, d.Key))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c diffCursor) text() string {
	text, _ := json.Marshal(c) // numbers and texts
	return base64.RawURLEncoding.EncodeToString(text)
}

// parseCursor reads what text wrote; nil for none.
func parseCursor(text string) (*diffCursor, error) {
	if text == "" {
		return nil, nil
	}
	var c diffCursor
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return nil, trail.Problemf(trail.Invalid, "after is %q; it must be the next of the page before.", text)
	}
	return &c, nil
}

// changedKey is one key of a changed deal.
type changedKey struct {
	diffCursor
	deal *dealChange
	keyChange
}

// DiffDeals returns the deals behind a [DB.Diff], the largest change first: one row
// for each deal and key that changed, of one cause and one key unless they are
// empty. next is the f.After of the next page, empty on the last.
func (db *DB) DiffDeals(ctx context.Context, a, b, by string, cause trail.Cause, key string, f Filter) (rows []trail.DiffDeal, next string, err error) {
	if cause != "" && !slices.Contains(trail.Causes(), cause) {
		return nil, "", trail.Problemf(trail.Invalid, "There is no cause %q; choose from %s.", cause, joined(trail.Causes()))
	}
	after, err := parseCursor(f.After)
	if err != nil {
		return nil, "", err
	}
	p, err := db.compare(ctx, a, b, by, f)
	if err != nil {
		return nil, "", err
	}
	limit := cmp.Or(f.Limit, pageLimit)
	var found []changedKey
	cut := func() {
		slices.SortFunc(found, func(x, y changedKey) int { return x.diffCursor.compare(y.diffCursor) })
		found = found[:min(len(found), limit)]
	}
	err = db.eachChanged(ctx, p, func(d *dealChange) {
		if cause != "" && d.cause != cause {
			return
		}
		for _, k := range d.keys {
			by := k.by()
			c := changedKey{diffCursor{abs(by.value), abs(by.credit), d.deal, k.unattributed, k.key}, d, k}
			if (key == "" || k.name() == key) && (after == nil || c.diffCursor.compare(*after) > 0) {
				found = append(found, c)
			}
		}
		if len(found) > 4*limit { // no more than a page is kept
			cut()
		}
	})
	if err != nil {
		return nil, "", err
	}
	cut()
	titles := map[string]string{}
	if by == "content" {
		var contents []string
		for _, c := range found {
			contents = append(contents, c.key)
		}
		if titles, err = db.titles(ctx, Filter{AsOf: forever}, contents); err != nil {
			return nil, "", err
		}
	}
	rows = []trail.DiffDeal{}
	for _, c := range found {
		rows = append(rows, p.row(c, titles))
	}
	if len(found) == limit {
		next = found[limit-1].text()
	}
	return rows, next, nil
}

// name is the key as a report names it.
func (k keyChange) name() string {
	if k.unattributed {
		return trail.Unattributed
	}
	return cmp.Or(k.key, trail.Nobody)
}

func joined(causes []trail.Cause) string {
	all := make([]string, len(causes))
	for i, c := range causes {
		all[i] = string(c)
	}
	return strings.Join(all, ", ")
}

// row is one key of a changed deal as a report shows it.
func (p *pair) row(c changedKey, titles map[string]string) trail.DiffDeal {
	row := trail.DiffDeal{Deal: c.deal.deal, Key: c.name(), Cause: c.deal.cause, Change: p.change(c.before, c.after)}
	row.Title = cmp.Or(titles[c.key], row.Key)
	for _, m := range c.deal.moves {
		if m.why == c.deal.cause {
			row.Touches = append(row.Touches, m.DiffTouch)
		}
	}
	row.Why = p.why(c.deal)
	return row
}

// why says in a sentence why a deal changed.
func (p *pair) why(d *dealChange) string {
	one := func(singular, many, burst string) string {
		itself, n := 0, 0
		for _, m := range d.moves {
			if m.why == d.cause {
				n++
				if !m.burst {
					itself++
				}
			}
		}
		switch {
		case itself == 0:
			return burst
		case n == 1:
			return "One touch of its path " + singular
		}
		return fmt.Sprintf("%d touches of its path %s", n, many)
	}
	switch d.cause {
	case trail.CauseDealWon:
		if d.then.status == "" {
			return "It is won and counts; before, it was not known, or closed outside the period."
		}
		return "It is won; before, it was " + d.then.status + "."
	case trail.CauseDealGone:
		if d.here.status == "" {
			return "It counts no more: deleted, merged into another, or closed outside the period."
		}
		return "It is " + d.here.status + "; before, it was won."
	case trail.CauseAmount:
		return fmt.Sprintf("Its value is %s; before, it was %s.", p.worth(d.here, d.now), p.worth(d.then, d.was))
	case trail.CauseLate:
		return one("was received, or loaded, only after the first run.", "were received, or loaded, only after the first run, or are of a burst with one that was.",
			"An event that was received, or loaded, only after the first run makes others part of one burst.")
	case trail.CauseVerdict:
		return one("was judged again, or corrected.", "were judged again, or corrected, or are of a burst with one that was.", "An event that was judged again, or corrected, begins or ends a burst.")
	case trail.CauseRemoved:
		return one("is gone: its event was retracted, erased or has expired.", "are gone, or were of a burst with one that is: retracted, erased or expired.", "An event that began or ended a burst was retracted.")
	case trail.CauseClosed:
		return fmt.Sprintf("It closed on %s; before, that was %s. So other touches lie before its close.", closing(d.here), closing(d.then))
	case trail.CauseMoved:
		return one("is tied otherwise", "are tied otherwise", "Touches are tied otherwise") + ": contacts, companies, links, assignments or merges changed."
	case trail.CauseContent:
		return "A registration changed: a touch is of another content, or its content of another kind."
	case trail.CauseRegrouped:
		return "It is grouped under another key: another owner, team, source, stage or date, or another rep of the touch."
	case trail.CauseSettings:
		return "Settings or version of the models changed."
	case trail.CauseWeights:
		return "The model weighs contents differently: it learned from other deals."
	case trail.CauseMilestones:
		return "The deal, or its first contact, began at another time, so other touches have the places that the model rewards."
	}
	return "Nothing that we know of explains it. That is a mistake of dealtrail; please report it."
}

func (p *pair) worth(d dealFact, value int64) string {
	if d.reason != "" {
		return "not usable (" + d.reason + ")"
	}
	m := p.b.money(value)
	return m.Amount + " " + m.Currency
}

func closing(d dealFact) string {
	if d.closed == 0 {
		return "not known"
	}
	return time.UnixMilli(d.closed).UTC().Format("2006-01-02 15:04 UTC")
}
