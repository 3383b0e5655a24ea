package trail

import "time"

// Processing is the record of processing activities (GDPR, article 30) of this
// installation, from the configuration that is in force. Sentences are for people.
type Processing struct {
	At         time.Time   `json:"at"`
	Version    string      `json:"version"`
	Purpose    string      `json:"purpose"`
	Collected  []Collected `json:"collected"`  // of prospects
	Reps       []Collected `json:"reps"`       // of our own people
	Kept       []Collected `json:"kept"`       // for how long
	Seen       []Collected `json:"seen"`       // who can see what
	Recipients []Collected `json:"recipients"` // what leaves by itself, and to whom
	Stored     []Collected `json:"stored"`     // where
	Measures   []string    `json:"measures"`
	Never      []string    `json:"never"`      // what is not collected
	ReportKey  string      `json:"report_key"` // public key (Ed25519, base64) of reports on erasings
}

// Collected is one thing of a record, with the setting that decides it.
type Collected struct {
	What    string `json:"what"`
	Setting string `json:"setting,omitzero"` // such as tracking.pixel = consent
}
