package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/trail"
)

// PersonData returns all that is stored of a person: how they are called, the facts
// that are theirs or name them, and the trail, which has those that may be another's
// too. A *trail.Problem NotFound if there is nothing.
func (db *DB) PersonData(ctx context.Context, contact trail.ContactID, address string) (*trail.PersonData, error) {
	d := &trail.PersonData{Contact: contact, Facts: []trail.Event{}}
	var err error
	if d.Called, err = db.NamesOf(ctx, contact); err != nil {
		return nil, err
	}
	addresses, names := []string{address}, []string{}
	for _, p := range d.Called {
		addresses, names = append(addresses, p.Address), append(names, p.Name)
	}
	d.Facts, err = query(ctx, db, "PersonData", scanEvent, instant("as_of", forever),
		clickhouse.Named("contact", string(contact)), clickhouse.Named("pattern", trail.NamesPattern(addresses, names)))
	if err != nil {
		return nil, err
	}
	if len(d.Called) == 0 && len(d.Facts) == 0 {
		return nil, trail.Problemf(trail.NotFound, "Nothing is stored of %s.", address)
	}
	if detail, err := db.Contact(ctx, contact, Filter{Agents: trail.All}); err == nil { // else they are only named
		d.Now, d.Trail, d.Tracking = &detail.ContactRow, detail.Events, detail.Tracking
	}
	return d, nil
}
