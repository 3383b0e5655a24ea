package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
)

// cursor is how far a folder has been read. UIDs grow within one UIDVALIDITY
// and mean nothing across two.
type cursor struct {
	Validity uint32   `json:"validity"`
	Last     imap.UID `json:"last"`            // all up to here is read, and its events are durable
	First    bool     `json:"first,omitzero"`  // the first reading of the folder is still under way
	ModSeq   uint64   `json:"modseq,omitzero"` // the folder's HIGHESTMODSEQ when all of it was read; 0: the server has none
}

// stored marks an error as one of our store's, not the server's.
func stored(err error) error { return errors.Join(errStore, err) }

func (w *watch) cursorKey(f folder) string { return "mailbox/" + w.b.Name + "/folder/" + f.name }

// cursor returns how far a folder has been read, or nil if it never was. What
// cannot be understood counts as never: reading again is safe.
func (w *watch) cursor(ctx context.Context, f folder) (*cursor, error) {
	if cur := w.cursors[f.name]; cur != nil {
		return cur, nil
	}
	text, err := w.p.Memory.Load(ctx, w.cursorKey(f))
	if err != nil {
		return nil, stored(fmt.Errorf("load cursor: %w", err))
	}
	cur := new(cursor)
	if text == "" || json.Unmarshal([]byte(text), cur) != nil {
		return nil, nil
	}
	w.cursors[f.name] = cur
	return cur, nil
}

func (w *watch) save(ctx context.Context, f folder, cur cursor) error {
	text, err := json.Marshal(cur)
	if err != nil {
		return fmt.Errorf("write cursor: %w", err)
	}
	if err := w.p.Memory.Save(ctx, w.cursorKey(f), string(text)); err != nil {
		return stored(fmt.Errorf("save cursor: %w", err))
	}
	w.cursors[f.name] = &cur
	return nil
}
