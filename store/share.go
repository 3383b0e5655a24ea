package store

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

const (
	shareLimit = 50                  // links of a list unless asked for more
	shareAge   = 30 * 24 * time.Hour // for so long a link is among the latest after something came of it
)

// RepShares returns the latest tracked links of a rep: those that were made or
// mailed, or of which something came, in the 30 days before now. The one made or
// mailed last is first. An unlimited filter gives 50.
func (db *DB) RepShares(ctx context.Context, rep string, now time.Time, f Filter) ([]trail.ShareRow, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	var contents, contacts []string
	shares, err := query(ctx, db, "RepShares", func(rows driver.Rows, s *trail.ShareRow) error {
		err := rows.Scan((*string)(&s.Share), when{&s.At}, &s.Content, &s.Deal, &s.Contacts, when{&s.Opened}, &s.Clicks, when{&s.Clicked}, &s.ClickedBy, when{&s.Replied}, &s.RepliedBy)
		contents = append(contents, s.Content)
		contacts = append(append(append(contacts, s.Contacts...), s.ClickedBy...), s.RepliedBy...)
		return err
	}, f.args(clickhouse.Named("rep", trail.NormalAddress(rep)), instant("since", now.Add(-shareAge)), f.limit(shareLimit))...)
	if err != nil {
		return nil, err
	}
	titles, err := db.titles(ctx, f, contents)
	if err != nil {
		return nil, err
	}
	people, err := db.People(ctx, contacts)
	if err != nil {
		return nil, err
	}
	for i := range shares {
		s := &shares[i]
		s.Title = titles[s.Content]
		for _, list := range [][]string{s.Contacts, s.ClickedBy, s.RepliedBy} {
			addresses(list, people)
		}
	}
	return shares, nil
}

// addresses puts addresses in the place of contacts, as far as they are known,
// in order.
func addresses(contacts []string, people map[string]trail.Person) {
	for i, contact := range contacts {
		if p, ok := people[contact]; ok {
			contacts[i] = p.Address
		}
	}
	slices.Sort(contacts)
}

// Shareable returns every registered content with what a rep finds it by and how
// often it was sent, by ID: what Contents says of it and nothing that takes long.
func (db *DB) Shareable(ctx context.Context, f Filter) ([]trail.ContentRow, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	return query(ctx, db, "Shareable", func(rows driver.Rows, c *trail.ContentRow) error {
		return rows.Scan(&c.ID, &c.Title, &c.Kind, &c.Stage, &c.Persona, &c.Version, words{&c.Tags}, when{&c.ExpiresAt}, &c.Sent)
	}, f.args()...)
}

// EarlierSend is the newest mail of a period in which one other rep sent one
// contact a content, or one that it succeeds.
type EarlierSend struct {
	Contact trail.ContactID
	Person  trail.Person // as far as it is known
	Rep     string
	At      time.Time
	Content trail.ContentID // what was sent
	Title   string          // its title by now
	Then    string          // the version that was sent, empty if it bore none
	Now     string          // the version of that content by now
	Changed bool            // its version, URL or file are not what was sent
}

// earlierLimit is how many earlier sends are worth reading before one more mail.
const earlierLimit = 20

// EarlierSends returns what other reps sent the contacts of a content, or of one
// that names it as its successor, from since to until: the newest mail of each
// rep to each contact, newest first, 20 at most.
func (db *DB) EarlierSends(ctx context.Context, content trail.ContentID, rep string, contacts []trail.ContactID, since, until time.Time) ([]EarlierSend, error) {
	ids := make([]string, len(contacts))
	for i, c := range contacts {
		ids[i] = string(c)
	}
	sends, err := query(ctx, db, "EarlierSends", func(rows driver.Rows, s *EarlierSend) error {
		return rows.Scan((*string)(&s.Contact), &s.Rep, when{&s.At}, &s.Content, &s.Title, &s.Then, &s.Now, &s.Changed)
	}, instant("as_of", forever), clickhouse.Named("content", content), clickhouse.Named("rep", trail.NormalAddress(rep)), clickhouse.Named("contacts", ids),
		instant("since", since), instant("until", until), clickhouse.Named("limit", uint64(earlierLimit)))
	if err != nil {
		return nil, err
	}
	people, err := db.People(ctx, ids)
	for i := range sends {
		sends[i].Person = people[string(sends[i].Contact)]
	}
	return sends, err
}

// OpenDeal is an open deal, for which a link may be, with the people on it.
type OpenDeal struct {
	ID, Name string
	Contacts []trail.ContactRow
}

// OpenDeals returns the open deals that a rep owns, by ID, with the people on them if
// they are asked for.
func (db *DB) OpenDeals(ctx context.Context, rep string, withPeople bool, f Filter) ([]OpenDeal, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	f.After = ""
	states, err := db.dealStates(ctx, f, "owner", clickhouse.Named("limit", uint64(math.MaxInt64)), trail.NormalAddress(rep))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, d := range states {
		ids = append(ids, d.contacts...)
	}
	var people []trail.ContactRow
	if withPeople {
		if people, err = db.contactsOf(ctx, f, ids); err != nil {
			return nil, err
		}
	}
	known := map[trail.ContactID]trail.ContactRow{}
	for _, c := range people {
		known[c.Contact] = c
	}
	deals := make([]OpenDeal, len(states))
	for i, d := range states {
		deals[i] = OpenDeal{ID: d.ID, Name: d.Name}
		for _, id := range d.contacts {
			if c, ok := known[trail.ContactID(id)]; ok {
				deals[i].Contacts = append(deals[i].Contacts, c)
			}
		}
	}
	return deals, nil
}
