package ingest

import (
	"context"

	"dealtrail/trail"
)

// Turn and Trim let tests do at once what is done once in a while.
func Turn(l *Leases, ctx context.Context) []string { return l.turn(ctx) }
func Trim(b *Buffer, ctx context.Context) error    { return b.trim(ctx, allPartitions) }

// NoteRecipients and Whose are how a loader tells whose links shares are, and how a
// click learns it.
var NoteRecipients = noteRecipients

func Whose(ctx context.Context, c *Consents, share trail.ShareID) (map[trail.ContactID]string, error) {
	r, err := c.whose(ctx, share)
	return r.contacts, err
}

// AloneFor is Alone for a lease that lasts as long as the test says.
var AloneFor = alone

// Begin is all that an erasing does before its process is killed.
func (x *Eraser) Begin(ctx context.Context, address, by string) error {
	contact := x.Contacts.ID(address)
	return x.begin(ctx, x.Contacts.Tombstone(contact), contact, address, by)
}

// Fence waits for the inserts that were begun before.
func Fence(x *Eraser, ctx context.Context) error { return x.fence(ctx) }

// LoadingKey is which inserts are under way.
const LoadingKey = loadingKey
