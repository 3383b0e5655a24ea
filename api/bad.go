package api

import (
	"encoding/base64"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// badLimit is how many bad entries are listed, or handed in again, at once.
const badLimit = 1000

// BadEntry is an entry of the streams that could not become an event.
type BadEntry struct {
	Entry  string    `json:"entry"`
	At     time.Time `json:"at"`    // when it was accepted
	Stage  string    `json:"stage"` // where it failed: decode, validate or insert
	Reason string    `json:"reason"`
	Origin string    `json:"origin"` // who sent it, as far as that could be read
	Raw    string    `json:"raw"`    // its bytes; base64 when they are no text
	Base64 bool      `json:"base64,omitzero"`
}

func (s *Server) badEntries(c echo.Context) error {
	found, err := s.DB.BadEntries(c.Request().Context(), badLimit)
	if err != nil {
		return err
	}
	rows := make([]BadEntry, len(found))
	for i, b := range found {
		rows[i] = BadEntry{Entry: b.Entry.String(), At: b.At, Stage: b.Stage, Reason: b.Reason, Origin: b.Origin, Raw: b.Raw}
		if !utf8.ValidString(b.Raw) {
			rows[i].Raw, rows[i].Base64 = base64.StdEncoding.EncodeToString([]byte(b.Raw)), true
		}
	}
	return s.rows(c, "bad", listOf(rows))
}

// replayBad hands entries in once more, as they came: those named, or the newest
// thousand.
func (s *Server) replayBad(c echo.Context) error {
	var q struct {
		Entries []string `json:"entries"` // none: the newest thousand
	}
	if err := decode(c, &q); err != nil {
		return err
	}
	ctx := c.Request().Context()
	found, err := s.DB.BadEntries(ctx, badLimit, q.Entries...)
	if err != nil {
		return err
	}
	if len(found) < len(q.Entries) {
		return trail.Problemf(trail.NotFound, "Of %d entries %d are bad and were not handed in again yet; nothing was done.", len(q.Entries), len(found))
	}
	now := s.Now().UTC()
	raw := make([]string, len(found))
	for i := range found {
		raw[i], found[i].Replayed = found[i].Raw, now
	}
	// Accepted first: what is handed in twice is a duplicate, what is only marked would be lost.
	if err := s.Buffer.Replay(ctx, raw...); err != nil {
		return err
	}
	if err := s.DB.InsertBad(ctx, found); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]int{"replayed": len(found)})
}
