package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// erasing is an erasing under way, as it is sealed.
type erasing struct {
	Contact   trail.ContactID `json:"contact"`
	Becomes   trail.ContactID `json:"becomes"`
	Addresses []string        `json:"addresses"`
	Names     []string        `json:"names"`
	Since     time.Time       `json:"since,omitzero"`     // when the first event of theirs was received
	Rewritten time.Time       `json:"rewritten,omitzero"` // when the tables had them no more
	Report    trail.Erasure   `json:"report"`

	Gone bool `json:"gone,omitzero"` // nothing of the above is kept any more; only Redis's files are left
}

// pattern finds the person in text.
func (e *erasing) pattern() string { return trail.NamesPattern(e.Addresses, e.Names) }

// text returns a function that leaves the person out of text.
func (e *erasing) text() func(string) string {
	names := trail.WithoutNames(e.pattern())
	return func(s string) string { return names(strings.ReplaceAll(s, string(e.Contact), string(e.Becomes))) }
}

// count adds to the report. An erasing that goes on does not count again what is gone.
func (e *erasing) count(where, what string, n uint64) {
	if n == 0 {
		return
	}
	i := slices.IndexFunc(e.Report.Removed, func(r trail.ErasedFrom) bool { return r.Where == where && r.What == what })
	if i < 0 {
		e.Report.Removed = append(e.Report.Removed, trail.ErasedFrom{Where: where, What: what, N: n})
		return
	}
	e.Report.Removed[i].N += n
}

// note keeps what is known of an erasing, sealed: names and addresses must not get into
// the files of Redis once more.
func (x *Eraser) note(ctx context.Context, e *erasing) error {
	sealer, err := NewSealer(x.Contacts, "erasings")
	if err != nil {
		return err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	stone := e.Report.Tombstone
	return x.Redis.HSet(ctx, erasingKey, stone, sealer.Seal(string(text), stone)).Err()
}

func (x *Eraser) noted(ctx context.Context, stone string) (*erasing, error) {
	sealed, err := x.Redis.HGet(ctx, erasingKey, stone).Result()
	if err != nil {
		return nil, err // redis.Nil: it is complete
	}
	sealer, err := NewSealer(x.Contacts, "erasings")
	if err != nil {
		return nil, err
	}
	text, ok := sealer.Open(sealed, stone)
	if !ok {
		return nil, trail.Problemf(trail.Conflict, "An erasing was begun under another contact_key; erase the person again, then remove the field %s of %s from Redis.", stone, erasingKey)
	}
	e := &erasing{}
	return e, json.Unmarshal([]byte(text), e)
}

// waiting is why an erasing cannot be completed yet; it is tried again by itself.
type waiting struct{ why string }

func (w *waiting) Error() string { return w.why }

func isWaiting(err error) bool { w := (*waiting)(nil); return errors.As(err, &w) }
