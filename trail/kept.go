package trail

import (
	"strings"
	"time"
	"unicode/utf8"
)

// KeptMail is what is kept about the mail of one rep: how many facts of each kind, and a
// page of them, the newest first. It is the answer of GET /v1/reps/{email}/facts.
type KeptMail struct {
	Rep    string      `json:"rep"`
	Since  time.Time   `json:"since,omitzero"` // the oldest fact's time
	Counts []KeptCount `json:"counts"`         // in the order of KeptKinds
	Rows   []KeptRow   `json:"rows"`
	Next   string      `json:"next,omitempty"` // the value of after for the next page; empty on the last
}

// KeptKinds are the kinds of facts that are about a rep's mail.
var KeptKinds = []Kind{Sent, Shared, Opened, Clicked, Viewed, Replied, Autoreplied, Bounced, Forwarded, Trapped, Rescanned}

// KeptCount is how many facts of one kind are kept.
type KeptCount struct {
	Kind     Kind      `json:"kind"`
	Facts    uint64    `json:"facts"`
	Machines uint64    `json:"machines,omitzero"` // of these, made by scanners and other programs
	Said     uint64    `json:"said,omitzero"`     // of these, with a person's word on who made them
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
}

// KeptRow is one fact of one content. A mail with two contents is two rows of one mail.
type KeptRow struct {
	ID          ID         `json:"id"`
	At          time.Time  `json:"at"`
	Kind        Kind       `json:"kind"`
	Content     string     `json:"content,omitzero"`
	Title       string     `json:"title,omitzero"`
	Contacts    []KeptName `json:"contacts"` // several mean "one of N"
	Deal        string     `json:"deal,omitzero"`
	Source      string     `json:"source"`           // mail: read in the mailbox; track: a link or pixel; api: a link was made
	Message     string     `json:"message,omitzero"` // keyed hash of the Message-ID
	Verdict     Agent      `json:"verdict,omitzero"`
	Probability float32    `json:"probability,omitzero"`
	Rules       []string   `json:"rules,omitempty"`
	Signal      string     `json:"signal,omitzero"`
	Withheld    Withheld   `json:"withheld,omitzero"`
	Said        *SaidWord  `json:"said,omitempty"` // a person's word on who made it
}

// KeptName is a contact as the rep knows them.
type KeptName struct {
	Contact ContactID `json:"contact"`
	Address string    `json:"email,omitzero"`
	Name    string    `json:"name,omitzero"`
	Role    string    `json:"role,omitzero"`
	Account string    `json:"account,omitzero"`
}

// Exclusion is somebody whose mail with one rep leaves no trace.
type Exclusion struct {
	Who string    `json:"who"` // an address, or a domain with all below it
	By  string    `json:"by,omitzero"`
	At  time.Time `json:"at"`
}

// ParseExclusion returns who is to be excluded, in the form that is compared: an
// address or a domain.
func ParseExclusion(written string) (string, error) {
	who := strings.TrimPrefix(NormalAddress(written), "@")
	domain := who[strings.LastIndexByte(who, '@')+1:]
	switch {
	case who == "":
		return "", Problemf(Invalid, "Say whom to exclude: an address, such as doctor@clinic.example, or a domain, such as clinic.example.")
	case !strings.Contains(domain, ".") || strings.Trim(domain, ".") != domain || strings.HasPrefix(who, "@") || strings.Count(who, "@") > 1 ||
		strings.ContainsAny(who, " \t\r\n<>,;/\x00") || len(who) > maxWords || !utf8.ValidString(who):
		return "", Problemf(Invalid, "%q is neither an address nor a domain; write it as doctor@clinic.example or clinic.example.", written)
	}
	return who, nil
}

// Covers reports whether an exclusion of an address or a domain is one of an address.
func Covers(who, address string) bool {
	address = NormalAddress(address)
	if strings.Contains(who, "@") {
		return who == address
	}
	domain := Domain(address)
	return who != "" && (domain == who || strings.HasSuffix(domain, "."+who))
}
