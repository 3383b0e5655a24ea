package trail

import (
	"strconv"
	"strings"
	"time"
)

// SightedRow is something that reps send and that nobody keeps up to date. It
// names no rep.
type SightedRow struct {
	Found   Found     `json:"found"`
	What    string    `json:"what,omitzero"`    // link or file; empty for an old version
	Content ContentID `json:"content,omitzero"` // whose old version or near copy it is
	Title   string    `json:"title,omitzero"`   // of that content
	URL     string    `json:"url,omitzero"`     // of a link
	Name    string    `json:"name,omitzero"`    // of a file
	Size    uint64    `json:"size,omitzero"`    // of a file: bytes as mailed
	Reps    uint64    `json:"reps"`             // how many reps sent it: of an old version in the last 90 days
	Mails   uint64    `json:"mails,omitzero"`   // of an old version: in the last 90 days
	At      time.Time `json:"at"`               // the day on which it was last seen

	Dismissed bool `json:"dismissed,omitzero"` // a marketer does not want to hear of it
}

// Found says why something is listed.
type Found string

// What is found.
const (
	OldVersion   Found = "old_version"  // reps still send what the content was before
	NearCopy     Found = "near_copy"    // a file that has nearly the name of a registered one and other bytes
	Unregistered Found = "unregistered" // three or more reps send it
)

// Dismissal returns the event by which a marketer says not to hear of something
// sighted, or to hear of it again.
func Dismissal(source string, r SightedRow, dismissed bool, now time.Time) (Event, error) {
	attrs := map[string]string{"what": r.What, "dismissed": "no"}
	if dismissed {
		attrs["dismissed"] = "yes"
	}
	switch {
	case r.What == "link" && r.URL != "":
		attrs["url"] = r.URL
	case r.What == "file" && strings.TrimSpace(r.Name) != "":
		attrs["name"], attrs["size"] = r.Name, strconv.FormatUint(r.Size, 10)
	default:
		return Event{}, Problemf(Invalid, "Only a link or a file that was seen in mails can be dismissed.")
	}
	now = now.UTC().Truncate(time.Millisecond)
	return Event{ID: NewID(now), Kind: Sighted, Source: source, At: now, ReceivedAt: now, Attrs: attrs}, nil
}
