package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Choice is what was last said about tracking one subject.
type Choice struct {
	Kind    string // contact, account or share
	Subject string // ContactID, domain or ShareID
	Allowed bool
	Basis   string    // why: in the words of whoever recorded it
	At      time.Time // when it was given; zero: the CRM does not say
}

// Crowd is how many people may have a link for a stop of the link to be theirs. A
// link that more have, such as one in a signature, is stopped by itself.
const Crowd = 10

// Choices returns every choice on record, or that of one subject.
func (db *DB) Choices(ctx context.Context, subject string) ([]Choice, error) {
	return query(ctx, db, "Choices", func(rows driver.Rows, c *Choice) error {
		var allowed uint8
		err := rows.Scan(&c.Kind, &c.Subject, &allowed, &c.Basis, when{&c.At})
		c.Allowed = allowed == 1
		return err
	}, instant("as_of", forever), clickhouse.Named("subject", subject), clickhouse.Named("crowd", uint64(Crowd)))
}

// choice returns what was last said of one subject, nil if nothing was.
func (db *DB) choice(ctx context.Context, subject string) (*trail.Choice, error) {
	rows, err := db.Choices(ctx, subject)
	if err != nil || len(rows) == 0 || subject == "" {
		return nil, err
	}
	return &trail.Choice{Allowed: rows[0].Allowed, Basis: rows[0].Basis, At: rows[0].At}, nil
}

// Recipient is one contact of one share, as made or mailed.
type Recipient struct {
	Share   trail.ShareID
	Contact trail.ContactID // "": the link was made for nobody in particular
	Account string
	Deal    string
}

// Recipients returns every share with its contacts.
func (db *DB) Recipients(ctx context.Context) ([]Recipient, error) {
	return query(ctx, db, "Recipients", func(rows driver.Rows, r *Recipient) error {
		return rows.Scan((*string)(&r.Share), (*string)(&r.Contact), &r.Account, &r.Deal)
	}, instant("as_of", forever))
}
