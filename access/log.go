package access

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	// logEntries is how many entries of the access log are kept at most.
	logEntries = 1_000_000
	// maxSighted is how many people of one answer are counted, and maxNamed how many of
	// them an entry tells apart.
	maxSighted, maxNamed = 100_000, 50
)

// Entry is one line of the access log: who saw which people by name. It holds no
// address of theirs, but the ID under which the log of events knows them.
type Entry struct {
	ID       string            `json:"id"`
	At       time.Time         `json:"at"`
	Who      string            `json:"who"`
	Route    string            `json:"route"`
	People   int               `json:"people"`   // how many
	Contacts []trail.ContactID `json:"contacts"` // the first of them
}

// wrote writes down whom an answer named.
func (a *Access) wrote(c echo.Context, asker Asker) error {
	asker.seen.mu.Lock()
	defer asker.seen.mu.Unlock()
	if len(asker.seen.seen) == 0 || a.Redis == nil {
		return nil
	}
	var contacts []string
	for _, address := range slices.Sorted(maps.Keys(asker.seen.seen)) {
		if len(contacts) < maxNamed && strings.Contains(address, "@") {
			contacts = append(contacts, string(a.Contacts.ID(address)))
		}
	}
	slices.Sort(contacts)
	// The answer is out; that somebody went away meanwhile must not spare them the entry.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), 2*time.Second)
	defer cancel()
	err := a.Redis.XAdd(ctx, &redis.XAddArgs{
		Stream: logStream, MaxLen: logEntries, Approx: true,
		Values: []any{"who", asker.Name(), "route", c.Request().Method + " " + c.Path(), "people", len(asker.seen.seen), "contacts", strings.Join(contacts, " ")},
	}).Err()
	if err != nil && a.Log != nil {
		a.Log.Error("who saw whom was not written down", "who", asker.Name(), "route", c.Path(), "people", len(asker.seen.seen), "err", err)
	}
	return nil
}

// Run forgets once a day what is older than it may be, until ctx ends.
func (a *Access) Run(ctx context.Context) error {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		if err := a.Forget(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("old entries of the access log stay until tomorrow", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Forget ends entries that are older than they may be.
func (a *Access) Forget(ctx context.Context) error {
	oldest := a.oldest()
	if oldest.IsZero() {
		return nil
	}
	return a.Redis.XTrimMinID(ctx, logStream, strconv.FormatInt(oldest.UnixMilli(), 10)).Err()
}

// oldest is when the oldest entry of the access log may be from; zero: whenever.
func (a *Access) oldest() time.Time {
	if a.LogMonths <= 0 {
		return time.Time{}
	}
	return a.Now().AddDate(0, -a.LogMonths, 0)
}

// Entries returns entries before one, the newest first: of one of us, or about one
// contact by ID or address, if that is asked for.
func (a *Access) Entries(ctx context.Context, who, contact, before string, limit int) (all []Entry, next string, err error) {
	if strings.Contains(contact, "@") {
		contact = string(a.Contacts.ID(contact))
	}
	from := "+"
	if before != "" {
		if from = "(" + before; strings.Trim(before, "0123456789-") != "" {
			return nil, "", trail.Problemf(trail.Invalid, "after is %q; take it from the answer before.", before)
		}
	}
	oldest := a.oldest()
	for {
		batch, err := a.Redis.XRevRangeN(ctx, logStream, from, "-", 1000).Result()
		if err != nil {
			return nil, "", a.unavailable("read the access log", err)
		}
		for _, message := range batch {
			e := entry(message)
			if e.At.Before(oldest) {
				return all, "", nil
			}
			if who != "" && e.Who != who || contact != "" && !slices.Contains(e.Contacts, trail.ContactID(contact)) {
				continue
			}
			if len(all) == limit {
				return all, all[limit-1].ID, nil
			}
			all = append(all, e)
		}
		if len(batch) < 1000 {
			return all, "", nil
		}
		from = "(" + batch[len(batch)-1].ID
	}
}

func entry(m redis.XMessage) Entry {
	text := func(name string) string { s, _ := m.Values[name].(string); return s }
	ms, _, _ := strings.Cut(m.ID, "-")
	at, _ := strconv.ParseInt(ms, 10, 64)
	e := Entry{ID: m.ID, At: time.UnixMilli(at).UTC(), Who: text("who"), Route: text("route"), Contacts: []trail.ContactID{}}
	e.People, _ = strconv.Atoi(text("people"))
	for _, c := range strings.Fields(text("contacts")) {
		e.Contacts = append(e.Contacts, trail.ContactID(c))
	}
	return e
}
