package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// keptAtOnce is how many facts a page of Kept has unless asked for.
const keptAtOnce = 100

// Event returns one event in its newest revision, with all that is stored of it;
// found is false if there is none.
func (db *DB) Event(ctx context.Context, id trail.ID) (e trail.Event, found bool, err error) {
	all, err := query(ctx, db, "Event", scanEvent, instant("as_of", forever), clickhouse.Named("id", hex.EncodeToString(id[:])))
	if err != nil || len(all) == 0 {
		return e, false, err
	}
	return all[0], true, nil
}

func scanEvent(rows driver.Rows, e *trail.Event) error {
	return rows.Scan(&e.ID, &e.Revision, (*string)(&e.Kind), when{&e.At}, when{&e.ReceivedAt}, &e.Source, &e.Content, (*string)(&e.Share),
		&e.Message, (*string)(&e.Contact), &e.Account, &e.Rep, &e.Deal, &e.Stage, (*string)(&e.Agent), &e.Probability, &e.Rules, &e.Signal,
		&e.RuleSet, &e.Signs, &e.Network, &e.Origin, &e.Device, &e.LedTo, (*string)(&e.Withheld), &e.Note, &e.Attrs, when{&e.RevisedAt})
}

// Kept returns what is kept about the mail of one rep, by address: how many facts of
// each kind, and the newest after f.After, at most f.Limit and all of one mail. kind
// restricts the rows to one of trail.KeptKinds; "" does not.
func (db *DB) Kept(ctx context.Context, rep string, kind trail.Kind, f Filter) (*trail.KeptMail, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	if kind != "" && !slices.Contains(trail.KeptKinds, kind) {
		return nil, trail.Problemf(trail.Invalid, "kind is %q; it must be one of %s.", kind, strings.Join(kindTexts(trail.KeptKinds), ", "))
	}
	k := &trail.KeptMail{Rep: trail.NormalAddress(rep), Counts: []trail.KeptCount{}}
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) { k.Counts, err = db.keptCounts(asking, k.Rep, f); return err })
	g.Go(func() (err error) { k.Rows, k.Next, err = db.keptRows(asking, k.Rep, kind, f); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, c := range k.Counts {
		if k.Since.IsZero() || c.First.Before(k.Since) {
			k.Since = c.First
		}
	}
	return k, nil
}

func (db *DB) keptCounts(ctx context.Context, rep string, f Filter) ([]trail.KeptCount, error) {
	counts, err := query(ctx, db, "KeptCounts", func(rows driver.Rows, c *trail.KeptCount) error {
		return rows.Scan((*string)(&c.Kind), &c.Facts, &c.Machines, &c.Said, when{&c.First}, when{&c.Last})
	}, f.args(clickhouse.Named("rep", rep))...)
	slices.SortFunc(counts, func(a, b trail.KeptCount) int {
		return cmp.Compare(slices.Index(trail.KeptKinds, a.Kind), slices.Index(trail.KeptKinds, b.Kind))
	})
	return counts, err
}

// keptLately is how far back a page of facts is looked for first, and then: what is laid
// out lies by time, and most pages are of the last days.
var keptLately = []time.Duration{7 * 24 * time.Hour, 62 * 24 * time.Hour}

func (db *DB) keptRows(ctx context.Context, rep string, kind trail.Kind, f Filter) (all []trail.KeptRow, next string, err error) {
	kinds := trail.KeptKinds
	if kind != "" {
		kinds = []trail.Kind{kind}
	}
	before, at, err := keptPlace(f.After)
	if err != nil {
		return nil, "", err
	}
	end := at
	if before == "" {
		end = time.Now()
	}
	limit := cmp.Or(f.Limit, keptAtOnce)
	var names keptNames
	var lately []time.Time
	for _, d := range keptLately {
		lately = append(lately, end.Add(-d))
	}
	for _, since := range append(lately, time.Time{}) {
		names = keptNames{accounts: map[trail.ID]string{}}
		all, err = query(ctx, db, "Kept", names.scan, f.args(clickhouse.Named("rep", rep), clickhouse.Named("kinds", kindTexts(kinds)), clickhouse.Named("before", before),
			instant("before_at", at), instant("since", since), clickhouse.Named("limit", uint64(limit)))...)
		if err != nil || len(all) >= limit {
			break
		}
	}
	if err != nil || len(all) == 0 {
		return all, "", err
	}
	if len(all) >= limit { // there may be none after it; then that page is empty
		last := all[len(all)-1]
		next = strconv.FormatInt(last.At.UnixMilli(), 10) + "-" + last.ID.String()
	}
	slices.SortFunc(all, func(a, b trail.KeptRow) int {
		return cmp.Or(b.At.Compare(a.At), bytes.Compare(b.ID[:], a.ID[:]), cmp.Compare(a.Content, b.Content))
	})
	return all, next, db.nameKept(ctx, f, all, names)
}

// keptNames is whose names a page of facts needs.
type keptNames struct {
	contents, contacts []string
	said               []string // events with a person's word, in hex
	accounts           map[trail.ID]string
}

func (n *keptNames) scan(rows driver.Rows, r *trail.KeptRow) error {
	var people []string
	var account string
	err := rows.Scan(&r.ID, when{&r.At}, (*string)(&r.Kind), &r.Content, &people, &account, &r.Deal, &r.Source, &r.Message,
		(*string)(&r.Verdict), &r.Probability, &r.Rules, &r.Signal, (*string)(&r.Withheld))
	r.Contacts = []trail.KeptName{}
	for _, p := range people {
		r.Contacts = append(r.Contacts, trail.KeptName{Contact: trail.ContactID(p)})
	}
	n.accounts[r.ID] = account
	n.contents, n.contacts = append(n.contents, r.Content), append(n.contacts, people...)
	if slices.Contains(r.Rules, trail.RuleSaid) {
		n.said = append(n.said, hex.EncodeToString(r.ID[:]))
	}
	return err
}

// nameKept fills in titles, names and persons' words.
func (db *DB) nameKept(ctx context.Context, f Filter, all []trail.KeptRow, of keptNames) error {
	var titles map[string]string
	known, people, words := map[trail.ContactID]trail.ContactRow{}, map[string]trail.Person{}, map[trail.ID]*trail.SaidWord{}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { titles, err = db.titles(ctx, f, of.contents); return err })
	g.Go(func() error {
		rows, err := db.contactsOf(ctx, f, of.contacts)
		for _, c := range rows {
			known[c.Contact] = c
		}
		return err
	})
	g.Go(func() (err error) { people, err = db.People(ctx, slices.Clone(of.contacts)); return err })
	if len(of.said) > 0 {
		g.Go(func() error {
			type word struct {
				id    trail.ID
				attrs map[string]string
				at    time.Time
			}
			rows, err := query(ctx, db, "Words", func(rows driver.Rows, w *word) error { return rows.Scan(&w.id, &w.attrs, when{&w.at}) },
				f.args(clickhouse.Named("ids", of.said))...)
			for _, w := range rows {
				words[w.id] = trail.WordOn(w.attrs, w.at)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range all {
		r := &all[i]
		r.Title, r.Said = titles[r.Content], words[r.ID]
		for j := range r.Contacts {
			n := &r.Contacts[j]
			c, p := known[n.Contact], people[string(n.Contact)]
			n.Address, n.Name = cmp.Or(c.Address, p.Address), cmp.Or(c.Name, p.Name)
			n.Role, n.Account = cmp.Or(c.Role, c.Title, p.Title), cmp.Or(c.Account, of.accounts[r.ID], trail.Domain(n.Address))
		}
		slices.SortFunc(r.Contacts, func(a, b trail.KeptName) int {
			return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Contact, b.Contact))
		})
	}
	return nil
}

// keptPlace reads where a page begins: after which fact.
func keptPlace(after string) (id string, at time.Time, err error) {
	if after == "" {
		return "", time.Time{}, nil
	}
	ms, text, _ := strings.Cut(after, "-")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err == nil {
		var parsed trail.ID
		if parsed, err = trail.ParseID(text); err == nil {
			return hex.EncodeToString(parsed[:]), time.UnixMilli(n).UTC(), nil
		}
	}
	return "", time.Time{}, trail.Problemf(trail.Invalid, "after is %q; it must be what next was on the page before.", after)
}

func kindTexts(kinds []trail.Kind) []string {
	all := make([]string, len(kinds))
	for i, k := range kinds {
		all[i] = string(k)
	}
	return all
}
