package trail

import "time"

// PersonData is all that is stored of one person, for whoever asks to see it (GDPR,
// article 15) or to take it along (article 20).
type PersonData struct {
	At       time.Time   `json:"at"` // when it was put together
	Address  string      `json:"email"`
	Contact  ContactID   `json:"contact"` // under which the facts name the person
	Called   []Person    `json:"called"`  // every address and name that was told of them
	Now      *ContactRow `json:"now,omitempty"`
	Tracking *Choice     `json:"tracking,omitempty"` // what they chose
	Facts    []Event     `json:"facts"`              // as they are stored, with their source: theirs, and those whose text names them
	Trail    []TrailRow  `json:"trail"`              // as reports tell it; what several may have done is there for each
	Why      string      `json:"why"`                // where to read for what and for how long it is kept
}
