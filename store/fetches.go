package store

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Sighting is one share in one mail to one contact, or its making for one. A link
// made for nobody in particular has no contact.
type Sighting struct {
	Share   trail.ShareID
	Content trail.ContentID
	Message string // "": the link was made, no mail seen
	Contact trail.ContactID
	At      time.Time // when it was sent, by the mail
	FoundAt time.Time // when we learned of it
}

// Sightings returns where shares were seen, and all other shares of the same
// mails, in order of time.
func (db *DB) Sightings(ctx context.Context, shares []trail.ShareID) ([]Sighting, error) {
	return query(ctx, db, "Sightings", func(rows driver.Rows, s *Sighting) error {
		return rows.Scan((*string)(&s.Share), &s.Content, &s.Message, (*string)(&s.Contact), when{&s.At}, when{&s.FoundAt})
	}, instant("as_of", forever), clickhouse.Named("shares", textsOf(shares)))
}

// Fetches returns the newest opens and clicks of shares, each in its newest
// revision, with all that is needed to judge it again; of unmailed shares, which
// no mail was seen with, those from a known place. At most limit.
func (db *DB) Fetches(ctx context.Context, shares, unmailed []trail.ShareID, limit int) ([]trail.Event, error) {
	return query(ctx, db, "Fetches", scanFetch, instant("as_of", forever), clickhouse.Named("shares", textsOf(shares)),
		clickhouse.Named("unmailed", textsOf(unmailed)), clickhouse.Named("limit", uint64(limit)))
}

// Window is a time at an origin.
type Window struct {
	Origin   string
	From, To time.Time
}

// Neighbours returns the opens and clicks that came in windows, at most limit.
func (db *DB) Neighbours(ctx context.Context, windows []Window, limit int) ([]trail.Event, error) {
	var origins []string
	var from, to []int64
	var first, last time.Time
	for _, w := range windows {
		origins, from, to = append(origins, w.Origin), append(from, w.From.UnixMilli()), append(to, w.To.UnixMilli())
		if first.IsZero() || w.From.Before(first) {
			first = w.From
		}
		if w.To.After(last) {
			last = w.To
		}
	}
	lowest, highest := trail.IDFrom(first, ""), trail.IDFrom(last, "")
	return query(ctx, db, "Neighbours", scanFetch, instant("as_of", forever), clickhouse.Named("origins", list(origins)),
		clickhouse.Named("from", from), clickhouse.Named("to", to),
		clickhouse.Named("first", hex.EncodeToString(lowest[:6])), clickhouse.Named("last", hex.EncodeToString(highest[:6])),
		clickhouse.Named("limit", uint64(limit)))
}

func scanFetch(rows driver.Rows, e *trail.Event) error {
	var id trail.ID
	err := rows.Scan(&id, &e.Revision, (*string)(&e.Kind), when{&e.At}, when{&e.ReceivedAt}, &e.Source, &e.Content, (*string)(&e.Share),
		&e.Message, (*string)(&e.Contact), &e.Account, &e.Rep, &e.Deal, (*string)(&e.Agent), &e.Probability, &e.Rules, &e.Signal,
		&e.RuleSet, &e.Signs, &e.Network, &e.Origin, &e.Device, &e.LedTo, (*string)(&e.Withheld))
	e.ID = id
	return err
}

func textsOf(shares []trail.ShareID) []string {
	texts := make([]string, len(shares))
	for i, s := range shares {
		texts[i] = string(s)
	}
	return texts
}
